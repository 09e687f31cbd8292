"""A shop whose web depends on a database of another namespace, and a policy that closes it."""

from typing import Final

import yaml

from webhook.families import project
from webhook.review.touched import Written

BEFORE: Final = """\
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: shop}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, annotations: {netpol-preflight.io/connects-to: "db.data:5432"}}
spec:
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: i}]}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: db, namespace: data}
spec:
  selector: {matchLabels: {name: db}}
  template: {metadata: {labels: {name: db, app: db}}, spec: {containers: [{name: c, image: i, ports: [{containerPort: 5432}]}]}}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: data}
spec: {selector: {name: db}, ports: [{port: 5432}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: fence, namespace: data}
spec:
  podSelector: {matchLabels: {app: db}}
  policyTypes: [Ingress]
  ingress: [{from: [{namespaceSelector: {matchLabels: {team: shop}}}], ports: [{port: 5432}]}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: out, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress: [{to: [{namespaceSelector: {}, podSelector: {matchLabels: {app: db}}}]}, {ports: [{port: 53, protocol: UDP}, {port: 53}]}]
"""  # noqa: E501 - a manifest is read by its lines
WALL: Final = """\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: wall, namespace: shop}
spec: {podSelector: {}, policyTypes: [Ingress]}
"""


def values(text: str) -> list[Written]:
    found = [project(raw) for raw in yaml.safe_load_all(text)]
    return [one for one in found if isinstance(one, Written)]

"""AdmissionReviews as the API server sends them: Deployments with ten dependencies, of which some are closed."""

import json
from typing import Any, Final

from tests.benchmarks.synthetic import (
    HTTP,
    NAMESPACES_OF_A_TEAM,
    WARNING,
    Raw,
    Sizes,
    app_name,
    namespace_name,
    team_of,
)

CASES: Final = {"allowed": "allowed", "two denied": "denied", "warned": "warned", "denied": "denied"}  # and the outcome
WORKLOADS: Final = 16  # different ones of a case
BODIES: Final = 256  # different ones of a case: names, uids, images
DEPENDENCIES: Final = 10
MARK: Final = "@" * 8  # in the place of a number in the name of a workload that is another one with each request


def bodies(case: str, sizes: Sizes, count: int = BODIES) -> list[bytes]:
    """Return `count` different AdmissionReviews of a case.

    `allowed`: gateways, whom everything lets in; `two denied`: whom two of another team's do not. `denied` and
    `warned`: batch jobs' workers, whom nothing does, where that is refused and where it is only said.
    """
    return [_encoded(review(case, sizes, number)) for number in range(count)]


def marked(case: str, sizes: Sizes) -> list[bytes]:
    """Return AdmissionReviews with MARK in the names, labels and uids of workloads."""
    return [_encoded(review(case, sizes, number, name=f"{_role(case)}-{MARK}")) for number in range(WORKLOADS)]


def _encoded(raw: Raw) -> bytes:
    return json.dumps(raw, separators=(",", ":")).encode()


def _role(case: str) -> str:
    return "gateway" if case in ("allowed", "two denied") else "worker"


def review(case: str, sizes: Sizes, number: int, version: str = "1.4.2", name: str | None = None) -> Raw:
    """Return one AdmissionReview. `version` is a label of the pods: a new one is a workload never seen before."""
    place = _place(case, sizes, number % WORKLOADS)
    name = name or f"{_role(case)}-{number % WORKLOADS}"
    uid = f"{number:08x}-59d3-4f0e-8a62-0a3c5b1f7e90"
    user = {"username": "deployer@example.com", "groups": ["system:authenticated"]}
    kind = {"group": "apps", "version": "v1", "kind": "Deployment"}
    resource = {"group": "apps", "version": "v1", "resource": "deployments"}
    request = {
        "uid": uid,
        "kind": kind,
        "resource": resource,
        "requestKind": kind,
        "requestResource": resource,
        "name": name,
        "namespace": namespace_name(place),
        "operation": "CREATE",
        "userInfo": user,
        "object": _deployment(case, sizes, place, name, number, version),
        "oldObject": None,
        "dryRun": False,
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": "kubectl-create"},
    }
    return {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}


def _place(case: str, sizes: Sizes, workload: int) -> int:
    """Return the number of the workload's namespace, of one that is in the right mode."""
    wanted = [n for n in range(sizes.namespaces) if (n % NAMESPACES_OF_A_TEAM == WARNING) == (case == "warned")]
    return wanted[workload * len(wanted) // WORKLOADS]


def dependencies(sizes: Sizes, place: int) -> list[str]:
    """Return ten items: neighbours, other namespaces, a headless Service, a URL, a workload, an address, a block."""
    first = team_of(place) * NAMESPACES_OF_A_TEAM
    others = [n for n in range(first, min(first + NAMESPACES_OF_A_TEAM, sizes.namespaces)) if n != place] or [place]
    far = [namespace_name(others[step % len(others)]) for step in range(4)]
    apps = [app_name(1 + (place + step) % (sizes.apps - 1)) for step in range(8)]
    return [
        f"{apps[0]}:80",
        f"{apps[1]}:http",
        f"{apps[2]}-headless:{HTTP}",
        f"{apps[3]}.{far[0]}:80",
        f"{apps[4]}.{far[1]}.svc.cluster.local:80",
        f"http://{apps[5]}.{far[2]}/v1?page=1",
        f"{apps[6]}-headless.{far[3]}",
        f"deploy/{apps[7]}:{HTTP}",
        "203.0.113.10:443",
        "198.51.100.32/28:5432",
    ]


def _deployment(case: str, sizes: Sizes, place: int, name: str, number: int, version: str) -> Raw:
    labels = {"app": name, "role": _role(case), "env": "production", "version": version}
    items = dependencies(sizes, place)
    if case == "two denied":
        far = namespace_name((place + NAMESPACES_OF_A_TEAM) % sizes.namespaces)
        items[:2] = [f"{app_name(1)}.{far}:80", f"{app_name(2)}-headless.{far}:{HTTP}"]
    assert len(items) == DEPENDENCIES
    return {
        "kind": "Deployment",
        "apiVersion": "apps/v1",
        "metadata": {
            "name": name,
            "namespace": namespace_name(place),
            "uid": f"{number:08x}-c2b1-4c55-9d0e-8f5d7a6e4b21",
            "generation": 1,
            "creationTimestamp": "2026-11-20T10:00:00Z",
            "labels": {"app": name, "app.kubernetes.io/managed-by": "kustomize"},
            "annotations": {"netpol-preflight.io/connects-to": ", ".join(items)},
            "managedFields": [_managed(name)],
        },
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"creationTimestamp": None, "labels": labels}, "spec": _pod_spec(number)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}},
            "revisionHistoryLimit": 10,
            "progressDeadlineSeconds": 600,
        },
        "status": {},
    }


def _pod_spec(number: int) -> Raw:
    probe = {
        "httpGet": {"path": "/healthz", "port": "http", "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
    }
    return {
        "containers": [
            {
                "name": "main",
                "image": f"registry.example.com/team/main:{number}",
                "ports": [{"name": "http", "containerPort": HTTP, "protocol": "TCP"}],
                "env": [{"name": f"SETTING_{index}", "value": f"value-{index}"} for index in range(12)],
                "resources": {"limits": {"memory": "512Mi"}, "requests": {"cpu": "100m", "memory": "256Mi"}},
                "livenessProbe": probe,
                "readinessProbe": probe,
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
                "imagePullPolicy": "IfNotPresent",
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            }
        ],
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "serviceAccountName": "default",
        "securityContext": {},
        "schedulerName": "default-scheduler",
    }


def _managed(name: str) -> Raw:
    """Return what server-side bookkeeping adds to every object."""
    fields: dict[str, Any] = {
        "f:metadata": {"f:annotations": {".": {}, "f:netpol-preflight.io/connects-to": {}}, "f:labels": {"f:app": {}}},
        "f:spec": {
            "f:replicas": {},
            "f:selector": {},
            "f:template": {
                "f:metadata": {"f:labels": {".": {}, "f:app": {}, "f:role": {}, "f:env": {}, "f:version": {}}},
                "f:spec": {
                    "f:containers": {
                        'k:{"name":"main"}': {
                            ".": {},
                            "f:env": {f'k:{{"name":"SETTING_{n}"}}': {".": {}, "f:name": {}} for n in range(12)},
                            "f:image": {},
                            "f:ports": {".": {}, f'k:{{"containerPort":{HTTP},"protocol":"TCP"}}': {".": {}}},
                            "f:resources": {"f:limits": {"f:memory": {}}, "f:requests": {"f:cpu": {}}},
                        }
                    }
                },
            },
        },
    }
    manager = {"manager": "kubectl-client-side-apply", "operation": "Update", "apiVersion": "apps/v1"}
    return {**manager, "time": "2026-11-20T10:00:00Z", "fieldsType": "FieldsV1", "fieldsV1": fields, "name": name}

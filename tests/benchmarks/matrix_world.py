"""A folder of manifests as a platform team keeps it: applications by namespace, each with its own allow list.

The same number gives the same files, always. `python -m tests.benchmarks.matrix_world 800 FOLDER` writes them.
"""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from tests.benchmarks.synthetic import Raw
from webhook.manifests import dump

OF_A_NAMESPACE: Final = 20  # applications
NEIGHBOURS: Final = 100  # applications of a namespace that is open inside
OPEN: Final = 2  # namespaces that nobody has closed yet, however large the cluster is
PORTS: Final = (8080, 8443, 5432, 6379, 9092)
DNS: Final = "kube-system"


def objects(workloads: int) -> Iterator[Raw]:
    """Yield `workloads` Deployments and 1.1 times as many NetworkPolicies, with their namespaces."""
    yield _namespace(DNS, {})
    for number in range(-(-workloads // OF_A_NAMESPACE)):
        name = f"team-{number:03}"
        yield _namespace(name, {"team": f"t{number // 5}", "env": "prod" if number % 3 else "test"})
        yield from _common(number, name)
        for index in range(min(OF_A_NAMESPACE, workloads - number * OF_A_NAMESPACE)):
            yield _deployment(name, index)
            yield _policy(name, f"app-{index:02}", _rules(number, index))


def neighbourhoods(workloads: int) -> Iterator[Raw]:
    """Yield as many Deployments and policies, in namespaces of `NEIGHBOURS` which every policy lets in and out whole.

    The hardest for a join: each side of each policy opens many, and hardly a pair of policies has any in common.
    """
    yield _namespace(DNS, {})
    for number in range(-(-workloads // NEIGHBOURS)):
        name = f"team-{number:03}"
        yield _namespace(name, {"team": f"t{number}"})
        for spare in range(NEIGHBOURS // 10):
            nobody = {"podSelector": {"matchLabels": {"tier": f"spare-{spare}"}}, "policyTypes": ["Ingress"]}
            yield _policy(name, f"spare-{spare}", nobody)
        for index in range(min(NEIGHBOURS, workloads - number * NEIGHBOURS)):
            yield _deployment(name, index)
            here: list[Raw] = [{"podSelector": {}}]
            served, called = PORTS[index % len(PORTS)], PORTS[(index + 1) % len(PORTS)]
            spec: Raw = {
                "podSelector": {"matchLabels": {"app": f"app-{index:02}"}},
                "policyTypes": ["Ingress", "Egress"],
                "ingress": [{"from": here, "ports": [{"protocol": "TCP", "port": served}]}],
                "egress": [{"to": here, "ports": [{"protocol": "TCP", "port": called}]}, _dns()],
            }
            yield _policy(name, f"app-{index:02}", spec)


def _namespace(name: str, labels: Raw) -> Raw:
    named = {"kubernetes.io/metadata.name": name, **labels}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": named}}


def _deployment(namespace: str, index: int) -> Raw:
    labels = {"app": f"app-{index:02}", "tier": "front" if index == 0 else "back", "release": "stable"}
    port = PORTS[index % len(PORTS)]
    container = {
        "name": "main",
        "image": f"registry.example.com/{namespace}/app-{index:02}:1.4.2",
        "ports": [{"name": "main", "containerPort": port}, {"name": "metrics", "containerPort": 9090}],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
        "env": [{"name": "LOG_LEVEL", "value": "info"}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"app-{index:02}", "namespace": namespace, "labels": labels},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": f"app-{index:02}"}},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def _policy(namespace: str, name: str, spec: Raw) -> Raw:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


def _common(number: int, name: str) -> Iterator[Raw]:
    """Yield two policies: default deny (of both directions in every other namespace), and DNS where that closed it."""
    if number < OPEN:
        subject = {"matchLabels": {"restricted": "true"}}
        yield _policy(name, "restricted", {"podSelector": subject, "policyTypes": ["Ingress", "Egress"]})
        yield _policy(name, "restricted-dns", {"podSelector": subject, "policyTypes": ["Egress"], "egress": [_dns()]})
        return
    types = ["Ingress", "Egress"] if number % 2 else ["Ingress"]
    yield _policy(name, "default-deny", {"podSelector": {}, "policyTypes": types})
    if number % 2:
        yield _policy(name, "allow-dns", {"podSelector": {}, "policyTypes": ["Egress"], "egress": [_dns()]})
    else:
        monitoring = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "team-002"}}}
        rule = {"from": [monitoring], "ports": [{"protocol": "TCP", "port": 9090}]}
        yield _policy(name, "allow-monitoring", {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [rule]})


def _dns() -> Raw:
    namespaces = {"matchLabels": {"kubernetes.io/metadata.name": DNS}}
    ports = [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]
    return {"to": [{"namespaceSelector": namespaces}], "ports": ports}


def _rules(number: int, index: int) -> Raw:
    """Return what one application's policy says: neighbours, the team's front ends, some addresses."""
    subject = {"matchLabels": {"app": f"app-{index:02}"}}
    if number < OPEN:
        return {"podSelector": {**subject, "matchLabels": {"app": f"app-{index:02}", "restricted": "true"}}}
    port = {"protocol": "TCP", "port": PORTS[index % len(PORTS)]}
    callers = [f"app-{(index + step) % OF_A_NAMESPACE:02}" for step in (1, 2, 5)]
    some = {"matchExpressions": [{"key": "app", "operator": "In", "values": callers}]}
    team = {
        "namespaceSelector": {"matchLabels": {"team": f"t{number // 5}"}},
        "podSelector": {"matchLabels": {"tier": "front"}},
    }
    ingress: list[Raw] = [{"from": [{"podSelector": some}, team], "ports": [port]}]
    if index % 8 == 0:
        edge = {"cidr": f"198.51.{100 + number % 8}.0/24", "except": [f"198.51.{100 + number % 8}.128/25"]}
        ingress.append({"from": [{"ipBlock": edge}], "ports": [{"protocol": "TCP", "port": 8443}]})
    spec: Raw = {"podSelector": subject, "policyTypes": ["Ingress"], "ingress": ingress}
    if number % 2:
        called = [f"app-{(index - step) % OF_A_NAMESPACE:02}" for step in (1, 2, 5)]
        to = {"podSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": called}]}}
        egress: list[Raw] = [{"to": [to]}]
        if index % 4 == 0:
            egress.append(
                {"to": [{"ipBlock": {"cidr": "203.0.113.0/24"}}], "ports": [{"protocol": "TCP", "port": 443}]}
            )
        spec |= {"policyTypes": ["Ingress", "Egress"], "egress": egress}
    return spec


def write(raws: Iterable[Raw], folder: Path) -> dict[str, int]:
    """Write one file a namespace; return how many objects of each kind there are."""
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, list[Raw]] = {}
    counts: dict[str, int] = {}
    for raw in raws:
        files.setdefault(raw["metadata"].get("namespace", "namespaces"), []).append(raw)
        counts[raw["kind"]] = counts.get(raw["kind"], 0) + 1
    for name, some in files.items():
        (folder / f"{name}.yaml").write_text(dump(some), encoding="utf-8")
    return counts


if __name__ == "__main__":
    print(write(objects(int(sys.argv[1])), Path(sys.argv[2])))  # noqa: T201 - a program

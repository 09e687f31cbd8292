"""Reads the truth tables: each row becomes a world (raw Kubernetes objects) and questions with their answers."""

import json
import lzma
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, Final, NamedTuple

Raw = dict[str, Any]
HERE: Final = Path(__file__).parent
TO_HOST: Final = {  # how Felix ran that measured `calico`
    "apiVersion": "projectcalico.org/v3",
    "kind": "FelixConfiguration",
    "metadata": {"name": "default"},
    "spec": {"defaultEndpointToHostAction": "Accept"},
}
POLICY: Final = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy"}


class Question(NamedTuple):
    """May the first packet pass? `source` and `target` are `namespace/pod` or an address.

    `egress` and `ingress` are None where a table tells only the connection as a whole.
    """

    source: str
    target: str
    family: int
    protocol: str
    port: int
    passes: bool
    egress: bool | None = None
    ingress: bool | None = None


class Case(NamedTuple):
    """One world and what is asked of it."""

    name: str
    objects: list[Raw]
    questions: list[Question]


def rows(name: str) -> Iterator[Raw]:
    with lzma.open(HERE / f"{name}.jsonl.xz", "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def end_to_end() -> Iterator[Case]:
    """Kubernetes' own end-to-end tests; a pod's traffic to itself is left out, as they leave it out."""
    for index, row in enumerate(rows("k8s_e2e_netpol")):
        pods = [{"apiVersion": "v1", "kind": "Pod", **pod} for pod in row["Pods"].values()]
        yield Case(
            f"{index}: {row['Test']}",
            [*_namespaces(row["Namespaces"]), *pods, *({**POLICY, **p} for p in row["Policies"] or [])],
            [
                Question(source, target, 4, row["Protocol"], row["Port"], passes)
                for source, targets in row["Expected"].items()
                for target, passes in targets.items()
                if source != target
            ],
        )


def cyclonus() -> Iterator[Case]:
    """The cases that cyclonus generates, without a pod's traffic to itself."""
    for row in rows("cyclonus"):
        yield Case(
            f"{row['Case']}.{row['Step']}: {row['Description']}",
            [
                *_namespaces(row["Namespaces"]),
                *map(_cyclonus_pod, row["Pods"]),
                *({**POLICY, **p} for p in row["Policies"]),
            ],
            [
                Question(
                    q["From"], q["To"], 4, q["Proto"], q["Port"],
                    *(q[side] == "allowed" for side in ("Combined", "Egress", "Ingress")),
                )
                for q in row["Results"]
                if q["From"] != q["To"]
            ],
        )  # fmt: skip


def packets() -> Iterator[Case]:
    """What real packets did. A probe with a `quirk` does not judge: there that CNI leaves the API."""
    for row in rows("packets"):
        yield Case(row["case"], row["objects"], _measured(row["probes"]))


def _measured(probes: list[Raw]) -> list[Question]:
    return [
        Question(
            q["from"],
            q["to"],
            6 if q.get("family") == "IPv6" else 4,
            q["protocol"],
            q["port"],
            q["verdict"] == "allowed",
        )
        for q in probes
        if "quirk" not in q
    ]


def calico() -> Iterator[Case]:
    """What real packets did under Calico. A probe with a `quirk` does not judge: set-ups of Calico differ there."""
    for row in rows("calico"):
        yield Case(row["case"], row["objects"], _measured(row["probes"]))


def calico_quirks() -> Counter[str]:
    """How many probes of each quirk do not judge."""
    return Counter(q["quirk"] for row in rows("calico") for q in row["probes"] if "quirk" in q)


def defaulted(policy: Raw) -> Raw:
    """Return the policy as the API server stores it (`pkg/apis/networking/v1/defaults.go`)."""
    stored = deepcopy(policy)
    spec = stored["spec"]
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]
    for rule in [*(spec.get("ingress") or ()), *(spec.get("egress") or ())]:
        for port in rule.get("ports") or ():
            port.setdefault("protocol", "TCP")
    return stored


def _namespaces(labels: Raw) -> list[Raw]:
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": have}}
        for name, have in labels.items()
    ]


def _cyclonus_pod(row: Raw) -> Raw:
    ports = [{"name": c["PortName"], "containerPort": c["Port"], "protocol": c["Protocol"]} for c in row["Containers"]]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": row["Namespace"], "name": row["Name"], "labels": row["Labels"]},
        "spec": {"containers": [{"name": "c", "ports": ports}]},
        "status": {"phase": "Running", "podIP": row["IP"]},
    }


def cluster_network_policies() -> Iterator[Case]:
    """The conformance suite of ClusterNetworkPolicy; destinations are addresses, as it dials them."""
    with lzma.open(HERE / "cnp_conformance.pods.json.xz", "rt", encoding="utf-8") as file:
        pods: dict[str, Raw] = json.load(file)
    nodes = sorted({pod["status"]["hostIP"] for pod in pods.values()})
    shared = [*map(_cnp_node, nodes), *(_placed(pod) for pod in pods.values())]
    owners = {pod["status"]["podIP"]: name for name, pod in pods.items()}
    for row in rows("cnp_conformance"):
        policies = [*row["CNPs"], *({**POLICY, **p} for p in row["NPs"] or ())]
        asked = Question(row["From"], owners[row["DstIP"]], 4, row["Proto"].upper(), row["Port"], row["Expect"])
        yield Case(row["Sub"], [*row["Namespaces"], *shared, *policies], [asked])


def _cnp_node(address: str) -> Raw:
    """Return a node of the suite's cluster, of which only pods are recorded."""
    labels = {"kubernetes.io/os": "linux"}
    status = {"addresses": [{"type": "InternalIP", "address": address}]}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": f"node-{address}", "labels": labels},
        "status": status,
    }


def _placed(pod: Raw) -> Raw:
    return {**pod, "spec": {**pod["spec"], "nodeName": f"node-{pod['status']['hostIP']}"}}

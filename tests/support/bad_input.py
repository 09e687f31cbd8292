"""Objects of every kind, and their damaged variants."""

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Final

from hypothesis import strategies as st

from tests.support.arena import Raw
from tests.support.making import VERSIONS, deployment, endpoint_slice, headless, node, service, workload
from tests.support.ways_in import EVERY as WAYS_IN
from tests.support.worlds import namespace, pod, policy, port
from webhook.families import project
from webhook.model.settings import CONNECTS_TO, EXEMPT, Mode, Settings
from webhook.wire.shapes import Malformed
from webhook.world import Put, World

WORDS = (
    "",
    "a",
    "TCP",
    "80",
    "None",
    "10.0.0.0/8",
    "::/0",
    "web",
    "Always",
    "Ingress",
    "\x00\x1b[31m",
    "\u202e",
    "💥",
    "x" * 300,
)


KEYS = (
    "metadata",
    "name",
    "spec",
    "template",
    "matchLabels",
    "key",
    "operator",
    "values",
    "port",
    "ip",
    "cidr",
    "\x00",
)


NUMBERS = (0, 1, -1, 80, 65535, 65536, 2**31, 2**64, -(10**300), 10**300, 0.5, 1e300)


scalars = st.one_of(st.none(), st.booleans(), st.sampled_from(NUMBERS), st.sampled_from(WORDS), st.text(max_size=8))


anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)


CONTAINER: Final[Raw] = {
    "name": "c",
    "image": "c",
    "command": ["app", "--db=postgres://u:p@db.data/app"],
    "args": ["--cache", "db.data:5432", "$(HOST):$(PORT)"],
    "env": [
        {"name": "HOST", "value": "db.data"},
        {"name": "PORT", "value": "5432"},
        {"name": "URL", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "URL"}}},
        {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
    ],
    "envFrom": [{"prefix": "A_", "configMapRef": {"name": "settings"}}, {"secretRef": {"name": "s"}}],
    "volumeMounts": [{"name": "v", "mountPath": "/etc/app"}],
    "ports": [port("http", 80)],
}


FULL: Final = {
    **{
        kind: workload(
            kind,
            "shop/x",
            [port("http", 80)],
            annotations={CONNECTS_TO: "db.data:5432", EXEMPT: "NP101: why"},
            initContainers=[{"name": "i", "restartPolicy": "Always", "ports": [port("side", 81)]}],
            containers=[CONTAINER],
            volumes=[{"name": "v", "configMap": {"name": "settings", "items": [{"key": "app.yaml", "path": "a"}]}}],
            dnsPolicy="ClusterFirst",
            hostNetwork=False,
        )
        for kind in VERSIONS
        if kind not in ("Pod", "Service", "Namespace", "Node", "EndpointSlice", "NetworkPolicy")
    },
    "Pod": pod("shop/x", 1, {"app": "x"}, [port("http", 80)]),
    "Service": service(
        "data/db", {"app": "db"}, [{"name": "pg", "port": 5432, "targetPort": "pg"}], clusterIPs=["10.96.0.1"]
    )
    | {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}},
    "Namespace": namespace("shop", {"a": "b"}),
    "ConfigMap": {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"namespace": "shop", "name": "settings"},
        "data": {"URL": "http://db.data:5432/x", "app.yaml": "db:\n  host: db.data\n  port: 5432\n"},
    },
    "AdminNetworkPolicy": {
        "apiVersion": "policy.networking.k8s.io/v1alpha1",
        "kind": "AdminNetworkPolicy",
        "metadata": {"name": "admin"},
        "spec": {"subject": {"pods": {"namespaceSelector": {"matchLabels": {"a": "b"}}, "podSelector": {}}}},
    },
    "CalicoPolicy": {
        "apiVersion": "projectcalico.org/v3",
        "kind": "NetworkPolicy",
        "metadata": {"namespace": "shop", "name": "calico"},
        "spec": {"selector": "app == 'x' && has(tier)", "namespaceSelector": ""},
    },
    "CiliumNetworkPolicy": {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumNetworkPolicy",
        "metadata": {"namespace": "shop", "name": "cilium"},
        "spec": {"endpointSelector": {"matchLabels": {"k8s:app": "x", "io.kubernetes.pod.namespace": "shop"}}},
    },
    "Node": node("n1", "192.168.0.1", blocks=["10.0.0.0/8"]),
    **{raw["kind"]: raw for raw in WAYS_IN},
    "EndpointSlice": endpoint_slice("data/db-1", "db", ["10.0.0.1"], [{"name": "pg", "port": 5432}]),
    "NetworkPolicy": policy(
        "shop/p",
        podSelector={
            "matchLabels": {"app": "x"},
            "matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}],
        },
        policyTypes=["Ingress", "Egress"],
        ingress=[{"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}], "ports": [{"port": 80}]}],
        egress=[{"to": [{"namespaceSelector": {}, "podSelector": {}}], "ports": [{"port": "pg", "protocol": "TCP"}]}],
    ),
}


def places(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of every value inside `value`, its own first."""
    yield path
    match value:
        case dict():
            for key, item in value.items():
                yield from places(item, (*path, key))
        case list():
            for index, item in enumerate(value):
                yield from places(item, (*path, index))
        case _:
            pass


def replaced(value: Any, path: tuple[str | int, ...], other: object) -> Any:  # noqa: ANN401 - any JSON
    if not path:
        return other
    whole = deepcopy(value)
    inner = whole
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = other
    return whole


def world_with(*raws: Raw, mode: Mode = Mode.ENFORCE) -> World:
    """Return a world of what can be read: what cannot is left out, as the shell leaves it out."""
    world = World(Settings(mode=mode), complete=True)
    for raw in raws:
        try:
            value = project(raw)
        except Malformed as error:
            told(error)
            continue
        if value is not None:
            world.apply([Put(value)])
    return world


BASE: Final = (
    namespace("shop"),
    namespace("data"),
    deployment("data/db", [port("pg", 5432)]),
    FULL["Service"],
    headless("data/peers", {"app": "db"}, [{"port": 5432}]),
    policy("shop/closed", podSelector={}, policyTypes=["Ingress", "Egress"]),
)


def told(error: Malformed) -> None:
    """Hold one error to what a person can read: where it is, what was expected, nothing hostile."""
    assert error.problems
    for problem in error.problems:
        assert problem.path
        assert problem.expected.startswith("expected ")
    assert str(error).isprintable()
    assert len(str(error)) < 600


def review_of(obj: object, kind: str = "Deployment", **request: Any) -> Raw:  # noqa: ANN401 - any field
    group = VERSIONS.get(kind, "v1").rpartition("/")[0]
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "u-1",
            "kind": {"group": group, "version": "v1", "kind": kind},
            "name": "x",
            "namespace": "shop",
            "operation": "UPDATE",
            "object": obj,
            "oldObject": FULL.get(kind),
            **request,
        },
    }


REVIEW: Final = json.dumps(review_of(FULL["Deployment"])).encode()

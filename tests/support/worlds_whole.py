"""Worlds with everything that changes an answer: nodes, hosts, meshes, Services and policies of every family."""

from typing import Any, Final

from hypothesis import strategies as st

from tests.support.worlds import Raw, policies_of, worlds
from tests.support.worlds_populated import inhabited
from tests.support.worlds_staged import AROUND
from tests.support.worlds_tiers import node, wide_policies

HOSTS: Final = {"policy-group.network.openshift.io/host-network": ""}
MESHES: Final[tuple[tuple[Raw, Raw], ...]] = (  # a namespace's labels and annotations
    ({}, {}),
    ({"istio.io/dataplane-mode": "ambient"}, {}),
    ({"istio.io/dataplane-mode": "ambient"}, {}),
    ({"istio.io/dataplane-mode": "ambient", "istio.io/use-waypoint": "way"}, {}),
    ({}, {"linkerd.io/inject": "enabled"}),
    ({"istio-injection": "enabled"}, {}),
)
OF_A_POD: Final[tuple[Raw, ...]] = (
    {},
    {},
    {"linkerd.io/control-plane-ns": "linkerd"},
    {"linkerd.io/control-plane-ns": "linkerd"},
    {"istio.io/dataplane-mode": "none"},
)
SPACES: Final = ("x", "y")


@st.composite
def whole(draw: st.DrawFn) -> list[Raw]:
    """Draw a populated world, and around it what enforcers, meshes and other families make a difference by."""
    cast = draw(worlds())
    wide = [draw(wide_policies(cast, f"w{n}")) for n in range(draw(st.sampled_from((0, 0, 1, 2))))]
    objects = draw(inhabited(cast))
    if draw(st.booleans()):
        _mesh(draw, objects)
    for raw in policies_of(objects):
        _hosts(draw, raw)
    nodes = [_node(draw, number) for number in (1, 2) if draw(st.integers(0, 2))]
    for raw in objects:
        _on_its_node(draw, raw, nodes)
    objects = [raw for raw in objects if raw["kind"] != "Node"] + nodes
    objects += [thing for thing in AROUND if thing["kind"] != "Node" and draw(st.integers(0, 3)) == 0]
    objects += list({(raw["kind"], raw["metadata"]["name"]): raw for raw in wide}.values())
    if draw(st.integers(0, 2)) == 0:
        family = draw(st.sampled_from((CALICO, CILIUM)))
        objects += draw(st.lists(st.sampled_from(family), min_size=1, max_size=2, unique_by=_name))
    return objects


def _name(raw: Raw) -> str:
    return str(raw["metadata"]["name"])


def _node(draw: st.DrawFn, number: int) -> Raw:
    raw = node(number, f"192.168.0.{number}", *((f"fd00::a{number}",) if draw(st.booleans()) else ()))
    if draw(st.booleans()):
        raw["spec"] = {"podCIDRs": ["10.0.0.0/16"]}
    if draw(st.integers(0, 5)) == 0:
        raw["status"]["nodeInfo"] = {"operatingSystem": "windows"}
    return raw


def _on_its_node(draw: st.DrawFn, raw: Raw, nodes: list[Raw]) -> None:
    """Give a pod on its host's network the addresses of its node, as it has in a cluster."""
    if raw["kind"] != "Pod" or not raw["spec"].get("hostNetwork") or not draw(st.booleans()):
        return
    for one in nodes:
        if one["metadata"]["name"] == raw["spec"]["nodeName"]:
            ips = [{"ip": address["address"]} for address in one["status"]["addresses"]]
            raw["status"] = {"phase": "Running", "podIP": ips[0]["ip"], "podIPs": ips}


def _mesh(draw: st.DrawFn, objects: list[Raw]) -> None:
    for raw in objects:
        meta = raw["metadata"]
        if raw["kind"] == "Namespace":
            labels, notes = draw(st.sampled_from(MESHES))
            meta |= {"labels": {**meta["labels"], **labels}, "annotations": notes}
        elif raw["kind"] == "Pod":
            meta["labels"] = {**meta["labels"], **draw(st.sampled_from(OF_A_POD))}
        elif raw["kind"] == "StatefulSet" and draw(st.integers(0, 2)) == 0:
            raw["spec"]["template"]["metadata"]["annotations"] = {"linkerd.io/inject": "enabled"}


def _hosts(draw: st.DrawFn, raw: Raw) -> None:
    """Let a rule of some policies name the namespace that nodes stand in under OVN-Kubernetes, or everybody."""
    if draw(st.integers(0, 3)):
        return
    side, key = draw(st.sampled_from((("ingress", "from"), ("egress", "to"))))
    selector: Raw = draw(st.sampled_from(({"matchLabels": HOSTS}, {}, {"matchLabels": {"team": "a"}})))
    rule: Raw = {key: [{"namespaceSelector": selector}]}
    if draw(st.booleans()):
        rule["ports"] = [{"port": 80}]
    raw["spec"] = {**raw["spec"], side: [*(raw["spec"].get(side) or ()), rule]}


def _of(version: str, kind: str, name: str, namespace: str | None, **spec: Any) -> Raw:  # noqa: ANN401 - any field of a spec
    where = {} if namespace is None else {"namespace": namespace}
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, **where}, "spec": spec}


def _calico(name: str, namespace: str | None, **spec: Any) -> Raw:  # noqa: ANN401 - as above
    kind = "GlobalNetworkPolicy" if namespace is None else "NetworkPolicy"
    return _of("projectcalico.org/v3", kind, name, namespace, **spec)


def _rule(
    peer: Raw | None = None, *, action: str = "Allow", ports: list[Any] | None = None, key: str = "source"
) -> Raw:
    """Return a rule of Calico."""
    found: Raw = {"action": action} | ({} if peer is None else {key: peer})
    if ports is not None:
        found |= {"protocol": "TCP", "destination": {**found.get("destination", {}), "ports": ports}}
    return found


CALICO: Final[tuple[Raw, ...]] = (
    _calico("g1", None, order=10, selector="app == 'a'", types=["Ingress"], ingress=[_rule(action="Deny")]),
    _calico(
        "g2",
        None,
        order=2000,
        selector="all()",
        types=["Egress"],
        egress=[
            _rule({"selector": "has(app)"}, ports=[80], key="destination"),
            _rule({"nets": ["10.0.0.0/8"]}, action="Deny", key="destination"),
            _rule(action="Pass"),
        ],
    ),
    _calico(
        "g3",
        None,
        selector="!has(tier)",
        types=["Ingress", "Egress"],
        ingress=[_rule({"namespaceSelector": "app == 'a'"}), _rule({"nets": ["192.168.0.0/16"]})],
        egress=[_rule({"notNets": ["10.0.2.0/24"]}, key="destination")],
    ),
    _calico(
        "n1",
        "x",
        selector="app != 'b'",
        types=["Ingress"],
        ingress=[_rule({"selector": "app == 'a'"}, ports=["web", 8080])],
    ),
    _calico("n2", "y", selector="all()", types=["Egress"], egress=[{"action": "Deny", "protocol": "UDP"}, _rule()]),
)


def _cilium(name: str, namespace: str | None, **spec: Any) -> Raw:  # noqa: ANN401 - as above
    kind = "CiliumClusterwideNetworkPolicy" if namespace is None else "CiliumNetworkPolicy"
    return _of("cilium.io/v2", kind, name, namespace, **spec)


def _ports(port: str, protocol: str) -> list[Raw]:
    return [{"ports": [{"port": port, "protocol": protocol}]}]


CILIUM: Final[tuple[Raw, ...]] = (
    _cilium(
        "c1",
        "x",
        endpointSelector={},
        ingress=[{"fromEndpoints": [{"matchLabels": {"app": "a"}}]}, {"fromEntities": ["host", "remote-node"]}],
    ),
    _cilium(
        "c2",
        "y",
        endpointSelector={"matchLabels": {"app": "a"}},
        egress=[{"toEntities": ["cluster"]}, {"toCIDR": ["203.0.113.0/24"], "toPorts": _ports("80", "TCP")}],
    ),
    _cilium(
        "cc1",
        None,
        endpointSelector={"matchLabels": {"tier": "a"}},
        ingressDeny=[{"fromEntities": ["world"]}, {"fromEndpoints": [{}], "toPorts": _ports("81", "ANY")}],
        ingress=[{"fromEntities": ["all"]}],
    ),
    _cilium(
        "cc2",
        None,
        endpointSelector={},
        egress=[
            {"toServices": [{"k8sService": {"serviceName": "s", "namespace": "x"}}]},
            {"toEntities": ["kube-apiserver", "host"]},
        ],
    ),
)

"""Model values out of a few names, so that they meet: the same keys, owners, addresses and selectors again."""

from collections.abc import Iterable
from typing import Any, Final

from hypothesis import strategies as st
from msgspec import structs

from tests.support.making import isolating
from webhook.evaluate import PodEnd, judge_pair
from webhook.model.addresses import Address, ContainerPort, NamedPort, PortMatch, PortRange, parse_address, parse_block
from webhook.model.inbound import Backend, Gateway, GatewayClass, Inbound, Ingress, IngressClass, Route
from webhook.model.labels import OF_SELECTORS, Labels, Requirement, Selector
from webhook.model.objects import (
    Declaration,
    EndpointPort,
    EndpointSlice,
    Namespace,
    Node,
    Owner,
    Pod,
    PodClass,
    Service,
    ServicePort,
    Template,
    Workload,
)
from webhook.model.policy import BlockPeer, Direction, PodPeer, Policy, Rule, UnclearPeer
from webhook.model.refs import WORKLOAD_KINDS, PolicyRef, WorkloadRef
from webhook.world import Change, Drop, Put, View, World
from webhook.world.changes import Value, key_of

NAMESPACES: Final = ("a", "b")
ADDRESSES: Final = tuple(map(parse_address, ("10.0.1.1", "10.0.1.2", "10.0.2.1", "fd00::1", "fd00::2", "192.0.2.1")))
PORTS: Final = (ContainerPort(80, "TCP", "web"), ContainerPort(8080, "TCP", "web"), ContainerPort(53, "UDP", "dns"))
OWNERS: Final = (
    None,
    Owner("ReplicaSet", "web-h1"),
    Owner("ReplicaSet", "web-h2"),
    Owner("Deployment", "web"),
    Owner("StatefulSet", "web"),
    Owner("Rollout", "web"),
)
OWNED: Final = ("web", "web-h1", "web-h2")

declarations = st.sampled_from(
    ((), (), (Declaration("s1:80, web.b", "metadata"),), (Declaration("p1.s2.a", "template"),))
)
labels = st.sampled_from([Labels(found) for found in ({"app": "a"}, {"app": "a", "tier": "a"}, {"app": "b"}, {})])
namespaces = st.sampled_from(NAMESPACES)
addresses = st.lists(st.sampled_from(ADDRESSES), max_size=2, unique=True).map(tuple)
ports = st.lists(st.sampled_from(PORTS), max_size=2, unique=True).map(tuple)
requirements = st.builds(
    Requirement,
    st.sampled_from(("app", "tier", "pod-template-hash")),
    st.sampled_from(OF_SELECTORS),
    st.frozensets(st.sampled_from(("a", "h1")), min_size=1),
)
selectors = st.lists(requirements, max_size=1).map(tuple).map(Selector)
blocks = st.sampled_from(
    tuple(map(parse_block, ("10.0.0.0/8", "10.0.1.0/24", "0.0.0.0/0", "fd00::/64", "192.0.2.1/32")))
)
peers = st.one_of(
    st.builds(PodPeer, st.none() | selectors, selectors),
    blocks.map(BlockPeer),
    st.just(UnclearPeer("spec.egress[0].to[0]: expected podSelector, namespaceSelector or ipBlock, not `fqdn`")),
)
port_matches: st.SearchStrategy[PortMatch] = st.sampled_from(
    (PortRange("TCP"), PortRange("TCP", 80, 80), PortRange("UDP", 53, 53), NamedPort("TCP", "web"))
)


@st.composite
def pod_classes(draw: st.DrawFn, namespace: str, *, template: bool = False, hashed: bool = False) -> PodClass:
    found = draw(labels).as_dict()
    if hashed and draw(st.booleans()):
        found["pod-template-hash"] = draw(st.sampled_from(("h1", "h2")))
    return PodClass(namespace, Labels(found), draw(ports), draw(st.sampled_from((False, False, False, True))), template)


@st.composite
def workloads(draw: st.DrawFn, kinds: Iterable[str] = WORKLOAD_KINDS) -> Workload:
    namespace = draw(namespaces)
    kind = draw(st.sampled_from([k for k in kinds if k != "Pod"]))
    pod_class = draw(pod_classes(namespace, template=True))
    return Workload(
        WorkloadRef(kind, namespace, draw(st.sampled_from(OWNED))),
        Template(pod_class, pod_class.ports),
        selector=pod_class.labels or None,
        owner=draw(st.sampled_from(OWNERS)),
        connects_to=draw(declarations),
    )


@st.composite
def pods(draw: st.DrawFn) -> Pod:
    namespace, name = draw(namespaces), draw(st.sampled_from(("p1", "p2", "p3")))
    pod_class, owner = draw(pod_classes(namespace, hashed=True)), draw(st.sampled_from(OWNERS))
    return Pod(
        namespace,
        name,
        pod_class,
        draw(addresses),
        node=draw(st.sampled_from(("", "n1", "n2"))),
        live=draw(st.sampled_from((True, True, True, False))),
        owner=owner,
        declares=pod_class.ports,
        bare=structs.replace(bare(pod_class, name), connects_to=draw(declarations)) if owner is None else None,
    )


def bare(pod_class: PodClass, name: str) -> Workload:
    template = PodClass(pod_class.namespace, pod_class.labels, pod_class.ports, pod_class.host_network, template=True)
    return Workload(WorkloadRef("Pod", pod_class.namespace, name), Template(template, pod_class.ports))


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    namespace = draw(namespaces)
    rules = st.builds(
        Rule,
        st.just(0),
        st.none() | st.lists(peers, max_size=2).map(tuple),
        st.none() | st.lists(port_matches, max_size=2).map(tuple),
    )
    some = st.lists(rules, max_size=1).map(tuple)
    sections = st.one_of(st.none(), some, some)
    return isolating(
        PolicyRef(namespace, draw(st.sampled_from(("np1", "np2")))),
        draw(st.one_of(selectors, selectors, selectors, st.none())),
        draw(sections),
        draw(sections),
        unreadable=draw(st.sampled_from((*[None] * 7, "spec: expected an object"))),
    )


services = st.builds(
    Service,
    namespaces,
    st.sampled_from(("s1", "s2")),
    ports=st.just((ServicePort(80, "TCP", "web", "web"),)),
    selector=labels.map(lambda found: found or None),
    cluster_ips=addresses,
    outside_ips=addresses,
    published=st.booleans(),
)
slices = st.builds(
    EndpointSlice,
    namespaces,
    st.sampled_from(("e1", "e2")),
    st.sampled_from(("s1", "s2")),
    addresses,
    st.just((EndpointPort("web", "TCP", 80),)),
)
nodes = st.builds(Node, st.sampled_from(("n1", "n2")), addresses, pod_blocks=st.lists(blocks, max_size=2).map(tuple))
named = st.builds(Namespace, namespaces, labels)
backends = st.lists(st.builds(Backend, namespaces, st.sampled_from(("s1", "s2")), st.just(80)), max_size=2).map(tuple)
ways: st.SearchStrategy[Inbound] = st.one_of(
    st.builds(Ingress, namespaces, st.sampled_from(("i1", "i2")), backends=backends),
    st.builds(Route, st.sampled_from(("HTTPRoute", "UDPRoute")), namespaces, st.just("i1"), backends=backends),
    st.builds(IngressClass, st.sampled_from(("c1", "c2")), default=st.booleans()),
    st.builds(Gateway, namespaces, st.just("i1")),
    st.builds(GatewayClass, st.just("c1")),
)
values: st.SearchStrategy[Value] = st.one_of(pods(), workloads(), policies(), services, slices, nodes, named, ways)
judged: st.SearchStrategy[Value] = st.one_of(policies(), policies(), nodes, named)  # what verdicts rest on
drops: st.SearchStrategy[Drop] = values.map(key_of)
changes: st.SearchStrategy[Change] = st.one_of(values.map(Put), values.map(Put), drops)


def filled(objects: Iterable[Value]) -> World:
    """Return the complete world of these objects, the last of each name."""
    world = World(complete=True)
    world.apply(map(Put, objects))
    return world


NAMES: Final = tuple((n, name) for n in NAMESPACES for name in ("s1", "s2", "web"))
PLAYERS: Final = tuple(
    PodEnd(PodClass(n, Labels(found), PORTS[:1], host, template=not own), own, node)
    for n, found, host, own, node in (
        ("a", {"app": "a"}, False, (), ""),
        ("b", {"app": "a"}, False, (), ""),
        ("a", {"app": "b", "tier": "a"}, False, ADDRESSES[:1] + ADDRESSES[3:4], "n1"),
        ("b", {"tier": "a"}, True, (), ""),
    )
)


def verdicts(view: View) -> list[tuple[object, ...]]:
    """Ask what passes between all kinds of ends."""
    return [judge_pair(view, one, two, "TCP", 80) for one in PLAYERS for two in PLAYERS]


def answers(view: View) -> dict[str, Any]:
    """Ask everything that `View` promises; what it promises no order of is compared without."""
    shapes_here = {pod.pod_class for n in NAMESPACES for group in view.pods.groups(n) for pod in group.pods}
    shapes_here |= {workload.template.pod_class for workload in view.workloads.every()}
    every = [*view.workloads.every()]
    refs = [WorkloadRef(kind, n, name) for kind in (*WORKLOAD_KINDS, "Rollout") for n in NAMESPACES for name in OWNED]
    refs += [WorkloadRef("Pod", n, name) for n in NAMESPACES for name in ("p1", "p2", "p3")]
    found: dict[str, Any] = {
        "complete": view.complete,
        "namespaces": list(view.namespaces.names()),
        "workloads": {workload.ref: workload for workload in every},
        "pods of": {ref: view.pods.of(ref) for ref in refs},
        "workload": {ref: view.workloads.get(ref) for ref in refs},
        "selecting": {(s, d): view.policies.selecting(s, d) for s in shapes_here for d in Direction},
        "nodes": {node.name: node for node in view.nodes.every()},
        "families": view.families(),
        "pod blocks": (view.pod_blocks(4), view.pod_blocks(6)),
        "addresses": {a: _at(view, a) for a in ADDRESSES},
        "mentioning": {name: view.workloads.mentioning([name]) for name in NAMES},
        "published": sorted((s.namespace, s.name) for s in view.services.published()),
        "services of": {pod_class: view.services.selecting(pod_class) for pod_class in shapes_here},
        "sending to": {name: view.inbound.sending_to(*name) for name in NAMES},
        "class": view.inbound.ingress_class(""),
        **{name: _of_namespace(view, name) for name in NAMESPACES},
    }
    assert len(found["workloads"]) == len(every), "each workload once"
    return found


def _of_namespace(view: View, name: str) -> tuple[Any, ...]:
    groups = view.pods.groups(name)
    here = {service.name: service for service in view.services.within(name)}
    return (
        view.namespaces.get(name),
        (name in view.namespaces),
        dict(view.policies.named(name)),
        here,
        {own: view.services.get(name, own) for own in ("s1", "s2")},
        groups,
        {own: (view.pods.behind(service), view.services.endpoints(service)) for own, service in here.items()},
        {pod.name: view.pods.top(pod) for group in groups for pod in group.pods},
        {workload.ref for workload in view.workloads.every(name)},
    )


def _at(view: View, address: Address) -> tuple[Any, ...]:
    return view.pods.at(address), view.services.at(address), view.services.outside_at(address), view.nodes.at(address)

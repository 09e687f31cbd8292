"""Random worlds in which something declared may be denied, and what a fix changes in them."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from typing import Final, NamedTuple, TypeVar

from hypothesis import assume, event
from hypothesis import strategies as st
from msgspec import structs

from tests.support.making import isolating
from webhook.evaluate import Outside, PodEnd, ends_of_pod, judge_outside, judge_pair, judge_side
from webhook.fix import Fixed, fix_dependency
from webhook.judge import Judged, judge, judge_dns, judge_workload
from webhook.model.addresses import Block, ContainerPort, PortRange, Protocol, parse_address, parse_block
from webhook.model.answers import Manifest, Verdict
from webhook.model.labels import EVERYTHING, Labels, Operator, Requirement, Selector
from webhook.model.objects import (
    Declaration,
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
from webhook.model.policy import BlockPeer, Direction, PodPeer, Policy, Rule
from webhook.model.refs import PolicyRef, WorkloadRef
from webhook.model.settings import DEFAULTS, Settings
from webhook.wire.networkpolicies import network_policy
from webhook.world import Put, View, World
from webhook.world.changes import Value, key_of

K = TypeVar("K")


HEAVY: Final = 50  # examples of laws that ask about every pair of pods


CLOSED: Final = (Verdict.DENIED, Verdict.PARTIAL)


DIALLED: Final[tuple[tuple[Protocol, int], ...]] = (("TCP", 80), ("TCP", 8080), ("UDP", 53), ("TCP", 53), ("TCP", 443))


OUTSIDE: Final = tuple(map(parse_block, ("192.0.2.0/30", "192.0.2.1/32", "198.51.100.7/32", "2001:db8::1/128")))


NAME: Final = "kubernetes.io/metadata.name"


DNS_PORTS: Final = (ContainerPort(53, "UDP", "dns"), ContainerPort(53, "TCP", "dns-tcp"))


@st.composite
def workloads(draw: st.DrawFn) -> list[Workload]:
    """Draw workloads whose names repeat across kinds and namespaces, and whose labels often do."""
    refs = st.builds(
        WorkloadRef,
        st.sampled_from(("Deployment", "StatefulSet")),
        st.sampled_from(("x", "y")),
        st.sampled_from(("web", "db", "a-to-b")),
    )
    found = []
    for ref in draw(st.lists(refs, min_size=2, max_size=5, unique=True)):
        own = {"app": draw(st.sampled_from((ref.name, ref.name, "shared")))}
        more = draw(st.sampled_from(({}, {"kind": ref.kind.lower()}, {"tier": "back"})))
        pod_class = PodClass(
            ref.namespace,
            Labels({**own, **more}),
            (ContainerPort(8080, "TCP", "http"),),
            host_network=draw(st.integers(0, 9)) == 0,
            template=True,
        )
        found.append(Workload(ref, Template(pod_class, pod_class.ports), selector=Labels(own)))
    return found


def another(workload: Workload, number: int) -> Workload:
    """Return a workload that nobody has seen, of a name and labels of its own, that declares the same.

    Selectors ask for some of its labels: every other has a tier, and every third is one of the old.
    """
    name = f"{workload.ref.name}-{number}"
    pod_class = workload.template.pod_class
    asked = {"tier": "back" if number % 2 else "none", "rev": str(number) if number % 3 else "old"}
    labels = Labels({**pod_class.labels.as_dict(), "app": name, **asked})
    template = structs.replace(workload.template, pod_class=structs.replace(pod_class, labels=labels))
    ref = structs.replace(workload.ref, name=name)
    return structs.replace(workload, ref=ref, template=template, selector=Labels({"app": name}))


@st.composite
def pods_of(draw: st.DrawFn, workload: Workload, first: int) -> list[Pod]:
    """Draw the running pods of a workload; those of an older template may have labels of their own."""
    ref, pod_class = workload.ref, workload.template.pod_class
    found = []
    for number in range(first, first + draw(st.integers(0, 2))):
        labels = pod_class.labels.as_dict() | draw(st.sampled_from(({}, {}, {"rev": "old"}, {"tier": "front"})))
        owner = Owner(ref.kind, ref.name)
        if ref.kind == "Deployment":
            labels["pod-template-hash"], owner = "5d8", Owner("ReplicaSet", f"{ref.name}-5d8")
        mine = structs.replace(pod_class, labels=Labels(labels), template=False)
        address = parse_address(f"10.9.0.{number}" if pod_class.host_network else f"10.0.0.{number}")
        node = f"n{number}"
        found.append(Pod(ref.namespace, f"p{number}", mine, (address,), node, owner=owner, declares=mine.ports))
    return found


about = st.sampled_from(
    (
        EVERYTHING,
        *(
            Selector.exactly(Labels(found))
            for found in ({"app": "web"}, {"app": "db"}, {"tier": "back"}, {"rev": "old"})
        ),
        Selector((Requirement("tier", Operator.DOES_NOT_EXIST),)),
        Selector((Requirement("pod-template-hash", Operator.IN, frozenset(("5d8",))),)),
    )
)


peers = st.one_of(
    st.builds(PodPeer, st.sampled_from((None, None, EVERYTHING)), about),
    st.sampled_from(("10.0.0.0/8", "10.0.0.1/32", "192.0.2.0/31")).map(parse_block).map(BlockPeer),
)


numbers = st.sampled_from((PortRange("TCP", 8080, 8080), PortRange("TCP", 80, 80), PortRange("UDP", 53, 53)))


rules = st.builds(
    Rule,
    st.just(0),
    st.none() | st.lists(peers, min_size=1, max_size=2).map(tuple),
    st.none() | st.lists(numbers, min_size=1, max_size=2).map(tuple),
)


sections = st.sampled_from((None, ())) | st.lists(rules, max_size=1).map(tuple)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    space = draw(st.sampled_from(("x", "x", "y", "y", "kube-system")))
    unreadable = "spec: expected an object" if draw(st.integers(0, 15)) == 0 else None
    ref = PolicyRef(space, draw(st.sampled_from(("one", "two", "three"))))
    return isolating(ref, draw(about), draw(sections), draw(sections), unreadable)


WALLS: Final = (
    isolating(PolicyRef("x", "wall"), EVERYTHING, ingress=(), egress=()),
    isolating(PolicyRef("y", "wall"), EVERYTHING, ingress=()),
    isolating(PolicyRef("x", "web-only"), Selector.exactly(Labels({"app": "web"})), egress=()),
    isolating(PolicyRef("kube-system", "wall"), EVERYTHING, ingress=()),
)


class Case(NamedTuple):
    objects: list[Value]
    workloads: list[Workload]  # each with what it declares

    def world(self, *policies: Policy, settings: Settings = DEFAULTS) -> World:
        world = World(settings, complete=True)
        world.apply(map(Put, [*self.objects, *self.workloads, *policies]))
        return world


@st.composite
def cases(draw: st.DrawFn) -> Case:
    some = draw(workloads())
    objects: list[Value] = [Namespace(n, Labels({NAME: n})) for n in ("x", "y", "kube-system")]
    objects.append(Node("n", (parse_address("10.9.0.1"),), pod_blocks=(parse_block("10.0.0.0/16"),)))
    pods = [pod for n, workload in enumerate(some) for pod in draw(pods_of(workload, n * 3 + 1))]
    services = [Service(w.ref.namespace, w.ref.name, (ServicePort(80, "TCP", "", 8080),), w.selector) for w in some]
    if draw(st.booleans()):
        objects += dns()
    targets = [
        *(f"{w.ref.name}.{w.ref.namespace}:80" for w in some),
        *(f"{w.ref.kind.lower()}/{w.ref.name}.{w.ref.namespace}:8080" for w in some),
        *("192.0.2.0/30:443", "192.0.2.1:443", "[2001:db8::1]:443", "198.51.100.7:80"),
    ]
    asked = st.lists(st.sampled_from(targets), min_size=1, max_size=3, unique=True).map(",".join)
    declaring = [structs.replace(w, connects_to=(Declaration(draw(asked), "metadata"),)) for w in some]
    walls = draw(st.lists(st.sampled_from(WALLS), min_size=1, max_size=3, unique=True))
    objects += [*services, *pods, *walls, *draw(st.lists(policies(), max_size=4))]
    return Case(list({key_of(value): value for value in objects}.values()), declaring)


def dns() -> list[Value]:
    pod_class = PodClass("kube-system", Labels({"k8s-app": "kube-dns"}), DNS_PORTS, template=True)
    ports = (ServicePort(53, "UDP", "dns", "dns"), ServicePort(53, "TCP", "dns-tcp", "dns-tcp"))
    workload = Workload(
        WorkloadRef("Deployment", "kube-system", "coredns"), Template(pod_class, DNS_PORTS), selector=pod_class.labels
    )
    return [workload, Service("kube-system", "kube-dns", ports, pod_class.labels)]


class Endpoint(NamedTuple):
    ref: WorkloadRef
    end: PodEnd


def endpoints(view: View) -> list[Endpoint]:
    """Return every running pod and every template that may still become one."""
    running = [
        Endpoint(g.ref, ends_of_pod(p)) for n in view.namespaces.names() for g in view.pods.groups(n) for p in g.pods
    ]
    return [*running, *(Endpoint(w.ref, PodEnd(w.template.pod_class)) for w in view.workloads.every())]


Question = tuple[Endpoint, Endpoint, Protocol, int]


def passing(view: View, everybody: list[Endpoint]) -> dict[Question, Verdict]:
    return {
        (one, two, *dialled): judge_pair(view, one.end, two.end, *dialled)[0]
        for one, two, dialled in product(everybody, everybody, DIALLED)
    }


def beyond(view: View, everybody: list[Endpoint]) -> dict[tuple[Endpoint, Block, Protocol, int, str], Verdict]:
    """Return what passes between anybody and the addresses outside, in either direction."""
    found: dict[tuple[Endpoint, Block, Protocol, int, str], Verdict] = {}
    for one, block, (protocol, port) in product(everybody, OUTSIDE, DIALLED):
        found[one, block, protocol, port, "out"] = judge_outside(view, one.end, block, protocol, port)[0]
        side = judge_side(view, Direction.INGRESS, one.end, Outside(block), block.family, protocol, port)
        found[one, block, protocol, port, "in"] = side.verdict
    return found


def applied(case: Case, manifests: Iterable[Manifest]) -> World:
    return case.world(*(network_policy(m, m["metadata"]["namespace"]) for m in manifests))


def again(view: View, workload: Workload, part: Judged) -> Judged:
    found = judge_dns(view, workload) if part.resolved is None else judge(view, workload, part.resolved)
    assert found is not None
    return found


def denied(view: View, case: Case) -> Iterator[tuple[Workload, Judged, Judged | None]]:
    """Yield each declared dependency, and each look-up, that is denied in whole or in part; with the look-up."""
    for workload in case.workloads:
        judged = judge_workload(view, workload)
        lookup = judged.dns if judged.dns is not None and judged.dns.verdict in CLOSED else None
        for part in (*judged.dependencies, *((judged.dns,) if judged.dns else ())):
            if part.verdict in CLOSED:
                yield workload, part, lookup


def one_denied(case: Case, data: st.DataObject) -> tuple[World, Workload, Judged, Judged | None, Fixed]:
    world = case.world()
    every = list(denied(world, case))
    assume(every)
    workload, part, lookup = data.draw(st.sampled_from(every), "denied")
    found = fix_dependency(world, workload, part, lookup)
    event(f"{part.verdict}, {'fixed' if found.policies else 'no fix'}{', notes' if found.notes else ''}")
    return world, workload, part, lookup, found


def lost(before: Mapping[K, Verdict], then: Mapping[K, Verdict]) -> Iterator[tuple[K, Verdict, Verdict]]:
    """Yield what was allowed, or might have been, and is not any more."""
    for question, verdict in before.items():
        if (verdict is Verdict.ALLOWED and then[question] is not verdict) or (
            verdict is Verdict.UNKNOWN and then[question] in CLOSED
        ):
            yield question, verdict, then[question]

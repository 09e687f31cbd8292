"""Random worlds with pieces that no family makes: every tier, rank, lane, peer and condition that there may be."""

from collections.abc import Sequence
from typing import Any, Final, TypeVar

from hypothesis import strategies as st
from msgspec import structs

from tests.support.arena import Raw
from tests.support.worlds_populated import populated
from webhook.families import project
from webhook.model.addresses import NamedPort, PortRange, parse_block
from webhook.model.crd_policies import CompileContext
from webhook.model.dialect import BlockReading, Dialect, NodeReading, TierOrder
from webhook.model.labels import (
    EVERYTHING,
    NO_KEYS,
    AllOf,
    AnyOf,
    NoneOf,
    Operator,
    Predicate,
    Requirement,
    Selector,
    Space,
    holds,
)
from webhook.model.objects import PodClass
from webhook.model.peers import (
    EndpointPeer,
    NodePeer,
    Peer,
    Place,
    PlacePeer,
    PodMatch,
    ServicePeer,
    ServicesPeer,
    ServiceWish,
)
from webhook.model.policy import BlockPeer, Direction, UnclearPeer
from webhook.model.refs import PolicyRef
from webhook.model.tier import (
    BASELINE,
    NETWORK_POLICIES,
    Action,
    CompiledPolicy,
    CompiledRule,
    Tier,
    compiled_policy,
    sort_key,
)
from webhook.model.truth import Truth
from webhook.world import World
from webhook.world.changes import Put
from webhook.world.pod_labels import labels_of
from webhook.world.policies import Policies
from webhook.world.view import Selecting

T = TypeVar("T")
WHY: Final = "a test says so"
TRUTHS: Final = st.sampled_from(Truth)
TIERS: Final = st.sampled_from((Tier(1, "first"), Tier(100, "second"), Tier(250, "fourth"), BASELINE))
ACTIONS: Final = st.sampled_from(Action)


def _object(version: str, kind: str, name: str, namespace: str | None = None, **rest: Any) -> Raw:  # noqa: ANN401
    where = {"namespace": namespace} if namespace else {}
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, **where}, **rest}


def _listed(namespace: str, service: str, addresses: list[str], number: int) -> Raw:
    raw = _object(
        "discovery.k8s.io/v1",
        "EndpointSlice",
        f"{service}-1",
        namespace,
        addressType="IPv4",
        ports=[{"name": "", "port": number, "protocol": "TCP"}],
        endpoints=[{"addresses": addresses, "conditions": {"ready": True}}],
    )
    raw["metadata"]["labels"] = {"kubernetes.io/service-name": service}
    return raw


AROUND: Final[tuple[Raw, ...]] = (
    _object("v1", "ServiceAccount", "default", "x")
    | {"metadata": {"name": "default", "namespace": "x", "labels": {"role": "web"}}},
    _object("v1", "ServiceAccount", "other", "y"),
    {
        **_object("v1", "Node", "n2"),
        "metadata": {"name": "n2", "labels": {"pool": "a"}},
        "status": {
            "addresses": [{"type": "InternalIP", "address": "10.0.1.9"}, {"type": "InternalIP", "address": "fd00::1"}]
        },
    },
    _object("v1", "Service", "s", "x", spec={"selector": {"app": "a"}, "ports": [{"port": 80}]}),
    _object("v1", "Service", "listed", "x", spec={"ports": [{"port": 80}]}),
    _listed("x", "listed", ["10.0.2.2", "203.0.113.9"], 80),
    _object("v1", "Service", "kubernetes", "default", spec={"ports": [{"port": 443}]}),
    _listed("default", "kubernetes", ["203.0.113.7"], 6443),
)


class _Pieces(Policies):
    """Policies with pieces beside them, under a dialect."""

    def __init__(self, view: "Staged", below: Policies, pieces: Sequence[CompiledPolicy], dialect: Dialect) -> None:
        self._staged, self._below, self._pieces, self._said = view, below, tuple(pieces), dialect

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever else the policies have
        return getattr(self._below, name)

    @property
    def context(self) -> CompileContext:
        return structs.replace(self._below.context, dialect=self._said)

    def compiled_policies(self, namespace: str, direction: Direction) -> list[CompiledPolicy]:
        mine = (p for p in self._pieces if p.namespace == namespace and p.direction is direction)
        return sorted([*self._below.compiled_policies(namespace, direction), *mine], key=sort_key)

    def selecting(self, pod_class: PodClass, direction: Direction) -> Selecting:
        found = list(self._below.selecting(pod_class, direction))
        for one in self._pieces:
            if one.direction is direction and one.namespace in ("", pod_class.namespace):
                truth = self._selects(one, pod_class)
                if truth is not Truth.NO:
                    found.append((one, Truth.MAYBE if one.unclear else truth))
        return tuple(sorted(found, key=lambda pair: sort_key(pair[0])))

    def _selects(self, one: CompiledPolicy, pod_class: PodClass) -> Truth:
        keys = self._staged.settings.pending_labels if pod_class.template else NO_KEYS
        subject = Truth.MAYBE if one.subject is None else one.subject.matches(pod_class.labels, keys)
        return subject if one.scope is None else min(subject, holds(one.scope, labels_of(self._staged, pod_class)))


class Staged(World):
    """A world with `pieces` beside its policies, under a dialect of its own."""

    def __init__(self, objects: Sequence[Raw], pieces: Sequence[CompiledPolicy], dialect: Dialect) -> None:
        super().__init__(complete=False)
        for raw in objects:
            value = project(raw)
            assert value is not None, raw
            self.apply([Put(value)])
        self.policies = _Pieces(self, self.policies, pieces, dialect)


def _label(space: Space, key: str, test: Operator, *values: str) -> Requirement:
    return Requirement(key, test, frozenset(values), space)


TERMS: Final = (
    _label(Space.POD, "app", Operator.IN, "a", "b"),
    _label(Space.POD, "app", Operator.NOT_IN, "a"),
    _label(Space.POD, "debug", Operator.EXISTS),
    _label(Space.POD, "tier", Operator.STARTS_WITH, "a", "o"),
    _label(Space.POD, "pod-template-hash", Operator.EXISTS),
    _label(Space.NAMESPACE, "app", Operator.IN, "a"),
    _label(Space.NAMESPACE, "tier", Operator.CONTAINS, "a"),
    _label(Space.NAMESPACE, "kubernetes.io/metadata.name", Operator.IN, "x"),
    _label(Space.ACCOUNT, "role", Operator.IN, "web"),
    _label(Space.FIELD, "account", Operator.ENDS_WITH, "t"),
    _label(Space.FIELD, "namespace", Operator.NOT_IN, "x"),
)
EXPRESSIONS: Final[st.SearchStrategy[Predicate]] = st.recursive(
    st.sampled_from(TERMS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2).map(lambda parts: AllOf(tuple(parts))),
        st.lists(inner, max_size=2).map(lambda parts: AnyOf(tuple(parts))),
        inner.map(lambda part: NoneOf((part,))),
    ),
    max_leaves=3,
)
SELECTORS: Final = st.sampled_from(
    (
        EVERYTHING,
        EVERYTHING,
        Selector((Requirement("app", Operator.IN, frozenset({"a"})),)),
        Selector((Requirement("debug", Operator.EXISTS),)),
        Selector((Requirement("tier", Operator.NOT_IN, frozenset({"a"})),)),
        Selector((Requirement("pod-template-hash", Operator.DOES_NOT_EXIST),)),
    )
)
BLOCKS: Final = [
    parse_block(text)
    for text in ("10.0.0.0/8", "10.0.2.2/32", "0.0.0.0/0", "203.0.113.0/24", "::/0", "fd00::/16", "10.0.0.0/16")
]
EXCEPTS: Final = st.sampled_from(((), (), (parse_block("10.0.1.0/24"),), (parse_block("203.0.113.7/32"),)))
SERVICES: Final = ServicesPeer((ServiceWish("x", "s"), ServiceWish("", labels=EVERYTHING)), nodes=Truth.NO)
OWN: Final[st.SearchStrategy[Peer]] = st.one_of(
    st.builds(EndpointPeer, EXPRESSIONS),
    st.builds(BlockPeer, st.sampled_from(BLOCKS), EXCEPTS),
    st.builds(PlacePeer, st.sampled_from(Place)),
    st.just(NoneOf((EndpointPeer(TERMS[0]),))),
)
NODES: Final = st.sampled_from((EVERYTHING, Selector((Requirement("pool", Operator.IN, frozenset({"a"})),))))
SIMPLE: Final[st.SearchStrategy[Peer]] = st.one_of(
    st.builds(PodMatch, st.sampled_from((None, None, "x", "y")), SELECTORS, SELECTORS),
    st.builds(EndpointPeer, EXPRESSIONS),
    st.builds(BlockPeer, st.sampled_from(BLOCKS), EXCEPTS, TRUTHS, TRUTHS),
    st.builds(PlacePeer, st.sampled_from(Place)),
    st.builds(NodePeer, NODES),
    st.builds(ServicePeer, st.just("x"), st.sampled_from(("s", "listed", "nobody")), st.booleans()),
    st.just(SERVICES),
    st.just(UnclearPeer(WHY)),
)
MATCHES: Final[st.SearchStrategy[Peer]] = st.recursive(
    SIMPLE,
    lambda inner: st.one_of(
        st.lists(inner, max_size=2).map(lambda peers: AllOf(tuple(peers))),
        st.lists(inner, max_size=2).map(lambda peers: NoneOf(tuple(peers))),
        st.lists(inner, max_size=2).map(lambda peers: AnyOf(tuple(peers))),
    ),
    max_leaves=2,
)
PORTS: Final = st.lists(
    st.sampled_from(
        (
            PortRange("TCP", 80, 80),
            PortRange("TCP", 80, 8080),
            PortRange("UDP"),
            PortRange("TCP"),
            PortRange("SCTP", 81, 81),
            NamedPort("TCP", "web"),
            NamedPort("UDP", "web"),
            NamedPort("TCP", "dns"),
        )
    ),
    max_size=2,
).map(tuple)


def maybe(values: st.SearchStrategy[T], often: int = 3) -> st.SearchStrategy[T | None]:
    """Draw None `often` times as often as anything else."""
    return st.one_of(*[st.none()] * often, values)


def rules(number: int) -> st.SearchStrategy[CompiledRule]:
    return st.builds(
        CompiledRule,
        st.just(PolicyRef(None, f"p{number}", "Piece", 0, "test")),
        maybe(st.lists(MATCHES, max_size=2).map(tuple), 1),
        maybe(PORTS, 1),
        maybe(st.just(WHY), 9),
        ACTIONS,
        maybe(st.lists(OWN, max_size=2).map(tuple)),
        st.one_of(st.just(()), st.just(()), PORTS),
        maybe(st.just(WHY), 7),
    )


@st.composite
def staged_pieces(draw: st.DrawFn, number: int) -> CompiledPolicy:
    return compiled_policy(
        PolicyRef(None, f"p{number}", "Piece", None, "test"),
        draw(st.sampled_from(Direction)),
        tuple(draw(st.lists(rules(number), max_size=3))),
        draw(TIERS),
        draw(st.sampled_from(((), (0,), (1,)))),
        namespace=draw(st.sampled_from(("", "", "x", "y"))),
        subject=draw(st.one_of(SELECTORS, SELECTORS, SELECTORS, st.none())),
        scope=draw(maybe(EXPRESSIONS, 1)),
        default_deny=draw(st.booleans()),
        unclear=draw(maybe(st.just(WHY), 9)),
        api_group=draw(st.sampled_from(("", "", "b"))),
    )


DIALECTS: Final = st.builds(
    Dialect,
    tiers=st.builds(
        TierOrder,
        network_policies=st.sampled_from((NETWORK_POLICIES, Tier(100, "second"))),
        default_deny=st.sampled_from((None, Tier(400, "closing"))),
        own_node=st.sampled_from(((), ((Tier(250, "fourth"), (), True),))),
    ),
    blocks=st.builds(BlockReading, pods=TRUTHS, nodes=TRUTHS),
    nodes=st.builds(NodeReading, own_reaches_pods=st.booleans(), own_accepts=TRUTHS),
)


@st.composite
def staged(draw: st.DrawFn) -> Staged:
    """Draw a populated world with accounts, nodes and Services, and up to five pieces."""
    objects = draw(populated())
    for raw in objects:
        spec = raw["spec"].get("template", raw).get("spec", {}) if raw["kind"] in ("Pod", "StatefulSet") else {}
        if spec:
            spec["serviceAccountName"] = draw(st.sampled_from(("default", "other")))
    objects += [thing for thing in AROUND if draw(st.booleans())]
    drawn = [draw(staged_pieces(number)) for number in range(draw(st.integers(1, 5)))]
    return Staged(objects, drawn, draw(DIALECTS))

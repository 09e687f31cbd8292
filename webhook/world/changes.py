"""The world's only way to change, what was there before, and what indexes are made of.

Each change of an index has a number of its own (`Clock`). An answer is made at a number, too, and holds as long as
what it rests on has none that is higher. So nobody has to forget anything for an answer to be right.
"""

from collections.abc import Callable, Collection, Hashable, Mapping
from typing import Any, Generic, Protocol, TypeVar

from msgspec import Struct

from webhook.model.crd_policies import CrdPolicy, UnlistedKind
from webhook.model.hints import ConfigMap
from webhook.model.inbound import (
    ISTIO_GATEWAY,
    Binding,
    Call,
    Exposure,
    Gateway,
    GatewayClass,
    Inbound,
    Ingress,
    IngressClass,
    IstioGateway,
    Monitor,
    Route,
)
from webhook.model.objects import Endpoints, EndpointSlice, Namespace, Node, Pod, Service, Workload
from webhook.model.policy import Policy

Value = (
    Namespace
    | Pod
    | Workload
    | Service
    | Endpoints
    | EndpointSlice
    | Node
    | ConfigMap
    | Policy
    | CrdPolicy
    | UnlistedKind
    | Inbound
)


class Put(Struct, frozen=True):
    """An object is there, new or changed."""

    value: Value


class Drop(Struct, frozen=True):
    """An object is gone. `namespace` is empty for cluster-scoped kinds."""

    kind: str
    namespace: str
    name: str


Change = Put | Drop


def key_of(value: Value) -> Drop:
    """Return what names `value`: the change that would remove it."""
    match value:
        case Namespace(name=name):
            return Drop("Namespace", "", name)
        case Node(name=name):
            return Drop("Node", "", name)
        case Workload(ref=ref):
            return Drop(ref.kind, ref.namespace, ref.name)
        case Policy(ref=ref):
            return Drop(ref.kind, ref.namespace or "", ref.name)
        case CrdPolicy(ref=ref, group=group):
            return Drop(f"{ref.kind}.{group}" if group else ref.kind, ref.namespace or "", ref.name)
        case UnlistedKind(kind=kind, group=group):
            return Drop("UnlistedKind", group, kind)
        case Pod() | Service() | Endpoints() | EndpointSlice() | ConfigMap():
            return Drop(type(value).__name__, value.namespace, value.name)
        case _:
            return Drop(*key_of_inbound(value))


def key_of_inbound(value: Inbound) -> tuple[str, str, str]:
    """Return the kind, the namespace and the name."""
    match value:
        case Route() | Exposure() | Monitor() | Binding():
            return value.kind, value.namespace, value.name
        case IstioGateway():
            return ISTIO_GATEWAY, value.namespace, value.name
        case Call():
            return value.kind, "", value.name
        case Ingress() | Gateway():
            return type(value).__name__, value.namespace, value.name
        case IngressClass() | GatewayClass():
            return type(value).__name__, "", value.name


class Journal:
    """What was there before the changes since it was last taken: of each object what it was first, None: not there."""

    def __init__(self) -> None:
        """Start with no change."""
        self._before: dict[Drop, Value | None] = {}

    def __bool__(self) -> bool:
        return bool(self._before)

    def note(self, key: Drop, before: Value | None) -> None:
        """Hear that an object is about to change."""
        self._before.setdefault(key, before)

    def take(self) -> Mapping[Drop, Value | None]:
        """Return what was noted, and begin anew."""
        taken, self._before = self._before, {}
        return taken


K = TypeVar("K")
V = TypeVar("V")
M = TypeVar("M")


def discard(index: dict[K, dict[V, M]], key: K, member: V) -> bool:
    """Remove a member and, with the last one, the key, which is not there without members; True then."""
    members = index.get(key)
    if members is None:
        return False
    members.pop(member, None)
    if members:
        return False
    del index[key]
    return True


class Clock:
    """Counts the changes of a world: `now` is the number of the last one."""

    def __init__(self, now: int = 0) -> None:
        """Start with no change; `now`: after those of another clock."""
        self.now = now

    def tick(self) -> int:
        """Return the number of one more change."""
        self.now += 1
        return self.now


class Stamps:
    """When something in a namespace changed last. Nothing is kept of a namespace in which nothing is any more."""

    def __init__(self, clock: Clock) -> None:
        """Start with nothing changed."""
        self.last = 0  # in any namespace
        self._clock = clock
        self._of: dict[str, int] = {}
        self._emptied = 0

    def change(self, namespace: str, *, empty: bool) -> None:
        """Note a change; `empty`: nothing is left in the namespace."""
        self.last = self._clock.tick()
        if empty:
            self._of.pop(namespace, None)
            self._emptied = self.last
        else:
            self._of[namespace] = self.last

    def of(self, namespace: str) -> int:
        """Return when a namespace changed last; of one with nothing in it, when one was last emptied."""
        return self._of.get(namespace, self._emptied)


# -- what is remembered ------------------------------------------------------------------------------------------------


class Memo(Generic[K, V]):
    """Names answers of one type that may be remembered of a view, for whoever makes and asks for them."""

    def __init__(self, most: int) -> None:
        """`most`: how many are kept; templates that never repeat leave some behind."""
        self.most = most


class Answers(dict[K, V]):
    """Answers by key, which are all forgotten where there are too many."""

    def __init__(self, most: int) -> None:
        """Start empty."""
        super().__init__()
        self._most = most

    def __setitem__(self, key: K, value: V) -> None:
        """Remember an answer."""
        if len(self) >= self._most:
            self.clear()
        super().__setitem__(key, value)


class Memos:
    """The answers of every `Memo` of a view, as long as nothing changed that they rest on."""

    def __init__(self, clock: Clock, changed: Callable[[], int]) -> None:
        """Start empty. `changed`: when what answers rest on changed last."""
        self._clock = clock
        self._changed = changed
        self._made = self._checked = clock.now
        self._every: dict[object, Any] = {}  # answers of one type by the memo that names them

    @property
    def now(self) -> int:
        """The number of the last change of any kind."""
        return self._clock.now

    def of(self, memo: Memo[K, V]) -> Answers[K, V]:
        """Return the answers that are remembered, to be read and added to."""
        if self._checked != self._clock.now:
            self._checked = self._clock.now
            if self._changed() > self._made:
                self.clear()
        found: Answers[K, V] | None = self._every.get(memo)
        if found is None:
            found = self._every[memo] = Answers(memo.most)
        return found

    def clear(self) -> None:
        """Let all of it go."""
        self._every.clear()
        self._made = self._clock.now


# -- more than one of a key --------------------------------------------------------------------------------------------


class Named(Protocol):
    """Something in a namespace."""

    @property
    def namespace(self) -> str:
        """The namespace."""

    @property
    def name(self) -> str:
        """The name."""


H = TypeVar("H", bound=Hashable)
N = TypeVar("N", bound=Named)


class Sparse(Generic[H, N]):
    """A key -> who has it. Mostly that is one, which then is there itself: a dict of one is many times as large."""

    def __init__(self) -> None:
        """Start empty."""
        self._found: dict[H, N | dict[tuple[str, str], N]] = {}

    def put(self, key: H, value: N) -> None:
        """Add a value, or replace the one of its name."""
        there = self._found.get(key)
        if isinstance(there, dict):
            there[value.namespace, value.name] = value
        elif there is None or _key(there) == _key(value):
            self._found[key] = value
        else:
            self._found[key] = {_key(one): one for one in (there, value)}

    def drop(self, key: H, value: N) -> None:
        """Remove the value of that name, if it is there."""
        there = self._found.get(key)
        if isinstance(there, dict):
            there.pop(_key(value), None)
            if len(there) == 1:
                (self._found[key],) = there.values()
        elif there is not None and _key(there) == _key(value):
            del self._found[key]

    def get(self, key: H) -> Collection[N]:
        """Return all of them."""
        there = self._found.get(key)
        if isinstance(there, dict):
            return there.values()
        return () if there is None else (there,)


def _key(value: Named) -> tuple[str, str]:
    return value.namespace, value.name

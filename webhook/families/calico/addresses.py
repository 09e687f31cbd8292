"""Addresses: blocks, IP pools, and network sets and host endpoints, which selectors select by labels, as they do pods.

Source: `projectcalico/calico` felix/labelindex, `projectcalico/api` pkg/apis/projectcalico/v3/ippool.go.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final

from msgspec import Struct

from webhook.families import HOSTS, POOLS, SETS
from webhook.families.calico.labels import NAME, NAMESPACE, OF_NAMESPACE
from webhook.model.addresses import Block, has_host_bits, merged, parse_address, parse_block
from webhook.model.crd_policies import CompileContext, CrdPolicy
from webhook.model.dialect import AddressSet
from webhook.model.labels import NAME_LABEL, AllOf, AnyOf, Labels, Operator, Predicate, Requirement, Space, Value, holds
from webhook.model.peers import Peer
from webhook.model.policy import BlockPeer, UnclearPeer
from webhook.model.truth import Truth
from webhook.wire.shapes import Malformed, Raw, fail, flag, mapping, shown, string, strings

_REMEMBERED: Final = 65_536
_WORKLOAD: Final = "Workload"
_MEMO: Final = "calico sets"


def blocks(raw: Raw, key: str, path: str, problems: list[str]) -> tuple[Block, ...]:
    """Read the blocks at `key`. What only some API servers take is a problem, and still counts. Raises Malformed."""
    found = []
    for index, text in enumerate(strings(raw, key, path)):
        where = f"{path}.{key}[{index}]"
        found.append(block(text, where))
        if "/" not in text:
            problems.append(f"{where}: expected ADDRESS/PREFIX: API servers may refuse {shown(text)}")
        elif has_host_bits(text):
            problems.append(f"{where}: expected `{found[-1]}`: API servers may refuse {shown(text)}")
    return tuple(found)


@lru_cache(maxsize=_REMEMBERED)
def _read(text: str) -> Block:
    return parse_block(text) if "/" in text else parse_address(text).block


def block(text: str, path: str) -> Block:
    """Read an address or a block. Raises Malformed."""
    try:
        return _read(text)
    except ValueError:
        fail(path, f"expected an address or a block of addresses, not {shown(text)}")


def peers(found: Iterable[Block]) -> tuple[BlockPeer, ...]:
    """Return blocks as peers."""
    return tuple(map(BlockPeer, found))


def pod_blocks(compile_context: CompileContext) -> tuple[Block, ...] | None:
    """Return the blocks of all pools that new pods may get addresses from; None: there are no pools, ask the nodes.

    Empty: not known, for a pool cannot be read.
    """
    every = tuple(compile_context.all(*POOLS))
    if not every:
        return None
    try:
        return tuple(found for one in every if (found := _block(one)) is not None)
    except Malformed:
        return ()


def _block(pool: CrdPolicy) -> Block | None:
    """Return the block of a pool; None for one that new pods get nothing from."""
    spec = mapping(pool.spec, "spec", "")
    found = block(string(spec, "cidr", "spec"), "spec.cidr")
    uses = strings(spec, "allowedUses", "spec")
    return None if flag(spec, "disabled", "spec") or (uses and _WORKLOAD not in uses) else found


class _Set:
    """One network set or host endpoint. `namespace` None: it has none, and so no labels of one."""

    def __init__(self, one: CrdPolicy, compile_context: CompileContext) -> None:
        self.name = f"{one.ref.kind} `{one.ref}`"
        self.namespace = one.namespace
        self.host = (one.group, one.ref.kind) in HOSTS
        self.own = one.labels
        known = compile_context.namespaces.get(one.namespace or "")
        self.of_namespace = None if known is None or known.synthetic else known.labels
        self.blocks: Sequence[Block] = ()
        self.problem = ""
        key = "expectedIPs" if self.host else "nets"
        try:
            nets = strings(mapping(one.spec, "spec", ""), key, "spec")
            self.blocks = tuple(block(text, f"spec.{key}[{index}]") for index, text in enumerate(nets))
        except Malformed as error:  # Felix does not take it either
            self.problem = f"{self.name}: {error}"

    def value(self, _: Space, key: str) -> Value:
        """Return a label's value as selectors write its key."""
        namespace = self.namespace
        if key == NAMESPACE:
            return namespace
        if (own := self.own.get(key)) is not None or namespace is None or not key.startswith(OF_NAMESPACE):
            return own
        inherited = key.removeprefix(OF_NAMESPACE)
        if inherited == NAME:
            return namespace
        if self.of_namespace is not None:
            return self.of_namespace.get(inherited)
        return namespace if inherited == NAME_LABEL else Truth.MAYBE

    def labels(self) -> Iterator[tuple[str, str]]:
        """Yield the labels that are its own, its namespace among them."""
        yield from self.own.pairs
        if self.namespace is not None:
            yield NAMESPACE, self.namespace


class _Index:
    """All sets, by their labels."""

    def __init__(self, compile_context: CompileContext) -> None:
        self.every = [_Set(one, compile_context) for one in compile_context.all(*SETS, *HOSTS)]
        self._by_label: dict[tuple[str, str], list[int]] = {}
        self._selected: dict[Predicate, _Selected] = {}
        for place, one in enumerate(self.every):
            for label in one.labels():
                self._by_label.setdefault(label, []).append(place)

    def selected(self, expression: Predicate) -> "_Selected":
        """Return what an expression selects; policies often ask for the same."""
        found = self._selected.get(expression)
        if found is None:
            places = self._places(expression)
            found = _select(
                expression, self.every if places is None else [self.every[place] for place in sorted(places)]
            )
            self._selected[expression] = found
        return found

    def _places(self, expression: Predicate) -> set[int] | None:
        """Return the places of the sets that an expression may select; None: any."""
        match expression:
            case Requirement(key=key, operator=Operator.IN, values=values) if not key.startswith(OF_NAMESPACE):
                return {place for value in values for place in self._by_label.get((key, value), ())}
            case AllOf(parts):
                narrowed = [found for part in parts if (found := self._places(part)) is not None]
                return min(narrowed, key=len, default=None)
            case AnyOf(parts):
                each = [self._places(part) for part in parts]
                return None if None in each else {place for found in each for place in found or ()}
            case _:
                return None


class _Selected(Struct, frozen=True):
    """Addresses, and what is wrong with the sets that have them."""

    matches: tuple[Peer, ...]
    problems: tuple[str, ...]


def _index(compile_context: CompileContext) -> _Index:
    found = compile_context.memo.get(_MEMO)
    if not isinstance(found, _Index):
        found = compile_context.memo[_MEMO] = _Index(compile_context)
    return found


def _select(expression: Predicate, among: Iterable[_Set]) -> _Selected:
    sure: list[Block] = []
    perhaps: list[Peer] = []
    problems: list[str] = []
    for one in among:
        truth = holds(expression, one.value)
        if truth is Truth.NO:
            continue
        if one.problem:
            problems.append(one.problem)
        if truth is Truth.YES:
            sure += one.blocks
        else:
            why = UnclearPeer(f"labels of namespace `{one.namespace}`, which has {one.name}, are not known")
            perhaps += (AllOf((BlockPeer(each), why)) for each in one.blocks)
    return _Selected((*peers(merged(sure)), *perhaps), tuple(problems))


def sets(expression: Predicate, compile_context: CompileContext, problems: list[str]) -> tuple[Peer, ...]:
    """Return the addresses of the sets whose labels an expression, as it is written, selects.

    One that cannot be read is a problem, and has none.
    """
    found = _index(compile_context).selected(expression)
    problems += found.problems
    return found.matches


def of_namespaces(compile_context: CompileContext) -> Iterator[tuple[Labels | None, Block]]:
    """Yield the addresses of namespaced sets, with the labels of their namespaces (None: not known)."""
    for one in _index(compile_context).every:
        if one.namespace is not None:
            yield from ((one.of_namespace, each) for each in one.blocks)


def of_no_namespace(compile_context: CompileContext) -> Iterator[AddressSet]:
    """Yield the GlobalNetworkSets."""
    for one in _index(compile_context).every:
        if one.namespace is None and not one.host:
            yield AddressSet(one.name, one.own, one.blocks)

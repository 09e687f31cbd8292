"""Address blocks of rules and of network sets, and the endpoints and sets that a selector selects.

Source: `projectcalico/calico` felix/labelindex and felix/calc/rule_scanner.go.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final

from webhook.families.calico.kinds import SETS
from webhook.families.calico.labels import NAME, NAMESPACE, OF_NAMESPACE
from webhook.families.surroundings import Surroundings
from webhook.model.addresses import Block, has_host_bits, merged, parse_address, parse_block
from webhook.model.expression import Expression, Lookup, Space, Value, holds
from webhook.model.foreign import Foreign
from webhook.model.labels import Labels
from webhook.model.policy import BlockPeer, UnclearPeer
from webhook.model.tier import Every, Match
from webhook.model.truth import Truth
from webhook.wire.shapes import Malformed, Raw, fail, mapping, shown, strings

METADATA_NAME: Final = "kubernetes.io/metadata.name"
_REMEMBERED: Final = 65_536  # addresses of all sets, which every policy is compared with


def blocks(raw: Raw, key: str, path: str, problems: list[str]) -> tuple[Block, ...]:
    """Read the blocks at `key`. What only some API servers take is a problem, and still counts. Raises Malformed."""
    found = []
    for index, text in enumerate(strings(raw, key, path)):
        where = f"{path}.{key}[{index}]"
        found.append(_block(text, where))
        if "/" not in text:
            problems.append(f"{where}: expected ADDRESS/PREFIX: API servers may refuse {shown(text)}")
        elif has_host_bits(text):
            problems.append(f"{where}: expected `{found[-1]}`: API servers may refuse {shown(text)}")
    return tuple(found)


@lru_cache(maxsize=_REMEMBERED)
def _read(text: str) -> Block:
    return parse_block(text) if "/" in text else parse_address(text).block


def _block(text: str, path: str) -> Block:
    try:
        return _read(text)
    except ValueError:
        fail(path, f"expected an address or a block of addresses, not {shown(text)}")


def sets(expression: Expression, surroundings: Surroundings, problems: list[str]) -> tuple[Match, ...]:
    """Return the addresses of all network sets whose labels an expression, as it is written, selects."""
    sure: list[Block] = []
    perhaps: list[Match] = []
    for one in surroundings.all(*SETS):
        truth = holds(expression, _labels(one, surroundings))
        if truth is Truth.NO:
            continue
        found = _members(one, problems)
        if truth is Truth.YES:
            sure += found
        else:
            why = UnclearPeer(f"the labels of namespace `{one.namespace}`, which has {one.ref.kind} {one.ref.name}")
            perhaps += (Every((BlockPeer(block), why)) for block in found)
    return (*peers(merged(sure)), *perhaps)


def of_namespaces(surroundings: Surroundings) -> Iterator[tuple[Labels | None, Block]]:
    """Yield the addresses of namespaced sets, with the labels of their namespaces (None: not known)."""
    for one in surroundings.all(*SETS):
        if one.namespace is not None:
            known = surroundings.namespaces.get(one.namespace)
            labels = None if known is None or known.synthetic else known.labels
            yield from ((labels, block) for block in _members(one, []))


def peers(found: Iterable[Block]) -> tuple[BlockPeer, ...]:
    """Return blocks as peers."""
    return tuple(map(BlockPeer, found))


def _members(one: Foreign, problems: list[str]) -> Sequence[Block]:
    """Return the addresses of a set; one that cannot be read is not there, as in Felix."""
    try:
        nets = strings(mapping(one.spec, "spec", ""), "nets", "spec")
        return [_block(text, f"spec.nets[{index}]") for index, text in enumerate(nets)]
    except Malformed as error:
        problems.append(f"{one.ref.kind} `{one.ref}`: {error}")
        return ()


def _labels(one: Foreign, surroundings: Surroundings) -> Lookup:
    namespace = one.namespace

    def lookup(_: Space, key: str) -> Value:
        if key == NAMESPACE:
            return namespace
        if (own := one.labels.get(key)) is not None or namespace is None or not key.startswith(OF_NAMESPACE):
            return own
        inherited = key.removeprefix(OF_NAMESPACE)
        if inherited == NAME:
            return namespace
        known = surroundings.namespaces.get(namespace)
        if known is not None and not known.synthetic:
            return known.labels.get(inherited)
        return namespace if inherited == METADATA_NAME else Truth.MAYBE

    return lookup

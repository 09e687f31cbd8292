"""Address blocks: what `fromCIDR`, `fromCIDRSet` and the CIDR groups of the latter hold.

They hold addresses of the world. Whether those of pods and of nodes, too, is setting `policy-cidr-match-mode`.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, cast

from webhook.families.cilium.context import Context
from webhook.families.cilium.refused import checked, given, only, refuse
from webhook.families.cilium.settings import Config
from webhook.families.cilium.wants import Want, wants_of
from webhook.model.addresses import Block, parse_block
from webhook.model.foreign import Foreign
from webhook.model.policy import BlockPeer, UnclearPeer
from webhook.model.tier import Every, Match, Place, PlacePeer
from webhook.model.truth import Truth
from webhook.wire.shapes import Raw, mapping, mappings, shown, string, strings

_KEYS: Final = frozenset({"cidr", "cidrGroupRef", "cidrGroupSelector", "except"})
_SOURCES: Final = ("cidr", "cidrGroupRef", "cidrGroupSelector")


def peer_of(block: Block, excepts: tuple[Block, ...], config: Config) -> BlockPeer:
    """Return a block as a peer. The whole of an address family is the world, which nodes are no part of."""
    nodes = config.blocks_hold_nodes and block.prefix != 0
    return BlockPeer(block, excepts, Truth.of(config.blocks_hold_pods), Truth.of(nodes))


def somewhere(reason: str, config: Config) -> Iterator[Match]:
    """Yield what may be any of the ends that blocks can hold."""
    places = [Place.WORLD]
    places += [Place.POD] if config.blocks_hold_pods else []
    places += [Place.OWN_NODE, Place.OTHER_NODE] if config.blocks_hold_nodes else []
    for place in places:
        yield Every((PlacePeer(place), UnclearPeer(reason)))


def cidrs(rule: Raw, key: str, path: str, context: Context) -> tuple[Match, ...]:
    """Read `fromCIDR` or `toCIDR`."""
    texts = checked(strings, rule, key, path)
    blocks = [_block(text, f"{path}.{key}[{index}]") for index, text in enumerate(texts)]
    return tuple(peer_of(block, (), context.config) for block in blocks)


def cidr_sets(rule: Raw, key: str, path: str, context: Context) -> tuple[Match, ...]:
    """Read `fromCIDRSet` or `toCIDRSet`: exceptions cut their own entry only."""
    found: list[Match] = []
    for index, raw in enumerate(checked(mappings, rule, key, path)):
        found += _cidr_set(raw, f"{path}.{key}[{index}]", context)
    return tuple(found)


def _cidr_set(raw: Raw, path: str, context: Context) -> Iterator[Match]:
    only(raw, _KEYS, path)
    sources = [key for key in _SOURCES if given(raw, key)]
    if len(sources) != 1:
        refuse(path, f"expected one of {', '.join(_SOURCES)}")
    texts = checked(strings, raw, "except", path)
    excepts = tuple(_block(text, f"{path}.except[{index}]") for index, text in enumerate(texts))
    match sources[0]:
        case "cidr":
            block = _block(checked(string, raw, "cidr", path), f"{path}.cidr")
            _check_inside(block, excepts, path)
            yield peer_of(block, excepts, context.config)
        case "cidrGroupRef":
            name = checked(string, raw, "cidrGroupRef", path)
            yield from _grouped((g for g in context.groups if g.ref.name == name), excepts, context.config)
        case _:
            yield from _selected(checked(mapping, raw, "cidrGroupSelector", path), excepts, path, context)


def _check_inside(block: Block, excepts: Iterable[Block], path: str) -> None:
    for index, inner in enumerate(excepts):
        if inner.family != block.family or not block.first <= inner.first <= block.last:
            refuse(f"{path}.except[{index}]", f"expected a block inside {block}, not {inner}")


def _selected(raw: Raw, excepts: tuple[Block, ...], path: str, context: Context) -> Iterator[Match]:
    """Yield the blocks of groups by their labels. A selector that asks for none is true of every end there is."""
    wants = checked(wants_of, raw, f"{path}.cidrGroupSelector")
    if not wants and not excepts:
        yield Every(())
    elif all(want.negative for want in wants):
        yield from _grouped((g for g in context.groups if _has(g, wants)), excepts, context.config)
        yield UnclearPeer("selects CIDR groups by what they lack, which pods and nodes lack, too")
    else:
        yield from _grouped((g for g in context.groups if _has(g, wants)), excepts, context.config)


def _has(group: Foreign, wants: Iterable[Want]) -> bool:
    return all(want.holds(group.labels.get(want.key)) for want in wants)


def _grouped(groups: Iterable[Foreign], excepts: tuple[Block, ...], config: Config) -> Iterator[Match]:
    for group in groups:
        blocks, problems = blocks_of(group)
        yield from (peer_of(block, excepts, config) for block in blocks)
        if problems:
            yield from somewhere(f"refers to {group.ref.kind} {group.ref}, which cannot be read: {problems[0]}", config)


def blocks_of(group: Foreign) -> tuple[list[Block], list[str]]:
    """Return the blocks of a CiliumCIDRGroup, and what is wrong with those that cannot be read."""
    spec = group.spec.get("spec")
    listed = cast("Mapping[str, object]", spec).get("externalCIDRs") if isinstance(spec, dict) else None
    if listed is not None and not isinstance(listed, list):
        return [], ["spec.externalCIDRs: expected a list"]
    blocks, problems = [], []
    for index, text in enumerate(listed or ()):
        try:
            blocks.append(parse_block(text if isinstance(text, str) else ""))
        except ValueError:
            problems.append(f"spec.externalCIDRs[{index}]: expected an address block, not {shown(text)}")
    return blocks, problems


def _block(text: str, path: str) -> Block:
    try:
        return parse_block(text)
    except ValueError:
        refuse(path, f"expected an address block, not {shown(text)}")

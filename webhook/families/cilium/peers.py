"""The peers of a rule, of whose lists only one may have entries (`pkg/policy/api/{ingress,egress,entity}.go`).

Blocks (`fromCIDR`, `fromCIDRSet` and the CIDR groups of the latter) hold addresses of the world. Whether those of pods
and of nodes, too, is setting `policy-cidr-match-mode`.
`toServices` is the endpoints of Services by name, or by their labels (`pkg/policy/k8s/service.go`).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, cast

from webhook.families.cilium.selectors import (
    NAMESPACE,
    POD_SOURCES,
    LabelRequirement,
    at,
    ends_of,
    names,
    peer_requirements,
    requirements_of,
)
from webhook.families.cilium.settings import Config, Context, checked, given, only, refuse
from webhook.model.addresses import Block, parse_block
from webhook.model.crd_policies import CrdPolicy
from webhook.model.labels import AllOf, Selector
from webhook.model.peers import Peer, Place, PlacePeer, ServicesPeer, ServiceWish
from webhook.model.policy import BlockPeer, UnclearPeer
from webhook.model.truth import Truth
from webhook.wire.shapes import Raw, fail, mapping, mappings, sequence, shown, string, strings

_BLOCK_KEYS: Final = frozenset({"cidr", "cidrGroupRef", "cidrGroupSelector", "except"})
_SOURCES: Final = ("cidr", "cidrGroupRef", "cidrGroupSelector")
_SERVICE_KEYS: Final = frozenset({"k8sService", "k8sServiceSelector"})
_EVERYBODY: Final[tuple[Peer, ...]] = (AllOf(()),)
_CLUSTER: Final[tuple[Peer, ...]] = tuple(
    PlacePeer(place) for place in (Place.POD, Place.OWN_NODE, Place.OTHER_NODE, Place.API_SERVER)
)
ENTITIES: Final[dict[str, tuple[Peer, ...]]] = {
    "all": _EVERYBODY,
    "world": (PlacePeer(Place.WORLD),),
    "cluster": _CLUSTER,
    "cluster-mesh": _CLUSTER,
    "host": (PlacePeer(Place.OWN_NODE),),
    "remote-node": (PlacePeer(Place.OTHER_NODE),),
    "kube-apiserver": (PlacePeer(Place.API_SERVER),),
    # Proxies, health probes and pods that Cilium does not manage: none of them is an end that is judged.
    "init": (),
    "ingress": (),
    "unmanaged": (),
    "health": (),
    "none": (),
}
_NAME: Final = re.compile(r"[-a-zA-Z0-9_.]+\Z")
_PATTERN: Final = re.compile(r"[-a-zA-Z0-9_.*]+\Z")
Reader = Callable[[Raw, str, str, Context], tuple[Peer, ...]]
ABSENT_IF_EMPTY: Final = frozenset({"Groups", "Services", "FQDNs"})
ONLY_TO: Final = frozenset({"Services", "FQDNs"})


def peer_of(block: Block, excepts: tuple[Block, ...], config: Config) -> BlockPeer:
    """Return a block as a peer. The whole of an address family is the world, which nodes are no part of."""
    nodes = config.blocks_hold_nodes and block.prefix != 0
    return BlockPeer(block, excepts, Truth.of(config.blocks_hold_pods), Truth.of(nodes))


def somewhere(reason: str, config: Config) -> Iterator[Peer]:
    """Yield what may be any of the ends that blocks can hold."""
    places = [Place.WORLD]
    places += [Place.POD] if config.blocks_hold_pods else []
    places += [Place.OWN_NODE, Place.OTHER_NODE] if config.blocks_hold_nodes else []
    for place in places:
        yield AllOf((PlacePeer(place), UnclearPeer(reason)))


def cidrs(rule: Raw, key: str, path: str, context: Context) -> tuple[Peer, ...]:
    """Read `fromCIDR` or `toCIDR`."""
    texts = checked(strings, rule, key, path)
    blocks = [_block(text, f"{path}.{key}[{index}]") for index, text in enumerate(texts)]
    return tuple(peer_of(block, (), context.config) for block in blocks)


def cidr_sets(rule: Raw, key: str, path: str, context: Context) -> tuple[Peer, ...]:
    """Read `fromCIDRSet` or `toCIDRSet`: exceptions cut their own entry only."""
    found: list[Peer] = []
    for index, raw in enumerate(checked(mappings, rule, key, path)):
        found += _cidr_set(raw, f"{path}.{key}[{index}]", context)
    return tuple(found)


def _cidr_set(raw: Raw, path: str, context: Context) -> Iterator[Peer]:
    only(raw, _BLOCK_KEYS, path)
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


def _selected(raw: Raw, excepts: tuple[Block, ...], path: str, context: Context) -> Iterator[Peer]:
    """Yield the blocks of groups by their labels. A selector that asks for none is true of every end there is."""
    requirements = checked(requirements_of, raw, f"{path}.cidrGroupSelector")
    if not requirements and not excepts:
        yield AllOf(())
    elif all(requirement.negative for requirement in requirements):
        yield from _grouped((g for g in context.groups if _has(g, requirements)), excepts, context.config)
        yield UnclearPeer("selects CIDR groups by what they lack, which pods and nodes lack, too")
    else:
        yield from _grouped((g for g in context.groups if _has(g, requirements)), excepts, context.config)


def _has(group: CrdPolicy, requirements: Iterable[LabelRequirement]) -> bool:
    return all(requirement.holds(group.labels.get(requirement.key)) for requirement in requirements)


def _grouped(groups: Iterable[CrdPolicy], excepts: tuple[Block, ...], config: Config) -> Iterator[Peer]:
    for group in groups:
        blocks, problems = blocks_of(group)
        yield from (peer_of(block, excepts, config) for block in blocks)
        if problems:
            yield from somewhere(f"refers to {group.ref.kind} {group.ref}, which cannot be read: {problems[0]}", config)


def blocks_of(group: CrdPolicy) -> tuple[list[Block], list[str]]:
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


def services_of(rule: Raw, key: str, path: str, context: Context) -> tuple[Peer, ...]:
    """Read `toServices`. Where no such Service is there, `toPorts` alone are left: to anywhere."""
    wishes = []
    for index, raw in enumerate(checked(mappings, rule, key, path)):
        wishes.append(_wish(raw, f"{path}.{key}[{index}]"))
    config = context.config
    return (
        ServicesPeer(
            tuple(wishes),
            or_any=bool(rule.get("toPorts")),
            pods=Truth.of(config.blocks_hold_pods),
            nodes=Truth.of(config.blocks_hold_nodes),
        ),
    )


def _wish(raw: Raw, path: str) -> ServiceWish:
    only(raw, _SERVICE_KEYS, path)
    if given(raw, "k8sServiceSelector"):
        inner, path = checked(mapping, raw, "k8sServiceSelector", path), f"{path}.k8sServiceSelector"
        only(inner, frozenset({"selector", "namespace"}), path)
        requirements = checked(requirements_of, checked(mapping, inner, "selector", path), f"{path}.selector")
        if any(requirement.source not in POD_SOURCES for requirement in requirements):
            fail(f"{path}.selector", "expected labels of Services")
        labels = Selector(tuple(requirement.on(requirement.key) for requirement in requirements))
        return ServiceWish(checked(string, inner, "namespace", path), "", labels)
    if not given(raw, "k8sService"):
        refuse(path, "expected k8sService or k8sServiceSelector")
    inner, path = checked(mapping, raw, "k8sService", path), f"{path}.k8sService"
    only(inner, frozenset({"serviceName", "namespace"}), path)
    return ServiceWish(checked(string, inner, "namespace", path), checked(string, inner, "serviceName", path))


def peers_of(rule: Raw, path: str, word: str, context: Context) -> tuple[Peer, ...] | None:
    """Return the peers of a rule; None: it names none. `word`: `from` or `to`. Raises Refused, Malformed.

    A list that is there and empty selects nobody, whatever is in another one beside it.
    """
    entries = {peer: checked(sequence, rule, f"{word}{peer}", path) for peer in READERS if given(rule, f"{word}{peer}")}
    filled = [peer for peer, found in entries.items() if found]
    if len(filled) > 1:
        refuse(path, f"expected {word}{filled[0]} or {word}{filled[1]}, not both")
    found = READERS[filled[0]](rule, f"{word}{filled[0]}", path, context) if filled else None
    return () if any(not one and peer not in ABSENT_IF_EMPTY for peer, one in entries.items()) else found


def _endpoints(rule: Raw, key: str, path: str, context: Context) -> tuple[Peer, ...]:
    found: list[Peer] = []
    for index, raw in enumerate(checked(mappings, rule, key, path)):
        said = checked(requirements_of, raw, f"{path}.{key}[{index}]")
        requirements = peer_requirements(said, context)
        found += ends_of(requirements, context.config, None if names(said, NAMESPACE) else context.namespace)
    return tuple(found)


def _entities(rule: Raw, key: str, path: str, _: Context) -> tuple[Peer, ...]:
    found: list[Peer] = []
    for index, word in enumerate(checked(strings, rule, key, path)):
        if word not in ENTITIES:
            refuse(f"{path}.{key}[{index}]", f"expected {', '.join(ENTITIES)}, not {shown(word)}")
        found += ENTITIES[word]
    return tuple(found)


def _nodes(rule: Raw, key: str, path: str, context: Context) -> tuple[Peer, ...]:
    """Read `fromNodes` and `toNodes`: other nodes, never the pod's own."""
    if not context.config.node_labels:
        refuse(f"{path}.{key}", "expected it only where enable-node-selector-labels is on")
    found: list[Peer] = []
    for index, raw in enumerate(checked(mappings, rule, key, path)):
        found += at(Place.OTHER_NODE, checked(requirements_of, raw, f"{path}.{key}[{index}]"), context.config)
    return tuple(found)


def _groups(_: Raw, key: str, __: str, context: Context) -> tuple[Peer, ...]:
    return tuple(somewhere(f"names a group of a cloud's machines in {key}", context.config))


def _names(rule: Raw, key: str, path: str, _: Context) -> tuple[Peer, ...]:
    """Read `toFQDNs`. A name never resolves to what has an identity of its own, a pod."""
    for index, raw in enumerate(checked(mappings, rule, key, path)):
        where = f"{path}.{key}[{index}]"
        only(raw, frozenset({"matchName", "matchPattern"}), where)
        name, pattern = checked(string, raw, "matchName", where), checked(string, raw, "matchPattern", where)
        if bool(name) == bool(pattern):
            refuse(where, "expected matchName or matchPattern")
        if not (_NAME.match(name) if name else _PATTERN.match(pattern)):
            refuse(where, f"expected a DNS name, not {shown(name or pattern)}")
    return PlacePeer(Place.WORLD), PlacePeer(Place.OWN_NODE), PlacePeer(Place.OTHER_NODE)


READERS: Final[Mapping[str, Reader]] = {
    "Endpoints": _endpoints,
    "CIDR": cidrs,
    "CIDRSet": cidr_sets,
    "Entities": _entities,
    "Nodes": _nodes,
    "Groups": _groups,
    "Services": services_of,
    "FQDNs": _names,
}

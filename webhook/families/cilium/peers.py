"""The peers of a rule, of whose lists only one may have entries (`pkg/policy/api/{ingress,egress,entity}.go`)."""

import re
from collections.abc import Callable, Mapping
from typing import Final

from webhook.families.cilium.blocks import cidr_sets, cidrs, somewhere
from webhook.families.cilium.context import Context
from webhook.families.cilium.endpoints import at, ends_of, names, peer_wants
from webhook.families.cilium.refused import checked, given, only, refuse
from webhook.families.cilium.services import services_of
from webhook.families.cilium.wants import NAMESPACE, wants_of
from webhook.model.tier import Every, Match, Place, PlacePeer
from webhook.wire.shapes import Raw, mappings, sequence, shown, string, strings

_EVERYBODY: Final[tuple[Match, ...]] = (Every(()),)
_CLUSTER: Final[tuple[Match, ...]] = tuple(
    PlacePeer(place) for place in (Place.POD, Place.OWN_NODE, Place.OTHER_NODE, Place.API_SERVER)
)
ENTITIES: Final[dict[str, tuple[Match, ...]]] = {
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
Reader = Callable[[Raw, str, str, Context], tuple[Match, ...]]


def peers_of(rule: Raw, path: str, word: str, context: Context) -> tuple[Match, ...] | None:
    """Return whom a rule is about; None: it names nobody. `word`: `from` or `to`. Raises Refused, Malformed.

    A list that is there and empty selects nobody, whatever stands in another one beside it.
    """
    entries = {peer: checked(sequence, rule, f"{word}{peer}", path) for peer in READERS if given(rule, f"{word}{peer}")}
    filled = [peer for peer, found in entries.items() if found]
    if len(filled) > 1:
        refuse(path, f"expected {word}{filled[0]} or {word}{filled[1]}, not both")
    found = READERS[filled[0]](rule, f"{word}{filled[0]}", path, context) if filled else None
    return () if any(not one and peer not in ABSENT_IF_EMPTY for peer, one in entries.items()) else found


def _endpoints(rule: Raw, key: str, path: str, context: Context) -> tuple[Match, ...]:
    found: list[Match] = []
    for index, raw in enumerate(checked(mappings, rule, key, path)):
        said = checked(wants_of, raw, f"{path}.{key}[{index}]")
        wants = peer_wants(said, context)
        found += ends_of(wants, context.config, None if names(said, NAMESPACE) else context.namespace)
    return tuple(found)


def _entities(rule: Raw, key: str, path: str, _: Context) -> tuple[Match, ...]:
    found: list[Match] = []
    for index, word in enumerate(checked(strings, rule, key, path)):
        if word not in ENTITIES:
            refuse(f"{path}.{key}[{index}]", f"expected {', '.join(ENTITIES)}, not {shown(word)}")
        found += ENTITIES[word]
    return tuple(found)


def _nodes(rule: Raw, key: str, path: str, context: Context) -> tuple[Match, ...]:
    """Read `fromNodes` and `toNodes`: other nodes, never the pod's own."""
    if not context.config.node_labels:
        refuse(f"{path}.{key}", "expected it only where enable-node-selector-labels is on")
    found: list[Match] = []
    for index, raw in enumerate(checked(mappings, rule, key, path)):
        found += at(Place.OTHER_NODE, checked(wants_of, raw, f"{path}.{key}[{index}]"), context.config)
    return tuple(found)


def _groups(_: Raw, key: str, __: str, context: Context) -> tuple[Match, ...]:
    return tuple(somewhere(f"names a group of a cloud's machines in {key}", context.config))


def _names(rule: Raw, key: str, path: str, _: Context) -> tuple[Match, ...]:
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
ABSENT_IF_EMPTY: Final = frozenset({"Groups", "Services", "FQDNs"})
ONLY_TO: Final = frozenset({"Services", "FQDNs"})

"""What tiers behind NetworkPolicy let through, in the words of a NetworkPolicy.

A pod that only such a tier closes (the Baseline tier) is open to what that tier allows. A policy that selects it
isolates it before that tier is asked, so it has to say the same itself. That is possible where the tiers behind allow
this and that and deny all other pods; where they deny some, it is not.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, Final

from msgspec import Struct

from webhook.model.addresses import FAMILIES, FIRST_PORT, LAST_PORT, Block, Family, NamedPort, PortMatch
from webhook.model.labels import ALWAYS, NAME_LABEL, AllOf, Operator, Selector
from webhook.model.objects import Shape
from webhook.model.policy import BlockPeer, Direction
from webhook.model.tier import Action, CompiledPolicy, EndpointPeer, Entry, Match, Place, PlacePeer, PodMatch
from webhook.model.truth import Truth
from webhook.world import View
from webhook.world.view import Selecting

Rule = dict[str, Any]
PEERS: Final = {Direction.EGRESS: "to", Direction.INGRESS: "from"}
_ALL: Final[dict[Family, Block]] = {4: Block(4, 0, 0), 6: Block(6, 0, 0)}


class Entangled(Exception):  # noqa: N818 - carries why; caught in this package
    """What tiers behind let through cannot be said in a NetworkPolicy."""


class Rest(Struct, frozen=True):
    """Rules that say what tiers behind let through; `note` where files do not tell enough to say all of it."""

    rules: tuple[Rule, ...] = ()
    note: str | None = None


def behind(view: View, shape: Shape, direction: Direction) -> Selecting:
    """Return the policies of other tiers that are asked about a pod after NetworkPolicy."""
    last = view.dialect.tiers.network_policies
    return tuple((i, truth) for i, truth in view.policies.selecting(shape, direction) if last < i.tier)


def denied_behind(view: View, shape: Shape, direction: Direction) -> bool:
    """Say whether tiers behind deny a pod anything."""
    return any(i.isolates or any(e.action is Action.DENY for e in i.entries) for i, _ in behind(view, shape, direction))


def said_behind(view: View, shape: Shape, direction: Direction) -> Rest:
    """Return what tiers behind let through to or from a pod. Raises Entangled."""
    found = behind(view, shape, direction)
    names = ", ".join(dict.fromkeys(i.ref.titled for i, _ in found))
    if any(truth is not Truth.YES or i.unclear for i, truth in found):
        raise Entangled(f"whether {names} applies is not known, and a NetworkPolicy would end what it lets through")
    allowing, closed = _read(names, (i for i, _ in found))
    if closed.isdisjoint(("pods",)):
        raise Entangled(f"{names} lets some through that a NetworkPolicy would close: isolate those pods first")
    rules = [_rule(names, entry, direction) for entry in allowing]
    outside = [family for family in FAMILIES if family not in closed]
    rest = _outside_pods(view, outside, direction) if outside else Rest()
    return Rest((*(rule for rule in rules if rule), *rest.rules), rest.note)


def _read(names: str, pieces: Iterable[CompiledPolicy]) -> tuple[list[Entry], set[Family | str]]:
    """Return what is allowed, and who is denied whatever else: `pods`, or all addresses of a family."""
    allowing: list[Entry] = []
    closed: set[Family | str] = set()
    for _, tier in groupby(pieces, key=lambda i: i.tier):
        some = list(tier)
        for entry in (entry for i in some for entry in i.entries):
            if entry.action is not Action.DENY:
                if "pods" not in closed or not _only_pods(entry):
                    allowing.append(entry)
            elif whole := _wholly(entry):
                closed |= whole
            elif "pods" not in closed or not _only_pods(entry):
                raise Entangled(f"{names} denies some and lets others through, which no NetworkPolicy can say")
        if any(i.isolates for i in some):
            closed |= {"pods", *FAMILIES}
    return allowing, closed


def _wholly(entry: Entry) -> set[Family | str]:
    """Return whom an entry denies on every port: all pods, or all addresses of a family; nobody, if only some."""
    if _narrowed(entry):
        return set()
    if entry.matches is None:
        return {"pods", *FAMILIES}
    found: set[Family | str] = {"pods"} if any(map(_any_pod, entry.matches)) else set()
    found |= {m.block.family for m in entry.matches if isinstance(m, BlockPeer) and _is_all(m)}
    covered = all(_covered(match, found) for match in entry.matches)
    return found if covered else set()


def _covered(match: Match, found: set[Family | str]) -> bool:
    """Say whether an entry's peer adds nobody to those whom it denies wholly."""
    return ("pods" in found and _of_pods(match)) or (isinstance(match, BlockPeer) and match.block.family in found)


def denies_all_pods(entry: Entry) -> bool:
    """Say whether an entry denies all pods, on all ports."""
    whole = entry.matches is None or any(map(_any_pod, entry.matches))
    return entry.action is Action.DENY and not _narrowed(entry) and whole


def _narrowed(entry: Entry) -> bool:
    parts = (entry.ports, entry.unclear, entry.conditional, entry.own)
    return any(part is not None for part in parts) or bool(entry.not_ports)


def _is_all(match: BlockPeer) -> bool:
    whole = match.block == _ALL[match.block.family] and not match.excepts
    return whole and (match.pods, match.nodes) == (Truth.YES, Truth.YES)


def _any_pod(match: Match) -> bool:
    match match:
        case PodMatch(namespace, namespaces, pods):
            return namespace is None and not namespaces.requirements and not pods.requirements
        case EndpointPeer(test):
            return test == ALWAYS
        case PlacePeer(place):
            return place is Place.POD
        case _:
            return False


def _only_pods(entry: Entry) -> bool:
    return entry.matches is not None and all(map(_of_pods, entry.matches))


def _of_pods(match: Match) -> bool:
    match match:
        case PodMatch() | EndpointPeer():
            return True
        case PlacePeer(place):
            return place is Place.POD
        case AllOf(peers):
            return any(map(_of_pods, peers))
        case _:
            return False


def _rule(names: str, entry: Entry, direction: Direction) -> Rule:
    """Return an allowing entry as a rule of a NetworkPolicy, empty if it allows nothing. Raises Entangled."""
    if entry.unclear or entry.conditional or entry.own is not None or entry.not_ports:
        raise Entangled(f"{names} lets some through in a way that no NetworkPolicy can say")
    if entry.matches == () or entry.ports == ():
        return {}
    peers = None if entry.matches is None else [_peer(names, match) for match in entry.matches]
    ports = None if entry.ports is None else [_port(port) for port in entry.ports]
    return {**({PEERS[direction]: peers} if peers else {}), **({"ports": ports} if ports else {})}


def _peer(names: str, match: Match) -> Rule:
    match match:
        case PodMatch(namespace, namespaces, pods):
            space = _selector(namespaces) if namespace is None else {"matchLabels": {NAME_LABEL: namespace}}
            return {"namespaceSelector": space, **({"podSelector": _selector(pods)} if pods.requirements else {})}
        case BlockPeer(block, excepts):
            excluded = {"except": [str(one) for one in excepts]} if excepts else {}
            return {"ipBlock": {"cidr": str(block), **excluded}}
        case _:
            raise Entangled(f"{names} lets some through whom no NetworkPolicy can name")


def _selector(selector: Selector) -> Rule:
    """Return a selector as `metav1.LabelSelector`."""
    single = [r for r in selector.requirements if r.operator is Operator.IN and len(r.values) == 1]
    labels = {r.key: next(iter(r.values)) for r in single}
    rest = [r for r in selector.requirements if r not in single or r.values != {labels[r.key]}]
    expressions = [
        {"key": r.key, "operator": r.operator.value, **({"values": sorted(r.values)} if r.values else {})} for r in rest
    ]
    return {
        **({"matchLabels": labels} if labels else {}),
        **({"matchExpressions": expressions} if expressions else {}),
    }


def _port(port: PortMatch) -> Rule:
    if isinstance(port, NamedPort):
        return {"protocol": port.protocol, "port": port.name}
    if (port.first, port.last) == (FIRST_PORT, LAST_PORT):
        return {"protocol": port.protocol}
    last = {} if port.first == port.last else {"endPort": port.last}
    return {"protocol": port.protocol, "port": port.first, **last}


def _outside_pods(view: View, families: Sequence[Family], direction: Direction) -> Rest:
    """Return all addresses but those of pods; where files do not tell which these are, say so instead.

    A family that no pod has is left whole.
    """
    apart = view.dialect.blocks.pods is not Truth.NO
    blocks = {family: [str(block) for block in view.pod_blocks(family)] for family in families}
    untold = apart and any(not blocks[family] for family in families if family in view.families())
    if view.dialect.blocks.nodes is not Truth.YES or untold:
        if view.complete:
            why = "no node tells its podCIDRs" if untold else "its blocks hold no nodes here"
            raise Entangled(f"a policy would close addresses that are no pod's, and cannot name them: {why}")
        way = "connect to it" if direction is Direction.INGRESS else "it connects to"
        return Rest(note=f"addresses outside the cluster that {way} need a rule of their own")
    return Rest(({PEERS[direction]: [*_cidrs(blocks, apart=apart)]},))


def _cidrs(blocks: dict[Family, list[str]], *, apart: bool) -> Iterator[Rule]:
    for family, pods in blocks.items():
        yield {"ipBlock": {"cidr": str(_ALL[family]), **({"except": pods} if apart and pods else {})}}

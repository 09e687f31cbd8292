"""What tiers behind NetworkPolicy let through, in the words of a NetworkPolicy.

A pod that only such a tier closes (the Baseline tier) is open to what that tier allows. A policy that selects it
isolates it before that tier is asked, so it has to say the same itself. That is possible where the tiers behind allow
this and that and deny all other pods; where they deny some, it is not.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, product
from typing import Any, Final

from msgspec import Struct

from webhook.evaluate import PodEnd, ends_of_pod, judge_side, template_end
from webhook.model.addresses import FAMILIES, FIRST_PORT, LAST_PORT, Block, ContainerPort, Family, NamedPort, PortMatch
from webhook.model.answers import Verdict
from webhook.model.labels import ALWAYS, NAME_LABEL, AllOf, Operator, Selector
from webhook.model.objects import PodClass
from webhook.model.peers import EndpointPeer, Peer, Place, PlacePeer, PodMatch
from webhook.model.policy import BlockPeer, Direction
from webhook.model.refs import WorkloadRef
from webhook.model.tier import Action, CompiledPolicy, CompiledRule
from webhook.model.truth import Truth
from webhook.world import View
from webhook.world.view import Selecting

Rule = dict[str, Any]
Ports = tuple[ContainerPort, ...]
PEERS: Final = {Direction.EGRESS: "to", Direction.INGRESS: "from"}
_ALL: Final[dict[Family, Block]] = {4: Block(4, 0, 0), 6: Block(6, 0, 0)}


class Entangled(Exception):  # noqa: N818 - carries why; caught in this package
    """What tiers behind let through cannot be said in a NetworkPolicy."""


class Rest(Struct, frozen=True):
    """Rules that say what tiers behind let through; `note` where files do not tell enough to say all of it."""

    rules: tuple[Rule, ...] = ()
    note: str | None = None


def behind(view: View, pod_class: PodClass, direction: Direction) -> Selecting:
    """Return the policies of other tiers that are asked about a pod after NetworkPolicy."""
    last = view.dialect.tiers.network_policies
    return tuple((i, truth) for i, truth in view.policies.selecting(pod_class, direction) if last < i.tier)


def denied_behind(view: View, pod_class: PodClass, direction: Direction) -> bool:
    """Say whether tiers behind deny a pod anything."""
    return any(
        i.default_deny or any(e.action is Action.DENY for e in i.rules) for i, _ in behind(view, pod_class, direction)
    )


def said_behind(view: View, pod_class: PodClass, direction: Direction) -> Rest:
    """Return what tiers behind let through to or from a pod. Raises Entangled."""
    found = behind(view, pod_class, direction)
    names = ", ".join(dict.fromkeys(i.ref.titled for i, _ in found))
    if any(truth is not Truth.YES or i.unclear for i, truth in found):
        raise Entangled(f"whether {names} applies is not known, and a NetworkPolicy would end what it lets through")
    allowing, closed = _read(names, (i for i, _ in found))
    if closed.isdisjoint(("pods",)):
        raise Entangled(f"{names} lets some through that a NetworkPolicy would close: isolate those pods first")
    written = [_rule(names, rule, direction) for rule in allowing]
    outside = [family for family in FAMILIES if family not in closed]
    rest = _outside_pods(view, outside, direction) if outside else Rest()
    return Rest((*(rule for rule in written if rule), *rest.rules), rest.note)


def lost(view: View, after: View, ends: Iterable[tuple[PodClass, Ports]], direction: Direction) -> set[WorkloadRef]:
    """Return with whom connections passed in `view` and do not in `after`, on the ports that anybody declares."""
    found: set[WorkloadRef] = set()
    for (pod_class, own), (ref, other, theirs) in product(ends, [*_everybody(view)]):
        for port in own if direction is Direction.INGRESS else theirs:
            for family in other.families or view.families():
                asked = (direction, PodEnd(pod_class), other, family, port.protocol, port.number)
                if judge_side(view, *asked).verdict is not Verdict.ALLOWED:
                    continue
                if judge_side(after, *asked).verdict is not Verdict.ALLOWED:
                    found.add(ref)
    return found


def _everybody(view: View) -> Iterator[tuple[WorkloadRef, PodEnd, Ports]]:
    for namespace in view.namespaces.names():
        for group in view.pods.groups(namespace):
            if group.template is not None:
                yield group.ref, template_end(view, group.template), group.template.template.declares
            for pod in {pod.pod_class: pod for pod in group.pods}.values():
                yield group.ref, ends_of_pod(pod), pod.declares


def _read(names: str, pieces: Iterable[CompiledPolicy]) -> tuple[list[CompiledRule], set[Family | str]]:
    """Return what is allowed, and who is denied whatever else: `pods`, or all addresses of a family."""
    allowing: list[CompiledRule] = []
    closed: set[Family | str] = set()
    for _, tier in groupby(pieces, key=lambda i: i.tier):
        some = list(tier)
        for rule in (rule for i in some for rule in i.rules):
            if rule.action is not Action.DENY:
                if "pods" not in closed or not _only_pods(rule):
                    allowing.append(rule)
            elif whole := _wholly(rule):
                closed |= whole
            elif "pods" not in closed or not _only_pods(rule):
                raise Entangled(f"{names} denies some and lets others through, which no NetworkPolicy can say")
        if any(i.default_deny for i in some):
            closed |= {"pods", *FAMILIES}
    return allowing, closed


def _wholly(rule: CompiledRule) -> set[Family | str]:
    """Return whom a rule denies on every port: all pods, or all addresses of a family; nobody, if only some."""
    if _narrowed(rule):
        return set()
    if rule.peers is None:
        return {"pods", *FAMILIES}
    found: set[Family | str] = {"pods"} if any(map(_any_pod, rule.peers)) else set()
    found |= {m.block.family for m in rule.peers if isinstance(m, BlockPeer) and _is_all(m)}
    covered = all(_covered(peer, found) for peer in rule.peers)
    return found if covered else set()


def _covered(peer: Peer, found: set[Family | str]) -> bool:
    """Say whether a rule's peer adds nobody to those whom it denies wholly."""
    return ("pods" in found and _of_pods(peer)) or (isinstance(peer, BlockPeer) and peer.block.family in found)


def denies_all_pods(rule: CompiledRule) -> bool:
    """Say whether a rule denies all pods, on all ports."""
    whole = rule.peers is None or any(map(_any_pod, rule.peers))
    return rule.action is Action.DENY and not _narrowed(rule) and whole


def _narrowed(rule: CompiledRule) -> bool:
    parts = (rule.ports, rule.unclear, rule.conditional, rule.subject_peers)
    return any(part is not None for part in parts) or bool(rule.not_ports)


def _is_all(peer: BlockPeer) -> bool:
    whole = peer.block == _ALL[peer.block.family] and not peer.excepts
    return whole and (peer.pods, peer.nodes) == (Truth.YES, Truth.YES)


def _any_pod(peer: Peer) -> bool:
    match peer:
        case PodMatch(namespace, namespaces, pods):
            return namespace is None and not namespaces.requirements and not pods.requirements
        case EndpointPeer(test):
            return test == ALWAYS
        case PlacePeer(place):
            return place is Place.POD
        case _:
            return False


def _only_pods(rule: CompiledRule) -> bool:
    return rule.peers is not None and all(map(_of_pods, rule.peers))


def _of_pods(peer: Peer) -> bool:
    match peer:
        case PodMatch() | EndpointPeer():
            return True
        case PlacePeer(place):
            return place is Place.POD
        case AllOf(peers):
            return any(map(_of_pods, peers))
        case _:
            return False


def _rule(names: str, rule: CompiledRule, direction: Direction) -> Rule:
    """Return an allowing rule as a rule of a NetworkPolicy, empty if it allows nothing. Raises Entangled."""
    if rule.unclear or rule.conditional or rule.subject_peers is not None or rule.not_ports:
        raise Entangled(f"{names} lets some through in a way that no NetworkPolicy can say")
    if rule.peers == () or rule.ports == ():
        return {}
    peers = None if rule.peers is None else [_peer(names, peer) for peer in rule.peers]
    ports = None if rule.ports is None else [_port(port) for port in rule.ports]
    return {**({PEERS[direction]: peers} if peers else {}), **({"ports": ports} if ports else {})}


def _peer(names: str, peer: Peer) -> Rule:
    match peer:
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

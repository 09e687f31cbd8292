"""One source and one other end: both directions of a packet, on every address family of both."""

from collections.abc import Hashable
from typing import Final

from msgspec import structs

from webhook.evaluate.coverage import judge_coverage
from webhook.evaluate.ends import Outside, PodEnd
from webhook.evaluate.match import Packet
from webhook.evaluate.node_and_service_peers import from_node, node_matters, to_node
from webhook.evaluate.rules import blocks_apart, of_host, rules_of
from webhook.evaluate.side import decide, decided, judge_side
from webhook.model.addresses import FAMILIES, FAMILY_NAME, Address, Block, Family, Protocol
from webhook.model.answers import OPEN, Side, Verdict, both, together
from webhook.model.labels import LabelKeys
from webhook.model.objects import PodClass
from webhook.model.policy import Direction
from webhook.model.tier import Action, CompiledPolicy, CompiledRule, sort_key
from webhook.model.truth import Truth
from webhook.world import View
from webhook.world.changes import Memo

Pair = tuple[Verdict, Side, Side]
_PAIRS: Final = Memo[tuple[PodClass, PodClass, Protocol, int], Pair](100_000)
_Ends = tuple[PodEnd, PodEnd, Protocol, int, tuple[Family, ...], tuple[Family, ...]]
_APART: Final = Memo[_Ends, Pair](50_000)
_ANY: Final = LabelKeys.of(("*",))


def judge_pair(
    view: View, source: PodEnd, target: PodEnd, protocol: Protocol, port: int, families: tuple[Family, ...] = ()
) -> Pair:
    """Judge one source and one destination pod, on every family of both and of the Service (`families`; empty: any).

    Answers are remembered: where neither addresses nor nodes matter, all pods of two pod classes have one.
    """
    key, answers = (source.pod_class, target.pod_class, protocol, port), view.memo(_PAIRS)
    found = answers.get(key)
    if found is None:
        out, into = (
            rules_of(view, source.pod_class, Direction.EGRESS),
            rules_of(view, target.pod_class, Direction.INGRESS),
        )
        apart = out.pods_apart or into.pods_apart or source.pod_class.host_network or target.pod_class.host_network
        if apart or view.dialect.families != FAMILIES:
            return _judge_apart(view, source, target, protocol, port, families)
        egress = decided(view, out, Packet(Direction.EGRESS, source, target, None, protocol, port))
        ingress = decided(view, into, Packet(Direction.INGRESS, target, source, None, protocol, port))
        found = both(egress.verdict, ingress.verdict), egress, ingress
        if out.lasting and into.lasting:
            answers[key] = found
    view.budget.spend(2)
    return found


def _judge_apart(
    view: View, source: PodEnd, target: PodEnd, protocol: Protocol, port: int, families: tuple[Family, ...]
) -> Pair:
    """Judge two pods that addresses or nodes tell from others of their pod classes."""
    key, answers = (source, target, protocol, port, families, view.families()), view.memo(_APART)
    found = answers.get(key)
    if found is not None:
        view.budget.spend(2)
        return found
    found = _each_family(view, source, target, protocol, port, families)
    out, into = rules_of(view, source.pod_class, Direction.EGRESS), rules_of(view, target.pod_class, Direction.INGRESS)
    if out.lasting and into.lasting:
        answers[key] = found
    return found


def _each_family(
    view: View, source: PodEnd, target: PodEnd, protocol: Protocol, port: int, families: tuple[Family, ...]
) -> Pair:
    if not by_address(view, source, target) and view.dialect.families == FAMILIES:
        return _one(view, source, target, None, protocol, port)
    common = common_families(view, source, target, families)
    if not common:
        nothing = Side(Verdict.UNKNOWN, isolated=None, reason="the two ends have no address family in common")
        return Verdict.UNKNOWN, nothing, nothing
    if len(common) == 1:
        return _one(view, source, target, common[0], protocol, port)
    each = {family: _one(view, source, target, family, protocol, port) for family in common}
    verdict = together(v for v, _, _ in each.values())
    egress = _merged({f: a[1] for f, a in each.items()})
    return verdict, egress, _merged({f: a[2] for f, a in each.items()})


def _unpoliced(view: View) -> Side:
    """Return the answer for an address family that the enforcer does not police as policies say."""
    reason = f"{view.dialect.name} does not support IPv6, and what it lets pass is not known"
    return Side(Verdict.UNKNOWN, isolated=None, reason=reason)


def common_families(view: View, source: PodEnd, target: PodEnd, families: tuple[Family, ...]) -> tuple[Family, ...]:
    """Return the families on which the two may talk; a pod to come has those that the cluster has."""
    there = _families(view, target)
    return tuple([f for f in _families(view, source) if f in there and (not families or f in families)])


def _families(view: View, end: PodEnd) -> tuple[Family, ...]:
    """Return the families of a pod; one to come on the host network has those of the nodes."""
    if end.addresses or not end.pod_class.host_network:
        return end.families or view.families()
    return families_of_nodes(view)


def families_of_nodes(view: View) -> tuple[Family, ...]:
    """Return the families that nodes have, and so whatever comes to run on their network."""
    of_nodes = {address.family for node in view.nodes.every() for address in node.addresses}
    return tuple(sorted(of_nodes)) or view.families()


def _one(view: View, source: PodEnd, target: PodEnd, family: Family | None, protocol: Protocol, port: int) -> Pair:
    if family is not None and family not in view.dialect.families and _selected(view, source, target):
        side = _unpoliced(view)
        return side.verdict, side, side
    out, into = rules_of(view, source.pod_class, Direction.EGRESS), rules_of(view, target.pod_class, Direction.INGRESS)
    egress = decided(view, out, Packet(Direction.EGRESS, source, target, family, protocol, port))
    ingress = decided(view, into, Packet(Direction.INGRESS, target, source, family, protocol, port))
    view.budget.spend(2)
    if source.pod_class.host_network:
        ingress = from_node(view, source.node, target, ingress)
    if target.pod_class.host_network:
        egress = to_node(view, source, target.node, egress)
    return both(egress.verdict, ingress.verdict), egress, ingress


def _selected(view: View, source: PodEnd, target: PodEnd) -> bool:
    """Say whether any policy is about either end."""
    return _selected_by(view, source, Direction.EGRESS) or _selected_by(view, target, Direction.INGRESS)


def _selected_by(view: View, end: PodEnd, direction: Direction) -> bool:
    return not end.pod_class.host_network and bool(view.policies.selecting(end.pod_class, direction))


def by_address(view: View, source: PodEnd, target: PodEnd) -> bool:
    """Say whether addresses matter to the answer; nothing isolates pods on the host network."""
    out, into = rules_of(view, source.pod_class, Direction.EGRESS), rules_of(view, target.pod_class, Direction.INGRESS)
    egress = out.by_address if target.pod_class.host_network else out.pods_apart
    return egress or (into.by_address if source.pod_class.host_network else into.pods_apart)


def told_by(view: View, source: PodEnd, target: PodEnd) -> tuple[Block, ...] | None:
    """Return the blocks by which alone pods of one class are told apart; None: each is a case of its own."""
    if target.pod_class.host_network or node_matters(view, source, target):
        return None
    return blocks_apart(view, source.pod_class, target.pod_class)


def kind_of(target: PodEnd, blocks: tuple[Block, ...] | None) -> Hashable:
    """Return what is the same for pods that these blocks do not tell apart."""
    if blocks is None:
        return target
    return tuple([(a.family, tuple([block.holds(a) for block in blocks])) for a in target.addresses])


def _merged(sides: dict[Family, Side]) -> Side:
    """Join the answers of two families; where they differ, say which one fails."""
    verdict = together(side.verdict for side in sides.values())
    first = next(iter(sides.values()))
    if all(side == first for side in sides.values()):
        return first
    denied = sorted((s for s in sides.values() if s.verdict is Verdict.DENIED), key=lambda s: not s.final)
    (worst, *_) = (*denied, *(s for s in sides.values() if s.verdict is not Verdict.ALLOWED), first)
    parts = ", ".join(f"{FAMILY_NAME[f]} {side.verdict}" for f, side in sides.items())
    why = next((side.reason for side in sides.values() if side.verdict is not Verdict.ALLOWED and side.reason), None)
    reason = None if verdict in (Verdict.ALLOWED, Verdict.DENIED) else f"{parts}: {why}" if why else parts
    by = first.admitted_by if verdict is Verdict.ALLOWED else None
    final = worst.final and verdict is Verdict.DENIED
    return structs.replace(worst, verdict=verdict, admitted_by=by, reason=reason, final=final)


def judge_outside(view: View, source: PodEnd, block: Block, protocol: Protocol, port: int) -> Pair:
    """Judge addresses outside the cluster: only the source's side counts, and every address of the block."""
    if source.pod_class.host_network:
        side = of_host(view, source.pod_class, Direction.EGRESS)
        return side.verdict, side, OPEN
    if block.family not in view.dialect.families and view.policies.selecting(source.pod_class, Direction.EGRESS):
        side = _unpoliced(view)
        return side.verdict, side, OPEN
    if block.size == 1:
        egress = judge_side(view, Direction.EGRESS, source, Outside(block), block.family, protocol, port)
        if (node := view.nodes.at(Address(block.family, block.first))) is not None:
            egress = to_node(view, source, node.name, egress)
    else:
        egress = judge_coverage(view, source, block, protocol, port)
    return egress.verdict, egress, OPEN


def judge_from_outside(view: View, block: Block, target: PodEnd, protocol: Protocol, port: int) -> Side:
    """Judge what one address, of a node or outside the cluster, sends to a pod: only the target's side counts."""
    if block.family not in view.dialect.families and _selected_by(view, target, Direction.INGRESS):
        return _unpoliced(view)
    ingress = judge_side(view, Direction.INGRESS, target, Outside(block), block.family, protocol, port)
    node = view.nodes.at(Address(block.family, block.first))
    return ingress if node is None else from_node(view, node.name, target, ingress)


# -- pods that nobody has seen -----------------------------------------------------------------------------------------


def is_shut_to(view: View, source: PodEnd, pod_class: PodClass, protocol: Protocol, port: int) -> bool:
    """Say whether policy lets a pod in nowhere, on no port, at whatever pods have the labels of `pod_class` and others.

    Pods on the host network are left out: nobody supposes them, and policy is not about them.
    """
    if source.pod_class.host_network or view.policies.unevaluated(pod_class, Direction.INGRESS) is not None:
        return False
    compiled_policies: list[tuple[CompiledPolicy, Truth]] = []
    for namespace in (pod_class.namespace, ""):
        for one in view.policies.compiled_policies(namespace, Direction.INGRESS):
            view.budget.spend(1 + len(one.rules))
            selects = Truth.MAYBE if one.subject is None else one.subject.matches(pod_class.labels, _ANY)
            selects = selects if one.scope is None else min(selects, Truth.MAYBE)
            if selects is not Truth.NO:
                compiled_policies.append((structs.replace(one, rules=tuple(map(_at_any_port, one.rules))), selects))
    selecting = tuple(sorted(compiled_policies, key=lambda pair: sort_key(pair[0])))
    ends = [Packet(Direction.INGRESS, PodEnd(pod_class), source, family, protocol, port) for family in view.families()]
    return bool(selecting) and all(decide(view, selecting, one).verdict is Verdict.DENIED for one in ends)


def _at_any_port(rule: CompiledRule) -> CompiledRule:
    """Return a rule without what it asks of pods that nobody has seen: one that allows allows more, others may not."""
    if rule.action is Action.ALLOW:
        return structs.replace(rule, ports=None, not_ports=(), subject_peers=None)
    asks = rule.ports is not None or rule.not_ports or rule.subject_peers is not None
    return structs.replace(rule, unclear=rule.unclear or "it asks for ports or labels of its own") if asks else rule

"""Rules that would let the packet through but for one thing: what a person most often got wrong."""

from collections.abc import Hashable, Iterable, Iterator
from typing import Final

from msgspec import structs

from webhook.evaluate.ends import End, PodEnd
from webhook.judge.near_miss_peers import (
    FAR,
    Lack,
    Miss,
    Packet,
    families_of,
    matched,
    of_expression,
    of_labels,
    peer_misses,
    told,
)
from webhook.judge.near_miss_ports import NearRule, cut_short, dialled_by, near_by_port, near_rules
from webhook.judge.near_miss_subjects import (
    Near,
    Nearly,
    about_others,
    compiled_for,
    isolating,
    near,
    selects_one,
    unrelated,
)
from webhook.model.addresses import Family
from webhook.model.answers import NearMiss, Side
from webhook.model.labels import NO_LABELS
from webhook.model.policy import Direction
from webhook.model.refs import PolicyRef
from webhook.model.tier import Action, CompiledPolicy, CompiledRule, Tier
from webhook.world import View
from webhook.world.changes import Memo

MOST: Final = 3
_EVERYWHERE: Final = ""
PEERS: Final = frozenset({"podLabels", "namespaceLabels", "namespace", "serviceAccount", "cidr"})
MISPLACED: Final = ", and belongs into "
# By what was denied; with the version of the pods and Services that were looked at.
Denied = tuple[PolicyRef | None, tuple[PolicyRef, ...]] | None
_NEAR: Final = Memo[tuple[Packet, tuple[Family, ...], Denied], tuple[Hashable, tuple[NearMiss, ...]]](5_000)
_Row = tuple[PolicyRef, tuple[Miss | Lack, ...]]  # a rule, and what keeps the packet from it
_Said = tuple[tuple[PolicyRef, Miss], ...]
_ROWS: Final = Memo[Hashable, tuple[Hashable, tuple[Nearly, ...], tuple[_Row, ...], _Said]](5_000)


def near_misses(view: View, packet: Packet, side: Side | None = None) -> tuple[NearMiss, ...]:
    """Return at most three near misses among the policies that come before what denied, nearest first.

    `side`: the denial, where it was made by a rule or at a tier's end; None: no rule let it through.
    """
    denied = (side.denied_by, side.policies) if side is not None and side.tier_results else None
    if next(_others(view, packet), None) is None:
        return _near_misses(view, packet, side if denied else None)
    key, version = (packet, view.families(), denied), near_version(view, packet.subject, packet.other)
    answers = view.memo(_NEAR)
    known = answers.get(key)
    if known is not None and known[0] == version:
        return known[1]
    found = _near_misses(view, packet, side if denied else None)
    if not any(compiled.volatile for compiled in _others(view, packet)):
        answers[key] = version, found
    return found


def near_version(view: View, *ends: End) -> Hashable:
    """Return what differs as soon as a pod or a Service does that near misses of these ends look at."""
    spaces = (end.pod_class.namespace for end in ends if isinstance(end, PodEnd))
    return view.version_of("default", *spaces)  # there the API server's own Service is


def _near_misses(view: View, packet: Packet, side: Side | None) -> tuple[NearMiss, ...]:
    end = None if side is None else _end(view, packet, side)
    found = {(miss.rank, NearMiss(ref, miss.field, miss.want, miss.have)) for ref, miss in _misses(view, packet, end)}
    return tuple(near for _, near in sorted(found)[:MOST])


Place = tuple[Tier, tuple[float | str, ...] | None]  # None: the end of the tier


def _end(view: View, packet: Packet, side: Side) -> Place | None:
    """Return where the packet was denied: a rule beyond that place could not have let it through."""
    for compiled, _ in view.policies.selecting(packet.subject.pod_class, packet.direction):
        if side.denied_by is None and compiled.default_deny and compiled.ref in side.policies:
            return compiled.tier, None
        if side.denied_by is not None and any(rule.ref == side.denied_by for rule in compiled.rules):
            return compiled.tier, compiled.precedence
    return None


def _in_time(compiled: CompiledPolicy, end: Place | None) -> bool:
    if end is None:
        return True
    tier, precedence = end
    return compiled.tier < tier or (compiled.tier == tier and (precedence is None or compiled.precedence < precedence))


def _misses(view: View, packet: Packet, end: Place | None) -> Iterator[tuple[PolicyRef, Miss]]:
    own = view.policies.named(packet.subject.pod_class.namespace)
    yield from _of_near(view, packet, end)
    yield from _misplaced(view, packet)
    for compiled in _others(view, packet):
        view.budget.spend()
        if compiled.ref not in own and compiled.unclear is None and _in_time(compiled, end):
            yield from _of_compiled(view, compiled, packet)


def _misplaced(view: View, packet: Packet) -> Iterator[tuple[PolicyRef, Miss]]:
    """Yield policies in the other end's namespace that would let the packet through if they stood in the subject's."""
    here = packet.subject.pod_class.namespace
    there = packet.other.pod_class.namespace if isinstance(packet.other, PodEnd) else here
    found = isolating(view, there, packet.direction, packet.subject.pod_class.labels) if there != here else ()
    for policy in found:
        if about_others(view, policy):
            continue
        compiled = compiled_for(view, policy, packet.direction)
        near_ones = near_rules(view, compiled, dialled_by(view, packet)) if compiled is not None else ()
        for rule, missed in near_ones:
            if missed or not _is_about(view, rule, packet):
                continue
            if matched(view, rule, packet.other, families_of(view, packet)):
                yield rule.ref, Miss(0, "namespace", f"{there}{MISPLACED}{here}", here)


def _others(view: View, packet: Packet) -> Iterator[CompiledPolicy]:
    """Yield the pieces of other families that may be about the subject: of its namespace, and cluster-wide ones."""
    for namespace in (packet.subject.pod_class.namespace, _EVERYWHERE):
        if view.policies.crd_policies(namespace):
            yield from view.policies.compiled_policies(namespace, packet.direction)


def _of_compiled(view: View, compiled: CompiledPolicy, packet: Packet) -> Iterator[tuple[PolicyRef, Miss]]:
    """Yield the near misses of a policy of another family: of its rules that allow."""
    rules = [rule for rule in compiled.rules if rule.action is Action.ALLOW]
    if not rules or compiled.subject is None:
        return
    pod_class = packet.subject.pod_class
    missed = tuple(of_labels(compiled.subject, pod_class.labels, "podLabels"))
    if unrelated(compiled.subject, missed):
        return
    if compiled.scope is not None:
        missed += tuple(of_expression(view, compiled.scope, pod_class))
    if len(missed) <= 1 and FAR not in missed:
        dialled = dialled_by(view, packet)
        for row in _rows(view, compiled, near_by_port(view, rules, dialled), packet, missed):
            yield from _nearest(row, packet)


def _of_near(view: View, packet: Packet, end: Place | None) -> Iterator[tuple[PolicyRef, Miss]]:
    """Yield the near misses of NetworkPolicies, which are looked for once for all that rules do not tell apart."""
    nearly, below = near(view, packet.subject.pod_class, packet.direction), view.beneath()
    of_others = {ref for ref, policy in nearly.lacking.items() if selects_one(policy, below.proposed)}
    here = nearly.found
    if of_others or end is not None:
        here = tuple([pair for pair in here if _in_time(pair[0], end) and pair[0].ref not in of_others])
    like = _like(view, nearly, packet)
    if like is None:
        for row in _rows_of(view, here, packet):
            yield from _nearest(row, packet)
    else:
        key = like, tuple([compiled.ref for compiled, _ in here])
        spaces = (one.pod_class.namespace for one in (packet.subject, packet.other) if isinstance(one, PodEnd))
        version = below.view.version_of("default", *spaces)  # there the API server's own Service is
        known = view.memo(_ROWS).get(key)
        if known is None or known[:2] != (version, here):
            every = [*_rows_of(view, here, structs.replace(packet, later=True))]
            open_ones, closed = list[_Row](), list[_Row]()
            for row in every:
                (open_ones if any(isinstance(one, Lack) for one in row[1]) else closed).append(row)
            said = tuple([found for row in closed for found in _nearest(row, packet)])
            known = view.memo(_ROWS)[key] = version, here, tuple(open_ones), said
        yield from known[3]
        for row in known[2]:
            yield from _nearest(row, packet)


def _like(view: View, nearly: Near, packet: Packet) -> Hashable:
    """Return what is the same for packets that rules do not tell apart; None: that cannot be said."""
    other = packet.other
    whose: Hashable = other
    if isinstance(other, PodEnd):
        if nearly.asked is None:
            return None
        pod_class = other.pod_class
        asked = nearly.asked.of(pod_class.labels)
        kind = pod_class.namespace, pod_class.ports, pod_class.host_network, pod_class.template, pod_class.account
        whose = (
            kind,
            asked,
            other.addresses if nearly.by_address else other.families,
            pod_class.host_network and other.node,
        )
    target = packet.subject.pod_class if packet.direction is Direction.INGRESS else None
    dialled = packet.protocol, packet.port, packet.service_port
    return packet.direction, target, whose, dialled, packet.family, view.families()


def _rows_of(view: View, nearly: Iterable[Nearly], packet: Packet) -> Iterator[_Row]:
    dialled = dialled_by(view, packet)
    for compiled, missed in nearly:
        if compiled.rules and len(missed) <= 1:
            yield from _rows(view, compiled, near_rules(view, compiled, dialled), packet, missed)


def _nearest(row: _Row, packet: Packet) -> Iterator[tuple[PolicyRef, Miss]]:
    """Yield the nearest of what keeps a packet from a rule, where it is one thing, or one of several peers."""
    ref, misses = row
    labels = packet.other.pod_class.labels if isinstance(packet.other, PodEnd) else NO_LABELS
    nearest = [told(one, labels) for one in misses]
    if len(nearest) > 1:
        nearest = sorted(set(nearest))[:MOST]
    if FAR not in nearest and (len(nearest) == 1 or all(miss.field in PEERS for miss in nearest)):
        yield from [(ref, miss) for miss in nearest]


def _rows(
    view: View, compiled: CompiledPolicy, near_ones: Iterable[NearRule], packet: Packet, missed: tuple[Miss, ...]
) -> Iterator[_Row]:
    """Yield the rules from which one thing keeps the packet, or one peer of several that may have been meant.

    `missed`: what keeps the rules' policy from selecting the subject, one thing at most.
    """
    for rule, of_ports in near_ones:
        view.budget.spend(1 + len(rule.peers or ()))
        sure = missed + of_ports
        if len(sure) > 1 or not _is_about(view, rule, packet):
            continue
        if matched(view, rule, packet.other, families_of(view, packet)):
            found: tuple[Miss | Lack, ...] = sure or tuple(cut_short(view, rule, packet))
            if len(found) == 1:
                yield rule.ref, found
        elif not sure and (peers := tuple(dict.fromkeys(peer_misses(view, compiled, rule, packet)))):
            yield rule.ref, peers


def _is_about(view: View, rule: CompiledRule, packet: Packet) -> bool:
    """Say whether the subject is, or may be, what else a rule asks of the pod that its policy selects."""
    own = rule.subject_peers
    return own is None or matched(view, CompiledRule(rule.ref, own), packet.subject, families_of(view, packet))

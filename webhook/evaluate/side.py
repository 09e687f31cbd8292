"""One direction of one packet: which policies isolate the subject, and whether any of them admits the other end.

The same routine serves both directions; the difference is data.
"""

from typing import Final

from msgspec import structs

from webhook.evaluate.ends import End, Outside, PodEnd
from webhook.evaluate.match import Packet, rule_matches
from webhook.evaluate.rules import Rules, pooled, rules_for, rules_of
from webhook.evaluate.tiers import Decided, Outcomes, walk
from webhook.evaluate.why import why_admitted, why_selected
from webhook.model.addresses import Address, Family, Protocol
from webhook.model.answers import Side, Verdict
from webhook.model.objects import PodClass
from webhook.model.policy import Direction
from webhook.model.refs import PolicyRef
from webhook.model.tier import CompiledPolicy
from webhook.model.truth import Truth
from webhook.world import View
from webhook.world.changes import Memo
from webhook.world.view import Selecting

Key = tuple[
    Direction,
    PodClass,
    PodClass | Outside,
    Address | None,
    bool,
    Family | None,
    Protocol,
    int,
    tuple[str, str] | None,
]
_SIDES: Final = Memo[Key, Side](100_000)
Candidates = list[tuple[CompiledPolicy, Truth, Truth, PolicyRef | None]]  # selects, admits, by which rule


def judge_side(
    view: View, direction: Direction, subject: PodEnd, other: End, family: Family | None, protocol: Protocol, port: int
) -> Side:
    """Judge the rules on `subject`'s side. `family` None: no rule in question looks at addresses (`by_address`)."""
    view.budget.spend()
    rules = rules_of(view, subject.pod_class, direction)
    if rules.answer is not None or not rules.lasting:
        return decided(view, rules, Packet(direction, subject, other, family, protocol, port))
    address = other.address(family) if isinstance(other, PodEnd) and family else None
    whose = other.pod_class if isinstance(other, PodEnd) else other
    unassigned = isinstance(other, PodEnd) and not other.addresses
    nodes = _nodes(subject, other)
    key = (direction, subject.pod_class, whose, address, unassigned, family, protocol, port, nodes)
    answers = view.memo(_SIDES)
    found = answers.get(key)
    if found is None:
        found = answers[key] = decided(view, rules, Packet(direction, subject, other, family, protocol, port))
    return found


def decided(view: View, rules: Rules, packet: Packet) -> Side:
    """Judge a packet by the rules of its subject; nothing is remembered."""
    if rules.answer is not None:
        return rules.answer
    if rules.pooled and not rules.volatile:
        return decide(view, pooled(view, rules.selecting, packet.direction), packet)
    return _by_lists(view, rules, packet) if rules.lists else _by_tiers(view, rules.selecting, packet)


def _nodes(subject: PodEnd, other: End) -> tuple[str, str] | None:
    """Return where the two run; None where no rule can ask for it, as the other end is a pod like any."""
    if isinstance(other, PodEnd):
        return (subject.node, other.node) if other.pod_class.host_network else None
    return None if other.pod else (subject.node, "")


def decide(view: View, selecting: Selecting, packet: Packet) -> Side:
    """Judge a packet by the compiled policies that select its subject, of which there is one at least."""
    return decided(view, structs.replace(rules_for(view, selecting, packet.direction), pooled=False), packet)


def _by_tiers(view: View, selecting: Selecting, packet: Packet) -> Side:
    found = walk(view, selecting, packet)
    isolating = _isolating(view, selecting, found)
    sure = any(truth is Truth.YES for _, truth in isolating)
    isolated = True if sure else None if isolating else False
    first = found.outcomes[0]
    met = tuple(dict.fromkeys(compiled.ref for compiled, _ in isolating))
    if all(outcome.allowed for outcome in found.outcomes):
        by, position = first.rule.ref if first.rule else None, first.compiled.position if first.compiled else ""
        return Side(Verdict.ALLOWED, isolated, met, by, position=position, tier_results=found.tier_results)
    if not any(outcome.allowed for outcome in found.outcomes):
        return _denied(view, found, isolated=isolated)
    every = tuple(dict.fromkeys((*met, *(outcome.compiled.ref for outcome in found.outcomes if outcome.compiled))))
    why = _why_not_sure(view, found, packet)
    return Side(Verdict.UNKNOWN, isolated, every, reason=why, tier_results=found.tier_results)


def _isolating(view: View, selecting: Selecting, found: Outcomes) -> Selecting:
    """Return what isolates the subject where the packet got to; some deny later than their rules are asked."""
    default_deny, first = view.dialect.tiers.default_deny, view.dialect.tiers.network_policies
    reached = any(outcome.compiled is None or outcome.compiled.tier >= first for outcome in found.outcomes)
    if default_deny is None or not reached or any(compiled.tier == default_deny for compiled, _ in found.met):
        return found.met
    return (*found.met, *((i, truth) for i, truth in selecting if i.default_deny and i.tier == default_deny))


def _denied(view: View, found: Outcomes, *, isolated: bool | None) -> Side:
    """A denial, with the rule that makes it, or those at whose tier's end it is made.

    Where several may make it, one that a NetworkPolicy can come before is named: that is what may still change. Of
    these it is the first that is sure to, wherever the packet gets so far.
    """
    open_ones = [outcome for outcome in found.outcomes if not _is_final(view, outcome)] or list(found.outcomes)
    outcome = next((outcome for outcome in open_ones if outcome.sure), open_ones[0])
    by = outcome.compiled
    refs = (by.ref,) if by is not None and outcome.rule is not None else outcome.closed_by
    return Side(
        Verdict.DENIED,
        isolated,
        refs,
        denied_by=outcome.rule.ref if outcome.rule is not None else None,
        final=_is_final(view, outcome),
        position=by.position if by is not None else "",
        tier_results=found.tier_results,
        refused=view.dialect.rejects is Truth.YES,
        perhaps=tuple(
            dict.fromkeys(w.rule.ref for w in found.outcomes if w.rule is not None and w.rule is not outcome.rule)
        ),
    )


def _is_final(view: View, outcome: Decided) -> bool:
    """Say whether an outcome comes before a NetworkPolicy is asked; at the end of its own tier, it has been."""
    tier, precedence = view.dialect.tiers.network_policies, view.dialect.tiers.precedence
    if outcome.compiled is None:
        return False
    return (
        outcome.compiled.tier < tier
        if outcome.rule is None
        else outcome.place is not None and outcome.place < (tier, precedence)
    )


def _why_not_sure(view: View, found: Outcomes, packet: Packet) -> str:
    if found.unsure is None:
        refs = sorted({outcome.compiled.ref for outcome in found.outcomes if outcome.compiled})
        return f"{' and '.join(ref.titled for ref in refs)} differ, and nothing says which comes first"
    compiled, selects, rule = found.unsure
    if compiled.unclear is not None:
        return f"{compiled.ref.titled} cannot be read: {compiled.unclear}"
    if selects is Truth.MAYBE or rule is None:
        return why_selected(compiled)
    return why_admitted(view, rule, packet)


def _by_lists(view: View, rules: Rules, packet: Packet) -> Side:
    """Ask rules in their order until one admits the packet for sure."""
    if rules.denial is None:
        return _by_hopes(view, rules, packet)
    unsure = False
    for compiled, _ in rules.selecting:
        for rule in compiled.rules:
            found = rule_matches(view, rule, packet)
            if found is Truth.YES:
                return Side(Verdict.ALLOWED, isolated=True, policies=rules.refs, admitted_by=rule.ref)
            unsure = unsure or found is Truth.MAYBE
    return _by_hopes(view, rules, packet) if unsure else rules.denial


def _by_hopes(view: View, rules: Rules, packet: Packet) -> Side:
    """Join the isolations: allowed where every way the unknowns may fall allows, denied where every way denies."""
    candidates: Candidates = []
    for compiled, selects in rules.selecting:
        admits, rule = _admits(view, compiled, packet)
        if admits is Truth.YES and selects is Truth.YES:
            return Side(Verdict.ALLOWED, isolated=True, policies=rules.refs, admitted_by=rule)
        candidates.append((compiled, selects, admits, rule))
    isolated = True if rules.sure else None
    seen = {admits for _, _, admits, _ in candidates}
    if not rules.sure and seen == {Truth.YES}:
        return Side(Verdict.ALLOWED, isolated=None, policies=rules.refs, admitted_by=candidates[0][3])
    if rules.sure and seen == {Truth.NO}:
        return Side(Verdict.DENIED, isolated=True, policies=rules.sure, refused=view.dialect.rejects is Truth.YES)
    return Side(Verdict.UNKNOWN, isolated=isolated, policies=rules.refs, reason=_why(view, candidates, packet))


def _admits(view: View, compiled: CompiledPolicy, packet: Packet) -> tuple[Truth, PolicyRef | None]:
    if compiled.unclear is not None:
        return Truth.MAYBE, None
    best, where = Truth.NO, None
    for rule in compiled.rules:
        found = rule_matches(view, rule, packet)
        if found > best:
            best, where = found, rule.ref
            if best is Truth.YES:
                break
    return best, where


def _why(view: View, candidates: Candidates, packet: Packet) -> str:
    """Name the first thing that could not be told, in the order of policies."""
    for compiled, selects, admits, rule in candidates:
        if compiled.unclear is not None:
            return f"{compiled.ref.titled} cannot be read: {compiled.unclear}"
        if selects is Truth.MAYBE:
            return why_selected(compiled)
        if admits is Truth.MAYBE and rule is not None:
            return why_admitted(view, next(e for e in compiled.rules if e.ref == rule), packet)
    message = "no unknown among the candidates"
    raise AssertionError(message)

"""Rules that would let the packet through but for one thing: what a person most often got wrong."""

from collections.abc import Hashable, Iterator
from typing import Final

from webhook.evaluate.ends import End, PodEnd
from webhook.evaluate.match import ports_match
from webhook.families.enforced import compile_direction
from webhook.families.networkpolicy import isolates, policy_types
from webhook.judge.near_miss_peers import FAR, Miss, Packet, families_of, matched, of_expression, of_labels, peer_misses
from webhook.judge.near_miss_ports import Dialled, cut_short, port_misses
from webhook.model.addresses import Family
from webhook.model.answers import NearMiss, Side
from webhook.model.labels import Selector
from webhook.model.objects import PodClass
from webhook.model.policy import Direction, Policy
from webhook.model.refs import PolicyRef
from webhook.model.tier import Action, CompiledPolicy, CompiledRule, Tier
from webhook.model.truth import Truth
from webhook.world import View
from webhook.world.changes import Memo

MOST: Final = 3
_EVERYWHERE: Final = ""
PEERS: Final = frozenset({"podLabels", "namespaceLabels", "namespace", "serviceAccount", "cidr"})
MISPLACED: Final = ", and belongs into "
# By what was denied; with the version of the pods and Services that were looked at.
Denied = tuple[PolicyRef | None, tuple[PolicyRef, ...]] | None
_NEAR: Final = Memo[tuple[Packet, tuple[Family, ...], Denied], tuple[Hashable, tuple[NearMiss, ...]]](5_000)
_ABOUT_OTHERS: Final = Memo[PolicyRef, tuple[Hashable, bool]](50_000)
_SHAPES: Final = Memo[str, tuple[Hashable, tuple[PodClass, ...]]](1_000)
_Nearly = tuple[CompiledPolicy, tuple[Miss, ...]]
_SELECTING: Final = Memo[tuple[PodClass, Direction], tuple[Hashable, tuple[_Nearly, ...]]](2_000)
_COMPILED: Final = Memo[tuple[PolicyRef, Direction], CompiledPolicy | None](50_000)


def near_misses(view: View, packet: Packet, side: Side | None = None) -> tuple[NearMiss, ...]:
    """Return at most three near misses among the policies that come before what denied, nearest first.

    `side`: the denial, where it was made by a rule or at a tier's end; None: no rule let it through.
    """
    denied = (side.denied_by, side.policies) if side is not None and side.tier_results else None
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
    for compiled, missed in _near(view, packet.subject.pod_class, packet.direction):
        if _in_time(compiled, end):
            yield from _of_rules(view, compiled, list(compiled.rules), packet, list(missed))
    yield from _misplaced(view, packet)
    for compiled in _others(view, packet):
        view.budget.spend()
        if compiled.ref not in own and compiled.unclear is None and _in_time(compiled, end):
            yield from _of_compiled(view, compiled, packet)


def _misplaced(view: View, packet: Packet) -> Iterator[tuple[PolicyRef, Miss]]:
    """Yield policies in the other end's namespace that would let the packet through if they stood in the subject's."""
    here = packet.subject.pod_class.namespace
    there = packet.other.pod_class.namespace if isinstance(packet.other, PodEnd) else here
    for policy in view.policies.named(there).values() if there != here else ():
        if (
            not isolates(policy, packet.direction)
            or policy.unreadable is not None
            or policy.subject is None
            or not policy.subject.requirements
        ):
            continue
        if policy.subject.matches(packet.subject.pod_class.labels) is not Truth.YES or about_others(view, policy):
            continue
        compiled = _compiled(view, policy, packet.direction)
        for rule in compiled.rules if compiled else ():
            if compiled is not None and not [*_of_rule(view, compiled, rule, packet)]:
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
    missed = [*of_labels(compiled.subject, pod_class.labels, "podLabels")]
    if _unrelated(compiled.subject, missed):
        return
    if compiled.scope is not None:
        missed += of_expression(view, compiled.scope, pod_class)
    yield from _of_rules(view, compiled, rules, packet, missed)


def _near(view: View, pod_class: PodClass, direction: Direction) -> tuple[_Nearly, ...]:
    """Return the NetworkPolicies that select pods of a class, or would but for one thing, with that."""
    answers, version = view.memo(_SELECTING), view.version_of(pod_class.namespace)
    known = answers.get((pod_class, direction))
    if known is None or known[0] != version:
        policies = view.policies.named(pod_class.namespace).values()
        view.budget.spend(len(policies))
        found = tuple(near for one in policies if (near := _nearly(view, one, pod_class, direction)) is not None)
        known = answers[pod_class, direction] = version, found
    return known[1]


def _nearly(view: View, policy: Policy, pod_class: PodClass, direction: Direction) -> _Nearly | None:
    if policy.unreadable is not None or policy.subject is None:
        return None
    missed = list(of_labels(policy.subject, pod_class.labels, "podLabels"))
    if _unrelated(policy.subject, missed) or (missed and about_others(view, policy)):
        return None
    isolating = isolates(policy, direction)
    if len(missed) > 1 or not (isolating or policy.rules(direction)):
        return None
    compiled = _compiled(view, policy, direction)
    if compiled is None:
        return None
    if not isolating and view.dialect.outside_types is Truth.NO:
        types = "+".join(d.value for d in Direction if d in policy_types(policy))
        missed.append(Miss(0, "policyTypes", direction.value, types or "none"))
    return compiled, tuple(missed)


def _unrelated(subject: Selector, missed: list[Miss]) -> bool:
    """Say whether nothing ties a policy to the pod: the one label that it asks for is absent, or nothing like it."""
    return bool(missed and missed[0].rank) and len(subject.requirements) == 1


def about_others(view: View, policy: Policy) -> bool:
    """Say whether a policy selects other pods of its namespace: then it is about these."""
    version, subject = view.version_of(policy.namespace), policy.subject
    answers = view.memo(_ABOUT_OTHERS)
    known = answers.get(policy.ref)
    if known is None or known[0] != version:
        here = view.memo(_SHAPES).get(policy.namespace)
        if here is None or here[0] != version:
            here = view.memo(_SHAPES)[policy.namespace] = version, _pod_classes(view, policy.namespace)
        found = subject is not None and any(subject.matches(pod_class.labels) is Truth.YES for pod_class in here[1])
        known = answers[policy.ref] = version, found
    return known[1]


def _pod_classes(view: View, namespace: str) -> tuple[PodClass, ...]:
    groups = view.pods.groups(namespace)
    every = dict.fromkeys(pod.pod_class for group in groups for pod in group.pods)
    return (*every, *(group.template.template.pod_class for group in groups if group.template))


def _of_rules(
    view: View, compiled: CompiledPolicy, rules: list[CompiledRule], packet: Packet, missed: list[Miss]
) -> Iterator[tuple[PolicyRef, Miss]]:
    if len(missed) > 1:
        return
    for rule in rules:
        view.budget.spend(1 + len(rule.peers or ()) + len(rule.ports or ()))
        dialled = Dialled(packet.protocol, packet.port, packet.service_port)
        misses = [*missed, *_of_rule(view, compiled, rule, packet)] or [*cut_short(view, rule, dialled)]
        alternatives = not missed and all(miss.field in PEERS for miss in misses)
        if FAR not in misses and (len(misses) == 1 or alternatives):
            yield from ((rule.ref, miss) for miss in misses)


def _compiled(view: View, policy: Policy, direction: Direction) -> CompiledPolicy | None:
    """Compile the rules of a direction, once; None: it selects nobody."""
    key, answers = (policy.ref, direction), view.memo(_COMPILED)
    if key not in answers:
        answers[key] = compile_direction(policy, direction, view.dialect)
    return answers[key]


def _of_rule(view: View, compiled: CompiledPolicy, rule: CompiledRule, packet: Packet) -> Iterator[Miss]:
    """Yield one miss for each part of the rule that does not match, and for each peer that may have been meant."""
    target: PodClass | None = packet.subject.pod_class
    if packet.direction is Direction.EGRESS:
        target = packet.other.pod_class if isinstance(packet.other, PodEnd) else None
    closed = ports_match(rule.ports, packet.protocol, packet.port, target) is Truth.NO
    if rule.unclear is not None or (rule.conditional is not None and not closed):
        yield FAR
        return
    if closed:
        dialled = Dialled(packet.protocol, packet.port, packet.service_port)
        yield min(port_misses(view, rule, dialled, target), default=FAR)
    if rule.not_ports and ports_match(rule.not_ports, packet.protocol, packet.port, target) is not Truth.NO:
        yield Miss(3, "port", f"not {', '.join(map(str, rule.not_ports))}", f"{packet.port}/{packet.protocol}")
    families = families_of(view, packet)
    if rule.subject_peers is not None and not matched(
        view, CompiledRule(rule.ref, rule.subject_peers), packet.subject, families
    ):
        yield FAR
    if not matched(view, rule, packet.other, families):
        yield from sorted(set(peer_misses(view, compiled, rule, packet)))[:MOST] or (FAR,)

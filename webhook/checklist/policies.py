"""Every check of one policy, in the order of ids; slips in selectors and ports: NP405, NP406 and NP408."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from webhook.checklist.blocks import Own, check_blocks, finding
from webhook.evaluate.ends import namespace_matches
from webhook.families import compile_crd_policy
from webhook.families.networkpolicy import compile_direction, isolates
from webhook.fix.selectors import shapes_of
from webhook.judge.near_miss_peers import of_labels
from webhook.model.addresses import PortRange
from webhook.model.answers import DEFAULT_SEVERITY, Finding
from webhook.model.crd_policies import CrdPolicy
from webhook.model.labels import NO_KEYS, AllOf, Selector, Space, holds, in_words, requirements_of
from webhook.model.objects import PodClass, Service, ServicePort
from webhook.model.peers import PodMatch
from webhook.model.policy import Direction, PodPeer, Policy, Rule
from webhook.model.tier import CompiledPolicy
from webhook.model.truth import Truth
from webhook.world import View
from webhook.world.pod_labels import labels_of


def check_rules(view: View, policy: Policy) -> Iterator[Finding]:
    """Yield what is odd about one policy's selectors and ports."""
    subjects = [
        s for s in _pod_classes(view, policy.namespace) if policy.subject is None or _may(view, policy.subject, s)
    ]
    if not subjects and policy.subject is not None and policy.subject.requirements:
        first = Direction.INGRESS if isolates(policy, Direction.INGRESS) else Direction.EGRESS
        facts = (("selector", str(policy.subject)), *nearest(view, policy.namespace, policy.subject))
        yield finding("NP405", policy, first, None, facts)
    for direction in Direction:
        rules = policy.rules(direction) if isolates(policy, direction) else ()
        yield from _two_rules(policy, direction, rules)
        for rule in rules:
            yield from _service_ports(view, policy, direction, rule, subjects)
            yield from _and_or(view, policy, direction, rule)


def nearest(view: View, namespace: str, selector: Selector) -> tuple[tuple[str, str], ...]:
    """Return where such pods are instead, or whose labels are nearest to what is selected.

    `unseen`: they may be made by an operator, as not everything is here.
    """
    made = "" if view.complete else "an operator may make them"
    unseen = (("unseen", "True"),) if made else ()
    for other in view.namespaces.names() if namespace else ():
        if other != namespace and any(selector.matches(s.labels) is Truth.YES for s in _pod_classes(view, other)):
            return (("hint", f"a workload with {selector} is in {other}"),)
    for group in (
        group for name in ((namespace,) if namespace else view.namespaces.names()) for group in view.pods.groups(name)
    ):
        for pod_class in shapes_of(group):
            missed = [*of_labels(selector, pod_class.labels, "podLabels")]
            if len(missed) == 1 and missed[0].rank == 0:
                return (("hint", f"{group.ref.short} has {missed[0].have}{made and f'; {made}'}"), *unseen)
    return (("hint", made), *unseen) if made else ()


def _pod_classes(view: View, namespace: str) -> list[PodClass]:
    return [pod_class for group in view.pods.groups(namespace) for pod_class in shapes_of(group)]


def _may(view: View, selector: Selector, pod_class: PodClass) -> bool:
    """Say whether a selector selects pods of a class, labels that are added to them later included."""
    return (
        selector.matches(pod_class.labels, view.settings.pending_labels if pod_class.template else NO_KEYS)
        is not Truth.NO
    )


def _service_ports(
    view: View, policy: Policy, direction: Direction, rule: Rule, subjects: list[PodClass]
) -> Iterator[Finding]:
    """NP406: a rule opens a Service's port, which no pod behind it listens on."""
    ports = [p for p in rule.ports or () if isinstance(p, PortRange) and p.first == p.last]
    if not ports:
        return
    behind = subjects if direction is Direction.INGRESS else list(_peers(view, policy, direction, rule))
    for namespace in sorted({pod_class.namespace for pod_class in behind}):
        for service in sorted(view.services.within(namespace), key=lambda s: s.name):
            for port in ports:
                for wanted in service.ports:
                    if wanted.protocol == port.protocol and wanted.port == port.first:
                        yield from _meant(view, policy, direction, rule, service, wanted, behind)


def _meant(
    view: View,
    policy: Policy,
    direction: Direction,
    rule: Rule,
    service: Service,
    wanted: ServicePort,
    behind: list[PodClass],
) -> Iterator[Finding]:
    groups = [g for g in view.pods.behind(service) if any(s in behind for s in shapes_of(g))]
    declared = {p for g in groups for p in (g.template.template.declares if g.template else g.pods[0].declares)}
    if not groups or service.headless or any(p.number == wanted.port for p in declared):
        return
    named = sorted({p.number for p in declared if p.name == wanted.target})
    target = wanted.target if isinstance(wanted.target, int) else (named[0] if named else None)
    opened = {p.first for p in rule.ports or () if isinstance(p, PortRange)}
    if target is None or target == wanted.port or target in opened:
        return
    name = f"{service.namespace}/{service.name}"
    facts = (("service", name), ("port", f"{wanted.port}/{wanted.protocol}"), ("target", f"{target}/{wanted.protocol}"))
    yield finding("NP406", policy, direction, rule.index, facts)


def _peers(view: View, policy: Policy, direction: Direction, rule: Rule) -> Iterator[PodClass]:
    if not isolates(policy, direction):
        return
    compiled = next(one for one in compile_direction(policy, direction).rules if one.ref.rule == rule.index)
    for peer in compiled.peers or ():
        if isinstance(peer, PodMatch):
            for namespace in view.namespaces.names() if peer.namespace is None else (peer.namespace,):
                if peer.namespace is not None or namespace_matches(view, peer, namespace) is Truth.YES:
                    yield from (s for s in _pod_classes(view, namespace) if _may(view, peer.pods, s))


def _and_or(view: View, policy: Policy, direction: Direction, rule: Rule) -> Iterator[Finding]:
    """NP408: two list items, one of namespaces and one of pods that live only there: one item with both was meant."""
    yield from _in_vain(policy, direction, rule)
    pods = [p for p in rule.peers or () if isinstance(p, PodPeer) and p.namespaces is None and p.pods.requirements]
    spaces = [p for p in rule.peers or () if isinstance(p, PodPeer) and p.namespaces is not None]
    whole = [p for p in spaces if not p.pods.requirements and p.namespaces and p.namespaces.requirements]
    if len(pods) != 1 or len(whole) != 1 or len(spaces) != 1:
        return
    match = PodMatch(None, whole[0].namespaces or Selector())
    there = [
        n for n in view.namespaces.names() if namespace_matches(view, match, n) is Truth.YES and n != policy.namespace
    ]
    if any(_may(view, pods[0].pods, s) for s in _pod_classes(view, policy.namespace)):
        return
    if any(_may(view, pods[0].pods, s) for n in there for s in _pod_classes(view, n)):
        facts = (("pods", str(pods[0].pods)), ("namespaces", str(whole[0].namespaces)), ("there", ", ".join(there)))
        yield finding("NP408", policy, direction, rule.index, facts)


def _in_vain(policy: Policy, direction: Direction, rule: Rule) -> Iterator[Finding]:
    """NP408: one item means every pod there is, so that the narrower ones beside it do nothing."""
    peers = [p for p in rule.peers or () if isinstance(p, PodPeer)]
    everybody = [
        p for p in peers if p.namespaces is not None and not p.namespaces.requirements and not p.pods.requirements
    ]
    narrow = [p for p in peers if p.namespaces is None and p.pods.requirements]
    if everybody and narrow:
        facts = (("slip", "vain"), ("pods", str(narrow[0].pods)), ("does", _DOES[direction]))
        yield finding("NP408", policy, direction, rule.index, facts)


def _two_rules(policy: Policy, direction: Direction, rules: Sequence[Rule]) -> Iterator[Finding]:
    """NP408: one rule names peers and no port, the next ports and no peer: one rule with both was meant."""
    for first, second in pairwise(rules):
        peers, ports = (first, second) if first.peers else (second, first)
        if peers.peers and not peers.ports and ports.ports and not ports.peers and not _is_dns(ports):
            numbers = ", ".join(map(str, ports.ports))
            facts = (("slip", "two"), ("ports", numbers), ("other", str(ports.index)), ("does", _DOES[direction]))
            yield finding("NP408", policy, direction, peers.index, facts)


def _is_dns(rule: Rule) -> bool:
    """Say whether a rule opens look-ups to anybody, which many mean."""
    return all(isinstance(port, PortRange) and port.first == port.last == _DNS for port in rule.ports or ())


_DNS: Final = 53
_DOES: Final = {Direction.INGRESS: "lets in", Direction.EGRESS: "lets out to"}


def check_selects(view: View, policy: CrdPolicy) -> Iterator[Finding]:
    """Yield NP405 where no compiled policy of a policy may select anybody, and it asks for labels of pods."""
    compiled_policies = [
        one for one in compile_crd_policy(policy, view.compile_context).policies if one.unclear is None
    ]
    if (
        not compiled_policies
        or not all(map(_asks_pods, compiled_policies))
        or any(_selects(view, one) for one in compiled_policies)
    ):
        return
    subject = next(
        (one.subject for one in compiled_policies if one.subject is not None and one.subject.requirements), None
    )
    of_pods = [
        in_words(term) for term in requirements_of(compiled_policies[0].scope or AllOf()) if term.space is Space.POD
    ]
    said = str(subject) if subject is not None else ",".join(of_pods)
    hint = nearest(view, policy.namespace or "", subject) if subject is not None else ()
    facts = (("policy", policy.ref.titled), ("selector", said), *hint)
    severity = DEFAULT_SEVERITY["NP405"]
    yield Finding("NP405", severity, None, source="policy", policies=(policy.ref,), facts=facts)


def _asks_pods(compiled: CompiledPolicy) -> bool:
    """Say whether a compiled policy asks for labels of pods: one of all pods of a namespace is for those to come."""
    if compiled.subject is None:
        return False
    scope = compiled.scope is not None and any(term.space is Space.POD for term in requirements_of(compiled.scope))
    return bool(compiled.subject.requirements) or scope


def _selects(view: View, compiled: CompiledPolicy) -> bool:
    for namespace in (compiled.namespace,) if compiled.namespace else view.namespaces.names():
        for group in view.pods.groups(namespace):
            view.budget.spend()
            pod_classes = (
                [group.template.template.pod_class]
                if group.template
                else dict.fromkeys(p.pod_class for p in group.pods)
            )
            if any(_may_select(view, compiled, pod_class) for pod_class in pod_classes):
                return True
    return False


def _may_select(view: View, compiled: CompiledPolicy, pod_class: PodClass) -> bool:
    keys = view.settings.pending_labels if pod_class.template else NO_KEYS
    subject = compiled.subject or Selector()
    scope = Truth.YES if compiled.scope is None else holds(compiled.scope, labels_of(view, pod_class))
    return min(subject.matches(pod_class.labels, keys), scope) is not Truth.NO


def check_policy(view: View, policy: Policy, own: Own | None = None) -> Iterator[Finding]:
    """Yield the findings of one policy, NP401 to NP409. An unreadable one has none: it is an error instead.

    `own`: what is known already of the view's addresses; it saves time where there are many policies.
    """
    if policy.unreadable is None:
        yield from check_blocks(view, policy, own or Own(view))
        yield from check_rules(view, policy)

"""Who a policy selects, or would but for one thing; and the port of a rule that was meant for the one dialled."""

from collections.abc import Hashable, Iterable, Iterator
from typing import Final

from msgspec import Struct

from webhook.evaluate.match import ports_match
from webhook.families.enforced import compile_direction
from webhook.families.networkpolicy import isolates, policy_types
from webhook.judge.near_miss_peers import Miss, of_labels, resembles
from webhook.model.addresses import NamedPort, PortMatch, PortRange, Protocol
from webhook.model.labels import AllOf, AskedLabels, Labels, Operator, Selector
from webhook.model.objects import PodClass, Service
from webhook.model.peers import EndpointPeer, Peer, PodMatch, leaves
from webhook.model.policy import BlockPeer, Direction, Policy
from webhook.model.refs import PolicyRef
from webhook.model.tier import CompiledPolicy, CompiledRule, asks_of_pods
from webhook.model.truth import Truth
from webhook.world import View
from webhook.world.changes import Memo

Nearly = tuple[CompiledPolicy, tuple[Miss, ...]]
_ABOUT_OTHERS: Final = Memo[PolicyRef, tuple[Hashable, bool]](50_000)
_POD_CLASSES: Final = Memo[str, tuple[Hashable, tuple[PodClass, ...]]](1_000)
_COMPILED: Final = Memo[tuple[PolicyRef, Direction], CompiledPolicy | None](50_000)


class Near(Struct, frozen=True):
    """The NetworkPolicies that select pods of a class, or would but for one thing, with that.

    Of those that lack a label, `lacking` has the policy: they may be about pods that are only proposed. `asked`: what
    rules ask of labels of pods at the other end; None: they ask for more. `by_address`: they look at addresses, too.
    """

    found: tuple[Nearly, ...]
    lacking: dict[PolicyRef, Policy]
    asked: AskedLabels | None
    by_address: bool


_NEAR: Final = Memo[tuple[PodClass, Direction], tuple[Hashable, Near]](2_000)


def near(view: View, pod_class: PodClass, direction: Direction) -> Near:
    """Return the NetworkPolicies that are near to selecting pods of a class, less those that are about others.

    Pods that are only proposed are left out of the others.
    """
    below = view.beneath().view
    answers, version = view.memo(_NEAR), below.version_of(pod_class.namespace)
    known = answers.get((pod_class, direction))
    if known is None or known[0] != version:
        policies = view.policies.named(pod_class.namespace).values()
        view.budget.spend(len(policies))
        every = [
            (policy, found)
            for policy in policies
            if (found := _nearly(view, policy, pod_class, direction)) is not None
            if not (_lacks(found) and _is_about(below, policy))
        ]
        plain = all(_is_plain(compiled) for _, (compiled, _) in every)
        known = answers[pod_class, direction] = (
            version,
            Near(
                tuple([found for _, found in every]),
                {policy.ref: policy for policy, found in every if _lacks(found)},
                AskedLabels(one for _, (compiled, _) in every for one in asks_of_pods(compiled)) if plain else None,
                any(compiled.by_address for _, (compiled, _) in every),
            ),
        )
    return known[1]


def _lacks(found: Nearly) -> bool:
    return any(miss.field != "policyTypes" for miss in found[1])


def _is_plain(compiled: CompiledPolicy) -> bool:
    """Say whether rules ask for nothing of who they select, and of others for labels, namespaces and addresses."""
    return not any(
        rule.subject_peers is not None
        or not all(isinstance(leaf, PodMatch | BlockPeer) for peer in rule.peers or () for leaf in leaves(peer))
        for rule in compiled.rules
    )


def _nearly(view: View, policy: Policy, pod_class: PodClass, direction: Direction) -> Nearly | None:
    if policy.unreadable is not None or policy.subject is None:
        return None
    lacking = [one for one in policy.subject.requirements if one.matches(pod_class.labels) is not Truth.YES]
    alone = len(policy.subject.requirements) == 1
    if len(lacking) > 1 or (lacking and alone and not resembles(lacking[0], pod_class.labels)):
        return None  # as `unrelated` says
    missed = list(of_labels(policy.subject, pod_class.labels, "podLabels")) if lacking else []
    isolated = isolates(policy, direction)
    if not (isolated or policy.rules(direction)):
        return None
    compiled = compiled_for(view, policy, direction)
    if compiled is None:
        return None
    if not isolated and view.dialect.outside_types is Truth.NO:
        types = "+".join(d.value for d in Direction if d in policy_types(policy))
        missed.append(Miss(0, "policyTypes", direction.value, types or "none"))
    return compiled, tuple(missed)


def unrelated(subject: Selector, missed: list[Miss]) -> bool:
    """Say whether nothing ties a policy to the pod: the one label that it asks for is absent, or nothing like it."""
    return bool(missed and missed[0].rank) and len(subject.requirements) == 1


_BY_LABEL: Final = Memo[tuple[str, Direction], dict[tuple[str, str] | None, list[Policy]]](5_000)


def isolating(view: View, namespace: str, direction: Direction, labels: Labels) -> Iterator[Policy]:
    """Yield the NetworkPolicies of a namespace that ask for labels and isolate pods with these, if they were there."""
    answers = view.memo(_BY_LABEL)
    known = answers.get((namespace, direction))
    if known is None:
        known = answers[namespace, direction] = {}
        policies = view.policies.named(namespace).values()
        view.budget.spend(len(policies))
        for policy in policies:
            subject = policy.subject
            if subject and subject.requirements and policy.unreadable is None and isolates(policy, direction):
                known.setdefault(_label_of(subject), []).append(policy)
    for pair in (None, *labels.pairs):
        for policy in known.get(pair, ()):
            view.budget.spend()
            if policy.subject and policy.subject.matches(labels) is Truth.YES:
                yield policy


def _label_of(subject: Selector) -> tuple[str, str] | None:
    """Return a label that whoever it selects is sure to have; None: there is none."""
    sure = ((one.key, *one.values) for one in subject.requirements if one.operator is Operator.IN)
    return next(((pair[0], pair[1]) for pair in sure if len(pair) == 2), None)  # noqa: PLR2004 - a key, one value


def about_others(view: View, policy: Policy) -> bool:
    """Say whether a policy selects other pods of its namespace: then it is about these."""
    below = view.beneath()
    return _is_about(below.view, policy) or selects_one(policy, below.proposed)


def selects_one(policy: Policy, pod_classes: Iterable[PodClass]) -> bool:
    """Say whether a policy is sure to select pods of one of these classes."""
    return policy.subject is not None and any(
        pod_class.namespace == policy.namespace and policy.subject.matches(pod_class.labels) is Truth.YES
        for pod_class in pod_classes
    )


def _is_about(view: View, policy: Policy) -> bool:
    """Say whether a policy selects pods of those that are here."""
    version, answers = view.version_of(policy.namespace), view.memo(_ABOUT_OTHERS)
    known = answers.get(policy.ref)
    if known is None or known[0] != version:
        here = view.memo(_POD_CLASSES).get(policy.namespace)
        if here is None or here[0] != version:
            here = view.memo(_POD_CLASSES)[policy.namespace] = version, _pod_classes(view, policy.namespace)
        known = answers[policy.ref] = version, selects_one(policy, here[1])
    return known[1]


def _pod_classes(view: View, namespace: str) -> tuple[PodClass, ...]:
    groups = view.pods.groups(namespace)
    every = dict.fromkeys(pod.pod_class for group in groups for pod in group.pods)
    return (*every, *(group.template.template.pod_class for group in groups if group.template))


def compiled_for(view: View, policy: Policy, direction: Direction) -> CompiledPolicy | None:
    """Compile the rules of a direction, once; None: it selects nobody."""
    key, answers = (policy.ref, direction), view.memo(_COMPILED)
    if key not in answers:
        answers[key] = compile_direction(policy, direction, view.dialect)
    return answers[key]


_DNS: Final = 53


class Dialled(Struct, frozen=True):
    """The port that a packet arrives on, and the Service's port that the client dialled."""

    protocol: Protocol
    port: int
    service_port: int | None = None


def port_misses(view: View, rule: CompiledRule, dialled: Dialled, target: PodClass | None) -> Iterator[Miss]:
    """Yield what of the ports of a rule is another one than the packet's; `target`: where it arrives."""
    have = f"{dialled.port}/{dialled.protocol}"
    for port in rule.ports or ():
        if port.protocol != dialled.protocol:
            if _spoken(port, dialled.port, dialled.protocol, target):
                yield Miss(1, "protocol", port.protocol, dialled.protocol)
        elif dialled.service_port is not None and _spoken(port, dialled.service_port, dialled.protocol, None):
            yield Miss(0, "port", str(port), have)
        elif (service := _node_port_of(view, port, target)) is not None:
            yield Miss(0, "port", f"{port}, the node port of Service {service.namespace}/{service.name}", have)
        elif any(
            _is_about_of_near_miss_ports(port, peer) for peer in rule.peers or ()
        ):  # anybody, or look-ups: about others
            yield Miss(3, "port", f"{port}{_nobodys(port, target)}", have)


def _spoken(port: PortMatch, number: int, protocol: Protocol, target: PodClass | None) -> bool:
    """Say whether the rule would be about that number if it were written for `protocol`."""
    alike = (
        PortRange(protocol, port.first, port.last) if isinstance(port, PortRange) else NamedPort(protocol, port.name)
    )
    return ports_match((alike,), protocol, number, target) is Truth.YES


def _node_port_of(view: View, port: PortMatch, target: PodClass | None) -> Service | None:
    if target is None or not isinstance(port, PortRange) or port.first != port.last:
        return None
    services = view.services.selecting(target)
    return next((s for s in services if any(p.node == port.first for p in s.ports)), None)


def cut_short(view: View, rule: CompiledRule, dialled: Dialled) -> Iterator[Miss]:
    """Yield the ranges of a rule that hold the port, where the enforcer takes no more than the first of a range."""
    for port in () if view.dialect.ports.ranges else rule.ports or ():
        if isinstance(port, PortRange) and port.protocol == dialled.protocol and port.first < dialled.port <= port.last:
            have = f"{dialled.port}/{dialled.protocol}"
            yield Miss(0, "port", f"{port}, of which {view.dialect.name} takes the first alone", have)


def _nobodys(port: PortMatch, target: PodClass | None) -> str:
    """Say of a name that nobody there gives it to a port."""
    if not isinstance(port, NamedPort) or target is None or any(p.name == port.name for p in target.ports):
        return ""
    return " (no container calls a port so)"


def _is_about_of_near_miss_ports(port: PortMatch, peer: Peer) -> bool:
    """Say whether a peer names pods, by their own labels or by those of their namespace."""
    match peer:
        case PodMatch(namespace=namespace, namespaces=namespaces, pods=pods):
            look_up = isinstance(port, PortRange) and port.first == port.last == _DNS
            return bool(pods.requirements or (namespace is None and namespaces.requirements and not look_up))
        case EndpointPeer():
            return True
        case AllOf(peers):
            return any(_is_about_of_near_miss_ports(port, part) for part in peers)
        case _:
            return False

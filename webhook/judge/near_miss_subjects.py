"""Who a policy selects, or would but for one thing."""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Final, TypeVar

from msgspec import Struct

from webhook.families.enforced import compile_direction
from webhook.families.networkpolicy import isolates, policy_types
from webhook.judge.near_miss_peers import Miss, of_labels, resembles
from webhook.model.labels import AskedLabels, Labels, Operator, Requirement, Selector
from webhook.model.objects import PodClass
from webhook.model.peers import PodMatch, leaves
from webhook.model.policy import BlockPeer, Direction, Policy
from webhook.model.refs import PolicyRef
from webhook.model.tier import CompiledPolicy, asks_of_pods
from webhook.model.truth import Truth
from webhook.world import View
from webhook.world.changes import Memo

Nearly = tuple[CompiledPolicy, tuple[Miss, ...]]
_Label = tuple[str, str]
T = TypeVar("T")
_ByLabel = dict[_Label | None, list[tuple[Selector, T]]]  # by a label that whoever they select is sure to have
_ABOUT_OTHERS: Final = Memo[PolicyRef, tuple[Hashable, bool]](50_000)
_POD_CLASSES: Final = Memo[str, tuple[Hashable, dict[_Label | None, list[PodClass]]]](1_000)
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


class _Candidate(Struct, frozen=True):
    """A NetworkPolicy that selects pods, or would, in one direction. `missed`: that its `policyTypes` leave it out.

    `asks`: what it asks of labels of pods; None: rules ask for more.
    """

    policy: Policy
    nearly: Nearly
    asks: tuple[Requirement, ...] | None


class _Candidates(Struct, frozen=True):
    """Those of a namespace. `about`: they select pods that are there, and are near to nobody but whom they select.

    They are found by a label that these are sure to have, None: there is no such label. `left`: all others.
    """

    about: _ByLabel[_Candidate]
    left: list[_Candidate]


_NEAR: Final = Memo[tuple[PodClass, Direction], tuple[Hashable, Near]](2_000)
_EVERY: Final = Memo[tuple[str, Direction], tuple[_Candidate, ...]](5_000)
_CANDIDATES: Final = Memo[tuple[str, Direction], tuple[Hashable, _Candidates]](5_000)


def near(view: View, pod_class: PodClass, direction: Direction) -> Near:
    """Return the NetworkPolicies that are near to selecting pods of a class, less those that are about others.

    Pods that are only proposed are left out of the others.
    """
    below = view.beneath().view
    answers, version = view.memo(_NEAR), below.version_of(pod_class.namespace)
    known = answers.get((pod_class, direction))
    if known is None or known[0] != version:
        known = answers[pod_class, direction] = version, _near(view, below, pod_class, direction)
    return known[1]


def _near(view: View, below: View, pod_class: PodClass, direction: Direction) -> Near:
    candidates, labels = _candidates(view, below, pod_class.namespace, direction), pod_class.labels
    found, lacking = list[Nearly](), dict[PolicyRef, Policy]()
    chosen = [*_selecting(view, candidates.about, labels)]
    found += [one.nearly for one in chosen]
    view.budget.spend(len(candidates.left))
    for one in candidates.left:
        lacks = _lacking(one.policy, labels)
        if lacks is None:
            continue
        chosen.append(one)
        compiled, missed = one.nearly
        found.append((compiled, (*lacks, *missed)) if lacks else one.nearly)
        if lacks:
            lacking[one.policy.ref] = one.policy
    asks = [one.asks for one in chosen]
    told = [one for some in asks if some is not None for one in some]
    by_address = any(compiled.by_address for compiled, _ in found)
    return Near(tuple(found), lacking, None if None in asks else AskedLabels(told), by_address)


def _candidates(view: View, below: View, namespace: str, direction: Direction) -> _Candidates:
    answers, version = view.memo(_CANDIDATES), below.version_of(namespace)
    known = answers.get((namespace, direction))
    if known is None or known[0] != version:
        every = view.memo(_EVERY).get((namespace, direction))
        if every is None:
            policies = view.policies.named(namespace).values()
            view.budget.spend(len(policies))
            made = (_candidate(view, policy, direction) for policy in policies)
            every = view.memo(_EVERY)[namespace, direction] = tuple([one for one in made if one is not None])
        found = _Candidates({}, [])
        for one in every:
            if one.policy.subject is not None and _is_about(below, one.policy):
                found.about.setdefault(_label_of(one.policy.subject), []).append((one.policy.subject, one))
            else:
                found.left.append(one)
        known = answers[namespace, direction] = version, found
    return known[1]


def _selecting(view: View, by_label: _ByLabel[T], labels: Labels) -> Iterator[T]:
    """Yield those that are sure to select pods with these labels."""
    for pair in (None, *labels.pairs):
        for subject, one in by_label.get(pair, ()):
            view.budget.spend()
            if subject.matches(labels) is Truth.YES:
                yield one


def _candidate(view: View, policy: Policy, direction: Direction) -> _Candidate | None:
    if policy.unreadable is not None or policy.subject is None:
        return None
    isolated = isolates(policy, direction)
    if not (isolated or policy.rules(direction)):
        return None
    compiled = compiled_for(view, policy, direction)
    if compiled is None:
        return None
    missed: tuple[Miss, ...] = ()
    if not isolated and view.dialect.outside_types is Truth.NO:
        types = "+".join(d.value for d in Direction if d in policy_types(policy))
        missed = (Miss(0, "policyTypes", direction.value, types or "none"),)
    return _Candidate(policy, (compiled, missed), tuple(asks_of_pods(compiled)) if _is_plain(compiled) else None)


def _is_plain(compiled: CompiledPolicy) -> bool:
    """Say whether rules ask for nothing of who they select, and of others for labels, namespaces and addresses."""
    return not any(
        rule.subject_peers is not None
        or not all(isinstance(leaf, PodMatch | BlockPeer) for peer in rule.peers or () for leaf in leaves(peer))
        for rule in compiled.rules
    )


def _lacking(policy: Policy, labels: Labels) -> tuple[Miss, ...] | None:
    """Return the label that keeps a policy from selecting pods with these; None: there are more, or it is unrelated."""
    subject = policy.subject
    if subject is None:
        return None
    lacking = [one for one in subject.requirements if one.matches(labels) is not Truth.YES]
    if not lacking:
        return ()
    alone = len(subject.requirements) == 1
    if len(lacking) > 1 or (alone and not resembles(lacking[0], labels)):
        return None  # as `unrelated` says
    return tuple(of_labels(subject, labels, "podLabels"))


def unrelated(subject: Selector, missed: Sequence[Miss]) -> bool:
    """Say whether nothing ties a policy to the pod: the one label that it asks for is absent, or nothing like it."""
    return bool(missed and missed[0].rank) and len(subject.requirements) == 1


_BY_LABEL: Final = Memo[tuple[str, Direction], _ByLabel[Policy]](5_000)


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
                known.setdefault(_label_of(subject), []).append((subject, policy))
    yield from _selecting(view, known, labels)


def _label_of(subject: Selector) -> _Label | None:
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
        some = here[1].get(_label_of(policy.subject) if policy.subject is not None else None, ())
        view.budget.spend(1 + len(some))
        known = answers[policy.ref] = version, selects_one(policy, some)
    return known[1]


def _pod_classes(view: View, namespace: str) -> dict[_Label | None, list[PodClass]]:
    """Return the classes of a namespace's pods by each of their labels; under None all of them."""
    groups, found = view.pods.groups(namespace), dict[_Label | None, list[PodClass]]()
    every = dict.fromkeys(pod.pod_class for group in groups for pod in group.pods)
    every |= dict.fromkeys(group.template.template.pod_class for group in groups if group.template)
    for pod_class in every:
        view.budget.spend()
        for pair in (None, *pod_class.labels.pairs):
            found.setdefault(pair, []).append(pod_class)
    return found


def compiled_for(view: View, policy: Policy, direction: Direction) -> CompiledPolicy | None:
    """Compile the rules of a direction, once; None: it selects nobody."""
    key, answers = (policy.ref, direction), view.memo(_COMPILED)
    if key not in answers:
        answers[key] = compile_direction(policy, direction, view.dialect)
    return answers[key]

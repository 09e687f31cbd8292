"""What decides one side of pods of a class: the policies that select them, in whose order they are asked.

Ports by name of ingress rules may be pooled (`Ports.names_pooled`):
`aws/amazon-network-policy-controller-k8s`, pkg/resolvers/endpoints.go, getIngressRulesPorts.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from msgspec import Struct, structs

from webhook.model.addresses import Block, NamedPort, PortMatch, PortRange
from webhook.model.answers import OPEN, Side, Verdict
from webhook.model.labels import NO_KEYS
from webhook.model.objects import PodClass
from webhook.model.peers import leaves, tells_pods_apart
from webhook.model.policy import BlockPeer, Direction
from webhook.model.refs import EXPECTED, PolicyRef
from webhook.model.tier import NETWORK_POLICIES, CompiledPolicy, CompiledRule
from webhook.model.truth import Truth
from webhook.world import View
from webhook.world.changes import Memo
from webhook.world.view import Selecting


class Rules(Struct, frozen=True):
    """What decides one side of pods of a class: `selecting` in the order asked, or an `answer` where none has a say.

    `volatile`, `pooled`: the answer rests on a Service's endpoints, or on other pods, which what a view remembers
    outlives. `lists`: these are allow lists of one tier, which have no order and need no walk. `by_address`,
    `pods_apart`: as of a policy (`model.tier.CompiledPolicy`). `refs`, `sure`: all that select, and the sure ones.
    `denial`: the answer to what no rule admits; None: whether they select, or what they admit, cannot be told of all.
    """

    selecting: Selecting
    answer: Side | None
    volatile: bool
    pooled: bool
    lists: bool
    by_address: bool
    pods_apart: bool
    refs: tuple[PolicyRef, ...]
    sure: tuple[PolicyRef, ...]
    denial: Side | None

    @property
    def lasting(self) -> bool:
        """Whether answers last as long as what a view remembers."""
        return not self.volatile and not self.pooled


_EGRESS: Final = Memo[PodClass, Rules](50_000)
_INGRESS: Final = Memo[PodClass, Rules](50_000)


def rules_of(view: View, subject: PodClass, direction: Direction) -> Rules:
    """Return what decides one side of pods of a class."""
    answers = view.memo(_EGRESS if direction is Direction.EGRESS else _INGRESS)
    found = answers.get(subject)
    if found is None:
        if subject.host_network:
            found = rules_for(view, (), direction, of_host(view, subject, direction))
        else:
            selecting = view.policies.selecting(subject, direction)
            answer = unknown_side(view, subject, direction) or (None if selecting else OPEN)
            found = rules_for(view, selecting, direction, answer)
        answers[subject] = found
    return found


def rules_for(view: View, selecting: Selecting, direction: Direction, answer: Side | None = None) -> Rules:
    """Return the same of given policies."""
    numbered = view.dialect.ports.names_pooled and direction is Direction.INGRESS
    sure = tuple([compiled.ref for compiled, truth in selecting if truth is Truth.YES])
    told = len(sure) == len(selecting) and all(compiled.unclear is None for compiled, _ in selecting)
    denial = Side(Verdict.DENIED, isolated=True, policies=sure, refused=view.dialect.rejects is Truth.YES)
    return Rules(
        selecting,
        answer,
        volatile=is_volatile(selecting),
        pooled=numbered and any(_is_numbered(compiled) for compiled, _ in selecting),
        lists=bool(selecting) and allow_lists(selecting),
        by_address=any(compiled.by_address for compiled, _ in selecting),
        pods_apart=any(compiled.pods_apart for compiled, _ in selecting),
        refs=tuple(dict.fromkeys([compiled.ref for compiled, _ in selecting])),
        sure=sure,
        denial=denial if told else None,
    )


MOST_BLOCKS: Final = 64  # that addresses are compared with: of more, pods are judged one by one
_BLOCKS: Final = Memo[tuple[PodClass, PodClass], tuple[Block, ...] | None](50_000)


def blocks_apart(view: View, source: PodClass, target: PodClass) -> tuple[Block, ...] | None:
    """Return the blocks by which alone rules tell pods of `target` apart that a pod of `source` sends to.

    Neither is on the host network. None: by more than addresses, or there are too many.
    """
    answers = view.memo(_BLOCKS)
    if (source, target) not in answers:
        answers[source, target] = _blocks_apart(view, source, target)
    return answers[source, target]


def _blocks_apart(view: View, source: PodClass, target: PodClass) -> tuple[Block, ...] | None:
    out, into = rules_of(view, source, Direction.EGRESS), rules_of(view, target, Direction.INGRESS)
    of_others = (match for i, _ in out.selecting for rule in i.rules for match in rule.peers or ())
    of_own = (match for i, _ in into.selecting for rule in i.rules for match in rule.subject_peers or ())
    found: dict[Block, None] = {}
    for leaf in (leaf for match in (*of_others, *of_own) for leaf in leaves(match)):
        if isinstance(leaf, BlockPeer):
            found |= dict.fromkeys((leaf.block, *leaf.excepts))
        elif tells_pods_apart(leaf):
            return None
    return tuple(found) if len(found) <= MOST_BLOCKS else None


def rules_or_answer(view: View, subject: PodClass, direction: Direction) -> Selecting | Side:
    """Return the policies whose rules decide this side; the answer, where no rule has a say."""
    rules = rules_of(view, subject, direction)
    return rules.selecting if rules.answer is None else rules.answer


HOST_NETWORK = Side(Verdict.ALLOWED, reason="a pod on the host network is not subject to NetworkPolicy")


def of_host(view: View, subject: PodClass, direction: Direction) -> Side:
    """Return the answer for a pod on the host network: policy is not about it, unless there is one about nodes."""
    unevaluated = view.policies.unevaluated(subject, direction)
    return HOST_NETWORK if unevaluated is None else Side(Verdict.UNKNOWN, isolated=None, reason=unevaluated.reason)


def unknown_side(view: View, subject: PodClass, direction: Direction) -> Side | None:
    """Return the answer where policies that are not evaluated may decide this side; None where they do not."""
    unevaluated = view.policies.unevaluated(subject, direction)
    if unevaluated is None:
        return None
    refs = tuple(
        dict.fromkeys((*(i.ref for i, _ in view.policies.selecting(subject, direction)), *unevaluated.policies))
    )
    return Side(Verdict.UNKNOWN, isolated=None, policies=refs, reason=unevaluated.reason)


def is_volatile(selecting: Selecting) -> bool:
    """Say whether answers depend on the endpoints of a Service, which the memo of a view outlives."""
    for compiled, _ in selecting:  # noqa: SIM110 - a loop takes a third of the time of a generator
        if compiled.volatile:
            return True
    return False


def allow_lists(selecting: Selecting) -> bool:
    """Say whether only allow lists of one tier are there, which have no order and need no walk."""
    if not selecting[0][0].tier == NETWORK_POLICIES == selecting[-1][0].tier:
        return False
    for compiled, _ in selecting:  # noqa: SIM110 - as above
        if not compiled.default_deny:
            return False
    return True


# -- port names that are pooled ----------------------------------------------------------------------------------------

_PERHAPS: Final = "names a port, and whether the pods that call one so are among those that are selected is not known"


def pooled(view: View, selecting: Selecting, direction: Direction) -> Selecting:
    """Return `selecting` with numbers for port names, where the enforcer looks them up so; else the same value."""
    if not view.dialect.ports.names_pooled or direction is Direction.EGRESS:
        return selecting
    found = tuple((in_numbers(view, compiled), truth) for compiled, truth in selecting)
    return found if any(one is not other for (one, _), (other, _) in zip(found, selecting, strict=True)) else selecting


def in_numbers(view: View, compiled: CompiledPolicy) -> CompiledPolicy:
    """Return a policy with numbers in place of the port names of its ingress rules."""
    if not view.dialect.ports.names_pooled or not _is_numbered(compiled) or compiled.subject is None:
        return compiled
    pod_classes = list(_pod_classes(view, compiled))
    rules = tuple(one for rule in compiled.rules for one in _rules_of(rule, pod_classes))
    return structs.replace(compiled, rules=rules)


def _is_numbered(compiled: CompiledPolicy) -> bool:
    """Say whether a policy is one whose port names an enforcer that pools them puts numbers in place of."""
    whose = compiled.subject is not None and bool(compiled.namespace)
    return whose and compiled.direction is Direction.INGRESS and any(map(_names, compiled.rules))


def _names(rule: CompiledRule) -> bool:
    return any(isinstance(port, NamedPort) for port in rule.ports or ())


def _pod_classes(view: View, compiled: CompiledPolicy) -> Iterator[tuple[PodClass, Truth]]:
    """Yield the pods that a policy selects, or may."""
    for group in view.pods.groups(compiled.namespace):
        pod_classes = [group.template.template.pod_class] if group.template else [pod.pod_class for pod in group.pods]
        for pod_class in dict.fromkeys(pod_classes):
            keys = view.settings.pending_labels if pod_class.template else NO_KEYS
            selects = compiled.subject.matches(pod_class.labels, keys) if compiled.subject else Truth.MAYBE
            if group.ref.kind == EXPECTED:  # what it calls its ports opens nothing for sure on pods that are there
                selects = min(selects, Truth.MAYBE)
            if selects is not Truth.NO and not pod_class.host_network:
                yield pod_class, selects


def _rules_of(rule: CompiledRule, pod_classes: list[tuple[PodClass, Truth]]) -> Iterator[CompiledRule]:
    if not _names(rule):
        yield rule
        return
    named = [pod_class for pod_class, truth in pod_classes if truth is Truth.YES]
    sure = {port for one in rule.ports or () for port in _numbers(one, named)}
    every = {port for one in rule.ports or () for port in _numbers(one, [pod_class for pod_class, _ in pod_classes])}
    yield structs.replace(rule, ports=tuple(sorted(sure, key=str)))
    if every - sure:
        yield structs.replace(rule, ports=tuple(sorted(every - sure, key=str)), conditional=_PERHAPS)


def _numbers(port: PortMatch, pod_classes: Iterable[PodClass]) -> Iterator[PortMatch]:
    """Yield the numbers of a port: of a name the first that each pod calls so, where the look-up ends."""
    if isinstance(port, PortRange):
        yield port
        return
    for pod_class in pod_classes:
        named = (one.number for one in pod_class.ports if (one.name, one.protocol) == (port.name, port.protocol))
        for number in islice(named, 1):
            yield PortRange(port.protocol, number, number)

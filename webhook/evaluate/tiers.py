"""The compiled policies that select a pod -> what may become of a packet, tier by tier (design.md, section 2).

Whatever cannot be told is followed both ways: an answer is sure where every way ends alike.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from msgspec import Struct

from webhook.evaluate.match import Packet, rule_matches
from webhook.model.answers import TierResult
from webhook.model.refs import PolicyRef
from webhook.model.tier import Action, CompiledPolicy, CompiledRule, Precedence, Tier
from webhook.model.truth import Truth
from webhook.world import View
from webhook.world.view import Selecting


class Decided(Struct, frozen=True):
    """What may become of a packet: by a rule (`rule`), at the end of a tier (`closed_by`), or past the last tier.

    `sure`: once a packet gets so far, it ends there.
    """

    allowed: bool
    compiled: CompiledPolicy | None = None
    rule: CompiledRule | None = None
    closed_by: tuple[PolicyRef, ...] = ()
    sure: bool = True

    @property
    def place(self) -> tuple[Tier, Precedence] | None:
        """Where it was decided."""
        return (self.compiled.tier, self.compiled.precedence) if self.compiled else None


class Outcomes(Struct, frozen=True):
    """All that may become of a packet. `met`: what isolates, or may, before the last of them.

    `unsure`: the first compiled policy, and its rule if it is one, of which it could not be told whether it matches.
    `tier_results`: what each tier made of it.
    """

    outcomes: tuple[Decided, ...]
    met: tuple[tuple[CompiledPolicy, Truth], ...]
    unsure: tuple[CompiledPolicy, Truth, CompiledRule | None] | None
    tier_results: tuple[TierResult, ...] = ()


class _Read(Struct, frozen=True):
    """A compiled policy, asked as if it selects the subject: what it may decide, and whether it may decide nothing."""

    compiled: CompiledPolicy
    selects: Truth
    decides: tuple[tuple[Action, CompiledRule | None], ...]
    through: bool
    unsure: CompiledRule | None


class _Walk:
    def __init__(self, view: View, packet: Packet) -> None:
        self._view = view
        self._packet = packet
        self.outcomes: list[Decided] = []
        self.met: list[tuple[CompiledPolicy, Truth]] = []
        self.unsure: tuple[CompiledPolicy, Truth, CompiledRule | None] | None = None
        self.tier_results: list[TierResult] = []
        self._leaving: tuple[CompiledPolicy, CompiledRule | None] | None = None  # the last rule that may leave the tier

    def tier(self, members: Sequence[tuple[CompiledPolicy, Truth]]) -> bool:
        """Ask one tier; say whether the packet may get past it."""
        before, self._leaving = len(self.outcomes), None
        past, unmatched = self._tier(members)
        self.tier_results.append(
            _tier_result(members, self.outcomes[before:], self._leaving, past=past, unmatched=unmatched)
        )
        return past or unmatched

    def _tier(self, members: Iterable[tuple[CompiledPolicy, Truth]]) -> tuple[bool, bool]:
        """Say whether a rule may pass the packet on, and whether none may match it."""
        past, closed = False, {False}
        closers: list[CompiledPolicy] = []
        for _, api_group in groupby(members, key=lambda pair: pair[0].api_group):
            passed, left = self._api_group(api_group, closers)
            past = past or passed
            closed = {one or other for one in closed for other in left}
        if True in closed:
            self.outcomes.append(Decided(allowed=False, compiled=closers[-1], closed_by=self._closers(closers)))
        return past, False in closed

    def _api_group(
        self, members: Iterable[tuple[CompiledPolicy, Truth]], closers: list[CompiledPolicy]
    ) -> tuple[bool, set[bool]]:
        """Ask the policies of one API group.

        Return whether they may pass on the packet, and whether they may say nothing (empty: no), be it isolated (True)
        or not.
        """
        past = False
        closed = {False}  # on the ways that are still open: whether something that isolates was met
        for _, group in groupby(members, key=lambda pair: pair[0].precedence):
            reads = [self._read(compiled, selects) for compiled, selects in group]
            for read in reads:
                self._note(read)
                for action, rule in read.decides:
                    if action is Action.PASS:
                        past, self._leaving = True, (read.compiled, rule)
                    else:
                        last = not read.through and rule is read.decides[-1][1]
                        sure = last and read.selects is Truth.YES
                        self.outcomes.append(Decided(action is Action.ALLOW, read.compiled, rule, sure=sure))
            closed = _after(closed, reads)
            closers += [read.compiled for read in reads if read.compiled.default_deny]
            if not closed:
                break
        return past, closed

    def _closers(self, closers: Sequence[CompiledPolicy]) -> tuple[PolicyRef, ...]:
        sure = {compiled.ref for compiled, truth in self.met if truth is Truth.YES}
        refs = tuple(dict.fromkeys(compiled.ref for compiled in closers))
        return tuple(ref for ref in refs if ref in sure) or refs

    def _note(self, read: _Read) -> None:
        if read.compiled.default_deny:
            self.met.append((read.compiled, read.selects))
        if self.unsure is None and (read.selects is Truth.MAYBE or read.unsure or read.compiled.unclear):
            self.unsure = (read.compiled, read.selects, read.unsure)

    def _read(self, compiled: CompiledPolicy, selects: Truth) -> _Read:
        if compiled.unclear is not None:
            return _Read(compiled, selects, ((Action.ALLOW, None),), through=True, unsure=None)
        decides: list[tuple[Action, CompiledRule | None]] = []
        unsure: CompiledRule | None = None
        for rule in compiled.rules:
            found = rule_matches(self._view, rule, self._packet)
            if found is Truth.NO:
                continue
            decides.append((rule.action, rule))
            if found is Truth.YES:
                return _Read(compiled, selects, tuple(decides), through=False, unsure=unsure)
            unsure = unsure or rule
        return _Read(compiled, selects, tuple(decides), through=True, unsure=unsure)


def _tier_result(
    members: Sequence[tuple[CompiledPolicy, Truth]],
    outcomes: Sequence[Decided],
    leaving: tuple[CompiledPolicy, CompiledRule | None] | None,
    *,
    past: bool,
    unmatched: bool,
) -> TierResult:
    """Sum up one tier: what it decided where that is sure, and by which rule."""
    refs = tuple(dict.fromkeys(compiled.ref for compiled, _ in members))
    name = members[0][0].tier.name
    if len({outcome.allowed for outcome in outcomes}) + past + unmatched != 1:
        return TierResult(name, refs, "unknown")
    if outcomes:
        outcome = next((outcome for outcome in outcomes if outcome.sure), outcomes[0])
        by, rule, word = outcome.compiled, outcome.rule, "allowed" if outcome.allowed else "denied"
    elif leaving is not None:
        (by, rule), word = leaving, "passed"
    else:
        return TierResult(name, refs, "unmatched")
    return TierResult(name, refs, word, rule.ref if rule else None, by.position if by else "")


def _after(closed: set[bool], reads: Sequence[_Read]) -> set[bool]:
    """Return the ways that are still open after policies of one precedence, in whatever order these are asked."""
    if any(read.selects is Truth.YES and not read.through for read in reads):
        return set()
    surely = any(read.selects is Truth.YES and read.compiled.default_deny for read in reads)
    perhaps = any(read.selects is Truth.MAYBE and read.compiled.default_deny and read.through for read in reads)
    if surely:
        return {True}
    return closed | {True} if perhaps else closed


def walk(view: View, selecting: Selecting, packet: Packet) -> Outcomes:
    """Follow a packet through the tiers of `selecting`, which is sorted by `model.tier.sort_key`."""
    found = _Walk(view, packet)
    for members in _tiers(selecting):
        if not found.tier(members):
            break
    else:
        found.outcomes.append(Decided(allowed=True))
    return Outcomes(tuple(found.outcomes), tuple(found.met), found.unsure, tuple(found.tier_results))


def _tiers(selecting: Selecting) -> Iterator[Selecting]:
    for _, members in groupby(selecting, key=lambda pair: pair[0].tier):
        yield tuple(members)


def passes_everything(selecting: Selecting) -> bool:
    """Say whether every packet is sure to pass, whatever its other end and its port."""
    for members in _tiers(selecting):
        if any(compiled.unclear is not None for compiled, _ in members):
            return False
        opened = _opened(members)
        if opened is not False:
            return opened is True
        if any(compiled.default_deny for compiled, _ in members):
            return False
    return True


def _opened(members: Selecting) -> bool | None:
    """Say whether a rule of a tier lets everything through; None: one that does something else comes before it."""
    api_groups = len({compiled.api_group for compiled, _ in members}) > 1
    for _, group in groupby(members, key=lambda pair: () if api_groups else pair[0].precedence):
        some = [(rule, selects) for compiled, selects in group for rule in compiled.rules]
        if any(rule.action is not Action.ALLOW for rule, _ in some):
            return None
        if any(selects is Truth.YES and _opens_everything(rule) for rule, selects in some):
            return True
    return False


def _opens_everything(rule: CompiledRule) -> bool:
    narrowed = (rule.peers, rule.ports, rule.subject_peers, rule.unclear, rule.conditional)
    return all(part is None for part in narrowed) and not rule.not_ports

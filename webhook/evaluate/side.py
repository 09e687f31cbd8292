"""One direction of one packet: which policies isolate the subject, and whether any of them admits the other end.

The same routine serves both directions; the difference is data.
"""

from webhook.evaluate.ends import End, PodEnd
from webhook.evaluate.match import entry_matches
from webhook.evaluate.why import why_admitted, why_selected
from webhook.model.addresses import Family
from webhook.model.objects import Shape
from webhook.model.policy import Direction
from webhook.model.ports import Protocol
from webhook.model.refs import PolicyRef
from webhook.model.tier import Isolation
from webhook.model.truth import Truth
from webhook.model.verdict import OPEN, Side, Verdict
from webhook.world import View

MEMO_LIMIT = 200_000  # answers remembered before all are forgotten: bounds memory where templates never repeat
Hopes = list[tuple[Isolation, Truth, Truth, PolicyRef | None]]  # selects, admits, by which rule
HOST_NETWORK = Side(Verdict.ALLOWED, reason="a pod on the host network is not subject to NetworkPolicy")


def judge_side(
    view: View, direction: Direction, subject: PodEnd, other: End, family: Family | None, protocol: Protocol, port: int
) -> Side:
    """Judge the rules on `subject`'s side. `family` None: no rule in question looks at addresses (`by_address`)."""
    if subject.shape.host_network:
        return HOST_NETWORK
    if (doubt := doubted(view, subject.shape, direction)) is not None:
        return doubt
    selecting = view.selecting(subject.shape, direction)
    if not selecting:
        return OPEN
    address = other.address(family) if isinstance(other, PodEnd) and family else None
    whose = other.shape if isinstance(other, PodEnd) else other.block
    unassigned = isinstance(other, PodEnd) and not other.addresses
    key = (direction, subject.shape, whose, address, unassigned, family, protocol, port)
    found = view.memo.get(key)
    if isinstance(found, Side):
        return found
    target = subject.shape if direction is Direction.INGRESS else (other.shape if isinstance(other, PodEnd) else None)
    side = _judge(view, selecting, other, family, protocol, port, target)
    if len(view.memo) >= MEMO_LIMIT:
        view.memo.clear()
    view.memo[key] = side
    return side


def doubted(view: View, subject: Shape, direction: Direction) -> Side | None:
    """Return the answer where policies that are not evaluated may decide this side; None where they do not."""
    doubt = view.doubt(subject, direction)
    if doubt is None:
        return None
    refs = tuple(dict.fromkeys((*(i.ref for i, _ in view.selecting(subject, direction)), *doubt.policies)))
    return Side(Verdict.UNKNOWN, isolated=None, policies=refs, reason=doubt.reason)


def _judge(
    view: View,
    selecting: tuple[tuple[Isolation, Truth], ...],
    other: End,
    family: Family | None,
    protocol: Protocol,
    port: int,
    target: Shape | None,
) -> Side:
    """Join the isolations: allowed where every way the unknowns may fall allows, denied where every way denies."""
    sure = tuple(i.ref for i, truth in selecting if truth is Truth.YES)
    refs = tuple(dict.fromkeys(i.ref for i, _ in selecting))
    hopes: Hopes = []
    for isolation, selects in selecting:
        admits, entry = _admits(view, isolation, other, family, protocol, port, target)
        if admits is Truth.YES and selects is Truth.YES:
            return Side(Verdict.ALLOWED, isolated=True, policies=refs, admitted_by=entry)
        hopes.append((isolation, selects, admits, entry))
    isolated = True if sure else None
    if not sure and all(admits is Truth.YES for _, _, admits, _ in hopes):
        return Side(Verdict.ALLOWED, isolated=None, policies=refs, admitted_by=hopes[0][3])
    if sure and all(admits is Truth.NO for _, _, admits, _ in hopes):
        return Side(Verdict.DENIED, isolated=True, policies=sure)
    return Side(Verdict.UNKNOWN, isolated=isolated, policies=refs, reason=_why(view, hopes, other, family))


def _admits(
    view: View,
    isolation: Isolation,
    other: End,
    family: Family | None,
    protocol: Protocol,
    port: int,
    target: Shape | None,
) -> tuple[Truth, PolicyRef | None]:
    if isolation.unclear is not None:
        return Truth.MAYBE, None
    best, where = Truth.NO, None
    for entry in isolation.entries:
        found = entry_matches(view, entry, other, family, protocol, port, target)
        if found > best:
            best, where = found, entry.ref
            if best is Truth.YES:
                break
    return best, where


def _why(view: View, hopes: Hopes, other: End, family: Family | None) -> str:
    """Name the first thing that could not be told, in the order of policies."""
    for isolation, selects, admits, entry in hopes:
        if isolation.unclear is not None:
            return f"{isolation.ref} cannot be read: {isolation.unclear}"
        if selects is Truth.MAYBE:
            return why_selected(isolation)
        if admits is Truth.MAYBE and entry is not None:
            return why_admitted(view, next(e for e in isolation.entries if e.ref == entry), other, family)
    message = "no unknown among the hopes"
    raise AssertionError(message)

"""One direction of one packet: which policies isolate the subject, and whether any of them admits the other end.

The same routine serves both directions; the difference is data. Ports by name of ingress rules may be pooled
(`Ports.names_pooled`): `aws/amazon-network-policy-controller-k8s`, pkg/resolvers/endpoints.go, getIngressRulesPorts.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import structs

from webhook.evaluate.ends import End, Outside, PodEnd
from webhook.evaluate.match import Packet, entry_matches
from webhook.evaluate.tiers import Decided, Ways, walk
from webhook.evaluate.why import why_admitted, why_selected
from webhook.model.addresses import Address, Family, NamedPort, PortMatch, PortRange, Protocol
from webhook.model.answers import OPEN, Side, Verdict
from webhook.model.labels import NO_KEYS
from webhook.model.objects import Shape
from webhook.model.policy import Direction
from webhook.model.refs import EXPECTED, PolicyRef
from webhook.model.tier import NETWORK_POLICIES, Entry, Isolation
from webhook.model.truth import Truth
from webhook.world import View
from webhook.world.index import Memo
from webhook.world.view import Selecting

_PERHAPS: Final = "names a port, and whether the pods that call one so are among those that are selected is not known"


def pooled(view: View, selecting: Selecting, direction: Direction) -> Selecting:
    """Return pieces with numbers in place of port names, where the enforcer looks them up so; else the same value."""
    if not view.dialect.ports.names_pooled or direction is Direction.EGRESS:
        return selecting
    found = tuple((in_numbers(view, isolation), truth) for isolation, truth in selecting)
    return found if any(one is not other for (one, _), (other, _) in zip(found, selecting, strict=True)) else selecting


def in_numbers(view: View, isolation: Isolation) -> Isolation:
    """Return a piece with numbers in place of the port names of its ingress rules."""
    named = isolation.direction is Direction.INGRESS and any(map(_names, isolation.entries))
    if not view.dialect.ports.names_pooled or not named or isolation.subject is None or not isolation.namespace:
        return isolation
    shapes = list(_shapes(view, isolation))
    entries = tuple(one for entry in isolation.entries for one in _entries(entry, shapes))
    return structs.replace(isolation, entries=entries)


def _names(entry: Entry) -> bool:
    return any(isinstance(port, NamedPort) for port in entry.ports or ())


def _shapes(view: View, isolation: Isolation) -> Iterator[tuple[Shape, Truth]]:
    """Yield the pods that a policy selects, or may."""
    for group in view.pods.groups(isolation.namespace):
        shapes = [group.template.template.shape] if group.template else [pod.shape for pod in group.pods]
        for shape in dict.fromkeys(shapes):
            keys = view.settings.pending_labels if shape.template else NO_KEYS
            selects = isolation.subject.matches(shape.labels, keys) if isolation.subject else Truth.MAYBE
            if group.ref.kind == EXPECTED:  # what it calls its ports opens nothing for sure on pods that are there
                selects = min(selects, Truth.MAYBE)
            if selects is not Truth.NO and not shape.host_network:
                yield shape, selects


def _entries(entry: Entry, shapes: list[tuple[Shape, Truth]]) -> Iterator[Entry]:
    if not _names(entry):
        yield entry
        return
    named = [shape for shape, truth in shapes if truth is Truth.YES]
    sure = {port for one in entry.ports or () for port in _numbers(one, named)}
    every = {port for one in entry.ports or () for port in _numbers(one, [shape for shape, _ in shapes])}
    yield structs.replace(entry, ports=tuple(sorted(sure, key=str)))
    if every - sure:
        yield structs.replace(entry, ports=tuple(sorted(every - sure, key=str)), conditional=_PERHAPS)


def _numbers(port: PortMatch, shapes: Iterable[Shape]) -> Iterator[PortMatch]:
    if isinstance(port, PortRange):
        yield port
        return
    for shape in shapes:
        for one in shape.ports:
            if (one.name, one.protocol) == (port.name, port.protocol):
                yield PortRange(port.protocol, one.number, one.number)


Key = tuple[
    Direction,
    Shape,
    Shape | Outside,
    Address | None,
    bool,
    Family | None,
    Protocol,
    int,
    tuple[str, str] | None,
]
_SIDES: Final = Memo[Key, Side](200_000)
Hopes = list[tuple[Isolation, Truth, Truth, PolicyRef | None]]  # selects, admits, by which rule
HOST_NETWORK = Side(Verdict.ALLOWED, reason="a pod on the host network is not subject to NetworkPolicy")


def judge_side(
    view: View, direction: Direction, subject: PodEnd, other: End, family: Family | None, protocol: Protocol, port: int
) -> Side:
    """Judge the rules on `subject`'s side. `family` None: no rule in question looks at addresses (`by_address`)."""
    view.budget.spend()
    selecting = rules_or_answer(view, subject.shape, direction)
    if isinstance(selecting, Side):
        return selecting
    if is_volatile(selecting):  # the memo outlives Services
        return decide(view, selecting, Packet(direction, subject, other, family, protocol, port))
    if (numbered := pooled(view, selecting, direction)) is not selecting:  # and so do pods
        return decide(view, numbered, Packet(direction, subject, other, family, protocol, port))
    address = other.address(family) if isinstance(other, PodEnd) and family else None
    whose = other.shape if isinstance(other, PodEnd) else other
    unassigned = isinstance(other, PodEnd) and not other.addresses
    nodes = _nodes(subject, other)
    key = (direction, subject.shape, whose, address, unassigned, family, protocol, port, nodes)
    answers = view.memo(_SIDES)
    found = answers.get(key)
    if found is not None:
        return found
    side = decide(view, selecting, Packet(direction, subject, other, family, protocol, port))
    answers[key] = side
    return side


def rules_or_answer(view: View, subject: Shape, direction: Direction) -> Selecting | Side:
    """Return the policies whose rules decide this side; the answer, where no rule has a say."""
    if subject.host_network:
        return of_host(view, subject, direction)
    if (doubt := doubted(view, subject, direction)) is not None:
        return doubt
    return view.policies.selecting(subject, direction) or OPEN


def _nodes(subject: PodEnd, other: End) -> tuple[str, str] | None:
    """Return where the two run; None where no rule can ask for it, as the other end is a pod like any."""
    if isinstance(other, PodEnd):
        return (subject.node, other.node) if other.shape.host_network else None
    return None if other.pod else (subject.node, "")


def of_host(view: View, subject: Shape, direction: Direction) -> Side:
    """Return the answer for a pod on the host network: policy is not about it, unless there is one about nodes."""
    doubt = view.policies.doubt(subject, direction)
    return HOST_NETWORK if doubt is None else Side(Verdict.UNKNOWN, isolated=None, reason=doubt.reason)


def doubted(view: View, subject: Shape, direction: Direction) -> Side | None:
    """Return the answer where policies that are not evaluated may decide this side; None where they do not."""
    doubt = view.policies.doubt(subject, direction)
    if doubt is None:
        return None
    refs = tuple(dict.fromkeys((*(i.ref for i, _ in view.policies.selecting(subject, direction)), *doubt.policies)))
    return Side(Verdict.UNKNOWN, isolated=None, policies=refs, reason=doubt.reason)


def is_volatile(selecting: Selecting) -> bool:
    """Say whether answers depend on the endpoints of a Service, which the memo of a view outlives."""
    for isolation, _ in selecting:  # noqa: SIM110 - a loop takes a third of the time of a generator
        if isolation.volatile:
            return True
    return False


def allow_lists(selecting: Selecting) -> bool:
    """Say whether only allow lists of one tier are there, which have no order and need no walk."""
    if not selecting[0][0].tier == NETWORK_POLICIES == selecting[-1][0].tier:
        return False
    for isolation, _ in selecting:  # noqa: SIM110 - as above
        if not isolation.isolates:
            return False
    return True


def decide(view: View, selecting: Selecting, packet: Packet) -> Side:
    """Judge a packet by the pieces that select its subject, of which there is one at least."""
    return _by_lists(view, selecting, packet) if allow_lists(selecting) else _by_tiers(view, selecting, packet)


def _by_tiers(view: View, selecting: Selecting, packet: Packet) -> Side:
    found = walk(view, selecting, packet)
    isolating = _isolating(view, selecting, found)
    sure = any(truth is Truth.YES for _, truth in isolating)
    isolated = True if sure else None if isolating else False
    first = found.ways[0]
    met = tuple(dict.fromkeys(isolation.ref for isolation, _ in isolating))
    if all(way.allowed for way in found.ways):
        by, standing = first.entry.ref if first.entry else None, first.isolation.standing if first.isolation else ""
        return Side(Verdict.ALLOWED, isolated, met, by, standing=standing, stages=found.stages)
    if not any(way.allowed for way in found.ways):
        return _denied(view, found, isolated=isolated)
    every = tuple(dict.fromkeys((*met, *(way.isolation.ref for way in found.ways if way.isolation))))
    why = _why_not_sure(view, found, packet)
    return Side(Verdict.UNKNOWN, isolated, every, reason=why, stages=found.stages)


def _isolating(view: View, selecting: Selecting, found: Ways) -> Selecting:
    """Return what isolates the subject where the packet got to; some deny later than their rules are asked."""
    closing, first = view.dialect.tiers.default_deny, view.dialect.tiers.network_policies
    reached = any(way.isolation is None or way.isolation.tier >= first for way in found.ways)
    if closing is None or not reached or any(isolation.tier == closing for isolation, _ in found.met):
        return found.met
    return (*found.met, *((i, truth) for i, truth in selecting if i.isolates and i.tier == closing))


def _denied(view: View, found: Ways, *, isolated: bool | None) -> Side:
    """A denial, with the rule that makes it, or those at whose tier's end it is made.

    Where several may make it, one that a NetworkPolicy can come before is named: that is what may still change. Of
    these it is the first that is sure to, wherever the packet gets so far.
    """
    open_ones = [way for way in found.ways if not _is_final(view, way)] or list(found.ways)
    way = next((way for way in open_ones if way.sure), open_ones[0])
    by = way.isolation
    refs = (by.ref,) if by is not None and way.entry is not None else way.closed_by
    return Side(
        Verdict.DENIED,
        isolated,
        refs,
        denied_by=way.entry.ref if way.entry is not None else None,
        final=_is_final(view, way),
        standing=by.standing if by is not None else "",
        stages=found.stages,
        refused=view.dialect.rejects is Truth.YES,
        perhaps=tuple(
            dict.fromkeys(w.entry.ref for w in found.ways if w.entry is not None and w.entry is not way.entry)
        ),
    )


def _is_final(view: View, way: Decided) -> bool:
    """Say whether a way ends before a NetworkPolicy is asked; at the end of its own tier, it has been."""
    tier, rank = view.dialect.tiers.network_policies, view.dialect.tiers.rank
    if way.isolation is None:
        return False
    return way.isolation.tier < tier if way.entry is None else way.place is not None and way.place < (tier, rank)


def _why_not_sure(view: View, found: Ways, packet: Packet) -> str:
    if found.unsure is None:
        refs = sorted({way.isolation.ref for way in found.ways if way.isolation})
        return f"{' and '.join(ref.titled for ref in refs)} differ, and nothing says which comes first"
    isolation, selects, entry = found.unsure
    if isolation.unclear is not None:
        return f"{isolation.ref.titled} cannot be read: {isolation.unclear}"
    if selects is Truth.MAYBE or entry is None:
        return why_selected(isolation)
    return why_admitted(view, entry, packet)


def _by_lists(view: View, selecting: Selecting, packet: Packet) -> Side:
    """Join the isolations: allowed where every way the unknowns may fall allows, denied where every way denies."""
    hopes: Hopes = []
    for isolation, selects in selecting:
        admits, entry = _admits(view, isolation, packet)
        if admits is Truth.YES and selects is Truth.YES:
            return Side(Verdict.ALLOWED, isolated=True, policies=_refs(selecting), admitted_by=entry)
        hopes.append((isolation, selects, admits, entry))
    sure = tuple([i.ref for i, truth in selecting if truth is Truth.YES])
    isolated = True if sure else None
    if not sure and all(admits is Truth.YES for _, _, admits, _ in hopes):
        return Side(Verdict.ALLOWED, isolated=None, policies=_refs(selecting), admitted_by=hopes[0][3])
    if sure and all(admits is Truth.NO for _, _, admits, _ in hopes):
        return Side(Verdict.DENIED, isolated=True, policies=sure, refused=view.dialect.rejects is Truth.YES)
    reason = _why(view, hopes, packet)
    return Side(Verdict.UNKNOWN, isolated=isolated, policies=_refs(selecting), reason=reason)


def _refs(selecting: Selecting) -> tuple[PolicyRef, ...]:
    return tuple(dict.fromkeys([isolation.ref for isolation, _ in selecting]))


def _admits(view: View, isolation: Isolation, packet: Packet) -> tuple[Truth, PolicyRef | None]:
    if isolation.unclear is not None:
        return Truth.MAYBE, None
    best, where = Truth.NO, None
    for entry in isolation.entries:
        found = entry_matches(view, entry, packet)
        if found > best:
            best, where = found, entry.ref
            if best is Truth.YES:
                break
    return best, where


def _why(view: View, hopes: Hopes, packet: Packet) -> str:
    """Name the first thing that could not be told, in the order of policies."""
    for isolation, selects, admits, entry in hopes:
        if isolation.unclear is not None:
            return f"{isolation.ref.titled} cannot be read: {isolation.unclear}"
        if selects is Truth.MAYBE:
            return why_selected(isolation)
        if admits is Truth.MAYBE and entry is not None:
            return why_admitted(view, next(e for e in isolation.entries if e.ref == entry), packet)
    message = "no unknown among the hopes"
    raise AssertionError(message)

"""Fixes that were proved, remembered for all clients that no policy tells apart: their names and labels are filled in.

A fix is the same for them but for names, and for labels of its own by which each is selected. Only a client and whom it
dials are asked about when it is proved, and of a client only by policies for egress, and by peers of those for ingress.
How those whom it dials are selected rests on who is in their namespaces.
"""

from collections.abc import Hashable, Iterable, Sequence
from functools import cached_property
from operator import is_
from typing import Final

from msgspec import Struct, structs

from webhook.evaluate import Flow, PodEnd, template_end
from webhook.evaluate.ends import alike
from webhook.fix.needs import LONGEST, Need, ambiguous, is_clear, said
from webhook.fix.selectors import Neighbours, Unwritable
from webhook.fix.write import Piece, in_order, named, own_labels
from webhook.judge import Judged
from webhook.judge.dependency import is_lasting
from webhook.model.addresses import Family
from webhook.model.answers import FlowVerdict, Manifest
from webhook.model.labels import Labels
from webhook.model.objects import Workload
from webhook.model.policy import Direction
from webhook.model.refs import EXPECTED, WorkloadRef
from webhook.world import Group
from webhook.world.changes import Memo

Servers = tuple[tuple[WorkloadRef, Labels], ...]


class _Proved(Struct, frozen=True):
    """Policies that open `parts` for sure, with `_SELF` as the name of the client.

    `around`: what that rests on beside the parts. `names`: those that say all that a policy opens; None: it has another
    one. `own`: what labels of its own select the client for. `servers`: whom it dials, each with the labels without
    which nobody is selected with it; as of `version`. None: there is more to say of one client than of another.
    """

    parts: tuple[Judged, ...]
    around: tuple[tuple[Family, ...], Hashable]
    pieces: tuple[Piece, ...]
    names: tuple[str | None, ...]
    own: tuple[Direction | None, ...]
    servers: Servers | None = None
    version: Hashable = None


class Asked(Struct, frozen=True):
    """Answers of which something is to be opened. `end`: the first client that nobody told from this one.

    `key`: what is the same for all of them; None: this one may be a case of its own. `known`: what is remembered.
    """

    parts: Sequence[Judged]
    flows: Sequence[Flow]
    end: PodEnd
    around: tuple[tuple[Family, ...], Hashable]
    key: Hashable = None
    known: _Proved | None = None


_PROVED: Final = Memo[Hashable, _Proved | None](10_000)  # None: it was asked for once
_SELF: Final = "@"  # nobody's name
_SINGLE: Final = frozenset({EXPECTED, "Pod"})  # kinds of which each is a case of its own


class RememberedFixes:
    """What is remembered for one client of a view that stays as it is."""

    def __init__(self, near: Neighbours, workload: Workload) -> None:
        """`near`: of that client."""
        self._near, self._view, self._workload = near, near.view, workload
        self._ends: dict[tuple[str, ...], PodEnd] = {}

    def ask(self, parts: Sequence[Judged]) -> Asked:
        """Return what is asked where `parts` are to be opened."""
        view, workload = self._view, self._workload
        flows = [flow for part in parts if part.resolved is not None for flow in part.resolved.found.flows]
        refs = [flow.to.ref for flow in flows if isinstance(flow.to, Group)]
        spaces = tuple(dict.fromkeys([ref.namespace for ref in refs]))
        end = self._ends.get(spaces)
        if end is None:
            end = self._ends[spaces] = alike(view, template_end(view, workload), *spaces)
        outside = len(refs) < len(flows)  # of an address a proof rests on the API server's Service, which is there
        around = view.families(), view.beneath().view.version_of("default") if outside else None
        resolved = all(part.resolved is not None and part.resolved.found.flows for part in parts)
        if (
            not resolved
            or workload.template.pod_class.host_network
            or workload.ref.kind in _SINGLE
            or workload.ref in refs
        ):
            return Asked(parts, flows, end, around)
        key = end, workload.template.injected, tuple([part.text for part in parts])
        return Asked(parts, flows, end, around, key, self._same(key, parts, around))

    def _same(self, key: Hashable, parts: Sequence[Judged], around: Hashable) -> _Proved | None:
        """Return what is remembered of these very answers."""
        known = self._view.memo(_PROVED).get(key)
        if known is None or known.around != around:
            return None
        if not all(map(is_, known.parts, parts)):
            if not all(map(_is_same, known.parts, parts)):
                return None
            known = self._view.memo(_PROVED)[key] = structs.replace(known, parts=tuple(parts))
        return known

    def find(self, asked: Asked) -> list[Manifest] | None:
        """Return the policies that open what is asked for; None: they have to be written."""
        known = asked.known
        if known is None or known.servers is None or not self._adds_nobody or self._is_met(known.servers):
            return None
        if known.version != self._version(known.servers) or not self._is_alone(known.own):
            return None
        self._view.budget.spend(len(known.pieces))
        return in_order([self._filled(piece, text) for piece, text in zip(known.pieces, known.names, strict=True)])

    def _filled(self, piece: Piece, text: str | None) -> Manifest:
        """Return a policy for this client. Where somebody else has its name, that does not say all."""
        near, ref = self._near, self._workload.ref
        wanted = None if text is None or ambiguous(near, ref) else text.replace(_SELF, ref.name)
        if wanted is None or len(wanted) > LONGEST:
            return named(near, self._workload, _with(piece, self._anybody, ref))
        return named(near, self._workload, piece, wanted)

    def is_proved(self, asked: Asked, pieces: Sequence[Piece], *, noted: bool) -> bool:
        """Say whether these policies are sure to open what is asked for, and that they are what opens it now.

        `noted`: there is something to be said of them.
        """
        known = asked.known
        if known is None or known.pieces != self._of_anybody(pieces):
            return False
        if (servers := self._dialled(pieces, known.own, noted=noted)) is not None:
            again = structs.replace(
                known, names=self._names(known.pieces), servers=servers, version=self._version(servers)
            )
            self._view.memo(_PROVED)[asked.key] = again
        return True

    def keep(self, asked: Asked, pieces: Sequence[Piece], *, noted: bool) -> None:
        """Remember that these policies are sure to open it, from the second time that somebody asks."""
        answers = self._view.memo(_PROVED)
        if asked.key is None:
            return
        if asked.key not in answers:
            answers[asked.key] = None
            return
        if all(is_lasting(self._view, asked.end, flow) for flow in asked.flows):
            every, own = self._of_anybody(pieces), _of_own(pieces)
            servers = self._dialled(pieces, own, noted=noted)
            version = self._version(servers) if servers is not None else None
            parts, names = tuple(asked.parts), self._names(every)
            answers[asked.key] = _Proved(parts, asked.around, every, names, own, servers, version)

    # -- who is selected -----------------------------------------------------------------------------------------------

    @cached_property
    def _adds_nobody(self) -> bool:
        """Whether the view has the same workloads without it, but for itself: it is new, or is there as it is."""
        below = self._near.below
        if below.view is self._view:
            return self._view.workloads.get(self._workload.ref) is self._workload and self._workload.owner is None
        return len(below.put) == 1 and below.put[0][0] is self._workload and below.put[0][1] is None

    def _is_met(self, servers: Servers) -> bool:
        """Say whether the client has the labels of one whom it dials, so that both may be selected."""
        space, value = self._workload.ref.namespace, self._workload.template.pod_class.labels.get
        return any(
            space == server.namespace and all(value(key) == wanted for key, wanted in start.pairs)
            for server, start in servers
        )

    def _is_alone(self, own: Iterable[Direction | None]) -> bool:
        """Say whether labels of its own select the client and nobody else."""
        try:
            return not any(own_labels(self._near, self._workload, how).others for how in own)
        except Unwritable:
            return False

    def _dialled(self, pieces: Sequence[Piece], own: Iterable[Direction | None], *, noted: bool) -> Servers | None:
        """Return whom the client dials, as they were selected; None: what was written is not for anybody like it."""
        if noted or not self._adds_nobody or any(piece.rest is not None for piece in pieces) or not self._is_alone(own):
            return None
        refs = {ref for piece in pieces for need in piece.needs for ref in (need.subject, need.other)}
        chosen = self._near.chosen.items()
        servers = tuple([(ref, one.start) for (ref, _), one in chosen if ref in refs and ref != self._workload.ref])
        return None if self._is_met(servers) else servers

    def _version(self, servers: Servers) -> Hashable:
        return self._near.below.view.version_of(*dict.fromkeys([ref.namespace for ref, _ in servers]))

    def _of_anybody(self, pieces: Iterable[Piece]) -> tuple[Piece, ...]:
        return tuple(sorted([_with(piece, self._workload.ref, self._anybody) for piece in pieces], key=_order))

    def _names(self, pieces: Iterable[Piece]) -> tuple[str | None, ...]:
        """Return the names of policies where they say all that the policies open."""
        whose = [(piece, _with(piece, self._anybody, self._workload.ref)) for piece in pieces]
        return tuple([said(piece.needs) if is_clear(self._near, own.needs) else None for piece, own in whose])

    @cached_property
    def _anybody(self) -> WorkloadRef:
        return structs.replace(self._workload.ref, kind="", name=_SELF)


def _of_own(pieces: Sequence[Piece]) -> tuple[Direction | None, ...]:
    """Return what labels of its own select the client for: to be opened in a direction, or (None) as a peer."""
    opened = [piece.needs[0].direction for piece in pieces if piece.labels is None]
    peers = [None for piece in pieces for peers, _ in piece.rules if peers is None]
    return tuple(dict.fromkeys([*opened, *peers]))


def _order(piece: Piece) -> tuple[str, str, str]:
    need = piece.needs[0]
    return need.direction, need.subject.namespace, str(need.subject)


def _with(piece: Piece, old: WorkloadRef, new: WorkloadRef) -> Piece:
    """Return a policy for another client."""
    return structs.replace(piece, needs=tuple([_for(need, old, new) for need in piece.needs]))


def _for(need: Need, old: WorkloadRef, new: WorkloadRef) -> Need:
    return structs.replace(need, subject=new) if need.subject == old else structs.replace(need, other=new)


def _is_same(one: Judged, other: Judged) -> bool:
    """Say whether two answers are the same to a fix, which looks at no near misses."""
    return (one.resolved, one.missing, one.reason) == (other.resolved, other.missing, other.reason) and (
        [*map(_plain, one.flows)] == [*map(_plain, other.flows)]
    )


def _plain(flow: FlowVerdict) -> FlowVerdict:
    egress, ingress = (structs.replace(side, near_misses=()) for side in (flow.egress, flow.ingress))
    return structs.replace(flow, egress=egress, ingress=ingress)

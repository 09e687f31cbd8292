"""Answers for a client, remembered for all whom nobody tells from it who is asked for them.

They are worked out in the view whose memory it is, for a client that has nothing of its own but what policies may see
of it, and rest on what was looked up then (`world.noting`). So nobody shares them who is among those looked for: who is
behind what it asks for, or comes there by being put on top of a view.
"""

from collections.abc import Callable, Hashable, Iterable
from typing import Any, Final, TypeVar

from msgspec import Struct

from webhook.evaluate.ends import PodEnd, alike
from webhook.judge.dependency import Judged
from webhook.model.objects import PodClass, Template, Workload
from webhook.model.refs import EXPECTED, WorkloadRef
from webhook.world import View
from webhook.world.changes import Memo
from webhook.world.noting import Noting, Rests

T = TypeVar("T")
_SINGLE: Final = frozenset({EXPECTED, "Pod"})  # kinds of which each is a case of its own
_Asked = tuple[Hashable, Hashable]  # what clients have in common beside what policies see of them, and what is asked


class _Known(Struct, frozen=True):
    answer: Any
    rests: Rests


_POLICED: Final = Memo[_Asked, tuple[str, ...]](10_000)  # namespaces by whose policies clients may be told apart
_ANSWERS: Final = Memo[tuple[_Asked, PodClass], _Known](10_000)


class Remembered:
    """What one client asks in a view."""

    def __init__(self, view: View, workload: Workload) -> None:
        """Find out with whom it may share answers."""
        self._view, self._workload = view, workload
        template, pod_class = workload.template, workload.template.pod_class
        single = pod_class.host_network or workload.ref.kind in _SINGLE
        self._ground = None if single else view.ground()
        self._common = (
            pod_class.namespace,
            template.injected,
            template.dns_policy,
            template.aliases,
            template.nameservers,
        )
        self._classes: dict[tuple[str, ...], PodClass] = {}
        self._classes_at = -1  # the change after which these were told apart

    def ask(self, what: Hashable, answer: Callable[[View, Workload], T], parts: Callable[[T], Iterable[Judged]]) -> T:
        """Return what `answer` says of a view and a workload, as it is remembered under `what`.

        `parts`: what of it was judged, which is without near misses: these are about labels.
        """
        if self._ground is None:
            return answer(self._view, self._workload)
        self._view.budget.spend()
        ground, on_top = self._ground
        view = ground.base if isinstance(ground, Noting) else ground
        asked: _Asked = self._common, what
        policed = view.memo(_POLICED).get(asked)
        known = None if policed is None else view.memo(_ANSWERS).get((asked, self._class(view, policed)))
        if known is None or not known.rests.holds(view):
            known = self._worked_out(view, asked, answer, parts)
        if known is None or known.rests.is_about(self._workload) or any(map(known.rests.is_about, on_top)):
            return answer(self._view, self._workload)
        if isinstance(ground, Noting):
            ground.take(known.rests)
        found: T = known.answer
        return found

    def _worked_out(
        self, view: View, asked: _Asked, answer: Callable[[View, Workload], T], parts: Callable[[T], Iterable[Judged]]
    ) -> _Known | None:
        """Work an answer out for anybody who is alike, and remember it; None: it rests on too much."""
        noting, template = Noting(view), self._workload.template
        of_class = Template(
            template.pod_class,
            dns_policy=template.dns_policy,
            injected=template.injected,
            aliases=template.aliases,
            nameservers=template.nameservers,
        )
        found = answer(noting, Workload(WorkloadRef("Deployment", template.pod_class.namespace, ""), of_class))
        rests = noting.rests()
        if rests is None:
            return None
        servers = (flow.to for part in parts(found) for flow in part.flows)
        spaces = {*rests.policed, *(to.namespace for to in servers if isinstance(to, WorkloadRef))}
        policed = tuple(sorted(spaces.union(view.memo(_POLICED).get(asked, ()))))
        view.memo(_POLICED)[asked] = policed
        known = view.memo(_ANSWERS)[asked, self._class(view, policed)] = _Known(found, rests)
        return known

    def _class(self, view: View, policed: tuple[str, ...]) -> PodClass:
        """Return the class of pods that stands for all whom nobody tells from the client's."""
        if self._classes_at != view.memos.now:
            self._classes, self._classes_at = {}, view.memos.now
        found = self._classes.get(policed)
        if found is None:
            end = alike(view, PodEnd(self._workload.template.pod_class), *policed)
            found = self._classes[policed] = end.pod_class
        return found

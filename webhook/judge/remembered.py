"""Answers for a client, remembered for all whom nobody tells from it who is asked for them.

They are worked out in the view whose memory it is, for a client that has nothing of its own but what policies may see
of it, and rest on what was looked up then (`world.rests`). So nobody shares them who is among those looked for: who is
behind what it asks for, or comes there by being put on top of a view.
"""

from collections.abc import Callable, Hashable, Iterable
from typing import Any, Final, Generic, TypeVar

from msgspec import Struct

from webhook.evaluate.ends import class_alike
from webhook.judge.dependency import Judged
from webhook.model.objects import PodClass, Template, Workload
from webhook.model.refs import EXPECTED, WorkloadRef
from webhook.world import View
from webhook.world.changes import Memo
from webhook.world.noting import Noting
from webhook.world.rests import Rests

T = TypeVar("T")
_SINGLE: Final = frozenset({EXPECTED, "Pod"})  # kinds of which each is a case of its own
_Asked = tuple[Hashable, Hashable]  # what clients have in common beside what policies see of them, and what is asked


class _Known(Struct, frozen=True):
    answer: Any = None
    rests: Rests | None = None  # None: it was asked for once, and is worked out for all when somebody asks again


_ONCE: Final = _Known()
_ANYBODYS: Final[tuple[str, ...]] = ("?",)  # whose they are is not known yet
_TOO_MANY: Final[tuple[str, ...]] = ("*",)  # an answer rests on more look-ups than are worth to be noted


class Kept:
    """Where answers of one size are kept, and by whose policies clients may be told apart."""

    def __init__(self, most: int) -> None:
        """`most`: how many are."""
        self.policed = Memo[_Asked, tuple[str, ...]](most)  # namespaces
        self.answers = Memo[tuple[_Asked, PodClass], _Known](most)


ITEMS: Final = Kept(20_000)
LISTS: Final = Kept(1_000)


class Question(Struct, Generic[T]):
    """What is asked: `answer` of a view and a client, remembered under `what`.

    `parts`: what of an answer was judged, which is without near misses: these are about labels.
    """

    what: Hashable
    answer: Callable[[View, Workload], T]
    parts: Callable[[T], Iterable[Judged]]
    kept: Kept = ITEMS


class Remembered:
    """What one client asks in a view."""

    def __init__(self, view: View, workload: Workload, *, often: bool = False) -> None:
        """Find out with whom it may share answers. `often`: many will ask the same, so that the first answer is kept.

        Otherwise it is when somebody asks again: most of what is asked once is not.
        """
        self._often = often
        self.view, self.workload = view, workload
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

    def ask(self, question: Question[T]) -> T | None:
        """Return the answer for any client that is alike; None: there is none, or the client's own is another one."""
        if self._ground is None:
            return None
        ground, on_top = self._ground
        view = ground.base if isinstance(ground, Noting) else ground
        asked: _Asked = self._common, question.what
        known = self._kept(view, asked, question.kept)
        if known is None:
            return None
        self.view.budget.spend()
        if known.rests is None or not known.rests.holds(view):
            known = self._worked_out(view, asked, question)
        rests = known.rests
        workload = self.workload
        others = [one for one in on_top if one is not workload]
        if rests is None or rests.is_about(workload) or any(map(rests.is_about, others)):
            return None
        if isinstance(ground, Noting):
            ground.take(rests)
        found: T = known.answer
        return found

    def _kept(self, view: View, asked: _Asked, kept: Kept) -> _Known | None:
        """Return what is remembered for all who are alike; None: none of them has asked before, or it is never kept."""
        places, answers = view.memo(kept.policed), view.memo(kept.answers)
        policed = places.get(asked)
        if policed is _TOO_MANY:
            return None
        if policed is None:
            places[asked] = _ANYBODYS
            return _ONCE if self._often else None
        if policed is _ANYBODYS:
            return _ONCE
        key = asked, self._class(view, policed)
        known = answers.get(key)
        if known is None:
            answers[key] = _ONCE
            return _ONCE if self._often else None
        return known

    def _worked_out(self, view: View, asked: _Asked, question: Question[T]) -> _Known:
        """Work an answer out for anybody who is alike, and remember it unless it rests on too much."""
        noting, template = Noting(view), self.workload.template
        of_class = Template(
            template.pod_class,
            dns_policy=template.dns_policy,
            injected=template.injected,
            aliases=template.aliases,
            nameservers=template.nameservers,
        )
        found = question.answer(noting, Workload(WorkloadRef("Deployment", template.pod_class.namespace, ""), of_class))
        rests = noting.rests()
        if rests is None:
            view.memo(question.kept.policed)[asked] = _TOO_MANY
            return _ONCE
        servers = (flow.to for part in question.parts(found) for flow in part.flows)
        spaces = {*rests.policed, *(to.namespace for to in servers if isinstance(to, WorkloadRef))}
        places, answers = view.memo(question.kept.policed), view.memo(question.kept.answers)
        before = places.get(asked, _ANYBODYS)
        policed = places[asked] = tuple(sorted(spaces if before is _ANYBODYS else spaces.union(before)))
        known = answers[asked, self._class(view, policed)] = _Known(found, rests)
        return known

    def _class(self, view: View, policed: tuple[str, ...]) -> PodClass:
        """Return the class of pods that stands for all whom nobody tells from the client's."""
        if self._classes_at != view.memos.now:
            self._classes, self._classes_at = {}, view.memos.now
        found = self._classes.get(policed)
        if found is None:
            found = self._classes[policed] = class_alike(view, self.workload.template.pod_class, policed)
        return found

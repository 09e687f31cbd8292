"""What an answer rests on beside what `View.memo` does: the look-ups that it took, as `world.noting` notes them.

It holds as long as they would say the same, and in a view with workloads on top as long as none of these is among those
that were looked for.
"""

from collections.abc import Hashable
from typing import Any, Final

from msgspec import Struct

from webhook.model.labels import Labels
from webhook.model.objects import Workload
from webhook.model.refs import WorkloadRef
from webhook.world.view import View

ANYWHERE: Final = ""  # in place of a namespace: all of them
Call = tuple[str, str, tuple[Hashable, ...]]  # lister, method and arguments


class Rests(Struct):
    """What an answer rests on. `checked`: the last change of which it is known that it still holds.

    `spaces`: namespaces of which pods, workloads, Services or endpoints were asked, which had `version`. `refs`,
    `selected`, `everybody`: for whom, by name, by what a Service selects, or all of a namespace. `policed`: namespaces
    whose policies, or pods, were asked. `calls`: what else was asked, and said. `passing`: more than that was.
    """

    checked: int
    spaces: tuple[str, ...]
    version: Hashable
    refs: frozenset[WorkloadRef]
    selected: frozenset[tuple[str, Labels]]
    everybody: frozenset[str]
    policed: frozenset[str]
    calls: tuple[tuple[Call, Any], ...]
    passing: bool

    def holds(self, view: View) -> bool:
        """Say whether all of it is as it was."""
        now = view.memos.now
        if self.checked == now:
            return True
        if self.passing or view.version_of(*self.spaces) != self.version:
            return False
        if any(_again(view, call) != said for call, said in self.calls):
            return False
        self.checked = now
        return True

    def is_about(self, workload: Workload) -> bool:
        """Say whether it may be another one where a workload is there as well, or is who asks."""
        ref = workload.ref
        space = ref.namespace
        if ANYWHERE in self.everybody:
            return True
        if space not in self.spaces:
            return False
        if ref in self.refs or space in self.everybody:
            return True
        labels = set(workload.template.pod_class.labels.pairs)
        return True in [labels.issuperset(some.pairs) for where, some in self.selected if where == space]


def _again(view: View, call: Call) -> object:
    lister, method, arguments = call
    return getattr(getattr(view, lister) if lister else view, method)(*arguments)

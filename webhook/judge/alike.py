"""One answer for all clients that no policy in question tells apart.

A change, or a server, may have thousands of clients, of which policies tell few apart: those of a namespace that are
let out by the same policies, and have the same of those labels that the rules of who is asked ask for.
"""

from collections.abc import Iterable
from typing import Final

from msgspec import structs

from webhook.dependencies import Resolved
from webhook.evaluate.ends import AMBIENT, INJECTED, WAYPOINT
from webhook.evaluate.rules import is_volatile, pooled
from webhook.judge.dependency import Judged, judge
from webhook.judge.dns import answering, judge_dns
from webhook.matrix.workloads import Asked
from webhook.model.objects import PodClass, Workload
from webhook.model.policy import Direction
from webhook.model.refs import EXPECTED, WorkloadRef
from webhook.world import Group, View
from webhook.world.view import Selecting

_MESH: Final = (AMBIENT, WAYPOINT, INJECTED)  # labels that meshes ask for
_SINGLE: Final = frozenset({EXPECTED, "Pod"})  # kinds of which each is a case of its own
Keys = tuple[str, ...]


def is_of(ref: WorkloadRef, resolved: Resolved) -> bool:
    """Say whether a dependency leads to other than pods, or to pods of who asks, through a Service or not."""
    return any(not isinstance(flow.to, Group) or flow.own or flow.to.ref == ref for flow in resolved.found.flows)


class Alike:
    """Answers in one view, remembered for clients that no policy in question tells apart."""

    def __init__(self, view: View) -> None:
        """Start with nothing remembered."""
        self._view = view
        self._answers: dict[object, Judged] = {}
        self._look_ups: dict[object, Judged | None] = {}
        self._resolver = answering(view)
        self._keys: dict[int, tuple[object, Keys | None]] = {}  # by identity of what they are about, which is kept, too

    def judge(self, workload: Workload, resolved: Resolved) -> Judged:
        """Judge one dependency, without near misses."""
        keys = (
            None
            if is_of(workload.ref, resolved)
            else self._asked(resolved.found, (flow.to for flow in resolved.found.flows))
        )
        like = None if keys is None else self._like(workload, keys)
        if like is None:
            return judge(self._view, workload, resolved, near=False)
        self._view.budget.spend()
        key = (id(resolved.found), resolved.text, resolved.source, resolved.by_name, resolved.shared, like)
        found = self._answers.get(key)
        if found is None:
            found = self._answers[key] = judge(self._view, workload, resolved, near=False)
        return found

    def look_up(self, workload: Workload) -> Judged | None:
        """Judge the look-up that names need, as `judge_dns` does; the near misses may be those of another one."""
        groups = self._resolver
        keys = None if groups is None else self._asked(groups, groups)
        like = None if keys is None or workload.template.nameservers else self._like(workload, keys)
        if groups is None or like is None or any(group.ref == workload.ref for group in groups):
            return judge_dns(self._view, workload)
        self._view.budget.spend()
        key = workload.template.dns_policy, like
        if key not in self._look_ups:
            self._look_ups[key] = judge_dns(self._view, workload)
        return self._look_ups[key]

    def _like(self, workload: Workload, keys: Keys) -> object:
        """Return what is the same of clients that fare alike; None: that cannot be said of this one."""
        template, pod_class = workload.template, workload.template.pod_class
        if pod_class.host_network or workload.ref.kind in _SINGLE:
            return None
        out = self._view.policies.selecting(pod_class, Direction.EGRESS)
        if out and not _are_plain(out):
            return None
        value = pod_class.labels.get
        labels = [value(key) for key in keys]
        return (
            pod_class.namespace,
            pod_class.template,
            pod_class.account,
            template.injected,
            *labels,
            *((id(policy), selects) for policy, selects in out),
        )

    def _asked(self, about: object, ends: Iterable[object]) -> Keys | None:
        """Return the labels that rules of whoever is sent to ask of clients; None: they ask for more than labels."""
        known = self._keys.get(id(about))
        if known is None:
            known = self._keys[id(about)] = about, self._of_rules(ends)
        return known[1]

    def _of_rules(self, ends: Iterable[object]) -> Keys | None:
        view, rules = self._view, []
        for end in ends:
            for pod_class in _pod_classes(end) if isinstance(end, Group) else ():
                selecting = view.policies.selecting(pod_class, Direction.INGRESS)
                if is_volatile(selecting) or pooled(view, selecting, Direction.INGRESS) is not selecting:
                    return None
                rules += [structs.replace(policy, subject=None, scope=None) for policy, _ in selecting]
        view.budget.spend(sum(len(policy.rules) for policy in rules))
        return (*_MESH, *sorted(Asked.by(view, rules).keys))


def _are_plain(out: Selecting) -> bool:
    """Say whether rules ask for nothing of the client itself, nor for the endpoints of a Service."""
    return not is_volatile(out) and not any(rule.subject_peers for policy, _ in out for rule in policy.rules)


def _pod_classes(group: Group) -> set[PodClass]:
    return {pod.pod_class for pod in group.pods} | ({group.template.template.pod_class} if group.template else set())

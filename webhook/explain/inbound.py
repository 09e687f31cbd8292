"""Declared ways in, judged: what packets meet on the way from whoever sends them to a workload's pods."""

from collections.abc import Iterator

from msgspec import Struct, structs

from webhook.dependencies.inbound import Path, inbound
from webhook.explain.judge import Judged, judge
from webhook.model.objects import Workload
from webhook.model.refs import WorkloadRef
from webhook.model.verdict import CLOSED, Verdict
from webhook.world import View


class Way(Struct, frozen=True):
    """A declared way in. `judged`: one for each kind of pod that sends; `verdict` sums them up.

    DENIED, or PARTIAL for some of its paths, only where that is so of everybody who may be the one that sends.
    """

    path: Path
    judged: tuple[tuple[Workload, Judged], ...]
    verdict: Verdict

    @property
    def senders(self) -> tuple[WorkloadRef, ...]:
        """Who sends, or may be the one that does."""
        return tuple(dict.fromkeys(sender.ref for sender, _ in self.judged))


def judge_inbound(view: View, workload: Workload, *, near: bool = True) -> Iterator[Way]:
    """Judge the ways in to the pods that a workload's template makes. `view` has the workload, without any pods."""
    for path in inbound(view, workload):
        judged = tuple((sender, judge(view, sender, path.to, near=near)) for sender in path.sources)
        yield Way(path, judged, _together(path, [one for _, one in judged]))


def _together(path: Path, judged: list[Judged]) -> Verdict:
    verdicts = {_of_ports(one) if path.tried else one.verdict for one in judged}
    if Verdict.ALLOWED in verdicts:
        return Verdict.ALLOWED
    for least in (Verdict.UNKNOWN, Verdict.PARTIAL):
        if least in verdicts:
            return least
    return Verdict.DENIED


def _of_ports(one: Judged) -> Verdict:
    """Sum up ports of which any may be the one that is meant: closed only where all are."""
    verdicts = {flow.verdict for flow in one.flows}
    if len(verdicts) == 1:
        return next(iter(verdicts))
    return Verdict.ALLOWED if Verdict.ALLOWED in verdicts else Verdict.UNKNOWN


def closed_part(one: Judged) -> Judged:
    """Return an answer with no more than what does not pass."""
    return structs.replace(one, flows=tuple(flow for flow in one.flows if flow.verdict in CLOSED))

"""Errors of others than the workload's own connection: what a probe waits for, whom the API server calls."""

from collections.abc import Iterator

from msgspec import structs

from webhook.explain.apiserver_callers import from_api_server
from webhook.explain.explanation import Explanation
from webhook.explain.judge import Judged
from webhook.explain.workload import judge_workload
from webhook.model.objects import Shape, Workload
from webhook.model.refs import WorkloadRef
from webhook.model.verdict import CLOSED, OPEN, FlowVerdict, Verdict, together
from webhook.world import View


def suspects(view: View, workload: Workload) -> tuple[Judged, ...]:
    """Return what a workload needs and policy denies, the DNS look-up included."""
    if not view.enforcer.enforces:
        return ()
    found = judge_workload(view, workload)
    every = (*found.dependencies, *((found.dns,) if found.dns else ()))
    return tuple(one for one in every if one.verdict in CLOSED)


def called_by_api_server(view: View, found: Explanation) -> Explanation:
    """Return an explanation with the API server as the client: from a node, that no egress policy holds up."""
    if found.judged is None or not found.flows:
        return found
    flows = tuple(new for flow in found.flows for new in _called(view, flow))
    verdict = together(flow.verdict for flow in flows) if view.enforcer.enforces else Verdict.ALLOWED
    reason = next((flow.ingress.reason for flow in flows if flow.ingress.reason), None)
    judged = structs.replace(found.judged, flows=flows, verdict=verdict, by_name=False)
    return structs.replace(found, flows=flows, verdict=verdict, reason=reason, judged=judged, dns=None)


def _called(view: View, flow: FlowVerdict) -> Iterator[FlowVerdict]:
    shapes = tuple(_shapes(view, flow.to)) if isinstance(flow.to, WorkloadRef) else ()
    for shape in shapes:
        side = None if shape.host_network else from_api_server(view, shape, flow.port)
        side = side or OPEN
        yield structs.replace(flow, verdict=side.verdict, egress=OPEN, ingress=side)
    if not shapes:
        yield structs.replace(flow, verdict=Verdict.ALLOWED, egress=OPEN, ingress=OPEN)


def _shapes(view: View, ref: WorkloadRef) -> Iterator[Shape]:
    pods, known = view.pods_of(ref), view.workload(ref)
    if pods:
        yield from dict.fromkeys(pod.shape for pod in pods)
    elif known is not None:
        yield known.template.shape

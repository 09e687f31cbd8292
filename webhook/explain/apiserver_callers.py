"""Webhooks and aggregated APIs: servers that the API server calls, from a node, and that a default deny shuts off.

Which Service is called is written in webhook configurations, APIServices and CRDs, which are read in files; a container
that names its port so says it, too.
"""

from collections.abc import Iterator
from typing import Final

from msgspec import structs

from webhook.dependencies.apiserver import control_plane_nodes
from webhook.dependencies.inbound import exposed_ports
from webhook.dependencies.services import named
from webhook.evaluate import Outside, PodEnd, judge_side
from webhook.evaluate.connection import ALL_ADDRESSES
from webhook.explain.judge import Judged
from webhook.model.addresses import Block
from webhook.model.dependency import Source
from webhook.model.inbound import Call
from webhook.model.objects import Shape, Workload
from webhook.model.policy import Direction
from webhook.model.refs import WorkloadRef
from webhook.model.truth import Truth
from webhook.model.verdict import OPEN, FlowVerdict, Side, Verdict, together
from webhook.world import View

NOT_KNOWN: Final = "which addresses the API server calls from is not known"
PORTS: Final = frozenset({"admission", "https-webhook", "webhook", "webhook-api", "webhook-server", "webhooks"})
NO_FIX: Final = "let in the control plane, {addresses}, on port {port}"
NO_FIX_BY_PLACE: Final = "let in entities kube-apiserver and remote-node on port {port} by a CiliumNetworkPolicy"


def judge_hooks(view: View, workload: Workload) -> Iterator[tuple[int, str, Judged]]:
    """Yield the ports that the API server calls and that no address of the control plane gets to, and who says so."""
    shape = workload.template.shape
    if shape.host_network or workload.owner is not None:
        return
    said: dict[int, tuple[str, Source]] = {}
    for number, by in _by_declaration(view, workload):
        said.setdefault(number, (by, "inbound"))
    for number, by in _by_name(workload):
        said.setdefault(number, (by, "inferred"))
    for number, (by, source) in said.items():
        side = from_api_server(view, shape, number)
        if side is not None and side.verdict is Verdict.DENIED:
            yield number, by, _judged(workload.ref, number, side, source)


def _by_declaration(view: View, workload: Workload) -> Iterator[tuple[int, str]]:
    """Yield the ports of pods behind the Services that webhook configurations, APIServices and CRDs name."""
    for service in view.services_of(workload.template.shape):
        for one in view.inbound.sending_to(service.namespace, service.name):
            if not isinstance(one, Call):
                continue
            for port in exposed_ports(service, one.backends):
                target = port.target if port.target is not None else port.port
                number = named(workload.template.declares, target, "TCP") if isinstance(target, str) else target
                if number is not None:
                    yield number, f"{one.kind} {one.name}"


def _by_name(workload: Workload) -> Iterator[tuple[int, str]]:
    for port in workload.template.declares:
        if port.name in PORTS and port.protocol == "TCP":
            yield port.number, f"its port `{port.name}` is a webhook's"


def from_api_server(view: View, shape: Shape, port: int) -> Side | None:
    """Judge the way in for the API server; None: it is on the only node, whose pods it always reaches.

    Where no address of the control plane is known, any may be its own: denied only where all are.
    """
    callers = sorted(set(control_plane(view))) or [ALL_ADDRESSES[family] for family in view.families()]
    here = _elsewhere(view, callers)
    if not here:
        return None
    end = PodEnd(shape, node=here)
    sides = [judge_side(view, Direction.INGRESS, end, Outside(one), one.family, "TCP", port) for one in callers]
    verdict = together(side.verdict for side in sides)
    worst = next((side for side in sides if side.verdict is verdict), sides[0])
    if verdict is Verdict.PARTIAL or worst.verdict is not verdict:
        return structs.replace(worst, verdict=Verdict.UNKNOWN, reason=NOT_KNOWN)
    return worst


def _elsewhere(view: View, callers: list[Block]) -> str:
    """Return a node that the API server is not on; empty: there is none. Files need not hold every node."""
    nodes = list(view.nodes())
    apart = [node.name for node in nodes if not any(address.block in callers for address in node.addresses)]
    return min(apart, default="" if nodes and view.complete else "elsewhere")


def control_plane(view: View) -> Iterator[Block]:
    """Yield the addresses that the API server calls from, as far as they are known."""
    kubernetes = view.service("default", "kubernetes")
    for address, _, _ in view.endpoints(kubernetes) if kubernetes else ():
        yield address.block
    yield from control_plane_nodes(view)


def remedy(view: View, port: int) -> str:
    """Return what lets the API server in."""
    if view.dialect.blocks.nodes is Truth.NO:
        return NO_FIX_BY_PLACE.format(port=port)
    addresses = ", ".join(str(block) for block in sorted(set(control_plane(view)))[:3])
    return NO_FIX.format(addresses=addresses or "by the addresses of its nodes", port=port)


def _judged(ref: WorkloadRef, port: int, ingress: Side, source: Source) -> Judged:
    flow = FlowVerdict(ref, 0, "TCP", port, None, Verdict.DENIED, OPEN, ingress)
    text = f"{ref.name}.{ref.namespace}:{port}/TCP"
    return Judged(text, source, Verdict.DENIED, (flow,), by_name=False)

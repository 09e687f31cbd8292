"""Webhooks and aggregated APIs: servers that the API server calls, from a node, and that a default deny shuts off.

Which Service is called is written in objects that are not read here; a container that names its port so says it too.
"""

from collections.abc import Iterator
from typing import Final

from webhook.evaluate import Outside, PodEnd, judge_side
from webhook.explain.judge import Judged
from webhook.model.addresses import Block
from webhook.model.objects import Workload
from webhook.model.policy import Direction
from webhook.model.ports import ContainerPort
from webhook.model.refs import WorkloadRef
from webhook.model.truth import Truth
from webhook.model.verdict import OPEN, FlowVerdict, Side, Verdict
from webhook.world import View

PORTS: Final = frozenset({"admission", "https-webhook", "webhook", "webhook-api", "webhook-server", "webhooks"})
CONTROL_PLANE: Final = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")
NO_FIX: Final = "let in the control plane, {addresses}, on port {port}"
NO_FIX_BY_PLACE: Final = "let in entities kube-apiserver and remote-node on port {port} by a CiliumNetworkPolicy"


def judge_hooks(view: View, workload: Workload) -> Iterator[tuple[ContainerPort, Judged]]:
    """Yield the ports that the API server calls and that no address of the control plane gets to."""
    ports = [port for port in workload.template.declares if port.name in PORTS and port.protocol == "TCP"]
    if not ports or workload.template.shape.host_network or workload.owner is not None:
        return
    callers = sorted(set(control_plane(view)))
    here = _elsewhere(view, callers)
    for port in ports if callers and here else ():
        end = PodEnd(workload.template.shape, node=here)
        sides = [
            judge_side(view, Direction.INGRESS, end, Outside(one), one.family, "TCP", port.number) for one in callers
        ]
        if all(side.verdict is Verdict.DENIED for side in sides):
            yield port, _judged(workload.ref, port, sides[0])


def _elsewhere(view: View, callers: list[Block]) -> str:
    """Return a node that the API server is not on; empty: there is none, and it always reaches its own node's pods."""
    nodes = list(view.nodes())
    apart = [node.name for node in nodes if not any(address.block in callers for address in node.addresses)]
    return min(apart, default="" if nodes else "elsewhere")


def control_plane(view: View) -> Iterator[Block]:
    """Yield the addresses that the API server calls from, as far as they are known."""
    kubernetes = view.service("default", "kubernetes")
    for address, _, _ in view.endpoints(kubernetes) if kubernetes else ():
        yield address.block
    for node in view.nodes():
        if any(node.labels.get(key) is not None for key in CONTROL_PLANE):
            yield from (address.block for address in node.addresses)


def remedy(view: View, port: ContainerPort) -> str:
    """Return what lets the API server in."""
    if view.dialect.blocks_hold_nodes is Truth.NO:
        return NO_FIX_BY_PLACE.format(port=port.number)
    addresses = ", ".join(str(block) for block in sorted(set(control_plane(view)))[:3])
    return NO_FIX.format(addresses=addresses, port=port.number)


def _judged(ref: WorkloadRef, port: ContainerPort, ingress: Side) -> Judged:
    flow = FlowVerdict(ref, 0, "TCP", port.number, None, Verdict.DENIED, OPEN, ingress)
    text = f"{ref.name}.{ref.namespace}:{port.number}/TCP"
    return Judged(text, "inferred", Verdict.DENIED, (flow,), by_name=False)

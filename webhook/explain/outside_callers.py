"""LoadBalancer Services: clients outside the cluster, whom policy sees by their own address or by a node's.

Under externalTrafficPolicy Cluster the packets of other nodes come from those nodes' addresses; under Local a client's
own address stays (`k8s.io/api/core/v1` ServiceExternalTrafficPolicy).
"""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from webhook.dependencies.services import named
from webhook.evaluate import Outside, PodEnd, judge_side
from webhook.evaluate.connection import ALL_ADDRESSES
from webhook.evaluate.coverage import POD_RANGES
from webhook.explain.judge import Judged
from webhook.model.addresses import Block, Protocol
from webhook.model.objects import Service, Workload
from webhook.model.policy import Direction
from webhook.model.truth import Truth
from webhook.model.verdict import OPEN, FlowVerdict, Side, Verdict
from webhook.world import View

NOBODY: Final = "let its clients' addresses in on port {port}, with externalTrafficPolicy: Local, so that they are seen"
AS_NODES: Final = (
    "set externalTrafficPolicy: Local, or let the nodes in on port {port}: under Cluster packets have their addresses"
)
PRIVATE: Final = "nodes are not given: they are assumed to have private addresses"


class Unreached(Struct, frozen=True):
    """A port of pods that nobody outside gets to through a LoadBalancer Service, and what to do."""

    service: Service
    judged: Judged
    remedy: str


def judge_balanced(view: View, workload: Workload) -> Iterator[Unreached]:
    """Yield the ports behind LoadBalancer Services that are shut to all addresses, or to those of nodes."""
    shape = workload.template.shape
    if shape.host_network or workload.owner is not None:
        return
    for service in view.services_of(shape):
        for port in service.ports if service.balanced else ():
            target = port.target if port.target is not None else port.port
            number = named(workload.template.declares, target, port.protocol) if isinstance(target, str) else target
            found = None if number is None else _shut(view, workload, service, port.protocol, number)
            if number is not None and found is not None:
                side, remedy = found
                notes = (PRIVATE,) if remedy is AS_NODES and not [*view.nodes()] else ()
                flow = FlowVerdict(workload.ref, 0, port.protocol, number, port.port, Verdict.DENIED, OPEN, side)
                text = f"{service.name}.{service.namespace}:{port.port}/{port.protocol}"
                yield Unreached(
                    service,
                    Judged(text, "inbound", Verdict.DENIED, (flow,), assumptions=notes, by_name=False),
                    remedy.format(port=number),
                )


def _shut(view: View, workload: Workload, service: Service, protocol: Protocol, port: int) -> tuple[Side, str] | None:
    """Return what shuts a port, and the remedy; None: somebody may get in."""
    everybody = [ALL_ADDRESSES[family] for family in service.families or view.families()]
    if (side := _denied(view, workload, everybody, protocol, port)) is not None:
        return side, NOBODY
    if service.external_local or view.dialect.blocks.nodes is not Truth.YES:
        return None
    nodes = [address.block for node in view.nodes() for address in node.addresses]
    ranges = [block for block in POD_RANGES if block.family in {one.family for one in everybody}]
    side = _denied(view, workload, nodes or ranges, protocol, port)
    return (side, AS_NODES) if side is not None else None


def _denied(view: View, workload: Workload, sources: list[Block], protocol: Protocol, port: int) -> Side | None:
    """Return the answer for packets from other nodes, where it is that none of these addresses gets in."""
    end = PodEnd(workload.template.shape, node="elsewhere")
    sides = [judge_side(view, Direction.INGRESS, end, Outside(one), one.family, protocol, port) for one in sources]
    return sides[0] if sides and all(side.verdict is Verdict.DENIED for side in sides) else None

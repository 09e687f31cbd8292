"""Dependencies on addresses: whose address it is decides what policy sees."""

import ipaddress

from webhook.dependencies.services import declares, through_service
from webhook.dependencies.targets import Flow, Found
from webhook.model.addresses import IPV4, IPV6, Address, Block
from webhook.model.objects import Workload
from webhook.model.ports import Protocol
from webhook.world import Group, View

Port = int | str | None


def at_address(view: View, workload: Workload, address: Address, port: Port, protocol: Protocol) -> Found:
    """Return the flows to one address: a pod's, a Service's, a node's, or one outside."""
    host = f"[{address}]" if address.family == IPV6 else str(address)
    text = f"{port}/{protocol}"
    if (pod := view.pod_at(address)) is not None:
        group = Group(view.top(pod), (pod,))
        number = port if isinstance(port, int) else next((p.number for p in pod.shape.ports if p.name == port), None)
        if number is None:
            return Found(host, port=text, unsure=f"no container of {pod.namespace}/{pod.name} names a port `{port}`")
        flow = Flow(group, protocol, number, families=(address.family,), declared=declares(group, number, protocol))
        return Found(host, (flow,), text)
    if (service := view.service_at(address)) is not None:
        found = through_service(view, service, port, protocol, workload.ref)
        return Found(host, found.flows, found.port, found.missing, found.unsure)
    if (service := view.outside_service_at(address)) is not None:
        of = f"{service.namespace}/{service.name}"
        why = f"{host} is an outside address of Service {of}: what policy sees depends on the CNI"
        return Found(host, port=text, unsure=why)
    if not isinstance(port, int):
        return Found(host, port=text, unsure=f"`{port}` is a port name, and {host} is no pod or Service")
    flow = Flow(address.block, protocol, port)
    return Found(host, (flow,), text, assumptions=tuple(_assumptions(view, address.block)))


def at_block(view: View, block: Block, port: Port, protocol: Protocol) -> Found:
    """Return the flow to every address of a block."""
    host = f"[{block}]" if block.family == IPV6 else str(block)
    if not isinstance(port, int):
        return Found(
            host, port=f"{port}/{protocol}", unsure=f"`{port}` is a port name, and {host} is no pod or Service"
        )
    return Found(
        host, (Flow(block, protocol, port),), f"{port}/{protocol}", assumptions=tuple(_assumptions(view, block))
    )


def _assumptions(view: View, block: Block) -> list[str]:
    if any(pool.overlaps(block) for pool in view.pod_blocks(block.family)):
        return [f"{block} is in the range of pod addresses; it is judged as an address outside the cluster"]
    return []


def may_be_a_pods(view: View, block: Block) -> bool:
    """Say whether a pod that is not here may have an address of `block`."""
    if pools := view.pod_blocks(block.family):
        return any(pool.overlaps(block) for pool in pools)
    if view.complete:
        return False
    cls = ipaddress.IPv4Address if block.family == IPV4 else ipaddress.IPv6Address
    return bool(cls(block.first).is_private) and bool(cls(block.last).is_private)

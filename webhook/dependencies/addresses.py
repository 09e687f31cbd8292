"""Dependencies on addresses: whose address it is decides what policy sees."""

from typing import Final

from msgspec import structs

from webhook.dependencies.services import declares, named, through_service
from webhook.dependencies.targets import Found, port_text
from webhook.evaluate import Flow
from webhook.model.addresses import IPV6, Address, Block, Family, is_loopback
from webhook.model.objects import Node, Workload
from webhook.model.ports import Protocol
from webhook.model.refs import WorkloadRef
from webhook.world import Group, View

Port = int | str | None
NODE_PORTS: Final = range(30_000, 32_768)  # --service-node-port-range of kube-apiserver, by default


def at_address(view: View, workload: Workload, address: Address, port: Port, protocol: Protocol) -> Found:
    """Return the flows to one address: a pod's, a Service's, a node's, or one outside."""
    host = f"[{address}]" if address.family == IPV6 else str(address)
    if is_loopback(address.block):
        number = port if isinstance(port, int) else None
        return Found(host, (Flow(address.block, protocol, number),), port_text(port, protocol))
    if (pod := view.pod_at(address)) is not None:
        return _at_pod(host, Group(view.top(pod), (pod,)), port, protocol, address.family)
    if (service := view.service_at(address)) is not None:
        found = through_service(view, service, port, protocol, workload.ref)
        flows = tuple(structs.replace(flow, families=(address.family,)) for flow in found.flows)
        return structs.replace(found, name=host, flows=flows)
    if (why := _translated(view, host, address, port, protocol)) is not None:
        return Found(host, port=f"{port}/{protocol}", unsure=why)
    return _outside(view, host, address.block, port, protocol)


def at_block(view: View, workload: Workload, block: Block, port: Port, protocol: Protocol) -> Found:
    """Return the flow to every address of a block; the only address of a block may be a pod's or a Service's."""
    host = f"[{block}]" if block.family == IPV6 else str(block)
    if block.size == 1:
        return structs.replace(
            at_address(view, workload, Address(block.family, block.first), port, protocol), name=host
        )
    return _outside(view, host, block, port, protocol)


def _at_pod(host: str, group: Group, port: Port, protocol: Protocol, family: Family) -> Found:
    (pod,) = group.pods
    number = named(pod.declares, port, protocol) if isinstance(port, str) else port
    if number is None:
        why = f"no container of {pod.namespace}/{pod.name} names a port `{port}`"
        return Found(host, port=f"{port}/{protocol}", unsure=why)
    flow = Flow(group, protocol, number, families=(family,), declared=declares(group, number, protocol))
    return Found(host, (flow,), f"{number}/{protocol}")


_SOURCE: Final = "and the source may be a node unless externalTrafficPolicy is Local"


def _translated(view: View, host: str, address: Address, port: Port, protocol: Protocol) -> str | None:
    """Say why it cannot be told where a packet to this address ends: a Service's from outside, or a node port's."""
    if (service := view.outside_service_at(address)) is not None:
        of = f"{service.namespace}/{service.name}"
        return f"{host} is an outside address of Service {of}: what policy sees depends on the CNI, {_SOURCE}"
    node = view.node_at(address)
    if node is not None and isinstance(port, int) and port in NODE_PORTS:
        return (
            f"{host} is node {node.name}, and {port} may be a NodePort: what policy sees depends on the CNI, {_SOURCE}"
        )
    if node is not None and isinstance(port, int) and (whose := _host_port_of(view, node, protocol, port)) is not None:
        its = f"{port} may be the hostPort of {whose.short}"
        return f"{host} is node {node.name}, and {its}, whose own policies count then"
    return None


def _host_port_of(view: View, node: Node, protocol: Protocol, port: int) -> WorkloadRef | None:
    """Return whose pods a port of a node leads to; those that run elsewhere alone are not there."""
    for workload in view.workloads():
        view.budget.spend()
        template = workload.template
        if (protocol, port) in template.host_ports and not template.shape.host_network:
            places = {pod.node for pod in view.pods_of(workload.ref)}
            if not places or places & {node.name, ""}:
                return workload.ref
    return None


def _outside(view: View, host: str, block: Block, port: Port, protocol: Protocol) -> Found:
    if not isinstance(port, int):
        why = f"`{port}` is a port name, and {host} is no pod or Service"
        return Found(host, port=f"{port}/{protocol}", unsure=why)
    flow = Flow(block, protocol, port)
    return Found(host, (flow,), f"{port}/{protocol}", assumptions=tuple(_assumptions(view, block)))


def _assumptions(view: View, block: Block) -> list[str]:
    if any(pool.overlaps(block) for pool in view.pod_blocks(block.family)):
        return [f"{block} is in the range of pod addresses; it is judged as an address outside the cluster"]
    return []

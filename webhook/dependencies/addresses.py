"""Dependencies on addresses: whose address it is decides what policy sees."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from msgspec import structs

from webhook.dependencies.container_ports import declares, named
from webhook.dependencies.services import Found, port_text, through_service
from webhook.evaluate import Flow
from webhook.model.addresses import IPV6, Address, Block, Family, Protocol, is_loopback
from webhook.model.objects import Node, Service, Workload
from webhook.world import Group, View

Port = int | str | None
NODE_PORTS: Final = range(30_000, 32_768)  # --service-node-port-range of kube-apiserver, by default


def at_address(view: View, workload: Workload, address: Address, port: Port, protocol: Protocol) -> Found:
    """Return the flows to one address: a pod's, a Service's, a node's, or one outside."""
    host = f"[{address}]" if address.family == IPV6 else str(address)
    if is_loopback(address.block):
        number = port if isinstance(port, int) else None
        return Found(host, (Flow(address.block, protocol, number),), port_text(port, protocol))
    if (pod := view.pods.at(address)) is not None:
        return _at_pod(host, Group(view.pods.top(pod), (pod,)), port, protocol, address.family)
    if (service := view.services.at(address)) is not None:
        found = through_service(view, service, port, protocol, workload.ref)
        flows = tuple(structs.replace(flow, families=(address.family,)) for flow in found.flows)
        return structs.replace(found, name=host, flows=flows)
    node = view.nodes.at(address)
    if node is not None and isinstance(port, int) and port in NODE_PORTS:
        why = f"{port} may be a NodePort: what policy sees depends on the CNI, {_SOURCE}"
        return Found(host, port=f"{port}/{protocol}", unsure=f"{host} is node {node.name}, and {why}")
    found = _outside(view, host, address.block, port, protocol)
    if services := view.services.outside_at(address):
        several = (through_service(view, one, port, protocol, workload.ref) for one in services)
        return _taken(found, _of_services(services), [flow for one in several for flow in one.flows])
    if node is not None and isinstance(port, int) and (pods := _at_host_port(view, node, protocol, port)):
        its = f"node {node.name}, and {port} may be the hostPort of {pods[0].ref.short}, whose own policies count then"
        return _taken(found, its, [flow for group in pods for flow in _to_declared(group, protocol)])
    return found


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


def _taken(found: Found, whose: str, ways: Iterable[Flow]) -> Found:
    """Return a flow to an address that somebody took: what policy sees may be it, or the pods of whoever did.

    Anybody can. What stays denied is what is denied in every way.
    """
    why, instead = f"{found.name} is {whose}", tuple(structs.replace(way, through=None) for way in ways)
    return structs.replace(found, flows=tuple(structs.replace(one, instead=instead, unsure=why) for one in found.flows))


def _of_services(services: Sequence[Service]) -> str:
    first = f"{services[0].namespace}/{services[0].name}" + (f" and {len(services) - 1} more" if services[1:] else "")
    return f"an outside address of Service {first}: what policy sees depends on the CNI, {_SOURCE}"


def _at_host_port(view: View, node: Node, protocol: Protocol, port: int) -> list[Group]:
    """Return whose pods a port of a node leads to; those that run elsewhere alone are not there."""
    found = []
    for workload in view.workloads.every():
        view.budget.spend()
        template = workload.template
        if (protocol, port) in template.host_ports and not template.pod_class.host_network:
            pods = view.pods.of(workload.ref)
            here = tuple(pod for pod in pods if pod.node in (node.name, ""))
            if here or not pods:
                found.append(Group(workload.ref, here, None if here else workload))
    return found


def _to_declared(group: Group, protocol: Protocol) -> Iterator[Flow]:
    """Yield a flow for each port that pods declare: which one a hostPort leads to is not kept."""
    templates = (group.template.template.declares if group.template else (), *(pod.declares for pod in group.pods))
    for number in dict.fromkeys(one.number for some in templates for one in some if one.protocol == protocol):
        yield Flow(group, protocol, number)


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

"""A Service, and the port that a client names, down to the pods and ports that packets reach."""

from collections.abc import Iterator

from webhook.dependencies.targets import Flow, Found, Missing
from webhook.model.objects import Service, ServicePort
from webhook.model.ports import ContainerPort, Protocol
from webhook.model.refs import WorkloadRef
from webhook.world import Group, View

Facts = tuple[tuple[str, str], ...]


def through_service(
    view: View, service: Service, port: int | str | None, protocol: Protocol, own: WorkloadRef
) -> Found:
    """Return the flows of `service:port`. `own`: the workload that asks."""
    name = f"{service.name}.{service.namespace}"
    ports = [p for p in service.ports if p.protocol == protocol and port in (p.port, p.name)]
    if port is None:
        ports = list(service.ports)
    if not ports and service.headless and isinstance(port, int):
        ports = [ServicePort(port, protocol)]  # its name resolves to the pods; kube-proxy has no part in it
    text = _port_text(ports[0], port) if port is not None and ports else (f"{port}/{protocol}" if port else "*")
    if not ports:
        return Found(name, port=text, missing=(Missing("NP202", _no_port(service, port, protocol)),))
    flows: list[Flow] = []
    missing: list[Missing] = []
    for wanted in ports:
        found, lost = _flows(view, service, wanted, port, own)
        flows += found
        missing += lost
    return Found(name, tuple(flows), text, tuple(dict.fromkeys(missing)), assumptions=())


def _port_text(port: ServicePort, asked: int | str | None) -> str:
    return f"{asked if isinstance(asked, int) else port.port}/{port.protocol}"


def _no_port(service: Service, port: int | str | None, protocol: Protocol) -> Facts:
    """Say what the Service has instead, and which slip it looks like."""
    has = ", ".join(f"{p.port}/{p.protocol}" for p in service.ports) or "none"
    hint = ""
    for other in service.ports:
        spoken = f"{other.port}/{other.protocol}"
        if port in (other.port, other.name):
            hint = f"it speaks {other.protocol}: write {spoken}"
        elif port is not None and port == other.target:
            hint = f"{port} is the target port: write the Service's port, {spoken}"
    facts = (("service", f"{service.namespace}/{service.name}"), ("port", f"{port}/{protocol}"), ("has", has))
    return (*facts, ("hint", hint)) if hint else facts


def _flows(
    view: View, service: Service, wanted: ServicePort, asked: int | str | None, own: WorkloadRef
) -> tuple[list[Flow], list[Missing]]:
    facts = (("service", f"{service.namespace}/{service.name}"), ("port", f"{wanted.port}/{wanted.protocol}"))
    if service.selector is None:
        flows = list(_listed(view, service, wanted, own))
        return flows, [] if flows else [Missing("NP204", facts)]
    groups = view.backends(service)
    if not groups:
        return [], [Missing("NP204", facts)]
    flows, missing = [], []
    for group in groups:
        for numbered in _by_number(service, wanted, asked, group):
            number, part = numbered
            if number is None:
                missing.append(Missing("NP203", (*facts, ("target", str(wanted.target)), ("workload", str(group.ref)))))
                continue
            flow = _flow(service, wanted, part, number, own)
            flows.append(flow)
            if not flow.declared:
                missing.append(Missing("NP203", (*facts, ("number", str(number)), ("workload", str(group.ref)))))
    return flows, missing


def _flow(service: Service, wanted: ServicePort, group: Group, number: int, own: WorkloadRef) -> Flow:
    return Flow(
        group,
        wanted.protocol,
        number,
        service_port=wanted.port,
        families=service.families,
        own=group.ref == own and not service.headless,
        local=service.local_only,
        declared=declares(group, number, wanted.protocol),
    )


def _by_number(
    service: Service, wanted: ServicePort, asked: int | str | None, group: Group
) -> Iterator[tuple[int | None, Group]]:
    """Split a group by the number that the target port stands for on each of its pods."""
    if service.headless and (isinstance(asked, int) or asked is None):
        yield wanted.port, group  # the client dials the pod itself: no translation
        return
    target = wanted.target if wanted.target is not None else wanted.port
    if isinstance(target, int):
        yield target, group
        return
    if group.template is not None:
        yield named(group.template.template.declares, target, wanted.protocol), group
        return
    parts: dict[int | None, list[int]] = {}
    for index, pod in enumerate(group.pods):
        parts.setdefault(named(pod.declares, target, wanted.protocol), []).append(index)
    for number, members in parts.items():
        yield number, Group(group.ref, tuple(group.pods[i] for i in members))


def named(ports: tuple[ContainerPort, ...], name: str, protocol: Protocol) -> int | None:
    """Return the number of a named container port, as `k8s.io/endpointslice` FindPort looks it up."""
    return next((p.number for p in ports if p.name == name and p.protocol == protocol), None)


def declares(group: Group, number: int, protocol: Protocol) -> bool:
    """Say whether any container of the group declares the port. Declaring is not needed, only telling."""
    shapes = [group.template.template.declares] if group.template else [p.declares for p in group.pods]
    return any(p.number == number and p.protocol == protocol for ports in shapes for p in ports)


def _listed(view: View, service: Service, wanted: ServicePort, own: WorkloadRef) -> Iterator[Flow]:
    """Yield flows to endpoints that somebody listed: pods where the address is a pod's, else plain addresses."""
    for address, number, name in view.endpoints(service):
        if name != wanted.name:
            continue
        port = wanted.port if number is None else number
        pod = view.pod_at(address)
        if pod is None:
            yield Flow(address.block, wanted.protocol, port, wanted.port, service.families)
        else:
            yield _flow(service, wanted, Group(view.top(pod), (pod,)), port, own)

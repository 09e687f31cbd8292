"""A Service, and the port that a client names, resolved to the pods and ports that packets reach."""

from collections.abc import Iterator
from typing import Final, Literal

from msgspec import Struct, structs

from webhook.dependencies.container_ports import by_name, declared_ports, declares
from webhook.evaluate import Flow, is_shut_to, template_end
from webhook.model.addresses import Protocol
from webhook.model.labels import NO_LABELS
from webhook.model.objects import UNKNOWN_ACCOUNT, PodClass, Service, ServicePort, Template, Workload
from webhook.model.refs import EXPECTED, WorkloadRef
from webhook.world import Group, View
from webhook.world.changes import Memo


class Missing(Struct, frozen=True):
    """Why a dependency has no flows. `what` is the finding, `facts` the words of its message."""

    what: Literal["NP201", "NP202", "NP203", "NP204"]
    facts: tuple[tuple[str, str], ...]


class Found(Struct, frozen=True):
    """What a dependency stands for. `name` is its canonical form without the port, `port` that with the protocol.

    `unsure`: why it cannot be told what it means.
    """

    name: str
    flows: tuple[Flow, ...] = ()
    port: str = "*"
    missing: tuple[Missing, ...] = ()
    unsure: str | None = None
    assumptions: tuple[str, ...] = ()


def port_text(port: int | str | None, protocol: Protocol) -> str:
    """Return a port in its canonical form."""
    return "*" if port is None else f"{port}/{protocol}"


Facts = tuple[tuple[str, str], ...]
Port = int | str | None
_EVERYBODYS: Final = ("kubernetes.io", "k8s.io", "helm.sh")  # domains of labels that anybody writes
MOST_PORTS: Final = 50  # that one declaration without a port stands for


class _Known(Struct, frozen=True):
    service: Service
    groups: tuple[Group, ...]
    probed: tuple[tuple[int, ...], ...]
    found: Found


_THROUGH: Final = Memo[tuple[str, str, Port, Protocol], _Known](50_000)


def through_service(view: View, service: Service, port: Port, protocol: Protocol, own: WorkloadRef) -> Found:
    """Return the flows of `service:port`. `own`: the workload that asks.

    Remembered for all who are not behind it themselves. The memo outlives pods, so what the answer rests on is
    compared; pods that are the same objects compare at once.
    """
    groups = view.pods.behind(service)
    view.budget.spend(len(groups))
    if service.selector is None or any(group.ref == own for group in groups):
        return _through(view, service, port, protocol, own)
    key, probed = (service.namespace, service.name, port, protocol), tuple(_probed(view, group) for group in groups)
    known = view.memo(_THROUGH).get(key)
    if known is not None and known.service == service and known.groups == groups and known.probed == probed:
        return known.found
    found = _through(view, service, port, protocol, own)
    view.memo(_THROUGH)[key] = _Known(service, groups, probed, found)
    return found


def _through(view: View, service: Service, port: Port, protocol: Protocol, own: WorkloadRef) -> Found:
    name = f"{service.name}.{service.namespace}"
    ports = [p for p in service.ports if p.protocol == protocol and port in (p.port, p.name)]
    if port is None:
        ports = list(service.ports)
    if not ports and service.headless and isinstance(port, int):
        ports = [ServicePort(port, protocol)]  # its name resolves to the pods; kube-proxy has no part in it
    if not ports:
        text = "*" if port is None else f"{port}/{protocol}"
        return Found(name, port=text, missing=(Missing("NP202", _no_port(view, service, port, text)),))
    text = "*" if port is None else _port_text(ports[0], port)
    if len(ports) > MOST_PORTS:
        return Found(name, port=text, unsure=too_many(name, len(ports)))
    flows: list[Flow] = []
    missing: list[Missing] = []
    for wanted in ports:
        found, lost = _flows(view, service, wanted, port, own)
        flows += found
        missing += lost
    return Found(name, tuple(flows), text, tuple(dict.fromkeys(missing)))


def or_supposed(view: View, service: Service, workload: Workload, found: Found) -> Found:
    """Return flows to pods that an operator will make, where nobody is seen behind a Service and policy shuts any out.

    It will where the Service selects by a label of its own domain (`strimzi.io/cluster`); others may select by mistake.
    What is closed to whatever pods stand there is closed; anything else about them is not known, and no number that a
    port's name stands for.
    """
    if found.flows or view.complete or {lost.what for lost in found.missing} != {"NP204"} or not _by_operator(service):
        return found
    pods, flows = supposed(service), []
    group, pod_class = Group(pods.ref, template=pods), pods.template.pod_class
    for one in (one for one in service.ports if found.port in ("*", f"{one.port}/{one.protocol}")):
        number = one.port if one.target is None or service.headless else one.target
        if isinstance(number, str) or not is_shut_to(
            view, template_end(view, workload), pod_class, one.protocol, number
        ):
            return found
        flows.append(structs.replace(_flow(service, one, group, number, workload.ref), declared=True))
    note = f"no pod of Service {service.namespace}/{service.name} is here: whichever an operator makes, policy shuts it"
    notes = (*found.assumptions, note) if flows else found.assumptions
    return structs.replace(found, flows=tuple(flows), assumptions=notes)


def _by_operator(service: Service) -> bool:
    """Say whether a Service selects by a label in the domain of something that is neither Kubernetes nor Helm."""
    domains = (key.partition("/")[0] for key, _ in (service.selector or NO_LABELS).pairs if "/" in key)
    return any(not domain.endswith(_EVERYBODYS) for domain in domains)


def supposed(service: Service) -> Workload:
    """Return the pods that an operator may make for a Service: they have the labels that it selects by, and others."""
    labels = service.selector or NO_LABELS
    pod_class = PodClass(service.namespace, labels, template=True, account=UNKNOWN_ACCOUNT)
    return Workload(WorkloadRef(EXPECTED, service.namespace, service.name), Template(pod_class))


def too_many(name: str, count: int) -> str:
    """Say why not every port of something is judged."""
    return f"{name} has {count} ports, more than {MOST_PORTS}: declare those that are needed"


def _port_text(port: ServicePort, asked: Port) -> str:
    return f"{asked if isinstance(asked, int) else port.port}/{port.protocol}"


def has(service: Service) -> str:
    """Return the ports that a Service has, as a message lists them."""
    return ", ".join(f"{p.port}/{p.protocol}" for p in service.ports) or "none"


def _no_port(view: View, service: Service, port: Port, text: str) -> Facts:
    """Say what the Service has instead, and which slip it looks like."""
    facts = (("service", f"{service.namespace}/{service.name}"), ("port", text), ("has", has(service)))
    for other in service.ports:
        if port is not None and port in (other.port, other.name):
            return (*facts, ("hint", f"it speaks {other.protocol}: write {other.port}/{other.protocol}"))
    for other in service.ports:
        if port is not None and port in _targets(view, service, other):
            spoken = f"{other.port}/{other.protocol}"
            return (*facts, ("hint", f"{port} is the target port: write the Service's port, {spoken}"))
    return facts


def _targets(view: View, service: Service, port: ServicePort) -> set[int | str | None]:
    """Return the target port, and the numbers that a name stands for on the backends."""
    if not isinstance(port.target, str):
        return {port.target}
    groups = view.pods.behind(service)
    return {port.target, *(n for g in groups for n, _ in by_name(g, port.target, port.protocol) if n is not None)}


def _flows(
    view: View, service: Service, wanted: ServicePort, asked: Port, own: WorkloadRef
) -> tuple[list[Flow], list[Missing]]:
    facts = (("service", f"{service.namespace}/{service.name}"), ("port", f"{wanted.port}/{wanted.protocol}"))
    if service.selector is None:
        flows = list(_listed(view, service, wanted, asked, own))
        return flows, [] if flows else [Missing("NP204", (*facts, ("complete", str(view.complete))))]
    groups = view.pods.behind(service)
    if not groups:
        return [], [Missing("NP204", (*facts, ("complete", str(view.complete))))]
    flows, missing = [], []
    for group in groups:
        view.budget.spend(1 + len(group.pods))
        for numbered in _by_number(service, wanted, asked, group):
            number, part = numbered
            if number is None:
                missing.append(Missing("NP203", (*facts, ("target", str(wanted.target)), ("workload", str(group.ref)))))
                continue
            flow = _flow(service, wanted, part, number, own)
            flows.append(flow)
            if not flow.declared and tells(view, group, number):
                missing.append(undeclared(service, wanted, group, number))
    return flows, missing


def tells(view: View, group: Group, number: int) -> bool:
    """Say whether it tells anything that nobody declares a port: others are declared, and no probe asks on it."""
    workload = group.template or view.workloads.get(group.ref)
    return bool(declared_ports(group)) and (workload is None or number not in workload.template.probed)


def undeclared(service: Service, wanted: ServicePort, group: Group, number: int, name: str = "") -> Missing:
    """Return that no container declares the port that a Service's port comes down to, and which was meant.

    `name`: what the client dials, where it is not the Service's own name.
    """
    facts = (("service", f"{service.namespace}/{service.name}"), ("port", f"{wanted.port}/{wanted.protocol}"))
    told = (*facts, ("number", str(number)), ("workload", str(group.ref)))
    dialled = name or f"{service.name}.{service.namespace}"
    return Missing("NP203", (*told, *_untranslated(service, wanted, group, dialled)))


def _probed(view: View, group: Group) -> tuple[int, ...]:
    workload = group.template or view.workloads.get(group.ref)
    return () if workload is None else workload.template.probed


def _untranslated(service: Service, wanted: ServicePort, group: Group, dialled: str) -> Facts:
    """Say which port was meant where a headless Service names another target port, which it does not lead to."""
    if not service.headless or wanted.target in (None, wanted.port):
        return ()
    target = wanted.target
    named = by_name(group, target, wanted.protocol) if isinstance(target, str) else [(target, group)]
    numbers = [n for n, _ in named if n is not None and declares(group, n, wanted.protocol)]
    if not numbers:
        return ()
    dial = f"dial {dialled}:{numbers[0]}"
    return (("headless", f"a headless Service translates nothing: {dial}, or make its port {numbers[0]}"),)


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
        through=None if service.headless else service,
    )


def _by_number(service: Service, wanted: ServicePort, asked: Port, group: Group) -> Iterator[tuple[int | None, Group]]:
    """Split a group by the number that the target port stands for on each of its pods."""
    if service.headless and (isinstance(asked, int) or asked is None):
        yield wanted.port, group  # the client dials the pod itself: no translation
        return
    target = wanted.target if wanted.target is not None else wanted.port
    if isinstance(target, int):
        yield target, group
    else:
        yield from by_name(group, target, wanted.protocol)


def _listed(view: View, service: Service, wanted: ServicePort, asked: Port, own: WorkloadRef) -> Iterator[Flow]:
    """Yield flows to endpoints that somebody listed: pods where the address is a pod's, else plain addresses.

    Behind a headless Service a number is dialled as it is, whatever port is listed.
    """
    unchanged = service.headless and not isinstance(asked, str)
    found: dict[Flow, None] = {}
    for address, number, name in view.services.endpoints(service):
        view.budget.spend()
        if name != wanted.name and not unchanged:
            continue
        port = wanted.port if number is None or unchanged else number
        pod = view.pods.at(address)
        if pod is None:
            through = None if service.headless else service
            found[Flow(address.block, wanted.protocol, port, wanted.port, service.families, through=through)] = None
        else:
            found[_flow(service, wanted, Group(view.pods.top(pod), (pod,)), port, own)] = None
    yield from found

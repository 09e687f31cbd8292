"""The ways in that others declare for a workload: Ingresses, Gateways' routes, scrape annotations (design.md §5)."""

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct

from webhook.dependencies.container_ports import declares, named
from webhook.dependencies.resolve import Resolved
from webhook.dependencies.services import Found
from webhook.dependencies.sources import Senders, of_exposure, of_ingress, of_route, scrapers
from webhook.evaluate import Flow
from webhook.model.addresses import Protocol
from webhook.model.inbound import ROUTES, Backend, Declaring, Exposure, Ingress, Monitor, Route, Scrape
from webhook.model.objects import Service, ServicePort, Workload
from webhook.model.refs import SHORT_KINDS
from webhook.model.truth import Truth
from webhook.world import Group, View

_ANNOTATION: Final = "prometheus.io/scrape"


class Path(Struct, frozen=True):
    """One declared way in. `by`: what declares it, as `Ingress shop/web`.

    `sources`: who sends; each is one kind of pod, and where they are of several workloads any may be the one that does.
    `tried`: of several ports any may be the one that is meant. `claimed`: who sends is told by what they say of
    themselves, so that a fix lets in those of other namespaces only where the settings admit them.
    """

    by: str
    to: Resolved
    sources: tuple[Workload, ...]
    tried: bool = False
    claimed: bool = False


def inbound(view: View, workload: Workload) -> Iterator[Path]:
    """Yield the ways in to the pods that a workload's template makes, where it is known who sends."""
    for service in view.services.selecting(workload.template.pod_class):
        for one in view.inbound.sending_to(service.namespace, service.name):
            yield from _sent(view, workload, service, one)
        if view.settings.inbound.scrape and service.scrape is not None:
            yield from _scraped_service(view, workload, service, service.scrape)
    if not view.settings.inbound.scrape:
        return
    if workload.template.scrape is not None:
        yield from _scraped_pods(view, workload, workload.template.scrape)
    for monitor in view.inbound.monitors():
        view.budget.spend()
        if not monitor.namespaces or workload.ref.namespace in monitor.namespaces:
            yield from _monitored(view, workload, monitor)


def _sent(view: View, workload: Workload, service: Service, one: Declaring) -> Iterator[Path]:
    """Yield the ways that one declaration makes, where its kind is asked for. The API server is no pod."""
    wanted = view.settings.inbound
    match one:
        case Ingress() if wanted.ingress:
            yield from _declared(view, workload, service, one)
        case Route() if wanted.gateway:
            yield from _declared(view, workload, service, one)
        case Exposure(senders=senders) if wanted.gateway if senders else wanted.scrape:
            yield from _exposed(view, workload, service, one)
        case _:
            pass


def _monitored(view: View, workload: Workload, one: Monitor) -> Iterator[Path]:
    """Yield what a ServiceMonitor, or a PodMonitor, has scraped of the workload's pods."""
    by = f"{one.kind} {one.namespace}/{one.name}"
    pod_class, name = workload.template.pod_class, f"{_word(workload)}.{workload.ref.namespace}"
    if one.kind == "PodMonitor":
        if one.selector.matches(pod_class.labels) is Truth.YES:
            every = [port for port in workload.template.declares if port.protocol == "TCP"]
            numbers = [p.number for p in every if not one.ports or p.name in one.ports or p.number in one.ports]
            flows = [_direct(workload, "TCP", number) for number in dict.fromkeys(numbers)]
            yield from _scraped(view, workload, name, flows, by)
        return
    for service in view.services.selecting(pod_class):
        if one.selector.matches(service.labels) is Truth.YES:
            found = [p for p in service.ports if not one.ports or not {p.name, p.port, p.target}.isdisjoint(one.ports)]
            several = [_flow(workload, service, port) for port in found if port.protocol == "TCP"]
            flows = [flow for flow in several if flow is not None]
            yield from _scraped(view, workload, f"{service.name}.{service.namespace}", flows, by)


def _exposed(view: View, workload: Workload, service: Service, one: Exposure) -> Iterator[Path]:
    """Yield one way for each port that another project's kind sends to; one that names none may mean any."""
    found = of_exposure(view, one)
    claimed = found.claimed or one.namespace != service.namespace
    senders = _others(view, workload, found.workloads, claimed=claimed)
    by, name = f"{one.kind} {one.namespace}/{one.name}", f"{service.name}.{service.namespace}"
    for port in exposed_ports(service, one.backends) if senders else ():
        flow = _flow(workload, service, port)
        if flow is not None:
            to = _to(name, f"{port.port}/{port.protocol}", (flow,))
            yield Path(by, to, senders, claimed=claimed)


def exposed_ports(service: Service, backends: Iterable[Backend]) -> Iterator[ServicePort]:
    """Yield the ports of a Service that backends mean, by the port's number or name, or by its target."""
    wanted = [b.port for b in backends if (b.namespace, b.service) == (service.namespace, service.name)]
    for port in service.ports:
        if port.protocol == "TCP" and any(one in (None, port.port, port.name, port.target) for one in wanted):
            yield port


def _word(workload: Workload) -> str:
    ref = workload.ref
    return f"{SHORT_KINDS.get(ref.kind, ref.kind.lower())}/{ref.name}"


def _declared(view: View, workload: Workload, service: Service, one: Ingress | Route) -> Iterator[Path]:
    """Yield one way for each port that is sent to."""
    protocol: Protocol = "TCP" if isinstance(one, Ingress) else ROUTES[one.kind]
    backends = [b for b in one.backends if (b.namespace, b.service) == (service.namespace, service.name)]
    ports = dict.fromkeys(port for b in backends if (port := _port(service, b, protocol)) is not None)
    reached = [(port, flow) for port in ports if (flow := _flow(workload, service, port)) is not None]
    found = of_ingress(view, one) if isinstance(one, Ingress) else of_route(view, one)
    claimed = found.claimed or one.namespace != service.namespace  # a route can be anybody's
    senders = _others(view, workload, found.workloads, claimed=claimed)
    kind = "Ingress" if isinstance(one, Ingress) else one.kind
    for port, flow in reached if senders else ():
        name = f"{service.name}.{service.namespace}"
        to = _to(name, f"{port.port}/{protocol}", (flow,))
        yield Path(f"{kind} {one.namespace}/{one.name}", to, senders, claimed=claimed)


def _port(service: Service, backend: Backend, protocol: Protocol) -> ServicePort | None:
    return next((p for p in service.ports if p.protocol == protocol and backend.port in (p.port, p.name)), None)


def _flow(workload: Workload, service: Service, port: ServicePort) -> Flow | None:
    """Return the flow to a Service's port: controllers dial its endpoints, so that a headless one is no exception."""
    target = port.target if port.target is not None else port.port
    number = named(workload.template.declares, target, port.protocol) if isinstance(target, str) else target
    return None if number is None else _direct(workload, port.protocol, number, service, port.port)


def _direct(
    workload: Workload, protocol: Protocol, number: int, service: Service | None = None, service_port: int | None = None
) -> Flow:
    group = Group(workload.ref, template=workload)
    families = service.families if service else ()
    return Flow(group, protocol, number, service_port, families=families, declared=declares(group, number, protocol))


def _scraped_service(view: View, workload: Workload, service: Service, scrape: Scrape) -> Iterator[Path]:
    """A port that is named replaces that of each endpoint; without one, every endpoint's own is tried."""
    ports = [port for port in service.ports if port.protocol == "TCP"]
    if scrape.port is not None:
        flows = [_direct(workload, "TCP", scrape.port, service)]
    else:
        flows = [flow for port in ports if (flow := _flow(workload, service, port)) is not None]
    by = f"{_ANNOTATION} of Service {service.namespace}/{service.name}"
    yield from _scraped(view, workload, f"{service.name}.{service.namespace}", flows, by)


def _scraped_pods(view: View, workload: Workload, scrape: Scrape) -> Iterator[Path]:
    declared = dict.fromkeys(port.number for port in workload.template.declares if port.protocol == "TCP")
    numbers = declared if scrape.port is None else (scrape.port,)
    name = f"{_word(workload)}.{workload.ref.namespace}"
    yield from _scraped(view, workload, name, [_direct(workload, "TCP", number) for number in numbers], _ANNOTATION)


def _scraped(view: View, workload: Workload, name: str, flows: list[Flow], by: str) -> Iterator[Path]:
    found = scrapers(view) if flows else Senders()
    senders = _others(view, workload, found.workloads, claimed=found.claimed)
    if senders:
        port = f"{flows[0].port}/TCP" if len(flows) == 1 else "*"
        yield Path(by, _to(name, port, tuple(flows)), senders, tried=True, claimed=found.claimed)


def _to(name: str, port: str, flows: tuple[Flow, ...]) -> Resolved:
    return Resolved(f"{name}:{port}", "inbound", Found(name, flows, port), by_name=False)


def _others(view: View, workload: Workload, senders: tuple[Workload, ...], *, claimed: bool) -> tuple[Workload, ...]:
    """Return the senders; none where the workload may be one itself.

    Of several who claim it the operator has said who counts: those whose namespaces are admitted.
    """
    admitted = tuple(sender for sender in senders if view.settings.admits(sender.ref.namespace))
    some = admitted if claimed and admitted else senders
    return () if any(sender.ref == workload.ref for sender in some) else some

"""Whose pods send what an Ingress, a route or a scrape annotation declares. What is not sure is nobody.

Sources: the IngressClass and Ingress status of `k8s.io/api/networking/v1`; GEP-1762 for the labels of what a Gateway
makes; the charts of the controllers for what their pods are called.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from msgspec import Struct, structs

from webhook.model.inbound import Exposure, Gateway, Ingress, Reached, Route
from webhook.model.labels import Labels
from webhook.model.objects import PodClass, Service, Template, Workload
from webhook.model.refs import EXPECTED
from webhook.world import Group, View
from webhook.world.controllers import maker_of
from webhook.world.workloads import scrapes

WEB: Final = frozenset({80, 443})  # on which an Ingress controller is reached
GATEWAY_NAME: Final = "gateway.networking.k8s.io/gateway-name"
_NAME: Final = "app.kubernetes.io/name"
_CONTROLLERS: Final = {  # spec.controller of an IngressClass, or how it begins -> labels of the pods, any of these sets
    "getambassador.io/ingress-controller": ({_NAME: "emissary-ingress"},),
    "haproxy-ingress.github.io/controller": ({_NAME: "haproxy-ingress"},),
    "haproxy.org/ingress-controller": ({_NAME: "kubernetes-ingress"},),
    "ingress-controllers.konghq.com/kong": ({_NAME: "kong"},),
    "istio.io/ingress-controller": ({"istio": "ingressgateway"},),
    "k8s.io/ingress-nginx": ({_NAME: "ingress-nginx"},),
    "nginx.org/ingress-controller": ({_NAME: "nginx-ingress"},),
    "projectcontour.io/": ({"app": "envoy"}, {_NAME: "contour", "app.kubernetes.io/component": "envoy"}),
    "traefik.io/ingress-controller": ({_NAME: "traefik"},),
}
_OWNED: Final = {  # spec.controllerName of a GatewayClass -> labels of the Service: the Gateway's name and namespace
    "gateway.envoyproxy.io/gatewayclass-controller": (
        "gateway.envoyproxy.io/owning-gateway-name",
        "gateway.envoyproxy.io/owning-gateway-namespace",
    )
}


class Senders(Struct, frozen=True):
    """Who sends. `claimed`: they are told by their labels or by an address that they took, which anybody can write."""

    workloads: tuple[Workload, ...] = ()
    claimed: bool = False


def of_ingress(view: View, ingress: Ingress) -> Senders:
    """Return the controller: who is at the address that it wrote down, else who is called as its class's usually is."""
    services = list(_at(view, ingress.reached, WEB))
    if services:
        return Senders(_senders(view, services), _taken(services, ingress.reached))
    labels = _labels_of_class(view, ingress)
    by_service = _senders(view, _of_class(view, ingress, labels)) if labels else ()
    return Senders(by_service or _of_groups(view, _on_nodes(view, labels)), claimed=True)


def of_route(view: View, route: Route) -> Senders:
    """Return whose pods are behind the Gateways of a route; nobody, where that is not known of each."""
    found: dict[Workload, None] = {}
    claimed = False
    for namespace, name in route.parents:
        gateway = view.inbound.gateway(namespace, name)
        senders = _of_gateway(view, gateway) if gateway else Senders()
        if not senders.workloads:
            return Senders()
        found.update(dict.fromkeys(senders.workloads))
        claimed = claimed or senders.claimed
    return Senders(tuple(found), claimed)


def scrapers(view: View) -> Senders:
    """Return who scrapes: as configured, else by what it is called."""
    named = view.settings.inbound.scrapers
    if named:
        return Senders(_of_groups(view, (Group(ref, view.pods.of(ref), view.workloads.get(ref)) for ref in named)))
    called = [Group(w.ref, view.pods.of(w.ref), w) for w in view.workloads.scrapers() if not maker_of(view, w)]
    return Senders(_of_groups(view, called or _expected_scrapers(view)), claimed=True)


def _expected_scrapers(view: View) -> Iterator[Group]:
    """Yield those that are called so of the pods that nobody has seen yet."""
    for namespace in sorted({one.ref.namespace for one in view.settings.expected}):
        for group in view.pods.groups(namespace):
            if group.ref.kind == EXPECTED and group.template is not None and scrapes(group.template):
                yield group


def of_exposure(view: View, one: Exposure) -> Senders:
    """Return whose pods send what another project's kind declares: those that are called as its controller's are."""
    if not one.senders:
        return scrapers(view)
    gateways = [view.inbound.istio_gateway(*place) for place in one.gateways]
    known = [dict(gateway.selector) for gateway in gateways if gateway is not None and gateway.selector]
    sets = known or [dict(labels) for labels in one.senders]
    found = []
    for namespace in view.namespaces.names():
        view.budget.spend()
        found += [g for g in view.pods.groups(namespace) if any(_called(g, labels) for labels in sets)]
    return Senders(_of_groups(view, found), claimed=True)


def _at(view: View, reached: Reached, ports: Iterable[int]) -> Iterator[Service]:
    """Yield the Services at these addresses: several may share one, but no two a port of it."""
    wanted = frozenset(ports)
    for service in view.services.published():
        view.budget.spend()
        if _meet(service, reached) and any(port.port in wanted for port in service.ports):
            yield service


def _meet(service: Service, reached: Reached) -> bool:
    addresses = {*service.outside_ips, *service.cluster_ips}
    return not (addresses.isdisjoint(reached.addresses) and set(service.outside_hosts).isdisjoint(reached.hosts))


def _taken(services: Iterable[Service], reached: Reached) -> bool:
    """Say whether a Service is at an address only because it says so: nobody gave it that."""
    given = (structs.replace(one, outside_ips=tuple({*one.outside_ips} - {*one.taken_ips})) for one in services)
    return not all(_meet(one, reached) for one in given)


def _labels_of_class(view: View, ingress: Ingress) -> tuple[dict[str, str], ...]:
    """Return what the pods of controllers of this class are called, any of these sets."""
    found = view.inbound.ingress_class(ingress.class_name)
    word = found.controller if found else ""
    return next((some for start, some in _CONTROLLERS.items() if word.startswith(start)), ())


def _on_nodes(view: View, labels: Sequence[dict[str, str]]) -> Iterator[Group]:
    """Yield the pods that are called so and are reached on their nodes' own ports, without any Service."""
    for namespace in view.namespaces.names() if labels else ():
        groups = view.pods.groups(namespace)
        view.budget.spend(1 + len(groups))
        for group in groups:
            if any(_called(group, some) for some in labels) and all(s.host_network for s in _pod_classes(group)):
                yield group


def _of_class(view: View, ingress: Ingress, labels: Sequence[dict[str, str]]) -> Iterator[Service]:
    """Yield the Services of pods that are called as the controllers of this class are."""
    for service in view.services.published():
        view.budget.spend()
        elsewhere = (service.outside_ips or service.outside_hosts) and ingress.reached != Reached()
        if not elsewhere and any(_called(group, some) for some in labels for group in view.pods.behind(service)):
            yield service


def _called(group: Group, labels: dict[str, str]) -> bool:
    return any(
        all(pod_class.labels.get(key) == value for key, value in labels.items()) for pod_class in _pod_classes(group)
    )


def _pod_classes(group: Group) -> Iterator[PodClass]:
    yield from (pod.pod_class for pod in group.pods)
    if group.template is not None:
        yield group.template.template.pod_class


def _of_gateway(view: View, gateway: Gateway) -> Senders:
    """Return whose pods a Gateway is; its author's namespace may say so, and a route names that itself."""
    if owned := list(_owned(view, gateway)):
        return Senders(_senders(view, owned), any(one.namespace != gateway.namespace for one in owned))
    if there := list(_at(view, gateway.reached, gateway.ports)):
        return Senders(_senders(view, there), _taken(there, gateway.reached))
    named = {GATEWAY_NAME: gateway.name}
    return Senders(_of_groups(view, (group for group in view.pods.groups(gateway.namespace) if _called(group, named))))


def _owned(view: View, gateway: Gateway) -> Iterator[Service]:
    """Yield the Services that say whose Gateway they were made for."""
    yield from (s for s in view.services.within(gateway.namespace) if s.labels.get(GATEWAY_NAME) == gateway.name)
    made_by = view.inbound.gateway_class(gateway.class_name)
    keys = _OWNED.get(made_by.controller) if made_by else None
    if keys is not None:
        names = Labels(zip(keys, (gateway.name, gateway.namespace), strict=True))
        yield from (
            s for s in view.services.published() if all(s.labels.get(key) == value for key, value in names.pairs)
        )


def _senders(view: View, services: Iterable[Service]) -> tuple[Workload, ...]:
    return _of_groups(view, (group for service in services for group in view.pods.behind(service)))


def _of_groups(view: View, groups: Iterable[Group]) -> tuple[Workload, ...]:
    """Return each kind of pod as a workload to ask for, sorted; those of a template where there are no pods."""
    found: dict[Workload, None] = {}
    for group in sorted(groups, key=lambda group: group.ref):
        view.budget.spend(1 + len(group.pods))
        known = view.workloads.get(group.ref) or group.template
        for pod_class in dict.fromkeys(pod.pod_class for pod in group.pods):
            template = structs.replace(known.template, pod_class=pod_class) if known else Template(pod_class)
            found[structs.replace(known, template=template) if known else Workload(group.ref, template)] = None
        if not group.pods and known is not None:
            found[known] = None
    return tuple(found)

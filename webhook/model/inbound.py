"""Who is to be reached from where, as others declare it: Ingresses, Gateway API routes and scrape annotations."""

from typing import Final

from msgspec import Struct

from webhook.model.addresses import Address, Protocol
from webhook.model.labels import Selector

ROUTES: Final[dict[str, Protocol]] = {  # kinds of the Gateway API, and what they carry
    "HTTPRoute": "TCP",
    "GRPCRoute": "TCP",
    "TLSRoute": "TCP",
    "TCPRoute": "TCP",
    "UDPRoute": "UDP",
}
ISTIO_GATEWAY: Final = "Gateway.networking.istio.io"  # beside the Gateway API's kind of the same word
INBOUND_KINDS: Final = (
    *("Ingress", "IngressClass", "Gateway", "GatewayClass", *ROUTES),
    *("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration", "APIService", "CustomResourceDefinition"),
    *("Route", "VirtualService", ISTIO_GATEWAY, "IngressRoute", "HTTPProxy"),
    *("Probe", "ServiceMonitor", "PodMonitor", "RoleBinding", "ClusterRoleBinding"),
)


class Scrape(Struct, frozen=True, gc=False):
    """`prometheus.io/scrape: "true"`. `port`: that of `prometheus.io/port`; None: every declared one is tried."""

    port: int | None = None


class Backend(Struct, frozen=True, gc=False):
    """A Service that traffic is sent to, by number or name of the Service's port; None: none is named."""

    namespace: str
    service: str
    port: int | str | None = None


class Reached(Struct, frozen=True, gc=False):
    """Where something is to be reached from outside (a status): addresses and host names."""

    addresses: tuple[Address, ...] = ()
    hosts: tuple[str, ...] = ()


class Ingress(Struct, frozen=True, gc=False):
    """`networking.k8s.io/v1` Ingress. `class_name` empty: the default class. `problems`: what cannot be read."""

    namespace: str
    name: str
    class_name: str = ""
    backends: tuple[Backend, ...] = ()
    reached: Reached = Reached()
    problems: tuple[str, ...] = ()


class IngressClass(Struct, frozen=True, gc=False):
    """`networking.k8s.io/v1` IngressClass: the word by which its controller knows itself meant."""

    name: str
    controller: str = ""
    default: bool = False


class Route(Struct, frozen=True, gc=False):
    """A route of the Gateway API. `parents`: (namespace, name) of the Gateways that it is attached to."""

    kind: str
    namespace: str
    name: str
    parents: tuple[tuple[str, str], ...] = ()
    backends: tuple[Backend, ...] = ()
    problems: tuple[str, ...] = ()


class Gateway(Struct, frozen=True, gc=False):
    """`gateway.networking.k8s.io` Gateway. `ports`: those of its listeners."""

    namespace: str
    name: str
    class_name: str = ""
    reached: Reached = Reached()
    ports: tuple[int, ...] = ()
    problems: tuple[str, ...] = ()


class GatewayClass(Struct, frozen=True, gc=False):
    """`gateway.networking.k8s.io` GatewayClass."""

    name: str
    controller: str = ""


class Call(Struct, frozen=True, gc=False):
    """What makes the API server call Services: a webhook configuration, an APIService, the conversion of a CRD."""

    kind: str
    name: str
    backends: tuple[Backend, ...] = ()


class Exposure(Struct, frozen=True, gc=False):
    """What another project's kind sends traffic to. `senders`: labels of the pods that send, any of these sets.

    Without `senders` it is whoever scrapes. `gateways`: (namespace, name) of Istio's Gateways, whose pods send where
    they are known.
    """

    kind: str
    namespace: str
    name: str
    backends: tuple[Backend, ...] = ()
    senders: tuple[tuple[tuple[str, str], ...], ...] = ()
    gateways: tuple[tuple[str, str], ...] = ()


class IstioGateway(Struct, frozen=True, gc=False):
    """`networking.istio.io` Gateway: the labels of its pods, in whatever namespace they are."""

    namespace: str
    name: str
    selector: tuple[tuple[str, str], ...] = ()


class Monitor(Struct, frozen=True, gc=False):
    """A ServiceMonitor or PodMonitor: which Services, or pods, are scraped on which ports, by name or number.

    `namespaces` empty: in all of them. `ports` empty: on any.
    """

    kind: str
    namespace: str
    name: str
    selector: Selector
    namespaces: tuple[str, ...] = ()
    ports: tuple[int | str, ...] = ()


class Binding(Struct, frozen=True, gc=False):
    """A RoleBinding, or a ClusterRoleBinding: ServiceAccounts (namespace, name) whose pods may ask the API server."""

    kind: str
    namespace: str
    name: str
    accounts: tuple[tuple[str, str], ...] = ()


Declaring = Ingress | Route | Call | Exposure
Inbound = Ingress | IngressClass | Route | Gateway | GatewayClass | Call | Exposure | IstioGateway | Monitor | Binding

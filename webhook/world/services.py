"""Services with their listed endpoints; and the Ingresses, Gateways and routes that send traffic to them."""

from collections.abc import Iterable, Mapping

from webhook.model.addresses import Address, Family, Served
from webhook.model.inbound import (
    ISTIO_GATEWAY,
    Binding,
    Call,
    Declaring,
    Exposure,
    Gateway,
    GatewayClass,
    Inbound,
    Ingress,
    IngressClass,
    IstioGateway,
    Monitor,
    Route,
)
from webhook.model.objects import Endpoints, EndpointSlice, PodClass, Service
from webhook.world.changes import Clock, Sparse, Stamps, discard, key_of_inbound

Key = tuple[str, str]  # namespace, name
ByAddress = Sparse[Address, Service]


class Services:
    """An index of Services, EndpointSlices and Endpoints."""

    def __init__(self, clock: Clock) -> None:
        """Start empty."""
        self.stamps = Stamps(clock)
        self.by_namespace: dict[str, dict[str, Service]] = {}
        self._by_address: ByAddress = Sparse()
        self._by_outside: ByAddress = Sparse()
        self._slices: dict[str, dict[str, EndpointSlice]] = {}
        self._slices_of: dict[Key, dict[str, EndpointSlice]] = {}
        self._endpoints: dict[Key, Endpoints] = {}
        self._serving: dict[Key, tuple[tuple[EndpointSlice, ...], dict[Address, Served]]] = {}  # of those asked for
        self._families: dict[Family, int] = {4: 0, 6: 0}
        self._by_label: dict[tuple[str, str, str], dict[str, Service]] = {}  # by the first label of the selector
        self._published: dict[Key, Service] = {}
        self._unselecting: dict[Key, Service] = {}
        self._selected: tuple[int, PodClass | None, tuple[Service, ...]] = (0, None, ())  # the last that was asked for

    def _change(self, namespace: str) -> None:
        self.stamps.change(namespace, empty=namespace not in self.by_namespace and namespace not in self._slices)

    # -- Services --------------------------------------------------------------------------------------------------

    def put(self, service: Service) -> None:
        """Add or replace a Service."""
        self.drop(service.namespace, service.name)
        self.by_namespace.setdefault(service.namespace, {})[service.name] = service
        for index, addresses in self._addresses(service):
            for address in addresses:
                index.put(address, service)
        for address in service.cluster_ips:
            self._families[address.family] += 1
        if service.selector:
            self._by_label.setdefault((service.namespace, *service.selector.pairs[0]), {})[service.name] = service
        if service.published or service.outside_ips or service.outside_hosts:
            self._published[service.namespace, service.name] = service
        if service.selector is None:
            self._unselecting[service.namespace, service.name] = service
        self._change(service.namespace)

    def drop(self, namespace: str, name: str) -> None:
        """Remove a Service, if it is here."""
        old = self.get(namespace, name)
        if old is None:
            return
        discard(self.by_namespace, namespace, name)
        for index, addresses in self._addresses(old):
            for address in addresses:
                index.drop(address, old)
        for address in old.cluster_ips:
            self._families[address.family] -= 1
        if old.selector:
            discard(self._by_label, (namespace, *old.selector.pairs[0]), name)
        self._published.pop((namespace, name), None)
        self._unselecting.pop((namespace, name), None)
        self._change(namespace)

    def _addresses(self, service: Service) -> tuple[tuple[ByAddress, tuple[Address, ...]], ...]:
        return (self._by_address, service.cluster_ips), (self._by_outside, service.outside_ips)

    def get(self, namespace: str, name: str) -> Service | None:
        """Return a Service."""
        return self.by_namespace.get(namespace, {}).get(name)

    def within(self, namespace: str) -> Iterable[Service]:
        """Return the Services of a namespace."""
        return self.by_namespace.get(namespace, {}).values()

    def selecting(self, pod_class: PodClass) -> tuple[Service, ...]:
        """Return the Services that select pods of `pod_class`, by name: most who ask do so several times."""
        changed, known, found = self._selected
        if known is not pod_class or changed != self.stamps.last:
            pairs = pod_class.labels.pairs
            every = [s for pair in pairs for s in self._by_label.get((pod_class.namespace, *pair), {}).values()]
            some = [s for s in every if s.selector is not None and set(pairs).issuperset(s.selector.pairs)]
            found = tuple(sorted(some, key=lambda service: service.name))
            self._selected = self.stamps.last, pod_class, found
        return found

    def published(self) -> Iterable[Service]:
        """Return the Services that are to be reached from outside: of type LoadBalancer or NodePort, or by address."""
        return self._published.values()

    def unselecting(self) -> Iterable[Service]:
        """Return the Services without a selector: they lead to another name, or to addresses that somebody lists."""
        return self._unselecting.values()

    def at(self, address: Address) -> Service | None:
        """Return the Service with that cluster address; of two, the first by name."""
        return min(self._by_address.get(address), key=_name, default=None)

    def outside_at(self, address: Address) -> tuple[Service, ...]:
        """Return the Services with that external or load balancer address, sorted: anybody can take one."""
        return tuple(sorted(self._by_outside.get(address), key=_name))

    def families(self) -> tuple[Family, ...]:
        """Return the address families that cluster addresses have."""
        return tuple(family for family, count in self._families.items() if count)

    # -- endpoints -------------------------------------------------------------------------------------------------

    def slice(self, namespace: str, name: str) -> EndpointSlice | None:
        """Return an EndpointSlice."""
        return self._slices.get(namespace, {}).get(name)

    def put_slice(self, piece: EndpointSlice) -> None:
        """Add or replace an EndpointSlice."""
        self.drop_slice(piece.namespace, piece.name)
        self._slices.setdefault(piece.namespace, {})[piece.name] = piece
        self._slices_of.setdefault((piece.namespace, piece.service), {})[piece.name] = piece
        self._change(piece.namespace)

    def drop_slice(self, namespace: str, name: str) -> None:
        """Remove an EndpointSlice, if it is here."""
        old = self.slice(namespace, name)
        if old is not None:
            discard(self._slices, namespace, name)
            if discard(self._slices_of, (namespace, old.service), name):
                self._serving.pop((namespace, old.service), None)
            self._change(namespace)

    def listed(self, namespace: str, name: str) -> Endpoints | None:
        """Return the `v1` Endpoints of a Service."""
        return self._endpoints.get((namespace, name))

    def put_listed(self, value: Endpoints) -> None:
        """Add or replace Endpoints, which count as the EndpointSlices that they are mirrored into."""
        self.drop_listed(value.namespace, value.name)
        self._endpoints[value.namespace, value.name] = value
        for piece in value.slices:
            self.put_slice(piece)

    def drop_listed(self, namespace: str, name: str) -> None:
        """Remove Endpoints, if they are here."""
        old = self._endpoints.pop((namespace, name), None)
        for piece in old.slices if old else ():
            self.drop_slice(piece.namespace, piece.name)

    def endpoints(self, service: Service) -> tuple[tuple[Address, int | None, str], ...]:
        """Return (address, port or None, port name) for each endpoint that is listed, sorted."""
        pieces = self._slices_of.get((service.namespace, service.name), {}).values()
        every = {(a, p.number, p.name) for piece in pieces for a in piece.addresses for p in piece.ports}
        return tuple(sorted(every, key=lambda e: (e[0], e[1] or 0, e[2])))

    def serving(self, service: Service) -> Mapping[Address, Served]:
        """Return on which ports each listed endpoint serves (None: every one), ready or not."""
        key = (service.namespace, service.name)
        pieces = tuple(self._slices_of.get(key, {}).values())
        if not pieces:
            return {}
        known = self._serving.get(key)
        if known is None or known[0] != pieces:
            known = self._serving[key] = pieces, _serving(pieces)
        return known[1]


def _serving(pieces: Iterable[EndpointSlice]) -> dict[Address, Served]:
    found: dict[Address, Served] = {}
    for piece in pieces:
        ports = frozenset((port.protocol, port.number) for port in piece.ports)
        for address in (*piece.addresses, *piece.unready):
            found[address] = found.get(address, frozenset()) | ports
    return found


def _name(service: Service) -> Key:
    return service.namespace, service.name


DeclaringKey = tuple[str, str, str]  # kind, namespace, name


class Declarations:
    """An index of what declares that something is reached from outside."""

    def __init__(self, clock: Clock) -> None:
        """Start empty."""
        self._clock = clock
        self._every: dict[DeclaringKey, Inbound] = {}
        self._by_service: dict[tuple[str, str], dict[DeclaringKey, Declaring]] = {}
        self._classes: dict[str, IngressClass] = {}
        self._monitors: dict[DeclaringKey, Monitor] = {}
        self._bindings: dict[tuple[str, str], dict[DeclaringKey, Binding]] = {}  # by the account's namespace and name

    def get(self, key: DeclaringKey) -> Inbound | None:
        """Return what is here of that kind, namespace and name."""
        return self._every.get(key)

    def put(self, value: Inbound) -> None:
        """Add or replace."""
        key = key_of_inbound(value)
        self.drop(*key)
        self._clock.tick()
        self._every[key] = value
        match value:
            case Ingress() | Route() | Call() | Exposure():
                for service in dict.fromkeys((one.namespace, one.service) for one in value.backends):
                    self._by_service.setdefault(service, {})[key] = value
            case Monitor():
                self._monitors[key] = value
            case Binding():
                for account in value.accounts:
                    self._bindings.setdefault(account, {})[key] = value
            case IngressClass():
                self._classes[value.name] = value
            case _:
                pass

    def drop(self, kind: str, namespace: str, name: str) -> bool:
        """Remove, if it is here; True then."""
        key = (kind, namespace, name)
        old = self._every.pop(key, None)
        match old:
            case None:
                return False
            case Monitor():
                del self._monitors[key]
            case Binding():
                for account in old.accounts:
                    discard(self._bindings, account, key)
            case Ingress() | Route() | Call() | Exposure():
                for service in dict.fromkeys((one.namespace, one.service) for one in old.backends):
                    discard(self._by_service, service, key)
            case IngressClass():
                del self._classes[old.name]
            case _:
                pass
        self._clock.tick()
        return True

    def monitors(self) -> list[Monitor]:
        """Return who asks that something is scraped, sorted."""
        return [self._monitors[key] for key in sorted(self._monitors)] if self._monitors else []

    def sending_to(self, namespace: str, service: str) -> list[Declaring]:
        """Return what has a Service as a backend, sorted."""
        found = self._by_service.get((namespace, service))
        return [found[key] for key in sorted(found)] if found else []

    def bindings_of(self, namespace: str, account: str) -> list[Binding]:
        """Return what binds a ServiceAccount to roles, sorted."""
        found = self._bindings.get((namespace, account))
        return [found[key] for key in sorted(found)] if found else []

    def istio_gateway(self, namespace: str, name: str) -> IstioGateway | None:
        """Return a Gateway of Istio's."""
        found = self._every.get((ISTIO_GATEWAY, namespace, name))
        return found if isinstance(found, IstioGateway) else None

    def ingress_class(self, name: str) -> IngressClass | None:
        """Return the class of that name; of no name the default one, where there is just one."""
        if name:
            return self._classes.get(name)
        defaults = [one for one in self._classes.values() if one.default]
        return defaults[0] if len(defaults) == 1 else None

    def gateway(self, namespace: str, name: str) -> Gateway | None:
        """Return a Gateway."""
        found = self._every.get(("Gateway", namespace, name))
        return found if isinstance(found, Gateway) else None

    def gateway_class(self, name: str) -> GatewayClass | None:
        """Return a GatewayClass."""
        found = self._every.get(("GatewayClass", "", name))
        return found if isinstance(found, GatewayClass) else None

    def every(self) -> Iterable[Inbound]:
        """Return all of it."""
        return self._every.values()

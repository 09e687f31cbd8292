"""Services and their listed endpoints."""

from collections.abc import Iterable, Iterator, Mapping

from webhook.model.addresses import Address, Family, Served
from webhook.model.labels import Labels
from webhook.model.objects import Endpoints, EndpointSlice, Service
from webhook.world.index import Sparse, discard

Key = tuple[str, str]  # namespace, name
ByAddress = Sparse[Address, Service]


class Services:
    """An index of Services and EndpointSlices."""

    def __init__(self) -> None:
        """Start empty."""
        self.by_namespace: dict[str, dict[str, Service]] = {}
        self._by_address: ByAddress = Sparse()
        self._by_outside: ByAddress = Sparse()
        self._slices: dict[Key, dict[str, EndpointSlice]] = {}
        self._service_of: dict[Key, str] = {}
        self._endpoints: dict[Key, Endpoints] = {}
        self._serving: dict[Key, dict[Address, Served]] = {}  # of the Services that were asked for
        self._families: dict[Family, int] = {4: 0, 6: 0}
        self._by_label: dict[tuple[str, str, str], dict[str, Service]] = {}  # by the first label of the selector
        self.published: dict[Key, Service] = {}

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
            self.published[service.namespace, service.name] = service

    def drop(self, namespace: str, name: str) -> None:
        """Remove a Service, if it is here."""
        old = self.by_namespace.get(namespace, {}).get(name)
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
        self.published.pop((namespace, name), None)

    def selecting(self, namespace: str, labels: Labels) -> Iterator[Service]:
        """Yield the Services whose selector pods with these labels meet."""
        mine = set(labels.pairs)
        for pair in labels.pairs:
            for service in self._by_label.get((namespace, *pair), {}).values():
                if service.selector is not None and mine.issuperset(service.selector.pairs):
                    yield service

    def _addresses(self, service: Service) -> tuple[tuple[ByAddress, tuple[Address, ...]], ...]:
        return (self._by_address, service.cluster_ips), (self._by_outside, service.outside_ips)

    def at(self, address: Address) -> Service | None:
        """Return the Service with that cluster address; of two, the first by name."""
        return _first(self._by_address.get(address))

    def outside_at(self, address: Address) -> tuple[Service, ...]:
        """Return the Services with that external or load balancer address, sorted."""
        return tuple(sorted(self._by_outside.get(address), key=lambda s: (s.namespace, s.name)))

    def slice(self, namespace: str, name: str) -> EndpointSlice | None:
        """Return an EndpointSlice."""
        service = self._service_of.get((namespace, name))
        return None if service is None else self._slices[namespace, service][name]

    def put_slice(self, piece: EndpointSlice) -> None:
        """Add or replace an EndpointSlice."""
        self.drop_slice(piece.namespace, piece.name)
        self._slices.setdefault((piece.namespace, piece.service), {})[piece.name] = piece
        self._service_of[piece.namespace, piece.name] = piece.service
        self._serving.pop((piece.namespace, piece.service), None)

    def drop_slice(self, namespace: str, name: str) -> None:
        """Remove an EndpointSlice, if it is here."""
        service = self._service_of.pop((namespace, name), None)
        if service is not None:
            discard(self._slices, (namespace, service), name)
            self._serving.pop((namespace, service), None)

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
        """Return (address, port or None, port name) for each endpoint of each slice, sorted."""
        pieces = self._slices.get((service.namespace, service.name), {}).values()
        return tuple(
            sorted(
                {(a, p.number, p.name) for piece in pieces for a in piece.addresses for p in piece.ports},
                key=lambda e: (e[0], e[1] or 0, e[2]),
            )
        )

    def serving(self, service: Service) -> Mapping[Address, Served]:
        """Return on which ports each endpoint serves, those that are not ready included."""
        key = (service.namespace, service.name)
        found = self._serving.get(key)
        if found is None:
            found = self._serving[key] = {}
            for piece in self._slices.get(key, {}).values():
                ports = frozenset((port.protocol, port.number) for port in piece.ports)
                for address in (*piece.addresses, *piece.unready):
                    found[address] = found.get(address, frozenset()) | ports
        return found

    def families(self) -> tuple[Family, ...]:
        """Return the address families that cluster addresses have."""
        return tuple(family for family, count in self._families.items() if count)


def _first(found: Iterable[Service]) -> Service | None:
    return min(found, key=lambda service: (service.namespace, service.name), default=None)

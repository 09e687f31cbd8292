"""Services and their listed endpoints."""

from webhook.model.addresses import Address, Family
from webhook.model.objects import EndpointSlice, Service


class Services:
    """An index of Services and EndpointSlices."""

    def __init__(self) -> None:
        """Start empty."""
        self.by_namespace: dict[str, dict[str, Service]] = {}
        self.by_address: dict[Address, Service] = {}
        self.by_outside: dict[Address, Service] = {}
        self._slices: dict[tuple[str, str], dict[str, EndpointSlice]] = {}
        self._service_of: dict[tuple[str, str], str] = {}
        self._families: dict[Family, int] = {4: 0, 6: 0}

    def put(self, service: Service) -> None:
        """Add or replace a Service."""
        self.drop(service.namespace, service.name)
        self.by_namespace.setdefault(service.namespace, {})[service.name] = service
        self.by_address.update(dict.fromkeys(service.cluster_ips, service))
        self.by_outside.update(dict.fromkeys(service.outside_ips, service))
        for address in service.cluster_ips:
            self._families[address.family] += 1

    def drop(self, namespace: str, name: str) -> None:
        """Remove a Service, if it is here."""
        old = self.by_namespace.get(namespace, {}).pop(name, None)
        if old is None:
            return
        for address in old.cluster_ips:
            self._families[address.family] -= 1
        for index, addresses in ((self.by_address, old.cluster_ips), (self.by_outside, old.outside_ips)):
            for address in addresses:
                if index.get(address) is old:
                    del index[address]

    def put_slice(self, piece: EndpointSlice) -> None:
        """Add or replace an EndpointSlice."""
        self.drop_slice(piece.namespace, piece.name)
        self._slices.setdefault((piece.namespace, piece.service), {})[piece.name] = piece
        self._service_of[piece.namespace, piece.name] = piece.service

    def drop_slice(self, namespace: str, name: str) -> None:
        """Remove an EndpointSlice, if it is here."""
        service = self._service_of.pop((namespace, name), None)
        if service is not None:
            pieces = self._slices[namespace, service]
            pieces.pop(name, None)
            if not pieces:
                del self._slices[namespace, service]

    def endpoints(self, service: Service) -> tuple[tuple[Address, int | None, str], ...]:
        """Return (address, port or None, port name) for each endpoint of each slice, sorted."""
        pieces = self._slices.get((service.namespace, service.name), {}).values()
        return tuple(
            sorted(
                {(a, p.number, p.name) for piece in pieces for a in piece.addresses for p in piece.ports},
                key=lambda e: (e[0], e[1] or 0, e[2]),
            )
        )

    def families(self) -> tuple[Family, ...]:
        """Return the address families that cluster addresses have."""
        return tuple(family for family, count in self._families.items() if count)

"""Ingresses, Gateways and routes by the Service that they send traffic to."""

from collections.abc import Iterable, Iterator

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
from webhook.world.index import Clock, discard

Key = tuple[str, str, str]  # kind, namespace, name


class Declarations:
    """An index of what declares that something is reached from outside."""

    def __init__(self, clock: Clock) -> None:
        """Start empty."""
        self._clock = clock
        self._every: dict[Key, Inbound] = {}
        self._by_service: dict[tuple[str, str], dict[Key, Declaring]] = {}
        self._classes: dict[str, IngressClass] = {}
        self._monitors: dict[Key, Monitor] = {}
        self._bindings: dict[tuple[str, str], dict[Key, Binding]] = {}  # by the account's namespace and name

    def get(self, key: Key) -> Inbound | None:
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
                for service in _services(value):
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
                for service in _services(old):
                    discard(self._by_service, service, key)
            case IngressClass():
                del self._classes[old.name]
            case _:
                pass
        self._clock.tick()
        return True

    def monitors(self) -> list[Monitor]:
        """Return who asks that something is scraped, sorted."""
        return [self._monitors[key] for key in sorted(self._monitors)]

    def sending_to(self, namespace: str, service: str) -> list[Declaring]:
        """Return what has a Service as a backend, sorted."""
        found = self._by_service.get((namespace, service), {})
        return [found[key] for key in sorted(found)]

    def bindings_of(self, namespace: str, account: str) -> list[Binding]:
        """Return what binds a ServiceAccount to roles, sorted."""
        found = self._bindings.get((namespace, account), {})
        return [found[key] for key in sorted(found)]

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


def key_of_inbound(value: Inbound) -> Key:
    """Return what names a value."""
    match value:
        case Route() | Exposure() | Monitor() | Binding():
            return value.kind, value.namespace, value.name
        case IstioGateway():
            return ISTIO_GATEWAY, value.namespace, value.name
        case Call():
            return value.kind, "", value.name
        case Ingress() | Gateway():
            return type(value).__name__, value.namespace, value.name
        case IngressClass() | GatewayClass():
            return type(value).__name__, "", value.name


def _services(value: Declaring) -> Iterator[tuple[str, str]]:
    yield from dict.fromkeys((one.namespace, one.service) for one in value.backends)

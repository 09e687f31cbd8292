"""Ingresses, Gateways and routes by the Service that they send traffic to."""

from collections.abc import Iterable, Iterator
from typing import Final

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
from webhook.model.objects import Workload
from webhook.model.refs import WorkloadRef
from webhook.world.index import discard

# The labels are those of kube-prometheus, of Prometheus' and VictoriaMetrics' operators and of their charts.
_NAME: Final = "app.kubernetes.io/name"
_PART: Final = "app.kubernetes.io/component"
_SCRAPERS: Final = {"prometheus": 9090, "vmagent": 8429, "victoria-metrics-agent": 8429}
_PARTS: Final = frozenset({None, "prometheus", "server", "vmagent", "monitoring"})
Key = tuple[str, str, str]  # kind, namespace, name


class Declarations:
    """An index of what declares that something is reached from outside."""

    def __init__(self) -> None:
        """Start empty."""
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


class Scrapers:
    """The workloads that scrape what is annotated, told by what their pods are called and listen on."""

    def __init__(self) -> None:
        """Start empty."""
        self._found: dict[WorkloadRef, Workload] = {}

    def put(self, workload: Workload) -> None:
        """Add or replace a workload."""
        if scrapes(workload):
            self._found[workload.ref] = workload
        else:
            self.drop(workload.ref)

    def drop(self, ref: WorkloadRef) -> None:
        """Remove a workload, if it is here."""
        self._found.pop(ref, None)

    def every(self) -> tuple[Workload, ...]:
        """Return all of them, sorted."""
        return tuple(self._found[ref] for ref in sorted(self._found))


def scrapes(workload: Workload) -> bool:
    """Say whether a workload's pods are named like a scraper's, and declare its port."""
    labels = workload.template.shape.labels
    port = _SCRAPERS.get(labels.get(_NAME) or labels.get("app") or "")
    part = labels.get(_PART) or labels.get("component")
    return part in _PARTS and any(one.number == port for one in workload.template.declares)


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

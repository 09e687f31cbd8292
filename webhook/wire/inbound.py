"""Ingresses and the Gateway API -> who is declared to be reached by whom.

Sources of the shapes: `k8s.io/api/networking/v1` Ingress and IngressClass; `sigs.k8s.io/gateway-api/apis` (the fields
read here are the same in every version). What cannot be read is left out and told as a problem: the rest still counts.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Final

from webhook.model.addresses import FIRST_PORT, LAST_PORT, Address, parse_address
from webhook.model.inbound import (
    ROUTES,
    Backend,
    Gateway,
    GatewayClass,
    Inbound,
    Ingress,
    IngressClass,
    Reached,
    Route,
    Scrape,
)
from webhook.wire import shapes
from webhook.wire.shapes import Malformed, Raw, fail, integer, mapping, mappings, shown, string

INGRESS_GROUP: Final = "networking.k8s.io"
GATEWAY_GROUP: Final = "gateway.networking.k8s.io"
KINDS: Final = frozenset(  # API group, kind
    {
        (INGRESS_GROUP, "Ingress"),
        (INGRESS_GROUP, "IngressClass"),
        *((GATEWAY_GROUP, kind) for kind in ("Gateway", "GatewayClass", *ROUTES)),
    }
)
CLUSTER_WIDE: Final = frozenset({"IngressClass", "GatewayClass"})
CLASS_ANNOTATION: Final = "kubernetes.io/ingress.class"  # what stood in spec.ingressClassName's place before 1.18
DEFAULT_CLASS: Final = "ingressclass.kubernetes.io/is-default-class"
SCRAPE: Final = "prometheus.io/scrape"
SCRAPE_PORT: Final = "prometheus.io/port"


class _Problems(list[str]):
    """What could not be read so far."""

    def read(
        self, reader: Callable[[Raw, str, str], Backend | None], raw: Raw, path: str, own: str
    ) -> Iterator[Backend]:
        """Yield what `reader` makes of `raw`, if anything."""
        try:
            found = reader(raw, path, own)
        except Malformed as error:
            self.append(str(error))
            return
        if found is not None:
            yield found

    def each(self, raw: Raw, key: str, path: str) -> Iterator[tuple[Raw, str]]:
        """Yield the objects of a list with their paths."""
        try:
            found = mappings(raw, key, path)
        except Malformed as error:
            self.append(str(error))
            return
        yield from ((item, f"{path}.{key}[{index}]") for index, item in enumerate(found))

    def of(self, raw: Raw, key: str, path: str) -> Raw:
        """Return an object, empty where it is none."""
        try:
            return mapping(raw, key, path)
        except Malformed as error:
            self.append(str(error))
            return {}

    def word(self, raw: Raw, key: str, path: str) -> str:
        """Return a string, empty where it is none."""
        try:
            return string(raw, key, path)
        except Malformed as error:
            self.append(str(error))
            return ""


def scrape(annotations: Mapping[str, str]) -> Scrape | None:
    """Return what the annotations ask of Prometheus.

    Source: the example configuration of Prometheus for Kubernetes, whose relabelling takes only `true` for yes, and
    only a number for a port.
    """
    if annotations.get(SCRAPE) != "true":
        return None
    text = annotations.get(SCRAPE_PORT, "")
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(LAST_PORT)) else 0
    return Scrape(number if FIRST_PORT <= number <= LAST_PORT else None)


def reader(kind: str) -> Callable[[Raw, str], Inbound]:
    """Return what reads objects of one of KINDS. It raises Malformed only where one has no name."""
    if kind in ROUTES:
        return lambda raw, namespace: _route(raw, kind, namespace)
    return _READERS[kind]


def _ingress(raw: Raw, namespace: str) -> Ingress:
    problems = _Problems()
    spec = problems.of(raw, "spec", "")
    return Ingress(
        namespace,
        shapes.name(raw),
        problems.word(spec, "ingressClassName", "spec") or _annotations(raw, problems).get(CLASS_ANNOTATION, ""),
        tuple(dict.fromkeys(_of_rules(spec, namespace, problems))),
        _reached(_Problems().of(_Problems().of(raw, "status", ""), "loadBalancer", "status"), "ingress", "ip"),
        tuple(problems),
    )


def _annotations(raw: Raw, problems: _Problems) -> Mapping[str, str]:
    try:
        return shapes.annotations(raw)
    except Malformed as error:
        problems.append(str(error))
        return {}


def _of_rules(spec: Raw, namespace: str, problems: _Problems) -> Iterator[Backend]:
    if spec.get("defaultBackend") is not None:
        backend = problems.of(spec, "defaultBackend", "spec")
        yield from problems.read(_of_ingress, backend, "spec.defaultBackend", namespace)
    for rule, where in problems.each(spec, "rules", "spec"):
        http = problems.of(rule, "http", where)
        for entry, path in problems.each(http, "paths", f"{where}.http"):
            backend = problems.of(entry, "backend", path)
            yield from problems.read(_of_ingress, backend, f"{path}.backend", namespace)


def _of_ingress(raw: Raw, path: str, namespace: str) -> Backend | None:
    """Read an IngressBackend; None: it is a resource, which is no Service."""
    service = mapping(raw, "service", path)
    where = f"{path}.service"
    if not service:
        return None
    port = mapping(service, "port", where)
    number = _number(port, "number", f"{where}.port")
    return Backend(namespace, _name(service, where), number or string(port, "name", f"{where}.port") or None)


def _name(raw: Raw, path: str) -> str:
    found = string(raw, "name", path)
    if not found or len(found) > shapes.LONGEST_NAME:
        fail(f"{path}.name", f"expected 1 to {shapes.LONGEST_NAME} characters")
    return found


def _number(raw: Raw, key: str, path: str) -> int | None:
    number = integer(raw, key, path)
    if number is not None and not FIRST_PORT <= number <= LAST_PORT:
        fail(f"{path}.{key}", f"expected a port from 1 to 65535, not {shown(number)}")
    return number


def _ingress_class(raw: Raw, _: str) -> IngressClass:
    quiet = _Problems()
    controller = quiet.word(quiet.of(raw, "spec", ""), "controller", "spec")
    return IngressClass(shapes.name(raw), controller, _annotations(raw, quiet).get(DEFAULT_CLASS) == "true")


def _gateway_class(raw: Raw, _: str) -> GatewayClass:
    quiet = _Problems()
    return GatewayClass(shapes.name(raw), quiet.word(quiet.of(raw, "spec", ""), "controllerName", "spec"))


def _route(raw: Raw, kind: str, namespace: str) -> Route:
    problems = _Problems()
    spec = problems.of(raw, "spec", "")
    backends = (
        backend
        for rule, where in problems.each(spec, "rules", "spec")
        for entry, path in problems.each(rule, "backendRefs", where)
        for backend in problems.read(_of_route, entry, path, namespace)
    )
    name = shapes.name(raw)
    return Route(
        kind,
        namespace,
        name,
        tuple(dict.fromkeys(_parents(spec, namespace, problems))),
        tuple(dict.fromkeys(backends)),
        tuple(problems),
    )


def _of_route(raw: Raw, path: str, namespace: str) -> Backend | None:
    """Read a BackendRef; None: it is no Service."""
    if (string(raw, "group", path), string(raw, "kind", path) or "Service") != ("", "Service"):
        return None
    return Backend(string(raw, "namespace", path) or namespace, _name(raw, path), _number(raw, "port", path))


def _parents(spec: Raw, namespace: str, problems: _Problems) -> Iterator[tuple[str, str]]:
    for raw, path in problems.each(spec, "parentRefs", "spec"):
        group = problems.word(raw, "group", path) if "group" in raw else GATEWAY_GROUP
        name = problems.word(raw, "name", path)
        if name and (group, problems.word(raw, "kind", path) or "Gateway") == (GATEWAY_GROUP, "Gateway"):
            yield problems.word(raw, "namespace", path) or namespace, name


def _gateway(raw: Raw, namespace: str) -> Gateway:
    problems = _Problems()
    spec = problems.of(raw, "spec", "")
    ports = [entry.get("port") for entry, _ in problems.each(spec, "listeners", "spec")]
    return Gateway(
        namespace,
        shapes.name(raw),
        problems.word(spec, "gatewayClassName", "spec"),
        _reached(_Problems().of(raw, "status", ""), "addresses", "value"),
        tuple(dict.fromkeys(p for p in ports if isinstance(p, int) and FIRST_PORT <= p <= LAST_PORT)),
        tuple(problems),
    )


def _reached(raw: Raw, key: str, field: str) -> Reached:
    """Read a status: what in it is no address is a host's name, and what is neither tells nothing."""
    addresses: list[Address] = []
    hosts: list[str] = []
    quiet = _Problems()
    for entry, path in quiet.each(raw, key, "status"):
        text = quiet.word(entry, field, path)
        with suppress(ValueError):
            addresses.append(parse_address(text))
            continue
        hosts += filter(None, (text, quiet.word(entry, "hostname", path)))
    return Reached(tuple(addresses), tuple(hosts))


_READERS: Final[dict[str, Callable[[Raw, str], Inbound]]] = {
    "Ingress": _ingress,
    "IngressClass": _ingress_class,
    "Gateway": _gateway,
    "GatewayClass": _gateway_class,
}

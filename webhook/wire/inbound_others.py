"""Ways in that kinds of other projects, and the API server's own configuration, declare; who may ask the API server.

Sources of the shapes: `k8s.io/api/admissionregistration/v1`, `k8s.io/api/rbac/v1`, `kube-aggregator` APIService,
`apiextensions/v1`, OpenShift's `route/v1`, Istio's VirtualService and Gateway, Traefik's IngressRoute, Contour's
HTTPProxy, the Prometheus operator's monitors. What cannot be read is left out: whoever serves the kind says so when
it is applied.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from webhook.model.inbound import Backend, Binding, Call, Exposure, IstioGateway, Monitor
from webhook.model.labels import EVERYTHING
from webhook.wire import shapes
from webhook.wire.networkpolicies import selector
from webhook.wire.shapes import Malformed, Raw, mapping, mappings, string, string_map, strings

HTTPS: Final = 443
_SERVICE_PARTS: Final = 2  # of `name.namespace`
_NAME: Final = "app.kubernetes.io/name"
_ROUTER: Final = ((("ingresscontroller.operator.openshift.io/deployment-ingresscontroller", "default"),),)
_ISTIO: Final = ((("istio", "ingressgateway"),),)
_TRAEFIK: Final = (((_NAME, "traefik"),),)
_CONTOUR: Final = ((("app", "envoy"),), ((_NAME, "contour"), ("app.kubernetes.io/component", "envoy")))
_ACCOUNT_USER: Final = "system:serviceaccount:"  # how the API server calls an account's user
_NO_CALLS: Final = ("system:openshift:scc:", "system:image-")  # roles by which no pod itself asks anything
_MESH: Final = "mesh"  # Istio's word for the sidecars, which are no way in


def _of_webhooks(raw: Raw) -> Iterator[Backend]:
    for hook in mappings(raw, "webhooks", ""):
        yield from _called(mapping(mapping(hook, "clientConfig", ""), "service", ""))


def _of_api_service(raw: Raw) -> Iterator[Backend]:
    yield from _called(mapping(mapping(raw, "spec", ""), "service", ""))


def _of_conversion(raw: Raw) -> Iterator[Backend]:
    webhook = mapping(mapping(mapping(raw, "spec", ""), "conversion", ""), "webhook", "")
    yield from _called(mapping(mapping(webhook, "clientConfig", ""), "service", ""))


def _called(service: Raw) -> Iterator[Backend]:
    if name := string(service, "name", ""):
        yield Backend(string(service, "namespace", ""), name, _port(service.get("port")) or HTTPS)


def _of_openshift(raw: Raw, namespace: str) -> Iterator[Backend]:
    spec = mapping(raw, "spec", "")
    port = _port(mapping(spec, "port", "").get("targetPort"))
    for one in (mapping(spec, "to", ""), *mappings(spec, "alternateBackends", "")):
        if name := string(one, "name", ""):
            yield Backend(namespace, name, port)


def _of_istio(raw: Raw, namespace: str) -> Iterator[Backend]:
    spec = mapping(raw, "spec", "")
    if not [name for name in strings(spec, "gateways", "") if name != _MESH]:
        return
    for kind in ("http", "tls", "tcp"):
        for rule in mappings(spec, kind, ""):
            for one in mappings(rule, "route", ""):
                to = mapping(one, "destination", "")
                name, *rest = string(to, "host", "").split(".")
                inside = len(rest) < _SERVICE_PARTS or rest[1] == "svc"
                if name and inside:
                    port = _port(mapping(to, "port", "").get("number"))
                    yield Backend(rest[0] if rest else namespace, name, port)


def _gateways(raw: Raw, namespace: str) -> Iterator[tuple[str, str]]:
    """Yield the Gateways of a VirtualService, `name` or `namespace/name`."""
    if string(raw, "kind", "") == "VirtualService":
        for text in strings(mapping(raw, "spec", ""), "gateways", ""):
            space, _, name = text.rpartition("/")
            if text != _MESH:
                yield space or namespace, name


def _of_services(raw: Raw, namespace: str) -> Iterator[Backend]:
    """Read the routes of an IngressRoute or an HTTPProxy."""
    spec = mapping(raw, "spec", "")
    for rule in (*mappings(spec, "routes", ""), mapping(spec, "tcpproxy", "")):
        for one in mappings(rule, "services", ""):
            if (string(one, "kind", "") or "Service") == "Service" and (name := string(one, "name", "")):
                yield Backend(string(one, "namespace", "") or namespace, name, _port(one.get("port")))


def _of_prober(raw: Raw, namespace: str) -> Iterator[Backend]:
    """Read whom Prometheus asks to probe: `blackbox.monitoring:9115`."""
    url = string(mapping(mapping(raw, "spec", ""), "prober", ""), "url", "")
    host, _, port = url.partition("/")[0].partition(":")
    name, *rest = host.split(".")
    if name:
        yield Backend(rest[0] if rest else namespace, name, _port(int(port)) if port.isdecimal() else None)


def _monitor(raw: Raw, namespace: str) -> Monitor:
    kind, spec = string(raw, "kind", ""), mapping(raw, "spec", "")
    where = mapping(spec, "namespaceSelector", "")
    names = tuple(strings(where, "matchNames", "")) or (namespace,)
    ends = mappings(spec, "endpoints" if kind == "ServiceMonitor" else "podMetricsEndpoints", "")
    ports = (_port(one.get("port") or one.get("portNumber") or one.get("targetPort")) for one in ends)
    wanted = mapping(spec, "selector", "")
    return Monitor(
        kind,
        namespace,
        shapes.name(raw),
        selector(wanted, "spec.selector") if wanted else EVERYTHING,
        () if where.get("any") is True else names,
        tuple(port for port in ports if port is not None),
    )


def _binding(raw: Raw, namespace: str) -> Binding | None:
    """Read the ServiceAccounts of a binding; groups, which hold those of everybody, tell nothing of one."""
    role = string(mapping(raw, "roleRef", ""), "name", "")
    kind, own = string(raw, "kind", ""), "" if raw.get("kind") == "ClusterRoleBinding" else namespace
    found = dict.fromkeys(_accounts(raw, own)) if not role.startswith(_NO_CALLS) else {}
    return Binding(kind, own, shapes.name(raw), tuple(found)) if found else None


def _accounts(raw: Raw, own: str) -> Iterator[tuple[str, str]]:
    for subject in filter(is_account, mappings(raw, "subjects", "")):
        name, space = string(subject, "name", ""), string(subject, "namespace", "") or own
        if subject.get("kind") == "User":
            space, _, name = name.removeprefix(_ACCOUNT_USER).partition(":")
        if name and space:
            yield space, name


def is_account(subject: Raw) -> bool:
    """Say whether a binding's subject is one ServiceAccount. Raises Malformed."""
    kind, name = string(subject, "kind", ""), string(subject, "name", "")
    return kind == "ServiceAccount" or (kind == "User" and name.startswith(_ACCOUNT_USER))


def _port(value: object) -> int | str | None:
    return value if isinstance(value, int | str) and not isinstance(value, bool) and value != "" else None


_SERVICE: Final = {"name": None, "namespace": None, "port": None}
_WEBHOOK: Final = {"clientConfig": {"service": _SERVICE}}
_SENT: Final = {"spec": {"routes": [{"services": [{"kind": None, **_SERVICE}]}], "tcpproxy": {"services": [_SERVICE]}}}
_ROUTED: Final = [{"route": [{"destination": {"host": None, "port": {"number": None}}}]}]
_SCRAPED: Final = [{"port": None, "portNumber": None, "targetPort": None}]
_MONITOR: Final = {"selector": None, "namespaceSelector": None}
_BOUND: Final = {"roleRef": {"name": None}, "subjects": [{"kind": None, "name": None, "namespace": None}]}
READ: Final[dict[str, Any]] = {  # kind -> the fields that are read of it, beside its metadata; None: all that is there
    "MutatingWebhookConfiguration": {"webhooks": [_WEBHOOK]},
    "ValidatingWebhookConfiguration": {"webhooks": [_WEBHOOK]},
    "APIService": {"spec": {"service": _SERVICE}},
    "CustomResourceDefinition": {"spec": {"conversion": {"webhook": _WEBHOOK}}},
    "Route": {
        "spec": {"to": {"name": None}, "alternateBackends": [{"name": None}], "port": {"targetPort": None}},
    },
    "VirtualService": {"spec": {"gateways": None, **dict.fromkeys(("http", "tls", "tcp"), _ROUTED)}},
    "Gateway": {"spec": {"selector": None}},
    "IngressRoute": _SENT,
    "HTTPProxy": _SENT,
    "Probe": {"spec": {"prober": {"url": None}}},
    "ServiceMonitor": {"spec": {**_MONITOR, "endpoints": _SCRAPED}},
    "PodMonitor": {"spec": {**_MONITOR, "podMetricsEndpoints": _SCRAPED}},
    "RoleBinding": _BOUND,
    "ClusterRoleBinding": _BOUND,
}
Group = str
_CALLS: Final[dict[tuple[Group, str], Callable[[Raw], Iterator[Backend]]]] = {
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"): _of_webhooks,
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"): _of_webhooks,
    ("apiregistration.k8s.io", "APIService"): _of_api_service,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _of_conversion,
}
_EXPOSURES: Final = {  # API group, kind -> how it is read, and the labels of the pods that send, any of these sets
    ("route.openshift.io", "Route"): (_of_openshift, _ROUTER),
    ("networking.istio.io", "VirtualService"): (_of_istio, _ISTIO),
    ("traefik.io", "IngressRoute"): (_of_services, _TRAEFIK),
    ("traefik.containo.us", "IngressRoute"): (_of_services, _TRAEFIK),
    ("projectcontour.io", "HTTPProxy"): (_of_services, _CONTOUR),
    ("monitoring.coreos.com", "Probe"): (_of_prober, ()),
}
_ISTIO_GATEWAY: Final = ("networking.istio.io", "Gateway")
BINDINGS: Final = {("rbac.authorization.k8s.io", kind) for kind in ("RoleBinding", "ClusterRoleBinding")}
_MONITORS: Final = {("monitoring.coreos.com", kind) for kind in ("ServiceMonitor", "PodMonitor")}
KINDS: Final = frozenset({*_CALLS, *_EXPOSURES, _ISTIO_GATEWAY, *_MONITORS, *BINDINGS})


def declaration(raw: Raw, default_namespace: str) -> Call | Exposure | IstioGateway | Monitor | Binding | None:
    """Read an object of one of KINDS; None: it names nobody. Raises Malformed without a name."""
    key = (string(raw, "apiVersion", "").rpartition("/")[0], string(raw, "kind", ""))
    name, namespace = shapes.name(raw), shapes.namespace(raw, default_namespace)
    try:
        if key in _CALLS:
            found = tuple(dict.fromkeys(_CALLS[key](raw)))
            return Call(key[1], name, found) if found else None
        if key in _EXPOSURES:
            read, senders = _EXPOSURES[key]
            found = tuple(dict.fromkeys(read(raw, namespace)))
            return Exposure(key[1], namespace, name, found, senders, tuple(_gateways(raw, namespace)))
        if key == _ISTIO_GATEWAY:
            labels = string_map(mapping(raw, "spec", ""), "selector", "spec")
            return IstioGateway(namespace, name, tuple(sorted(labels.items())))
        if key in BINDINGS:
            return _binding(raw, namespace)
        return _monitor(raw, namespace)
    except Malformed:
        return None

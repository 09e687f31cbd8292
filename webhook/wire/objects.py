"""Any Kubernetes object -> a model value, or None for a kind that no verdict depends on; and which fields are read.

Whoever compiles them must take them as untrusted input.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from webhook.model.crd_policies import CrdPolicy
from webhook.model.hints import ConfigMap
from webhook.model.inbound import ROUTES, Inbound
from webhook.model.objects import Endpoints, EndpointSlice, Namespace, Node, Pod, Service, Workload
from webhook.model.policy import Policy
from webhook.model.refs import PolicyRef
from webhook.wire import hints, inbound, inbound_others, services, shapes, workloads
from webhook.wire.networkpolicies import network_policy
from webhook.wire.shapes import Malformed, Raw, fail, mapping, mappings, string

Projected = (
    Namespace | Pod | Workload | Service | Endpoints | EndpointSlice | Node | ConfigMap | Policy | CrdPolicy | Inbound
)

DECLARING: Final = inbound.KINDS | inbound_others.KINDS
"""API groups and kinds that declare who is reached by whom: without them less is known, and nothing is wrong."""

_GROUPS: Final = {  # the API groups that own a kind; the same word in another group is another kind
    "Namespace": ("",),
    "Node": ("",),
    "Pod": ("",),
    "Service": ("",),
    "ConfigMap": ("",),
    "ReplicationController": ("",),
    "Endpoints": ("",),
    "EndpointSlice": ("discovery.k8s.io",),
    "NetworkPolicy": ("networking.k8s.io",),
    "Deployment": ("apps", "extensions"),
    "StatefulSet": ("apps",),
    "DaemonSet": ("apps", "extensions"),
    "ReplicaSet": ("apps", "extensions"),
    "Job": ("batch",),
    "CronJob": ("batch",),
    **{kind: (group,) for group, kind in inbound.KINDS},
}
_BEFORE: Final = {("networking.k8s.io/v1beta1", "Ingress")}  # with backends of another shape
_READERS: Final[dict[str, Callable[[Raw, str], Projected]]] = {
    "Namespace": lambda raw, _: services.namespace(raw),
    "Node": lambda raw, _: services.node(raw),
    "Pod": workloads.pod,
    "Service": services.service,
    "ConfigMap": hints.config_map,
    "Endpoints": services.endpoints,
    "EndpointSlice": services.endpoint_slice,
    "NetworkPolicy": network_policy,
    **{kind: inbound.reader(kind) for _, kind in inbound.KINDS},
}


def kind_of(raw: Raw) -> str | None:
    """Return the kind where `project` reads it; None for any other kind or group."""
    kind, version = raw.get("kind"), raw.get("apiVersion")
    if not isinstance(kind, str) or not isinstance(version, str):
        return None
    if (version, kind) in _BEFORE:
        return None
    group = version.rpartition("/")[0]
    return kind if group in _GROUPS.get(kind, ()) else None


def project(raw: Raw, default_namespace: str = "default") -> Projected | None:
    """Read one object. None: not a kind of ours, and without a pod template. Raises Malformed."""
    kind = kind_of(raw)
    if kind is None and _known_word(raw) in inbound_others.KINDS:
        return inbound_others.declaration(raw, default_namespace)
    if kind is None:
        return _of_template(raw, default_namespace)
    namespace = shapes.namespace(raw, default_namespace)
    if reader := _READERS.get(kind):
        return reader(raw, namespace)
    return workloads.workload(raw, kind, namespace)


def _known_word(raw: Raw) -> tuple[str, str]:
    """Return the API group and the kind, as far as they are text."""
    kind, version = raw.get("kind"), raw.get("apiVersion")
    text = isinstance(kind, str) and isinstance(version, str)
    return (str(version).rpartition("/")[0], str(kind)) if text else ("", "")


def _of_template(raw: Raw, default_namespace: str) -> Workload | None:
    """Read an object of another kind that has a pod template (Rollout, CloneSet, ...) as a workload."""
    kind, version = raw.get("kind"), raw.get("apiVersion")
    if not (isinstance(kind, str) and isinstance(version, str) and _has_containers(raw)):
        return None
    try:
        return workloads.workload(raw, kind, shapes.namespace(raw, default_namespace), at=workloads.USUAL_PATH)
    except Malformed:
        return None  # another idea of a template


def _has_containers(raw: Raw) -> bool:
    found: object = raw
    for key in (*workloads.USUAL_PATH, "spec", "containers"):
        found = found.get(key) if isinstance(found, Mapping) else None
    return isinstance(found, list) and bool(found)


def flatten(raw: Raw, path: str = "") -> Iterator[Raw]:
    """Yield the items of a `List` (or a typed list, `PodList`), or `raw` itself. Raises Malformed."""
    kind = string(raw, "kind", path)
    if not kind.endswith("List") or "items" not in raw:
        yield raw
        return
    for index, item in enumerate(mappings(raw, "items", path)):
        whole = item
        if kind != "List" and "kind" not in item:
            whole = {"apiVersion": raw.get("apiVersion"), "kind": kind.removesuffix("List"), **item}
        if whole.get("kind") == "List":
            fail(f"items[{index}]", "expected an object that is no list")
        yield whole


_NOT_SPEC: Final = frozenset({"apiVersion", "kind", "metadata", "status"})
UNSERVED: Final = ("extensions", "NetworkPolicy")  # by any API server since 1.16: it does nothing, and is said to
KUBERNETES: Final = "networking.k8s.io"


def crd_policy(raw: Raw, namespace: str | None) -> CrdPolicy:
    """Read an object. Its `spec` holds `spec` and what is beside it (`specs`); of a ServiceAccount AUTOMOUNT.

    Of one nothing else is looked at: Secrets are named there.
    """
    group, _, version = string(raw, "apiVersion", "").rpartition("/")
    kind = string(raw, "kind", "")
    return CrdPolicy(
        PolicyRef(namespace, shapes.name(raw), kind, group=group),
        group,
        namespace,
        {key: value for key, value in raw.items() if (key not in _NOT_SPEC if group else key == workloads.AUTOMOUNT)},
        shapes.labels(raw),
        version,
        _refused(raw),
    )


def _refused(raw: Raw) -> str:
    """Return why the enforcer does not take the object: its condition `Valid` is False (Cilium)."""
    try:
        for condition in mappings(mapping(raw, "status", ""), "conditions", "status"):
            if condition.get("type") == "Valid" and condition.get("status") == "False":
                return string(condition, "message", "status.conditions") or "its status says that it is not valid"
    except Malformed:
        return ""
    return ""


# -- the fields that are read ------------------------------------------------------------------------------------------

Fields = Mapping[str, Any]


class Whole(Struct, frozen=True):
    """A value that is decoded as it comes, of which `fields` are read. None: nothing but what hints are made of."""

    fields: Any


def _any(*names: str) -> Fields:
    return dict.fromkeys(names)


HINTED: Final = Whole(None)
_NAME: Final = _any("name", "namespace")
_LABELLED: Final = {**_NAME, "labels": None}
_META: Final = {
    **_LABELLED,
    **_any("annotations", "deletionTimestamp"),
    "ownerReferences": Whole([_any("apiVersion", "kind", "name", "controller")]),
}
_PORTS: Final = Whole([_any("name", "port", "protocol", "targetPort", "nodePort", "containerPort", "hostPort")])
_MADE_CONTAINER: Final = {"name": HINTED, "ports": _PORTS, "restartPolicy": None}
_PROBE: Final = dict.fromkeys(("httpGet", "tcpSocket", "grpc"), _any("port"))
_CONTAINER: Final = {
    **_MADE_CONTAINER,
    **dict.fromkeys(("readinessProbe", "livenessProbe", "startupProbe"), _PROBE),
    **dict.fromkeys(("command", "args", "env", "envFrom", "volumeMounts"), HINTED),
}
_AGENT: Final = {**_CONTAINER, "image": None}  # images tell what enforces policy
_IDENTITY: Final = _any("hostNetwork", "dnsPolicy", "serviceAccountName", "subdomain")
_TEMPLATE_SPEC: Final = {
    **_IDENTITY,
    **_any("hostAliases", workloads.AUTOMOUNT, "volumes"),
    "dnsConfig": Whole(_any("nameservers")),
    "containers": [_CONTAINER],
    "initContainers": [_CONTAINER],
}
_POD_SPEC: Final = {"nodeName": None, **_TEMPLATE_SPEC}


def _template(spec: Fields) -> Fields:
    return {"metadata": _any("labels", "annotations"), "spec": spec}


_WORKLOAD: Final = {
    "metadata": _META,
    "spec": {**_any("replicas", "selector", "serviceName"), "template": _template(_POD_SPEC)},
    "status": _any("desiredNumberScheduled"),
}
_POD: Final = {"metadata": _META, "status": {**_any("phase", "podIP"), "podIPs": Whole([_any("ip")])}}
_BALANCER: Final = {"loadBalancer": Whole({"ingress": [_any("ip", "hostname")]})}
_BACKEND: Final = Whole({"service": _any("name", "port")})
_REFERENCE: Final = _any("group", "kind", "namespace", "name", "port")
_ROUTE: Final = {
    "metadata": _NAME,
    "spec": {"parentRefs": Whole([_REFERENCE]), "rules": [{"backendRefs": [_REFERENCE]}]},
}
_SERVICE: Final = {
    **_any("type", "externalName", "externalIPs", "clusterIP", "clusterIPs", "ipFamilies", "selector"),
    **_any("internalTrafficPolicy", "externalTrafficPolicy", "publishNotReadyAddresses", "loadBalancerClass"),
    "ports": _PORTS,
}

FIELDS: Final[Mapping[str, Fields]] = {
    "Namespace": {"metadata": _any("name", "labels", "annotations")},
    "ServiceAccount": {"metadata": _LABELLED, workloads.AUTOMOUNT: None},
    "Node": {
        "metadata": _any("name", "labels", "annotations"),
        "spec": _any("podCIDR", "podCIDRs"),
        "status": {"addresses": Whole([_any("type", "address")])},
    },
    "Pod": {**_POD, "spec": _POD_SPEC},
    "Service": {"metadata": {**_LABELLED, "annotations": None}, "spec": Whole(_SERVICE), "status": _BALANCER},
    "Endpoints": {
        "metadata": _NAME,
        "subsets": [{"addresses": [_any("ip")], "notReadyAddresses": [_any("ip")], "ports": _PORTS}],
    },
    "EndpointSlice": {
        "metadata": _LABELLED,
        "addressType": None,
        "endpoints": [{"addresses": None, "conditions": Whole(_any("ready"))}],
        "ports": _PORTS,
    },
    "ConfigMap": {"metadata": _NAME, "data": HINTED},
    **dict.fromkeys(("Deployment", "StatefulSet", "ReplicaSet", "ReplicationController", "Job"), _WORKLOAD),
    "DaemonSet": {
        "metadata": _META,
        "spec": {"selector": None, "template": _template({**_TEMPLATE_SPEC, "containers": [_AGENT]})},
        "status": _any("desiredNumberScheduled", "numberReady"),
    },
    "CronJob": {"metadata": _META, "spec": {"jobTemplate": {"spec": {"template": _template(_POD_SPEC)}}}},
    "NetworkPolicy": {"metadata": {**_NAME, "annotations": None}, "spec": None},
    "Ingress": {
        "metadata": {**_NAME, "annotations": None},
        "spec": {
            "ingressClassName": None,
            "defaultBackend": _BACKEND,
            "rules": [{"http": {"paths": [{"backend": _BACKEND}]}}],
        },
        "status": _BALANCER,
    },
    "IngressClass": {"metadata": {**_NAME, "annotations": None}, "spec": _any("controller")},
    "Gateway": {
        "metadata": _NAME,
        "spec": {"gatewayClassName": None, "listeners": [_any("port")]},
        "status": {"addresses": Whole([_any("type", "value")])},
    },
    "GatewayClass": {"metadata": _NAME, "spec": _any("controllerName")},
    **dict.fromkeys(ROUTES, _ROUTE),
}
"""Of the API's own kinds; of others see `inbound_others.READ`. `cluster` decodes these fields and no others, and a
snapshot keeps them and no others. A mapping is an object, a list of one a list of such, None any value."""
MADE_POD: Final[Fields] = {
    **_POD,
    "spec": {"nodeName": None, **_IDENTITY, "containers": [_MADE_CONTAINER], "initContainers": [_MADE_CONTAINER]},
}
"""Of a pod that a workload made: what its containers are given is asked of the workload's template."""

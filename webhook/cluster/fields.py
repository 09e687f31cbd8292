"""The fields that are kept of an object while it is decoded, kind by kind: those that the core reads.

A table, of which the decoders' types are made: None is any value, which `webhook.wire` checks; a mapping is an object
with these fields; a list of one is a list of such. Of kinds that declare ways in there are no hosts, paths, headers,
filters or schemas.
"""

from collections.abc import Mapping
from typing import Any, Final, TypedDict, cast

from webhook.wire import inbound_others

Fields = Mapping[str, Any]


class Metadata(TypedDict, total=False):
    """`ObjectMeta`, without `managedFields`, often half of an object."""

    name: str
    namespace: str
    resourceVersion: str
    creationTimestamp: Any
    deletionTimestamp: Any
    labels: Any
    annotations: Any
    ownerReferences: Any
    uid: Any


class Anything(TypedDict, total=False):
    """An object of any kind: also what is tried where an object does not have the shape of its kind."""

    metadata: Metadata
    spec: Any
    specs: Any  # of Cilium's policies
    status: Any
    addressType: Any
    endpoints: Any
    ports: Any


def _any(*names: str) -> Fields:
    return dict.fromkeys(names)


# -- pods and what makes them ------------------------------------------------------------------------------------------

_CONTAINER: Final = _any("name", "ports", "restartPolicy")
_PROBE: Final = dict.fromkeys(("httpGet", "tcpSocket", "grpc"), _any("port"))
_TEMPLATE_CONTAINER: Final = {
    **_CONTAINER,
    **dict.fromkeys(("readinessProbe", "livenessProbe", "startupProbe"), _PROBE),
    **_any("command", "args", "env", "envFrom", "volumeMounts"),
}
_IDENTITY: Final = _any("hostNetwork", "dnsPolicy", "serviceAccountName", "subdomain")
_TEMPLATE_SPEC: Final = {
    **_IDENTITY,
    **_any("dnsConfig", "hostAliases", "automountServiceAccountToken", "volumes"),
    "containers": [_TEMPLATE_CONTAINER],
    "initContainers": [_TEMPLATE_CONTAINER],
}
_POD_STATUS: Final = _any("phase", "podIP", "podIPs")


def _workload(spec: Fields, *status: str) -> Fields:
    template = {"metadata": _any("labels", "annotations"), "spec": spec}
    return {"spec": {"selector": None, "template": template}, "status": _any("desiredNumberScheduled", *status)}


_WORKLOAD_SPEC: Final = {
    **_any("replicas", "serviceName"),
    **_workload({"nodeName": None, **_TEMPLATE_SPEC})["spec"],
}
_WORKLOAD: Final = {"spec": _WORKLOAD_SPEC, "status": _any("desiredNumberScheduled")}
_AGENT: Final = {**_TEMPLATE_CONTAINER, "image": None}  # images tell what enforces policy
_BALANCER: Final = _any("loadBalancer")
_ROUTE: Final = {
    "spec": {"parentRefs": None, "rules": [{"backendRefs": [_any("group", "kind", "name", "namespace", "port")]}]}
}

# -- by kind -----------------------------------------------------------------------------------------------------------

# Besides the metadata. Kinds of our API groups that are not here are taken as Anything.
FIELDS: Final[Mapping[str, Fields]] = {
    "Namespace": {},
    "ServiceAccount": _any("automountServiceAccountToken"),
    "Node": {"spec": _any("podCIDR", "podCIDRs"), "status": _any("addresses")},
    "Pod": {
        "spec": {"nodeName": None, **_IDENTITY, "containers": [_CONTAINER], "initContainers": [_CONTAINER]},
        "status": _POD_STATUS,
    },
    "Service": {"spec": None, "status": _BALANCER},
    "ConfigMap": _any("data"),
    "EndpointSlice": {**_any("addressType", "ports"), "endpoints": [_any("addresses", "conditions")]},
    "DaemonSet": _workload({**_TEMPLATE_SPEC, "containers": [_AGENT]}, "numberReady"),
    "CronJob": {"spec": {"jobTemplate": {"spec": _WORKLOAD_SPEC}}},
    **dict.fromkeys(("Deployment", "StatefulSet", "ReplicaSet", "ReplicationController", "Job"), _WORKLOAD),
    "NetworkPolicy": _any("spec"),
    "Ingress": {
        "spec": {
            **_any("ingressClassName", "defaultBackend"),
            "rules": [{"http": {"paths": [_any("backend")]}}],
        },
        "status": _BALANCER,
    },
    "IngressClass": {"spec": _any("controller")},
    "GatewayClass": {"spec": _any("controllerName")},
    "Gateway": {"spec": {"gatewayClassName": None, "listeners": [_any("port")]}, "status": _any("addresses")},
    **dict.fromkeys(("HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute"), _ROUTE),
}
# A pod that no workload made is asked what its containers are given, as a template is.
UNOWNED_POD: Final[Fields] = {"spec": {"nodeName": None, **_TEMPLATE_SPEC}, "status": _POD_STATUS}

# -- the types ---------------------------------------------------------------------------------------------------------


def _typed(name: str, fields: Any) -> Any:  # noqa: ANN401 - a type that is made of a table
    match fields:
        case dict():
            inner = {key: _typed(f"{name}_{key}", value) for key, value in fields.items()}
            return cast("Any", TypedDict)(name, {key: one | None for key, one in inner.items()}, total=False)
        case [item]:
            return list.__class_getitem__(_typed(name, item))
        case _:
            return Any if fields is None else fields


def _object(kind: str, fields: Fields) -> Any:  # noqa: ANN401 - a type that is made of a table
    inner = {key: _typed(f"_{kind}_{key}", value) | None for key, value in fields.items()}
    return cast("Any", TypedDict)(f"_{kind}", {"metadata": Metadata, **inner}, total=False)


SHAPES: Final[dict[str, type]] = {kind: _object(kind, fields) for kind, fields in FIELDS.items()}
UNOWNED_SHAPES: Final[dict[str, type]] = {"Pod": _object("Pod", UNOWNED_POD)}
OTHERS_SHAPES: Final[dict[tuple[str, str], type]] = {  # by API group and kind
    (group, kind): _typed(f"_{kind}", {"metadata": Metadata, **inbound_others.READ[kind]})
    for group, kind in inbound_others.KINDS
}

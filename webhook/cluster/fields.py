"""The fields kept of an object while it is decoded, kind by kind: those that the core reads, and no others.

A table, of which the decoders' types are made: None is any value, which `webhook.wire` checks; a mapping is an object
with these fields; a list of one is a list of such. Of kinds that declare ways in there are no hosts, paths, headers,
filters or schemas.

A field that is not here is skipped by the decoder and never becomes a Python object: managedFields, most of a
status, images, volumes, probes. Leaves are `Any`: whether they are what they should be is for `webhook.wire` to say.
"""

from collections.abc import Mapping
from typing import Any, Final, TypedDict, cast

import msgspec

from webhook.cluster.kinds import Kind, Raw
from webhook.model.refs import makes
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


class _ListMeta(msgspec.Struct):
    resource_version: str = msgspec.field(name="resourceVersion", default="")
    more: str = msgspec.field(name="continue", default="")
    remaining: int | None = msgspec.field(name="remainingItemCount", default=None)


class Page(msgspec.Struct):
    """One page of a list."""

    metadata: _ListMeta
    items: list[Any] | None = None


def _page_of(shape: Any) -> Any:  # noqa: ANN401 - a type that is made of a table
    return msgspec.defstruct("_Page", [("items", list[shape] | None, None)], bases=(Page,))


class Decoders:
    """The decoders of one kind. All raise msgspec.DecodeError and UnicodeDecodeError."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        others = OTHERS_SHAPES.get((kind.group, kind.name), Anything)
        shape = SHAPES.get(kind.name, Anything) if kind.group in _OURS else others
        unowned = UNOWNED_SHAPES.get(kind.name) if kind.group in _OURS else None
        self._page = _Decoder(_page_of(shape), _ANY_PAGE)
        self._object = _Decoder(shape, _ANY_OBJECT)
        self._unowned_page = _Decoder(_page_of(unowned), _ANY_PAGE) if unowned else None
        self._unowned_object = _Decoder(unowned, _ANY_OBJECT) if unowned else None

    def page(self, body: bytes) -> Page:
        """Read a page; its items say what they are."""
        page: Page = self._page.decode(body)
        items = page.items or []
        if self._unowned_page and not all(made(self._kind, one) for one in items):
            whole = self._unowned_page.decode(body).items
            items[:] = [one if made(self._kind, one) else more for one, more in zip(items, whole, strict=True)]
        for raw in items:
            self._name(raw)
        return page

    def object(self, body: bytes | msgspec.Raw) -> Raw:
        """Read one object; it says what it is."""
        raw: Raw = self._object.decode(body)
        if self._unowned_object and not made(self._kind, raw):
            raw = self._unowned_object.decode(body)
        self._name(raw)
        return raw

    def _name(self, raw: Raw) -> None:
        """Write what items of a built-in list do not carry, and what a bare object calls PartialObjectMetadata."""
        raw["apiVersion"], raw["kind"] = self._kind.api_version, self._kind.name


class _Decoder:
    """Decodes by a shape; where an object does not have it, by one that leaves more open."""

    def __init__(self, shape: Any, otherwise: msgspec.json.Decoder[Any]) -> None:  # noqa: ANN401 - a type
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(shape)
        self._otherwise = otherwise

    def decode(self, body: bytes | msgspec.Raw) -> Any:  # noqa: ANN401 - whatever the shape says
        try:
            return self._decoder.decode(body)
        except msgspec.ValidationError:
            return self._otherwise.decode(body)


def made(kind: Kind, raw: Raw) -> bool:
    """Say whether a workload made the object, as Deployments make ReplicaSets: it is asked what containers get."""
    owners = (raw.get("metadata") or {}).get("ownerReferences")
    return isinstance(owners, list) and any(
        isinstance(one, dict)
        and one.get("controller") is True
        and makes(str(one.get("kind")), str(one.get("apiVersion") or ""), kind.name)
        for one in owners
    )


_OURS: Final = frozenset({"", "apps", "batch", "discovery.k8s.io", "gateway.networking.k8s.io", "networking.k8s.io"})
_ANY_PAGE: Final[msgspec.json.Decoder[Any]] = msgspec.json.Decoder(_page_of(Anything))
_ANY_OBJECT: Final[msgspec.json.Decoder[Any]] = msgspec.json.Decoder(Anything)

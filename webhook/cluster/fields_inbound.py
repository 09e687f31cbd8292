"""What is kept while they are decoded of kinds that declare ways in: no hosts, paths, headers, filters or schemas."""

from typing import Any, Final, TypedDict, cast

from webhook.cluster.fields import Metadata
from webhook.wire import inbound_others


class _IngressPath(TypedDict, total=False):
    backend: Any


class _IngressPaths(TypedDict, total=False):
    paths: list[_IngressPath] | None


class _IngressRule(TypedDict, total=False):
    http: _IngressPaths | None


class _IngressSpec(TypedDict, total=False):
    ingressClassName: Any
    defaultBackend: Any
    rules: list[_IngressRule] | None


class _IngressStatus(TypedDict, total=False):
    loadBalancer: Any


class _Ingress(TypedDict, total=False):
    metadata: Metadata
    spec: _IngressSpec | None
    status: _IngressStatus | None


class _ClassSpec(TypedDict, total=False):
    controller: Any
    controllerName: Any


class _Class(TypedDict, total=False):
    metadata: Metadata
    spec: _ClassSpec | None


class _Listener(TypedDict, total=False):
    port: Any


class _GatewaySpec(TypedDict, total=False):
    gatewayClassName: Any
    listeners: list[_Listener] | None


class _GatewayStatus(TypedDict, total=False):
    addresses: Any


class _Gateway(TypedDict, total=False):
    metadata: Metadata
    spec: _GatewaySpec | None
    status: _GatewayStatus | None


class _BackendRef(TypedDict, total=False):
    group: Any
    kind: Any
    name: Any
    namespace: Any
    port: Any


class _RouteRule(TypedDict, total=False):
    backendRefs: list[_BackendRef] | None


class _RouteSpec(TypedDict, total=False):
    parentRefs: Any
    rules: list[_RouteRule] | None


class _Route(TypedDict, total=False):
    metadata: Metadata
    spec: _RouteSpec | None


INBOUND_SHAPES: Final[dict[str, type]] = {
    "Ingress": _Ingress,
    "IngressClass": _Class,
    "Gateway": _Gateway,
    "GatewayClass": _Class,
    **dict.fromkeys(("HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute"), _Route),
}


def _typed(name: str, fields: Any) -> Any:  # noqa: ANN401 - a type that is made of a table
    match fields:
        case dict():
            inner = {key: _typed(f"{name}_{key}", value) for key, value in fields.items()}
            return cast("Any", TypedDict)(name, {key: one | None for key, one in inner.items()}, total=False)
        case [item]:
            return list.__class_getitem__(_typed(name, item))
        case _:
            return Any if fields is None else fields


OTHERS_SHAPES: Final[dict[tuple[str, str], type]] = {  # by API group and kind
    (group, kind): _typed(f"_{kind}", {"metadata": Metadata, **inbound_others.READ[kind]})
    for group, kind in inbound_others.KINDS
}

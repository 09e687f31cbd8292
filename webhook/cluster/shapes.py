"""What is kept of an object while it is decoded: plain dicts, with the fields that the core reads and no others.

A field that is not here is skipped by the decoder and never becomes a Python object: managedFields, most of a
status, images, volumes, probes. Leaves are `Any`: whether they are what they should be is for `webhook.wire` to say.
"""

from typing import Any, Final, TypedDict, cast

import msgspec

from webhook.cluster.kinds import Kind, Raw


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


class Anything(TypedDict, total=False):
    """An object of any kind: also what is tried where an object does not have the shape of its kind."""

    metadata: Metadata
    spec: Any
    status: Any
    addressType: Any
    endpoints: Any
    ports: Any


class _Bare(TypedDict, total=False):
    metadata: Metadata


class _Container(TypedDict, total=False):
    name: Any
    ports: Any
    restartPolicy: Any


class _PodSpec(TypedDict, total=False):
    nodeName: Any
    hostNetwork: Any
    dnsPolicy: Any
    serviceAccountName: Any
    subdomain: Any
    containers: list[_Container] | None
    initContainers: list[_Container] | None


class _PodStatus(TypedDict, total=False):
    phase: Any
    podIP: Any
    podIPs: Any


class _Pod(TypedDict, total=False):
    metadata: Metadata
    spec: _PodSpec | None
    status: _PodStatus | None


class _TemplateMetadata(TypedDict, total=False):
    labels: Any
    annotations: Any


class _Template(TypedDict, total=False):
    metadata: _TemplateMetadata | None
    spec: _PodSpec | None


class _WorkloadSpec(TypedDict, total=False):
    replicas: Any
    selector: Any
    serviceName: Any
    template: _Template | None


class _Workload(TypedDict, total=False):
    metadata: Metadata
    spec: _WorkloadSpec | None


class _JobTemplate(TypedDict, total=False):
    spec: _WorkloadSpec | None


class _CronJobSpec(TypedDict, total=False):
    jobTemplate: _JobTemplate | None


class _CronJob(TypedDict, total=False):
    metadata: Metadata
    spec: _CronJobSpec | None


class _NodeSpec(TypedDict, total=False):
    podCIDR: Any
    podCIDRs: Any


class _NodeStatus(TypedDict, total=False):
    addresses: Any
    conditions: Any


class _Node(TypedDict, total=False):
    metadata: Metadata
    spec: _NodeSpec | None
    status: _NodeStatus | None


class _ServiceStatus(TypedDict, total=False):
    loadBalancer: Any


class _Service(TypedDict, total=False):
    metadata: Metadata
    spec: Any
    status: _ServiceStatus | None


class _Endpoint(TypedDict, total=False):
    addresses: Any
    conditions: Any


class _EndpointSlice(TypedDict, total=False):
    metadata: Metadata
    addressType: Any
    endpoints: list[_Endpoint] | None
    ports: Any


class _Specified(TypedDict, total=False):
    metadata: Metadata
    spec: Any


# A DaemonSet tells who enforces policy by its containers and its status, so it is taken whole, as are unknown kinds.
_SHAPES: Final[dict[str, type]] = {
    "Namespace": _Bare,
    "Node": _Node,
    "Pod": _Pod,
    "Service": _Service,
    "EndpointSlice": _EndpointSlice,
    "Deployment": _Workload,
    "StatefulSet": _Workload,
    "ReplicaSet": _Workload,
    "ReplicationController": _Workload,
    "Job": _Workload,
    "CronJob": _CronJob,
    "NetworkPolicy": _Specified,
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
        shape = _SHAPES.get(kind.name, Anything) if kind.group in _OURS else Anything
        self._page = msgspec.json.Decoder(_page_of(shape))
        self._object: msgspec.json.Decoder[Any] = msgspec.json.Decoder(shape)

    def page(self, body: bytes) -> Page:
        """Read a page; its items say what they are."""
        try:
            page: Page = self._page.decode(body)
        except msgspec.ValidationError:
            page = _ANY_PAGE.decode(body)
        for raw in page.items or ():
            self._name(raw)
        return page

    def object(self, body: bytes | msgspec.Raw) -> Raw:
        """Read one object; it says what it is."""
        try:
            raw = self._object.decode(body)
        except msgspec.ValidationError:
            raw = _ANY_OBJECT.decode(body)
        self._name(raw)
        return cast("Raw", raw)

    def _name(self, raw: Raw) -> None:
        """Write what items of a built-in list do not carry, and what a bare object calls PartialObjectMetadata."""
        raw["apiVersion"], raw["kind"] = self._kind.api_version, self._kind.name


_OURS: Final = frozenset({"", "apps", "batch", "discovery.k8s.io", "networking.k8s.io"})
_ANY_PAGE: Final = msgspec.json.Decoder(_page_of(Anything))
_ANY_OBJECT: Final = msgspec.json.Decoder(Anything)

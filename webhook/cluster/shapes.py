"""What is kept of an object while it is decoded: plain dicts, with the fields that the core reads and no others.

A field that is not here is skipped by the decoder and never becomes a Python object: managedFields, most of a
status, images, volumes, probes. Leaves are `Any`: whether they are what they should be is for `webhook.wire` to say.
"""

from typing import Any, Final, TypedDict

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


class _ToldContainer(_Container, total=False):
    command: Any
    args: Any
    env: Any
    envFrom: Any
    volumeMounts: Any


class _ToldPodSpec(TypedDict, total=False):
    """A pod's spec with what its containers are told: only of what nobody controls does that matter."""

    nodeName: Any
    hostNetwork: Any
    dnsPolicy: Any
    serviceAccountName: Any
    subdomain: Any
    containers: list[_ToldContainer] | None
    initContainers: list[_ToldContainer] | None
    volumes: Any


class _ToldPod(TypedDict, total=False):
    metadata: Metadata
    spec: _ToldPodSpec | None
    status: _PodStatus | None


class _TemplateMetadata(TypedDict, total=False):
    labels: Any
    annotations: Any


class _Template(TypedDict, total=False):
    metadata: _TemplateMetadata | None
    spec: _ToldPodSpec | None


class _WorkloadSpec(TypedDict, total=False):
    replicas: Any
    selector: Any
    serviceName: Any
    template: _Template | None


class _WorkloadStatus(TypedDict, total=False):
    desiredNumberScheduled: Any


class _Workload(TypedDict, total=False):
    metadata: Metadata
    spec: _WorkloadSpec | None
    status: _WorkloadStatus | None


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


class _ConfigMap(TypedDict, total=False):
    metadata: Metadata
    data: Any


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


# Kinds that are not here are taken as Anything.
_SHAPES: Final[dict[str, type]] = {
    "Namespace": _Bare,
    "Node": _Node,
    "Pod": _Pod,
    "Service": _Service,
    "ConfigMap": _ConfigMap,
    "EndpointSlice": _EndpointSlice,
    "DaemonSet": _Workload,
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
        told = _TOLD.get(kind.name) if kind.group in _OURS else None
        self._page = _Decoder(_page_of(shape), _ANY_PAGE)
        self._object = _Decoder(shape, _ANY_OBJECT)
        self._told_page = _Decoder(_page_of(told), _ANY_PAGE) if told else None
        self._told_object = _Decoder(told, _ANY_OBJECT) if told else None

    def page(self, body: bytes) -> Page:
        """Read a page; its items say what they are."""
        page: Page = self._page.decode(body)
        items = page.items or []
        if self._told_page and not all(map(controlled, items)):
            told = self._told_page.decode(body).items
            items[:] = [one if controlled(one) else more for one, more in zip(items, told, strict=True)]
        for raw in items:
            self._name(raw)
        return page

    def object(self, body: bytes | msgspec.Raw) -> Raw:
        """Read one object; it says what it is."""
        raw: Raw = self._object.decode(body)
        if self._told_object and not controlled(raw):
            raw = self._told_object.decode(body)
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


def controlled(raw: Raw) -> bool:
    """Say whether a controller made the object."""
    owners = (raw.get("metadata") or {}).get("ownerReferences")
    return isinstance(owners, list) and any(isinstance(one, dict) and one.get("controller") is True for one in owners)


_OURS: Final = frozenset({"", "apps", "batch", "discovery.k8s.io", "networking.k8s.io"})
_TOLD: Final[dict[str, type]] = {"Pod": _ToldPod}
_ANY_PAGE: Final[msgspec.json.Decoder[Any]] = msgspec.json.Decoder(_page_of(Anything))
_ANY_OBJECT: Final[msgspec.json.Decoder[Any]] = msgspec.json.Decoder(Anything)

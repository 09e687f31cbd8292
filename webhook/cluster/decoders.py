"""JSON to objects with those fields that the core reads (`wire.objects.FIELDS`), and no others.

A field that is not there is skipped by the decoder and never becomes a Python object: managedFields, most of a status,
images. Leaves are `Any`: whether they are what they should be is for `webhook.wire` to say.
"""

from typing import Any, Final, TypedDict, cast

import msgspec

from webhook.cluster.kinds import Kind, Raw
from webhook.model.refs import makes
from webhook.wire import inbound_others
from webhook.wire.objects import FIELDS, MADE_POD, Fields


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


# -- the types ---------------------------------------------------------------------------------------------------------


def _typed(name: str, fields: Any) -> Any:  # noqa: ANN401 - a type that is made of a table
    match fields:
        case dict():
            inner = {key: _typed(f"{name}_{key}", value) for key, value in fields.items()}
            return cast("Any", TypedDict)(name, {key: one | None for key, one in inner.items()}, total=False)
        case [item]:
            return list.__class_getitem__(_typed(name, item))
        case type():
            return fields
        case _:  # None, or Whole
            return Any


def _object(kind: str, fields: Fields) -> Any:  # noqa: ANN401 - a type that is made of a table
    inner = {key: _typed(f"_{kind}_{key}", value) | None for key, value in fields.items() if key != "metadata"}
    return cast("Any", TypedDict)(f"_{kind}", {"metadata": Metadata, **inner}, total=False)


SHAPES: Final[dict[str, type]] = {kind: _object(kind, fields) for kind, fields in {**FIELDS, "Pod": MADE_POD}.items()}
UNOWNED_SHAPES: Final[dict[str, type]] = {"Pod": _object("Pod", FIELDS["Pod"])}
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

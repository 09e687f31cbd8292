"""A review of a usual workload, decoded by types in one pass over its bytes: what says nothing is passed over.

What differs from one version to the next is read; a pod's spec, which mostly is as it was but for images, is remembered
by a digest. Anything unusual is for others to read, who also say what is wrong with it.
"""

from collections import OrderedDict
from hashlib import blake2b
from typing import Any, Final

import msgspec
from msgspec import Struct, structs

from webhook.model.hints import ContainerHints
from webhook.model.labels import Labels
from webhook.model.objects import Template, Workload
from webhook.model.refs import WorkloadRef
from webhook.model.settings import CONNECTS_TO, EXEMPT
from webhook.wire import shapes, workloads
from webhook.wire.hints import container_hints
from webhook.wire.inbound import scrape

REVIEW: Final = ("admission.k8s.io/v1", "AdmissionReview")
GROUPS: Final = ("", "apps", "batch", "extensions")  # of kinds that have a pod template
_OPERATIONS: Final = ("CREATE", "UPDATE")
_KINDS: Final = frozenset(
    kind for kind, path in workloads.TEMPLATE_PATHS.items() if path == workloads.USUAL_PATH and kind != "DaemonSet"
)
_PATH: Final = ".".join(workloads.USUAL_PATH)
_ABSENT: Final = msgspec.Raw(b"")


class Kind(Struct, frozen=True, gc=False):
    """`metav1.GroupVersionKind`, as far as it is read."""

    group: str | None = None
    kind: str | None = None


class User(Struct, frozen=True, gc=False):
    """`authenticationv1.UserInfo`, as far as it is read."""

    username: str | None = None


class _Metadata(Struct, frozen=True, rename="camel"):
    name: str | None = None
    generate_name: str | None = None
    uid: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owner_references: Any = None


class _Container(Struct, frozen=True, gc=False, rename="camel", omit_defaults=True):
    env: msgspec.Raw = _ABSENT
    env_from: msgspec.Raw = _ABSENT
    command: msgspec.Raw = _ABSENT
    args: msgspec.Raw = _ABSENT
    volume_mounts: msgspec.Raw = _ABSENT
    ports: msgspec.Raw = _ABSENT
    restart_policy: msgspec.Raw = _ABSENT
    readiness_probe: msgspec.Raw = _ABSENT
    liveness_probe: msgspec.Raw = _ABSENT
    startup_probe: msgspec.Raw = _ABSENT


class _PodSpec(Struct, frozen=True, rename="camel", omit_defaults=True):
    containers: list[_Container]
    init_containers: list[_Container] | None = None
    volumes: msgspec.Raw = _ABSENT
    dns_policy: msgspec.Raw = _ABSENT
    dns_config: msgspec.Raw = _ABSENT
    service_account_name: msgspec.Raw = _ABSENT
    automount_service_account_token: msgspec.Raw = _ABSENT
    host_network: msgspec.Raw = _ABSENT
    host_aliases: msgspec.Raw = _ABSENT
    subdomain: msgspec.Raw = _ABSENT


class _TemplateMetadata(Struct, frozen=True):
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class _Template(Struct, frozen=True):
    metadata: _TemplateMetadata
    spec: _PodSpec


class _Spec(Struct, frozen=True, rename="camel"):
    template: _Template
    replicas: int | None = None
    selector: Any = None
    service_name: str | None = None


class _Object(Struct, frozen=True):
    metadata: _Metadata
    spec: _Spec


class _Asked(Struct, frozen=True, rename="camel"):
    uid: str
    kind: Kind
    operation: str
    object: _Object
    old_object: _Object | None = None
    namespace: str | None = None
    name: str | None = None
    sub_resource: str | None = None
    dry_run: bool | None = None
    user_info: User | None = None


class _Envelope(Struct, frozen=True, rename="camel"):
    api_version: str
    kind: str
    request: _Asked


_ENVELOPES: Final = msgspec.json.Decoder(_Envelope)
_ENCODER: Final = msgspec.json.Encoder()


class Typed:
    """A review of a workload. `digest`: of all that is read of it but uid and dryRun."""

    __slots__ = (
        *("_new", "_old", "_pods"),
        *("digest", "dry_run", "group", "kind", "name", "namespace", "operation", "uid", "user"),
    )

    def __init__(self, request: _Asked) -> None:
        """Take a digest of each pod's spec, and of the rest."""
        self.uid, self.dry_run = request.uid, bool(request.dry_run)
        self.operation, self.group, self.kind = request.operation, request.kind.group or "", request.kind.kind or ""
        self.namespace, self.name = request.namespace or "", request.name or ""
        self.user = (request.user_info.username if request.user_info else None) or ""
        words = self.operation, self.group, self.kind, self.namespace, self.name, self.user
        self._new, self._old = request.object, request.old_object
        every = (self._new,) if self._old is None else (self._new, self._old)
        self._pods = [_digested(one) for one in every]
        parts = [_rest(one, pod[1]) for one, pod in zip(every, self._pods, strict=True)]
        self.digest = blake2b(_ENCODER.encode((words, parts)), digest_size=32).digest()

    def workload(self) -> tuple[Workload, str]:
        """Return the object, and the uid of its controller. Raises Malformed and DecodeError."""
        return self._read(self._new, *self._pods[0])

    def old(self) -> tuple[Workload | None, str]:
        """Return the same of the object as it was; None: it is new."""
        return self._read(self._old, *self._pods[1]) if self._old is not None else (None, "")

    def _read(self, one: _Object, spec: bytes, digest: bytes) -> tuple[Workload, str]:
        metadata, inner, namespace = one.metadata, one.spec.template.metadata, self.namespace or "default"
        top, notes = metadata.annotations or {}, inner.annotations or {}
        name = metadata.name or self.name
        template, hints, cut = _pod(namespace, spec, digest)
        template = structs.replace(
            template, pod_class=structs.replace(template.pod_class, labels=Labels(inner.labels or ()))
        )
        if notes:
            template = structs.replace(template, scrape=scrape(notes), injected=shapes.injected(notes))
        owner, controller = None, ""
        if metadata.owner_references is not None:
            raw = {"metadata": {"ownerReferences": metadata.owner_references}}
            owner, controller = shapes.maker(raw, self.kind), shapes.controller_uid(raw)
        return Workload(
            ref=WorkloadRef(self.kind, namespace, shapes.full_name(name, metadata.generate_name or "")),
            template=template,
            replicas=one.spec.replicas,
            labels=Labels(metadata.labels or ()),
            selector=workloads.selector({"selector": one.spec.selector}, self.kind),
            owner=owner,
            connects_to=workloads.declarations(top, notes, CONNECTS_TO),
            exempt=workloads.declarations(top, notes, EXEMPT),
            service_name=(one.spec.service_name or "") if self.kind == "StatefulSet" else "",
            hints=hints if owner is None else (),
            uid=metadata.uid or "",
            cut=workloads.cuts(top, notes, containers=cut and owner is None),
        ), controller


def typed(body: bytes) -> Typed | None:
    """Read a review; None: it is of something else, or not as it should be."""
    try:
        envelope = _ENVELOPES.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    asked = envelope.request
    usual = asked.kind.kind in _KINDS and (asked.kind.group or "") in GROUPS and asked.operation in _OPERATIONS
    if not usual or asked.sub_resource or (envelope.api_version, envelope.kind) != REVIEW:
        return None
    return Typed(asked)


def _rest(one: _Object, pod: bytes) -> tuple[object, ...]:
    """Return what is read of an object, with a digest in the place of its pod's spec."""
    spec = one.spec
    return one.metadata, spec.replicas, spec.selector, spec.service_name, spec.template.metadata, pod


# -- pods, which are mostly as they were -------------------------------------------------------------------------------

_Pod = tuple[Template, tuple[ContainerHints, ...], bool]  # without labels and annotations; hints, and whether all
_MOST: Final = 256  # pods that are remembered
_LONGEST: Final = 32_768  # bytes of what is read of one
_PODS: Final[OrderedDict[tuple[str, bytes], _Pod]] = OrderedDict()


def _digested(one: _Object) -> tuple[bytes, bytes]:
    spec = _ENCODER.encode(one.spec.template.spec)
    return spec, blake2b(spec, digest_size=32).digest()


def _pod(namespace: str, spec: bytes, digest: bytes) -> _Pod:
    key = namespace, digest
    known = _PODS.get(key)
    if known is not None:
        _PODS.move_to_end(key)
        return known
    raw = msgspec.json.decode(spec)
    template = workloads.read_template({"spec": raw}, _PATH, namespace)
    known = template, *container_hints(raw, namespace)
    if len(spec) <= _LONGEST:
        _PODS[key] = known
        if len(_PODS) > _MOST:
            _PODS.popitem(last=False)
    return known

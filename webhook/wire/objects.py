"""Any Kubernetes object -> a model value, or None for a kind that no verdict depends on.

Whoever compiles them must take them as untrusted input.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from webhook.model.crd_policies import CrdPolicy
from webhook.model.hints import ConfigMap
from webhook.model.inbound import Inbound
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

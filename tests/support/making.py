"""Kubernetes objects in few words, as the API server would return them. A name is `namespace/name`."""

from typing import Any, Final, cast

from tests.support.arena import Raw, world_of
from webhook.dependencies import Resolved, parse, resolve
from webhook.families import project
from webhook.model.answers import Dependency
from webhook.model.labels import Selector
from webhook.model.objects import Workload
from webhook.model.policy import Direction, Policy, Rule
from webhook.model.refs import PolicyRef
from webhook.world import View

VERSIONS: Final = {
    "Deployment": "apps/v1",
    "StatefulSet": "apps/v1",
    "DaemonSet": "apps/v1",
    "ReplicaSet": "apps/v1",
    "ReplicationController": "v1",
    "Job": "batch/v1",
    "CronJob": "batch/v1",
    "Pod": "v1",
    "Service": "v1",
    "Namespace": "v1",
    "Node": "v1",
    "EndpointSlice": "discovery.k8s.io/v1",
    "NetworkPolicy": "networking.k8s.io/v1",
}


def metadata(name: str, **more: Any) -> Raw:  # noqa: ANN401 - any field of ObjectMeta
    space, slash, own = name.rpartition("/")
    return {**({"namespace": space} if slash else {}), "name": own, **more}


def owned_by(kind: str, name: str, uid: str = "") -> Raw:
    owner = {"apiVersion": VERSIONS[kind], "kind": kind, "name": name, "controller": True}
    return {"ownerReferences": [owner | ({"uid": uid} if uid else {})]}


def workload(
    kind: str,
    name: str,
    ports: list[Raw] | None = None,
    *,
    annotations: Raw | None = None,
    notes: Raw | None = None,
    **spec: Any,  # noqa: ANN401 - any field of a pod's spec
) -> Raw:
    """Return a workload labelled `app: NAME`. `annotations` are its own, `notes` its template's."""
    labels = {"app": name.rpartition("/")[2]}
    inside = {"containers": [{"name": "c", "image": "c", "ports": ports or []}], **spec}
    top = metadata(name, labels=labels, annotations=annotations or {})
    raw: Raw = {"apiVersion": VERSIONS[kind], "kind": kind, "metadata": top}
    template = {"metadata": {"labels": labels, "annotations": notes or {}}, "spec": inside}
    match kind:
        case "Pod":
            return raw | {"spec": inside}
        case "CronJob":
            return raw | {"spec": {"jobTemplate": {"spec": {"template": template}}}}
        case "Job":
            return raw | {"spec": {"template": template}}
        case "ReplicationController":
            return raw | {"spec": {"selector": labels, "template": template}}
        case _:
            return raw | {"spec": {"selector": {"matchLabels": labels}, "template": template}}


def deployment(name: str, ports: list[Raw] | None = None, **more: Any) -> Raw:  # noqa: ANN401 - as `workload`
    return workload("Deployment", name, ports, **more)


def service(name: str, selector: Raw | None, ports: list[Raw], **spec: Any) -> Raw:  # noqa: ANN401 - any field
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(name),
        "spec": {"selector": selector, "ports": ports, **spec},
    }


def headless(name: str, selector: Raw | None, ports: list[Raw], **spec: Any) -> Raw:  # noqa: ANN401 - any field
    return service(name, selector, ports, clusterIP="None", **spec)


def external_name(name: str, target: str, ports: list[Raw] | None = None) -> Raw:
    return service(name, None, ports or [], type="ExternalName", externalName=target)


def endpoint_slice(name: str, of: str, addresses: list[str], ports: list[Raw]) -> Raw:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": metadata(name, labels={"kubernetes.io/service-name": of}),
        "addressType": "IPv6" if ":" in "".join(addresses) else "IPv4",
        "endpoints": [{"addresses": [a], "conditions": {"ready": True}} for a in addresses],
        "ports": ports,
    }


def node(name: str, *addresses: str, blocks: list[str] | None = None) -> Raw:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name},
        "spec": {"podCIDRs": blocks or []},
        "status": {"addresses": [{"type": "InternalIP", "address": a} for a in addresses]},
    }


def asks(name: str, kind: str = "Deployment") -> Workload:
    """Return a workload to ask for, without any port."""
    return cast("Workload", project(workload(kind, name)))


def resolved(view: View, text: str, client: str = "shop/web") -> Resolved:
    """Look up the only item of `text` for a Deployment."""
    (item,) = parse(text)
    assert isinstance(item, Dependency), item
    return resolve(view, asks(client), item)


def world(*objects: Raw, complete: bool = True) -> View:
    return world_of(objects, complete=complete)


def agent(image: str) -> Raw:
    """Return the DaemonSet that runs an image of Cilium or Calico."""
    name = "cilium" if "cilium" in image else "calico-node"
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"namespace": "kube-system", "name": name},
        "spec": {"template": {"spec": {"containers": [{"name": "agent", "image": image}]}}},
        "status": {"desiredNumberScheduled": 3, "numberReady": 3},
    }


def isolating(
    ref: PolicyRef,
    subject: Selector | None,
    ingress: tuple[Rule, ...] | None = None,
    egress: tuple[Rule, ...] | None = None,
    unreadable: str | None = None,
) -> Policy:
    """Return a policy of the reference's namespace that isolates in the directions whose rules are given."""
    sides = ((Direction.INGRESS, ingress), (Direction.EGRESS, egress))
    types = frozenset(direction for direction, rules in sides if rules is not None)
    return Policy(ref, ref.namespace or "", subject, ingress or (), egress or (), types, unreadable=unreadable)

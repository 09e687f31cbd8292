"""NetworkPolicy objects that open given needs and nothing else."""

from collections.abc import Iterable
from typing import Any, Final

from webhook.explain import ASSUMED_DNS
from webhook.fix.naming import free_name, name
from webhook.fix.needs import Need
from webhook.fix.selectors import Chosen, choose, shapes_of
from webhook.model.addresses import Block
from webhook.model.finding import Manifest
from webhook.model.labels import Labels
from webhook.model.objects import Shape, Workload
from webhook.model.policy import Direction
from webhook.model.refs import WorkloadRef
from webhook.model.truth import Truth
from webhook.world import View
from webhook.world.lookup import NAME_LABEL

_KEYS: Final = {Direction.EGRESS: ("egress", "to"), Direction.INGRESS: ("ingress", "from")}


class Unwritable(Exception):  # noqa: N818 - carries why no policy can be written; caught in this package
    """No policy opens the need without doing something else."""


def write(view: View, workload: Workload, needs: Iterable[Need]) -> tuple[list[Manifest], list[str]]:
    """Return one policy for each subject and direction, and notes on whom else they reach. Raises Unwritable."""
    grouped: dict[tuple[WorkloadRef, Direction], list[Need]] = {}
    for need in sorted(set(needs), key=_order):
        grouped.setdefault((need.subject, need.direction), []).append(need)
    manifests, notes = [], []
    for (subject, direction), some in grouped.items():
        manifest, said = _policy(view, workload, subject, direction, some)
        manifests.append(manifest)
        notes += said
    return sorted(manifests, key=_identity), list(dict.fromkeys(notes))


def _order(need: Need) -> tuple[str, ...]:
    return (
        need.subject.namespace,
        str(need.subject),
        need.direction,
        str(need.other),
        need.protocol,
        f"{need.port:05}",
    )


def _identity(manifest: Manifest) -> tuple[str, str]:
    return manifest["metadata"]["namespace"], manifest["metadata"]["name"]


def _policy(
    view: View, workload: Workload, subject: WorkloadRef, direction: Direction, needs: list[Need]
) -> tuple[Manifest, list[str]]:
    chosen = _subject(view, workload, subject, direction)
    notes = _reached(subject, chosen)
    key, peers_key = _KEYS[direction]
    rules = []
    for other in dict.fromkeys(need.other for need in needs):
        peers, said = _peers(view, workload, subject, other)
        notes += said
        rules.append({peers_key: peers, "ports": [_port(need) for need in needs if need.other == other]})
    spec: dict[str, Any] = {
        "podSelector": {"matchLabels": chosen.labels.as_dict()},
        "policyTypes": [direction.value],
        key: rules,
    }
    metadata = {"name": free_name(view, subject.namespace, name(view, needs)), "namespace": subject.namespace}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}, notes


def _subject(view: View, workload: Workload, ref: WorkloadRef, direction: Direction) -> Chosen:
    """Choose whom to open: only those that are isolated already, since whoever a policy selects is isolated by it."""
    closed = [shape for shape in _shapes(view, workload, ref) if _isolated(view, shape, direction)]
    open_ones = _open(view, workload, ref.namespace, direction)
    chosen = _or_unwritable(choose(view, ref, closed, _own_labels(view, workload, ref), tuple(open_ones)), ref)
    if chosen.reached:
        others = sorted({open_ones[shape].short for shape in chosen.reached})
        raise Unwritable(_would_close(ref, ", ".join(others), direction))
    return chosen


def _open(view: View, workload: Workload, namespace: str, direction: Direction) -> dict[Shape, WorkloadRef]:
    """Return who of a namespace is not sure to be isolated: running pods, and those that a template may still make.

    Pods on the host network are left out: no policy isolates them.
    """
    found = {shape: group.ref for group in view.groups(namespace) for shape in shapes_of(group)}
    made = [w for w in view.workloads(namespace) if w.owner is None and w.ref.kind != "Pod"]
    for one in (
        *made,
        *([workload] if workload.ref.namespace == namespace and not _running(view, workload.ref) else ()),
    ):
        found.setdefault(one.template.shape, one.ref)
    return {s: ref for s, ref in found.items() if not s.host_network and not _isolated(view, s, direction)}


def _isolated(view: View, shape: Shape, direction: Direction) -> bool:
    return any(truth is Truth.YES for _, truth in view.selecting(shape, direction))


def _would_close(ref: WorkloadRef, others: str, direction: Direction) -> str:
    return (
        f"the labels of {ref.short} also select pods of {others} that no {direction} policy is sure to isolate: "
        "a policy for some would close the others; give them a label that tells them apart"
    )


def _known(view: View, workload: Workload, ref: WorkloadRef) -> Workload | None:
    if ref == workload.ref:
        return workload
    return view.workload(ref) or (ASSUMED_DNS if ref == ASSUMED_DNS.ref else None)


def _own_labels(view: View, workload: Workload, ref: WorkloadRef) -> Labels | None:
    found = _known(view, workload, ref)
    return found.selector if found else None


def _shapes(view: View, workload: Workload, ref: WorkloadRef) -> list[Shape]:
    """Return what was judged: the template of the workload under review, the pods of any other."""
    running = _running(view, ref)
    if running and ref != workload.ref:
        return running
    found = _known(view, workload, ref)
    return [found.template.shape] if found else running


def _running(view: View, ref: WorkloadRef) -> list[Shape]:
    return list(dict.fromkeys(pod.shape for pod in view.pods_of(ref)))


def _or_unwritable(chosen: Chosen | None, ref: WorkloadRef) -> Chosen:
    if chosen is None:
        message = f"{ref.short} has no labels that a policy could select it by"
        raise Unwritable(message)
    return chosen


def _peers(
    view: View, workload: Workload, subject: WorkloadRef, other: WorkloadRef | Block
) -> tuple[list[dict[str, Any]], list[str]]:
    if isinstance(other, Block):
        return [{"ipBlock": {"cidr": str(other)}}], []
    shapes = _shapes(view, workload, other)
    inside = [shape for shape in shapes if not shape.host_network]
    peers, notes = [], []
    if len(inside) < len(shapes):
        peers += _node_blocks(view, other)
        notes.append(f"{other.short} is on the host network: its nodes' addresses are opened")
    if inside or not shapes:
        chosen = _or_unwritable(choose(view, other, inside, _own_labels(view, workload, other)), other)
        notes += _reached(other, chosen)
        space = {"namespaceSelector": {"matchLabels": {NAME_LABEL: other.namespace}}}
        pods = {"podSelector": {"matchLabels": chosen.labels.as_dict()}}
        peers.append(pods if other.namespace == subject.namespace else {**space, **pods})
    return peers, notes


def _node_blocks(view: View, other: WorkloadRef) -> list[dict[str, Any]]:
    addresses = sorted({a for pod in view.pods_of(other) if pod.shape.host_network for a in pod.addresses})
    if not addresses:
        message = f"{other.short} is on the host network, and the address of its node is not known"
        raise Unwritable(message)
    return [{"ipBlock": {"cidr": str(address.block)}} for address in addresses]


def _reached(ref: WorkloadRef, chosen: Chosen) -> list[str]:
    """Say whom else the labels select; one of the same name with its kind."""
    names = [str(group.ref) if group.ref.short == ref.short else group.ref.short for group in chosen.others]
    return [f"{ref.short}: its labels also select {', '.join(names)}"] if names else []


def _port(need: Need) -> dict[str, Any]:
    return {"protocol": need.protocol, "port": need.port}

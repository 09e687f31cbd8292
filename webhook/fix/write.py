"""NetworkPolicy objects that open given needs and nothing else."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from msgspec import Struct, json, structs

from webhook.dependencies.services import supposed
from webhook.evaluate.coverage import entities_of
from webhook.fix.behind import Entangled, denied_behind, lost, said_behind
from webhook.fix.needs import Need, OtherEnd, free_name, name
from webhook.fix.selectors import Chosen, Neighbours, Unwritable, choose, isolated, once
from webhook.judge.dns_assumed import assumed
from webhook.model.addresses import Address, Block, ContainerPort
from webhook.model.answers import Manifest
from webhook.model.labels import NAME_LABEL, Labels
from webhook.model.objects import PodClass, Workload
from webhook.model.policy import Direction
from webhook.model.refs import EXPECTED, WorkloadRef
from webhook.model.truth import Truth
from webhook.wire.networkpolicies import network_policy
from webhook.world import Overlay, View

Rule = dict[str, Any]
_MOST_NAMED: Final = 3
_KEYS: Final = {Direction.EGRESS: ("egress", "to"), Direction.INGRESS: ("ingress", "from")}


class Piece(Struct, frozen=True):
    """A policy for one subject and direction, but for its name and for labels of the workload under review.

    `labels`: of the subject; None: those of the workload under review, and so are a rule's peers (`rules`, with ports).
    `rest`: rules for what is to stay open; None: it is not the first to isolate anybody, so that nothing closes.
    """

    needs: tuple[Need, ...]
    labels: dict[str, str] | None
    rules: tuple[tuple[list[Rule] | None, list[Rule]], ...]
    rest: tuple[Rule, ...] | None = None


def write(view: View, workload: Workload, needs: Iterable[Need]) -> tuple[list[Manifest], list[str]]:
    """Return one policy for each subject and direction, and notes on whom else they reach. Raises Unwritable."""
    near = Neighbours(view)
    pieces, notes = plan(near, workload, needs)
    return written(near, workload, pieces), notes


def plan(near: Neighbours, workload: Workload, needs: Iterable[Need]) -> tuple[list[Piece], list[str]]:
    """Return the same before it has names. `near`: of this workload alone."""
    grouped: dict[tuple[WorkloadRef, Direction], list[Need]] = {}
    for need in sorted(set(needs), key=_order):
        grouped.setdefault((need.subject, need.direction), []).append(need)
    pieces, notes = [], []
    for some in grouped.values():
        piece, said = _kept_open(near, workload, some)
        pieces.append(piece)
        notes += said
    return pieces, list(dict.fromkeys(notes))


def written(near: Neighbours, workload: Workload, pieces: Iterable[Piece]) -> list[Manifest]:
    """Return policies with their names, sorted by them."""
    return in_order([named(near, workload, piece) for piece in pieces])


def in_order(manifests: Iterable[Manifest]) -> list[Manifest]:
    """Return policies by namespace and name."""
    return sorted(manifests, key=_identity)


def named(near: Neighbours, workload: Workload, piece: Piece, wanted: str | None = None) -> Manifest:
    """Return a policy with the name that is `wanted`, or that says what it is for, unless that is taken."""
    subject, direction = piece.needs[0].subject, piece.needs[0].direction
    key, peers_key = _KEYS[direction]
    labels = own_labels(near, workload, direction).labels.as_dict() if piece.labels is None else piece.labels
    rules = [
        {peers_key: _of_pods(own_labels(near, workload).labels.as_dict(), workload.ref, subject), "ports": ports}
        if peers is None
        else {peers_key: peers, "ports": ports}
        for peers, ports in piece.rules
    ]
    rest = piece.rest or ()
    spec = {"podSelector": {"matchLabels": labels}, "policyTypes": [direction.value], key: [*rules, *rest]}
    free = free_name(near, subject.namespace, wanted or name(near, piece.needs, rest))
    metadata = {"name": free, "namespace": subject.namespace}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}


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


def _kept_open(near: Neighbours, workload: Workload, needs: list[Need]) -> tuple[Piece, list[str]]:
    """Return a policy that also lets through what the tiers behind do, for pods that it is the first to isolate."""
    view, subject, direction = near.view, needs[0].subject, needs[0].direction
    bare = [s for s in _pod_classes(near, workload, subject) if not s.host_network and not isolated(view, s, direction)]
    bare = [pod_class for pod_class in bare if denied_behind(view, pod_class, direction)] if bare else bare
    if not bare:
        return _policy(near, workload, needs)
    try:
        every = [said_behind(view, pod_class, direction) for pod_class in bare]
    except Entangled as error:
        raise Unwritable(str(error)) from error
    rules = tuple({json.encode(rule, order="deterministic"): rule for one in every for rule in one.rules}.values())
    piece, said = _policy(near, workload, needs)
    piece = structs.replace(piece, rest=rules)
    after = Overlay(view, [network_policy(named(near, workload, piece), subject.namespace)])
    ends = [(pod_class, _declared(view, workload, subject)) for pod_class in bare]
    if closed := lost(view, after, ends, direction):
        names = ", ".join(sorted({ref.short for ref in closed})[:_MOST_NAMED])
        more = f" and {len(closed) - _MOST_NAMED} more" if len(closed) > _MOST_NAMED else ""
        message = f"a policy that opens it isolates {subject.short}, and so would close {names}{more}"
        raise Unwritable(message)
    return piece, [*said, *sorted({f"{subject.short}: {one.note}" for one in every if one.note})]


def _declared(view: View, workload: Workload, ref: WorkloadRef) -> tuple[ContainerPort, ...]:
    found = _known(view, workload, ref)
    own = found.template.declares if found else ()
    return tuple(dict.fromkeys((*own, *(port for pod in view.pods.of(ref) for port in pod.declares))))


def _policy(near: Neighbours, workload: Workload, needs: list[Need]) -> tuple[Piece, list[str]]:
    """Write a policy for `needs`, and say whom else it reaches."""
    subject = needs[0].subject
    chosen = _subject(near, workload, subject, needs[0].direction)
    notes, rules = _reached(subject, chosen), []
    by_other: dict[OtherEnd, list[Need]] = {}
    for need in needs:
        by_other.setdefault(need.other, []).append(need)
    for some in by_other.values():
        peers, said = _peers(near, workload, subject, some)
        notes += said
        rules.append((peers, [_port(need) for need in some]))
    labels = None if subject == workload.ref else chosen.labels.as_dict()
    return Piece(tuple(needs), labels, tuple(rules)), notes


def own_labels(near: Neighbours, workload: Workload, direction: Direction | None = None) -> Chosen:
    """Return how who is reviewed is selected: to be opened in a direction, or as a peer. Raises Unwritable."""
    if direction is not None:
        return _subject(near, workload, workload.ref, direction)
    pod_classes = (workload.template.pod_class,)
    return once(near, workload, workload.ref, None, lambda some: _as_peer(some, workload, workload.ref, pod_classes))


def _subject(near: Neighbours, workload: Workload, ref: WorkloadRef, direction: Direction) -> Chosen:
    """Choose whom to open, once."""
    return once(near, workload, ref, direction, lambda some: _to_open(some, workload, ref, direction))


def _to_open(near: Neighbours, workload: Workload, ref: WorkloadRef, direction: Direction) -> Chosen:
    """Choose whom to open: only those that are isolated already, since whoever a policy selects is isolated by it."""
    view, here = near.view, workload.ref.namespace == ref.namespace and not near.beneath
    pod_classes = _pod_classes(near, workload, ref)
    closed = [s for s in pod_classes if isolated(view, s, direction) or denied_behind(view, s, direction)]
    more = [workload.template.pod_class] if here and not near.running(workload.ref) else []
    avoid = near.exposed(ref.namespace, direction, more, workload.ref).less(closed)
    chosen = _or_unwritable(choose(near, ref, closed, _own_labels(view, workload, ref), avoid), ref)
    if chosen.reached:
        others = sorted({avoid.whose[pod_class].short for pod_class in chosen.reached})
        raise Unwritable(_would_close(ref, ", ".join(others), direction))
    return chosen


def _would_close(ref: WorkloadRef, others: str, direction: Direction) -> str:
    return (
        f"the labels of {ref.short} also select pods of {others} that no {direction} policy is sure to isolate: "
        "a policy for some would close the others; give them a label that tells them apart"
    )


def _known(view: View, workload: Workload, ref: WorkloadRef) -> Workload | None:
    if ref == workload.ref:
        return workload
    if ref.kind == EXPECTED and view.workloads.get(ref) is None:
        service = view.services.get(ref.namespace, ref.name)
        return supposed(service) if service else None
    return view.workloads.get(ref) or next((one for one in assumed(view) if one.ref == ref), None)


def _own_labels(view: View, workload: Workload, ref: WorkloadRef) -> Labels | None:
    found = _known(view, workload, ref)
    return found.selector if found else None


def _pod_classes(near: Neighbours, workload: Workload, ref: WorkloadRef) -> tuple[PodClass, ...]:
    """Return what was judged: the template of the workload under review, the pods of any other."""
    if ref != workload.ref and (running := near.running(ref)):
        return running
    found = _known(near.view, workload, ref)
    return (found.template.pod_class,) if found else near.running(ref)


def _or_unwritable(chosen: Chosen | None, ref: WorkloadRef) -> Chosen:
    if chosen is None:
        message = f"{ref.short} has no labels that a policy could select it by"
        raise Unwritable(message)
    return chosen


def _peers(
    near: Neighbours, workload: Workload, subject: WorkloadRef, needs: Sequence[Need]
) -> tuple[list[Rule] | None, list[str]]:
    """Return the peers for the one other end of `needs`, and whom else they reach; None: pods of who is reviewed."""
    view, other = near.view, needs[0].other
    if isinstance(other, Block):
        node = view.nodes.at(Address(other.family, other.first)) if other.size == 1 else None
        if node is not None and view.dialect.blocks.nodes is Truth.NO:
            raise Unwritable(_NO_NODES.format(what=f"it is the address of node {node.name}") + _entities(view, needs))
        return [{"ipBlock": {"cidr": str(other)}}], []
    pod_classes = _pod_classes(near, workload, other)
    inside = [pod_class for pod_class in pod_classes if not pod_class.host_network]
    peers, notes = [], []
    if len(inside) < len(pod_classes):
        peers += _node_blocks(view, other, needs)
        notes.append(f"{other.short} is on the host network: its nodes' addresses are opened")
    if inside or not pod_classes:
        chosen = once(near, workload, other, None, lambda some: _as_peer(some, workload, other, inside))
        notes += _reached(other, chosen)
        if other == workload.ref and not needs[0].dialled:
            return None, notes
        labels = dict(needs[0].dialled) if needs[0].dialled else chosen.labels.as_dict()
        peers += _of_pods(labels, other, subject)
    return peers, notes


def _of_pods(labels: dict[str, str], other: WorkloadRef, subject: WorkloadRef) -> list[Rule]:
    pods = {"podSelector": {"matchLabels": labels}}
    if other.namespace == subject.namespace:
        return [pods]
    return [{"namespaceSelector": {"matchLabels": {NAME_LABEL: other.namespace}}, **pods}]


def _as_peer(near: Neighbours, workload: Workload, ref: WorkloadRef, pod_classes: Sequence[PodClass]) -> Chosen:
    return _or_unwritable(choose(near, ref, pod_classes, _own_labels(near.view, workload, ref)), ref)


_NO_NODES: Final = "{what}, and address blocks of a NetworkPolicy hold no nodes here"


def _entities(view: View, needs: Sequence[Need]) -> str:
    """Return what opens a node's address where policies name nodes by what they are; empty elsewhere."""
    (one, *_) = needs
    if not view.dialect.own.entities:
        return ""
    if isinstance(one.other, Block):
        entities = entities_of(view, one.other, one.port)
    else:
        entities = f"{'to' if one.direction is Direction.EGRESS else 'from'}Entities: [host, remote-node]"
    return f": write {entities} in a {view.dialect.own.kind}"


def _node_blocks(view: View, other: WorkloadRef, needs: Sequence[Need]) -> list[dict[str, Any]]:
    if view.dialect.blocks.nodes is Truth.NO:
        raise Unwritable(_NO_NODES.format(what=f"{other.short} is on the host network") + _entities(view, needs))
    addresses = sorted({a for pod in view.pods.of(other) if pod.pod_class.host_network for a in pod.addresses})
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

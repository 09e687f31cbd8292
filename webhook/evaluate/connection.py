"""What is neither policy nor address and decides all the same: whom a client dials, meshes, a pod and itself."""

from msgspec import structs

from webhook.dependencies import Flow
from webhook.evaluate import PodEnd, ends_of_pod, template_end
from webhook.evaluate.clusterip_egress import judge_front
from webhook.evaluate.flow import Pair
from webhook.evaluate.mesh import Member, carried, mesh_of, tunnel
from webhook.model.labels import NO_LABELS
from webhook.model.objects import Workload
from webhook.model.policy import BlockPeer, Direction
from webhook.model.refs import WorkloadRef
from webhook.model.truth import Truth
from webhook.model.verdict import FlowVerdict, Side, Verdict, both
from webhook.world import Group, View

ITSELF = Side(Verdict.ALLOWED, reason="a pod always reaches itself")
HAIRPIN = "a pod that reaches itself through its own Service: whether policy sees that depends on the CNI"
MASQUERADED = (
    "kube-proxy runs with masqueradeAll: through a Service the source is a node, which no selector matches; "
    "set masqueradeAll to false"
)
LOCAL = "internalTrafficPolicy: Local: only backends on the pod's own node count, and the node is not known"
AUTHORISATION = "{mesh} may deny what policy lets pass: the authorisation policies of the mesh are not read"


def as_dialled(view: View, source: PodEnd, flow: Flow, pair: Pair) -> Pair:
    """Judge what the client sends by the address that it dials, where that is what policy sees.

    The other end sees a node as its source where kube-proxy masquerades everything, unless the two share theirs.
    """
    if flow.through is not None and _masquerades(view) and _selects(view, flow):
        ingress = structs.replace(pair[2], verdict=Verdict.UNKNOWN, reason=MASQUERADED, admitted_by=None)
        pair = both(pair[1].verdict, ingress.verdict), pair[1], ingress
    if not view.dialect.before_translation or flow.through is None or flow.service_port is None:
        return pair
    egress = judge_front(view, source, flow.through, flow.protocol, flow.service_port)
    return both(egress.verdict, pair[2].verdict), egress, pair[2]


def in_mesh(
    view: View, one: tuple[Workload, PodEnd], flow: Flow, other: tuple[Group, PodEnd], pair: Pair
) -> tuple[Pair, int | None]:
    """Judge what a mesh makes of the connection, and return the port that it may take instead."""
    (workload, source), (group, end) = one, other
    service = flow.through.labels if flow.through else NO_LABELS
    template = group.template.template if group.template else None
    found = tunnel(view, Member(source, None if source.node else workload.template), Member(end, template), service)
    if found is None or flow.protocol != "TCP":
        return pair, None
    return carried(view, found, (source, end), flow.protocol, flow.families, pair), found.port


def _masquerades(view: View) -> bool:
    """Say whether kube-proxy gives all it forwards a node's address; enforcers that take its place do not ask it."""
    proxy = view.surroundings.settings.get(("kube-system", "kube-proxy"), {})
    return proxy.get("masqueradeAll") == "true" and view.dialect.blocks_hold_pods is not Truth.NO


def _selects(view: View, flow: Flow) -> bool:
    """Say whether who is let in at the other end depends on more than addresses."""
    pods = [pod.shape for pod in flow.to.pods] if isinstance(flow.to, Group) else []
    template = flow.to.template if isinstance(flow.to, Group) else None
    shapes = dict.fromkeys((*pods, *([template.template.shape] if template else [])))
    return any(
        entry.unclear is not None or any(not isinstance(match, BlockPeer) for match in entry.matches or ())
        for shape in shapes
        for isolation, _ in view.selecting(shape, Direction.INGRESS)
        for entry in isolation.entries
    )


def adjusted(view: View, workload: Workload, flow: Flow, group: Group, pair: Pair) -> Pair:
    """Apply what is neither policy nor address: a pod and itself, and Services that stay on the node."""
    hairpin = view.dialect.hairpin
    alone = group.ref == workload.ref and (workload.ref.kind == "Pod" or workload.replicas == 1)
    if alone and (not flow.own or hairpin is Truth.YES):
        return Verdict.ALLOWED, ITSELF, ITSELF
    verdict, egress, ingress = pair
    if alone and view.dialect.hairpin_in:
        return egress.verdict, egress, ITSELF
    if flow.own and (hairpin is Truth.NO or (hairpin is Truth.YES and verdict is Verdict.ALLOWED)):
        return pair
    why = HAIRPIN if flow.own else LOCAL if flow.local else None
    if why is None or not (_selected(egress) or _selected(ingress)):
        return pair
    unknown = [
        structs.replace(side, verdict=Verdict.UNKNOWN, reason=why, admitted_by=None) for side in (egress, ingress)
    ]
    return Verdict.UNKNOWN, unknown[0], unknown[1]


def _selected(side: Side) -> bool:
    """Say whether any policy has a say on this side."""
    return side.isolated is not False or side.verdict is not Verdict.ALLOWED or bool(side.stages)


def mesh_notes(view: View, flows: tuple[FlowVerdict, ...]) -> tuple[str, ...]:
    """Return what meshes may do to packets that policy lets through: that is not read, and no part of a verdict."""
    refs = dict.fromkeys(flow.to for flow in flows if isinstance(flow.to, WorkloadRef))
    found = dict.fromkeys(mesh for ref in refs for mesh in _meshes(view, ref))
    return tuple(AUTHORISATION.format(mesh=mesh) for mesh in found)


def _meshes(view: View, ref: WorkloadRef) -> list[str]:
    workload, pods = view.workload(ref), view.pods_of(ref)
    members = [Member(ends_of_pod(pod)) for pod in pods]
    if not pods and workload is not None:
        members = [Member(template_end(view, workload), workload.template)]
    return [mesh for member in members if (mesh := mesh_of(view, member)) is not None]

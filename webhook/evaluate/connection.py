"""What becomes of a connection: (view, who dials, flow) -> an answer for each kind of end that it may meet.

Whatever changes an answer is here or below. Beside policies and addresses it is whom a client dials, a mesh, a pod that
reaches itself, a node, and an address that may turn out to be a pod's.
"""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct, structs

from webhook.evaluate.coverage import Where, judge_coverage, may_be_a_pods
from webhook.evaluate.ends import End, Flow, Outside, PodEnd, ends_of_pod, ends_on_nodes, template_end
from webhook.evaluate.flow import Pair, by_address, judge_outside, judge_pair, kind_of, told_by
from webhook.evaluate.match import ports_match
from webhook.evaluate.node_and_service_peers import node_matters
from webhook.evaluate.rules import rules_or_answer
from webhook.evaluate.tiers import passes_everything
from webhook.evaluate.translation import Member, carried, judge_cluster_ip, membership, running, tunnel
from webhook.model.addresses import Block, Family, Protocol, is_loopback
from webhook.model.answers import OPEN, Host, Side, Verdict, both
from webhook.model.labels import NO_LABELS, AllOf
from webhook.model.objects import Pod, PodClass, Service, Workload
from webhook.model.peers import NodePeer, Peer, Place, PlacePeer, ServicePeer, ServicesPeer
from webhook.model.policy import BlockPeer, Direction
from webhook.model.tier import Action, CompiledRule
from webhook.model.truth import Truth
from webhook.world import Group, View

ALL_ADDRESSES: Final[dict[Family, Block]] = {4: Block(4, 0, 0), 6: Block(6, 0, 0)}
NAME: Final = "policy does not let every address through: it depends on those behind the name"


def judge_name(view: View, source: PodEnd, protocol: Protocol, port: int | None) -> Side:
    """Judge what a pod sends to a name outside: sure only where every address it may stand for is treated alike."""
    selecting = rules_or_answer(view, source.pod_class, Direction.EGRESS)
    if isinstance(selecting, Side):
        return selecting
    refs = tuple(dict.fromkeys(compiled.ref for compiled, _ in selecting))
    isolated = True if any(i.default_deny and truth is Truth.YES for i, truth in selecting) else None
    if port is None:
        if passes_everything(selecting):
            return Side(Verdict.ALLOWED, isolated=isolated, policies=refs)
        return Side(Verdict.UNKNOWN, isolated=isolated, policies=refs, reason=NAME)
    sides = [judge_coverage(view, source, ALL_ADDRESSES[f], protocol, port, Where.WORLD) for f in view.families()]
    seen = {side.verdict for side in sides}
    why = next((side.reason for side in sides if side.verdict is Verdict.UNKNOWN and side.reason), None)
    if seen == {Verdict.DENIED}:
        why = _inside(view, source, protocol, port)
    if why is None and seen in ({Verdict.ALLOWED}, {Verdict.DENIED}):
        return sides[0]
    return Side(Verdict.UNKNOWN, isolated=isolated, policies=refs, reason=why or NAME)


def _inside(view: View, source: PodEnd, protocol: Protocol, port: int) -> str | None:
    """Say what of the cluster a name may stand for that policy lets the pod reach, and the world outside not."""
    for compiled, _ in view.policies.selecting(source.pod_class, Direction.EGRESS):
        for rule in compiled.rules:
            spoken = ports_match(rule.ports, protocol, port, None) is not Truth.NO
            if rule.action is Action.ALLOW and spoken and any(map(_is_host, _leaves(rule))):
                return f"the name may stand for a node, which {rule.ref.titled} egress[{rule.ref.rule}] lets out to"
    for service in view.services.published():
        if _reached(view, source, service, protocol, port):
            return f"the name may stand for Service {service.namespace}/{service.name}, which policy lets out to"
    return None


def _leaves(rule: CompiledRule) -> Iterator[Peer]:
    for peer in rule.peers or ():
        yield from peer.parts if isinstance(peer, AllOf) else (peer,)


def _is_host(peer: Peer) -> bool:
    if isinstance(peer, PlacePeer):
        return peer.place not in (Place.POD, Place.WORLD)
    return isinstance(peer, NodePeer | ServicePeer | ServicesPeer)


def _reached(view: View, source: PodEnd, service: Service, protocol: Protocol, port: int) -> bool:
    """Say whether a Service that is published on `port` has pods behind it that the source may send to."""
    targets = {one.target or one.port for one in service.ports if (one.port, one.protocol) == (port, protocol)}
    for group in view.pods.behind(service) if targets else ():
        pod_class = group.template.template.pod_class if group.template else group.pods[0].pod_class
        numbers = {p.number for p in pod_class.ports if p.name in targets} | {t for t in targets if isinstance(t, int)}
        end = template_end(view, group.template) if group.template else ends_of_pod(group.pods[0])
        if any(judge_pair(view, source, end, protocol, n)[1].verdict is not Verdict.DENIED for n in numbers):
            return True
    return False


ITSELF: Final = Side(Verdict.ALLOWED, reason="a pod always reaches itself")
HAIRPIN: Final = "a pod that reaches itself through its own Service: whether policy sees that depends on the CNI"
MASQUERADED: Final = (
    "kube-proxy runs with masqueradeAll: through a Service the source is a node, which no selector matches; "
    "set masqueradeAll to false"
)
LOCAL: Final = "internalTrafficPolicy: Local: only backends on the pod's own node count, and the node is not known"
_ELSEWHERE: Final = "/"  # no node is called so: in the place of the pod's, where that is any other than the client's
LOOPBACK: Final = Side(Verdict.ALLOWED, reason="the pod itself: no packet leaves it, and no policy sees any")


class Client(Struct, frozen=True):
    """Who dials: a pod of `workload`, running or to come."""

    workload: Workload
    end: PodEnd

    @property
    def member(self) -> Member:
        """The pod as meshes see it: one without a node may not have its proxy yet."""
        return Member(self.end, None if self.end.node else self.workload.template)


class Answer(Struct, frozen=True):
    """The answer for ends that fare alike: `end` is one of them, `pods` how many run (0: a template, or no pods).

    `tunnel`: the port that a mesh may carry packets to instead.
    """

    end: End | Host
    pods: int
    pair: Pair
    tunnel: int | None = None


def judge_connection(view: View, client: Client, flow: Flow) -> Iterator[Answer]:
    """Yield one answer for each kind of pod, or for the addresses, that the flow goes to."""
    match flow.to:
        case Group() as group:
            yield from _to_group(view, client, flow, group)
        case Block() as block:
            pair = _to_block(view, client.end, flow, block)
            yield Answer(Outside(block), 0, _wherever(view, client, flow, pair) if flow.unsure else pair)
        case Host() as host:
            egress = judge_name(view, client.end, flow.protocol, flow.port)
            yield Answer(host, 0, (egress.verdict, egress, OPEN))


# -- pods --------------------------------------------------------------------------------------------------------------


def _to_group(view: View, client: Client, flow: Flow, group: Group) -> Iterator[Answer]:
    if group.template is not None:
        target = Member(template_end(view, group.template), group.template.template)
        yield Answer(target.end, 0, *_to_pod(view, client, flow, group, target))
    pod_classes: dict[PodClass, list[Pod]] = {}
    view.budget.spend(len(group.pods))
    for pod in group.pods:
        pod_classes.setdefault(pod.pod_class, []).append(pod)
    for pods in pod_classes.values():
        yield from _to_pods(view, client, flow, group, pods)


def _to_pods(view: View, client: Client, flow: Flow, group: Group, pods: list[Pod]) -> Iterator[Answer]:
    """Judge pods of one class: one for all, unless a rule looks at addresses, or the node that they are on matters."""
    first = running(pods[0])
    if not by_address(view, client.end, first.end) and not node_matters(view, client.end, first.end):
        yield Answer(first.end, len(pods), *_to_pod(view, client, flow, group, first))
        return
    kinds: dict[object, list[Member]] = {}
    blocks = told_by(view, client.end, first.end)
    for member in map(running, pods):
        kinds.setdefault((member.template, kind_of(member.end, blocks)), []).append(member)
    seen: dict[tuple[Pair, int | None], list[Member]] = {}
    for some in kinds.values():
        seen.setdefault(_to_pod(view, client, flow, group, some[0]), []).extend(some)
    for (pair, port), alike in seen.items():
        yield Answer(alike[0].end, len(alike), pair, port)


def _to_pod(view: View, client: Client, flow: Flow, group: Group, target: Member) -> tuple[Pair, int | None]:
    """Judge one pod, from every node that pods of a DaemonSet on the host network are known to run on."""
    ends = ends_on_nodes(view, client.workload, client.end)
    if not ends:
        return _from_one(view, client, flow, group, target)
    node = target.end.node
    other = target if node else structs.replace(target, end=structs.replace(target.end, node=_ELSEWHERE))
    answers = [_from_one(view, Client(client.workload, end), flow, group, other) for end in ends]
    (verdict, egress, ingress), port = max(answers, key=lambda answer: answer[0][0] is Verdict.DENIED)
    verdicts = {pair[0] for pair, _ in answers}
    if node and len(verdicts) == 1:
        return (verdict, egress, ingress), port
    if verdicts == {Verdict.DENIED} and len(ends) > 1:
        why = "it gets in from the pod's own node alone, whichever that is"
    elif node and verdicts == {Verdict.DENIED, Verdict.ALLOWED}:
        why = f"from node {node} it gets in whatever the policy, from others not"
    else:
        return _from_one(view, client, flow, group, target)
    return (Verdict.PARTIAL, egress, structs.replace(ingress, verdict=Verdict.PARTIAL, reason=why)), port


def _from_one(view: View, client: Client, flow: Flow, group: Group, target: Member) -> tuple[Pair, int | None]:
    """Judge one pod; return the answer, and the port that a mesh may carry packets to instead."""
    pair = judge_pair(view, client.end, target.end, flow.protocol, flow.port or 0, flow.families)
    pair = _as_dialled(view, client.end, flow, pair)
    service = flow.through.labels if flow.through else NO_LABELS
    found = tunnel(membership(view, client.member), membership(view, target), service)
    if found is not None:
        pair = carried(view, found, (client.end, target.end), flow.protocol, flow.families, pair)
    port = found.port if found is not None and flow.protocol == "TCP" else None
    return _itself(view, client.workload, flow, group, pair), port


def _itself(view: View, workload: Workload, flow: Flow, group: Group, pair: Pair) -> Pair:
    """Judge what a pod sends to itself, and Services that stay on the node."""
    hairpin = view.dialect.services.hairpin
    alone = group.ref == workload.ref and (workload.ref.kind == "Pod" or workload.replicas == 1)
    if alone and (not flow.own or hairpin is Truth.YES):
        return Verdict.ALLOWED, ITSELF, ITSELF
    verdict, egress, ingress = pair
    if alone and view.dialect.services.hairpin_ingress:
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
    return side.isolated is not False or side.verdict is not Verdict.ALLOWED or bool(side.tier_results)


# -- through a Service -------------------------------------------------------------------------------------------------


def _as_dialled(view: View, source: PodEnd, flow: Flow, pair: Pair) -> Pair:
    """Judge what the client sends by the address that it dials, where that is what policy sees.

    The other end sees a node as its source where kube-proxy masquerades everything, unless the two share theirs.
    """
    if flow.through is not None and _masquerades(view) and _selects(view, flow):
        ingress = structs.replace(pair[2], verdict=Verdict.UNKNOWN, reason=MASQUERADED, admitted_by=None)
        pair = both(pair[1].verdict, ingress.verdict), pair[1], ingress
    if not view.dialect.services.egress_before or flow.through is None or flow.service_port is None:
        return pair
    egress = judge_cluster_ip(view, source, flow.through, flow.protocol, flow.service_port)
    return both(egress.verdict, pair[2].verdict), egress, pair[2]


def _masquerades(view: View) -> bool:
    """Say whether kube-proxy gives all it forwards a node's address; enforcers that take its place do not ask it."""
    proxy = view.compile_context.settings.get(("kube-system", "kube-proxy"), {})
    return proxy.get("masqueradeAll") == "true" and view.dialect.blocks.pods is not Truth.NO


def _selects(view: View, flow: Flow) -> bool:
    """Say whether who is let in at the other end depends on more than addresses."""
    pods = [pod.pod_class for pod in flow.to.pods] if isinstance(flow.to, Group) else []
    view.budget.spend(len(pods))
    template = flow.to.template if isinstance(flow.to, Group) else None
    pod_classes = dict.fromkeys((*pods, *([template.template.pod_class] if template else [])))
    return any(
        rule.unclear is not None or any(not isinstance(peer, BlockPeer) for peer in rule.peers or ())
        for pod_class in pod_classes
        for compiled, _ in view.policies.selecting(pod_class, Direction.INGRESS)
        for rule in compiled.rules
    )


# -- addresses and names -----------------------------------------------------------------------------------------------


def _to_block(view: View, source: PodEnd, flow: Flow, block: Block) -> Pair:
    port = flow.port or 0
    if is_loopback(block):
        return Verdict.ALLOWED, LOOPBACK, OPEN
    verdict, egress, ingress = _as_dialled(view, source, flow, judge_outside(view, source, block, flow.protocol, port))
    dialled = view.dialect.services.egress_before and flow.through is not None
    if not dialled and may_be_a_pods(view, block) and not source.pod_class.host_network:
        as_pods = judge_coverage(view, source, block, flow.protocol, port, Where.PODS)
        if as_pods.verdict is not verdict:
            verdict = Verdict.UNKNOWN
            reason = f"{block} may hold addresses of pods, which a rule treats by their labels"
            egress = structs.replace(egress, verdict=verdict, reason=reason, admitted_by=None)
    return verdict, egress, ingress


def _wherever(view: View, client: Client, flow: Flow, pair: Pair) -> Pair:
    """Judge an address that Services say is theirs: closed where the client is let out neither to it nor to their pods.

    Whom those pods let in is for the Services' owners to say, and closes nothing here.
    """
    _, egress, ingress = pair
    ways = (answer.pair[1] for one in flow.instead for answer in judge_connection(view, client, one))
    if egress.verdict is Verdict.DENIED and all(way.verdict is Verdict.DENIED for way in ways):
        return pair
    unknown = structs.replace(egress, verdict=Verdict.UNKNOWN, reason=flow.unsure, admitted_by=None)
    return Verdict.UNKNOWN, unknown, ingress

"""What people meet in real clusters, recognised in the evidence of an answer: the mechanism, and what to write instead.

Each look yields notes about one answer; a finding shows them beside its policies. The issues that these come from are
listed in the reference (policy semantics, section 9).
"""

from collections.abc import Callable, Iterator
from typing import Final

from webhook.dependencies.services import through_service
from webhook.evaluate import Flow, template_end
from webhook.evaluate.match import ports_match
from webhook.evaluate.translation import lacking
from webhook.families.networkpolicy import isolates
from webhook.judge.dependency import Judged
from webhook.judge.dns import NODE_LOCAL_ADDRESS, dns_service, node_local
from webhook.judge.dns_assumed import PORT as DNS_PORT
from webhook.judge.symptoms_peers import in_another_namespace, unseen_labels
from webhook.model.addresses import Address, Block, NamedPort, parse_block
from webhook.model.answers import CLOSED, FlowVerdict, Side, Verdict
from webhook.model.labels import Selector
from webhook.model.objects import PodClass, Service, Workload
from webhook.model.policy import BlockPeer, Direction, Rule
from webhook.model.refs import WorkloadRef
from webhook.model.truth import Truth
from webhook.world import Group, View
from webhook.world.changes import Memo

Look = Callable[[View, Workload, Judged], Iterator[str]]
MOST: Final = 3  # endpoints, or numbers, that one note names
LINK_LOCAL: Final = parse_block("169.254.0.0/16")
_API_SERVER: Final = (
    "{block} cannot select the API server in the cluster under {cni}: add a {kind} with toEntities "
    "kube-apiserver, or set {setting}"
)
_NODE: Final = (
    "{block} selects no node under {cni}: node {node} needs a policy of its own, toEntities host and remote-node"
)
_NO_NODE: Final = "{block} selects no node under {cni}"
_SERVICE: Final = "{block} holds the address of Service {service}, which policy never sees: it sees {ends}"
_PODS: Final = "{block} matches no pod under {cni}, as it does elsewhere: use podSelector and namespaceSelector"
_CACHE: Final = "pods ask {address} for names, which is no pod: a rule that selects the DNS pods does not cover it"
_NAMES: Final = "port name `{name}` is {numbers} in the cluster: write the number"
_FRONT: Final = "under {cni} egress is judged before translation: rules must open the Service's own {ends}"
_SELECTOR: Final = (
    "Service {service} does not select by label {key}, which a rule asks for: under {cni} its address stays closed"
)
_TCP: Final = "the DNS rule lacks TCP on port 53: large answers are cut off, and asked for again in vain"


def symptoms(view: View, workload: Workload, judged: Judged) -> tuple[str, ...]:
    """Return what is known to go wrong this way, as notes, each once."""
    if judged.verdict is Verdict.ALLOWED or not view.enforcer.enforces:
        return ()
    return tuple(dict.fromkeys(note for look in _LOOKS for note in look(view, workload, judged)))


_OF_BLOCKS_AND_NAMES: Final = Memo[tuple[str, Direction], tuple[tuple[Selector, tuple[Rule, ...]], ...]](5_000)


def _rules(view: View, pod_class: PodClass, direction: Direction) -> Iterator[Rule]:
    """Yield the rules of NetworkPolicies that select a pod, as far as they have blocks, or names of ports."""
    key, answers = (pod_class.namespace, direction), view.memo(_OF_BLOCKS_AND_NAMES)
    found = answers.get(key)
    if found is None:
        policies = view.policies.named(pod_class.namespace).values()
        view.budget.spend(len(policies))
        every = ((one.subject, one.rules(direction)) for one in policies if isolates(one, direction))
        some = [(subject, tuple(filter(_is_of_these, rules))) for subject, rules in every if subject is not None]
        found = answers[key] = tuple([pair for pair in some if pair[1]])
    view.budget.spend(len(found))
    for subject, rules in found:
        if subject.matches(pod_class.labels) is not Truth.NO:
            yield from rules


def _is_of_these(rule: Rule) -> bool:
    blocks = any(isinstance(peer, BlockPeer) for peer in rule.peers or ())
    return blocks or any(isinstance(port, NamedPort) for port in rule.ports or ())


def _blocks(
    view: View, pod_class: PodClass, direction: Direction, flow: FlowVerdict, target: PodClass | None
) -> Iterator[Block]:
    """Yield the blocks of rules that open the port that a flow arrives on, or the Service's in its place."""
    ports = [port for port in (flow.port, flow.service_port) if port is not None]
    for rule in _rules(view, pod_class, direction):
        if any(ports_match(rule.ports, flow.protocol, port, target) is not Truth.NO for port in ports):
            yield from (peer.block for peer in rule.peers or () if isinstance(peer, BlockPeer))


def _shut_out(judged: Judged, direction: Direction) -> Iterator[FlowVerdict]:
    for flow in judged.flows:
        if _side(flow, direction).verdict in CLOSED:
            yield flow


def _side(flow: FlowVerdict, direction: Direction) -> Side:
    return flow.egress if direction is Direction.EGRESS else flow.ingress


def _nodes_in_blocks(view: View, workload: Workload, judged: Judged) -> Iterator[str]:
    """S1: a block that covers the API server, or a node, and means neither."""
    if view.dialect.blocks.nodes is not Truth.NO:
        return
    pod_class, own = workload.template.pod_class, view.dialect.own
    for flow in _shut_out(judged, Direction.EGRESS):
        address = Address(flow.to.family, flow.to.first) if isinstance(flow.to, Block) and flow.to.size == 1 else None
        node = view.nodes.at(address) if address else None
        if address is None or node is None:
            continue
        kubernetes = view.services.get("default", "kubernetes")
        served = {one for one, _, _ in view.services.endpoints(kubernetes)} if kubernetes else set()
        text = (_API_SERVER if address in served else _NODE) if own.kind else _NO_NODE
        for block in _blocks(view, pod_class, Direction.EGRESS, flow, None):
            if block.holds(address):
                words = {"cni": view.dialect.name, "kind": own.kind, "setting": own.nodes_in_blocks}
                yield text.format(block=block, node=node.name, **words)


def _services_in_blocks(view: View, workload: Workload, judged: Judged) -> Iterator[str]:
    """S2: a block that holds a Service's address, and not what is behind it."""
    if view.dialect.services.egress_before:
        return
    rules = [*_rules(view, workload.template.pod_class, Direction.EGRESS)]
    blocks = [peer.block for rule in rules for peer in rule.peers or () if isinstance(peer, BlockPeer)]
    if not blocks:
        return
    closed = {(flow.to, flow.port) for flow in _shut_out(judged, Direction.EGRESS)}
    for flow in judged.resolved.found.flows if judged.resolved else _look_ups(view, workload):
        to = flow.to.ref if isinstance(flow.to, Group) else flow.to
        if flow.through is None or (to, flow.port) not in closed:
            continue
        for block in blocks:
            if _holds_front(block, flow.through, flow):
                name = f"{flow.through.namespace}/{flow.through.name}"
                yield _SERVICE.format(block=block, service=name, ends=_ends(flow))


def _look_ups(view: View, workload: Workload) -> tuple[Flow, ...]:
    """Return where look-ups go, which nobody declares."""
    service = dns_service(view)
    return through_service(view, service, DNS_PORT, "UDP", workload.ref).flows if service else ()


def _holds_front(block: Block, service: Service, flow: Flow) -> bool:
    behind = _addresses(flow)
    return any(map(block.holds, service.cluster_ips)) and not any(map(block.holds, behind))


def _addresses(flow: Flow) -> tuple[Address, ...]:
    match flow.to:
        case Group(pods=pods):
            return tuple(address for pod in pods for address in pod.addresses)
        case Block() as block if block.size == 1:
            return (Address(block.family, block.first),)
        case _:
            return ()


def _ends(flow: Flow) -> str:
    found = [str(address) for address in _addresses(flow)[:MOST]]
    names = found or ([flow.to.ref.short] if isinstance(flow.to, Group) else [str(flow.to)])
    return ", ".join(f"{name}:{flow.port}" for name in names)


def _pods_in_blocks(view: View, workload: Workload, judged: Judged) -> Iterator[str]:
    """S3: a block of pod addresses where blocks hold no pods."""
    if view.dialect.blocks.pods is not Truth.NO:
        return
    for direction in Direction:
        for flow in _shut_out(judged, direction):
            if not isinstance(flow.to, WorkloadRef):
                continue
            ends = (workload.ref, flow.to) if direction is Direction.EGRESS else (flow.to, workload.ref)
            subject, target = (_pod_class(view, workload, ref) for ref in (ends[0], flow.to))
            held = [*_of_pods(view, ends[1])]
            for block in _blocks(view, subject, direction, flow, target) if subject else ():
                if block.prefix == 0 or any(block.overlaps(one) for one in held):
                    yield _PODS.format(block=block, cni=view.dialect.name)


def _pod_class(view: View, workload: Workload, ref: WorkloadRef) -> PodClass | None:
    if ref == workload.ref:
        return workload.template.pod_class
    pods = view.pods.of(ref)
    found = view.workloads.get(ref)
    return pods[0].pod_class if pods else found.template.pod_class if found else None


def _of_pods(view: View, ref: WorkloadRef) -> Iterator[Block]:
    """Yield where the addresses of a workload's pods are, or will be."""
    pods = view.pods.of(ref)
    yield from (address.block for pod in pods for address in pod.addresses)
    if not pods:
        yield from (block for family in view.families() for block in view.pod_blocks(family))


def _caches(view: View, _: Workload, judged: Judged) -> Iterator[str]:
    """S4: names are asked of a cache on the node, or of the cloud."""
    if judged.resolved is not None:
        return
    for flow in judged.flows:
        if isinstance(flow.to, Block) and LINK_LOCAL.covers(flow.to) and flow.verdict is not Verdict.ALLOWED:
            yield _CACHE.format(address=Address(flow.to.family, flow.to.first))
    if node_local(view) and not any(isinstance(flow.to, Block) for flow in judged.flows):
        yield _CACHE.format(address=NODE_LOCAL_ADDRESS)


def _port_names(view: View, workload: Workload, judged: Judged) -> Iterator[str]:
    """S5: a port's name where names are looked up in the whole cluster, or not at all."""
    if view.dialect.ports.names_by_target and not view.dialect.ports.names_refused:
        return
    ends = [(workload.template.pod_class, Direction.EGRESS)]
    for flow in judged.flows:
        pod_class = _pod_class(view, workload, flow.to) if isinstance(flow.to, WorkloadRef) else None
        ends += [(pod_class, Direction.INGRESS)] if pod_class and view.dialect.ports.names_refused else []
    for pod_class, direction in ends:
        for rule in _rules(view, pod_class, direction):
            for port in rule.ports or ():
                if isinstance(port, NamedPort):
                    numbers = " and ".join(map(str, sorted(_numbers(view, port))[:MOST]))
                    yield _NAMES.format(name=port.name, numbers=numbers or "nobody's")


def _numbers(view: View, port: NamedPort) -> set[int]:
    pod_classes = (
        pod.pod_class for name in view.namespaces.names() for group in view.pods.groups(name) for pod in group.pods
    )
    templates = (one.template.pod_class for one in view.workloads.every())
    every = (one for pod_class in (*pod_classes, *templates) for one in pod_class.ports)
    return {one.number for one in every if (one.name, one.protocol) == (port.name, port.protocol)}


def _selectors_of_services(view: View, workload: Workload, judged: Judged) -> Iterator[str]:
    """S6: pods match and their Service's own selector does not, where the Service is what is judged."""
    if not view.dialect.services.egress_before or judged.resolved is None:
        return
    source = template_end(view, workload)
    closed = {(flow.to, flow.port) for flow in _shut_out(judged, Direction.EGRESS)}
    for flow in judged.resolved.found.flows:
        to = flow.to.ref if isinstance(flow.to, Group) else flow.to
        if flow.through is not None and flow.through.cluster_ips and (to, flow.port) in closed:
            ends = f"{flow.through.cluster_ips[0]}:{flow.service_port}"
            yield _FRONT.format(cni=view.dialect.name, ends=ends)
        if flow.through is not None and isinstance(flow.to, Group):
            pod_classes = [pod.pod_class for pod in flow.to.pods]
            pod_classes += [flow.to.template.template.pod_class] if flow.to.template else []
            name = f"{flow.through.namespace}/{flow.through.name}"
            for key in lacking(view, source, flow.through, pod_classes):
                yield _SELECTOR.format(service=name, key=key, cni=view.dialect.name)


def _tcp(_: View, __: Workload, judged: Judged) -> Iterator[str]:
    """S11: names are resolved, but for answers that do not fit into one datagram."""
    if judged.resolved is None and judged.verdict is Verdict.PARTIAL:
        by = {flow.protocol: flow.verdict for flow in judged.flows}
        if by.get("UDP") is Verdict.ALLOWED and by.get("TCP") in CLOSED:
            yield _TCP


_LOOKS: Final[tuple[Look, ...]] = (
    _nodes_in_blocks,
    _services_in_blocks,
    _pods_in_blocks,
    _caches,
    _port_names,
    _selectors_of_services,
    in_another_namespace,
    unseen_labels,
    _tcp,
)

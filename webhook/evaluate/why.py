"""Why something cannot be told, in words that name the selector, the label or the address it hangs on."""

from typing import Final

from msgspec import structs

from webhook.evaluate.ends import End, Outside, PodEnd, pods_match
from webhook.evaluate.match import Packet, peer_matches
from webhook.evaluate.node_and_service_peers import may_be_own_node, node_of
from webhook.model.labels import AllOf, Predicate, Space, holds, requirements_of
from webhook.model.objects import UNKNOWN_ACCOUNT, PodClass
from webhook.model.peers import EndpointPeer, NodePeer, Peer, PlacePeer, PodMatch, ServicesPeer
from webhook.model.policy import BlockPeer, UnclearPeer
from webhook.model.tier import Action, CompiledPolicy, CompiledRule
from webhook.model.truth import Truth
from webhook.world import View
from webhook.world.pod_labels import labels_of


def why_selected(compiled: CompiledPolicy) -> str:
    """Say why it cannot be told whether a policy selects the subject."""
    if compiled.subject is None:
        return f"{compiled.ref.titled} has a podSelector that cannot be read"
    if compiled.scope is not None:
        return f"{compiled.ref.titled} selects pods by what is not known of them ({compiled.scope})"
    return f"{compiled.ref.titled} selects pods by labels that are added later ({compiled.subject})"


def why_admitted(view: View, rule: CompiledRule, packet: Packet) -> str:
    """Say why it cannot be told whether a rule is about the packet."""
    name = rule.ref.titled
    named = f"{name} rule {rule.ref.rule}" if rule.ref.rule is not None else name
    if rule.unclear is not None:
        return f"{named} cannot be read: {rule.unclear}" if rule.ref.rule is not None else f"{named}: {rule.unclear}"
    for peer in rule.subject_peers or ():
        own = structs.replace(packet, other=packet.subject)
        if _unsure(view, peer, own):
            return f"{named} {_by_enforcer(view, peer, own.other) or _why(view, peer, own, 'is about')}"
    for peer in rule.peers or ():
        if _unsure(view, peer, packet):
            return f"{named} {_by_enforcer(view, peer, packet.other) or _why(view, peer, packet, _DOES[rule.action])}"
    if rule.conditional is not None:
        return f"{named} {rule.conditional}"
    return f"{named} names a port that the pod gives to several numbers"


_DOES: Final = {Action.ALLOW: "admits", Action.DENY: "denies", Action.PASS: "passes on"}


def _why(view: View, peer: Peer, packet: Packet, does: str) -> str:
    """Say why it cannot be told of one peer. `does`: what the rule does to whom it matches."""
    other = packet.other
    if may_be_own_node(view, other) and isinstance(peer, BlockPeer | PlacePeer):
        return "depends on who has the link-local address: the own node (host), or somebody outside (world)"
    match peer:
        case UnclearPeer(reason):
            return f"is unclear: {reason}"
        case AllOf(peers):
            return next(_why(view, one, packet, does) for one in peers if _unsure(view, one, packet))
        case ServicesPeer():
            return _SERVICES[view.complete]
        case PlacePeer() | NodePeer():
            return "depends on the node that the two ends are on, which is not known"
        case _:
            return _why_of_end(view, peer, other, does)


_SERVICES: Final = {  # by whether every Service is known
    False: "is about Services, and others than those that were read may be among them",
    True: "is about Services behind which nobody stands, which not every version treats alike",
}


def _why_of_end(view: View, peer: Peer, other: End, does: str) -> str:
    """Say what is not known of the other end that a peer asks for."""
    if isinstance(other, Outside):
        one = other.block.size == 1
        return f"may mean {other.block}: whose address it is is not known" if one else f"covers part of {other.block}"
    if isinstance(peer, BlockPeer):
        return f"names the block {peer.block}, and the address of the pod is not assigned yet"
    if isinstance(peer, EndpointPeer):
        return f"{does} pods by {peer.test}, and {_not_known(view, peer.test, other.pod_class)}"
    if not isinstance(peer, PodMatch):
        return "depends on the node or the address of the other end, which is not known"
    if _only_pods(view, peer, other.pod_class.namespace):
        return f"{does} pods by labels that are added later ({peer.pods})"
    return f"{does} namespaces by {peer.namespaces}, and {_labels_of_namespace(other.pod_class)} are not known"


def _labels_of_namespace(pod_class: PodClass) -> str:
    return f"the labels of namespace {pod_class.namespace}"


def _not_known(view: View, test: Predicate, pod_class: PodClass) -> str:
    """Say what it is that a condition asks of pods and nobody has told."""
    term = next((one for one in requirements_of(test) if holds(one, labels_of(view, pod_class)) is Truth.MAYBE), None)
    if term is not None and pod_class.account == UNKNOWN_ACCOUNT and term.space in (Space.ACCOUNT, Space.FIELD):
        return "the service account of pods that are only expected is not known"
    if term is not None and term.space is Space.ACCOUNT:
        return f"the labels of service account {pod_class.namespace}/{pod_class.account or 'default'} are not known"
    if term is not None and term.space is Space.NAMESPACE:
        return f"{_labels_of_namespace(pod_class)} are not known"
    return f"{term.key if term else 'a label'} is added to pods later"


def _by_enforcer(view: View, peer: Peer, other: End) -> str | None:
    """Say what is not known of the enforcer, whatever labels and addresses are; None: it is they that are not known."""
    cni = view.dialect.name
    if isinstance(peer, BlockPeer) and (what := _not_sure_to_hold(view, peer, other)) is not None:
        return f"names the block {peer.block}, and whether blocks hold {what} under {cni} is not known"
    if isinstance(peer, PodMatch) and isinstance(other, PodEnd) and other.pod_class.host_network:
        return f"names pods by labels, and whether it means those of the host network depends on {cni}"
    return None


def _not_sure_to_hold(view: View, peer: BlockPeer, other: End) -> str | None:
    """Return what it is that a block may hold or not, whatever the addresses; None: the addresses decide."""
    if isinstance(other, PodEnd):
        host = other.pod_class.host_network
    else:
        host = not other.pod and node_of(view, other) is not None
        if not host and not other.pod:
            return None
    return None if (peer.nodes if host else peer.pods) is not Truth.MAYBE else "nodes" if host else "pods"


def _unsure(view: View, peer: Peer, packet: Packet) -> bool:
    return peer_matches(view, peer, packet.other, packet.family, packet) is Truth.MAYBE


def _only_pods(view: View, peer: PodMatch, namespace: str) -> bool:
    """Say whether the namespace is sure to match, so that it is the pod's labels that are not known."""
    return pods_match(view, PodMatch(peer.namespace, peer.namespaces), PodClass(namespace)) is Truth.YES

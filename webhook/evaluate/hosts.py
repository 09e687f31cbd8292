"""Nodes as the other end: what pods send to their own one, and peers that match whoever is on the host network.

Enforcers differ on whether a packet to the own node arrives once policy let it out, or even where it did not.
"""

from typing import Final

from msgspec import structs

from webhook.evaluate.ends import PodEnd
from webhook.evaluate.labels import pods_match
from webhook.model.labels import Labels
from webhook.model.objects import Shape
from webhook.model.tier import EndpointPeer, PodMatch
from webhook.model.truth import Truth
from webhook.model.verdict import Side, Verdict
from webhook.world import View

OWN_NODE: Final = Side(Verdict.ALLOWED, isolated=True, reason="a node always reaches its own pods")


def to_node(view: View, source: PodEnd, node: str, egress: Side) -> Side:
    """What a pod sends to its own node may be dropped, whatever policy says (Calico: defaultEndpointToHostAction)."""
    if egress.verdict is not Verdict.ALLOWED and view.dialect.nodes.pods_reach_own is not Truth.NO:
        return egress if source.shape.host_network else _past_policy(view, source, node, egress)
    after = view.dialect.nodes.own_accepts
    if after is Truth.YES or egress.verdict is Verdict.DENIED or source.shape.host_network:
        return egress
    if source.node and node:
        if source.node != node:
            return egress
        if after is Truth.NO:
            reason = f"{view.dialect.name} drops what pods send to their own node (defaultEndpointToHostAction: Drop)"
            return structs.replace(egress, verdict=Verdict.DENIED, final=True, admitted_by=None, reason=reason)
    if egress.verdict is not Verdict.ALLOWED:
        return egress
    reason = "whether a pod reaches its own node is a setting, and it is not known which node it is on"
    return structs.replace(egress, verdict=Verdict.UNKNOWN, admitted_by=None, reason=reason)


def from_node(view: View, node: str, target: PodEnd, ingress: Side) -> Side:
    """A node always reaches its own pods (`networking.k8s.io/v1` NetworkPolicySpec.ingress); others ask the rules."""
    if ingress.verdict is Verdict.ALLOWED or not view.dialect.nodes.own_reaches_pods:
        return ingress
    if node and target.node:
        return OWN_NODE if node == target.node else ingress
    reason = "a pod on the host network reaches pods of its own node whatever the policy; its node is not known"
    return Side(Verdict.UNKNOWN, ingress.isolated, ingress.policies, reason=reason)


def _past_policy(view: View, source: PodEnd, node: str, egress: Side) -> Side:
    """What policy does not let out may reach the pod's own node all the same (`NodeReading.pods_reach_own`)."""
    past = view.dialect.nodes.pods_reach_own
    known = bool(source.node and node)
    if past is Truth.NO or (known and source.node != node):
        return egress
    if known and past is Truth.YES:
        return structs.replace(egress, verdict=Verdict.ALLOWED, reason="a pod reaches its own node whatever the policy")
    reason = "a pod may reach its own node whatever the policy" + ("" if known else "; its node is not known")
    return structs.replace(egress, verdict=Verdict.UNKNOWN, reason=reason)


def node_matters(view: View, source: PodEnd, target: PodEnd) -> bool:
    """Say whether the answer may differ by the nodes that two pods are on, whatever the rules are."""
    if source.shape.host_network:
        return True
    dialect = view.dialect
    settled = dialect.nodes.own_accepts is Truth.YES and dialect.nodes.pods_reach_own is Truth.NO
    return target.shape.host_network and not settled


def on_host_network(view: View, match: PodMatch | EndpointPeer, shape: Shape | None) -> Truth:
    """Say whether a peer matches pods on the host network, of `shape`, or a node (None)."""
    dialect = view.dialect
    if isinstance(match, EndpointPeer):
        return Truth.NO
    if dialect.nodes.host_namespace is not None:
        return _in_namespace(match, dialect.nodes.host_namespace)
    if dialect.nodes.host_pods is Truth.NO or shape is None:
        return Truth.NO
    return min(dialect.nodes.host_pods, pods_match(view, match, shape))


def _in_namespace(match: PodMatch, labels: Labels) -> Truth:
    """Hosts stand in a namespace of their own: sure only for a rule that asks for the label that says so."""
    if match.namespace is not None or match.pods.requirements or match.namespaces.matches(labels) is Truth.NO:
        return Truth.NO
    named = any(requirement.key in labels.as_dict() for requirement in match.namespaces.requirements)
    return Truth.YES if named else Truth.MAYBE

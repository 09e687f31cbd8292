"""What a pod sends to its own node: enforcers differ on whether it arrives once policy let it out."""

from msgspec import structs

from webhook.evaluate.ends import PodEnd
from webhook.model.truth import Truth
from webhook.model.verdict import Side, Verdict
from webhook.world import View


def to_node(view: View, source: PodEnd, node: str, egress: Side) -> Side:
    """What a pod sends to its own node may be dropped after policy let it out (Calico: defaultEndpointToHostAction)."""
    after = view.dialect.to_own_node
    if after is Truth.YES or egress.verdict is not Verdict.ALLOWED or source.shape.host_network:
        return egress
    if source.node and node:
        if source.node != node:
            return egress
        if after is Truth.NO:
            reason = f"{view.dialect.name} drops what pods send to their own node (defaultEndpointToHostAction: Drop)"
            return structs.replace(egress, verdict=Verdict.DENIED, final=True, admitted_by=None, reason=reason)
    reason = "whether a pod reaches its own node is a setting, and it is not known which node it is on"
    return structs.replace(egress, verdict=Verdict.UNKNOWN, admitted_by=None, reason=reason)

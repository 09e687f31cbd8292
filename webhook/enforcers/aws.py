"""The VPC CNI of AWS, whose agent enforces where a flag says so: egress is judged before translation."""

from typing import Final

from webhook.enforcers.record import Data, Enforcer, Flags, Found
from webhook.model.crd_policies import CompileContext
from webhook.model.dialect import Certainty, Dialect, NodeReading, PortReading, ServiceReading
from webhook.model.truth import Truth

_GROUP: Final = "networking.k8s.aws"
_AGENT: Final = "aws-node"
_NO_AGENT: Final = "aws-node runs without --enable-network-policy=true"
_STRICT: Final = "NETWORK_POLICY_ENFORCING_MODE=strict"
_STRICT_NOTE: Final = "the agent of AWS enforces in strict mode: a pod's first seconds are denied, whatever policy says"
_SWITCHED_OFF: Final = "ConfigMap amazon-vpc-cni switches the policy controller off, not the agent"


def _found(flags: Flags, data: Data) -> Found:
    on = any(flag.partition("=")[2].lower() in ("true", "") for flag in flags if flag.startswith("--enable-network"))
    if not on:
        return Found("aws", enforces=False, why=_NO_AGENT)
    if data.get("enable-network-policy-controller") == "false":
        return Found("aws", None, _SWITCHED_OFF)
    return Found("aws")


def _dialect(context: CompileContext) -> Dialect:
    notes = (_STRICT_NOTE,) if _STRICT in context.flags.get(_AGENT, ()) else ()
    return Dialect(
        "aws",
        ports=PortReading(names_pooled=True),
        nodes=NodeReading(host_pods=Truth.MAYBE),
        services=ServiceReading(egress_before=True),
        certainty=Certainty(notes=notes),
    )


RECORDS: Final = (
    Enforcer(
        "aws",
        groups=frozenset({_GROUP}),
        unread=frozenset({(_GROUP, "ApplicationNetworkPolicy")}),
        unread_wide=frozenset({(_GROUP, "ClusterNetworkPolicy")}),
        agents={_AGENT: _found},
        images=frozenset({"amazon-k8s-cni", "aws-network-policy-agent"}),
        arguments=("--enable-network-policy",),
        variables=frozenset({"NETWORK_POLICY_ENFORCING_MODE"}),
        containers=frozenset({"aws-eks-nodeagent"}),
        switches="amazon-vpc-cni",
        settings={"amazon-vpc-cni": ("enable-network-policy-controller",)},
        dialect=_dialect,
        log="kubectl -n kube-system logs ds/aws-node -c aws-eks-nodeagent --tail=100",
    ),
)

"""The world's only way to change."""

from msgspec import Struct

from webhook.model.crd_policies import Foreign, Gap
from webhook.model.hints import ConfigMap
from webhook.model.inbound import Inbound
from webhook.model.objects import Endpoints, EndpointSlice, Namespace, Node, Pod, Service, Workload
from webhook.model.policy import Policy
from webhook.world.inbound import key_of_inbound

Value = (
    Namespace
    | Pod
    | Workload
    | Service
    | Endpoints
    | EndpointSlice
    | Node
    | ConfigMap
    | Policy
    | Foreign
    | Gap
    | Inbound
)


class Put(Struct, frozen=True):
    """An object is there, new or changed."""

    value: Value


class Drop(Struct, frozen=True):
    """An object is gone. `namespace` is empty for cluster-scoped kinds."""

    kind: str
    namespace: str
    name: str


Change = Put | Drop


def key_of(value: Value) -> Drop:
    """Return what names `value`: the change that would remove it."""
    match value:
        case Namespace(name=name):
            return Drop("Namespace", "", name)
        case Node(name=name):
            return Drop("Node", "", name)
        case Workload(ref=ref):
            return Drop(ref.kind, ref.namespace, ref.name)
        case Policy(ref=ref):
            return Drop(ref.kind, ref.namespace or "", ref.name)
        case Foreign(ref=ref, group=group):
            return Drop(f"{ref.kind}.{group}" if group else ref.kind, ref.namespace or "", ref.name)
        case Gap(kind=kind, group=group):
            return Drop("Gap", group, kind)
        case Pod() | Service() | Endpoints() | EndpointSlice() | ConfigMap():
            return Drop(type(value).__name__, value.namespace, value.name)
        case _:
            return Drop(*key_of_inbound(value))

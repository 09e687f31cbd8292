"""The other end of a rule, compiled: which pods, nodes, Services and addresses it means, under every family."""

from collections.abc import Iterator
from enum import StrEnum

from msgspec import Struct

from webhook.model.labels import (
    EVERYTHING,
    AllOf,
    AnyOf,
    NoneOf,
    Predicate,
    Selector,
)
from webhook.model.policy import BlockPeer, UnclearPeer
from webhook.model.truth import Truth


class PodMatch(Struct, frozen=True, gc=False):
    """Pods of namespace `namespace`, or of the namespaces that `namespaces` selects, whose labels `pods` selects.

    `own`: the rule names no namespace, and so means the policy's.
    """

    namespace: str | None
    namespaces: Selector = EVERYTHING
    pods: Selector = EVERYTHING
    own: bool = False


class EndpointPeer(Struct, frozen=True, gc=False):
    """Pods by any condition; never one on the host network."""

    test: Predicate


class Place(StrEnum):
    """What the other end is, whatever its labels."""

    POD = "pod"  # one that is not on the host network
    OWN_NODE = "own node"  # the node of the policy's subject, its host-network pods included
    OTHER_NODE = "other node"
    API_SERVER = "API server"  # what the EndpointSlices of default/kubernetes list
    WORLD = "world"  # neither pod nor node


class PlacePeer(Struct, frozen=True, gc=False):
    """Ends at `place`."""

    place: Place


class NodePeer(Struct, frozen=True, gc=False):
    """Nodes by their labels, with the pods on their host network."""

    nodes: Selector = EVERYTHING


class ServicePeer(Struct, frozen=True, gc=False):
    """The endpoints of a Service. `by_port`: on the ports only on which they serve it."""

    namespace: str
    name: str
    by_port: bool = False


class ServiceWish(Struct, frozen=True, gc=False):
    """Services of `namespace` (empty: any): the one called `name`, or those whose labels `labels` selects."""

    namespace: str
    name: str = ""
    labels: Selector | None = None


class ServicesPeer(Struct, frozen=True, gc=False):
    """The endpoints of Services, on whatever port.

    That is the pods that a Service's selector selects; of one without, the addresses that it lists, as blocks that hold
    those of `pods` and `nodes` or not. `or_any`: where no such Service is, all ends.
    """

    wanted: tuple[ServiceWish, ...]
    or_any: bool = False
    pods: Truth = Truth.YES
    nodes: Truth = Truth.YES


Peer = (
    PodMatch
    | BlockPeer
    | UnclearPeer
    | EndpointPeer
    | PlacePeer
    | NodePeer
    | ServicePeer
    | ServicesPeer
    | AllOf["Peer"]
    | AnyOf["Peer"]
    | NoneOf["Peer"]
)


def leaves(peer: Peer) -> Iterator[Peer]:
    """Yield what a match is put together from."""
    if isinstance(peer, AllOf | AnyOf | NoneOf):
        for part in peer.parts:
            yield from leaves(part)
    else:
        yield peer


def by_address(peer: Peer) -> bool:
    """Say whether a match looks at more than labels."""
    match peer:
        case AllOf(peers) | AnyOf(peers) | NoneOf(peers):
            return any(map(by_address, peers))
        case PodMatch() | EndpointPeer() | UnclearPeer():
            return False
        case _:
            return True


def tells_pods_apart(peer: Peer) -> bool:
    """Say whether a match tells pods apart that are not on the host network and have the same labels."""
    match peer:
        case AllOf(peers) | AnyOf(peers) | NoneOf(peers):
            return any(map(tells_pods_apart, peers))
        case BlockPeer() | ServicesPeer():
            return peer.pods is not Truth.NO
        case ServicePeer():
            return True
        case _:
            return False


def volatile(peer: Peer) -> bool:
    """Say whether a match depends on the endpoints of a Service."""
    match peer:
        case AllOf(peers) | AnyOf(peers) | NoneOf(peers):
            return any(map(volatile, peers))
        case ServicePeer() | ServicesPeer():
            return True
        case PlacePeer(place):
            return place is Place.API_SERVER
        case _:
            return False

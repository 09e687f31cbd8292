"""What the policies of a view ask of pods: two pods that answer alike are of one class."""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from webhook.evaluate.coverage import nodes_are_as_others
from webhook.model.addresses import Address
from webhook.model.expression import All, Expression, Not, Some, Space, Term
from webhook.model.labels import Selector
from webhook.model.objects import Service
from webhook.model.policy import BlockPeer, UnclearPeer
from webhook.model.ports import NamedPort
from webhook.model.tier import (
    EndpointPeer,
    Entry,
    Every,
    Isolation,
    Match,
    Neither,
    NodePeer,
    Place,
    PlacePeer,
    PodMatch,
    ServicePeer,
    ServicesPeer,
    by_address,
)
from webhook.world import View

API_SERVER = ServicePeer("default", "kubernetes")
_NEAR = frozenset({Place.OWN_NODE, Place.OTHER_NODE})


class Asked(Struct, frozen=True):
    """All that policies ask: label keys, names of ports, and more where its flag is set.

    `accounts`: the ServiceAccount. `nodes`: which node a pod on the host network is on. `near`: who is on whose node.
    `served`: the addresses behind Services that policies name; `by_port`: on the ports on which they serve.
    `own_address`: the subject's own address. `hosts`: whether an address outside is a node's.
    """

    keys: frozenset[str]
    names: frozenset[str]
    accounts: bool = False
    nodes: bool = False
    near: bool = False
    served: frozenset[Address] = frozenset()
    by_port: bool = False
    own_address: bool = False
    hosts: bool = False

    @staticmethod
    def by(view: View, isolations: Iterable[Isolation]) -> "Asked":
        """Collect what `isolations` ask."""
        asking = _Asking(view)
        for isolation in isolations:
            asking.isolation(isolation)
        return Asked(
            frozenset(asking.keys),
            frozenset(asking.names),
            asking.accounts,
            asking.nodes,
            asking.near,
            frozenset(asking.served),
            asking.by_port,
            asking.own_address,
            asking.hosts,
        )


def leaves(match: Match) -> Iterator[Match]:
    """Yield what a match is put together from."""
    if isinstance(match, Every | Neither):
        for peer in match.peers:
            yield from leaves(peer)
    else:
        yield match


def is_near(match: Match) -> bool:
    """Say whether a match asks who is on whose node."""
    return any(isinstance(leaf, PlacePeer) and leaf.place in _NEAR for leaf in leaves(match))


def services_of(view: View, peer: ServicePeer | ServicesPeer) -> Iterator[Service]:
    """Yield every Service that a peer may be about."""
    if isinstance(peer, ServicePeer):
        service = view.service(peer.namespace, peer.name)
        yield from () if service is None else (service,)
        return
    for wish in peer.wanted:
        for namespace in (wish.namespace,) if wish.namespace else view.namespaces():
            yield from (s for s in view.services(namespace) if wish.name in ("", s.name))


class _Asking:
    def __init__(self, view: View) -> None:
        self._view = view
        self.keys: set[str] = set()
        self.names: set[str] = set()
        self.accounts = self.nodes = self.near = self.by_port = self.own_address = self.hosts = False
        self.served: set[Address] = set()

    def isolation(self, isolation: Isolation) -> None:
        if isolation.subject:
            self._selector(isolation.subject)
        if isolation.scope is not None:
            self._expression(isolation.scope)
        for entry in isolation.entries:
            self._entry(entry)

    def _entry(self, entry: Entry) -> None:
        for match in entry.matches or ():
            self._match(match)
            self.hosts = self.hosts or not nodes_are_as_others(match)
        for ports in (entry.ports, entry.not_ports):
            self.names |= {port.name for port in ports or () if isinstance(port, NamedPort)}
        for match in entry.own or ():
            self._match(match)
            self.own_address = self.own_address or by_address(match)

    def _match(self, match: Match) -> None:
        match match:
            case PodMatch():
                self._selector(match.pods)
            case BlockPeer() | UnclearPeer():
                pass
            case EndpointPeer(test):
                self._expression(test)
            case Every(peers) | Neither(peers):
                for peer in peers:
                    self._match(peer)
            case NodePeer():
                self.nodes = True
            case ServicePeer() | ServicesPeer():
                self._services(match)
            case PlacePeer(place):
                self.near = self.near or place in _NEAR
                if place is Place.API_SERVER:
                    self._services(API_SERVER)

    def _selector(self, selector: Selector) -> None:
        for requirement in selector.requirements:
            self.keys.add(requirement.key)

    def _services(self, peer: ServicePeer | ServicesPeer) -> None:
        """A Service means what its endpoints list, else the pods that its own selector selects."""
        self.nodes = True
        self.by_port = self.by_port or (isinstance(peer, ServicePeer) and peer.by_port)
        for service in services_of(self._view, peer):
            self.served |= set(self._view.serving(service))
            self.keys |= {key for key, _ in service.selector.pairs} if service.selector else set()

    def _expression(self, expression: Expression) -> None:
        match expression:
            case Term(space, key):
                if space is Space.POD:
                    self.keys.add(key)
                self.accounts = self.accounts or space is Space.ACCOUNT or (space, key) == (Space.FIELD, "account")
            case All(parts) | Some(parts):
                for part in parts:
                    self._expression(part)
            case Not(part):
                self._expression(part)

"""One rule -> rules: what is sure of it, and what may or may not be meant.

Its ports are `ports` of v1alpha1, `protocols` of v1alpha2.
"""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from webhook.families.admin.peers import Lost, Peers, Terms, one_of, only, peers_of
from webhook.model.addresses import FIRST_PORT, LAST_PORT, PROTOCOLS, NamedPort, PortMatch, PortRange, Protocol
from webhook.model.labels import NoneOf
from webhook.model.peers import Peer, Place, PlacePeer
from webhook.model.refs import PolicyRef
from webhook.model.tier import Action, CompiledRule
from webhook.wire.shapes import Malformed, Raw, fail, integer, mapping, mappings, protocol, shown, string

_OF_WORD: Final[dict[str, Protocol]] = {spoken.lower(): spoken for spoken in PROTOCOLS}
_NAMED: Final = ("namedPort", "destinationNamedPort")
_ADDRESSED: Final = ("networks", "nodes", "domainNames")
_NOT_PODS: Final[Peer] = NoneOf((PlacePeer(Place.POD),))


class Ports(Struct, frozen=True):
    """The ports of a rule. `matches` None: all. `unclear`: why it may mean others, too. `named`: some are, by name."""

    matches: tuple[PortMatch, ...] | None = None
    unclear: str | None = None
    named: bool = False


def ports_of(rule: Raw, key: str, path: str, problems: list[str]) -> Ports:
    """Read the ports of a rule; what cannot be read is a problem, and leaves the rule unclear."""
    if rule.get(key) is None:
        return Ports()
    try:
        entries = mappings(rule, key, path)
        if not entries:
            fail(f"{path}.{key}", "expected at least one entry, or no such field")
    except Malformed as error:
        problems.append(str(error))
        return Ports((), str(error))
    found: list[PortMatch] = []
    unclear: str | None = None
    read = _port if key == "ports" else _protocol
    for index, entry in enumerate(entries):
        try:
            found += read(entry, f"{path}.{key}[{index}]", problems)
        except Malformed as error:
            problems.append(str(error))
            unclear = unclear or str(error)
    return Ports(tuple(found), unclear, any(name in entry for entry in entries for name in _NAMED))


def _port(raw: Raw, path: str, _: list[str]) -> Iterable[PortMatch]:
    """Read an AdminNetworkPolicyPort."""
    word = one_of(raw, ("portNumber", "portRange", "namedPort"), path)
    if word == "namedPort":
        return _named(string(raw, word, path), f"{path}.{word}")
    inner, path = mapping(raw, word, path), f"{path}.{word}"
    if word == "portNumber":
        only(inner, ("protocol", "port"), path)
        return (_range(protocol(inner, path), _number(inner, "port", path), None, path),)
    only(inner, ("protocol", "start", "end"), path)
    return (_range(protocol(inner, path), _number(inner, "start", path), _number(inner, "end", path), path),)


def _protocol(raw: Raw, path: str, problems: list[str]) -> Iterable[PortMatch]:
    """Read a ClusterNetworkPolicyProtocol."""
    word = one_of(raw, (*_OF_WORD, "destinationNamedPort"), path)
    if word == "destinationNamedPort":
        return _named(string(raw, word, path), f"{path}.{word}")
    spoken, inner, path = _OF_WORD[word], mapping(raw, word, path), f"{path}.{word}"
    only(inner, ("destinationPort",), path)
    if inner.get("destinationPort") is None:
        problems.append(f"{path}: expected destinationPort")
        return (PortRange(spoken),)  # nothing narrows it down
    port, path = mapping(inner, "destinationPort", path), f"{path}.destinationPort"
    if one_of(port, ("number", "range"), path) == "number":
        return (_range(spoken, _number(port, "number", path), None, path),)
    ends, path = mapping(port, "range", path), f"{path}.range"
    only(ends, ("start", "end"), path)
    return (_range(spoken, _number(ends, "start", path), _number(ends, "end", path), path),)


def _named(name: str, path: str) -> Iterable[PortMatch]:
    """Return a port name: the protocol is that of the container's port."""
    if not name:
        fail(path, "expected a port's name")
    return tuple(NamedPort(spoken, name) for spoken in PROTOCOLS)


def _number(raw: Raw, key: str, path: str) -> int:
    found = integer(raw, key, path)
    if found is None or not FIRST_PORT <= found <= LAST_PORT:
        fail(f"{path}.{key}", f"expected a port from {FIRST_PORT} to {LAST_PORT}, not {shown(found)}")
    return found


def _range(spoken: Protocol, first: int, last: int | None, path: str) -> PortRange:
    if last is not None and first > last:
        fail(path, f"expected start below end, not {first} and {last}")
    return PortRange(spoken, first, first if last is None else last)


class _Rule(Struct, frozen=True):
    ref: PolicyRef
    action: Action
    ports: Ports

    def compiled(self, matches: tuple[Peer, ...], conditional: str | None = None) -> list[CompiledRule]:
        """Return a rule for the ports that are sure, and one for those that are not."""
        sure = CompiledRule(self.ref, matches, self.ports.matches, action=self.action, conditional=conditional)
        if self.ports.unclear is None:
            return [sure]
        reason = f"may name any port: {self.ports.unclear}"
        perhaps = CompiledRule(self.ref, matches, action=self.action, conditional=conditional or reason)
        return [sure, perhaps] if self.ports.matches else [perhaps]


def compiled_rules(
    terms: Terms, ref: PolicyRef, raw: Raw, path: str, peers_key: str, problems: list[str]
) -> list[CompiledRule]:
    """Read one rule. A part that cannot be read is a problem, and the rule may then match, or not."""
    action = terms.actions[string(raw, "action", path)]
    try:
        only(raw, ("name", "action", peers_key, terms.ports), path)
    except Malformed as error:
        problems.append(str(error))
        return _unclear(ref, action, str(error))
    peers = peers_of(terms, raw, peers_key, path, action, problems)
    if peers.lost is Lost.CLOSED:
        return [] if action is Action.ALLOW else [CompiledRule(ref, action=Action.DENY)]
    if peers.lost is not None:
        return _unclear(ref, action, peers.why)
    rule = _Rule(ref, action, ports_of(raw, terms.ports, path, problems))
    if rule.ports.named and peers.addressed:
        problem = f"{path}.{terms.ports}: expected no port names beside {', '.join(_ADDRESSED)}"
        problems.append(problem)
        return _unclear(ref, action, problem)
    return [*_sure(rule, peers), *_by_name(rule, peers)]


def _sure(rule: _Rule, peers: Peers) -> list[CompiledRule]:
    return rule.compiled(peers.matches) if peers.matches else []


def _by_name(rule: _Rule, peers: Peers) -> list[CompiledRule]:
    """Return what names may open: whatever they resolve to, which is known only while pods ask."""
    if not peers.names:
        return []
    names = ", ".join(f"`{name}`" for name in peers.names)
    ends = None if peers.inside else (_NOT_PODS,)
    reason = f"allows {names} by name, and which addresses these are cannot be told"
    return [
        CompiledRule(rule.ref, ends, each.ports, action=rule.action, conditional=reason)
        for each in rule.compiled((), reason)
    ]


def _unclear(ref: PolicyRef, action: Action, why: str) -> list[CompiledRule]:
    """A rule that may match anything, or nothing; one that passes may deny instead (it fails closed)."""
    actions = (Action.DENY, Action.PASS) if action is Action.PASS else (action,)
    return [CompiledRule(ref, unclear=why, action=each) for each in actions]

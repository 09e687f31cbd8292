"""One rule -> entries: what is sure of it, and what may or may not be meant."""

from typing import Final

from msgspec import Struct

from webhook.families.admin.kinds import Terms
from webhook.families.admin.peers import Lost, Peers, peers_of
from webhook.families.admin.ports import Ports, ports_of
from webhook.families.admin.shapes import only
from webhook.model.refs import PolicyRef
from webhook.model.tier import Action, Entry, Match, Neither, Place, PlacePeer
from webhook.wire.shapes import Malformed, Raw, string

_ADDRESSED: Final = ("networks", "nodes", "domainNames")
_NOT_PODS: Final = Neither((PlacePeer(Place.POD),))


class _Rule(Struct, frozen=True):
    ref: PolicyRef
    action: Action
    ports: Ports

    def entries(self, matches: tuple[Match, ...], conditional: str | None = None) -> list[Entry]:
        """Return an entry for the ports that are sure, and one for those that are not."""
        sure = Entry(self.ref, matches, self.ports.matches, action=self.action, conditional=conditional)
        if self.ports.unclear is None:
            return [sure]
        reason = f"may name any port: {self.ports.unclear}"
        perhaps = Entry(self.ref, matches, action=self.action, conditional=conditional or reason)
        return [sure, perhaps] if self.ports.matches else [perhaps]


def entries_of(terms: Terms, ref: PolicyRef, raw: Raw, path: str, peers_key: str, problems: list[str]) -> list[Entry]:
    """Read one rule. A part that cannot be read is a problem, and the rule may then match, or not."""
    action = terms.actions[string(raw, "action", path)]
    try:
        only(raw, ("name", "action", peers_key, terms.ports), path)
    except Malformed as error:
        problems.append(str(error))
        return _unclear(ref, action, str(error))
    peers = peers_of(terms, raw, peers_key, path, action, problems)
    if peers.lost is Lost.CLOSED:
        return [] if action is Action.ALLOW else [Entry(ref, action=Action.DENY)]
    if peers.lost is not None:
        return _unclear(ref, action, peers.why)
    rule = _Rule(ref, action, ports_of(raw, terms.ports, path, problems))
    if rule.ports.named and peers.addressed:
        problem = f"{path}.{terms.ports}: expected no port names beside {', '.join(_ADDRESSED)}"
        problems.append(problem)
        return _unclear(ref, action, problem)
    return [*_sure(rule, peers), *_by_name(rule, peers)]


def _sure(rule: _Rule, peers: Peers) -> list[Entry]:
    return rule.entries(peers.matches) if peers.matches else []


def _by_name(rule: _Rule, peers: Peers) -> list[Entry]:
    """Return what names may open: whatever they resolve to, which is known only while pods ask."""
    if not peers.names:
        return []
    names = ", ".join(f"`{name}`" for name in peers.names)
    ends = None if peers.inside else (_NOT_PODS,)
    reason = f"allows {names} by name, and which addresses these are cannot be told"
    return [
        Entry(rule.ref, ends, entry.ports, action=rule.action, conditional=reason) for entry in rule.entries((), reason)
    ]


def _unclear(ref: PolicyRef, action: Action, why: str) -> list[Entry]:
    """A rule that may match anything, or nothing; one that passes may deny instead (it fails closed)."""
    actions = (Action.DENY, Action.PASS) if action is Action.PASS else (action,)
    return [Entry(ref, unclear=why, action=each) for each in actions]

"""The four lists of a policy's rules -> entries."""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct, structs

from webhook.families.cilium.context import Context
from webhook.families.cilium.peers import ONLY_TO, READERS, peers_of
from webhook.families.cilium.ports import Ports, Side, ports_of
from webhook.families.cilium.refused import checked, given, only, refuse
from webhook.families.cilium.settings import LOCAL_CLUSTER, NEWEST
from webhook.families.networkpolicy import EGRESS_NAMES
from webhook.model.policy import Direction
from webhook.model.ports import NamedPort
from webhook.model.refs import PolicyRef
from webhook.model.tier import Action, Entry
from webhook.wire.shapes import Malformed, Raw, fail, mapping, mappings, sequence, shown, string

_BY_NAME: Final = "names its peers, and which addresses these names stand for cannot be told"
_BY_NAME_ALONE: Final = f"{_BY_NAME} (nor learnt by this policy, which has no rule about `dns`)"
_AUTHENTICATED: Final = "asks for mutual authentication, and whether both ends pass it is not known"
_MAY_PASS: Final = frozenset(
    {None, _BY_NAME, _BY_NAME_ALONE, EGRESS_NAMES}
)  # takes nothing away that other rules let through
_MODES: Final = frozenset({"disabled", "required", "test-always-fail"})


class Lists(Struct):
    """The entries of one direction, in the order in which they count.

    `denied` for sure; `withheld`: what rules about requests may deny, whatever other rules let through; `allowed`.
    `filled`: some list has rules.
    """

    denied: list[Entry]
    withheld: list[Entry]
    allowed: list[Entry]
    filled: bool = False


def lists_of(
    spec: Raw, path: str, direction: Direction, ref: PolicyRef, context: Context, problems: list[str]
) -> Lists:
    """Read one direction. A rule that is not understood may match anything, or nothing. Raises Refused."""
    found = Lists([], [], [])
    ingress = direction is Direction.INGRESS
    key = "ingress" if ingress else "egress"
    for name, side in ((f"{key}Deny", Side(ingress, denies=True)), (key, Side(ingress, denies=False))):
        for index, raw in enumerate(checked(mappings, spec, name, path)):
            found.filled = True
            where = f"{path}.{name}[{index}]"
            try:
                entries = list(_entries(raw, where, side, ref.at(index), context))
            except Malformed as error:
                problems.append(str(error))
                entries = [Entry(ref.at(index), unclear=str(error))]
            _sort(entries, found, denies=side.denies)
    found.withheld = [entry for entry in found.withheld if not any(_frees(other, entry) for other in found.allowed)]
    return found


def _frees(plain: Entry, entry: Entry) -> bool:
    """Say whether a rule without conditions lets through all that one about requests is about.

    Cilium adds a rule for all requests then (`pkg/policy/l4.go`, mergePortProto; `rules.go`, wildcardL3L4Rules).
    """
    if plain.conditional is not None or plain.unclear is not None:
        return False
    return plain.matches in (None, entry.matches) and plain.ports in (None, entry.ports)


def _sort(entries: list[Entry], found: Lists, *, denies: bool) -> None:
    if denies:
        found.denied += [structs.replace(entry, action=Action.DENY) for entry in entries]
        return
    found.allowed += entries
    found.withheld += [
        structs.replace(entry, action=Action.DENY) for entry in entries if entry.conditional not in _MAY_PASS
    ]


def _entries(raw: Raw, path: str, side: Side, ref: PolicyRef, context: Context) -> Iterator[Entry]:
    """Yield what a rule comes to: an entry for each of `toPorts`."""
    word = "from" if side.ingress else "to"
    only(raw, _keys(side, word), path)
    if checked(sequence, raw, f"{word}Requires", path):
        if context.config.version >= LOCAL_CLUSTER:
            refuse(f"{path}.{word}Requires", "expected it empty, as it is not supported")
        fail(f"{path}.{word}Requires", "expected it empty: what it asks is not evaluated")
    peers = peers_of(raw, path, word, context)
    ports = ports_of(raw, path, side, context.config)
    authenticated = _authenticated(raw, path)
    if checked(sequence, raw, "icmps", path):
        if ports is not None:
            refuse(f"{path}.icmps", "expected no toPorts beside it")
        ports = []  # no port of TCP, UDP or SCTP
    if peers is None and ports is None:
        return  # a rule without anything matches nothing, and isolates all the same
    by_name = (_BY_NAME if context.learns_names else _BY_NAME_ALONE) if raw.get("toFQDNs") else None
    for one in [Ports(None)] if ports is None else ports:
        condition = one.why or authenticated or by_name
        if condition is None and not side.ingress and any(isinstance(port, NamedPort) for port in one.matches or ()):
            condition = EGRESS_NAMES if context.config.version < NEWEST else None
        yield Entry(ref, peers, one.matches, conditional=condition)


def _keys(side: Side, word: str) -> frozenset[str]:
    peers = {f"{word}{peer}" for peer in READERS if not (side.ingress and peer in ONLY_TO)}
    if side.denies:
        return frozenset(peers - {"toFQDNs"} | {f"{word}Requires", "toPorts", "icmps"})
    return frozenset(peers | {f"{word}Requires", "toPorts", "icmps", "authentication"})


def _authenticated(raw: Raw, path: str) -> str | None:
    """Return what mutual authentication makes of a rule: None where it does not ask for any."""
    if not given(raw, "authentication"):
        return None
    mode = checked(string, checked(mapping, raw, "authentication", path), "mode", f"{path}.authentication")
    if mode not in _MODES:
        refuse(f"{path}.authentication.mode", f"expected {', '.join(sorted(_MODES))}, not {shown(mode)}")
    return None if mode == "disabled" else _AUTHENTICATED

"""`toPorts`: ports by number, by name or all of them, and what else is asked of a packet that goes to them.

Requests, names and certificates no address shows, so rules about them make an answer unsure.
Source: `pkg/policy/api/{l4,rule_validation}.go`, and the schema of the CRDs.
"""

import re
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from webhook.families.cilium.settings import Config, checked, given, only, refuse
from webhook.model.addresses import LAST_PORT, NamedPort, PortMatch, PortRange, Protocol
from webhook.wire.shapes import Raw, fail, integer, mapping, mappings, shown, string, strings

RULE_KEYS: Final = frozenset({"ports", "rules", "serverNames", "terminatingTLS", "originatingTLS", "listener"})
_PROTOCOLS: Final = ("http", "kafka", "dns", "l7")
_WORDS: Final = {"http": "HTTP", "kafka": "Kafka", "dns": "DNS", "l7": "layer 7"}
_DNS_PORT: Final = "53"
EVERY_NAME: Final = "*"
MOST_PORTS: Final = 40
_WITHOUT_PORTS: Final = frozenset({"VRRP", "IGMP", "GRE", "IPIP", "IPV6", "ESP", "AH"})
_SPOKEN: Final[dict[str, tuple[Protocol, ...]]] = {"TCP": ("TCP",), "UDP": ("UDP",), "SCTP": ("SCTP",)}
_NAME: Final = re.compile(r"(?=.{1,15}\Z)(?:[A-Za-z0-9]-?)*[A-Za-z](?:-?[A-Za-z0-9])*\Z")  # an IANA service name
_NUMBER: Final = re.compile(r"[0-9]{1,5}\Z")
_KEYS: Final = frozenset({"port", "endPort", "protocol"})


def learns_names(spec: Raw) -> bool:
    """Say whether a rule sends look-ups through Cilium's proxy, which learns there the addresses of names."""
    for rule in checked(mappings, spec, "egress", ""):
        for ports in checked(mappings, rule, "toPorts", "egress"):
            if given(checked(mapping, ports, "rules", "toPorts"), "dns"):
                return True
    return False


def condition_of(raw: Raw, path: str, ports: Sequence[Raw], config: Config, *, ingress: bool) -> str:
    """Return what else one of `toPorts` asks of a packet, as `lets through ...`; empty: nothing. Raises Refused."""
    rules = checked(mapping, raw, "rules", path)
    kinds = [key for key in _PROTOCOLS if given(rules, key)]
    names = checked(strings, raw, "serverNames", path)
    if kinds:
        _check(kinds, rules, path, ports, config, ingress=ingress)
    if kinds and names and not given(raw, "terminatingTLS"):
        refuse(f"{path}.serverNames", "expected no layer 7 rules beside them without terminatingTLS")
    if given(raw, "listener") and (ingress or kinds):
        refuse(f"{path}.listener", "expected it in egress, without layer 7 rules")
    if kinds == ["dns"] and any(one.get("matchPattern") == EVERY_NAME for one in mappings(rules, "dns", path)):
        return ""
    if kinds:
        return f"lets only some {_WORDS[kinds[0]]} requests through, and which are made is not known"
    if names:
        return "lets only connections to some server names through"
    if given(raw, "terminatingTLS") or given(raw, "originatingTLS") or given(raw, "listener"):
        return "hands connections to a proxy, and what that lets through is not known"
    return ""


def _check(kinds: list[str], rules: Raw, path: str, ports: Sequence[Raw], config: Config, *, ingress: bool) -> None:
    if not config.layer_7:
        refuse(f"{path}.rules", "expected none, as enable-l7-proxy is off")
    if len(kinds) > 1:
        refuse(f"{path}.rules", f"expected rules of one protocol, not {' and '.join(kinds)}")
    if kinds == ["l7"] and not rules.get("l7proto"):
        refuse(f"{path}.rules.l7", "expected `l7proto` beside it")
    if any(port.get("port") == "0" for port in ports):
        refuse(f"{path}.rules", "expected none where a port is 0")
    if kinds == ["dns"]:
        _check_names(path, ports, ingress=ingress)
    elif any(port.get("protocol") != "TCP" for port in ports):
        refuse(f"{path}.ports", "expected protocol TCP beside rules about requests")


def _check_names(path: str, ports: Sequence[Raw], *, ingress: bool) -> None:
    if ingress:
        refuse(f"{path}.rules.dns", "expected it in egress")
    if not ports:
        refuse(f"{path}.ports", f"expected port {_DNS_PORT} beside rules about names")
    for index, port in enumerate(ports):
        text, end = port.get("port"), checked(integer, port, "endPort", f"{path}.ports[{index}]")
        if isinstance(text, str) and text.isdigit() and end is not None and end > int(text):
            refuse(f"{path}.ports[{index}].endPort", "expected no range beside rules about names")


class Ports(Struct, frozen=True):
    """One of `toPorts`. `matches` None: every port. `why`: what else a packet must meet; empty: nothing."""

    matches: tuple[PortMatch, ...] | None
    why: str = ""


class Side(Struct, frozen=True):
    """Which list a rule is in."""

    ingress: bool
    denies: bool


def ports_of(rule: Raw, path: str, side: Side, config: Config) -> list[Ports] | None:
    """Read `toPorts`. None: there is none, and every port of every protocol is meant. Raises Refused, Malformed."""
    entries = checked(mappings, rule, "toPorts", path)
    if not entries:
        return None
    return [_entry(raw, f"{path}.toPorts[{index}]", side, config) for index, raw in enumerate(entries)]


def _entry(raw: Raw, path: str, side: Side, config: Config) -> Ports:
    only(raw, frozenset({"ports"}) if side.denies else RULE_KEYS, path)
    listed = checked(mappings, raw, "ports", path)
    if len(listed) > MOST_PORTS:
        refuse(f"{path}.ports", f"expected at most {MOST_PORTS} ports, not {len(listed)}")
    found: list[PortMatch] = []
    everything = False
    for index, entry in enumerate(listed):
        read = _port(entry, f"{path}.ports[{index}]", config)
        everything = everything or read is None
        found += read or ()
    why = "" if side.denies else condition_of(raw, path, listed, config, ingress=side.ingress)
    return Ports(None if everything else tuple(found), why)


def _port(raw: Raw, path: str, config: Config) -> tuple[PortMatch, ...] | None:
    """Read one port; None: every port of every protocol."""
    only(raw, _KEYS, path)
    text, end = checked(string, raw, "port", path), checked(integer, raw, "endPort", path)
    word = checked(string, raw, "protocol", path, "ANY")
    spoken = _protocols(word, path, config)
    if not text:
        refuse(f"{path}.port", "expected a port's number or name")
    if end is not None and not 0 <= end <= LAST_PORT:
        refuse(f"{path}.endPort", f"expected a port up to {LAST_PORT}, not {shown(end)}")
    if _NAME.match(text):
        return tuple(NamedPort(one, text.lower()) for one in spoken)
    first = _number(text, path)
    if first == 0:
        return None if word == "ANY" else tuple(PortRange(one) for one in spoken)
    return tuple(PortRange(one, first, max(first, end or 0)) for one in spoken)


def _protocols(word: str, path: str, config: Config) -> tuple[Protocol, ...]:
    if word == "ANY":
        return ("TCP", "UDP", "SCTP") if config.sctp else ("TCP", "UDP")
    if word in ("ICMP", "ICMPv6"):
        fail(f"{path}.protocol", f"expected a protocol with ports: {word} is refused, or ignored, by version")
    if word not in _SPOKEN and word not in _WITHOUT_PORTS:
        refuse(f"{path}.protocol", f"expected TCP, UDP, SCTP or ANY, not {shown(word)}")
    return _SPOKEN.get(word, ())


def _number(text: str, path: str) -> int:
    """Read a number as `strconv.ParseUint(text, 0, 16)` does: with a leading zero it is octal."""
    if not _NUMBER.match(text):
        refuse(f"{path}.port", f"expected a port's number or name, not {shown(text)}")
    octal = len(text) > 1 and text.startswith("0")
    if octal and not set(text) <= set("01234567"):
        refuse(f"{path}.port", f"expected a number without leading zeros, not {shown(text)}")
    found = int(text, 8 if octal else 10)
    if found > LAST_PORT:
        refuse(f"{path}.port", f"expected a port up to {LAST_PORT}, not {shown(text)}")
    return found

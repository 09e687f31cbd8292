"""What a rule asks of requests, names and certificates: no address shows it, so it makes an answer unsure.

Source: `pkg/policy/api/rule_validation.go` for what is refused.
"""

from collections.abc import Sequence
from typing import Final

from webhook.families.cilium.refused import checked, given, refuse
from webhook.families.cilium.settings import Config
from webhook.wire.shapes import Raw, integer, mapping, mappings, strings

RULE_KEYS: Final = frozenset({"ports", "rules", "serverNames", "terminatingTLS", "originatingTLS", "listener"})
_PROTOCOLS: Final = ("http", "kafka", "dns", "l7")
_WORDS: Final = {"http": "HTTP", "kafka": "Kafka", "dns": "DNS", "l7": "layer 7"}
_DNS_PORT: Final = "53"
EVERY_NAME: Final = "*"


def learns_names(spec: Raw) -> bool:
    """Say whether a rule sends look-ups through Cilium's proxy, which learns there what names stand for."""
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

"""A record of one connection, as flow logs have it; and logs that are text: the AWS agent's, conntrack's and CSV.

conntrack's lines are those of `conntrack -L` and `conntrack -E` (conntrack-tools) and of /proc/net/nf_conntrack.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from msgspec import Struct

from webhook.model.addresses import FIRST_PORT, LAST_PORT, Protocol
from webhook.wire.shapes import fail, shown


class Skipped(StrEnum):
    """Why a readable line tells nothing of a connection, or of what policy makes of one."""

    REPLY = "replies"
    OTHER = "no new TCP, UDP or SCTP connection"
    FAULT = "dropped for another reason than policy"
    LOST = "the log itself has lost events"


class Endpoint(Struct, frozen=True, gc=False):
    """One end as the log names it; what the log does not tell is empty.

    `pod`: a pod's name, or with `*` at its end what the names of several begin with. `kind` and `workload`: who makes
    the pod. `labels`: `key=value`. `hosts`: names that the address was looked up by.
    """

    address: str = ""
    namespace: str = ""
    pod: str = ""
    kind: str = ""
    workload: str = ""
    labels: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()


class FlowRecord(Struct, frozen=True):
    """Somebody dialled somebody. `dropped`: policy let it not pass. `time`: Unix seconds, None: not told."""

    source: Endpoint
    target: Endpoint
    protocol: Protocol
    port: int
    dropped: bool = False
    time: float | None = None


Read = FlowRecord | Skipped

_PROTOCOLS: Final[dict[str, Protocol]] = {
    "TCP": "TCP",  # as most logs have it: a look-up less
    "UDP": "UDP",
    "tcp": "TCP",
    "6": "TCP",
    "udp": "UDP",
    "17": "UDP",
    "sctp": "SCTP",
    "132": "SCTP",
}
_DROPPED: Final = frozenset({"deny", "denied", "drop", "dropped", "block", "blocked", "reject", "rejected"})
_PASSED: Final = frozenset({"", "allow", "allowed", "accept", "accepted", "pass", "passed", "forwarded"})
_FORGOTTEN: Final = "expired/deleted"  # what the AWS agent says of a connection that is over
_MILLISECONDS: Final = 1e11  # as seconds the year 5138, as milliseconds 1973
_NUMBER: Final = re.compile(r"[0-9]{1,14}(?:\.[0-9]{1,9})?")
_DIGITS: Final = len(str(LAST_PORT))


def record(
    source: Endpoint, target: Endpoint, protocol: object, port: object, verdict: str, time: object = None
) -> Read:
    """Join what a line tells. `verdict`: any word that says whether it passed. Raises Malformed."""
    known = _PROTOCOLS.get(protocol if isinstance(protocol, str) else str(protocol)) or _spelled(protocol)
    word = verdict.lower()
    if known is None or word == _FORGOTTEN:
        return Skipped.OTHER
    if word not in _DROPPED and word not in _PASSED:
        fail("verdict", f"expected whether it passed, not {shown(verdict)}")
    number = port if type(port) is int else _number(str(port))
    if not FIRST_PORT <= number <= LAST_PORT:
        fail("port", f"expected {FIRST_PORT} to {LAST_PORT}, not {shown(port)}")
    return FlowRecord(source, target, known, number, word in _DROPPED, seconds(time))


def _spelled(protocol: object) -> Protocol | None:
    return _PROTOCOLS.get(str(protocol).lower())


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _DIGITS else 0


def seconds(time: object) -> float | None:
    """Return a time as Unix seconds: RFC 3339, seconds or milliseconds. Raises Malformed."""
    text = "" if time is None else str(time)
    if not text:
        return None
    try:
        if _NUMBER.fullmatch(text):
            number = float(text)
            return number / 1000 if number > _MILLISECONDS else number
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        fail("time", f"expected RFC 3339 or Unix seconds, not {shown(time)}")


# -- the AWS agent -----------------------------------------------------------------------------------------------------

_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\S+")


def time_before(text: str) -> str | None:
    """Return the time that `aws logs tail` and others put before a message."""
    word = text.partition(" ")[0]
    return word if _TIME.fullmatch(word) else None


_AWS: Final = re.compile(
    r"Src IP: (?P<source>\S+) Src Port: \d+ Dest IP: (?P<target>\S+) Dest Port: (?P<port>\d+) "
    r"Proto:? (?P<protocol>\S+) Verdict:? (?P<verdict>\S+)"
    r"|SIP: (?P<source_>[^;]+);SPORT: \d+;DIP: (?P<target_>[^;]+);DPORT: (?P<port_>\d+);"
    r"PROTOCOL: (?P<protocol_>[^;]+);PolicyVerdict: (?P<verdict_>\S+)"
)


def aws_record(text: str, time: object = None) -> Read | None:
    """Read what the AWS agent says of a connection in its log, or sends to CloudWatch; None: it says something else."""
    found = _AWS.search(text)
    if found is None:
        return None
    names: Sequence[str] = ("source", "target", "protocol", "port", "verdict")
    source, target, protocol, port, verdict = (found[name] or found[f"{name}_"] for name in names)
    return record(Endpoint(source), Endpoint(target), protocol, port, verdict, time)


# -- conntrack ---------------------------------------------------------------------------------------------------------

_CONNTRACK: Final = re.compile(
    r"(?:\[(?P<time>\d{9,11}\.\d+)\s*\]\s*)?.*?\b(?P<protocol>tcp|udp|sctp|icmp|icmpv6)\b.*?"
    r"src=(?P<source>\S+) dst=(?P<target>\S+)(?: sport=\d+ dport=(?P<port>\d+))?"
    r"(?:.*?src=(?P<behind>\S+) dst=\S+ sport=(?P<its_port>\d+) dport=\d+)?"
)


def conntrack_record(text: str) -> Read | None:
    """Read an entry of the kernel's table. Who answers is who was dialled after translation, as policy sees it."""
    if " src=" not in text or " dst=" not in text:
        return None
    found = _CONNTRACK.match(text)
    if found is None or found["port"] is None:
        return Skipped.OTHER
    target = Endpoint(found["behind"] or found["target"])
    return record(
        Endpoint(found["source"]), target, found["protocol"], found["its_port"] or found["port"], "", found["time"]
    )


# -- CSV ---------------------------------------------------------------------------------------------------------------

_NAMES: Final[Mapping[str, Sequence[str]]] = {  # what a column is called, by what it holds
    "source": ("src", "source", "src_ip", "source_ip", "srcaddr", "src_addr", "orig_src"),
    "source_namespace": ("src_namespace", "source_namespace"),
    "source_pod": ("src_pod", "source_pod", "src_name", "source_name"),
    "target": ("dst", "destination", "dst_ip", "dest_ip", "destination_ip", "dstaddr", "dst_addr", "orig_dst"),
    "target_namespace": ("dst_namespace", "dest_namespace", "destination_namespace"),
    "target_pod": ("dst_pod", "dest_pod", "destination_pod", "dst_name", "dest_name", "destination_name"),
    "port": ("dport", "dst_port", "dstport", "dest_port", "destination_port", "port"),
    "protocol": ("proto", "protocol", "l4proto"),
    "verdict": ("verdict", "action"),
    "time": ("time", "timestamp", "ts", "start_time", "end_time"),
}
_MEANING: Final = {name: what for what, names in _NAMES.items() for name in names}
_NEEDED: Final = ({"source", "source_pod"}, {"target", "target_pod"}, {"port"}, {"protocol"})
_NOTHING: Final = ("", "-")


def columns(cells: Sequence[str]) -> Mapping[str, int]:
    """Return which cell holds what, where these are the names of columns; empty else."""
    found: dict[str, int] = {}
    for at, cell in enumerate(cells):
        if what := _MEANING.get(cell.strip().lower()):
            found.setdefault(what, at)
    return found if all(not some.isdisjoint(found) for some in _NEEDED) else {}


def row(cells: Mapping[str, str]) -> Read:
    """Read the cells of a row by what they hold. Raises Malformed."""
    told = {what: cell for what, cell in cells.items() if cell not in _NOTHING}
    source, target = (
        Endpoint(told.get(end, ""), told.get(f"{end}_namespace", ""), told.get(f"{end}_pod", ""))
        for end in ("source", "target")
    )
    if not (source.address or source.pod) or not (target.address or target.pod):
        fail("", "expected an address or a pod at both ends")
    words = (told.get(what, "") for what in ("protocol", "port", "verdict", "time"))
    return record(source, target, *words)

"""A record of one connection, as flow logs have it, and what it is made of in logs that are JSON.

Where each form is defined: Hubble's in cilium/cilium `api/v1/flow/flow.proto` (`hubble observe -o jsonpb`, and files
of its exporter), Calico's in projectcalico/calico `felix/collector/flowlog` and `whisker-backend/pkg/apis/v1`, that of
the AWS agent in aws/aws-network-policy-agent `pkg/ebpf/events`.
"""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

import msgspec
from msgspec import Struct, field

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
InWords = Callable[[str, object], Read | None]

_PROTOCOLS: Final[dict[str, Protocol]] = {
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
    known = _PROTOCOLS.get(str(protocol).lower())
    word = verdict.lower()
    if known is None or word == _FORGOTTEN:
        return Skipped.OTHER
    if word not in _DROPPED and word not in _PASSED:
        fail("verdict", f"expected whether it passed, not {shown(verdict)}")
    number = int(str(port)) if str(port).isascii() and str(port).isdecimal() and len(str(port)) <= _DIGITS else 0
    if not FIRST_PORT <= number <= LAST_PORT:
        fail("port", f"expected {FIRST_PORT} to {LAST_PORT}, not {shown(port)}")
    return FlowRecord(source, target, known, number, word in _DROPPED, seconds(time))


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


def json_record(line: bytes, in_words: InWords) -> Read | None:
    """Read a line of JSON; None where it is of no log that is known. Raises Malformed.

    `in_words` reads what the AWS agent says in a sentence, and when it did.
    """
    try:
        found = _DECODER.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        fail("", f"expected a flow as JSON: {error}")
    if found.lost_events is not None or found.node_status is not None:
        return Skipped.LOST if found.lost_events is not None else Skipped.OTHER
    if found.flow is not None or found.l4 is not None:
        return _hubble(found.flow or found)
    if found.reporter is not None:
        return _calico(found)
    if found.event is not None:
        ends = Endpoint(found.event.src_ip), Endpoint(found.event.dst_ip)
        return record(*ends, found.event.protocol, found.event.dst_port, found.event.verdict, found.timestamp)
    if found.aws_source is not None and found.aws_target is not None:
        ends = Endpoint(found.aws_source), Endpoint(found.aws_target)
        return record(*ends, found.aws_protocol, found.aws_port, found.aws_verdict, found.ts)
    if found.msg is not None:
        return in_words(found.msg, found.ts) or Skipped.OTHER
    return None


# -- the forms ---------------------------------------------------------------------------------------------------------


class _Maker(Struct):
    kind: str = ""
    name: str = ""


class _Side(Struct):
    namespace: str = ""
    pod_name: str = ""
    labels: list[str] = []
    workloads: list[_Maker] = []


class _Ip(Struct):
    source: str = ""
    destination: str = ""


class _Flags(Struct):
    syn: bool = field(name="SYN", default=False)
    ack: bool = field(name="ACK", default=False)


class _Ports(Struct):
    destination_port: int = 0
    flags: _Flags | None = None


class _L4(Struct):
    tcp: _Ports | None = field(name="TCP", default=None)
    udp: _Ports | None = field(name="UDP", default=None)
    sctp: _Ports | None = field(name="SCTP", default=None)


class _Hubble(Struct):
    """`flow.Flow`; enumerations as names, or as numbers of those who print them so."""

    time: str = ""
    verdict: str | int = ""
    ip: _Ip | None = field(name="IP", default=None)
    l4: _L4 | None = None
    source: _Side = field(default_factory=_Side)
    destination: _Side = field(default_factory=_Side)
    type: str | int = field(name="Type", default="")
    source_names: list[str] = []
    destination_names: list[str] = []
    is_reply: bool | None = None
    drop_reason: int = 0
    drop_reason_desc: str | int = ""


class _Labels(Struct):
    labels: list[str] = []


class _AwsEvent(Struct):
    src_ip: str
    dst_ip: str
    dst_port: int
    protocol: str
    verdict: str


class _Line(_Hubble):
    """All fields of all forms that are asked for: none of them has one name for two things."""

    flow: _Hubble | None = None
    lost_events: dict[str, object] | None = None
    node_status: dict[str, object] | None = None
    # Calico's
    reporter: str | None = None
    action: str = ""
    start_time: str | float = ""
    end_time: str | float = ""
    source_ip: str | None = None
    source_name: str = ""
    source_name_aggr: str = ""
    source_namespace: str = ""
    source_labels: _Labels | str | None = None
    dest_ip: str | None = None
    dest_name: str = ""
    dest_name_aggr: str = ""
    dest_namespace: str = ""
    dest_port: int | None = None
    dest_labels: _Labels | str | None = None
    dest_domains: list[str] | None = None
    proto: str | int = ""
    protocol: str | int = ""
    # the AWS agent's: of its log, as it has them since v1.2.2 and before, and of its metrics
    msg: str | None = None
    ts: str | float | None = None
    aws_source: str | None = field(name="Src IP", default=None)
    aws_target: str | None = field(name="Dest IP", default=None)
    aws_port: int = field(name="Dest Port", default=0)
    aws_protocol: str = field(name="Proto", default="")
    aws_verdict: str = field(name="Verdict", default="")
    event: _AwsEvent | None = None
    timestamp: float | str | None = None


_DECODER: Final = msgspec.json.Decoder(_Line)
_L7: Final = ("L7", "SOCK", 2, 3)  # what a proxy, or a socket, sees: told of packets, too
_POLICY_DROPS: Final = ("", 0, "POLICY_DENIED", "POLICY_DENY", "AUTH_REQUIRED", 133, 181, 189)
_VERDICTS: Final[dict[str | int, str]] = {
    "FORWARDED": "allow",
    1: "allow",
    "REDIRECTED": "allow",
    5: "allow",
    "TRACED": "allow",
    6: "allow",
    "DROPPED": "deny",
    2: "deny",
    "AUDIT": "deny",  # it would be, were policies not audited only
    4: "deny",
}


def _hubble(flow: _Hubble) -> Read:
    verdict, l4 = _VERDICTS.get(flow.verdict), flow.l4
    every = {"TCP": l4.tcp, "UDP": l4.udp, "SCTP": l4.sctp} if l4 is not None else {}
    protocol, ports = next(((name, one) for name, one in every.items() if one is not None), ("", None))
    if verdict is None or ports is None or flow.type in _L7:
        return Skipped.OTHER
    flags = ports.flags
    if flow.is_reply or (flow.is_reply is None and flags is not None and (flags.ack or not flags.syn)):
        return Skipped.REPLY  # a drop does not say which it is: only the first packet of a connection is sure
    if verdict == "deny" and (flow.drop_reason_desc or flow.drop_reason) not in _POLICY_DROPS:
        return Skipped.FAULT
    ip = flow.ip or _Ip()
    source = _side(flow.source, ip.source, flow.source_names)
    target = _side(flow.destination, ip.destination, flow.destination_names)
    return record(source, target, protocol, ports.destination_port, verdict, flow.time)


def _side(one: _Side, address: str, hosts: Iterable[str]) -> Endpoint:
    maker = one.workloads[0] if one.workloads else _Maker()
    labels = tuple(label.removeprefix("k8s:") for label in one.labels)
    return Endpoint(address, one.namespace, one.pod_name, maker.kind, maker.name, labels, _hosts(hosts))


def _hosts(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name.lower().rstrip(".") for name in names)


_NOT_TOLD: Final = ("", "-")  # Calico's mark of a field that is folded into another
_NETWORKS: Final = ("pub", "pvt", "PUBLIC NETWORK", "PRIVATE NETWORK")  # who is no pod, and has no address in the log


def _calico(line: _Line) -> Read:
    source_name = next((n for n in (line.source_name, line.source_name_aggr) if n not in _NOT_TOLD), "")
    dest_name = next((n for n in (line.dest_name, line.dest_name_aggr) if n not in _NOT_TOLD), "")
    source = _named(line.source_ip, line.source_namespace, source_name, line.source_labels)
    target = _named(line.dest_ip, line.dest_namespace, dest_name, line.dest_labels, line.dest_domains or ())
    return record(source, target, line.proto or line.protocol, line.dest_port, line.action, line.end_time)


def _named(
    address: str | None, namespace: str, name: str, labels: _Labels | str | None, hosts: Iterable[str] = ()
) -> Endpoint:
    some = labels.labels if isinstance(labels, _Labels) else (labels or "").split(" | ")
    found = tuple(one for one in some if one)
    if namespace in _NOT_TOLD or name in _NETWORKS:
        return Endpoint(address or "", labels=found, hosts=_hosts(hosts))
    return Endpoint(address or "", namespace, name, labels=found)

"""Lines of flow logs -> records of connections: JSON of three projects, the AWS agent's text, conntrack's and CSV.

Where each form of JSON is defined: Hubble's in cilium/cilium `api/v1/flow/flow.proto` (`hubble observe -o jsonpb`, and
files of its exporter), Calico's in projectcalico/calico `felix/collector/flowlog` and `whisker-backend/pkg/apis/v1`,
that of the AWS agent in aws/aws-network-policy-agent `pkg/ebpf/events`.
"""

import csv
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Final

import msgspec
from msgspec import Struct, field

from webhook.wire.flow_records import (
    Endpoint,
    FlowRecord,
    Read,
    Skipped,
    aws_record,
    columns,
    conntrack_record,
    record,
    row,
    time_before,
)
from webhook.wire.shapes import fail, shown

__all__ = ["FORMATS", "LONGEST_LINE", "Endpoint", "FlowLog", "FlowRecord", "Read", "Skipped"]

FORMATS: Final = ("hubble", "calico", "aws", "conntrack", "csv")
_JSON: Final = frozenset({"", "hubble", "calico", "aws"})  # which may be lines of JSON
LONGEST_LINE: Final = 65_536  # bytes; Hubble's longest, with all labels of both ends, have a few KiB


class FlowLog:
    """A log that is read line by line; each line shows of which form it is, and a CSV's first what its columns are."""

    def __init__(self, form: str = "") -> None:
        """Start before the first line. `form`: one of FORMATS, where lines do not show it."""
        self._form = form
        self._columns: Mapping[str, int] = {}

    def read(self, line: bytes) -> Read | None:
        """Read one line; None where it holds nothing, or names columns. Raises Malformed."""
        if len(line) > LONGEST_LINE:
            fail("", f"longer than {LONGEST_LINE >> 10} KiB")
        bare = line.removeprefix(b"\xef\xbb\xbf").strip()
        if not bare or bare.startswith(b"#"):
            return None
        json = bare.startswith(b"{") and self._form in _JSON
        found = _of_json(bare, self._form) if json else self._of_text(bare)
        if found is None:
            what = f"a flow of {self._form}" if self._form else "a flow"
            fail("", f"expected {what}, not {shown(bare.decode(errors='replace'))}")
        return found if isinstance(found, FlowRecord | Skipped) else None

    def _of_text(self, line: bytes) -> Read | str | None:
        try:
            text = line.decode()
        except UnicodeDecodeError:
            fail("", "expected UTF-8")
        match self._form:
            case "aws":
                return aws_record(text, time_before(text))
            case "conntrack":
                return conntrack_record(text)
            case "csv":
                return self._csv(text)
            case "":
                return aws_record(text, time_before(text)) or conntrack_record(text) or self._csv(text)
            case _:
                return None

    def _csv(self, text: str) -> Read | str | None:
        """Read a row; the first line that names enough columns says what they are."""
        try:
            cells = next(csv.reader([text], skipinitialspace=True), [])
        except csv.Error:
            return None
        named = columns(cells)
        if named:
            self._columns = named
            return "columns"
        if not self._columns:
            return None
        return row({name: cells[at].strip() for name, at in self._columns.items() if at < len(cells)})


# -- JSON --------------------------------------------------------------------------------------------------------------


def _of_json(line: bytes, form: str) -> Read | None:
    """Read a line of JSON; None where it is of no log that is known. Raises Malformed.

    `form`: whose it is; empty: it shows that.
    """
    try:
        found = _DECODER.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        fail("", f"expected a flow as JSON: {error}")
    if found.lost_events is not None or found.node_status is not None:
        return Skipped.LOST if found.lost_events is not None else Skipped.OTHER
    if form == "hubble" or (not form and (found.flow is not None or found.l4 is not None)):
        return _hubble(found.flow or found)
    if form == "calico" or (not form and found.reporter is not None):
        return _calico(found)
    if found.event is not None:
        ends = Endpoint(found.event.src_ip), Endpoint(found.event.dst_ip)
        return record(*ends, found.event.protocol, found.event.dst_port, found.event.verdict, found.timestamp)
    if found.aws_source is not None and found.aws_target is not None:
        ends = Endpoint(found.aws_source), Endpoint(found.aws_target)
        return record(*ends, found.aws_protocol, found.aws_port, found.aws_verdict, found.ts)
    if found.msg is not None:
        return aws_record(found.msg, found.ts) or Skipped.OTHER
    return None


# -- the forms ---------------------------------------------------------------------------------------------------------


class _Maker(Struct):
    kind: str = ""
    name: str = ""


_NO_MAKER: Final = _Maker()


class _Side(Struct):
    namespace: str = ""
    pod_name: str = ""
    labels: tuple[str, ...] = ()
    workloads: tuple[_Maker, ...] = ()


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
    ports = None if l4 is None else l4.tcp or l4.udp or l4.sctp
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
    protocol = "SCTP" if l4 is None or ports is l4.sctp else "TCP" if ports is l4.tcp else "UDP"
    return record(source, target, protocol, ports.destination_port, verdict, flow.time)


def _side(one: _Side, address: str, hosts: Collection[str]) -> Endpoint:
    maker = one.workloads[0] if one.workloads else _NO_MAKER
    return Endpoint(address, one.namespace, one.pod_name, maker.kind, maker.name, _bare(one.labels), _hosts(hosts))


@lru_cache(maxsize=4_096)
def _bare(labels: tuple[str, ...]) -> tuple[str, ...]:
    """Return labels without what says that they are Kubernetes'; thousands of lines have the same."""
    return tuple(label.removeprefix("k8s:") for label in labels)


def _hosts(names: Collection[str]) -> tuple[str, ...]:
    return tuple(name.lower().rstrip(".") for name in names) if names else ()


_NOT_TOLD: Final = ("", "-")  # Calico's mark of a field that is folded into another
_NETWORKS: Final = ("pub", "pvt", "PUBLIC NETWORK", "PRIVATE NETWORK")  # who is no pod, and has no address in the log


def _calico(line: _Line) -> Read:
    source_name = next((n for n in (line.source_name, line.source_name_aggr) if n not in _NOT_TOLD), "")
    dest_name = next((n for n in (line.dest_name, line.dest_name_aggr) if n not in _NOT_TOLD), "")
    source = _named(line.source_ip, line.source_namespace, source_name, line.source_labels)
    target = _named(line.dest_ip, line.dest_namespace, dest_name, line.dest_labels, line.dest_domains or ())
    return record(source, target, line.proto or line.protocol, line.dest_port, line.action, line.end_time)


def _named(
    address: str | None, namespace: str, name: str, labels: _Labels | str | None, hosts: Collection[str] = ()
) -> Endpoint:
    some = labels.labels if isinstance(labels, _Labels) else (labels or "").split(" | ")
    found = tuple(one for one in some if one)
    if namespace in _NOT_TOLD or name in _NETWORKS:
        return Endpoint(address or "", labels=found, hosts=_hosts(hosts))
    return Endpoint(address or "", namespace, name, labels=found)

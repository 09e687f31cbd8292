"""Lines of flow logs -> records of connections: JSON of three projects, the AWS agent's text, conntrack's and CSV.

conntrack's lines are those of `conntrack -L` and `conntrack -E` (conntrack-tools) and of /proc/net/nf_conntrack.
"""

import csv
import re
from collections.abc import Mapping, Sequence
from typing import Final

from webhook.wire.flow_records import Endpoint, FlowRecord, Read, Skipped, record
from webhook.wire.flowlogs_json import json_record
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
        found = json_record(bare, _aws, self._form) if json else self._of_text(bare)
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
                return _aws(text, _first_word(text))
            case "conntrack":
                return _conntrack(text)
            case "csv":
                return self._csv(text)
            case "":
                return _aws(text, _first_word(text)) or _conntrack(text) or self._csv(text)
            case _:
                return None

    def _csv(self, text: str) -> Read | str | None:
        """Read a row; the first line that names enough columns says what they are."""
        try:
            cells = next(csv.reader([text], skipinitialspace=True), [])
        except csv.Error:
            return None
        named = _columns(cells)
        if named:
            self._columns = named
            return "columns"
        if not self._columns:
            return None
        return _row({name: cells[at].strip() for name, at in self._columns.items() if at < len(cells)})


_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\S+")


def _first_word(text: str) -> str | None:
    """Return the time that `aws logs tail` and others put before a message."""
    word = text.partition(" ")[0]
    return word if _TIME.fullmatch(word) else None


# -- the AWS agent -----------------------------------------------------------------------------------------------------


_AWS: Final = re.compile(
    r"Src IP: (?P<source>\S+) Src Port: \d+ Dest IP: (?P<target>\S+) Dest Port: (?P<port>\d+) "
    r"Proto:? (?P<protocol>\S+) Verdict:? (?P<verdict>\S+)"
    r"|SIP: (?P<source_>[^;]+);SPORT: \d+;DIP: (?P<target_>[^;]+);DPORT: (?P<port_>\d+);"
    r"PROTOCOL: (?P<protocol_>[^;]+);PolicyVerdict: (?P<verdict_>\S+)"
)


def _aws(text: str, time: object = None) -> Read | None:
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


def _conntrack(text: str) -> Read | None:
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


def _columns(cells: Sequence[str]) -> Mapping[str, int]:
    """Return which cell holds what, where these are the names of columns; empty else."""
    found: dict[str, int] = {}
    for at, cell in enumerate(cells):
        if what := _MEANING.get(cell.strip().lower()):
            found.setdefault(what, at)
    return found if all(not some.isdisjoint(found) for some in _NEEDED) else {}


def _row(cells: Mapping[str, str]) -> Read:
    told = {what: cell for what, cell in cells.items() if cell not in _NOTHING}
    source, target = (
        Endpoint(told.get(end, ""), told.get(f"{end}_namespace", ""), told.get(f"{end}_pod", ""))
        for end in ("source", "target")
    )
    if not (source.address or source.pod) or not (target.address or target.pod):
        fail("", "expected an address or a pod at both ends")
    words = (told.get(what, "") for what in ("protocol", "port", "verdict", "time"))
    return record(source, target, *words)

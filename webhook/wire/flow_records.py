"""A record of one connection, as flow logs have it, and what it is made of."""

import re
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

"""What people paste, read: whole log lines, JSON logs, stack traces -> what failed, and where to.

Any text gives a value in time that grows with its length alone. What is not a name, an address or a port of the
connection that failed is never taken out of it.
"""

import re
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Final

from msgspec import Struct, structs

from webhook.diagnose.error_kinds import LOOKUPS, Caller, Kind
from webhook.diagnose.error_patterns import CALLERS, PATTERNS
from webhook.diagnose.error_targets import GENERAL, Place, places
from webhook.model.addresses import Address, Protocol

MOST_TEXT: Final = 262_144  # characters that are looked at, from the end: what failed last is what is asked about
_WINDOW: Final = 800  # characters around the words that tell what happened, in which a target is looked for
_MOST_HITS: Final = 4  # of one pattern: a log repeats itself
_MOST_WINDOWS: Final = 24
_VAGUE: Final = 3  # the rank of patterns that only say that the client gave up

_HBONE: Final = re.compile(r"blocking hbone port (\d{1,5})")  # istio/ztunnel, src/proxy.rs
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]{0,20}[a-z]", re.IGNORECASE)
_FRAME: Final = re.compile(r"^[ \t]{1,200}(?:at |\.\.\. \d{1,6} |file \").*\n?", re.MULTILINE)
_ESCAPES: Final = (
    ("\\\\", "\\"),
    ("\\u003e", ">"),
    ("\\u0026", "&"),
    ("\\u0027", "'"),
    ('\\"', '"'),
    ("\\n", "\n"),
    ("\\t", "\t"),
    ("\\/", "/"),
)


class ConnectionFailure(Struct, frozen=True):
    """A connection, or the look-up before it, that failed. Without `name` and `address` the text names no target."""

    kind: Kind
    name: str | None = None
    address: Address | None = None
    port: int | None = None
    protocol: Protocol = "TCP"
    resolver: Address | None = None  # who was asked for the name
    caller: Caller = Caller.WORKLOAD
    tunnel: int | None = None  # the port of a mesh's tunnel, where the text says that this is what is closed

    @property
    def has_target(self) -> bool:
        """Whether the text says where to."""
        return self.name is not None or self.address is not None


class _Hit(Struct, frozen=True, order=True):
    rank: int
    start: int
    end: int
    kind: Kind


IsKnown = Callable[[Place], bool]


def _nobody(_: Place) -> bool:
    return False


def read_error(text: str, known: IsKnown = _nobody) -> ConnectionFailure | None:
    """Return what failed; None where nothing in `text` tells. `known`: whether a target is one that may be meant."""
    plain = _plain(text[-MOST_TEXT:])
    hits = sorted(_hits(plain))[:_MOST_WINDOWS]
    if not hits:
        return None
    for hit in hits:
        if hit.rank >= _VAGUE > hits[0].rank:
            break  # what merely gave up may have been another connection
        place = _near(plain, hit, known)
        if place is not None:
            where = (place.name, place.address, place.port, place.protocol, place.resolver)
            return ConnectionFailure(hit.kind, *where, _caller(plain, hit), _tunnel(plain, hit))
    return ConnectionFailure(hits[0].kind, caller=_caller(plain, hits[0]))


def _caller(text: str, hit: _Hit) -> Caller:
    """Return whose error it is, by the line that it is in."""
    line = text[slice(*_line(text, hit))]
    return next((caller for caller, words in CALLERS if words.search(line)), Caller.WORKLOAD)


def _tunnel(text: str, hit: _Hit) -> int | None:
    """Return the port of the tunnel that a mesh's proxy says is blocked."""
    found = _HBONE.search(text[slice(*_line(text, hit))])
    return int(found[1]) if found else None


def _plain(text: str) -> str:
    """Return the text in small letters without colours, JSON's escapes and stack frames."""
    text = _COLOUR.sub("", text).translate(_SMALL)
    if "\\" in text:
        for escape, character in _ESCAPES:
            text = text.replace(escape, character)
    return _FRAME.sub("", text.replace("\r", "\n"))


_SMALL: Final = {ord(letter): letter.lower() for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}


def _hits(text: str) -> Iterable[_Hit]:
    for pattern in PATTERNS:
        for match in islice(pattern.words.finditer(text), _MOST_HITS):
            yield _Hit(pattern.rank, match.start(), match.end(), pattern.kind)


def _line(text: str, hit: _Hit) -> tuple[int, int]:
    """Return where the line of a hit begins and ends, as far as it is looked at."""
    low, high = max(0, hit.start - _WINDOW), min(len(text), hit.end + _WINDOW)
    first = text.rfind("\n", low, hit.start) + 1 or low
    last = text.find("\n", hit.end, high)
    return first, last if last >= 0 else high


def _near(text: str, hit: _Hit, known: IsKnown) -> Place | None:
    """Return the target that is in the same line, or else nearest around it.

    Of forms that are in any text, one that is known comes first: a link is no target.
    """
    low, high = max(0, hit.start - _WINDOW), min(len(text), hit.end + _WINDOW)
    for start, end in (_line(text, hit), (low, high)):
        found = sorted(
            _all(text[start:end], hit.kind),
            key=lambda one: (one[0] >= GENERAL and not known(one[2]), one[0], abs(start + one[1] - hit.start)),
        )
        if found:
            place = _whole(found[0][2], [place for _, _, place in found[1:]])
            return place if place.port else _whole(place, _around(text[low:high], place))
    return None


def _around(text: str, place: Place) -> Iterable[Place]:
    """Yield the places of the lines around that are the same: BusyBox says the port a line before it fails."""
    for _, _, other in places(text):
        if other.address == place.address is not None or other.name == place.name is not None:
            yield other


def _all(text: str, kind: Kind) -> Iterable[tuple[int, int, Place]]:
    """Yield the places of a piece of text; a look-up is of a name."""
    for rank, offset, place in places(text):
        if kind not in LOOKUPS or place.name is not None:
            yield rank, offset, place


def _whole(place: Place, others: Iterable[Place]) -> Place:
    """Add to a place what others say of the same one: `Get "http://api:80/": dial tcp 10.0.0.9:80: ...`."""
    for other in others:
        if place.port is None and other.name == place.name and other.port is not None:
            place = structs.replace(place, port=other.port, address=place.address or other.address)
        elif place.port is None and other.address == place.address is not None and other.port is not None:
            place = structs.replace(place, port=other.port, name=place.name or other.name)
        elif place.name is None and other.name is not None and other.port == place.port and other.address is None:
            place = structs.replace(place, name=other.name)
        elif place.address is None and other.address is not None and other.name == place.name is not None:
            place = structs.replace(place, address=other.address)
    return place

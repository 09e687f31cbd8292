"""A snapshot: what the evaluator needs of a cluster, as one file (gzip of JSON), never a Secret.

Kept is what the core reads, by name (`snapshot_forms`); whatever is not listed there never gets out. Of what
containers are given (env, command lines, ConfigMaps) only hosts and ports remain, as hints; of annotations only this
product's, without user info in URLs.

```
{"format": "netpol-preflight/1", "taken": RFC 3339, "cluster": the API server's address,
 "namespaces": [what it was limited to], "kinds": {"Pod": "ok", "Deployment.apps": "forbidden", ...: "absent"},
 "objects": [...]}
```
Objects are in the API's own spelling, cut down to what policy can see, sorted by kind, namespace and name.
"""

import gzip
import zlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Annotated, Any, Final, Literal, NoReturn

import msgspec
from msgspec import Meta, Struct, structs

from webhook.families import project
from webhook.model.hints import ConfigMap, ContainerHints, Hint, MapUse, Mention
from webhook.model.objects import Pod, Workload
from webhook.wire.objects import Projected
from webhook.wiring.snapshot_forms import OWNED, Form, Raw, Record, form_of

# -- out ---------------------------------------------------------------------------------------------------------------


def projection(raw: Raw, value: Projected) -> Record:
    """Return what a snapshot keeps of `raw`, of which `project` made `value`."""
    form = form_of(raw)
    if isinstance(value, Workload) and value.owner is not None and value.ref.kind == "ReplicaSet":
        form = OWNED  # all that is asked of it is whose it is
    kept: Record = _pruned(raw, {"apiVersion": None, "kind": None, **form})
    match value:
        case Workload(hints=hints) | Pod(bare=Workload(hints=hints)) if hints:
            kept["hints"] = [_told(one) for one in hints]
        case ConfigMap(entries=entries, settings=settings):
            kept["hints"] = [msgspec.to_builtins(one) for one in entries]
            kept |= {"data": settings.as_dict()} if settings else {}
        case _:
            pass
    return kept


def _pruned(value: Any, form: Form) -> Any:  # noqa: ANN401 - any JSON value
    if form is None:
        return value
    if not isinstance(form, Mapping):
        return form(value)
    if isinstance(value, list):
        return [_pruned(item, form) for item in value]
    if not isinstance(value, Mapping):
        return None
    kept = ((key, _pruned(value[key], of)) for key, of in form.items() if value.get(key) is not None)
    return {key: item for key, item in kept if item not in (None, {}, [])}


# -- and back ----------------------------------------------------------------------------------------------------------


def restored(record: Raw) -> Projected | None:
    """Return the value that a record of `projection` stands for; None: no kind of ours.

    Raises Malformed, and msgspec.ValidationError for hints that are none.
    """
    value = project(record)
    match value:
        case Workload():
            return structs.replace(value, hints=_containers(record))
        case Pod(bare=Workload() as bare):
            return structs.replace(value, bare=structs.replace(bare, hints=_containers(record)))
        case ConfigMap():
            entries = msgspec.convert(record.get("hints", ()), tuple[Hint, ...])
            return structs.replace(value, entries=entries)
        case _:
            return value


def _containers(record: Raw) -> tuple[ContainerHints, ...]:
    return tuple(map(_hinted, msgspec.convert(record.get("hints", ()), list[_Told])))


class _Given(msgspec.Struct, omit_defaults=True):
    """One of what a container is given; what sort it is, the key says."""

    hint: Hint | None = None
    map: MapUse | None = None


class _Told(msgspec.Struct, omit_defaults=True):
    """`ContainerHints` as JSON."""

    given: list[_Given] = []
    said: tuple[Mention, ...] = ()


def _told(hints: ContainerHints) -> Record:
    given = [_Given(map=one) if isinstance(one, MapUse) else _Given(hint=one) for one in hints.given]
    record: Record = msgspec.to_builtins(_Told(given, hints.said))
    return record


def _hinted(told: _Told) -> ContainerHints:
    given = tuple(one for each in told.given for one in (each.hint, each.map) if one is not None)
    return ContainerHints(given, told.said)


FORMAT: Final = "netpol-preflight/1"
LARGEST: Final = 512 << 20  # bytes of JSON; 100,000 pods with all that belongs to them take a tenth
STALE_AFTER: Final = timedelta(days=1)  # a cluster changes with every deployment, and most see one a day
State = Literal["ok", "forbidden", "absent"]
_GZIP: Final = b"\x1f\x8b"
_PLAIN: Final = b'"format":"netpol-preflight/'  # of one that somebody unpacked
_HEAD: Final = 4_096
_PIECE: Final = 1 << 20


class NotASnapshot(Exception):  # noqa: N818 - what the file is
    """The file is no snapshot that can be read; str() says why."""


class Snapshot(Struct, frozen=True, kw_only=True, omit_defaults=False):
    """The whole file. `namespaces`: what it was limited to; empty: nothing."""

    format: str = FORMAT
    taken: Annotated[datetime, Meta(tz=True)]
    cluster: str
    namespaces: tuple[str, ...] = ()
    kinds: dict[str, State]
    objects: list[Record]


class _Head(Struct):
    format: str = ""


# -- writing -----------------------------------------------------------------------------------------------------------


def pack(snapshot: Snapshot) -> bytes:
    """Return the file's content. The same snapshot gives the same bytes."""
    ordered = msgspec.structs.replace(snapshot, objects=sorted(snapshot.objects, key=_place))
    return gzip.compress(msgspec.json.encode(ordered, order="deterministic"), compresslevel=6, mtime=0)


def _place(record: Record) -> tuple[str, str, str, str]:
    metadata = record["metadata"]
    return record["apiVersion"], record["kind"], metadata.get("namespace", ""), metadata["name"]


def write(snapshot: Snapshot, path: Path) -> int:
    """Write the file, or leave what was there; return its size in bytes. Raises OSError."""
    data = pack(snapshot)
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return len(data)


# -- reading -----------------------------------------------------------------------------------------------------------


def is_snapshot(path: Path) -> bool:
    """Say whether a file means to be a snapshot, packed or not. Raises OSError."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    return head.startswith(_GZIP) or _PLAIN in head.replace(b" ", b"")


def read(path: Path) -> Snapshot:
    """Read a snapshot. Raises NotASnapshot, OSError."""
    with path.open("rb") as file:
        return unpack(file)


def unpack(file: IO[bytes]) -> Snapshot:
    """Read a snapshot out of an open file. Raises NotASnapshot."""
    data = _unzipped(file)
    try:
        return _decoded(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotASnapshot(shown(str(error)[:1].lower() + str(error)[1:])) from error
    except RecursionError as error:
        raise NotASnapshot("it is nested too deep") from error


def _decoded(data: bytes) -> Snapshot:
    """Return what the file holds; of one that does not fit, its format is told first: another has other fields."""
    try:
        found = msgspec.json.decode(data, type=Snapshot)
    except msgspec.ValidationError:
        _known(msgspec.json.decode(data, type=_Head).format)
        raise
    _known(found.format)
    return found


def _known(name: str) -> None:
    if name != FORMAT:
        _refuse(f"its format is `{shown(name)}`: expected `{FORMAT}`")


def _unzipped(file: IO[bytes]) -> bytes:
    start = file.read(len(_GZIP))
    file.seek(0)
    try:
        return _limited(gzip.GzipFile(fileobj=file) if start == _GZIP else file)
    except (OSError, EOFError, zlib.error) as error:
        raise NotASnapshot(f"it cannot be unpacked: {shown(str(error))}") from error


def _limited(file: IO[bytes] | gzip.GzipFile) -> bytes:
    """Read in pieces: whoever asks for all that may come is given room for it at once."""
    parts, size = list[bytes](), 0
    while piece := file.read(_PIECE):
        parts.append(piece)
        size += len(piece)
        if size > LARGEST:
            _refuse(f"it holds more than {LARGEST >> 20} MiB")
    return b"".join(parts)


def _refuse(why: str) -> NoReturn:
    raise NotASnapshot(why)


def shown(text: str) -> str:
    """Return what a file says as a message shows it: printable, and short."""
    return "".join(c if c.isprintable() else "?" for c in text[:200])


# -- the world in it ---------------------------------------------------------------------------------------------------

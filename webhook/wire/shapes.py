"""Checked steps into untrusted JSON, `metadata` included: a value of the asked shape, or `Malformed`.

Absent and `null` are one thing, as in Kubernetes.
"""

from collections.abc import Mapping, Sequence
from typing import NoReturn, cast

from msgspec import Struct

from webhook.model.addresses import PROTOCOLS, Protocol
from webhook.model.labels import Labels
from webhook.model.objects import Owner
from webhook.model.refs import makes

Raw = Mapping[str, object]
NOTHING: Raw = {}
_NO_STRINGS: Mapping[str, str] = {}
SHOWN = 60  # characters of a hostile value that an error repeats
_LARGEST = 128  # bits of a number that an error repeats
LONGEST_KEY = 317  # a DNS subdomain, `/` and 63 characters (`IsQualifiedName` of k8s.io/apimachinery)


class Problem(Struct, frozen=True):
    """One thing that is wrong: where, and what was expected."""

    path: str
    expected: str

    def __str__(self) -> str:
        return f"{self.path}: {self.expected}" if self.path else self.expected


class Malformed(ValueError):  # noqa: N818 - what an input is, not what failed
    """The input is not what it says it is; carries every problem that was found."""

    def __init__(self, *problems: Problem) -> None:
        """Keep `problems`, in the order in which they were met."""
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


def fail(path: str, expected: str) -> NoReturn:
    """Raise `Malformed` for one problem."""
    raise Malformed(Problem(path, expected))


def shown(value: object) -> str:
    """Return a short, printable form of a hostile value; what is inside a list or an object is not looked at."""
    match value:
        case str():
            text = repr(value[: SHOWN + 1])
        case int() if value.bit_length() > _LARGEST:
            return "a huge number"
        case None | bool() | int() | float():
            text = str(value)
        case list():
            return "a list"
        case dict():
            return "an object"
        case _:
            return "something else"
    return f"`{text if len(text) <= SHOWN else text[:SHOWN] + '…'}`"


def mapping(raw: Raw, key: str, path: str) -> Raw:
    """Return the object at `key`, empty when absent. `path` is the path of `raw`."""
    value = raw.get(key)
    if value is None:
        return NOTHING
    if not isinstance(value, dict):
        fail(_join(path, key), "expected an object")
    return value


def sequence(raw: Raw, key: str, path: str) -> Sequence[object]:
    """Return the list at `key`, empty when absent."""
    value = raw.get(key)
    if value is None:
        return ()
    if not isinstance(value, list):
        fail(_join(path, key), "expected a list")
    return value


def mappings(raw: Raw, key: str, path: str) -> Sequence[Raw]:
    """Return the list of objects at `key`, empty when absent."""
    if raw.get(key) is None:  # mostly: so many of these are asked for that a cluster is read sooner by it
        return ()
    value = sequence(raw, key, path)
    for index, item in enumerate(value):
        if not isinstance(item, dict):
            fail(f"{_join(path, key)}[{index}]", "expected an object")
    return cast("Sequence[Raw]", value)


def string(raw: Raw, key: str, path: str, default: str = "") -> str:
    """Return the string at `key`."""
    value = raw.get(key)
    if value is None:
        return default
    if not isinstance(value, str):
        fail(_join(path, key), f"expected a string, not {shown(value)}")
    return value


def strings(raw: Raw, key: str, path: str) -> Sequence[str]:
    """Return the list of strings at `key`."""
    value = sequence(raw, key, path)
    for index, item in enumerate(value):
        if not isinstance(item, str):
            fail(f"{_join(path, key)}[{index}]", f"expected a string, not {shown(item)}")
    return cast("Sequence[str]", value)


def integer(raw: Raw, key: str, path: str) -> int | None:
    """Return the integer at `key`; None when absent. A bool is not an integer."""
    value = raw.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        fail(_join(path, key), f"expected an integer, not {shown(value)}")
    return value


def flag(raw: Raw, key: str, path: str) -> bool:
    """Return the boolean at `key`, False when absent."""
    value = raw.get(key)
    if value is None:
        return False
    if not isinstance(value, bool):
        fail(_join(path, key), f"expected true or false, not {shown(value)}")
    return value


def string_map(raw: Raw, key: str, path: str) -> Mapping[str, str]:
    """Return the map of strings at `key`, empty when absent."""
    if raw.get(key) is None:
        return _NO_STRINGS
    value = mapping(raw, key, path)
    for name, item in value.items():
        if not isinstance(item, str):
            fail(f"{_join(path, key)}[{_key(name)}]", f"expected a string, not {shown(item)}")
    return cast("Mapping[str, str]", value)


def _key(name: str) -> str:
    """Return a hostile key as a part of a path: printable, and no longer than a label's or an annotation's may be."""
    printable = "".join(c if c.isprintable() else "?" for c in name[:LONGEST_KEY])
    return printable if len(name) <= LONGEST_KEY else printable + "…"


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


INJECT = "linkerd.io/inject"
_INJECT = {"enabled": True, "ingress": True, "disabled": False}
_GENERATED = "(generated)"
LONGEST_NAME = 253  # a DNS subdomain, the longest name that Kubernetes takes


def name(raw: Raw) -> str:
    """Return `metadata.name`; of an object that is to be given one, how it begins: `load-*`."""
    metadata = mapping(raw, "metadata", "")
    found = string(metadata, "name", "metadata")
    if not found and (beginning := string(metadata, "generateName", "metadata")):
        found = f"{beginning}*"
    if not found:
        fail("metadata.name", "expected a name")
    if len(found) > LONGEST_NAME:
        fail("metadata.name", f"expected at most {LONGEST_NAME} characters")
    return found


def full_name(given: str, generated: str) -> str:
    """Return the name that an object is given, or the beginning of one that it is to be given, marked as such."""
    found = given or generated + _GENERATED
    if len(found) > LONGEST_NAME + len(_GENERATED):
        fail("metadata.name", f"expected at most {LONGEST_NAME} characters")
    return found


def namespace(raw: Raw, default: str) -> str:
    """Return `metadata.namespace`, or `default`."""
    found = string(mapping(raw, "metadata", ""), "namespace", "metadata") or default
    if len(found) > LONGEST_NAME:
        fail("metadata.namespace", f"expected at most {LONGEST_NAME} characters")
    return found


def labels(raw: Raw, path: str = "") -> Labels:
    """Return the labels of `raw`, which has `metadata`. `path` is the path of `raw`."""
    return Labels(string_map(*_metadata(raw, "labels", path)))


def annotations(raw: Raw, path: str = "") -> Mapping[str, str]:
    """Return the annotations of `raw`, which has `metadata`. `path` is the path of `raw`."""
    return string_map(*_metadata(raw, "annotations", path))


def _metadata(raw: Raw, key: str, path: str) -> tuple[Raw, str, str]:
    return mapping(raw, "metadata", path), key, f"{path}.metadata" if path else "metadata"


def injected(notes: Mapping[str, str]) -> bool | None:
    """Say whether annotations ask for Linkerd's proxy, or for none; None: they do not say."""
    return _INJECT.get(notes.get(INJECT, ""))


_OWNERS = "metadata.ownerReferences"


def controller(raw: Raw) -> Owner | None:
    """Return the ownerReference that has `controller: true` (`metav1.GetControllerOf`)."""
    entry = _controller(raw)
    return Owner(string(entry, "kind", _OWNERS), string(entry, "name", _OWNERS)) if entry else None


def maker(raw: Raw, kind: str) -> Owner | None:
    """Return the controller of an object of `kind` where it is a workload whose own controller makes such objects."""
    entry = _controller(raw)
    if not entry or not makes(string(entry, "kind", _OWNERS), string(entry, "apiVersion", _OWNERS), kind):
        return None
    return controller(raw)


def controller_uid(raw: Raw) -> str:
    """Return the uid of the controller that an object names; empty without one."""
    entry = _controller(raw)
    return string(entry, "uid", _OWNERS) if entry else ""


def _controller(raw: Raw) -> Raw | None:
    entries = mappings(mapping(raw, "metadata", ""), "ownerReferences", "metadata")
    return next((entry for entry in entries if entry.get("controller") is True), None)


def uid(raw: Raw) -> str:
    """Return `metadata.uid`, which only objects of a cluster have."""
    return string(mapping(raw, "metadata", ""), "uid", "metadata")


def deleting(raw: Raw) -> bool:
    """Say whether the object is being deleted."""
    return mapping(raw, "metadata", "").get("deletionTimestamp") is not None


def protocol(raw: Raw, path: str) -> Protocol:
    """Read `protocol` of a port, TCP when absent."""
    found = string(raw, "protocol", path) or "TCP"
    if found not in PROTOCOLS:
        fail(f"{path}.protocol", f"expected TCP, UDP or SCTP, not {shown(found)}")
    return found

"""What the parts of one policy are read in, and what Cilium does not take."""

from collections.abc import Callable, Mapping
from typing import NoReturn, ParamSpec, TypeVar

from msgspec import Struct

from webhook.families.cilium.settings import Config
from webhook.model.crd_policies import CrdPolicy
from webhook.wire.shapes import Malformed, Problem, Raw, fail, shown

P = ParamSpec("P")
T = TypeVar("T")


class Refused(Exception):  # noqa: N818 - what an object is, not what failed
    """The API server (by the kind's schema) or the agent takes no such policy; `path: what was expected`."""


def refuse(path: str, expected: str) -> NoReturn:
    """Raise `Refused`."""
    raise Refused(str(Problem(path, expected)))


def checked(read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Read a part whose shape the schema holds: what is not of that shape is refused. Raises Refused."""
    try:
        return read(*args, **kwargs)
    except Malformed as error:
        raise Refused(str(error)) from error


def only(raw: Raw, keys: frozenset[str], path: str) -> None:
    """Raise Malformed at a field that is not known here: a newer one may change what the others mean."""
    if strange := sorted(str(key) for key, value in raw.items() if key not in keys and value is not None):
        fail(path, f"expected {', '.join(sorted(keys))}, not {shown(strange[0])}")


def given(raw: Mapping[str, object], key: str) -> bool:
    """Say whether a field is there at all, empty or not."""
    return raw.get(key) is not None


class Context(Struct, frozen=True):
    """The policy's namespace (None: cluster-wide), the settings, and the CiliumCIDRGroups that are there.

    `unlabelled`: the policy's subject asks for `reserved:init`, the label of pods that have no others yet.
    `learns_names`: it sends look-ups through a proxy, without which names are never known.
    """

    namespace: str | None
    config: Config
    groups: tuple[CrdPolicy, ...] = ()
    unlabelled: bool = False
    learns_names: bool = False

"""Which policy families the API server serves at the moment, asked again and again."""

from collections.abc import Iterable, Mapping
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from webhook.cluster.client import Connection
from webhook.cluster.errors import UNREADABLE, ClusterError, GarbledError, NotServedError, cleaned
from webhook.cluster.kinds import Kind

T = TypeVar("T")
Family = tuple[str, str]  # API group, kind
# The first group's objects are what the second's are stored as: where both are served, they are read once.
_STORED_AS: Final = {"projectcalico.org": "crd.projectcalico.org"}
_NEEDED: Final = frozenset({"list", "watch"})


class Served(Struct, frozen=True):
    """What of the wanted is served; and the groups that are there but do not say what they have, with the reason."""

    kinds: Mapping[Family, Kind] = {}
    troubles: Mapping[str, str] = {}

    def trouble_of(self, family: Family) -> str | None:
        """Return why it is not known whether a family is served; None where it is known."""
        return None if family in self.kinds else self.troubles.get(family[0])


def unread(family: Family) -> Kind:
    """Return what stands for a kind of which only the group is known to be there."""
    group, name = family
    return Kind(f"{group}/-", name, name.lower(), namespaced=False)


class _Version(Struct):
    version: str


class _Group(Struct):
    name: str
    versions: list[_Version] = []
    preferred: _Version | None = msgspec.field(name="preferredVersion", default=None)

    @property
    def in_order(self) -> list[str]:
        """The versions, the preferred one first."""
        found = [self.preferred.version] if self.preferred else []
        return list(dict.fromkeys([*found, *(one.version for one in self.versions)]))


class _Groups(Struct):
    groups: list[_Group] = []


class _Resource(Struct):
    name: str
    kind: str
    namespaced: bool = False
    verbs: list[str] = []


class _Resources(Struct):
    resources: list[_Resource] | None = None


async def served(connection: Connection, wanted: Iterable[Family]) -> Served:
    """Ask what is served of `wanted`. Raises ClusterError where the groups cannot be read at all.

    A kind is read in the first version that has it: a group may have different kinds in different versions.
    """
    every = frozenset(wanted)
    names = {group for group, _ in every}
    groups = [one for one in (await _read(connection, "/apis", _Groups)).groups if one.name in names]
    kinds: dict[Family, Kind] = {}
    troubles: dict[str, str] = {}
    for group in groups:
        for version in group.in_order:
            try:
                found = await _kinds(connection, group.name, version)
            except NotServedError:
                continue  # it went away between the two questions
            except ClusterError as error:
                troubles[group.name] = str(error)
                break
            for kind in found:
                if (group.name, kind.name) in every:
                    kinds.setdefault((group.name, kind.name), kind)
    for shown, stored in _STORED_AS.items():
        for name in [name for there, name in kinds if there == shown]:
            kinds.pop((stored, name), None)
    return Served(kinds, troubles)


async def _kinds(connection: Connection, group: str, version: str) -> list[Kind]:
    said = await _read(connection, f"/apis/{group}/{version}", _Resources)
    return [
        Kind(f"{group}/{version}", one.kind, one.name, namespaced=one.namespaced)
        for one in said.resources or ()
        if "/" not in one.name and _NEEDED.issubset(one.verbs)
    ]


async def _read(connection: Connection, path: str, form: type[T]) -> T:
    try:
        return msgspec.json.decode(await connection.get(path, {}), type=form)
    except UNREADABLE as error:
        raise GarbledError(f"`{path}` cannot be read: {cleaned(str(error))}") from error

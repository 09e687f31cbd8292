"""Which workloads' declarations mention a name, and which are given a ConfigMap as it is.

Both are found by the text alone, so that a change touches only its own.
What a declaration means is for `dependencies` to say. Here it is only made sure that nothing is missed: what is written
as `a.b.c` may be `a` of the own namespace, `a` of namespace `b`, or pod `a` behind `b`, of the own or of namespace `c`.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from webhook.model.hints import MapUse
from webhook.model.objects import Workload
from webhook.model.refs import WorkloadRef
from webhook.world.index import discard

Name = tuple[str, str]  # namespace, name
MOST: Final = 4_000  # names of one workload: 200 items, with room for ports, protocols and whatever URLs have
_HOST: Final = re.compile(r"[a-z0-9_][a-z0-9_.-]*+")


class Mentions:
    """An index from names to the workloads whose declarations mention them."""

    def __init__(self) -> None:
        """Start empty."""
        self._by_name: dict[Name, dict[WorkloadRef, None]] = {}
        self._names: dict[WorkloadRef, tuple[Name, ...]] = {}

    def put(self, workload: Workload) -> None:
        """Add or replace a workload; what a workload made is asked of that one."""
        self.drop(workload.ref)
        if workload.owner is None and (names := mentioned(workload)):
            self._names[workload.ref] = names
            for name in names:
                self._by_name.setdefault(name, {})[workload.ref] = None

    def drop(self, ref: WorkloadRef) -> None:
        """Remove a workload, if it is here."""
        for name in self._names.pop(ref, ()):
            discard(self._by_name, name, ref)

    def of(self, names: Iterable[Name]) -> set[WorkloadRef]:
        """Return who may mean one of these names."""
        return {ref for name in names for ref in self._by_name.get(name, ())}


def mentioned(workload: Workload) -> tuple[Name, ...]:
    """Return the names that a workload's declarations may mean, and those of `given_whole`."""
    found: dict[Name, None] = {}
    for note in workload.connects_to:
        for name in names_in(note.text.lower(), workload.ref.namespace):
            found[name] = None
            if len(found) >= MOST:
                return tuple(found)
    uses = (given for one in workload.hints for given in one.given if isinstance(given, MapUse) and not given.variable)
    found.update((given_whole(workload.ref.namespace, use.name), None) for use in islice(uses, MOST - len(found)))
    return tuple(found)


def given_whole(namespace: str, config_map: str) -> Name:
    """Return the name that finds whoever is given a ConfigMap as it is, not one key of it. No namespace has a slash."""
    return f"{namespace}/configmaps", config_map


def names_in(text: str, own: str) -> Iterator[Name]:
    """Yield the names that a text may mean, said in namespace `own`."""
    for match in islice(_HOST.finditer(text), MOST):
        first, *more = match[0].split(".")[:3]
        yield own, first
        if more:
            yield more[0], first
            yield own, more[0]
        if len(more) > 1:
            yield more[1], more[0]

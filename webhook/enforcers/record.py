"""What is known of one enforcer: how it is recognised, what it enforces, how it reads policy, where its log is."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Final

from msgspec import Struct

from webhook.model.crd_policies import CompileContext
from webhook.model.dialect import Dialect, Kind

Flags = tuple[str, ...]
Data = Mapping[str, str]
_TAG: Final = re.compile(r"image=[^:]*(?::\d+/[^:]*)?:v?(\d{1,8})")  # whose first number tells a version apart


class Found(Struct, frozen=True):
    """What one sign of an enforcer shows."""

    enforcer: str
    enforces: bool | None = True
    """None: it may enforce, or not."""
    why: str = ""
    """What makes it less than sure, or idle."""


Reader = Callable[[Flags, Data], Found]


class Staged(Struct, frozen=True):
    """A kind of policy that is evaluated and logged, and drops nothing."""

    api_version: str
    kind: str
    plural: str
    """Its resource with its group, as `kubectl` takes it."""


class Enforcer(Struct, frozen=True):
    """One enforcer, as `--cni` names it. A file in this room with a record is all that adds one."""

    name: str
    title: str = ""
    """Its name in a sentence; empty: `name`."""
    decisive: bool = True
    """Whether its semantics are known well enough for a denial to reject."""
    enforces: bool = True
    """False: it drops nothing."""
    groups: frozenset[str] | None = frozenset()
    """API groups, beside NetworkPolicy's own, whose objects it may enforce; None: any may be."""
    unread: frozenset[Kind] = frozenset()
    """Kinds of policy of its own, namespaced, that are known by name only."""
    unread_wide: frozenset[Kind] = frozenset()
    """The same, cluster-scoped."""
    stored_as: Mapping[str, str] = {}
    """By an API group of its own that is served: the one under which its objects are stored."""
    staged: Staged | None = None
    """A kind of policy of its own that is evaluated and logged as a NetworkPolicy, and drops nothing."""
    of_files: frozenset[str] = frozenset()
    """API groups whose objects, in files that hold none of another group, mean this enforcer."""
    agents: Mapping[str, Reader] = {}
    """By the name of a DaemonSet that wants pods: what its flags, and the data of `switches`, show."""
    namespaces: frozenset[str] = frozenset()
    """Where its DaemonSets run, beside kube-system."""
    of_nodes: Callable[[Collection[Flags]], Iterator[Found]] | None = None
    """What the flags of nodes show, of an enforcer that is built into a distribution."""
    images: frozenset[str] = frozenset()
    """Of its containers: the last word of an image's name, or its last two, which tell the version."""
    arguments: tuple[str, ...] = ()
    """Of its containers: beginnings of arguments that tell whether it enforces."""
    variables: frozenset[str] = frozenset()
    """Of its containers: names of variables that tell how it enforces."""
    containers: frozenset[str] = frozenset()
    """Names of containers that tell whether it enforces."""
    switches: str = ""
    """A ConfigMap of kube-system whose data the readers of `agents` are given."""
    settings: Mapping[str, tuple[str, ...]] = {}
    """By the name of a ConfigMap: the keys that decide how it reads policy."""
    dialect: Callable[[CompileContext], Dialect] | None = None
    """How it reads policy; None: `family` says so."""
    family: str = "admin"
    """The policy family that says how it reads policy."""
    log: str = ""
    """The command that shows what it drops, or its log, on a node."""
    common: bool = False
    """Whether its log is shown where nobody said who enforces."""


def reads(dialect: Dialect) -> Callable[[CompileContext], Dialect]:
    """Return a dialect that nothing in the cluster changes."""
    return lambda _: dialect


def runs(name: str) -> Reader:
    """Return what a DaemonSet shows that is always the enforcer itself."""
    return lambda _flags, _data: Found(name)


def idle(name: str, why: str) -> Reader:
    """Return what a DaemonSet shows that enforces nothing."""
    return lambda _flags, _data: Found(name, enforces=False, why=why)


def versioned(name: str) -> Reader:
    """Return a reader for an agent whose image should tell the version: a digest alone does not."""

    def read(flags: Flags, _data: Data) -> Found:
        known = any(map(_TAG.match, flags))
        return Found(name, why="" if known else f"the version of {name} is not known, the newest is assumed")

    return read


def tags(flags: Flags, word: str) -> list[int]:
    """Return the first number of the tag of every image that has `word` in its name."""
    return [int(found[1]) for flag in flags if word in flag and (found := _TAG.match(flag))]

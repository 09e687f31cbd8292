"""Which objects are watched, where the API serves them, and how much of them is known."""

from collections.abc import Iterable
from enum import Enum
from typing import Any, Final, Literal
from urllib.parse import quote

from msgspec import Struct

Raw = dict[str, Any]  # one object as the API spells it


class Kind(Struct, frozen=True, order=True):
    """One kind of object. str() is kubectl's name of the resource: `networkpolicies.networking.k8s.io`.

    `namespaced`: its objects stand in namespaces. `bare`: of which objects only the metadata matters, so that no more
    is asked for (PartialObjectMetadata of `k8s.io/apimachinery`); where it is those that a workload made, a
    watch asks for the others one by one.
    """

    api_version: str
    name: str
    plural: str
    namespaced: bool = True
    bare: Literal["none", "all", "owned"] = "none"

    @property
    def group(self) -> str:
        """The API group; the core's is empty."""
        return self.api_version.partition("/")[0] if "/" in self.api_version else ""

    @property
    def path(self) -> str:
        """The collection's path, over all namespaces."""
        return f"{self._root}/{self.plural}"

    def path_in(self, namespace: str) -> str:
        """Return the collection's path in one namespace."""
        return f"{self._root}/namespaces/{quote(namespace, safe='')}/{self.plural}"

    @property
    def _root(self) -> str:
        return f"/{'apis' if self.group else 'api'}/{self.api_version}"

    def __str__(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural


KINDS: Final = (
    Kind("v1", "Namespace", "namespaces", namespaced=False, bare="all"),
    Kind("v1", "Node", "nodes", namespaced=False),
    Kind("v1", "Pod", "pods"),
    Kind("v1", "Service", "services"),
    Kind("v1", "ConfigMap", "configmaps"),
    Kind("v1", "ServiceAccount", "serviceaccounts"),  # policies may ask for its labels
    Kind("v1", "ReplicationController", "replicationcontrollers"),
    Kind("discovery.k8s.io/v1", "EndpointSlice", "endpointslices"),
    Kind("apps/v1", "Deployment", "deployments"),
    Kind("apps/v1", "StatefulSet", "statefulsets"),
    Kind("apps/v1", "DaemonSet", "daemonsets"),
    # Ten old ones stay for each Deployment, and all that is asked of them is whose they are.
    Kind("apps/v1", "ReplicaSet", "replicasets", bare="owned"),
    Kind("batch/v1", "Job", "jobs"),
    Kind("batch/v1", "CronJob", "cronjobs"),
    Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
)
DISCOVERY: Final = Kind("", "APIGroup", "policy-families", namespaced=False)  # which kinds are served at all


class Collection(Struct, frozen=True, order=True):
    """The objects of a kind that one list holds: of all namespaces, or of one. str() is fit for a person."""

    kind: Kind
    namespace: str = ""

    @property
    def path(self) -> str:
        """Where it is served."""
        return self.kind.path_in(self.namespace) if self.namespace and self.kind.namespaced else self.kind.path

    @property
    def query(self) -> dict[str, str]:
        """What narrows the list down: of Namespaces only the one that is meant."""
        if self.namespace and not self.kind.namespaced:
            return {"fieldSelector": f"metadata.name={self.namespace}"}
        return {}

    def __str__(self) -> str:
        return f"{self.kind} in {self.namespace}" if self.namespace else str(self.kind)


def collections(kind: Kind, namespaces: tuple[str, ...]) -> tuple[Collection, ...]:
    """Return what is to be listed of a kind: everything, or what belongs to `namespaces` where there are any."""
    if not namespaces or not (kind.namespaced or kind.name == "Namespace"):
        return (Collection(kind),)
    return tuple(Collection(kind, namespace) for namespace in namespaces)


# -- how much is known: "not yet listed" and "empty" differ by type ----------------------------------------------------


class Phase(Enum):
    """The state of one collection."""

    WAITING = "not yet listed"
    LIVE = "listed and watched"
    BEHIND = "listed, and what changed since may be missing"
    FORBIDDEN = "may not be read"
    ABSENT = "not served"

    @property
    def listed(self) -> bool:
        """Whether the sink has the collection, if not as of this moment."""
        return self in (Phase.LIVE, Phase.BEHIND)


class Standing(Struct, frozen=True):
    """One collection: its phase, the last trouble ("" for none), and when the server was last heard of it.

    `heard` is in seconds of the watcher's clock; None: never.
    """

    where: Collection
    phase: Phase = Phase.WAITING
    reason: str = ""
    heard: float | None = None

    @property
    def kind(self) -> Kind:
        """What is in it."""
        return self.where.kind

    def age(self, now: float) -> float | None:
        """Return how many seconds ago the server was last heard of it, never less than 0; None: never heard."""
        return None if self.heard is None else max(0.0, now - self.heard)


class Listing(Struct, frozen=True):
    """Not all that may be read has been listed yet: nothing may be judged. Never empty."""

    waiting_for: tuple[Standing, ...]


class Live(Struct, frozen=True):
    """Everything that may be read has been listed once.

    `unknown`: what may not be read or is not served; whatever depends on it is not decided.
    `behind`: those whose watch is interrupted.
    """

    unknown: tuple[Standing, ...] = ()
    behind: tuple[Standing, ...] = ()


State = Listing | Live


def overall(standings: Iterable[Standing]) -> State:
    """Sum up."""
    every = tuple(standings)
    if waiting := tuple(one for one in every if one.phase is Phase.WAITING):
        return Listing(waiting)
    return Live(
        unknown=tuple(one for one in every if one.phase in (Phase.FORBIDDEN, Phase.ABSENT)),
        behind=tuple(one for one in every if one.phase is Phase.BEHIND),
    )

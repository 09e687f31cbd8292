"""Which objects are watched, and where the API serves them."""

from typing import Any, Final, TypedDict

from msgspec import Struct

Raw = dict[str, Any]  # one object as the API spells it


class Kind(Struct, frozen=True, order=True):
    """One kind of object. str() is kubectl's name of the resource: `networkpolicies.networking.k8s.io`."""

    api_version: str
    name: str
    plural: str

    @property
    def path(self) -> str:
        """The collection's path, over all namespaces."""
        root = "apis" if "/" in self.api_version else "api"
        return f"/{root}/{self.api_version}/{self.plural}"

    def __str__(self) -> str:
        group, slash, _ = self.api_version.partition("/")
        return f"{self.plural}.{group}" if slash else self.plural


KINDS: Final = tuple(
    Kind(api_version, name, plural)
    for api_version, name, plural in (
        ("v1", "Namespace", "namespaces"),
        ("v1", "Node", "nodes"),
        ("v1", "Pod", "pods"),
        ("v1", "Service", "services"),
        ("v1", "ReplicationController", "replicationcontrollers"),
        ("discovery.k8s.io/v1", "EndpointSlice", "endpointslices"),
        ("apps/v1", "Deployment", "deployments"),
        ("apps/v1", "StatefulSet", "statefulsets"),
        ("apps/v1", "DaemonSet", "daemonsets"),
        ("apps/v1", "ReplicaSet", "replicasets"),
        ("batch/v1", "Job", "jobs"),
        ("batch/v1", "CronJob", "cronjobs"),
        ("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
    )
)


class Metadata(TypedDict, total=False):
    """What is kept of `ObjectMeta`; `managedFields`, often half of an object, is skipped while decoding."""

    name: str
    namespace: str
    uid: str
    resourceVersion: str
    generation: Any
    creationTimestamp: Any
    deletionTimestamp: Any
    labels: Any
    annotations: Any
    ownerReferences: Any


class Shape(TypedDict, total=False):
    """What is kept of an object: a plain dict again. A field that is not here is skipped while decoding."""

    apiVersion: str
    kind: str
    metadata: Metadata
    spec: Any
    status: Any
    addressType: Any  # EndpointSlice
    endpoints: Any
    ports: Any

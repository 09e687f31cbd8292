"""How one object names another."""

from typing import Final

from msgspec import Struct

SHORT_KINDS: Final = {  # what kubectl calls them: `deploy/api`
    "Deployment": "deploy",
    "StatefulSet": "sts",
    "DaemonSet": "ds",
    "ReplicaSet": "rs",
    "ReplicationController": "rc",
    "Job": "job",
    "CronJob": "cj",
    "Pod": "po",
}
WORKLOAD_KINDS: Final = tuple(SHORT_KINDS)
EXPECTED: Final = "Expected"  # the kind of pods that nobody has seen: the configuration says that they will be there
_MAKERS: Final = {  # kind -> whose controllers make such objects, with their API groups; all are workloads themselves
    "ReplicaSet": {"Deployment": "apps"},
    "Job": {"CronJob": "batch"},
    "Pod": {
        **dict.fromkeys(("ReplicaSet", "StatefulSet", "DaemonSet"), "apps"),
        "ReplicationController": "",
        "Job": "batch",
    },
}
KIND_OF_WORD: Final = {
    word: kind
    for kind, short in SHORT_KINDS.items()
    for word in (short, kind.lower(), kind.lower() + "s", *(("pod",) if kind == "Pod" else ()))
} | {  # kinds of others with a pod template
    word: kind
    for kind, short in (("Rollout", "ro"), ("DeploymentConfig", "dc"), ("CloneSet", "clone"))
    for word in (short, kind.lower(), kind.lower() + "s")
}


_OWNERS: Final = {  # kinds whose name several families use: the groups that need not be said
    "NetworkPolicy": ("",),
    "ClusterNetworkPolicy": ("", "policy.networking.k8s.io"),
}


def makes(owner: str, api_version: str, kind: str) -> bool:
    """Say whether Kubernetes makes objects of `kind` for those of kind `owner`; no `api_version`: it is not said."""
    group = _MAKERS.get(kind, {}).get(owner)
    return group is not None and (not api_version or group == api_version.rpartition("/")[0])


class WorkloadRef(Struct, frozen=True, order=True, gc=False):
    """A workload by kind, namespace and name."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{SHORT_KINDS.get(self.kind, self.kind.lower())}/{self.namespace}/{self.name}"

    @property
    def short(self) -> str:
        """`namespace/name`, as messages show it."""
        return f"{self.namespace}/{self.name}"


class PolicyRef(Struct, frozen=True, gc=False):
    """A policy, or with `rule` one of its rules, counted from 0 in its own list. `namespace` None: cluster-wide.

    `group`: the API group; empty for Kubernetes' own NetworkPolicy, whose kind others have taken over.
    """

    namespace: str | None
    name: str
    kind: str = "NetworkPolicy"
    rule: int | None = None
    group: str = ""

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    @property
    def kind_word(self) -> str:
        """The kind as messages show it: nothing for NetworkPolicy; with its group where others have the name, too."""
        if self.group in _OWNERS.get(self.kind, (self.group,)):
            return "" if self.kind == "NetworkPolicy" else self.kind
        return f"{self.kind}.{self.group}"

    @property
    def ambiguous(self) -> bool:
        """Whether the kind's name alone does not tell whose it is."""
        return bool(self.group) and self.kind in _OWNERS

    @property
    def titled(self) -> str:
        """Kind and name, as messages show them: `shop/web`, `ClusterNetworkPolicy fence`."""
        return f"{self.kind_word} {self}".lstrip()

    def __lt__(self, other: "PolicyRef") -> bool:
        return self._order() < other._order()

    def __gt__(self, other: "PolicyRef") -> bool:
        return other < self

    def _order(self) -> tuple[str, str, str, str, int]:
        return (self.namespace or "", self.name, self.kind, self.group, -1 if self.rule is None else self.rule)

    def at(self, rule: int | None) -> "PolicyRef":
        """Return the same policy, pointing at one of its rules."""
        return self if rule == self.rule else PolicyRef(self.namespace, self.name, self.kind, rule, self.group)

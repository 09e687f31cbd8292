"""What decides how a policy is read: ConfigMap `cilium-config` (`pkg/option/config.go`, 1.20); what is not taken."""

import re
from collections.abc import Callable, Mapping
from typing import Final, NoReturn, ParamSpec, TypeVar

from msgspec import Struct

from webhook.families import NODE_CONFIG
from webhook.model.crd_policies import CompileContext, CrdPolicy
from webhook.model.dialect import Unseen
from webhook.wire.shapes import Malformed, Problem, Raw, fail, shown

CONFIG: Final = "cilium-config"
_HOMES: Final = ("kube-system", "cilium")  # where agents run: nobody else's ConfigMap sets them
_AGENTS: Final = frozenset({"cilium", "anetd"})  # DaemonSets
_UNDECIDED: Final = "ConfigMap cilium-config is not known, and Cilium's defaults are assumed"
_FALSE: Final = frozenset({"false", "0", "f"})
_TRUE: Final = frozenset({"true", "1", "t"})
# The keys of pod labels that are kept and ignored without a setting (pkg/labelsfilter/filter.go).
_INCLUDED: Final = (r"io\.kubernetes\.pod\.namespace", r"io\.cilium\.k8s\.namespace\.labels", r"app\.kubernetes\.io")
_IGNORED: Final = (
    r"io\.kubernetes",
    r"kubernetes\.io",
    r".*beta\.kubernetes\.io",
    r"k8s\.io",
    r"topology\.kubernetes\.io",
    r"pod-template-hash",
    r"pod-template-generation",
    r"controller-revision-hash",
    r"controller-uid",
    r"statefulset\.kubernetes\.io/pod-name",
    r"apps\.kubernetes\.io/pod-index",
    r"batch\.kubernetes\.io/job-completion-index",
    r"batch\.kubernetes\.io/controller-uid",
    r"annotation.*",
    r"etcd_node",
)
DEFAULT_UNSEEN: Final = Unseen(_IGNORED, _INCLUDED)
_VERSION: Final = re.compile(r"image=.*cilium:v?(?P<major>[0-9]{1,3})\.(?P<minor>[0-9]{1,3})(?![0-9])")
_OLDEST: Final = (1, 16)  # before it, port ranges and enableDefaultDeny did not exist
LOCAL_CLUSTER: Final = (
    1,
    19,
)  # from it on, peers ask for the local cluster without a setting; requirements are refused
NEWEST: Final = (1, 20)  # what was measured: ClusterNetworkPolicy, port names by who is asked
_LONGEST: Final = 200
_REPEATED_GROUP: Final = re.compile(r"\)[*+?{]|[*+}][*+{]")  # takes exponential time on some keys
_POLICY_KEYS: Final = frozenset(  # of a CiliumNodeConfig: those that make nodes differ about policy
    {
        "allow-localhost",
        "enable-cilium-clusterwide-network-policy",
        "enable-cilium-network-policy",
        "enable-k8s-cluster-network-policy",
        "enable-k8s-networkpolicy",
        "enable-node-selector-labels",
        "enable-non-default-deny-policies",
        "enable-policy",
        "labels",
        "policy-audit-mode",
        "policy-cidr-match-mode",
        "policy-default-local-cluster",
    }
)


class Config(Struct, frozen=True):
    """The settings, with the defaults of Cilium 1.20 where the ConfigMap says nothing.

    `unenforced`: why nothing is dropped; empty: it is. `undecided`: why the settings may be others; `doubt`: what makes
    every answer unsure.
    `local_cluster` None: the setting is not there, and neither is the version, on which its default depends.
    `version`: the newest one where no image has one.
    """

    version: tuple[int, int] = NEWEST
    always: bool = False
    unenforced: str = ""
    undecided: str = ""
    network_policy: bool = True
    namespaced: bool = True
    clusterwide: bool | None = None
    cluster_policies: bool = False
    blocks_hold_pods: bool = False
    blocks_hold_nodes: bool = False
    local_host: bool = True
    local_cluster: bool | None = None
    cluster: str = "default"
    node_labels: bool = False
    node_filter: bool = False
    non_default_deny: bool = True
    host_firewall: bool = False
    layer_7: bool = True
    sctp: bool = False
    dual_stack: bool = False
    unseen: Unseen = DEFAULT_UNSEEN
    doubt: str = ""


def config_of(around: CompileContext) -> Config:
    """Return the settings of the cluster."""
    data = next((found for home in _HOMES if (found := around.settings.get((home, CONFIG)))), {})
    modes = frozenset(_listed(data.get("policy-cidr-match-mode", "")))
    unseen, doubt = _unseen(data.get("labels", ""))
    told = _version(around)
    version = told or NEWEST
    return Config(
        version=version,
        always=data.get("enable-policy") == "always",
        unenforced=_unenforced(data),
        undecided="" if data or not _AGENTS.intersection(around.flags) else _UNDECIDED,
        network_policy=_flag(data, "enable-k8s-networkpolicy", default=True),
        namespaced=_flag(data, "enable-cilium-network-policy", default=True),
        clusterwide=_maybe(data, "enable-cilium-clusterwide-network-policy"),
        cluster_policies=version >= NEWEST and _flag(data, "enable-k8s-cluster-network-policy", default=False),
        blocks_hold_pods="pods" in modes,
        blocks_hold_nodes="nodes" in modes,
        local_host=data.get("allow-localhost", "auto") != "policy",
        local_cluster=_local_cluster(_maybe(data, "policy-default-local-cluster"), told),
        cluster=data.get("cluster-name") or "default",
        node_labels=_flag(data, "enable-node-selector-labels", default=False),
        node_filter=bool(data.get("node-labels")),
        non_default_deny=_flag(data, "enable-non-default-deny-policies", default=True),
        host_firewall=_flag(data, "enable-host-firewall", default=False),
        layer_7=_flag(data, "enable-l7-proxy", default=True),
        sctp=_flag(data, "enable-sctp", default=False),
        dual_stack=_flag(data, "enable-ipv4", default=True) and _flag(data, "enable-ipv6", default=False),
        unseen=unseen,
        doubt=doubt or _node_doubt(around) or _version_doubt(version),
    )


def _version(around: CompileContext) -> tuple[int, int] | None:
    """Return the agent's version by its image; None: not told, as by a digest. Of several, the oldest."""
    told = [_VERSION.match(flag) for flags in around.flags.values() for flag in flags]
    return min(((int(found["major"]), int(found["minor"])) for found in told if found), default=None)


def _local_cluster(
    said: bool | None,  # noqa: FBT001 - a setting as it was read
    told: tuple[int, int] | None,
) -> bool | None:
    """Say whether peers ask for the local cluster; of 1.19 it is not known whether its pods always have that label."""
    if said is not None or told is None or told == LOCAL_CLUSTER:
        return said
    return told > LOCAL_CLUSTER


def _version_doubt(version: tuple[int, int]) -> str:
    if version >= _OLDEST:
        return ""
    return "Cilium {}.{} is older than {}.{}, and reads policies in ways that are not known here".format(
        *version, *_OLDEST
    )


def _maybe(data: Mapping[str, str], key: str) -> bool | None:
    word = data.get(key, "").lower()
    return True if word in _TRUE else False if word in _FALSE else None


def _flag(data: Mapping[str, str], key: str, *, default: bool) -> bool:
    said = _maybe(data, key)
    return default if said is None else said


def _listed(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _unenforced(data: Mapping[str, str]) -> str:
    if data.get("enable-policy") == "never":
        return "enable-policy is `never`"
    return "policy-audit-mode is on" if _flag(data, "policy-audit-mode", default=False) else ""


def _node_doubt(around: CompileContext) -> str:
    """Some nodes may read policy by settings of their own, and which pods run there is not known beforehand."""
    for config in around.all(NODE_CONFIG):
        if config.namespace not in _HOMES:
            continue
        spec = config.spec.get("spec")
        defaults = spec.get("defaults") if isinstance(spec, dict) else None
        if isinstance(defaults, dict) and (keys := sorted(_POLICY_KEYS.intersection(defaults))):
            return f"CiliumNodeConfig {config.ref} sets {keys[0]} on some nodes only"
    return ""


def _unseen(text: str) -> tuple[Unseen, str]:
    """Read `labels`: patterns beside the built-in ones. `k8s:!key` ignores; any other makes an allow-list.

    A pattern names its labels' source, and only labels of `k8s` are a pod's: with another one it includes nothing.
    """
    ignore, include, closed = list(_IGNORED), list(_INCLUDED), False
    for entry in _listed(text):
        source, colon, pattern = entry.partition(":")
        if not colon:
            source, pattern = "", entry
        ignores = pattern.startswith("!")
        pattern = pattern.removeprefix("!")
        closed = closed or not ignores
        if source not in ("", "k8s"):
            continue
        if not _simple(pattern):
            return DEFAULT_UNSEEN, f"setting `labels` has the pattern `{pattern[:60]}`, which is not understood"
        (ignore if ignores else include).append(pattern)
    return Unseen(tuple(ignore), tuple(include), closed), ""


def _simple(pattern: str) -> bool:
    """Say whether a pattern is one that both Go and Python read, and read alike."""
    if not pattern or len(pattern) > _LONGEST or "(?" in pattern or _REPEATED_GROUP.search(pattern):
        return False
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


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

"""kube-router, whose policy controller k3s has built in, whatever network it has."""

from collections.abc import Collection, Iterator
from typing import Final

from webhook.enforcers.record import Data, Enforcer, Flags, Found, reads
from webhook.model.dialect import Dialect
from webhook.model.truth import Truth

_NO_FIREWALL: Final = "kube-router runs with --run-firewall=false"
_OFF: Final = "k3s--disable-network-policy=true"


def _found(flags: Flags, _data: Data) -> Found:
    off = "--run-firewall=false" in flags
    return Found("kube-router", enforces=False, why=_NO_FIREWALL) if off else Found("kube-router")


def _of_nodes(nodes: Collection[Flags]) -> Iterator[Found]:
    members = [flags for flags in nodes if any(flag.startswith("k3s=") for flag in flags)]
    servers = [flags for flags in members if "k3s=server" in flags]
    off = [flags for flags in servers if _OFF in flags]
    if members and not servers:
        yield Found("kube-router", None, "no server of k3s is among the nodes, which tells whether policy is enforced")
    elif len(off) < len(servers):
        yield Found("kube-router", why="only some servers of k3s run with --disable-network-policy" if off else "")
    elif servers and not any("k3s--flannel-backend=none" in flags for flags in servers):
        yield Found("flannel", enforces=False, why="k3s runs with --disable-network-policy")


RECORDS: Final = (
    Enforcer(
        "kube-router",
        agents={"kube-router": _found},
        namespaces=frozenset({"kube-router"}),
        of_nodes=_of_nodes,
        images=frozenset({"kube-router"}),
        arguments=("--run-firewall",),
        dialect=reads(Dialect("kube-router", rejects=Truth.YES)),
        log="kubectl -n kube-system logs ds/kube-router --tail=100",
    ),
)

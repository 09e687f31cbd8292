"""Where to look, by what explains the error: one table of sentences, with the command where there is one.

A field in braces is a name that the diagnosis found out; a line whose names are not known is left out. The checklist is
the story's: the server, the policies, then the CNI's logs, stale rules and routes.
"""

import shlex
from collections.abc import Iterator
from string import Formatter
from typing import Final

from msgspec import Struct

from webhook.enforcers import ENFORCERS
from webhook.explain.diagnosis import Cause, Diagnosis
from webhook.explain.error_kinds import Caller


class Advice(Struct, frozen=True):
    """One place to look at, and the command that shows it."""

    what: str
    command: str | None = None


_TRY: Final = Advice(
    "try it from the pod itself, so that its own policies count",
    "kubectl -n {source_ns} debug -it {source_pod} --image=nicolaka/netshoot -- nc -zv -w 3 {udp}{host} {port}",
)
_LOOK_UP: Final = "kubectl -n {source_ns} debug -it {source_pod} --image=nicolaka/netshoot -- nslookup {host}"
_VERIFY: Final = Advice(
    "keep the policies that deny; once the remedy is applied, try it from the pod itself", _TRY.command
)
_KEEP: Final = Advice("keep the policies that deny, and apply the remedy beside them")
_OWN_LOG: Final = Advice("what does the process itself say?", "kubectl -n {source_ns} logs {source} --tail=50")
_OWN_PORT: Final = Advice(
    "does it listen on the probe's port in time? A startupProbe, or a longer timeoutSeconds, gives it more",
    "kubectl -n {source_ns} describe {source}",
)
_LET_IN: Final = Advice("{remedy}")
_LISTENS: Final = Advice(
    "does the server listen on {arrives}, and on every address rather than 127.0.0.1 alone?",
    "kubectl -n {to_ns} debug -it {to_pod} --image=nicolaka/netshoot -- ss -ltnu",
)
_SERVER_LOG: Final = Advice("what does the server say?", "kubectl -n {to_ns} logs {to} --tail=50")
_READY: Final = Advice("are its pods ready, and have they restarted?", "kubectl -n {to_ns} get pods -o wide")
_ENDPOINTS: Final = Advice(
    "does the Service have ready endpoints?",
    "kubectl -n {service_ns} get endpointslices -l kubernetes.io/service-name={service}",
)
_OTHERS: Final = Advice(
    "policies of other kinds count as well, where the cluster has them",
    "for kind in $(kubectl api-resources --verbs=list -o name | grep -i networkpolic); do kubectl get $kind -A; done",
)
_NODES: Final = Advice(
    "stale rules and routes, mostly on long-running nodes after an upgrade: restart the CNI's pod on both nodes, "
    "compare `ip route` and `iptables-save` (or `nft list ruleset`); then firewalls and security groups between nodes"
)
_POLICY_LATER: Final = Advice("was a policy changed after the error? Nothing here denies the connection")
_DNS_LOG: Final = Advice("what does the DNS server say?", "kubectl -n {dns_ns} logs {dns} --tail=50")
_RESOLVER: Final = Advice(
    "whom does the pod ask, and with which search list?",
    "kubectl -n {source_ns} exec {source} -- cat /etc/resolv.conf",
)
_SERVICES: Final = Advice("what is there?", "kubectl -n {source_ns} get services")

CNI_LOGS: Final = {one.name: one.log for one in ENFORCERS.values() if one.log}  # where its per-node logs are
_EITHER: Final = tuple(one.name for one in ENFORCERS.values() if one.common)  # shown where nobody said who enforces

_LOOK: Final[dict[Cause, tuple[Advice, ...]]] = {
    Cause.POLICY: (_VERIFY,),
    Cause.POLICY_PARTLY: (_VERIFY,),
    Cause.POLICY_REJECTS: (_VERIFY,),
    Cause.POLICY_OR_SERVER: (_LISTENS, _READY, _SERVER_LOG),
    Cause.DNS_POLICY: (Advice(_VERIFY.what, _LOOK_UP),),
    Cause.DNS_SERVER: (_DNS_LOG, _RESOLVER, _OTHERS, _NODES),
    Cause.DNS_UNDECIDED: (_RESOLVER, _DNS_LOG),
    Cause.NO_SUCH_NAME: (_SERVICES, _RESOLVER),
    Cause.NAME_EXISTS: (_RESOLVER, _DNS_LOG),
    Cause.NO_SUCH_TARGET: (_SERVICES,),
    Cause.NO_SUCH_PORT: (
        Advice("which ports has the Service?", "kubectl -n {service_ns} get service {service} -o wide"),
    ),
    Cause.NO_BACKENDS: (
        Advice("whom does the Service select?", "kubectl -n {service_ns} get service {service} -o wide"),
        Advice("and who is there?", "kubectl -n {service_ns} get pods --show-labels"),
    ),
    Cause.NOT_RUNNING: (_READY, _ENDPOINTS, _SERVER_LOG),
    Cause.GONE: (
        Advice("who has which address?", "kubectl get pods -A -o wide"),
        Advice("connect by the Service's name: pods get other addresses when they are made anew"),
    ),
    Cause.LOOPBACK: (
        Advice("is the address of the server set? Many clients fall back to localhost where a variable is missing"),
        Advice("does a sidecar of this pod listen there?", "kubectl -n {source_ns} describe {source}"),
    ),
    Cause.NOT_LISTENING: (_LISTENS, _READY, _ENDPOINTS, _SERVER_LOG),
    Cause.CUT: (
        _SERVER_LOG,
        Advice(
            "does a mesh's proxy, or the server, expect TLS where the client speaks plain text, or the other way round?"
        ),
        Advice("idle connections are cut by load balancers and conntrack: keep-alives shorter than their timeout help"),
    ),
    Cause.NO_ROUTE: (
        _READY,
        Advice("a node's firewall that rejects (firewalld: icmp-host-prohibited), or a missing route between nodes"),
        _NODES,
    ),
    Cause.CONNECTED: (_SERVER_LOG,),
    Cause.LOST: (_TRY, _READY, _LISTENS, _OTHERS, _POLICY_LATER, _NODES),
    Cause.FORBIDDEN: (
        _TRY,
        Advice("the client's own node: its firewall's OUTPUT chain, a full conntrack table, a program in the kernel"),
        _OTHERS,
    ),
    Cause.PROBE: (_OWN_LOG, _OWN_PORT),
    Cause.PROBE_WAITS: (_KEEP, _OWN_LOG, _OWN_PORT),
    Cause.DECLARED: (_KEEP, Advice("one of them alone", "netpol-preflight explain --from {source} --to NAME:PORT")),
    Cause.UNDECIDED: (_TRY, _OTHERS),
    Cause.UNDECIDED_ANSWERED: (_LISTENS, _READY, _ENDPOINTS, _SERVER_LOG, _OTHERS),
}
_BY_POLICY: Final = frozenset({Cause.POLICY, Cause.POLICY_PARTLY, Cause.POLICY_REJECTS, Cause.POLICY_OR_SERVER})
_ASKS_CNI: Final = frozenset({Cause.LOST, Cause.DNS_SERVER, Cause.NO_ROUTE, Cause.FORBIDDEN, Cause.UNDECIDED})


def advice(diagnosis: Diagnosis) -> Iterator[Advice]:
    """Yield where to look, in the order in which it pays; names are quoted for the shell where they need it."""
    facts = dict(diagnosis.facts)
    quoted = {key: value if key == "udp" else shlex.quote(value) for key, value in facts.items()}
    for one in _several(diagnosis):
        if _fields(one) <= set(facts):
            yield Advice(one.what.format_map(facts), one.command.format_map(quoted) if one.command else None)


def _several(diagnosis: Diagnosis) -> list[Advice]:
    """Return the table's lines with the CNI's logs among them: after the server, before the nodes' own state."""
    if diagnosis.fault.caller is Caller.API_SERVER and diagnosis.cause in _BY_POLICY:
        return [_LET_IN]
    several = [*_LOOK[diagnosis.cause]]
    if diagnosis.cause in _ASKS_CNI:
        place = several.index(_NODES) if _NODES in several else len(several)
        several[place:place] = _cni_logs(diagnosis.enforcer)
    return several


def _cni_logs(enforcer: str) -> Iterator[Advice]:
    for name in (enforcer,) if enforcer in CNI_LOGS else _EITHER:
        what = "the CNI's log on both nodes" if name == enforcer else f"the CNI's log on both nodes, with {name}"
        yield Advice(what, CNI_LOGS[name])


def _fields(one: Advice) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(f"{one.what}{one.command or ''}") if name}

"""What a diagnosis says: tables from what the client saw and what explains it to sentences, and to where to look next.

A field in braces is a name that the diagnosis found out; a line whose names are not known is left out. The checklist is
the story's: the server, the policies, then the CNI's logs, stale rules and routes.

A field in braces is a word that the step carries.
"""

import shlex
from collections.abc import Iterator
from string import Formatter
from typing import Final

from msgspec import Struct

from webhook.diagnose.diagnosis import Cause, Diagnosis, State
from webhook.diagnose.error_kinds import Caller, Kind
from webhook.enforcers import ENFORCERS, REJECTING


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
    if diagnosis.failure.caller is Caller.API_SERVER and diagnosis.cause in _BY_POLICY:
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


_OF_THEM: Final = " and ".join(f"{title}'s" for title in REJECTING.values())
WORDS: Final = {  # what the client saw, and what that tells
    Kind.TIMED_OUT: ("timed out", "the first packet got no answer: it was dropped, or nobody is there"),
    Kind.REFUSED: (
        "refused",
        f"the packet was answered by no: policy drops without an answer, but for {_OF_THEM} rejections",
    ),
    Kind.RESET: ("reset", "there was a connection, and somebody cut it: policy drops without an answer"),
    Kind.NO_ROUTE: ("no route", "somebody on the way said that nobody is there: policy drops without an answer"),
    Kind.FORBIDDEN: (
        "not permitted",
        "the client's own host let no packet out: its firewall, or whoever enforces policy there",
    ),
    Kind.NO_SUCH_HOST: (
        "no such host",
        "the name was looked up and nobody has it; some clients also say so where DNS did not answer",
    ),
    Kind.LOOKUP_FAILED: ("look-up failed", "the DNS server gave no usable answer: the connection was never tried"),
    Kind.CONNECTED: ("connected", "packets went both ways, so that no policy is in the way"),
    Kind.UNCLEAR: ("gave up", "the text does not say whether the packet was dropped or the answer was slow"),
}
CLIENTS: Final = {Caller.KUBELET: "the kubelet", Caller.API_SERVER: "the API server"}
STATES: Final = {State.OK: ("ok", "good"), State.NOT_OK: ("not ok", "error"), State.UNKNOWN: ("unknown", "warning")}

STEPS: Final = {  # (step, says) -> sentence
    ("target", "exists"): "{name} is {what}",
    ("target", "stale"): "{name} is {what}, but nobody has {address}: the answer of an old look-up",
    ("target", "absent"): "no {what} `{name}` is here",
    ("target", "external"): "{name} is outside the cluster: what answers there is not known here",
    ("target", "outside"): "no pod, Service or node here has {address}: it is outside",
    ("target", "pod"): "{address} is pod {pod} of {kind} {workload}",
    ("target", "service"): "{address} is the cluster address of Service {service}",
    (
        "target",
        "loadBalancer",
    ): "{address} is an outside address of Service {service}: what policy sees depends on the CNI, mostly the pods "
    "behind it: select those",
    (
        "target",
        "node",
    ): "{address} is node {node}: a NodePort leads on to pods, and what policy sees depends on the CNI",
    ("target", "loopback"): "{what} is the pod itself: no packet leaves it, and no policy sees any",
    ("target", "gone"): "{address} is an address of pods, and no pod has it: the pod was replaced",
    ("target", "nobody"): "nobody here has {address}: files give pods no addresses, so name the target by `--to`",
    ("target", "unreadable"): "the target cannot be looked up",
    ("service", "translates"): "Service {service} sends {ports}",
    ("service", "noSuchPort"): "{service} has no port {port}; it has {has}",
    (
        "service",
        "unnamedPort",
    ): "no container of {workload} names a port `{target}`, so that port {port} of {service} leads nowhere",
    ("pods", "noBackends"): "Service {service} has no backends: connections are refused",
    ("pods", "notReady"): "{pods} of {workloads}, none of them a ready endpoint of Service {service}",
    ("pods", "run"): "{pods} of {workloads}",
    ("port", "declared"): "{workloads} declares {ports}",
    ("port", "undeclared"): "no container of {workload} declares {port}; it may listen all the same",
    ("dns", "answered"): "policy lets the look-up pass, and the server answered",
    ("dns", "resolved"): "the name was resolved: the client got as far as connecting",
    ("dns", "elsewhere"): "no DNS Service of the cluster is asked, or none is here",
    ("kubelet", "asks"): "the kubelet asks, from the pod's own node: policy does not hold that up",
    ("caller", "apiServer"): "the API server calls, from a node of the control plane: what counts is who gets in",
    ("egress", "clusterIp"): "{rule} opens {address}, the Service's own address: policy sees the pods behind it",
}
TAKEN: Final = {
    "declared": "nobody here has {address} (files give pods no addresses): taken to be {taken}, which is declared",
    "listens": "nobody here has {address} (files give pods no addresses): taken to be {taken}, alone with that port",
    "only": "the text names no target: taken to be {taken}, the only one declared",
}
CAUSES: Final = {
    Cause.POLICY: "{what} drops the packet: {sides}",
    Cause.POLICY_PARTLY: "{what} drops the packet on some paths: {sides}",
    Cause.POLICY_REJECTS: "{what}, which {cni} answers by a refusal: {sides}",
    Cause.POLICY_OR_SERVER: "something answered, so first the server; policy denies the connection too: {sides}",
    Cause.DNS_POLICY: "{what} drops the DNS look-up: {sides}",
    Cause.DNS_SERVER: "policy lets the look-up pass: the DNS server, or the way to it",
    Cause.DNS_UNDECIDED: "whether policy lets the look-up pass cannot be told",
    Cause.NO_SUCH_NAME: "nobody has that name",
    Cause.NAME_EXISTS: "the name is here: another search list, a cache, or asked too early",
    Cause.NO_SUCH_TARGET: "nobody of that name is here",
    Cause.NO_SUCH_PORT: "the Service has no such port",
    Cause.NO_BACKENDS: "nobody stands behind the Service",
    Cause.NOT_RUNNING: "no pod of it is ready",
    Cause.GONE: "the address is nobody's any more",
    Cause.LOOPBACK: "the client connects to its own pod, where nothing listens",
    Cause.NOT_LISTENING: "the server: nothing listens on that port, or it is not ready",
    Cause.CUT: "the other end, or something between, cut the connection",
    Cause.NO_ROUTE: "the way there: a dead address, a route or a node's firewall",
    Cause.CONNECTED: "the connection works: TLS, a password, or the server's own answer",
    Cause.LOST: "policy lets the packet pass, as far as it is known here: the way there, or the server itself",
    Cause.FORBIDDEN: "policy lets the packet pass, as far as it is known here: a firewall of the client's own node",
    Cause.PROBE: "the process itself: the kubelet asks from the pod's own node, which policy does not hold up",
    Cause.PROBE_WAITS: "policy does not hold up the kubelet; the process may wait for what policy denies it: {several}",
    Cause.DECLARED: "the text names no target; of what the workload needs, policy denies {several}",
    Cause.UNDECIDED: "whether policy lets the packet pass cannot be told: {reason}",
    Cause.UNDECIDED_ANSWERED: "something answered, so first the server; whether policy lets the packet pass cannot be "
    "told: {reason}",
}
INNOCENT: Final = "policy is innocent"
CLEARED: Final = frozenset(  # the causes that clear policy, where its verdict is not unknown
    {
        Cause.NO_SUCH_NAME,
        Cause.NAME_EXISTS,
        Cause.NO_SUCH_PORT,
        Cause.NO_BACKENDS,
        Cause.NOT_RUNNING,
        Cause.GONE,
        Cause.LOOPBACK,
        Cause.NOT_LISTENING,
        Cause.CUT,
        Cause.NO_ROUTE,
        Cause.CONNECTED,
    }
)
REJECTS: Final = "under {cni} a refusal may be policy's own answer"

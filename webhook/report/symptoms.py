"""What a diagnosis says: tables from what the client saw, what was found and what explains it to sentences.

A field in braces is a word that the step carries.
"""

from typing import Final

from webhook.explain.diagnosis import Cause, State
from webhook.explain.error_kinds import Caller, Kind

WORDS: Final = {  # what the client saw, and what that tells
    Kind.TIMED_OUT: ("timed out", "the first packet got no answer: it was dropped, or nobody is there"),
    Kind.REFUSED: (
        "refused",
        "the packet was answered by no: policy drops without an answer, but for kube-router's and Antrea's rejections",
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
    Cause.POLICY_REJECTS: "{what}, which kube-router answers by a refusal: {sides}",
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
REJECTING: Final = frozenset({"antrea", "kube-router"})
REJECTS: Final = "under {cni} a refusal may be policy's own answer"

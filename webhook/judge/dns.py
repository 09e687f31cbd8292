"""The look-up that every name needs first: who answers, and may this workload ask (design.md §4, DNS)."""

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct, structs

from webhook.dependencies import Resolved
from webhook.dependencies.addresses import at_address
from webhook.dependencies.services import Found, through_service
from webhook.evaluate import Flow, judge_outside, template_end
from webhook.judge.dependency import Judged, judge, judge_flow
from webhook.judge.dns_assumed import KUBE_DNS, LABEL, OPENSHIFT, PORT, assumed, assumption, elsewhere, on_another_port
from webhook.model.addresses import LINK_LOCAL, Address, Protocol, parse_address
from webhook.model.answers import CLOSED, FlowVerdict, Host, Verdict, together
from webhook.model.objects import Service, Workload
from webhook.model.refs import WorkloadRef
from webhook.world import Group, View

PROTOCOLS: Final[tuple[Protocol, ...]] = ("UDP", "TCP")
RESERVED: Final = ("kube-", "openshift-")  # namespaces that Kubernetes and OpenShift keep for themselves
NODE_LOCAL: Final = (WorkloadRef("DaemonSet", "kube-system", "node-local-dns"),)
NODE_LOCAL_ADDRESS: Final = parse_address("169.254.20.10")
NODES_OWN: Final = Host("the node's resolver")
_NODES_OWN: Final = "dnsPolicy Default asks the node's own resolver, whose address is not known"

CLAIMED: Final = "{name} is labelled as the cluster's DNS, too: --dns NAMESPACE/SERVICE says who answers"
_MOST_CLAIMED: Final = 8
_WORST_FIRST: Final = (Verdict.DENIED, Verdict.PARTIAL, Verdict.UNKNOWN, Verdict.ALLOWED)


class _Answer(Struct, frozen=True):
    """What becomes of the look-ups of one kind of server, by protocol."""

    text: str
    flows: Mapping[Protocol, tuple[FlowVerdict, ...]]
    verdict: Verdict
    reason: str | None = None
    assumptions: tuple[str, ...] = ()


def needs_dns(workload: Workload) -> bool:
    """Say whether look-ups of this workload go to the cluster's DNS."""
    template = workload.template
    if template.dns_policy == "ClusterFirst":
        return not template.pod_class.host_network  # there it falls back to the node's resolver
    return template.dns_policy == "ClusterFirstWithHostNet"


def judge_dns(view: View, workload: Workload, *, near: bool = True) -> Judged | None:
    """Judge the look-up once for a workload; None where nobody is known to answer, or policy is not about it.

    `near`: with near misses.
    """
    if needs_dns(workload):
        service = dns_service(view)
        if service is None and view.settings.dns.service and view.complete:
            return _not_here(view)
        answer = _of_cluster(view, workload, service, near=near)
        answer = answer and _or_others(view, workload, answer, near=near)
    elif workload.template.pod_class.host_network:
        return None
    else:
        of = _of_others if workload.template.nameservers else _of_node
        answer = of(view, workload, near=near)
    if answer is None:
        return None
    flows = tuple(flow for some in answer.flows.values() for flow in some)
    return Judged(
        f"{answer.text}:{PORT}/UDP",
        "annotation",
        answer.verdict,
        flows,
        answer.reason or _reason(flows, answer.verdict),
        (),
        answer.assumptions,
        by_name=False,
    )


def _of_cluster(view: View, workload: Workload, service: Service | None, *, near: bool) -> _Answer | None:
    """Judge the cluster's DNS; None: a cluster without any."""
    if service is None and view.complete and not view.dialect.dns.addresses:
        return None
    supposed = service is None and not view.complete
    where = f"{service.name}.{service.namespace}" if service else _of_assumed(view)
    flows = {p: _judge(view, workload, service, p, near=near) for p in PROTOCOLS}
    if not flows["UDP"]:
        return None
    several = node_local(view) or (supposed and len(assumed(view)) > 1)
    answer = _of_ways(where, flows, several=several)
    if not supposed:
        return answer
    claims = claimed(view)
    more = {
        p: (*flows[p], *(flow for one in claims for flow in _judge(view, workload, one, p, near=near)))
        for p in PROTOCOLS
    }
    if claims and (unsure := _of_ways(where, more, several=True)).verdict is Verdict.UNKNOWN:
        return structs.replace(unsure, assumptions=(assumption(view), CLAIMED.format(name=_full(claims[0]))))
    if answer.verdict is Verdict.DENIED:
        by_source = all(f.egress.verdict is Verdict.DENIED for f in flows["UDP"])
        if reason := (elsewhere if by_source else on_another_port)(view, template_end(view, workload)):
            answer = structs.replace(answer, verdict=Verdict.UNKNOWN, reason=reason)
    return structs.replace(answer, assumptions=(assumption(view),))


def _of_assumed(view: View) -> str:
    first = assumed(view)[0].ref
    return f"{first.name}.{first.namespace}"


def _of_ways(where: str, flows: Mapping[Protocol, tuple[FlowVerdict, ...]], *, several: bool) -> _Answer:
    """Sum up the ways that look-ups take. `several`: it is not known which of them."""
    verdict = _of_protocols({p: _of_paths(some, several=several) for p, some in flows.items() if some})
    every = [f for some in flows.values() for f in some]
    split = several and verdict is Verdict.UNKNOWN and all(f.verdict is not Verdict.UNKNOWN for f in every)
    return _Answer(where, flows, verdict, _either(every) if split else None)


def _or_others(view: View, workload: Workload, cluster: _Answer, *, near: bool) -> _Answer:
    """Where the cluster's DNS does not answer, those of dnsConfig are asked next."""
    if cluster.verdict is not Verdict.DENIED or not workload.template.nameservers:
        return cluster
    others = _of_others(view, workload, near=near)
    flows = {p: (*cluster.flows.get(p, ()), *others.flows.get(p, ())) for p in PROTOCOLS}
    verdict = together((cluster.verdict, others.verdict))
    return structs.replace(cluster, flows=flows, verdict=verdict, reason=others.reason)


def _of_others(view: View, workload: Workload, *, near: bool) -> _Answer:
    """Judge the name servers of dnsConfig: the next is asked where one does not answer."""
    servers = workload.template.nameservers
    found = {p: [at_address(view, workload, one, PORT, p) for one in servers] for p in PROTOCOLS}
    judged = {
        p: [judge(view, workload, Resolved("", "annotation", one), "dns", near=near) for one in found[p]]
        for p in PROTOCOLS
    }
    verdicts = {p: _in_turn([one.verdict for one in some]) for p, some in judged.items()}
    reason = next((one.reason for some in judged.values() for one in some if one.verdict is Verdict.UNKNOWN), None)
    flows = {p: tuple(flow for one in some for flow in one.flows) for p, some in judged.items()}
    return _Answer(found["UDP"][0].name, flows, _of_protocols(verdicts), reason)


def _in_turn(verdicts: list[Verdict]) -> Verdict:
    return Verdict.ALLOWED if verdicts[0] is Verdict.ALLOWED else together(verdicts)


def _of_node(view: View, workload: Workload, *, near: bool) -> _Answer:
    """Judge the node's own resolver: a server outside, or the node itself at an address of the link."""
    source = template_end(view, workload)
    flows = {
        p: tuple(judge_flow(view, workload, source, Flow(NODES_OWN, p, PORT), "dns", near=near)) for p in PROTOCOLS
    }
    verdicts = {}
    for protocol, some in flows.items():
        link = judge_outside(view, source, LINK_LOCAL[0], protocol, PORT)[0]
        seen = {*(flow.verdict for flow in some), link}
        verdicts[protocol] = seen.pop() if len(seen) == 1 else Verdict.UNKNOWN
    verdict = _of_protocols(verdicts)
    return _Answer(NODES_OWN.name, flows, verdict, _NODES_OWN if verdict is Verdict.UNKNOWN else None)


def _not_here(view: View) -> Judged:
    """What was configured is not found: another Service in its place would be a guess."""
    dns = view.settings.dns
    namespace = dns.namespace or "kube-system"
    why = f"the configured DNS Service {namespace}/{dns.service} is not here"
    return Judged(f"{dns.service}.{namespace}:{PORT}/UDP", "annotation", Verdict.UNKNOWN, reason=why, by_name=False)


def _of_protocols(verdicts: Mapping[Protocol, Verdict]) -> Verdict:
    """Answers come over UDP; without TCP the large ones, which are cut off there, fail."""
    udp, tcp = verdicts["UDP"], verdicts.get("TCP", Verdict.ALLOWED)
    if udp is Verdict.ALLOWED:
        return Verdict.PARTIAL if tcp in CLOSED else tcp
    return udp


def _reason(flows: Iterable[FlowVerdict], verdict: Verdict) -> str | None:
    if verdict is Verdict.ALLOWED:
        return None
    sides = [side for f in flows for side in (f.egress, f.ingress) if side.verdict is not Verdict.ALLOWED]
    return next((side.reason for side in sides if side.reason), None)


def _either(flows: Iterable[FlowVerdict]) -> str:
    """Say which of the ways that look-ups may take are open, and which are not."""
    worst: dict[str, int] = {}
    for flow in flows:
        name, rank = _named(flow), _WORST_FIRST.index(flow.verdict)
        worst[name] = min(rank, worst.get(name, rank))
    groups = ([name for name in worst if worst[name] == rank] for rank in range(len(_WORST_FIRST)))
    parts = [_which(some, _WORST_FIRST[worst[some[0]]]) for some in groups if some]
    return f"look-ups may go to {', or to '.join(parts)}"


def _which(names: list[str], verdict: Verdict) -> str:
    return f"{' or '.join(names)}, which {'is' if len(names) == 1 else 'are'} {verdict}"


def _named(flow: FlowVerdict) -> str:
    to = flow.to
    return to.short if isinstance(to, WorkloadRef) else str(to).removesuffix("/32").removesuffix("/128")


def dns_service(view: View) -> Service | None:
    """Return the Service that pods ask: the configured one, kube-dns, OpenShift's, or one that is labelled so.

    A label is believed in the namespaces that no tenant has: elsewhere anybody can write it.
    """
    dns = view.settings.dns
    if dns.service:
        return view.services.get(dns.namespace or KUBE_DNS[0], dns.service)
    usual = view.services.get(*KUBE_DNS) or _labelled(view, KUBE_DNS[:1]) or view.services.get(*OPENSHIFT)
    if usual is not None:
        return usual
    kept = (name for name in view.namespaces.names() if name.startswith(RESERVED) and name != KUBE_DNS[0])
    return next((found for name in kept if (found := _labelled(view, (name,)))), None)


def answering(view: View) -> tuple[Group, ...] | None:
    """Return the pods that answer the look-ups of all who ask the cluster's DNS; None: others may, too."""
    service = dns_service(view)
    if service is None or service.selector is None or not view.complete or node_local(view):
        return None
    return view.pods.behind(service) or None


def claimed(view: View) -> list[Service]:
    """Return the Services of other namespaces that are labelled as the cluster's DNS, where files do not show that."""
    if view.settings.dns.service:
        return []
    found = []
    for name in view.namespaces.names():
        services = [] if name.startswith(RESERVED) else list(view.services.within(name))
        view.budget.spend(1 + len(services))
        found += sorted(filter(_answers, services), key=_full)
    return found[:_MOST_CLAIMED]


def _full(service: Service) -> str:
    return f"{service.namespace}/{service.name}"


def _labelled(view: View, namespaces: Iterable[str]) -> Service | None:
    found = (service for name in namespaces for service in view.services.within(name) if _answers(service))
    return min(found, key=lambda service: service.name, default=None)


def _answers(service: Service) -> bool:
    return service.labels.get(LABEL[0]) == LABEL[1] and any(p.port == PORT for p in service.ports)


def _judge(
    view: View, workload: Workload, service: Service | None, protocol: Protocol, *, near: bool
) -> tuple[FlowVerdict, ...]:
    found = _found(view, workload, service, protocol)
    flows = list(judge(view, workload, Resolved("", "annotation", found), "dns", near=near).flows)
    source = template_end(view, workload)
    for address in _addresses(view, service, bool(flows)):
        flows += judge_flow(view, workload, source, Flow(address.block, protocol, PORT, PORT), "dns", near=near)
    return tuple(flows)


def _found(view: View, workload: Workload, service: Service | None, protocol: Protocol) -> Found:
    if service is not None:
        return through_service(view, service, PORT, protocol, workload.ref)
    if view.complete:
        return Found("nobody")
    flows = tuple(
        Flow(Group(one.ref, template=one), protocol, one.template.declares[0].number, PORT) for one in assumed(view)
    )
    return Found("kube-dns.kube-system", flows)


def _addresses(view: View, service: Service | None, answered: bool) -> tuple[Address, ...]:  # noqa: FBT001 - one of two
    """Return addresses of no pod that may be asked: of a cache on the node, or of a cloud where no pod answers."""
    if not answered:
        return view.dialect.dns.addresses
    return (*(service.cluster_ips if service else ()), NODE_LOCAL_ADDRESS) if node_local(view) else ()


def node_local(view: View) -> bool:
    """Say whether NodeLocal DNSCache runs: then it is not known which of its paths a look-up takes."""
    return any(view.workloads.get(ref) is not None or view.pods.of(ref) for ref in NODE_LOCAL)


def _of_paths(flows: Iterable[FlowVerdict], *, several: bool) -> Verdict:
    """Sum up one protocol. `several`: it is not known which way is taken, so that only what all agree on is sure."""
    verdicts = [f.verdict for f in flows]
    if not several:
        return together(verdicts)
    return verdicts[0] if len(set(verdicts)) == 1 else Verdict.UNKNOWN

"""The look-up that every name needs first: who answers, and may this workload ask (design.md §4, DNS)."""

from collections.abc import Iterable
from typing import Final

from webhook.dependencies import Resolved
from webhook.dependencies.services import through_service
from webhook.dependencies.targets import Found
from webhook.evaluate import Flow, template_end
from webhook.explain.judge import Judged, judge, judge_flow
from webhook.model.addresses import Address, parse_address
from webhook.model.labels import Labels
from webhook.model.objects import Service, Shape, Template, Workload
from webhook.model.ports import ContainerPort, Protocol
from webhook.model.refs import WorkloadRef
from webhook.model.verdict import FlowVerdict, Verdict, together
from webhook.world import Group, View

PORT: Final = 53
PROTOCOLS: Final[tuple[Protocol, ...]] = ("UDP", "TCP")
CANDIDATES: Final = (("kube-system", "kube-dns"), ("openshift-dns", "dns-default"))
LABEL: Final = ("k8s-app", "kube-dns")
NODE_LOCAL: Final = (WorkloadRef("DaemonSet", "kube-system", "node-local-dns"),)
NODE_LOCAL_ADDRESS: Final = parse_address("169.254.20.10")
ASSUMED: Final = "kube-dns in kube-system on port 53 is assumed: no DNS Service is given"
_PORTS = (ContainerPort(PORT, "UDP", "dns"), ContainerPort(PORT, "TCP", "dns-tcp"))
ASSUMED_DNS: Final = Workload(
    WorkloadRef("Deployment", "kube-system", "kube-dns"),
    Template(Shape("kube-system", Labels((LABEL,)), _PORTS, template=True), _PORTS),
)


ASSUMED_OPENSHIFT_DNS: Final = Workload(
    WorkloadRef("DaemonSet", "openshift-dns", "dns-default"),
    Template(
        Shape(
            "openshift-dns",
            Labels({"dns.operator.openshift.io/daemonset-dns": "default"}),
            (ContainerPort(5353, "UDP", "dns"), ContainerPort(5353, "TCP", "dns-tcp")),
            template=True,
        )
    ),
)
OPENSHIFT_PORT: Final = 5353
EITHER: Final = "kube-dns on port 53, or OpenShift's dns-default on port 5353, is assumed: no DNS Service is given"


def needs_dns(workload: Workload) -> bool:
    """Say whether look-ups of this workload go to the cluster's DNS."""
    template = workload.template
    if template.dns_policy == "ClusterFirst":
        return not template.shape.host_network  # there it falls back to the node's resolver
    return template.dns_policy == "ClusterFirstWithHostNet"


def judge_dns(view: View, workload: Workload) -> Judged | None:
    """Judge the look-up once for a workload; None where it needs none, or where nobody is known to answer."""
    if not needs_dns(workload):
        return None
    service = dns_service(view)
    if service is None and view.settings.dns.service:
        return _not_here(view)
    if service is None and view.complete and not view.dialect.dns_addresses:
        return None
    where = f"{service.name}.{service.namespace}" if service else "kube-dns.kube-system"
    assumptions = () if service or view.complete else (EITHER if view.dialect.openshift else ASSUMED,)
    answers = {p: _judge(view, workload, service, p) for p in PROTOCOLS}
    flows = tuple(f for some in answers.values() for f in some)
    if not answers["UDP"]:
        return None
    verdicts = {p: _of_paths(view, some) for p, some in answers.items() if some}
    verdict = _joined(verdicts["UDP"], verdicts.get("TCP", Verdict.ALLOWED))
    reason = _reason(flows, verdict)
    return Judged(f"{where}:{PORT}/UDP", "annotation", verdict, flows, reason, (), assumptions, by_name=False)


def _not_here(view: View) -> Judged:
    """What was configured is not found: another Service in its place would be a guess."""
    dns = view.settings.dns
    namespace = dns.namespace or "kube-system"
    why = f"the configured DNS Service {namespace}/{dns.service} is not here"
    return Judged(f"{dns.service}.{namespace}:{PORT}/UDP", "annotation", Verdict.UNKNOWN, reason=why, by_name=False)


def _joined(udp: Verdict, tcp: Verdict) -> Verdict:
    """Answers come over UDP; without TCP the large ones, which are cut off there, fail."""
    if udp is Verdict.ALLOWED:
        return Verdict.PARTIAL if tcp in (Verdict.DENIED, Verdict.PARTIAL) else tcp
    return udp


def _reason(flows: Iterable[FlowVerdict], verdict: Verdict) -> str | None:
    if verdict is Verdict.ALLOWED:
        return None
    sides = [side for f in flows for side in (f.egress, f.ingress) if side.verdict is not Verdict.ALLOWED]
    return next((side.reason for side in sides if side.reason), None)


def dns_service(view: View) -> Service | None:
    """Return the Service that pods ask: the configured one, kube-dns, OpenShift's, or one that is labelled so."""
    dns = view.settings.dns
    named = ((dns.namespace or "kube-system", dns.service),) if dns.service else CANDIDATES
    for namespace, name in named:
        if (service := view.service(namespace, name)) is not None:
            return service
    if dns.service:
        return None
    labelled = (s for n in ("kube-system", *view.namespaces()) for s in view.services(n) if _answers(s))
    return min(labelled, key=lambda s: (s.namespace != "kube-system", s.namespace, s.name), default=None)


def _answers(service: Service) -> bool:
    return service.labels.get(LABEL[0]) == LABEL[1] and any(p.port == PORT for p in service.ports)


def _judge(view: View, workload: Workload, service: Service | None, protocol: Protocol) -> tuple[FlowVerdict, ...]:
    found = _found(view, workload, service, protocol)
    flows = list(judge(view, workload, Resolved("", "annotation", found), "dns").flows)
    source = template_end(view, workload)
    for address in _addresses(view, service, bool(flows)):
        flows += judge_flow(view, workload, source, Flow(address.block, protocol, PORT, PORT), "dns")
    return tuple(flows)


def _found(view: View, workload: Workload, service: Service | None, protocol: Protocol) -> Found:
    if service is not None:
        return through_service(view, service, PORT, protocol, workload.ref)
    if view.complete:
        return Found("nobody")
    assumed = [(ASSUMED_DNS, PORT), *([(ASSUMED_OPENSHIFT_DNS, OPENSHIFT_PORT)] if view.dialect.openshift else [])]
    flows = tuple(Flow(Group(one.ref, template=one), protocol, port, PORT) for one, port in assumed)
    return Found("kube-dns.kube-system", flows)


def _addresses(view: View, service: Service | None, answered: bool) -> tuple[Address, ...]:  # noqa: FBT001 - one of two
    """Return addresses of no pod that may be asked: of a cache on the node, or of a cloud where no pod answers."""
    if not answered:
        return view.dialect.dns_addresses
    return (*(service.cluster_ips if service else ()), NODE_LOCAL_ADDRESS) if node_local(view) else ()


def node_local(view: View) -> bool:
    """Say whether NodeLocal DNSCache runs: then it is not known which of its paths a look-up takes."""
    return any(view.workload(ref) is not None or view.pods_of(ref) for ref in NODE_LOCAL)


def _of_paths(view: View, flows: Iterable[FlowVerdict]) -> Verdict:
    verdicts = [f.verdict for f in flows]
    assumed = dns_service(view) is None and not view.complete and view.dialect.openshift
    if not node_local(view) and not assumed:
        return together(verdicts)
    return verdicts[0] if len(set(verdicts)) == 1 else Verdict.UNKNOWN

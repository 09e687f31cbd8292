"""Who has to reach a workload, judged: declared ways in, clients of a LoadBalancer, and the API server.

Under externalTrafficPolicy Cluster the packets of other nodes come from those nodes' addresses; under Local a client's
own address stays (`k8s.io/api/core/v1` ServiceExternalTrafficPolicy). Those of an internal load balancer are private.

Which Service is called is written in webhook configurations, APIServices and CRDs, which are read in files; a container
that names its port so says it, too.
"""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct, structs

from webhook.dependencies.apiserver import control_plane_nodes
from webhook.dependencies.container_ports import named
from webhook.dependencies.inbound import Path, exposed_ports, inbound
from webhook.evaluate import Outside, PodEnd, judge_side
from webhook.evaluate.connection import ALL_ADDRESSES
from webhook.evaluate.coverage import POD_RANGES
from webhook.judge.dependency import Judged, judge
from webhook.model.addresses import Block, Protocol
from webhook.model.answers import CLOSED, OPEN, FlowVerdict, Side, Source, Verdict, together
from webhook.model.inbound import Call
from webhook.model.objects import PodClass, Service, Workload
from webhook.model.policy import Direction
from webhook.model.refs import WorkloadRef
from webhook.model.truth import Truth
from webhook.world import View


class Way(Struct, frozen=True):
    """A declared way in. `judged`: one for each kind of pod that sends; `verdict` sums them up.

    DENIED, or PARTIAL for some of its paths, only where that is so of everybody who may be the one that sends.
    """

    path: Path
    judged: tuple[tuple[Workload, Judged], ...]
    verdict: Verdict

    @property
    def senders(self) -> tuple[WorkloadRef, ...]:
        """Who sends, or may be the one that does."""
        return tuple(dict.fromkeys(sender.ref for sender, _ in self.judged))


def judge_inbound(view: View, workload: Workload, *, near: bool = True) -> Iterator[Way]:
    """Judge the ways in to the pods that a workload's template makes. `view` has the workload, without any pods."""
    for path in inbound(view, workload):
        judged = tuple((sender, judge(view, sender, path.to, near=near)) for sender in path.sources)
        yield Way(path, judged, _together(path, [one for _, one in judged]))


def _together(path: Path, judged: list[Judged]) -> Verdict:
    verdicts = {_of_ports(one) if path.tried else one.verdict for one in judged}
    if Verdict.ALLOWED in verdicts:
        return Verdict.ALLOWED
    for least in (Verdict.UNKNOWN, Verdict.PARTIAL):
        if least in verdicts:
            return least
    return Verdict.DENIED


def _of_ports(one: Judged) -> Verdict:
    """Sum up ports of which any may be the one that is meant: closed only where all are."""
    verdicts = {flow.verdict for flow in one.flows}
    if len(verdicts) == 1:
        return next(iter(verdicts))
    return Verdict.ALLOWED if Verdict.ALLOWED in verdicts else Verdict.UNKNOWN


def closed_part(one: Judged) -> Judged:
    """Return an answer with no more than what does not pass."""
    return structs.replace(one, flows=tuple(flow for flow in one.flows if flow.verdict in CLOSED))


NOBODY_PRIVATE: Final = "let the addresses of its private network in on port {port}, its clients' and its nodes'"
NOBODY: Final = "let its clients' addresses in on port {port}, with externalTrafficPolicy: Local, so that they are seen"
AS_NODES: Final = (
    "set externalTrafficPolicy: Local, or let the nodes in on port {port}: under Cluster packets have their addresses"
)
PRIVATE: Final = "nodes are not given: they are assumed to have private addresses"


class Unreached(Struct, frozen=True):
    """A port of pods that nobody outside gets to through a LoadBalancer Service, and what to do."""

    service: Service
    judged: Judged
    remedy: str


def judge_balanced(view: View, workload: Workload) -> Iterator[Unreached]:
    """Yield the ports behind LoadBalancer Services that are shut to all addresses, or to those of nodes."""
    pod_class = workload.template.pod_class
    if pod_class.host_network or workload.owner is not None:
        return
    for service in view.services.selecting(pod_class):
        for port in service.ports if service.balanced else ():
            target = port.target if port.target is not None else port.port
            number = named(workload.template.declares, target, port.protocol) if isinstance(target, str) else target
            found = None if number is None else _shut(view, workload, service, port.protocol, number)
            if number is not None and found is not None:
                side, remedy = found
                notes = (PRIVATE,) if remedy is AS_NODES and not [*view.nodes.every()] else ()
                flow = FlowVerdict(workload.ref, 0, port.protocol, number, port.port, Verdict.DENIED, OPEN, side)
                text = f"{service.name}.{service.namespace}:{port.port}/{port.protocol}"
                yield Unreached(
                    service,
                    Judged(text, "inbound", Verdict.DENIED, (flow,), assumptions=notes, by_name=False),
                    remedy.format(port=number),
                )


def _shut(view: View, workload: Workload, service: Service, protocol: Protocol, port: int) -> tuple[Side, str] | None:
    """Return what shuts a port, and the remedy; None: somebody may get in."""
    families = service.families or view.families()
    nodes = [address.block for node in view.nodes.every() for address in node.addresses]
    ranges = [block for block in POD_RANGES if block.family in families]
    everybody = [*ranges, *nodes] if service.internal else [ALL_ADDRESSES[family] for family in families]
    if (side := _denied(view, workload, everybody, protocol, port)) is not None:
        return side, NOBODY_PRIVATE if service.internal else NOBODY
    if service.external_local or view.dialect.blocks.nodes is not Truth.YES:
        return None
    side = _denied(view, workload, nodes or ranges, protocol, port)
    return (side, AS_NODES) if side is not None else None


def _denied(view: View, workload: Workload, sources: list[Block], protocol: Protocol, port: int) -> Side | None:
    """Return the answer for packets from other nodes, where it is that none of these addresses gets in."""
    end = PodEnd(workload.template.pod_class, node="elsewhere")
    sides = [judge_side(view, Direction.INGRESS, end, Outside(one), one.family, protocol, port) for one in sources]
    return sides[0] if sides and all(side.verdict is Verdict.DENIED for side in sides) else None


NOT_KNOWN: Final = "which addresses the API server calls from is not known"
PORTS: Final = frozenset({"admission", "https-webhook", "webhook", "webhook-api", "webhook-server", "webhooks"})
_HTTPS: Final = 443  # `port` of a ServiceReference (admissionregistration.k8s.io/v1), where it says none
NO_FIX: Final = "let in the control plane, {addresses}, on port {port}"
NO_FIX_BY_PLACE: Final = "let in entities kube-apiserver and remote-node on port {port} by a {kind}"


def judge_hooks(view: View, workload: Workload) -> Iterator[tuple[int, str, Judged]]:
    """Yield the ports that the API server calls and that no address of the control plane gets to, and who says so."""
    pod_class = workload.template.pod_class
    if pod_class.host_network or workload.owner is not None:
        return
    said: dict[int, tuple[str, Source]] = {}
    for number, by in _by_declaration(view, workload):
        said.setdefault(number, (by, "inbound"))
    for number, by in _by_name(view, workload):
        said.setdefault(number, (by, "inferred"))
    for number, (by, source) in said.items():
        side = from_api_server(view, pod_class, number)
        if side is not None and side.verdict is Verdict.DENIED:
            yield number, by, _judged(workload.ref, number, side, source)


def _by_declaration(view: View, workload: Workload) -> Iterator[tuple[int, str]]:
    """Yield the ports of pods behind the Services that webhook configurations, APIServices and CRDs name."""
    for service in view.services.selecting(workload.template.pod_class):
        for one in view.inbound.sending_to(service.namespace, service.name):
            if not isinstance(one, Call):
                continue
            for port in exposed_ports(service, one.backends):
                target = port.target if port.target is not None else port.port
                number = named(workload.template.declares, target, "TCP") if isinstance(target, str) else target
                if number is not None:
                    yield number, f"{one.kind} {one.name}"


def _by_name(view: View, workload: Workload) -> Iterator[tuple[int, str]]:
    """Yield the ports that are named as webhooks', where Services lead to them as the API server dials: on 443.

    Others receive webhooks of others (a forge's, a registry's), which are no business of the API server.
    """
    services = view.services.selecting(workload.template.pod_class)
    targets = [p.target if p.target is not None else p.port for s in services for p in s.ports if p.port == _HTTPS]
    for port in workload.template.declares:
        dialled = not services or port.name in targets or port.number in targets
        if port.name in PORTS and port.protocol == "TCP" and dialled:
            yield port.number, f"its port `{port.name}` is a webhook's"


def from_api_server(view: View, pod_class: PodClass, port: int) -> Side | None:
    """Judge the way in for the API server; None: it is on the only node, whose pods it always reaches.

    Where no address of the control plane is known, any may be its own: denied only where all are.
    """
    callers = sorted(set(control_plane(view))) or [ALL_ADDRESSES[family] for family in view.families()]
    here = _elsewhere(view, callers)
    if not here:
        return None
    end = PodEnd(pod_class, node=here)
    sides = [judge_side(view, Direction.INGRESS, end, Outside(one), one.family, "TCP", port) for one in callers]
    verdict = together(side.verdict for side in sides)
    worst = next((side for side in sides if side.verdict is verdict), sides[0])
    if verdict is Verdict.PARTIAL or worst.verdict is not verdict:
        return structs.replace(worst, verdict=Verdict.UNKNOWN, reason=NOT_KNOWN)
    return worst


def _elsewhere(view: View, callers: list[Block]) -> str:
    """Return a node that the API server is not on; empty: there is none. Files need not hold every node."""
    nodes = list(view.nodes.every())
    apart = [node.name for node in nodes if not any(address.block in callers for address in node.addresses)]
    return min(apart, default="" if nodes and view.complete else "elsewhere")


def control_plane(view: View) -> Iterator[Block]:
    """Yield the addresses that the API server calls from, as far as they are known."""
    kubernetes = view.services.get("default", "kubernetes")
    for address, _, _ in view.services.endpoints(kubernetes) if kubernetes else ():
        yield address.block
    yield from control_plane_nodes(view)


def remedy(view: View, port: int) -> str:
    """Return what lets the API server in."""
    kind = view.dialect.own.kind
    if view.dialect.blocks.nodes is Truth.NO and kind:
        return NO_FIX_BY_PLACE.format(port=port, kind=kind)
    addresses = ", ".join(str(block) for block in sorted(set(control_plane(view)))[:3])
    return NO_FIX.format(addresses=addresses or "by the addresses of its nodes", port=port)


def _judged(ref: WorkloadRef, port: int, ingress: Side, source: Source) -> Judged:
    flow = FlowVerdict(ref, 0, "TCP", port, None, Verdict.DENIED, OPEN, ingress)
    text = f"{ref.name}.{ref.namespace}:{port}/TCP"
    return Judged(text, source, Verdict.DENIED, (flow,), by_name=False)

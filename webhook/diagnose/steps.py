"""The steps of a diagnosis: does the target exist, run and listen, may packets pass, and whose error is it."""

from collections.abc import Iterable, Iterator
from itertools import product

from msgspec import structs

from webhook.dependencies import Missing
from webhook.diagnose.diagnosis import Facts, State, Step, Target, Whose
from webhook.diagnose.error_kinds import LOOKUPS, Caller, Kind
from webhook.diagnose.errors import ConnectionFailure
from webhook.evaluate import judge_outside, template_end
from webhook.judge.dependency import Judged
from webhook.judge.explanation import Explanation
from webhook.judge.inbound import from_api_server
from webhook.judge.workload import judge_workload
from webhook.model.addresses import Block
from webhook.model.answers import CLOSED, OPEN, Destination, FlowVerdict, Host, Side, Verdict, together
from webhook.model.objects import PodClass, Service, Workload
from webhook.model.policy import BlockPeer
from webhook.model.refs import PolicyRef, WorkloadRef
from webhook.world import Group, View


def suspects(view: View, workload: Workload) -> tuple[Judged, ...]:
    """Return what a workload needs and policy denies, the DNS look-up included."""
    if not view.enforcer.enforces:
        return ()
    found = judge_workload(view, workload)
    every = (*found.dependencies, *((found.dns,) if found.dns else ()))
    return tuple(one for one in every if one.verdict in CLOSED)


def called_by_api_server(view: View, found: Explanation) -> Explanation:
    """Return an explanation with the API server as the client: from a node, that no egress policy holds up."""
    if found.judged is None or not found.flows:
        return found
    flows = tuple(new for flow in found.flows for new in _called(view, flow))
    verdict = together(flow.verdict for flow in flows) if view.enforcer.enforces else Verdict.ALLOWED
    reason = next((flow.ingress.reason for flow in flows if flow.ingress.reason), None)
    judged = structs.replace(found.judged, flows=flows, verdict=verdict, by_name=False)
    return structs.replace(found, flows=flows, verdict=verdict, reason=reason, judged=judged, dns=None)


def _called(view: View, flow: FlowVerdict) -> Iterator[FlowVerdict]:
    pod_classes = tuple(_pod_classes(view, flow.to)) if isinstance(flow.to, WorkloadRef) else ()
    for pod_class in pod_classes:
        side = None if pod_class.host_network else from_api_server(view, pod_class, flow.port)
        side = side or OPEN
        yield structs.replace(flow, verdict=side.verdict, egress=OPEN, ingress=side)
    if not pod_classes:
        yield structs.replace(flow, verdict=Verdict.ALLOWED, egress=OPEN, ingress=OPEN)


def _pod_classes(view: View, ref: WorkloadRef) -> Iterator[PodClass]:
    pods, known = view.pods.of(ref), view.workloads.get(ref)
    if pods:
        yield from dict.fromkeys(pod.pod_class for pod in pods)
    elif known is not None:
        yield known.template.pod_class


_OF_VERDICT = {
    Verdict.ALLOWED: State.OK,
    Verdict.DENIED: State.NOT_OK,
    Verdict.PARTIAL: State.NOT_OK,
    Verdict.UNKNOWN: State.UNKNOWN,
}
_STATE_OF = {
    Whose.POD: State.OK,
    Whose.SERVICE: State.OK,
    Whose.LOOPBACK: State.NOT_OK,
    Whose.GONE: State.NOT_OK,
}


def walk(
    view: View,
    workload: Workload,
    failure: ConnectionFailure,
    target: Target,
    found: Explanation | None,
    dns: Judged | None,
) -> Iterator[Step]:
    """Yield one step after the other, outermost first. `dns`: the look-up, where one was needed."""
    if target.whose is not Whose.NONE:
        yield _target(view, target, found)
    if found is not None and found.judged is not None and failure.kind not in LOOKUPS:
        missing = found.judged.missing
        yield from _service(found, missing)
        yield from _pods(view, found, missing)
        yield from _port(found)
    if failure.caller is Caller.API_SERVER and found is not None:
        yield Step("caller", State.OK, "apiServer")
        if found.flows:
            yield Step("ingress", _sides(f.ingress for f in found.flows), "side")
        return
    yield from _dns(failure, found, dns)
    if found is not None and found.flows and failure.kind not in LOOKUPS:
        yield Step("egress", _sides(f.egress for f in found.flows), "side")
        yield from _opened_in_vain(view, workload, found)
        if any(isinstance(f.to, WorkloadRef) for f in found.flows):
            yield Step("ingress", _sides(f.ingress for f in found.flows), "side")


def missing_facts(missing: Iterable[Missing], what: str) -> Facts | None:
    """Return what is said of one kind of absence, None where nothing of it is."""
    return next((m.facts for m in missing if m.what == what), None)


def _target(view: View, target: Target, found: Explanation | None) -> Step:
    if target.whose is not Whose.NAMED:
        return Step("target", _STATE_OF.get(target.whose, State.UNKNOWN), target.whose.value, target.facts)
    judged = found.judged if found else None
    if found is None or judged is None:
        return Step("target", State.UNKNOWN, "unreadable")
    absent = missing_facts(judged.missing, "NP201")
    if absent is not None:
        return Step("target", State.NOT_OK if view.complete else State.UNKNOWN, "absent", absent)
    name = judged.text.rpartition(":")[0]
    if any(isinstance(f.to, Host) for f in found.flows):
        return Step("target", State.UNKNOWN, "external", (("name", name),))
    if any(isinstance(f.to, Block) for f in found.flows) and found.service is None:
        return Step("target", State.UNKNOWN, "outside", (("address", name),))
    what = f"Service {found.service.namespace}/{found.service.name}" if found.service else _ends(found.flows)
    facts = (("name", name), ("what", what))
    if stale := dict(target.facts).get("stale"):
        return Step("target", State.NOT_OK, "stale", (*facts, ("address", stale)))
    return Step("target", State.OK, "exists", facts)


def _ends(flows: Iterable[FlowVerdict]) -> str:
    refs = dict.fromkeys(f.to for f in flows if isinstance(f.to, WorkloadRef))
    return ", ".join(map(_named, refs))


def _named(ref: WorkloadRef) -> str:
    return f"{ref.kind} {ref.short}"


def _service(found: Explanation, missing: tuple[Missing, ...]) -> Iterator[Step]:
    if (facts := missing_facts(missing, "NP202")) is not None:
        yield Step("service", State.NOT_OK, "noSuchPort", facts)
    elif found.service is not None:
        nowhere = [m.facts for m in missing if m.what == "NP203" and "target" in dict(m.facts)]
        if nowhere:
            yield Step("service", State.NOT_OK, "unnamedPort", nowhere[0])
        elif any(f.service_port is not None for f in found.flows):
            facts = (
                ("service", f"{found.service.namespace}/{found.service.name}"),
                ("ports", _translated(found.flows)),
            )
            yield Step("service", State.OK, "translates", facts)


def _translated(flows: Iterable[FlowVerdict]) -> str:
    """Return `80 -> 8080/TCP` for each port."""
    return ", ".join(dict.fromkeys(f"{f.service_port} -> {f.port}/{f.protocol}" for f in flows))


def _pods(view: View, found: Explanation, missing: tuple[Missing, ...]) -> Iterator[Step]:
    if (facts := missing_facts(missing, "NP204")) is not None:
        yield Step("pods", State.NOT_OK, "noBackends", facts)
        return
    counts: dict[WorkloadRef, dict[int, int]] = {}
    for flow in found.flows:
        if isinstance(flow.to, WorkloadRef):
            ports = counts.setdefault(flow.to, {})
            ports[flow.port] = ports.get(flow.port, 0) + flow.pods
    if not counts:
        return
    total = sum(max(ports.values()) for ports in counts.values())
    facts = (("pods", str(total)), ("workloads", ", ".join(ref.short for ref in counts)))
    if total and found.service is not None and _unready(view, found.service):
        yield Step("pods", State.NOT_OK, "notReady", (*facts, ("service", found.service.name)))
    elif total:
        yield Step("pods", State.OK, "run", facts)
    else:
        yield Step("pods", State.NOT_OK if view.complete else State.UNKNOWN, "template", facts)


def _unready(view: View, service: Service) -> bool:
    """Say whether no endpoint of it is ready; only a cluster always has EndpointSlices."""
    return view.complete and service.selector is not None and not view.services.endpoints(service)


def _port(found: Explanation) -> Iterator[Step]:
    arrives = dict.fromkeys(f"{f.port}/{f.protocol}" for f in found.flows if isinstance(f.to, WorkloadRef) and f.port)
    if not arrives:
        return
    resolved = found.judged.resolved if found.judged else None
    for flow in resolved.found.flows if resolved else ():
        if not flow.declared and isinstance(flow.to, Group):
            facts = (("workload", _named(flow.to.ref)), ("port", f"{flow.port}/{flow.protocol}"))
            yield Step("port", State.UNKNOWN, "undeclared", facts)
            return
    yield Step("port", State.OK, "declared", (("ports", ", ".join(arrives)), ("workloads", _ends(found.flows))))


def _dns(failure: ConnectionFailure, found: Explanation | None, dns: Judged | None) -> Iterator[Step]:
    if failure.kind in LOOKUPS:
        if failure.kind is Kind.NO_SUCH_HOST and dns is not None and dns.verdict is Verdict.ALLOWED:
            yield Step("dns", State.OK, "answered")
        elif dns is None:
            yield Step("dns", State.UNKNOWN, "elsewhere")
        else:
            yield Step("dns", _OF_VERDICT[dns.verdict], "lookup")
    elif found is not None and found.dns is not None:
        if failure.kind is Kind.UNCLEAR:
            yield Step("dns", _OF_VERDICT[found.dns.verdict], "lookup")
        else:
            yield Step("dns", State.OK, "resolved")


def _opened_in_vain(view: View, workload: Workload, found: Explanation) -> Iterator[Step]:
    """A rule for the Service's own address opens nothing: policy sees the pods behind it.

    Where its block holds what is behind it, too, the address is right: a near miss says of the port that it is not,
    or a symptom why the enforcer does not see that address in the block.
    """
    if found.service is None:
        return
    source = template_end(view, workload)
    for flow, address in product(found.flows, found.service.cluster_ips):
        shut = flow.egress.verdict is Verdict.DENIED and flow.egress.denied_by is None and not flow.egress.final
        if shut and flow.service_port is not None:
            port = (flow.protocol, flow.service_port)
            _, side, _ = judge_outside(view, source, address.block, *port)
            behind = judge_outside(view, source, flow.to, *port)[0] if isinstance(flow.to, Block) else Verdict.DENIED
            opens = side.admitted_by if side.verdict is Verdict.ALLOWED and behind is not Verdict.ALLOWED else None
            if opens is not None and not _written(view, opens, flow.to):
                rule = f"{opens.titled} egress[{opens.rule}]"
                yield Step("egress", State.NOT_OK, "clusterIp", (("rule", rule), ("address", str(address))))
                return


def _written(view: View, ref: PolicyRef, to: Destination) -> bool:
    """Say whether a block of a NetworkPolicy's rule holds an address, as it is written."""
    policy = view.policies.named(ref.namespace or "").get(ref.at(None))
    rules = [rule for rule in policy.egress if rule.index == ref.rule] if policy is not None else []
    blocks = [peer for rule in rules for peer in rule.peers or () if isinstance(peer, BlockPeer)]
    return isinstance(to, Block) and any(
        one.block.covers(to) and not any(part.covers(to) for part in one.excepts) for one in blocks
    )


def _sides(sides: Iterable[Side]) -> State:
    return _OF_VERDICT[together(side.verdict for side in sides)]

"""One verdict step by step: what `netpol-preflight explain` shows."""

from msgspec import Struct

from webhook.dependencies import parse, resolve
from webhook.evaluate import ends_of_pod, template_end
from webhook.evaluate.translation import Member, mesh_of
from webhook.judge.dependency import Judged, judge
from webhook.judge.dns import judge_dns
from webhook.judge.symptoms import symptoms
from webhook.model.addresses import Address
from webhook.model.answers import Dependency, FlowVerdict, Malformed, NameTarget, Verdict
from webhook.model.objects import Service, Workload
from webhook.model.refs import WorkloadRef
from webhook.model.settings import UNRECOGNISED
from webhook.world import View

NOT_ENFORCED = "nothing enforces policy here"
NOT_RECOGNISED = "who enforces policy here is not recognised: the API's own semantics are assumed"
AUTHORISATION = "{mesh} may deny what policy lets pass: the authorisation policies of the mesh are not read"
DNS_DENIED = "DNS look-ups are denied, so the name cannot be resolved"


class Explanation(Struct, frozen=True):
    """A dependency's verdict with its flows, and the look-up before them where a name is used."""

    source: WorkloadRef
    dependency: str
    verdict: Verdict
    flows: tuple[FlowVerdict, ...]
    reason: str | None = None
    assumptions: tuple[str, ...] = ()
    judged: Judged | None = None
    dns: Judged | None = None
    malformed: Malformed | None = None
    service: Service | None = None  # which the client dials; policy sees what is behind it


def enforcer_notes(view: View) -> tuple[str, ...]:
    """Return what an answer assumes of who enforces it."""
    return (*view.dialect.certainty.notes, *_unsure(view))


def _unsure(view: View) -> tuple[str, ...]:
    enforcer = view.enforcer
    if enforcer.decisive or not enforcer.enforces:
        return ()
    if enforcer == UNRECOGNISED:
        return (NOT_RECOGNISED,)
    if enforcer.why:
        return (f"{enforcer.why}: nothing rejects",)
    return (f"{enforcer.name} departs from the API's own semantics in places: those are assumed, and nothing rejects",)


def explain(view: View, workload: Workload, text: str) -> Explanation:
    """Explain the first item of `text`, written as in the annotation. A malformed one is unknown and says why."""
    items = parse(text)
    if not items or isinstance(items[0], Malformed):
        bad = items[0] if items and isinstance(items[0], Malformed) else Malformed(1, "", "a dependency")
        return Explanation(workload.ref, bad.item, Verdict.UNKNOWN, (), f"expected {bad.expected}", malformed=bad)
    judged = judge(view, workload, resolve(view, workload, items[0]))
    dns = judge_dns(view, workload) if judged.by_name else None
    verdict, reason = judged.verdict, judged.reason
    if dns is not None and dns.verdict is Verdict.DENIED and judged.flows:
        verdict, reason = Verdict.DENIED, DNS_DENIED
    if dns is not None and dns.verdict is Verdict.UNKNOWN and verdict is Verdict.ALLOWED:
        verdict, reason = Verdict.UNKNOWN, f"DNS look-ups cannot be judged: {dns.reason}"
    if not view.enforcer.enforces and verdict is not Verdict.ALLOWED and _by_policy(judged, verdict):
        verdict, reason = Verdict.ALLOWED, f"{NOT_ENFORCED}: by policy it would be {verdict}"
    assumptions = (*judged.assumptions, *(dns.assumptions if dns else ()), *enforcer_notes(view))
    assumptions += _mesh_notes(view, judged.flows)
    assumptions += (*symptoms(view, workload, judged), *(symptoms(view, workload, dns) if dns else ()))
    service = _dialled(view, items[0], judged)
    return Explanation(
        workload.ref, judged.text, verdict, judged.flows, reason, assumptions, judged, dns, service=service
    )


def _by_policy(judged: Judged, verdict: Verdict) -> bool:
    """Say whether it is policy that a verdict comes from, and not what the dependency may mean."""
    if verdict is not Verdict.UNKNOWN:
        return True
    return bool(judged.flows) and (judged.resolved is None or judged.resolved.found.unsure is None)


def _dialled(view: View, item: Dependency, judged: Judged) -> Service | None:
    """Return the Service that stands between the client and the flows, by its name or by its address."""
    if isinstance(item.target, Address):
        return view.services.at(item.target)
    if judged.resolved is None or not isinstance(item.target, NameTarget):
        return None
    name, dot, namespace = judged.resolved.found.name.rpartition(".")
    return view.services.get(namespace, name) if dot else None


def _mesh_notes(view: View, flows: tuple[FlowVerdict, ...]) -> tuple[str, ...]:
    """Return what meshes may do to packets that policy lets through: that is not read, and no part of a verdict."""
    refs = dict.fromkeys(flow.to for flow in flows if isinstance(flow.to, WorkloadRef))
    found = dict.fromkeys(mesh for ref in refs for mesh in _meshes(view, ref))
    return tuple(AUTHORISATION.format(mesh=mesh) for mesh in found)


def _meshes(view: View, ref: WorkloadRef) -> list[str]:
    workload, pods = view.workloads.get(ref), view.pods.of(ref)
    members = [Member(ends_of_pod(pod)) for pod in pods]
    if not pods and workload is not None:
        members = [Member(template_end(view, workload), workload.template)]
    return [mesh for member in members if (mesh := mesh_of(view, member)) is not None]

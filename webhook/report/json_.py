"""The JSON that other programs rely on: shapes of design.md §7, two spaces of indent, keys in that order."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import msgspec

from webhook.matrix import Alike, Layer, Matrix, Ranges, Workloads, senders, sets
from webhook.matrix.sets import PortSet
from webhook.model.addresses import Block
from webhook.model.answers import Destination, Finding, FlowVerdict, Host, Location, NearMiss, Side, TierResult, Verdict
from webhook.model.refs import PolicyRef, WorkloadRef
from webhook.report.matrix_text import layers
from webhook.report.text import Failure, Run, Summary
from webhook.report.words import message

if TYPE_CHECKING:  # `matrix` is written without them
    from webhook.fix import Fixes
    from webhook.judge import Explanation, Judged

Record = dict[str, Any]


def workload(ref: WorkloadRef) -> Record:
    """Return W."""
    return {"kind": ref.kind, "namespace": ref.namespace, "name": ref.name}


def policy(ref: PolicyRef) -> Record:
    """Return P, with `group` where the kind alone does not tell whose it is."""
    found = {"kind": ref.kind, "namespace": ref.namespace, "name": ref.name, "rule": ref.rule}
    return found | {"group": ref.group} if ref.ambiguous else found


def near_miss(miss: NearMiss) -> Record:
    """Return one entry of `nearMisses`."""
    return {"policy": policy(miss.policy), "field": miss.field, "want": miss.want, "have": miss.have}


def finding(found: Finding) -> Record:
    """Return F, with `workloads` where one slip hits several."""
    several = {"workloads": [workload(ref) for ref in found.hits]} if found.hits else {}
    return {
        "id": found.id,
        "severity": found.severity.word,
        "verdict": found.verdict,
        "workload": workload(found.workload) if found.workload else None,
        "dependency": found.dependency,
        "source": found.source,
        "policies": [policy(ref) for ref in found.policies],
        "nearMisses": [near_miss(miss) for miss in found.near_misses],
        "message": message(found),
        "fix": list(found.fix),
        "assumptions": list(found.assumptions),
        "location": _location(found.location),
    } | several


def _location(place: Location | None) -> Record | None:
    rendered = {"template": place.template} if place and place.template else {}
    return {"file": place.file, "line": place.line} | rendered if place else None


def destination(to: Destination) -> Record:
    """Return `to` of a flow: a workload, a block or a name outside the cluster."""
    match to:
        case WorkloadRef():
            return workload(to)
        case Block():
            return {"cidr": str(to)}
        case Host():
            return {"host": to.name}


def side(one: Side) -> Record:
    """Return S."""
    return {
        "verdict": one.verdict,
        "isolated": one.isolated,
        "policies": [policy(ref) for ref in one.policies],
        "nearMisses": [near_miss(miss) for miss in one.near_misses],
        "reason": one.reason,
    } | ({"tiers": [_tier_result(tier_result) for tier_result in one.tier_results]} if one.tier_results else {})


def _tier_result(one: TierResult) -> Record:
    """Return what one tier made of a packet."""
    return {
        "tier": one.tier,
        "outcome": one.outcome,
        "rule": policy(one.rule) if one.rule else None,
        "standing": one.position or None,
        "policies": [policy(ref) for ref in one.policies],
    }


def flow(one: FlowVerdict) -> Record:
    """Return one entry of explain's `flows`."""
    return {
        "to": destination(one.to),
        "pods": one.pods,
        "protocol": one.protocol,
        "port": one.port,
        "servicePort": one.service_port,
        "verdict": one.verdict,
        "egress": side(one.egress),
        "ingress": side(one.ingress),
    }


def explain(explanation: "Explanation", fix: Sequence[Record], errors: Iterable[Failure] = ()) -> str:
    """Return explain's object as text."""
    return render(explained(explanation, fix, errors))


def explained(explanation: "Explanation", fix: Sequence[Record], errors: Iterable[Failure] = ()) -> Record:
    """Return explain's object. `dns` holds the look-up that a name needs first, null where there is none."""
    return {
        "from": workload(explanation.source),
        "dependency": explanation.dependency,
        "verdict": explanation.verdict,
        "assumptions": list(explanation.assumptions),
        "reason": explanation.reason,
        "fix": list(fix),
        "flows": [flow(one) for one in explanation.flows],
        "dns": look_up(explanation.dns),
        "errors": [failure(error) for error in errors],
    }


def look_up(dns: "Judged | None") -> Record | None:
    """Return explain's `dns`."""
    return {"verdict": dns.verdict, "flows": [flow(one) for one in dns.flows]} if dns else None


def failure(one: Failure) -> Record:
    """Return one entry of `errors`."""
    return {"file": one.file, "line": one.line, "message": one.message}


def check(run: Run) -> str:
    """Return check's object as text."""
    return render(checked(run.findings, run.failures, run.summary) | compared(run))


def compared(run: Run) -> Record:
    """Return what a baseline made of the findings, where there is one."""
    if not run.compared:
        return {}
    unmet = [{"id": one.id, "of": one.of, "about": one.about} for one in run.unmet]
    return {"baseline": {"accepted": run.accepted, "unmet": unmet}}


def checked(findings: Iterable[Finding], errors: Iterable[Failure], summary: Summary) -> Record:
    """Return check's object."""
    counts = {
        "error": summary.error,
        "warning": summary.warning,
        "info": summary.info,
        "checked": summary.checked,
        "skipped": summary.skipped,
    }
    return {"findings": [finding(f) for f in findings], "errors": [failure(e) for e in errors], "summary": counts}


def fixed(fixes: "Fixes", errors: Iterable[Failure] = ()) -> Record:
    """Return fix's object; `notes` says who is, or is not, let in."""
    hopeless = [
        {"workload": workload(one.workload), "dependency": one.dependency, "reason": one.reason}
        for one in fixes.unfixable
    ]
    return {
        "policies": list(fixes.policies),
        "unfixable": hopeless,
        "errors": [failure(error) for error in errors],
        "notes": list(fixes.notes),
    }


def render(record: Record | list[Record]) -> str:
    """Return `record` as indented JSON without a line end; lone surrogates are replaced, JSON text has none."""
    try:
        encoded = msgspec.json.encode(record)
    except UnicodeEncodeError:
        encoded = msgspec.json.encode(_encodable(record))
    return msgspec.json.format(encoded, indent=2).decode()


def _encodable(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    match value:
        case str():
            return value.encode("utf-8", "replace").decode()
        case dict():
            return {_encodable(key): _encodable(item) for key, item in value.items()}
        case list() | tuple():
            return [_encodable(item) for item in value]
        case _:
            return value


_COMPACT: Final = -1  # indentation: none, and no spaces


def matrix(whole: Matrix, errors: Iterable[Failure] = (), skipped: int = 0) -> str:
    """Return matrix's object. `skipped`: documents that were none of ours."""
    rows = ",\n  ".join(chain.from_iterable(_rows(whole, layer, verdict) for layer, verdict in layers(whole)))
    some = f"\n  {rows}\n" if rows else ""
    failures = _encoded([failure(error) for error in errors])
    return f'{{"connections": [{some}],\n"errors": {failures},\n"skipped": {skipped}}}'


def workloads(one: Workloads) -> Record:
    """Return W; a group is `{workloads: [W, ...]}`."""
    if isinstance(one, Alike):
        return {"workloads": [workload(ref) for ref in one.members]}
    return workload(one)


def ports(some: PortSet) -> list[Record]:
    """Return disjoint, sorted ranges."""
    return [{"protocol": r.protocol, "first": r.first, "last": r.last} for r in sets.ranges(some)]


def _rows(whole: Matrix, layer: Layer, verdict: Verdict) -> Iterator[str]:
    ends = [_encoded(workloads(one)) for one in whole.workloads]
    sources = [f'{{"from":{end},"to":' for end in ends]
    tail = "}" if verdict is Verdict.ALLOWED else f',"verdict":"{verdict}"}}'

    @cache
    def beyond(blocks: Ranges) -> str:
        return _encoded({"cidrs": [str(block) for block in blocks]})

    @cache
    def open_ports(some: PortSet) -> str:
        return f',"ports":{_encoded(ports(some))}{tail}'

    for source, head in enumerate(sources):
        yield from [head + ends[target] + open_ports(some) for target, some in whole.reached(layer, source)]
        yield from [head + beyond(ranges) + open_ports(some) for ranges, some in layer.out[source]]
    for ranges, target, some in senders(layer):
        yield f'{{"from":{beyond(ranges)},"to":{ends[target]}{open_ports(some)}'


def _encoded(value: Any) -> str:  # noqa: ANN401 - any JSON value
    try:
        return msgspec.json.encode(value).decode()
    except UnicodeEncodeError:
        return msgspec.json.format(render(value), indent=_COMPACT)

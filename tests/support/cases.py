"""The files of tests/cases: worlds, questions, and what is wrong with an answer."""

import json
from collections.abc import Iterator
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any, Final

import yaml

from tests.support.arena import Raw
from webhook.judge import Explanation
from webhook.model.answers import FlowVerdict, Side, Verdict
from webhook.model.policy import Direction
from webhook.model.refs import KIND_OF_WORD, PolicyRef, WorkloadRef
from webhook.model.settings import CONNECTS_TO
from webhook.review.decide import decide
from webhook.review.drafts import Decision
from webhook.wire.admission import admission_request
from webhook.world import World

CASES: Final = Path(__file__).parents[1] / "cases"


TODAY: Final = date(2026, 11, 20)


KEYS_OF_A_QUESTION: Final = {
    "from", "to", "verdict", "flows", "egress", "ingress", "reason", "assumptions", "findings", "lacks",
    "under",
}  # fmt: skip


def cases() -> Iterator[tuple[str, Raw]]:
    for path in sorted(CASES.glob("[0-9]*.yaml")):
        file = yaml.safe_load(path.read_text(encoding="utf-8"))
        for case in file["cases"]:
            rows = ",".join(map(str, case["rows"]))
            yield f"{path.stem} {rows}: {case['about']}", {"world": file.get("world"), **case}


def objects_of(case: Raw) -> list[Raw]:
    """Return the case's objects over those of its world: the same kind, namespace and name is replaced."""
    found: dict[str, Raw] = {}
    if case["world"]:
        text = (CASES / "worlds" / f"{case['world']}.yaml").read_text(encoding="utf-8")
        found = {key_of(raw): raw for raw in yaml.safe_load_all(text)}
    for key in case.get("without", ()):
        del found[key]
    short = [*map(network_policy, case.get("policies", ())), *map(wide_policy, case.get("wide", ()))]
    for raw in [*case.get("objects", ()), *short]:
        found[key_of(raw)] = raw
    return list(found.values())


def key_of(raw: Raw) -> str:
    return "/".join(filter(None, (raw["kind"], raw["metadata"].get("namespace"), raw["metadata"]["name"])))


def network_policy(short: Raw) -> Raw:
    namespace, _, name = short["name"].partition("/")
    metadata = {"namespace": namespace, "name": name}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": short["spec"]}


WIDE: Final = {
    "anp": ("v1alpha1", "AdminNetworkPolicy"),
    "banp": ("v1alpha1", "BaselineAdminNetworkPolicy"),
    "cnp": ("v1alpha2", "ClusterNetworkPolicy"),
}


def wide_policy(short: Raw) -> Raw:
    word = next(iter(set(short) & set(WIDE)))
    version, kind = WIDE[word]
    metadata = {"name": short[word]}
    return {
        "apiVersion": f"policy.networking.k8s.io/{version}",
        "kind": kind,
        "metadata": metadata,
        "spec": short["spec"],
    }


def workload_ref(text: str) -> WorkloadRef:
    kind, namespace, name = text.split("/")
    return WorkloadRef(KIND_OF_WORD[kind], namespace, name)


def admitted(objects: list[Raw], world: World, ref: WorkloadRef, to: str, *, dry: bool) -> Decision:
    """Send the workload through admission with the dependency declared, as `kubectl apply` would."""
    raw = deepcopy(next(o for o in objects if key_of(o) == f"{ref.kind}/{ref.namespace}/{ref.name}"))
    raw["metadata"].setdefault("annotations", {})[CONNECTS_TO] = to
    group, _, version = raw["apiVersion"].rpartition("/")
    request = {
        "uid": "u",
        "kind": {"group": group, "version": version, "kind": ref.kind},
        "operation": "CREATE",
        "namespace": ref.namespace,
        "name": ref.name,
        "dryRun": dry,
        "object": raw,
    }
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    decision = decide(admission_request(json.dumps(review).encode()), world, TODAY)
    assert (decision.reviewed, decision.dry_run) == (True, dry), decision
    return decision


def wrong_answer(question: Raw, found: Explanation) -> Iterator[str]:
    """Yield what differs between the answer and what the case says of it."""
    if question.get("verdict", found.verdict) != found.verdict:
        yield f"verdict: {found.verdict} ({told(found)})"
    if question.get("reason", "") not in reasons(found):
        yield f"reason: {reasons(found)!r}"
    if question.get("assumptions", "") not in " ".join(found.assumptions):
        yield f"assumptions: {found.assumptions}"
    if "flows" in question:
        expected = [normal(flow) for flow in question["flows"]]
        keys = [set(flow) for flow in expected]
        flows = [described(flow) for flow in found.flows]
        kept = [{k: v for k, v in f.items() if k in keys[0]} for f in flows]
        if sorted(kept, key=str) != sorted(expected, key=str):
            yield f"flows: {flows}"
    if not found.flows and {"egress", "ingress"} & set(question):
        yield "no flows, whose sides could be looked at"
    for direction in Direction:
        for side in (s for f in found.flows for s in [getattr(f, direction.lower())]):
            yield from (f"{direction.lower()}: {w}" for w in wrong_side(question.get(direction.lower(), {}), side))


def wrong_side(expected: Raw, side: Side) -> Iterator[str]:
    found = {
        "verdict": side.verdict,
        "isolated": side.isolated,
        "policies": [str(p) for p in side.policies],
        "admitted": rule_of(side.admitted_by),
        "denied": rule_of(side.denied_by),
        "standing": side.position,
        "final": side.final,
        "near": [n.field for n in side.near_misses],
    }
    yield from (f"{key} {found[key]}" for key in expected if expected[key] != found[key])


def rule_of(ref: PolicyRef | None) -> str | None:
    return None if ref is None else f"{ref}#{ref.rule}"


def normal(flow: Raw) -> dict[str, Any]:
    return {**flow, "to": str(workload_ref(flow["to"])) if flow["to"].split("/")[0] in KIND_OF_WORD else flow["to"]}


def described(flow: FlowVerdict) -> dict[str, Any]:
    return {
        "to": str(flow.to),
        "pods": flow.pods,
        "protocol": flow.protocol,
        "port": flow.port,
        "service_port": flow.service_port,
        "verdict": flow.verdict.value,
    }


def reasons(found: Explanation) -> str:
    sides = [s.reason for f in found.flows for s in (f.egress, f.ingress)]
    return "; ".join(r for r in (found.reason, *sides) if r)


def told(found: Explanation) -> str:
    sides = [f"{f.to}:{f.port} egress {f.egress.verdict}, ingress {f.ingress.verdict}" for f in found.flows]
    dns = [] if found.dns is None or found.dns.verdict is Verdict.ALLOWED else [f"dns {found.dns.verdict}"]
    return "; ".join([*sides, *dns, reasons(found)])

"""Findings, plain ones and hostile ones, and runs with them."""

from collections.abc import Sequence

import msgspec
from hypothesis import strategies as st

from webhook.model.answers import DEFAULT_SEVERITY, OPEN, Finding, FlowVerdict, Location, NearMiss, Side, Verdict
from webhook.model.refs import PolicyRef, WorkloadRef
from webhook.report.text import Failure, Row, Run, Summary

WEB_API = WorkloadRef("Deployment", "production", "web-api")


POSTGRES = WorkloadRef("StatefulSet", "production", "postgres")


DENY = PolicyRef("production", "default-deny-ingress")


ALLOW_DB = PolicyRef("production", "allow-db-access", rule=0)


FIX = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "allow-web-api-to-postgres", "namespace": "production"},
    "spec": {"podSelector": {"matchLabels": {"app": "postgres"}}, "policyTypes": ["Ingress"]},
}


WRONG_LABEL = NearMiss(ALLOW_DB, "podLabels", "app=web-api", "app=webapi")


def denied(*policies: PolicyRef, near: tuple[NearMiss, ...] = ()) -> Side:
    return Side(Verdict.DENIED, isolated=True, policies=policies, near_misses=near)


def flow(port: int = 5432, service_port: int | None = 5432, **sides: Side) -> FlowVerdict:
    return FlowVerdict(
        to=POSTGRES,
        pods=1,
        protocol="TCP",
        port=port,
        service_port=service_port,
        verdict=Verdict.DENIED,
        egress=sides.get("egress", OPEN),
        ingress=sides.get("ingress", OPEN),
    )


def finding(number: str = "NP102", **changes: object) -> Finding:
    base = Finding(
        id=number,
        severity=DEFAULT_SEVERITY[number],
        workload=WEB_API,
        dependency="postgres.production:5432/TCP",
        verdict=Verdict.DENIED,
        policies=(DENY,),
        flows=(flow(ingress=denied(DENY)),),
        fix=(FIX,),
        location=Location("deploy/web-api.yaml", 12),
    )
    return msgspec.structs.replace(base, **changes)


NAMES = st.text(st.characters(codec=None), min_size=0, max_size=300)


REFS = st.builds(WorkloadRef, st.just("Deployment"), NAMES, NAMES)


MISSES = st.builds(NearMiss, st.builds(PolicyRef, NAMES, NAMES), st.just("podLabels"), NAMES, NAMES)


FACTS = st.lists(st.tuples(st.sampled_from(["reason", "hint", "name", "item", "expected"]), NAMES), max_size=4)


@st.composite
def hostile(draw: st.DrawFn) -> Finding:
    policies = tuple(draw(st.lists(st.builds(PolicyRef, NAMES, NAMES), max_size=3)))
    misses = tuple(draw(st.lists(MISSES, max_size=3)))
    side = denied(*policies, near=misses)
    flows = tuple(
        msgspec.structs.replace(flow(egress=side, ingress=side), to=ref) for ref in draw(st.lists(REFS, max_size=3))
    )
    return finding(
        draw(st.sampled_from(sorted(DEFAULT_SEVERITY))),
        workload=draw(REFS),
        dependency=draw(st.none() | NAMES),
        policies=policies,
        near_misses=misses,
        flows=flows,
        facts=tuple(draw(FACTS)),
        fix=draw(st.sampled_from([(), (FIX,)])),
        no_fix=draw(st.none() | NAMES),
        assumptions=tuple(draw(st.lists(NAMES, max_size=2))),
        location=draw(st.none() | st.builds(Location, NAMES, st.integers(1, 9_999))),
    )


def ran(findings: Sequence[Finding], failures: Sequence[Failure] = (), summary: Summary | None = None) -> Run:
    """A run of `check` with these findings, each of a dependency that was judged."""
    rows = (Row(f.workload, f.dependency or "", f.source, f.verdict or Verdict.UNKNOWN) for f in findings if f.workload)
    return Run(
        command="check",
        findings=tuple(findings),
        failures=tuple(failures),
        summary=summary or Summary.of(findings, checked=1, skipped=0),
        rows=tuple(rows),
        version="0.1.0",
    )


FAILURES = st.builds(Failure, NAMES, st.integers(0, 99), NAMES)

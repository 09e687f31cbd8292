"""A failed connection and a world -> what explains the error, by the checklist of a person who debugs a timeout.

A timeout means that packets are dropped, or lead nowhere. A refusal means that the packet arrived: policy is innocent,
unless the enforcer rejects where others drop. The source of that is the cross-CNI behaviour of drop and reject.
"""

from collections.abc import Iterable
from typing import Final

from webhook.diagnose.diagnosis import LOOPBACK, Cause, Diagnosis, Facts, State, Step, Target, Whose, locate
from webhook.diagnose.error_kinds import LOOKUPS, UNANSWERED, Caller, Kind
from webhook.diagnose.errors import ConnectionFailure
from webhook.diagnose.steps import called_by_api_server, suspects, walk
from webhook.judge.dependency import Judged
from webhook.judge.dns import dns_service, judge_dns
from webhook.judge.dns_assumed import PORT
from webhook.judge.explanation import Explanation, explain
from webhook.judge.inbound import remedy
from webhook.model.addresses import IPV6, parse_block
from webhook.model.answers import CLOSED, FlowVerdict, Host, Verdict
from webhook.model.objects import Workload
from webhook.model.refs import SHORT_KINDS, WorkloadRef
from webhook.model.truth import Truth
from webhook.world import View

LINK_LOCAL: Final = {4: parse_block("169.254.0.0/16"), 6: parse_block("fe80::/10")}
_OF_KIND: Final = {  # policy lets the packet pass, or cannot have been it
    Kind.TIMED_OUT: Cause.LOST,
    Kind.UNCLEAR: Cause.LOST,
    Kind.REFUSED: Cause.NOT_LISTENING,
    Kind.RESET: Cause.CUT,
    Kind.NO_ROUTE: Cause.NO_ROUTE,
    Kind.FORBIDDEN: Cause.FORBIDDEN,
}
_OF_STEP: Final = {  # what is wrong before any policy is asked
    ("target", "absent"): Cause.NO_SUCH_TARGET,
    ("target", "gone"): Cause.GONE,
    ("service", "noSuchPort"): Cause.NO_SUCH_PORT,
    ("service", "unnamedPort"): Cause.NO_SUCH_PORT,
    ("pods", "noBackends"): Cause.NO_BACKENDS,
    ("pods", "notReady"): Cause.NOT_RUNNING,
    ("pods", "template"): Cause.NOT_RUNNING,
}


def diagnose(view: View, workload: Workload, failure: ConnectionFailure, given: str | None = None) -> Diagnosis:
    """Hold a failed connection of `workload` against the world. `given`: its target, written as a dependency.

    Without a target that can be asked about (`target.whose` NONE, `target.text` None) only the look-up is judged.
    """
    target = locate(view, workload, failure, given)
    if failure.caller is Caller.KUBELET and given is None:
        return _probed(view, workload, failure, target)
    if target.whose is Whose.NONE and failure.kind in UNANSWERED and (some := suspects(view, workload)):
        return _by_suspects(view, workload, failure, target, Cause.DECLARED, some)
    found = explain(view, workload, target.text) if target.text is not None else None
    found = _in_tunnel(view, workload, failure, found)
    by_server = failure.caller is Caller.API_SERVER
    if found is not None and by_server:
        found = called_by_api_server(view, found)
    dns = _look_up(view, workload, failure) if failure.kind in LOOKUPS else (found.dns if found else None)
    steps = tuple(walk(view, workload, failure, target, found, dns))
    verdict = _verdict(view, failure, target, found, dns)
    return Diagnosis(
        source=workload.ref,
        failure=failure,
        target=target,
        verdict=verdict,
        cause=_cause(view, failure, target, verdict, found, steps),
        steps=steps,
        explanation=found,
        dns=dns,
        facts=_facts(view, workload, failure, found, dns),
        fixable=verdict in CLOSED
        and target.whose not in (Whose.GONE, Whose.NOBODY)
        and failure.kind is not Kind.CONNECTED
        and not by_server
        and not _by_name(found),
        enforcer=view.enforcer.name,
    )


def _in_tunnel(
    view: View, workload: Workload, failure: ConnectionFailure, found: Explanation | None
) -> Explanation | None:
    """Answer for the port that a mesh's proxy says its tunnel was closed on: there is nothing left to suppose."""
    ends = {flow.to for flow in found.flows if isinstance(flow.to, WorkloadRef)} if found is not None else set()
    if failure.tunnel is None or len(ends) != 1:
        return found
    (ref,) = ends
    return explain(view, workload, f"{SHORT_KINDS.get(ref.kind, ref.kind)}/{ref.name}.{ref.namespace}:{failure.tunnel}")


def _by_name(found: Explanation | None) -> bool:
    """Say whether all that is closed is the way to names outside, whose addresses somebody has to fill in."""
    if found is None or (found.dns is not None and found.dns.verdict in CLOSED):
        return False
    closed = [flow for flow in found.flows if flow.verdict in CLOSED]
    return bool(closed) and all(isinstance(flow.to, Host) for flow in closed)


def _probed(view: View, workload: Workload, failure: ConnectionFailure, target: Target) -> Diagnosis:
    """Answer a probe that failed: its packets pass, so that what the process itself waits for is in question."""
    some = suspects(view, workload)
    if not some:
        return _by_suspects(view, workload, failure, target, Cause.PROBE, ())
    return _by_suspects(view, workload, failure, target, Cause.PROBE_WAITS, some)


def _by_suspects(
    view: View, workload: Workload, failure: ConnectionFailure, target: Target, cause: Cause, some: tuple[Judged, ...]
) -> Diagnosis:
    """Answer for what the workload needs as a whole."""
    named = (Step("target", State.OK, "pod", target.facts),) if target.whose is Whose.POD else ()
    asked = (Step("kubelet", State.OK, "asks"),) if failure.caller is Caller.KUBELET else ()
    needed = tuple(Step("needs", State.NOT_OK, "denied", (("dependency", one.text),)) for one in some)
    return Diagnosis(
        source=workload.ref,
        failure=failure,
        target=target,
        verdict=Verdict.DENIED if some else Verdict.ALLOWED,
        cause=cause,
        steps=(*named, *asked, *needed),
        facts=_facts(view, workload, failure, None, None),
        fixable=bool(some),
        enforcer=view.enforcer.name,
        suspects=some,
    )


def _look_up(view: View, workload: Workload, failure: ConnectionFailure) -> Judged | None:
    """Judge the way to whom the client asked, where the text says so and it is not the cluster's DNS Service.

    NodeLocal DNSCache and a cloud's resolver listen on link-local addresses, which no rule for DNS pods covers.
    """
    asked, service = failure.resolver, dns_service(view)
    if asked is None or LOOPBACK[asked.family].holds(asked):
        return judge_dns(view, workload)
    usual = service.cluster_ips if service else ()
    if asked in usual or not (usual or LINK_LOCAL[asked.family].holds(asked)):
        return judge_dns(view, workload)
    host = f"[{asked}]" if asked.family == IPV6 else str(asked)
    return explain(view, workload, f"{host}:{PORT}/UDP").judged


def _verdict(
    view: View, failure: ConnectionFailure, target: Target, found: Explanation | None, dns: Judged | None
) -> Verdict:
    """Return the verdict on what failed: the look-up, or the connection, which a look-up had come before."""
    if target.whose is Whose.LOOPBACK:
        return Verdict.ALLOWED
    if failure.kind in LOOKUPS:
        if dns is None or view.enforcer.enforces:
            return dns.verdict if dns else Verdict.UNKNOWN
        return Verdict.ALLOWED
    if found is None or found.judged is None:
        return Verdict.UNKNOWN
    if failure.kind is Kind.UNCLEAR or not view.enforcer.enforces:
        return found.verdict
    return found.judged.verdict


def _cause(
    view: View,
    failure: ConnectionFailure,
    target: Target,
    verdict: Verdict,
    found: Explanation | None,
    steps: Iterable[Step],
) -> Cause:
    if target.whose is Whose.LOOPBACK:
        return Cause.LOOPBACK
    if failure.kind is Kind.CONNECTED:
        return Cause.CONNECTED
    states = {(step.name, step.says): step.state for step in steps}
    if failure.kind in LOOKUPS:
        return _of_lookup(failure, verdict, states)
    if verdict in CLOSED:
        return _of_policy(view, failure, verdict, found)
    for key, cause in _OF_STEP.items():
        if states.get(key) is State.NOT_OK or (key[1] == "absent" and key in states):
            return cause
    if verdict is Verdict.UNKNOWN:
        return Cause.UNDECIDED if failure.kind in UNANSWERED else Cause.UNDECIDED_ANSWERED
    return _OF_KIND[failure.kind]


def _of_lookup(failure: ConnectionFailure, verdict: Verdict, states: dict[tuple[str, str], State]) -> Cause:
    if verdict in CLOSED:
        return Cause.DNS_POLICY  # some clients say `not found` where nobody answered
    if failure.kind is Kind.NO_SUCH_HOST:
        return Cause.NAME_EXISTS if ("target", "exists") in states else Cause.NO_SUCH_NAME
    return Cause.DNS_SERVER if verdict is Verdict.ALLOWED else Cause.DNS_UNDECIDED


def _of_policy(view: View, failure: ConnectionFailure, verdict: Verdict, found: Explanation | None) -> Cause:
    if failure.kind not in UNANSWERED:
        return Cause.POLICY_REJECTS if view.dialect.rejects is Truth.YES else Cause.POLICY_OR_SERVER
    if found is not None and found.judged is not None and found.judged.verdict not in CLOSED:
        return Cause.DNS_POLICY
    return Cause.POLICY if verdict is Verdict.DENIED else Cause.POLICY_PARTLY


def _facts(
    view: View, workload: Workload, failure: ConnectionFailure, found: Explanation | None, dns: Judged | None
) -> Facts:
    """Return the names that commands need; what is not known is left out."""
    pods = view.pods.of(workload.ref)
    facts = {
        "source_ns": workload.ref.namespace,
        "source": _slashed(workload.ref),
        "source_pod": pods[0].name if pods else "POD",
        "host": failure.name or (str(failure.address) if failure.address else ""),
        "port": str(failure.port or ""),
        "udp": "-u " if failure.protocol == "UDP" else "",
        **_far_end(view, found.flows if found else ()),
    }
    if failure.caller is Caller.API_SERVER and "arrives" in facts:
        facts["remedy"] = remedy(view, int(facts["arrives"]))
    if found is not None and found.service is not None:
        facts |= {"service": found.service.name, "service_ns": found.service.namespace}
    servers = [f.to for f in dns.flows if isinstance(f.to, WorkloadRef)] if dns else []
    if servers:
        facts |= {"dns_ns": servers[0].namespace, "dns": _slashed(servers[0])}
    return tuple((key, value) for key, value in facts.items() if value or key == "udp")


def _far_end(view: View, flows: Iterable[FlowVerdict]) -> dict[str, str]:
    for flow in flows:
        if isinstance(flow.to, WorkloadRef):
            pods = view.pods.of(flow.to)
            return {
                "to_ns": flow.to.namespace,
                "to": _slashed(flow.to),
                "to_pod": pods[0].name if pods else "POD",
                "arrives": str(flow.port),
            }
    return {}


def _slashed(ref: WorkloadRef) -> str:
    return f"{ref.kind.lower()}/{ref.name}"

"""What an audit in the cluster writes there, as values: one report for each namespace, and Events on workloads.

A report is one of openreports.io or wgpolicyk8s.io, which have the same fields. Both are made of what is said of
workloads (`Told`), and of nothing else, so that the same answers make the same bytes.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import Struct, structs

from webhook.model.answers import UNDISCLOSED, Finding, Severity, Verdict
from webhook.model.budget import TOO_MUCH
from webhook.model.objects import Workload
from webhook.model.refs import WorkloadRef
from webhook.model.settings import PREFIX, PRODUCT
from webhook.report.admission import line, order
from webhook.report.safe import clean, clip
from webhook.report.words import FIXABLE, mark, near_misses, remedy, sentence
from webhook.review.audit import Audited

NAME: Final = PRODUCT  # of each report
OWNED: Final = "app.kubernetes.io/managed-by"  # the label by which reports of ours are known
LEFT_OUT: Final = PREFIX + "left-out"  # annotation: how many results had no room
MOST_RESULTS: Final = 400  # of one report
MOST_BYTES: Final = 600_000  # of its results: etcd takes 1.5 MB of an object
_LONGEST: Final = 700  # characters of a message
_CATEGORY: Final = "Network Policy"
_PASSES: Final = "dependency"  # in place of a finding's id
_RESULTS: Final = {  # by severity: the result, and the severity in the words of a report
    Severity.ERROR: ("fail", "high"),
    Severity.WARNING: ("warn", "medium"),
    Severity.INFO: ("skip", "info"),
}
_RANK: Final = {"fail": 0, "error": 1, "warn": 2, "skip": 3, "pass": 4}
_CLOSING: Final = frozenset({"NP101", "NP102", "NP103", "NP104", "NP105", UNDISCLOSED})
_DECLARED: Final = frozenset({"annotation", "config"})
_API_VERSIONS: Final = {"Job": "batch/v1", "CronJob": "batch/v1", "Pod": "v1", "ReplicationController": "v1"}
Raw = dict[str, Any]


class Result(Struct, frozen=True, gc=False):
    """One line of a report. `policy`: a finding's id, or `dependency` where there is none. `severity` may be empty."""

    result: str
    policy: str
    message: str
    severity: str = ""
    dependency: str = ""
    source: str = ""
    verdict: str = ""


class Told(Struct, frozen=True, gc=False):
    """What is said of one workload.

    `closed`: declared dependencies that are not sure to work for a reason that somebody should hear of, each with that
    in a line. `verdicts` and `findings` (ids) are counted.
    """

    workload: WorkloadRef
    uid: str
    results: tuple[Result, ...] = ()
    closed: tuple[tuple[str, str], ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    findings: tuple[str, ...] = ()


def told(audited: Audited, *, own: bool = False) -> Told:
    """Return what is said of a workload. `own`: findings say no more than may be told in its namespace."""
    workload, findings = audited.workload, [_fixable(finding) for finding in order(audited.findings)]
    about = {finding.dependency for finding in findings}
    passing = [
        _without_finding(judged.text, judged.source, judged.verdict)
        for judged in audited.dependencies
        if judged.text not in about and (judged.verdict is Verdict.ALLOWED or not own)
    ]
    closed: dict[str, str] = {}
    for finding in findings:
        if finding.id in _CLOSING and finding.severity > Severity.INFO and finding.source in _DECLARED:
            closed.setdefault(clean(finding.dependency or "DNS"), line(finding).removeprefix(f"{PRODUCT}: "))
    return Told(
        workload.ref,
        workload.uid,
        (*map(_of_finding, findings), *passing),
        tuple(sorted(closed.items())),
        tuple(judged.verdict for judged in audited.dependencies),
        tuple(finding.id for finding in findings),
    )


def _fixable(finding: Finding) -> Finding:
    """Return a finding that says to ask for the fix, which nobody has written here."""
    asked = finding.id in FIXABLE and not finding.fix and not finding.no_fix
    return structs.replace(finding, fix=({},)) if asked else finding


def not_judged(workload: Workload) -> Told:
    """Return what is said of a workload that took too much to be judged."""
    return Told(workload.ref, workload.uid, (Result("error", _PASSES, f"not judged: {TOO_MUCH}"),))


def _of_finding(finding: Finding) -> Result:
    result, severity = _RESULTS[finding.severity]
    parts = (sentence(finding) + mark(finding), *near_misses(finding), remedy(finding))
    return Result(
        result=result,
        policy=finding.id,
        message=clip("; ".join(part for part in parts if part), _LONGEST),
        severity=severity,
        dependency=clean(finding.dependency or ""),
        source=finding.source,
        verdict=finding.verdict.value if finding.verdict else "",
    )


def _without_finding(dependency: str, source: str, verdict: Verdict) -> Result:
    """Return a line about a dependency that passes, or of which nothing is to be said: it is exempt, or off."""
    result = "pass" if verdict is Verdict.ALLOWED else "skip"
    return Result(result, _PASSES, f"{verdict}", dependency=clean(dependency), source=source, verdict=verdict.value)


# -- reports -----------------------------------------------------------------------------------------------------------


def report(api_version: str, kind: str, namespace: str, every: Iterable[Told]) -> Raw | None:
    """Return the report of a namespace, the worst first and as much as there is room for; None: nothing is to be said.

    Its summary counts all results, whether they have room or not.
    """
    pairs = [(one, result) for one in every for result in one.results]
    if not pairs:
        return None
    pairs.sort(key=lambda pair: (_RANK[pair[1].result], pair[0].workload, pair[1].policy, pair[1].dependency))
    summary = dict.fromkeys(_RANK, 0)
    for _, result in pairs:
        summary[result.result] += 1
    results = list(_fitting(_written(one, result) for one, result in pairs[:MOST_RESULTS]))
    left = len(pairs) - len(results)
    metadata: Raw = {"name": NAME, "namespace": namespace, "labels": {OWNED: PRODUCT}}
    if left:
        metadata["annotations"] = {LEFT_OUT: str(left)}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "summary": summary, "results": results}


def _fitting(results: Iterable[Raw]) -> Iterator[Raw]:
    room = MOST_BYTES
    for result in results:
        room -= len(msgspec.json.encode(result))
        if room < 0:
            return
        yield result


def _written(one: Told, result: Result) -> Raw:
    more = {"dependency": result.dependency, "source": result.source, "verdict": result.verdict}
    whole = {
        "source": PRODUCT,
        "policy": result.policy,
        "rule": result.dependency,
        "category": _CATEGORY,
        "severity": result.severity,
        "result": result.result,
        "message": result.message,
        "resources": [_reference(one.workload, one.uid)],
        "properties": {key: value for key, value in more.items() if value},
    }
    return {key: value for key, value in whole.items() if value}


def _reference(ref: WorkloadRef, uid: str) -> Raw:
    """Return an `ObjectReference` (core/v1)."""
    api_version = _API_VERSIONS.get(ref.kind, "apps/v1")
    found = {"apiVersion": api_version, "kind": ref.kind, "namespace": ref.namespace, "name": ref.name, "uid": uid}
    return {key: value for key, value in found.items() if value}


class _Subject(Struct):
    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""


class _Line(Struct):
    policy: str = ""
    severity: str = ""
    resources: list[_Subject] = []
    properties: dict[str, str] = {}


class _Report(Struct):
    results: list[_Line] = []


Before = dict[tuple[WorkloadRef, str], frozenset[str]]  # by workload and its uid


def closed_before(raw: Mapping[str, Any]) -> Before:
    """Read out of a report of ours what was closed when it was written: whoever follows says no more than is new."""
    try:
        lines = msgspec.convert(raw, _Report).results
    except msgspec.ValidationError:  # somebody else has edited it
        return {}
    found: dict[tuple[WorkloadRef, str], set[str]] = {}
    for one in lines[:MOST_RESULTS]:
        for subject in one.resources[:1]:
            key = (WorkloadRef(subject.kind, subject.namespace, subject.name), subject.uid)
            texts = found.setdefault(key, set())
            loud = one.severity in {"high", "medium"} and one.properties.get("source") in _DECLARED
            if one.policy in _CLOSING and loud:
                texts.add(one.properties.get("dependency") or "DNS")
    return {key: frozenset(texts) for key, texts in found.items()}


# -- Events ------------------------------------------------------------------------------------------------------------

_CONTROLLER: Final = PREFIX + "audit"
_LONGEST_NOTE: Final = 1_000  # bytes; `events.k8s.io/v1` takes 1,024
_LONGEST_INSTANCE: Final = 128
_SHOWN: Final = 3
_LONGEST_STEM: Final = 200
Instant = tuple[datetime, str, int]  # when, by which replica, and how many it has said of this workload before


def event(one: Told, before: frozenset[str], said: Instant) -> Raw | None:
    """Return the Event on a workload that tells what is closed that was not `before`, or passes again; None: nothing.

    Its name follows from what it says, so that the same is not said twice while an Event lives. What closes goes before
    what opens.
    """
    closed = dict(one.closed)
    newly = {text: words for text, words in closed.items() if text not in before}
    passing = {result.dependency for result in one.results if result.verdict == Verdict.ALLOWED}
    opened = sorted((before - closed.keys()) & passing)
    if newly:
        reason, kind, note = "DependencyDenied", "Warning", _several(list(newly.values()))
    elif opened:
        reason, kind, note = (
            "DependencyAllowed",
            "Normal",
            _several([f"{clean(text)} is let through" for text in opened]),
        )
    else:
        return None
    when, instance, number = said
    texts = "\n".join((one.uid, str(one.workload), reason, *sorted(newly or opened), str(number)))
    stem = one.workload.name[:_LONGEST_STEM].rstrip("-.")
    name = f"{stem}.{hashlib.sha256(texts.encode(errors='replace')).hexdigest()[:16]}"
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": one.workload.namespace},
        "eventTime": when.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "reportingController": _CONTROLLER,
        "reportingInstance": instance[:_LONGEST_INSTANCE],
        "action": "Audit",
        "reason": reason,
        "regarding": _reference(one.workload, one.uid),
        "note": note,
        "type": kind,
    }


def _several(lines: list[str]) -> str:
    more = f"; and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
    text = "; ".join(lines[:_SHOWN])
    room = _LONGEST_NOTE - len(more)
    return text.encode(errors="replace")[:room].decode(errors="ignore") + more

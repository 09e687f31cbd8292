"""What an audit found: every dependency of a world with its verdict, and the findings; as text, JSON and Markdown."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct

from webhook.model.answers import Finding, Severity, Verdict
from webhook.report import json_, observed
from webhook.report import observed as seen
from webhook.report.admission import DumpYaml, combined, order
from webhook.report.safe import clean, code, escaped, fenced, table
from webhook.report.text import Failure, Origin, Paint, Row, Summary, Tabulate, count, failure, grouped, plain, total
from webhook.report.words import mark, near_misses, remedy, sentence
from webhook.review.audit import Audited
from webhook.review.evidence import Evidence

STYLES: Final = {Verdict.DENIED: "error", Verdict.PARTIAL: "warning", Verdict.UNKNOWN: "dim", Verdict.ALLOWED: "good"}


class Audit(Struct, frozen=True):
    """The whole of it. `enforcer`: who enforces policy; `exempt`: how many findings somebody answered for.

    `evidence`: what a flow log tells, where one was given.
    """

    origin: Origin
    enforcer: str
    rows: tuple[Row, ...]
    findings: tuple[Finding, ...]
    errors: tuple[Failure, ...]
    summary: Summary
    exempt: int = 0
    evidence: Evidence | None = None


def rows(audited: Iterable[Audited]) -> Iterator[Row]:
    """Yield the dependencies, as their workloads come."""
    for one in audited:
        ids: dict[str | None, list[str]] = {}
        for finding in one.findings:
            ids.setdefault(finding.dependency, []).append(finding.id)
        for judged in one.dependencies:
            about = tuple(ids.get(judged.text, ()))
            yield Row(one.workload.ref, judged.text, judged.source, judged.verdict, about, judged)


def record(audit: Audit, more: json_.Record | None = None) -> str:
    """Return the JSON: check's object with `dependencies`, `world` and whatever is `more` (design.md §7)."""
    whole = json_.checked(order(audit.findings), audit.errors, audit.summary) | (more or {})
    whole["dependencies"] = [
        {
            "workload": json_.workload(row.workload),
            "dependency": row.dependency,
            "source": row.source,
            "verdict": row.verdict,
            "findings": list(row.findings),
        }
        for row in audit.rows
    ]
    origin = audit.origin
    whole["world"] = {"taken": origin.taken, "cni": audit.enforcer, "stale": origin.stale}
    if audit.evidence is not None:
        whole["observed"] = observed.record(audit.evidence)
    return json_.render(whole)


def text(audit: Audit, tabulate: Tabulate, paint: Paint = plain, seen: Iterable[str] = (), accepted: str = "") -> str:
    """Return where the world is from, the findings, a line for each namespace, what was `seen`, and two that sum up.

    `accepted`: what is put behind the sum.
    """
    lines = [paint("bold", world(audit)), ""]
    lines += grouped(order(audit.findings), paint)
    lines += [*_namespaces(audit, tabulate, paint), *seen, summed(audit, paint)]
    exempted = f", {count(audit.exempt, 'finding')} exempted" if audit.exempt else ""
    return "\n".join([*lines, total(audit.summary, len(audit.errors), paint) + exempted + accepted])


def world(audit: Audit) -> str:
    """Return what was looked at: `cluster https://... as of 2026-11-21T01:02:03Z; calico enforces policy`."""
    origin = audit.origin
    of = f"cluster {clean(origin.cluster)} as of {origin.taken}" if origin.taken else "manifests"
    old = " (more than a day old: it may look different by now)" if origin.stale else ""
    part = f", {clean(origin.part)}" if origin.part else ""
    return f"{of}{old}{part}; policy as enforced by: {clean(audit.enforcer)}"


def verdicts(some: Iterable[Row]) -> Counter[Verdict]:
    """Return how many dependencies got which verdict."""
    return Counter(row.verdict for row in some)


def by_namespace(audit: Audit) -> dict[str, list[Row]]:
    """Return the rows of each namespace, by its name."""
    found: dict[str, list[Row]] = {}
    for row in audit.rows:
        found.setdefault(row.workload.namespace, []).append(row)
    return dict(sorted(found.items()))


def summed(audit: Audit, paint: Paint = plain) -> str:
    """Return `12 dependencies: 9 allowed, 3 denied`."""
    found = verdicts(audit.rows)
    each = [paint(STYLES[verdict], f"{found[verdict]} {verdict}") for verdict in Verdict if found[verdict]]
    number = f"{len(audit.rows)} {'dependency' if len(audit.rows) == 1 else 'dependencies'}"
    return number + (f": {', '.join(each)}" if each else "")


def _namespaces(audit: Audit, tabulate: Tabulate, paint: Paint) -> Iterator[str]:
    spaces = by_namespace(audit)
    if not spaces:
        return
    head = ("NAMESPACE", "WORKLOADS", *(verdict.value.upper() for verdict in Verdict))
    rows = []
    for name, some in spaces.items():
        found = verdicts(some)
        cells = (_number(found[verdict], verdict, paint) for verdict in Verdict)
        rows.append((clean(name), str(len({row.workload for row in some})), *cells))
    yield tabulate(head, rows, numbers=range(1, len(head)), least=_LEAST)
    yield ""


_LEAST: Final = 8  # characters of a column of numbers


def _number(number: int, verdict: Verdict, paint: Paint) -> str:
    return paint(STYLES[verdict], str(number)) if number else "-"


TITLE = "What would have warned"
ELSEWHERE = "the cluster as a whole"


def markdown(audit: Audit, dump_yaml: DumpYaml) -> str:
    """Return the whole page. `dump_yaml` writes the fixes."""
    told = [finding for finding in order(audit.findings) if finding.severity > Severity.INFO]
    lines = [f"# {TITLE}", "", f"{escaped(world(audit))}.", "", f"{_sum(audit, told)}.", ""]
    spaces = _by_namespace(told)
    lines += _overview(audit, spaces)
    for name, some in spaces.items():
        lines += [f"## {code(name) if name else ELSEWHERE}", "", *_findings(some), ""]
    if audit.evidence is not None:
        lines += seen.markdown(audit.evidence)
    if audit.errors:
        lines += ["## Unreadable", "", *(f"- {escaped(failure(one))}" for one in audit.errors), ""]
    if fixes := combined(told):
        notes = dict.fromkeys(note for finding in told if finding.fix for note in finding.assumptions)
        but = ", but as these notes say" if notes else ""
        lines += ["## Fixes", "", f"Nothing else is opened or closed{but}. Apply with `kubectl apply -f -`:", ""]
        lines += [*(f"- {escaped(note)}" for note in notes), *([""] if notes else [])]
        lines += [*fenced(dump_yaml(fixes), "yaml"), ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _sum(audit: Audit, told: list[Finding]) -> str:
    many = f"{len(told)} warning{'' if len(told) == 1 else 's'}" if told else "Nothing would have warned"
    quiet = len(audit.findings) - len(told)
    also = f"; {quiet} more for information, which `--format text` shows" if quiet else ""
    exempt = f"; {audit.exempt} exempted" if audit.exempt else ""
    return f"{many} on {summed(audit)}{also}{exempt}"


def _by_namespace(findings: list[Finding]) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for finding in findings:
        found.setdefault(namespace_of(finding), []).append(finding)
    return dict(sorted(found.items()))


def namespace_of(finding: Finding) -> str:
    """Return the namespace that a finding is about; empty: the cluster as a whole."""
    if finding.workload:
        return finding.workload.namespace
    return next((ref.namespace for ref in finding.policies if ref.namespace), dict(finding.facts).get("namespace", ""))


def _overview(audit: Audit, spaces: dict[str, list[Finding]]) -> Iterator[str]:
    of_each = by_namespace(audit)
    rows = []
    for name in sorted({*of_each, *spaces}):
        some = of_each.get(name, [])
        found = verdicts(some)
        numbers = (len({row.workload for row in some}), *(found[v] for v in Verdict), len(spaces.get(name, ())))
        rows.append((code(name) if name else ELSEWHERE, *(str(number or "") for number in numbers)))
    yield from table(("Namespace", "Workloads", *(v.value.capitalize() for v in Verdict), "Warnings"), rows)
    yield from [""] if rows else []


def _findings(some: list[Finding]) -> Iterator[str]:
    rows = ((_who(f), code(f.dependency) if f.dependency else "", _said(f), escaped(remedy(f)), f.id) for f in some)
    yield from table(("Workload or policy", "Dependency", "What", "What to do", "Id"), rows)


def _who(finding: Finding) -> str:
    if finding.workload:
        return code(str(finding.workload).replace(f"/{finding.workload.namespace}/", "/"))
    return code(finding.policies[0].name) if finding.policies else ""


def _said(finding: Finding) -> str:
    near = "".join(f"; {miss}" for miss in near_misses(finding))
    return escaped(sentence(finding) + mark(finding) + near)

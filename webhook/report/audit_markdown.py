"""An audit for a ticket or a wiki: what would have warned, namespace by namespace, and the fixes."""

from collections.abc import Iterator

from webhook.model.finding import Finding, Severity
from webhook.model.verdict import Verdict
from webhook.report import observed as seen
from webhook.report.admission import DumpYaml, combined
from webhook.report.audit import Audit, by_namespace, summed, verdicts, world
from webhook.report.markdown import block, code, plain, table
from webhook.report.text import failure
from webhook.report.warnings import order
from webhook.report.words import mark, near_misses, remedy, sentence

TITLE = "What would have warned"
ELSEWHERE = "the cluster as a whole"


def markdown(audit: Audit, dump_yaml: DumpYaml) -> str:
    """Return the whole page. `dump_yaml` writes the fixes."""
    told = [finding for finding in order(audit.findings) if finding.severity > Severity.INFO]
    lines = [f"# {TITLE}", "", f"{plain(world(audit))}.", "", f"{_sum(audit, told)}.", ""]
    spaces = _by_namespace(told)
    lines += _overview(audit, spaces)
    for name, some in spaces.items():
        lines += [f"## {code(name) if name else ELSEWHERE}", "", *_findings(some), ""]
    if audit.evidence is not None:
        lines += seen.markdown(audit.evidence)
    if audit.errors:
        lines += ["## Unreadable", "", *(f"- {plain(failure(one))}" for one in audit.errors), ""]
    if fixes := combined(told):
        notes = dict.fromkeys(note for finding in told if finding.fix for note in finding.assumptions)
        but = ", but as these notes say" if notes else ""
        lines += ["## Fixes", "", f"Nothing else is opened or closed{but}. Apply with `kubectl apply -f -`:", ""]
        lines += [*(f"- {plain(note)}" for note in notes), *([""] if notes else [])]
        lines += [*block(dump_yaml(fixes), "yaml"), ""]
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
        found.setdefault(_namespace(finding), []).append(finding)
    return dict(sorted(found.items()))


def _namespace(finding: Finding) -> str:
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
    rows = ((_who(f), code(f.dependency) if f.dependency else "", _said(f), plain(remedy(f)), f.id) for f in some)
    yield from table(("Workload or policy", "Dependency", "What", "What to do", "Id"), rows)


def _who(finding: Finding) -> str:
    if finding.workload:
        return code(str(finding.workload).replace(f"/{finding.workload.namespace}/", "/"))
    return code(finding.policies[0].name) if finding.policies else ""


def _said(finding: Finding) -> str:
    near = "".join(f"; {miss}" for miss in near_misses(finding))
    return plain(sentence(finding) + mark(finding) + near)

"""Findings as CI systems read them: JUnit (Jenkins, GitLab), GitLab's code quality, and a comment in Markdown.

No name can end an element, start markup or put a character into XML that XML 1.0 has no room for: all text goes
through `safe` first.
"""

from collections.abc import Iterable, Iterator
from typing import Final
from xml.etree import ElementTree as ET

from msgspec import Struct, field

from webhook.model.answers import Finding, Severity
from webhook.report import json_
from webhook.report.admission import DumpYaml, combined, order
from webhook.report.safe import clean, clip, code, escaped, fenced, lines, table
from webhook.report.text import Failure, Run, block, count, failure, place, subject, total, where
from webhook.report.words import mark, message, near_misses, remedy, sentence
from webhook.review.compare import digest, fingerprints

# -- JUnit: https://github.com/jenkinsci/xunit-plugin, src/main/resources/.../junit-10.xsd -----------------------------


class _Case(Struct):
    """A dependency of somebody, or what else is said of him: passed where nothing is found."""

    found: list[Finding] = field(default_factory=list)


_Cases = dict[tuple[str, str], _Case]  # by who and what
ELSEWHERE: Final = "cluster"  # the suite of what is in no file


def junit(run: Run, dump_yaml: DumpYaml) -> str:
    """Return a suite for each file, and in it a test for each dependency; several findings about it are one failure.

    A test fails where the run does: what is not as bad is `skipped`, which both consumers show without failing.
    """
    suites: dict[str, _Cases] = {}
    for row in run.rows:
        file, _ = place(run.places.get(row.workload))
        suites.setdefault(file or ELSEWHERE, {}).setdefault((str(row.workload), row.dependency), _Case())
    for finding in run.findings:
        file, _ = place(finding.location)
        case = (subject(finding), finding.dependency or finding.id)
        suites.setdefault(file or ELSEWHERE, {}).setdefault(case, _Case()).found.append(finding)
    broken: dict[str, list[Failure]] = {}
    for one in run.failures:
        broken.setdefault(one.file, []).append(one)
    root = ET.Element("testsuites", name="netpol-preflight")
    for file in sorted({*suites, *broken}):
        root.append(_suite(run, file, suites.get(file, {}), broken.get(file, []), dump_yaml))
    for name in ("tests", "failures", "errors"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    ET.indent(root, " ")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _suite(run: Run, file: str, cases: _Cases, broken: list[Failure], dump_yaml: DumpYaml) -> ET.Element:
    suite = ET.Element("testsuite", name=clean(file))
    for one in broken:
        case = ET.SubElement(suite, "testcase", classname="unreadable", name=f"line {one.line}" if one.line else "file")
        ET.SubElement(case, "error", type="unreadable", message=clean(one.message)).text = failure(one)
    for (who, what), case_ in sorted(cases.items()):
        case = ET.SubElement(suite, "testcase", classname=clean(who), name=clean(what))
        if case_.found:
            case.append(_result(run, case_.found, dump_yaml))
    for name, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(name, str(sum(1 for _ in suite.iter(tag))))
    return suite


def _result(run: Run, found: list[Finding], dump_yaml: DumpYaml) -> ET.Element:
    worst = max(found, key=lambda one: one.severity)
    fails = run.fails_from is not None and worst.severity >= run.fails_from
    several = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    said = f"{worst.id} {sentence(worst)}{mark(worst)}{several}"
    result = ET.Element("failure" if fails else "skipped", type=worst.severity.word, message=said)
    fixes = combined(found)
    yaml = ["", "the fix, for `kubectl apply -f -`:", "", lines(dump_yaml(fixes))] if fixes else []
    result.text = "\n".join(["", *(f"{where(one.location)}{block(one)}" for one in found), *yaml, ""])
    return result


# -- GitLab: https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format -------------------------------

_GITLAB: Final = {Severity.ERROR: "critical", Severity.WARNING: "minor", Severity.INFO: "info"}


def code_quality(run: Run) -> str:
    """Return the report that a merge request's widget compares; what cannot be read comes first."""
    found = [
        _issue("unreadable", clean(one.message), digest(one.file, one.message), "blocker", (one.file, one.line))
        for one in run.failures
    ]
    for one, mark_ in zip(run.findings, fingerprints(run.findings), strict=True):
        file, line = place(one.location)
        found.append(_issue(one.id, message(one), mark_, _GITLAB[one.severity], (file or subject(one), line)))
    return json_.render(found)


def _issue(name: str, text: str, mark_: str, severity: str, where: tuple[str, int]) -> json_.Record:
    file, line = where
    return {
        "type": "issue",
        "check_name": name,
        "description": f"{name}: {text}",
        "categories": ["Security"],
        "severity": severity,
        "fingerprint": mark_,
        "location": {"path": clean(file).removeprefix("./"), "lines": {"begin": max(line, 1)}},
    }


# -- Markdown: a pull request's comment, a job's summary ---------------------------------------------------------------

_ROWS: Final = 200  # of all tables
_TABLES: Final = 32_768  # characters of them: GitHub's comments may be 65,536 long
_BROKEN: Final = 20  # documents that cannot be read, and characters of a line about one
_LINE: Final = 300
_FIX: Final = 16_384  # characters of fixes
_MARKS: Final = {Severity.ERROR: "❌", Severity.WARNING: "⚠️", Severity.INFO: "ℹ️"}  # noqa: RUF001 - the sign itself


def comment(run: Run, dump_yaml: DumpYaml) -> str:
    """Return a comment: what is found, by file and workload, and the fixes folded away."""
    worst = max((one.severity for one in run.findings), default=None)
    sign = _MARKS[Severity.ERROR] if run.failures else _MARKS[worst] if worst else "✅"
    lines = [f"### {sign} Network policy: {escaped(total(run.summary, len(run.failures)))}", ""]
    if run.compared:
        lines += [f"{run.accepted} accepted by the baseline, {len(run.unmet)} of its entries no longer met.", ""]
    lines += [f"- unreadable: {escaped(clip(failure(one), _LINE))}" for one in run.failures[:_BROKEN]]
    lines += [f"- and {len(run.failures) - _BROKEN} more"] if len(run.failures) > _BROKEN else []
    lines += [""] if run.failures else []
    shown = _fitting(run.findings)
    for file, some in by_file(shown).items():
        rows = table(("", "Id", "Workload or policy", "What", "What to do"), map(_cells, some))
        lines += [f"**{code(file) if file else ELSEWHERE}**", "", *rows, ""]
    if len(run.findings) > len(shown):
        lines += [f"and {len(run.findings) - len(shown)} more: `netpol-preflight {run.command}`", ""]
    return "\n".join([*lines, *_fixes(run.findings, dump_yaml)]).rstrip("\n") + "\n"


def _fitting(findings: Iterable[Finding]) -> list[Finding]:
    """Return as many findings as have room, the worst first."""
    found, left = list[Finding](), _TABLES
    for one in order(findings):
        left -= sum(map(len, (*_cells(one), place(one.location)[0])))
        if left < 0 or len(found) == _ROWS:
            break
        found.append(one)
    return found


def _fixes(findings: Iterable[Finding], dump_yaml: DumpYaml) -> Iterator[str]:
    fixes = combined(findings)
    if not fixes:
        return
    yaml = dump_yaml(fixes)
    yield from (f"<details><summary>The fix ({count(len(fixes), 'NetworkPolicy')})</summary>", "")
    if len(yaml) > _FIX:
        yield "It is too long for a comment: `netpol-preflight fix` prints it."
    else:
        yield from ("Apply with `kubectl apply -f -`:", "", *fenced(yaml, "yaml"))
    yield from ("", "</details>", "")


def _cells(finding: Finding) -> tuple[str, ...]:
    near = "".join(f"; {miss}" for miss in near_misses(finding))
    said = escaped(sentence(finding) + mark(finding) + near)
    return _MARKS[finding.severity], finding.id, code(subject(finding)), said, escaped(remedy(finding))


def by_file(findings: Iterable[Finding]) -> dict[str, list[Finding]]:
    """Return findings by the file that they are in, and within it by workload or policy, the worst first."""
    found: dict[str, list[Finding]] = {}
    for one in sorted(findings, key=_order):
        found.setdefault(place(one.location)[0], []).append(one)
    return found


def _order(one: Finding) -> tuple[str, int, str, int, tuple[str, str, str]]:
    file, _ = place(one.location)
    line = one.location.line if one.location else 0
    return file, line, subject(one), -one.severity, one.identity

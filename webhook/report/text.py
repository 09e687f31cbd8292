"""A run over files and its findings, as a person reads them on a terminal and as annotations of a GitHub workflow."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Protocol, Self

from msgspec import Struct

from webhook.model.answers import Finding, Location, Manifest, Severity, Source, Verdict
from webhook.model.refs import WorkloadRef
from webhook.model.settings import PRODUCT
from webhook.report.admission import order
from webhook.report.safe import clean
from webhook.report.words import details, mark, message, near_misses, remedy, sentence

if TYPE_CHECKING:  # what is read and told without them needs neither
    from webhook.judge import Judged
    from webhook.review.compare import Entry


class Failure(Struct, frozen=True, order=True):
    """Input that could not be read: `line` counts from 1, 0 where there is none; `message` says why."""

    file: str
    line: int
    message: str


class Summary(Struct, frozen=True):
    """How many findings of each severity, workloads and policies checked, and documents skipped."""

    error: int
    warning: int
    info: int
    checked: int
    skipped: int

    @classmethod
    def of(cls, findings: Iterable[Finding], checked: int, skipped: int) -> Self:
        """Count `findings`."""
        severities = [finding.severity for finding in findings]
        return cls(
            error=severities.count(Severity.ERROR),
            warning=severities.count(Severity.WARNING),
            info=severities.count(Severity.INFO),
            checked=checked,
            skipped=skipped,
        )


class Origin(Struct, frozen=True):
    """Where a world comes from. `taken`: when (RFC 3339), None for files; `cluster`: its API server's address.

    `stale`: so long ago that the cluster may look different by now. `part`: what of it is looked at, where not all is.
    """

    taken: str | None = None
    cluster: str = ""
    stale: bool = False
    part: str = ""


class Row(Struct, frozen=True):
    """One dependency of one workload; `findings`: the ids of those about it; `judged`: its way, flow by flow."""

    workload: WorkloadRef
    dependency: str
    source: Source
    verdict: Verdict
    findings: tuple[str, ...] = ()
    judged: "Judged | None" = None


class Run(Struct, frozen=True, kw_only=True):
    """What a command found. `findings`: in order, without what a baseline accepts; `rows`: what was judged.

    `places`: where workloads are; `fails_from`: the least severity that fails the run, None: none does. `compared`:
    findings of something else were taken away, so that these are new; by a baseline `accepted` many, and `unmet` is
    what it accepts that is not there. `version`: the program's.
    """

    command: str
    findings: tuple[Finding, ...]
    failures: tuple[Failure, ...]
    summary: Summary
    rows: tuple[Row, ...] = ()
    places: Mapping[WorkloadRef, Location] = {}
    fails_from: Severity | None = Severity.ERROR
    compared: bool = False
    accepted: int = 0
    unmet: "tuple[Entry, ...]" = ()
    version: str = ""


def place(location: Location | None) -> tuple[str, int]:
    """Return the file to look at, and the line: of what was rendered its template, whose lines are not known."""
    if location is None:
        return "", 0
    return (location.template, 1) if location.template else (location.file, location.line)


Paint = Callable[[str, str], str]  # (style, text) -> text; styles: error, warning, info, dim, bold, good


class Tabulate(Protocol):
    """What lays out a table: `numbers` are the columns to align right, `least` how wide those are at least."""

    def __call__(
        self, head: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Collection[int] = (), least: int = 0
    ) -> str:
        """Return the lines of a table; cells may be painted."""


def plain(_style: str, text: str) -> str:
    """Return `text` as it is."""
    return text


def check(run: Run, paint: Paint = plain) -> str:
    """Return the report of a check: findings where they are, and one line that sums up."""
    last = total(run.summary, len(run.failures), paint) + accepted(run)
    return "\n".join([*grouped(sorted(run.findings, key=_place), paint), last])


def accepted(run: Run) -> str:
    """Return what is put behind the sum where a baseline took findings away."""
    return f", {count(run.accepted, 'finding')} accepted by the baseline" if run.accepted else ""


def grouped(findings: Iterable[Finding], paint: Paint = plain) -> Iterator[str]:
    """Yield findings, in their order, under the document and the workload or policy that they are about."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for one in findings:
        groups.setdefault((where(one.location), clean(subject(one))), []).append(one)
    for (at, who), some in groups.items():
        yield paint("bold", f"{at}{who}")
        yield from (f"  {block(one, paint)}" for one in some)
        yield ""


def subject(finding: Finding) -> str:
    """Return whom a finding is about, as kubectl calls it: a workload, else a policy, else a namespace."""
    if finding.workload:
        return str(finding.workload)
    if finding.policies:
        ref = finding.policies[0]
        return ref.titled if ref.kind_word else f"netpol/{ref}"
    return f"namespace {dict(finding.facts).get('namespace', '')}".rstrip()


def block(finding: Finding, paint: Paint = plain) -> str:
    """Return one finding: its line, then near misses and what to do, indented."""
    severity = finding.severity.word
    head = f"{paint(severity, severity)} {finding.id} {sentence(finding)}{mark(finding)}"
    below = [
        *details(finding),
        *(f"near miss: {miss}" for miss in near_misses(finding)),
        f"help: {'' if finding.hits else _fixes(finding.fix)}{remedy(finding)}",
    ]
    return "\n".join([head, *(f"    {paint('dim', text)}" for text in below)])


def where(location: Location | None) -> str:
    """Return `file:line: `, of what was rendered its template, or nothing."""
    if location is None:
        return ""
    return f"{clean(location.template)}: " if location.template else f"{clean(location.file)}:{location.line}: "


def total(summary: Summary, broken: int, paint: Paint = plain) -> str:
    """Return `2 errors, 1 warning; 3 workloads checked, 1 document skipped`."""
    found = [
        paint(style, count(number, style)) if style != "info" else f"{number} info"
        for style, number in (("error", summary.error), ("warning", summary.warning), ("info", summary.info))
        if number
    ]
    done = [count(summary.checked, "workload") + " checked"]
    if summary.skipped:
        done.append(count(summary.skipped, "document") + " skipped")
    if broken:
        done.append(paint("error", count(broken, "document") + " unreadable"))
    return f"{', '.join(found) or paint('good', 'no findings')}; {', '.join(done)}"


def failure(one: Failure) -> str:
    """Return `file:line: reason`, as it goes to standard error."""
    return (
        f"{clean(one.file)}:{one.line}: {clean(one.message)}"
        if one.line
        else f"{clean(one.file)}: {clean(one.message)}"
    )


def _fixes(manifests: Iterable[Manifest]) -> str:
    names = [_manifest_name(manifest) for manifest in manifests]
    if not names:
        return ""
    return f"add {count(len(names), 'NetworkPolicy')} {', '.join(names)}; "


def _manifest_name(manifest: Manifest) -> str:
    metadata = manifest.get("metadata", {})
    return clean(f"{metadata.get('namespace', 'default')}/{metadata.get('name', '')}")


def _place(finding: Finding) -> tuple[str, str, int, str, int, tuple[str, str, str]]:
    at = finding.location or Location("", 0)
    return (at.file, at.template, at.line, subject(finding), -finding.severity, finding.identity)


def count(number: int, noun: str) -> str:
    """Return `1 policy`, `2 policies`, `3 workloads`."""
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun[:-1]}ies" if noun.endswith("y") else f"{number} {noun}s"


__all__ = [
    "Paint",
    "Severity",
    "Tabulate",
    "block",
    "check",
    "count",
    "failure",
    "grouped",
    "plain",
    "subject",
    "total",
    "where",
]


_LEVEL: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}
_DATA: Final = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY: Final = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})


def annotations(findings: Iterable[Finding], errors: Iterable[Failure]) -> str:
    """Return the commands, one a line, broken input first."""
    broken = [_command("error", e.file, e.line, f"{PRODUCT}: unreadable", e.message) for e in errors]
    return "\n".join([*broken, *map(_annotation, order(findings))])


def _annotation(finding: Finding) -> str:
    file, line = place(finding.location)
    title = f"{finding.id} {finding.dependency or ''}".strip()
    return _command(_LEVEL[finding.severity], file, line, title, message(finding))


def _command(level: str, file: str, line: int, title: str, text: str) -> str:
    properties = {
        "file": clean(file) if file not in {"", "-"} else "",
        "line": str(line) if line else "",
        "title": clean(title),
    }
    shown = ",".join(f"{key}={value.translate(_PROPERTY)}" for key, value in properties.items() if value)
    return f"::{level} {shown}::{clean(text).translate(_DATA)}"

"""Findings before they are written: their severity by the settings, exemptions, and evidence on demand."""

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from msgspec import Struct, json, structs

from webhook.model.answers import Finding, Malformed, Severity
from webhook.model.budget import Exhausted
from webhook.model.objects import Workload
from webhook.model.refs import KIND_OF_WORD
from webhook.model.settings import Exempted, Mode, Settings
from webhook.world import View

if TYPE_CHECKING:
    from webhook.wire.admission import AdmissionRequest

FORM: Final = "NP102@postgres.production until=2026-12-31: reason"
MOST: Final = 100  # lines of one annotation
SHOWN: Final = 60  # characters of a malformed line that a message repeats
_LINE = re.compile(  # a dependency has colons of its own: only one before a space ends it
    r"(?P<id>NP[0-9]{3})(?:@(?P<dependency>\S{1,300}?)(?=\s|:\s))?(?:\s+until=(?P<until>[^\s:]{1,20}))?\s*:\s*(?P<reason>\S.*)"
)


class Exemption(Struct, frozen=True):
    """One line: a finding id, on one dependency or on all, until a day that is still included."""

    id: str
    dependency: str | None
    until: date | None
    reason: str

    def covers(self, finding: Finding) -> bool:
        """Say whether this is about `finding`.

        The dependency may be canonical or as the annotation takes it: without a port it stands for all of its ports,
        without a protocol for TCP, without a namespace for the workload's own.
        """
        if finding.id != self.id:
            return False
        if self.dependency is None:
            return True
        host, _, port = (finding.dependency or "").rpartition(":")
        space = finding.workload.namespace if finding.workload else ""
        hosts = {host, host.removesuffix(f".{space}")}
        spoken = {finding.dependency, *hosts, *(f"{h}:{p}" for h in hosts for p in (port, port.removesuffix("/TCP")))}
        return self.dependency.lower() in {text.lower() for text in spoken if text}


def exemptions(workload: Workload, today: date) -> tuple[tuple[Exemption, ...], tuple[Malformed, ...]]:
    """Read the annotation. A line without a reason, or whose day is past, exempts nothing and is malformed."""
    if not workload.exempt:
        return (), ()
    good: list[Exemption] = []
    bad: list[Malformed] = []
    lines = [line.strip() for note in workload.exempt for line in note.text.splitlines() if line.strip()]
    for position, line in enumerate(lines[:MOST], 1):
        read = _read(line, today)
        if isinstance(read, Exemption):
            good.append(read)
        else:
            bad.append(Malformed(position, _shown(line), read))
    if len(lines) > MOST:
        bad.append(Malformed(MOST + 1, "…", f"at most {MOST} lines"))
    return tuple(good), tuple(bad)


def _shown(line: str) -> str:
    """Return as much of a malformed line as is safe to print: a URL's user info is not."""
    head, slashes, _ = line.partition("://")
    text = f"{head}{slashes}…" if slashes else head
    return "".join(c if c.isprintable() else "?" for c in text[:SHOWN])


def _read(line: str, today: date) -> Exemption | str:
    match = _LINE.fullmatch(line)
    if match is None:
        return f"{FORM}"
    until = None
    if match["until"]:
        try:
            until = date.fromisoformat(match["until"])
        except ValueError:
            return f"a day as YYYY-MM-DD in until=: {FORM}"
        if until < today:
            return f"a day that is not past: {until} is over"
    return Exemption(match["id"], match["dependency"], until, match["reason"])


def without_exempt(findings: Iterable[Finding], granted: Iterable[Exemption]) -> tuple[tuple[Finding, ...], int]:
    """Return the findings that no exemption covers, and how many are covered."""
    every, grants = list(findings), list(granted)
    kept = tuple(f for f in every if not any(g.covers(f) for g in grants))
    return kept, len(every) - len(kept)


def configured(settings: Settings, found: Iterable[Finding], today: date) -> tuple[tuple[Finding, ...], int]:
    """Return findings with the severities that are set, and how many are exempt; what is off is not told."""
    severities = dict(settings.severities)
    told = [one for one in found if not ignored(settings, namespace_of(one)) and severities.get(one.id, 1)]
    kept = unanswered(settings, told, today)
    return tuple(_graded(one, severities.get(one.id)) for one in kept), len(told) - len(kept)


def unanswered(settings: Settings, found: Iterable[Finding], today: date) -> list[Finding]:
    """Return the findings that nobody answers for in the configuration."""
    granted = [grant for grant in settings.exemptions if grant.until is None or grant.until >= today]
    return [one for one in found if not any(_covers(grant, one) for grant in granted)]


def ignored(settings: Settings, namespace: str) -> bool:
    """Say whether nothing is to be said about a namespace."""
    return any(fnmatchcase(namespace, pattern) for pattern in settings.ignored_namespaces)


def mode_set(settings: Settings, namespace: str) -> Mode:
    """Return the mode of a namespace whose label says nothing: that of the longest pattern that fits."""
    fitting = ((len(pattern), mode) for pattern, mode in settings.modes if fnmatchcase(namespace, pattern))
    return max(fitting, default=(0, settings.mode))[1]


def namespace_of(finding: Finding) -> str:
    """Return the namespace that a finding is about; empty where it is about none."""
    if finding.workload is not None:
        return finding.workload.namespace
    if finding.policies:
        return finding.policies[0].namespace or ""
    return dict(finding.facts).get("namespace", "")


def _graded(finding: Finding, severity: int | None) -> Finding:
    """Give a finding the severity that is set; what is only supposed is a warning at most."""
    if severity is None:
        return finding
    most = Severity.WARNING if finding.supposed else Severity.ERROR
    return structs.replace(finding, severity=min(Severity(severity), most))


def _covers(grant: Exempted, finding: Finding) -> bool:
    here = fnmatchcase(namespace_of(finding), grant.namespace) and _names(grant.workload, finding)
    return here and Exemption(grant.id, grant.dependency, grant.until, grant.reason).covers(finding)


def _names(pattern: str, finding: Finding) -> bool:
    """Say whether `deploy/web-*`, or `web-*` of any kind, is the finding's workload; a policy's has no kind."""
    word, slash, name = pattern.rpartition("/")
    kind = KIND_OF_WORD.get(word.lower())
    if finding.workload is None:
        return pattern == "*" or (not slash and any(fnmatchcase(ref.name, name) for ref in finding.policies))
    return fnmatchcase(finding.workload.name, name) and (not slash or kind == finding.workload.kind)


MOST_WARNINGS: Final = 8  # lines of one answer
MOST_FIXES: Final = 16_384  # bytes: a denial's message has no room for more
UNWRITTEN: Final = "too much to work out in time: run `netpol-preflight fix`"
HEARD: Final = frozenset({Mode.WARN, Mode.ENFORCE})  # modes in which the person who applies is warned
STALE: Final = "what is known of the cluster may be out of date"
Audit = tuple[tuple[str, str], ...]


class Decision(Struct, frozen=True):
    """The answer to one request. `rejected` are the findings that deny it; `notes` are further warnings.

    `reviewed` False: nothing was judged, and `audit` says why. `exhausted`: it would have taken more than the budget.
    `left_out`: what of the rest would have, of `budget.LEFT_OUT`. `shown`: what may be said, where that is not all.
    """

    uid: str
    allowed: bool = True
    mode: Mode = Mode.OFF
    findings: tuple[Finding, ...] = ()
    rejected: tuple[Finding, ...] = ()
    audit: Audit = ()
    notes: tuple[str, ...] = ()
    dry_run: bool = False
    reviewed: bool = False
    exhausted: bool = False
    left_out: tuple[str, ...] = ()
    shown: tuple[Finding, ...] | None = None


def skipped(request: "AdmissionRequest", mode: Mode, why: str) -> Decision:
    """Return the answer to what is not judged: allowed, and the audit log says why."""
    audit = (("mode", mode.value), ("not-evaluated", why))
    return Decision(request.uid, mode=mode, audit=audit, dry_run=request.dry_run)


class Draft(Struct, frozen=True):
    """A finding without near misses and fix. `whole` returns it with both, which take most of what a review costs."""

    finding: Finding
    whole: Callable[[], Finding]


def ready(finding: Finding) -> Draft:
    """Return a finding to which nothing is to be added."""
    return Draft(finding, lambda: finding)


def rank(finding: Finding) -> tuple[object, ...]:
    """Sort key of what is shown: worst first, then by id, workload and dependency; last what others claim (NP109)."""
    return (-finding.severity, finding.id == "NP109", *finding.identity)


def of_warnings(drafts: Iterable[Draft]) -> Iterator[tuple[Draft, Finding]]:
    """Yield the drafts that become warning lines, each with the whole finding."""
    heard = (draft for draft in drafts if draft.finding.severity > Severity.INFO)
    for draft in sorted(heard, key=lambda one: rank(one.finding))[:MOST_WARNINGS]:
        yield draft, _whole(draft)


def of_denial(drafts: Iterable[Draft]) -> Iterator[tuple[Draft, Finding]]:
    """Yield the drafts that a denial has room for, each with the whole finding."""
    written, size = set[bytes](), 0
    for draft in sorted(drafts, key=lambda one: rank(one.finding)):
        if size >= MOST_FIXES:
            return
        found = _whole(draft)
        policies = {json.encode(manifest) for manifest in found.fix} - written
        written |= policies
        size += sum(map(len, policies))
        yield draft, found


def _whole(draft: Draft) -> Finding:
    """Return the whole finding; what was found stands where there is no time for the rest."""
    try:
        whole = draft.whole()
    except Exhausted:
        return structs.replace(draft.finding, no_fix=UNWRITTEN)
    return structs.replace(whole, severity=draft.finding.severity)


def labelled_mode(view: View, namespace: str, label: str, default: Mode) -> tuple[Mode, tuple[str, ...]]:
    """Return the mode that a label of the namespace asks for. An unknown word is as good as none, with a note."""
    word = view.namespaces.get(namespace).labels.get(label)
    if word is None:
        return default, ()
    try:
        return Mode(word), ()
    except ValueError:
        shown = "".join(c if c.isprintable() else "?" for c in word[:63])
        note = f"namespace {namespace}: label {label}={shown} is none of off, audit, warn, enforce; "
        return default, (f"{note}using {default} (NP303); correct the label",)

"""What the operator has said of findings: how grave they are, which are answered for, and where none is wanted."""

from collections.abc import Iterable
from datetime import date
from fnmatch import fnmatchcase

from msgspec import structs

from webhook.model.finding import Finding, Severity
from webhook.model.refs import KIND_OF_WORD
from webhook.model.settings import Exempted, Mode, Settings
from webhook.review.exemptions import Exemption


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

"""What an answer may tell whoever asks of namespaces that are not theirs: nothing (`disclose: own`).

The words come from a view in which those namespaces are not there; from the whole world comes only which declared
items are not sure to work. Of such an item that the small view cannot explain the same is said, whatever the cause is.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final

from msgspec import structs

from webhook.dependencies import resolve
from webhook.judge import judge, judge_workload
from webhook.judge.workload import declared, everybodys
from webhook.model.answers import CLOSED, UNDISCLOSED, Dependency, Finding, NameTarget, Severity, Verdict
from webhook.model.objects import Workload
from webhook.model.refs import WorkloadRef
from webhook.model.settings import VISIBLE_LABEL
from webhook.review.drafts import Draft, Exemption, ready
from webhook.world import View
from webhook.world.seen import Seen

_ABOUT_ITEMS: Final = frozenset(
    {"NP101", "NP102", "NP103", "NP104", "NP105", "NP106", "NP107", "NP201", "NP202", "NP203", "NP204"}
)
_INSIDE: Final = 2  # dots of `pod.service.namespace`, the longest name that is looked up in the cluster
_OF_SERVERS: Final = frozenset({"NP108", "NP109"})
Identity = tuple[str, str, str]


def seen_from(view: View, namespace: str) -> Seen:
    """Return what whoever edits a namespace may be told of: it, and those whose label says that everybody may."""

    def shown(name: str) -> bool:
        return name == namespace or view.namespaces.get(name).labels.get(VISIBLE_LABEL, "false") != "false"

    return Seen(view, shown)


def undisclosed(
    views: tuple[View, View],
    workload: Workload,
    mine: Sequence[Draft],
    every: Iterable[Draft],
    granted: Sequence[Exemption],
) -> list[Draft]:
    """Return what is reported of a workload.

    `views`: the whole world and what is seen of it, both with the workload in it. `every` is found in the one, `mine`
    in the other. `granted`: exemptions; one of any finding about an item covers what is said in its place.
    """
    whole, seen = views
    known = {draft.finding.identity for draft in every}
    found = [draft for draft in mine if _own(draft.finding, known)]
    for text in _not_sure(whole, seen, workload):
        said = [draft for draft in mine if draft.finding.dependency == text and _explains(draft.finding)]
        found += said or _unless(without_cause(workload.ref, text), granted)
    dns = judge_workload(whole, workload, near=False).dns
    if dns is not None and dns.verdict in CLOSED:
        bare = Finding("NP103", Severity.WARNING, workload.ref, facts=(("undisclosed", ""),))
        found += [draft for draft in mine if draft.finding.id == "NP103"] or _unless(bare, granted)
    return list({one.finding.identity: one for one in found if one.finding.severity > Severity.INFO}.values())


def _own(finding: Finding, known: Collection[Identity]) -> bool:
    """Say whether a finding is about the workload itself; or about it and what is seen, and so in the whole world."""
    if finding.id in _OF_SERVERS or finding.source == "inferred":
        return finding.identity in known
    return finding.id not in _ABOUT_ITEMS


def _not_sure(whole: View, seen: View, workload: Workload) -> Iterator[str]:
    """Yield the declared items that are not sure to work, each as it reads where only `seen` is known."""
    for item in (*declared(workload), *everybodys(whole, workload)):
        if isinstance(item, Dependency):
            judged = judge(whole, workload, resolve(whole, workload, item), near=False)
            lost = any(one.what != "NP203" for one in judged.missing)
            if lost or judged.verdict in CLOSED or (judged.verdict is Verdict.UNKNOWN and not _outside(whole, item)):
                yield resolve(seen, workload, item).text


def _outside(view: View, item: Dependency) -> bool:
    """Say whether an item is a name outside the cluster whatever is in it."""
    if not isinstance(item.target, NameTarget):
        return False
    host = item.target.host
    inside = host.rstrip(".").removesuffix(f".{view.settings.cluster_domain}").removesuffix(".svc")
    return inside == host.rstrip(".") and (host.endswith(".") or host.startswith("*.") or inside.count(".") > _INSIDE)


def _explains(finding: Finding) -> bool:
    """Say whether what is seen tells why; that a namespace that is not seen is not there tells nothing."""
    if finding.source == "inferred" or finding.severity is Severity.INFO or finding.id not in _ABOUT_ITEMS:
        return False
    return finding.id != "NP201" or "/" in dict(finding.facts).get("name", "")


def without_cause(workload: WorkloadRef, dependency: str) -> Finding:
    """Return what is said of a dependency of which it may not be said why it does not work."""
    return Finding(UNDISCLOSED, Severity.WARNING, workload, dependency)


def _unless(bare: Finding, granted: Sequence[Exemption]) -> list[Draft]:
    asked = (structs.replace(bare, id=name) for name in sorted(_ABOUT_ITEMS))
    return [] if any(grant.covers(one) for one in asked for grant in granted) else [ready(bare)]

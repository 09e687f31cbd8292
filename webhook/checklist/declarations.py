"""Declarations, and the labels that policies find a workload by: NP201 to NP204 and NP301 to NP304."""

import re
from collections.abc import Iterator

from webhook.judge import Judged, JudgedWorkload
from webhook.model.answers import DEFAULT_SEVERITY, Finding, Malformed, Severity, Verdict
from webhook.model.objects import Workload
from webhook.model.refs import WorkloadRef
from webhook.model.settings import DECLARE_LABEL, RequiredLabel
from webhook.world import View


def check_declarations(judged: JudgedWorkload, *, complete: bool) -> Iterator[Finding]:
    """Yield one finding for each malformed item and each dependency that leads nowhere."""
    for item in judged.malformed:
        yield malformed(judged.workload.ref, item)
    for answer in judged.dependencies:
        yield from _missing(judged.workload.ref, answer, complete=complete)


def malformed(workload: WorkloadRef, item: Malformed, annotation: str = "connects-to") -> Finding:
    """Return NP303 for an item that cannot be read."""
    where = annotation if item.place == "metadata" else f"{item.place} {annotation}"
    facts = (
        ("position", str(item.position)),
        ("item", item.item),
        ("expected", item.expected),
        ("annotation", where),
    )
    return Finding(
        "NP303",
        DEFAULT_SEVERITY["NP303"],
        workload,
        dependency=f"{where}[{item.position}]",
        source=item.source,
        facts=facts,
    )


def _missing(workload: WorkloadRef, answer: Judged, *, complete: bool) -> Iterator[Finding]:
    """Several parts of one dependency may lack the same thing; it is reported once, by the first."""
    told: set[str] = set()
    for lost in answer.missing:
        if lost.what in told:
            continue
        told.add(lost.what)
        yield Finding(
            lost.what,
            Severity.INFO if answer.unsure else severity(lost.what, dict(lost.facts), complete=complete),
            workload,
            dependency=answer.text,
            source=answer.source,
            verdict=Verdict.UNKNOWN if not answer.flows else None,
            facts=lost.facts,
            assumptions=() if answer.flows else answer.assumptions,
        )


def severity(finding: str, facts: dict[str, str], *, complete: bool) -> Severity:
    """Return the default severity: info where what is missing may be elsewhere; NP203 warns of a lost name."""
    if finding in ("NP201", "NP204") and not complete:
        return Severity.INFO
    if finding == "NP203" and "target" in facts:
        return Severity.WARNING
    return DEFAULT_SEVERITY[finding]


def check_labels(view: View, workload: Workload) -> Iterator[Finding]:
    """Yield NP301 for labels that the settings require, and NP302 where the namespace asks for declarations."""
    missing = [text for label in view.settings.required_labels if (text := _required(workload, label))]
    if missing:
        facts = (("labels", ", ".join(missing)),)
        yield Finding("NP301", DEFAULT_SEVERITY["NP301"], workload.ref, source="config", facts=facts)
    if _asked(view, workload) and not workload.connects_to:
        yield Finding("NP302", DEFAULT_SEVERITY["NP302"], workload.ref)


def check_undeclared(view: View, judged: JudgedWorkload) -> Iterator[Finding]:
    """Yield NP304 where containers are configured to call somebody whom no annotation names.

    It is where the namespace asks for declarations, or the workload has begun to declare.
    """
    if not _asked(view, judged.workload) and not judged.workload.connects_to:
        return
    for one in judged.dependencies:
        if one.source == "inferred":
            severity = DEFAULT_SEVERITY["NP304"]
            yield Finding("NP304", severity, judged.workload.ref, dependency=one.text, source="inferred")


def _asked(view: View, workload: Workload) -> bool:
    return view.namespaces.get(workload.ref.namespace).labels.get(DECLARE_LABEL) == "required"


def _required(workload: Workload, label: RequiredLabel) -> str | None:
    """Return what is wrong with one label of the pod template: only its labels can be selected."""
    labels = workload.template.pod_class.labels
    for key in (label.key, *label.alternatives):
        value = labels.get(key)
        if value is None:
            continue
        if label.values and value not in label.values:
            return f"{key}={value} (one of {', '.join(label.values)})"
        if label.pattern and not re.fullmatch(label.pattern, value):
            return f"{key}={value} (like {label.pattern})"
        return None
    return " or ".join((label.key, *label.alternatives))

"""Labels that policies can find a workload by, and whether it declares what it uses: NP301, NP302 and NP304."""

import re
from collections.abc import Iterator

from webhook.explain import JudgedWorkload
from webhook.model.finding import DEFAULT_SEVERITY, Finding
from webhook.model.objects import Workload
from webhook.model.settings import DECLARE_LABEL, RequiredLabel
from webhook.world import View


def check_labels(view: View, workload: Workload) -> Iterator[Finding]:
    """Yield NP301 for labels that the settings require, and NP302 where the namespace asks for declarations."""
    missing = [text for label in view.settings.required_labels if (text := _missing(workload, label))]
    if missing:
        facts = (("labels", ", ".join(missing)),)
        yield Finding("NP301", DEFAULT_SEVERITY["NP301"], workload.ref, source="config", facts=facts)
    if _asked(view, workload) and not workload.connects_to:
        yield Finding("NP302", DEFAULT_SEVERITY["NP302"], workload.ref)


def check_undeclared(view: View, judged: JudgedWorkload) -> Iterator[Finding]:
    """Yield NP304 where containers are told to talk to somebody whom no annotation names.

    It is where the namespace asks for declarations, or the workload has begun to declare.
    """
    if not _asked(view, judged.workload) and not judged.workload.connects_to:
        return
    for one in judged.dependencies:
        if one.source == "inferred":
            severity = DEFAULT_SEVERITY["NP304"]
            yield Finding("NP304", severity, judged.workload.ref, dependency=one.text, source="inferred")


def _asked(view: View, workload: Workload) -> bool:
    return view.namespace(workload.ref.namespace).labels.get(DECLARE_LABEL) == "required"


def _missing(workload: Workload, label: RequiredLabel) -> str | None:
    """Return what is wrong with one label of the pod template: only its labels can be selected."""
    labels = workload.template.shape.labels
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

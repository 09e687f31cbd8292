"""Workloads and namespaces: declarations, labels that policies ask for, default deny (NP201-204, NP301-306, NP107)."""

import re
from collections.abc import Iterator

from msgspec import structs

from webhook.checklist.blocks import finding
from webhook.families import support_of
from webhook.families.networkpolicy import isolates
from webhook.fix.behind import denies_all_pods
from webhook.judge import Judged, JudgedWorkload
from webhook.model.answers import DEFAULT_SEVERITY, Finding, Malformed, Severity, Verdict
from webhook.model.crd_policies import CrdPolicy
from webhook.model.dialect import NETWORK_POLICY, Support
from webhook.model.labels import Space, Value, holds
from webhook.model.objects import PodClass, Workload
from webhook.model.peers import Place, PlacePeer
from webhook.model.policy import Direction, Policy
from webhook.model.refs import PolicyRef, WorkloadRef
from webhook.model.settings import DECLARE_LABEL, RequiredLabel
from webhook.model.tier import Action, CompiledPolicy, CompiledRule
from webhook.model.truth import Truth
from webhook.wire.objects import UNSERVED
from webhook.world import View
from webhook.world.pod_labels import labels_of


def check_declarations(judged: JudgedWorkload, *, complete: bool) -> Iterator[Finding]:
    """Yield one finding for each malformed item and each dependency that leads nowhere."""
    for item in judged.malformed:
        yield malformed(judged.workload.ref, item)
    for answer in judged.dependencies:
        if answer.missing:
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
    inferred = [one for one in judged.dependencies if one.source == "inferred"]
    if inferred and (judged.workload.connects_to or _asked(view, judged.workload)):
        for one in inferred:
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


def check_namespace(view: View, namespace: str) -> Iterator[Finding]:
    """Yield what is missing in one namespace: a default deny of ingress, and the ways past one that is there."""
    policies = [policy for _, policy in sorted(view.policies.named(namespace).items())]
    denies = [policy for policy in policies if denies_all(policy, Direction.INGRESS)]
    others = [*_of_other_families(view, namespace)]
    if not denies and not any(_closes(view, compiled, namespace) for compiled in others):
        facts = (("namespace", namespace), ("direction", "ingress"))
        yield Finding("NP305", DEFAULT_SEVERITY["NP305"], None, source="policy", facts=facts)
    for policy in denies:
        if not policy.documented and not any(_allows(other) for other in policies) and not _allowing(others, namespace):
            yield finding("NP306", policy, Direction.INGRESS, None, (("namespace", namespace),))


def denies_all(policy: Policy, direction: Direction) -> bool:
    """Say whether a policy selects every pod of its namespace and lets nothing through."""
    every = policy.subject is not None and not policy.subject.requirements
    return every and isolates(policy, direction) and not policy.rules(direction)


def _of_other_families(view: View, namespace: str) -> Iterator[CompiledPolicy]:
    own = view.policies.named(namespace)
    for whose in (namespace, ""):
        yield from (
            i
            for i in view.policies.compiled_policies(whose, Direction.INGRESS)
            if i.ref not in own and i.unclear is None
        )


def _closes(view: View, compiled: CompiledPolicy, namespace: str) -> bool:
    """Say whether a policy denies by default whatever pod of a namespace nobody has thought of.

    It selects all of them, and closes at the end of its tier, or denies all pods by a rule.
    """
    if compiled.subject is None or compiled.subject.requirements or not _about(view, compiled, namespace):
        return False
    return compiled.default_deny or any(denies_all_pods(rule) for rule in compiled.rules)


def _about(view: View, compiled: CompiledPolicy, namespace: str) -> bool:
    """Say whether a policy selects pods of a namespace whatever labels and account they have."""
    known = labels_of(view, PodClass(namespace))

    def asking(space: Space, key: str) -> Value:
        return Truth.MAYBE if space in (Space.POD, Space.ACCOUNT) or key == "account" else known(space, key)

    return compiled.scope is None or holds(compiled.scope, asking) is Truth.YES


def _allowing(others: list[CompiledPolicy], namespace: str) -> bool:
    """Say whether a policy of another family lets something into a namespace: its own, or one for several."""
    allowing = (i for i in others if any(map(_lets_in, i.rules)))
    return any(i.namespace in ("", namespace) for i in allowing)


def _lets_in(rule: CompiledRule) -> bool:
    """Say whether a rule allows somebody, beside the pod's own node, which needs no policy."""
    return rule.action is Action.ALLOW and rule.peers != (PlacePeer(Place.OWN_NODE),)


def _allows(policy: Policy) -> bool:
    return isolates(policy, Direction.INGRESS) and bool(policy.ingress)


def check_enforced(view: View, policy: Policy | CrdPolicy) -> Iterator[Finding]:
    """Yield NP107 for a policy of a kind that the recognised enforcer, or any API server, takes no notice of."""
    kind = NETWORK_POLICY if isinstance(policy, Policy) else (policy.group, policy.ref.kind)
    if kind == UNSERVED and isinstance(policy, CrdPolicy):
        told = (("policy", policy.ref.titled), ("unserved", f"{policy.group}/{policy.version}"))
        yield structs.replace(_finding(policy.ref, told), severity=Severity.WARNING)
    elif view.enforcer.decisive and view.enforcer.enforces and _support(view, kind) is Support.INERT:
        facts = (("policy", policy.ref.titled), ("enforcer", view.enforcer.name), ("kind", f"{kind[1]}.{kind[0]}"))
        yield _finding(policy.ref, facts)


def _support(view: View, kind: tuple[str, str]) -> Support:
    """Say what becomes of a kind; NetworkPolicy is everybody's, unless it is switched off."""
    if kind == NETWORK_POLICY:
        return Support.INERT if kind in view.dialect.inert else Support.EVALUATED
    return support_of(kind, view.compile_context)


def problems_of(view: View, policy: CrdPolicy) -> tuple[str, ...]:
    """Return what is wrong with a policy that the enforcer evaluates; of what it does not, nothing is known."""
    if _support(view, (policy.group, policy.ref.kind)) is not Support.EVALUATED:
        return ()
    return view.policies.problems().get(policy.ref, ())


def check_problems(view: View, policy: CrdPolicy) -> Iterator[Finding]:
    """Yield NP107 for a policy that is not in force as it is written, or that is not understood."""
    if problems := problems_of(view, policy):
        more = (("more", str(len(problems) - 1)),) if len(problems) > 1 else ()
        yield _finding(policy.ref, (("policy", policy.ref.titled), ("problem", problems[0]), *more))


def _finding(ref: PolicyRef, facts: tuple[tuple[str, str], ...]) -> Finding:
    return Finding("NP107", DEFAULT_SEVERITY["NP107"], None, source="policy", policies=(ref,), facts=facts)

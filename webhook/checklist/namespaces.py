"""Is a namespace closed by default, does it say how to get in, is it enforced: NP305, NP306 and NP107."""

from collections.abc import Iterator

from msgspec import structs

from webhook.checklist.blocks import finding
from webhook.families import support_of
from webhook.families.networkpolicy import isolates
from webhook.fix.behind import denies_all_pods
from webhook.model.answers import DEFAULT_SEVERITY, Finding, Severity
from webhook.model.crd_policies import CrdPolicy
from webhook.model.dialect import NETWORK_POLICY, Support
from webhook.model.labels import Space, Value, holds
from webhook.model.objects import PodClass
from webhook.model.policy import Direction, Policy
from webhook.model.refs import PolicyRef
from webhook.model.tier import Action, CompiledPolicy, CompiledRule, Place, PlacePeer
from webhook.model.truth import Truth
from webhook.wire.objects import UNSERVED
from webhook.world import View
from webhook.world.pod_labels import labels_of


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

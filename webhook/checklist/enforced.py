"""Does anything here do what a policy says? NP107, where it is known that nothing does."""

from collections.abc import Iterator

from webhook.families import standing_of
from webhook.model.dialect import NETWORK_POLICY, Standing
from webhook.model.finding import DEFAULT_SEVERITY, Finding
from webhook.model.foreign import Foreign
from webhook.model.policy import Policy
from webhook.model.refs import PolicyRef
from webhook.world import View


def check_enforced(view: View, policy: Policy | Foreign) -> Iterator[Finding]:
    """Yield NP107 for a policy of a kind that the recognised enforcer takes no notice of."""
    kind = NETWORK_POLICY if isinstance(policy, Policy) else (policy.group, policy.ref.kind)
    if view.enforcer.decisive and view.enforcer.enforces and _standing(view, kind) is Standing.INERT:
        facts = (("policy", policy.ref.titled), ("enforcer", view.enforcer.name), ("kind", f"{kind[1]}.{kind[0]}"))
        yield _finding(policy.ref, facts)


def _standing(view: View, kind: tuple[str, str]) -> Standing:
    """Say what becomes of a kind; NetworkPolicy is everybody's, unless it is switched off."""
    if kind == NETWORK_POLICY:
        return Standing.INERT if kind in view.dialect.inert else Standing.EVALUATED
    return standing_of(kind, view.compile_context)


def problems_of(view: View, policy: Foreign) -> tuple[str, ...]:
    """Return what is wrong with a policy that the enforcer evaluates; of what it does not, nothing is known."""
    if _standing(view, (policy.group, policy.ref.kind)) is not Standing.EVALUATED:
        return ()
    return view.problems().get(policy.ref, ())


def check_problems(view: View, policy: Foreign) -> Iterator[Finding]:
    """Yield NP107 for a policy that is not in force as it is written, or that is not understood."""
    if problems := problems_of(view, policy):
        more = (("more", str(len(problems) - 1)),) if len(problems) > 1 else ()
        yield _finding(policy.ref, (("policy", policy.ref.titled), ("problem", problems[0]), *more))


def _finding(ref: PolicyRef, facts: tuple[tuple[str, str], ...]) -> Finding:
    return Finding("NP107", DEFAULT_SEVERITY["NP107"], None, source="policy", policies=(ref,), facts=facts)

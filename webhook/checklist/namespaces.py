"""Is the namespace closed by default, and does it say how to get in? NP305 and NP306."""

from collections.abc import Iterator

from webhook.checklist.blocks import finding
from webhook.model.finding import DEFAULT_SEVERITY, Finding
from webhook.model.policy import Direction, Policy
from webhook.world import View


def check_namespace(view: View, namespace: str) -> Iterator[Finding]:
    """Yield what is missing in one namespace: a default deny of ingress, and the ways past one that is there."""
    policies = [policy for _, policy in sorted(view.policies(namespace).items())]
    denies = [policy for policy in policies if denies_all(policy, Direction.INGRESS)]
    if not denies:
        facts = (("namespace", namespace), ("direction", "ingress"))
        yield Finding("NP305", DEFAULT_SEVERITY["NP305"], None, source="policy", facts=facts)
    for policy in denies:
        if not policy.documented and not any(_allows(other) for other in policies):
            yield finding("NP306", policy, Direction.INGRESS, None, (("namespace", namespace),))


def denies_all(policy: Policy, direction: Direction) -> bool:
    """Say whether a policy selects every pod of its namespace and lets nothing through."""
    section = policy.section(direction)
    every = policy.subject is not None and not policy.subject.requirements
    return every and section is not None and not section.rules


def _allows(policy: Policy) -> bool:
    return policy.ingress is not None and bool(policy.ingress.rules)

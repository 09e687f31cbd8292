"""Policies and namespaces as they stand, without any workload in question: slips that nobody would find by testing."""

from collections.abc import Collection, Iterable
from datetime import date

from webhook.checklist.enforced import check_enforced, check_problems
from webhook.checklist.namespaces import check_namespace
from webhook.checklist.own import Own
from webhook.checklist.policies import check_policy
from webhook.checklist.selected import check_selects
from webhook.model.finding import Finding
from webhook.model.foreign import Foreign
from webhook.model.policy import Policy
from webhook.model.refs import PolicyRef
from webhook.review.configured import configured
from webhook.world import View


def review_policies(view: View, policies: Iterable[Policy], today: date) -> tuple[Finding, ...]:
    """Return the findings of each policy, and what each says, or does not say, as a part of its namespace."""
    wanted = {policy.ref: policy for policy in policies}
    own = Own(view)
    found = [one for policy in wanted.values() for one in check_policy(view, policy, own)]
    found += [one for policy in wanted.values() for one in check_enforced(view, policy)]
    for namespace in dict.fromkeys(policy.namespace for policy in wanted.values()):
        found += [
            one for one in check_namespace(view, namespace) if any(ref.at(None) in wanted for ref in one.policies)
        ]
    return configured(view.settings, found, today)[0]


def review_foreign(
    view: View, policies: Iterable[Foreign], today: date, told: Collection[PolicyRef] = ()
) -> tuple[Finding, ...]:
    """Return the findings of policies of other families. `told`: those whose problems are errors of the input."""
    found: list[Finding] = []
    for policy in policies:
        found += check_enforced(view, policy)
        found += check_selects(view, policy)
        found += () if policy.ref in told else check_problems(view, policy)
    return configured(view.settings, found, today)[0]


def review_namespaces(view: View, namespaces: Iterable[str], today: date) -> tuple[Finding, ...]:
    """Return what is missing in namespaces as a whole; in part of a cluster that cannot be told."""
    if not view.complete:
        return ()
    found = [one for name in namespaces for one in check_namespace(view, name) if not one.policies]
    return configured(view.settings, found, today)[0]

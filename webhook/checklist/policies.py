"""Every check of one policy, in the order of ids."""

from collections.abc import Iterator

from webhook.checklist.blocks import check_blocks
from webhook.checklist.own import Own
from webhook.checklist.rules import check_rules
from webhook.model.finding import Finding
from webhook.model.policy import Policy
from webhook.world import View


def check_policy(view: View, policy: Policy, own: Own | None = None) -> Iterator[Finding]:
    """Yield the findings of one policy, NP401 to NP409. An unreadable one has none: it is an error instead.

    `own`: what is known already of the view's addresses; it saves time where there are many policies.
    """
    if policy.unreadable is None:
        yield from check_blocks(view, policy, own or Own(view))
        yield from check_rules(view, policy)

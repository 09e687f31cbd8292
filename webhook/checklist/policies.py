"""Every check of one policy, in the order of ids."""

from collections.abc import Iterator

from webhook.checklist.blocks import check_blocks
from webhook.checklist.rules import check_rules
from webhook.model.finding import Finding
from webhook.model.policy import Policy
from webhook.world import View


def check_policy(view: View, policy: Policy) -> Iterator[Finding]:
    """Yield the findings of one policy, NP401 to NP409. An unreadable one has none: it is an error instead."""
    if policy.unreadable is None:
        yield from check_blocks(view, policy)
        yield from check_rules(view, policy)

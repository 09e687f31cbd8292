"""The smallest set of new policies that turns denied into allowed, proved by evaluating again.

It closes nothing: a policy is only written for directions in which all that it selects are isolated already.
It opens nothing else: its selectors are those that select the two workloads, and whom else they select is said.
"""

from webhook.fix.fix import Fixed, Fixer, Fixes, Unfixable, fix, fix_dependency
from webhook.fix.inbound import fix_all

__all__ = ["Fixed", "Fixer", "Fixes", "Unfixable", "fix", "fix_all", "fix_dependency"]

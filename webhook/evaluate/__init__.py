"""(view, flow) -> verdict with its evidence: the whole semantics of who may talk to whom.

Rule 1: whatever changes an answer changes here. Rule 2: nothing here knows who asks, or why.
"""

from webhook.evaluate.connection import Answer, Client, judge_connection
from webhook.evaluate.ends import Flow, Outside, PodEnd, ends_of_pod, template_end
from webhook.evaluate.flow import is_shut_to, judge_from_outside, judge_outside, judge_pair
from webhook.evaluate.side import judge_side

__all__ = [
    "Answer",
    "Client",
    "Flow",
    "Outside",
    "PodEnd",
    "ends_of_pod",
    "is_shut_to",
    "judge_connection",
    "judge_from_outside",
    "judge_outside",
    "judge_pair",
    "judge_side",
    "template_end",
]

"""A world and a proposed change -> findings, and what they cost the person who applies."""

from webhook.review.decide import decide
from webhook.review.drafts import Decision
from webhook.review.workload import review_workload

__all__ = ["Decision", "decide", "review_workload"]

"""A world and a proposed change -> findings, and what they cost the person who applies."""

from webhook.review.decide import Decision, decide
from webhook.review.workload import review_workload

__all__ = ["Decision", "decide", "review_workload"]

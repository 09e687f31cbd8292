"""From a dependency to its verdict with all evidence: flows, the DNS look-up before them, and near misses."""

from webhook.judge.dependency import Judged, judge
from webhook.judge.dns import judge_dns
from webhook.judge.explanation import Explanation, enforcer_notes, explain
from webhook.judge.workload import JudgedWorkload, judge_declared, judge_workload, with_inferred

__all__ = [
    "Explanation",
    "Judged",
    "JudgedWorkload",
    "enforcer_notes",
    "explain",
    "judge",
    "judge_declared",
    "judge_dns",
    "judge_workload",
    "with_inferred",
]

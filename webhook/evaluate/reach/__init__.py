"""All connections at once: classes of pods as bit sets, rules as (peers, ports), joined where both sides open.

It answers as `evaluate.side` does, rule for rule, for every pair and every port; `tests/` holds the two together.
"""

from webhook.evaluate.reach.matrix import Connection, Matrix, Ranges, matrix

__all__ = ["Connection", "Matrix", "Ranges", "matrix"]

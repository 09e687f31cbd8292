"""All connections at once: classes of pods as bit sets, rules as (peers, ports), joined where both sides open.

It answers as `evaluate.side` does, rule for rule, for every pair and every port; `tests/` holds the two together.
"""

from webhook.evaluate.reach.build import matrix
from webhook.evaluate.reach.fold import fold
from webhook.evaluate.reach.matrix import Alike, Connection, End, Layer, Matrix, Party, focused
from webhook.evaluate.reach.pieces import Ranges

__all__ = ["Alike", "Connection", "End", "Layer", "Matrix", "Party", "Ranges", "focused", "fold", "matrix"]

"""All connections at once: classes of pods as bit sets, rules as (peers, ports), joined where both sides open.

It walks tiers with sets, and asks `evaluate` what peers, ports, nodes and meshes mean; a law in the tests holds the two
together.
"""

from webhook.matrix.build import matrix
from webhook.matrix.classes import Ranges
from webhook.matrix.difference import Differences, differences
from webhook.matrix.matrix import Alike, Connection, End, Layer, Matrix, Workloads, focused, fold, senders

__all__ = [
    "Alike",
    "Connection",
    "Differences",
    "End",
    "Layer",
    "Matrix",
    "Ranges",
    "Workloads",
    "differences",
    "focused",
    "fold",
    "matrix",
    "senders",
]

"""Names of policies: after what they open where that says it all, else with a hash of it.

Two policies that open different things never share a name, so that applying one fix never undoes another.
"""

import hashlib
import re
from collections.abc import Sequence
from typing import Final

from webhook.fix.needs import Need
from webhook.fix.neighbours import Neighbours
from webhook.model.policy import Direction
from webhook.model.refs import WorkloadRef

LONGEST: Final = 253  # a DNS subdomain
_HASH: Final = 6  # hexadecimal digits: names need to differ, not to resist attack
_WORDS: Final = {Direction.EGRESS: "to", Direction.INGRESS: "from"}
_STRANGE: Final = re.compile(r"[^a-z0-9.]+")
_DOTS: Final = re.compile(r"-?\.[.-]*")
_AMBIGUOUS: Final = re.compile(r"-(?:to|from|egress|ingress)(?:-|$)|\.|[^a-z0-9.-]")


def name(near: Neighbours, needs: Sequence[Need], rest: Sequence[object] = ()) -> str:
    """Return the name for a policy that opens `needs`, which have one subject and one direction, and keeps `rest`."""
    subject, direction = needs[0].subject, needs[0].direction
    content = hashlib.sha256(repr([*sorted(map(repr, needs)), *map(repr, rest)]).encode()).hexdigest()[:_HASH]
    others = {need.other for need in needs}
    (other,) = others if len(others) == 1 else (None,)
    if not isinstance(other, WorkloadRef):
        return _cut(f"allow-{subject.name}-{direction.lower()}", content)
    where = "" if other.namespace == subject.namespace else f".{other.namespace}"
    numbers = dict.fromkeys(need.port for need in needs)
    ports = "-".join(map(str, numbers)) + _protocols(needs)
    text = f"allow-{subject.name}-{_WORDS[direction]}-{other.name}{where}-{ports}"
    clear = len(numbers) == 1 and not rest and not any(_ambiguous(near, ref) for ref in (subject, other))
    return text if clear and len(text) <= LONGEST else _cut(text, content)


def free_name(near: Neighbours, namespace: str, wanted: str) -> str:
    """Return `wanted`, or with a number where that is taken: applying must not replace another policy."""
    found, number = wanted, 2
    while near.has_policy(namespace, found):
        found, number = _cut(wanted, str(number)), number + 1
    return found


def _ambiguous(near: Neighbours, ref: WorkloadRef) -> bool:
    """Say whether the name alone may stand for something else too."""
    if _AMBIGUOUS.search(ref.name) or _AMBIGUOUS.search(ref.namespace):
        return True
    return bool(near.called(ref.namespace, ref.name) - {ref})


def _protocols(needs: Sequence[Need]) -> str:
    """Return nothing for TCP, which goes without saying."""
    spoken = sorted({need.protocol.lower() for need in needs})
    return "" if spoken == ["tcp"] else "-" + "-".join(spoken)


def _cut(text: str, tail: str) -> str:
    """Return `text-tail` within the limit, and of nothing but what a name may have in it."""
    plain = _DOTS.sub(".", _STRANGE.sub("-", text.lower()))
    return f"{plain[: LONGEST - len(tail) - 1].rstrip('-.')}-{tail}"

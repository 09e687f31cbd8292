"""Names outside the cluster: what stands behind one is not known, so that only what all addresses share is sure."""

from collections.abc import Iterator
from typing import Final

from webhook.evaluate.coverage import Where, judge_coverage
from webhook.evaluate.ends import PodEnd, ends_of_pod, template_end
from webhook.evaluate.flow import judge_pair
from webhook.evaluate.match import ports_match
from webhook.evaluate.side import rules_or_answer
from webhook.evaluate.tiers import passes_everything
from webhook.model.addresses import Block, Family
from webhook.model.objects import Service
from webhook.model.policy import Direction
from webhook.model.ports import Protocol
from webhook.model.tier import Action, Entry, Every, Match, NodePeer, Place, PlacePeer, ServicePeer, ServicesPeer
from webhook.model.truth import Truth
from webhook.model.verdict import Side, Verdict
from webhook.world import View

ALL_ADDRESSES: Final[dict[Family, Block]] = {4: Block(4, 0, 0), 6: Block(6, 0, 0)}
NAME: Final = "policy does not let every address through: it depends on those behind the name"


def judge_name(view: View, source: PodEnd, protocol: Protocol, port: int | None) -> Side:
    """Judge what a pod sends to a name outside: sure only where every address it may stand for is treated alike."""
    selecting = rules_or_answer(view, source.shape, Direction.EGRESS)
    if isinstance(selecting, Side):
        return selecting
    refs = tuple(dict.fromkeys(isolation.ref for isolation, _ in selecting))
    isolated = True if any(i.isolates and truth is Truth.YES for i, truth in selecting) else None
    if port is None:
        if passes_everything(selecting):
            return Side(Verdict.ALLOWED, isolated=isolated, policies=refs)
        return Side(Verdict.UNKNOWN, isolated=isolated, policies=refs, reason=NAME)
    sides = [judge_coverage(view, source, ALL_ADDRESSES[f], protocol, port, Where.WORLD) for f in view.families()]
    seen = {side.verdict for side in sides}
    why = next((side.reason for side in sides if side.verdict is Verdict.UNKNOWN and side.reason), None)
    if seen == {Verdict.DENIED}:
        why = _inside(view, source, protocol, port)
    if why is None and seen in ({Verdict.ALLOWED}, {Verdict.DENIED}):
        return sides[0]
    return Side(Verdict.UNKNOWN, isolated=isolated, policies=refs, reason=why or NAME)


def _inside(view: View, source: PodEnd, protocol: Protocol, port: int) -> str | None:
    """Say what of the cluster a name may stand for that policy lets the pod reach, and the world outside not."""
    for isolation, _ in view.selecting(source.shape, Direction.EGRESS):
        for entry in isolation.entries:
            spoken = ports_match(entry.ports, protocol, port, None) is not Truth.NO
            if entry.action is Action.ALLOW and spoken and any(map(_is_host, _leaves(entry))):
                return f"the name may stand for a node, which {entry.ref.titled} egress[{entry.ref.rule}] lets out to"
    for service in view.published():
        if _reached(view, source, service, protocol, port):
            return f"the name may stand for Service {service.namespace}/{service.name}, which policy lets out to"
    return None


def _leaves(entry: Entry) -> Iterator[Match]:
    for match in entry.matches or ():
        yield from match.peers if isinstance(match, Every) else (match,)


def _is_host(match: Match) -> bool:
    if isinstance(match, PlacePeer):
        return match.place not in (Place.POD, Place.WORLD)
    return isinstance(match, NodePeer | ServicePeer | ServicesPeer)


def _reached(view: View, source: PodEnd, service: Service, protocol: Protocol, port: int) -> bool:
    """Say whether a Service that is published on `port` has pods behind it that the source may send to."""
    targets = {one.target or one.port for one in service.ports if (one.port, one.protocol) == (port, protocol)}
    for group in view.backends(service) if targets else ():
        shape = group.template.template.shape if group.template else group.pods[0].shape
        numbers = {p.number for p in shape.ports if p.name in targets} | {t for t in targets if isinstance(t, int)}
        end = template_end(view, group.template) if group.template else ends_of_pod(group.pods[0])
        if any(judge_pair(view, source, end, protocol, n)[1].verdict is not Verdict.DENIED for n in numbers):
            return True
    return False

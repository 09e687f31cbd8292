"""Port names of ingress rules that an enforcer looks up once, among all the pods that the policy selects.

What one of them calls so is opened on each (`PortReading.names_pooled`). Source:
`aws/amazon-network-policy-controller-k8s`, pkg/resolvers/endpoints.go, getIngressRulesPorts.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import structs

from webhook.model.labels import NO_KEYS
from webhook.model.objects import Shape
from webhook.model.policy import Direction
from webhook.model.ports import NamedPort, PortMatch, PortRange
from webhook.model.refs import EXPECTED
from webhook.model.tier import Entry, Isolation
from webhook.model.truth import Truth
from webhook.world import View
from webhook.world.view import Selecting

_PERHAPS: Final = "names a port, and whether the pods that call one so are among those that are selected is not known"


def pooled(view: View, selecting: Selecting, direction: Direction) -> Selecting:
    """Return pieces with numbers in place of port names, where the enforcer looks them up so; else the same value."""
    if not view.dialect.ports.names_pooled or direction is Direction.EGRESS:
        return selecting
    found = tuple((in_numbers(view, isolation), truth) for isolation, truth in selecting)
    return found if any(one is not other for (one, _), (other, _) in zip(found, selecting, strict=True)) else selecting


def in_numbers(view: View, isolation: Isolation) -> Isolation:
    """Return a piece with numbers in place of the port names of its ingress rules."""
    named = isolation.direction is Direction.INGRESS and any(map(_names, isolation.entries))
    if not view.dialect.ports.names_pooled or not named or isolation.subject is None or not isolation.namespace:
        return isolation
    shapes = list(_shapes(view, isolation))
    entries = tuple(one for entry in isolation.entries for one in _entries(entry, shapes))
    return structs.replace(isolation, entries=entries)


def _names(entry: Entry) -> bool:
    return any(isinstance(port, NamedPort) for port in entry.ports or ())


def _shapes(view: View, isolation: Isolation) -> Iterator[tuple[Shape, Truth]]:
    """Yield the pods that a policy selects, or may."""
    for group in view.groups(isolation.namespace):
        shapes = [group.template.template.shape] if group.template else [pod.shape for pod in group.pods]
        for shape in dict.fromkeys(shapes):
            keys = view.settings.pending_labels if shape.template else NO_KEYS
            selects = isolation.subject.matches(shape.labels, keys) if isolation.subject else Truth.MAYBE
            if group.ref.kind == EXPECTED:  # what it calls its ports opens nothing for sure on pods that are there
                selects = min(selects, Truth.MAYBE)
            if selects is not Truth.NO and not shape.host_network:
                yield shape, selects


def _entries(entry: Entry, shapes: list[tuple[Shape, Truth]]) -> Iterator[Entry]:
    if not _names(entry):
        yield entry
        return
    named = [shape for shape, truth in shapes if truth is Truth.YES]
    sure = {port for one in entry.ports or () for port in _numbers(one, named)}
    every = {port for one in entry.ports or () for port in _numbers(one, [shape for shape, _ in shapes])}
    yield structs.replace(entry, ports=tuple(sorted(sure, key=str)))
    if every - sure:
        yield structs.replace(entry, ports=tuple(sorted(every - sure, key=str)), conditional=_PERHAPS)


def _numbers(port: PortMatch, shapes: Iterable[Shape]) -> Iterator[PortMatch]:
    if isinstance(port, PortRange):
        yield port
        return
    for shape in shapes:
        for one in shape.ports:
            if (one.name, one.protocol) == (port.name, port.protocol):
                yield PortRange(port.protocol, one.number, one.number)

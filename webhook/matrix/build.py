"""View -> matrix: classes, what each side opens, both joined, put together by workload."""

from collections.abc import Iterable, Iterator, Sequence

from webhook.evaluate.pooled import in_numbers
from webhook.matrix.allowed_sets import Openings
from webhook.matrix.bits import Bits, bits_of
from webhook.matrix.by_class import Opened, Sides, no_common_family, reached
from webhook.matrix.by_workload import Workloads
from webhook.matrix.classes import Classes
from webhook.matrix.matrix import Beyond, Layer, Matrix
from webhook.matrix.node_addresses import NodeAddresses
from webhook.matrix.nodes import Nodes
from webhook.matrix.parts import Parts, less
from webhook.matrix.peers import Peers
from webhook.matrix.ranges import Addresses, outside, taken
from webhook.matrix.subjects import Traits, kinds_of
from webhook.matrix.tunnels import Tunnels
from webhook.matrix.workloads import everybody_of
from webhook.model.addresses import FAMILIES, Family
from webhook.model.policy import Direction
from webhook.model.tier import Isolation
from webhook.model.truth import Truth
from webhook.world import View
from webhook.world.policies import EVERYWHERE

EGRESS, INGRESS = Direction.EGRESS, Direction.INGRESS
Isolations = dict[Direction, list[Isolation]]


def matrix(view: View, *, unknown: bool = False) -> Matrix:
    """Return all connections between workloads, and between workloads and addresses outside the cluster."""
    everybody = everybody_of(view)
    isolations = {d: list(_isolations(view, d)) for d in Direction}
    classes = Classes(view, everybody, [i for some in isolations.values() for i in some])
    by_family = _opened(classes, isolations, classes.families if classes.by_address else classes.families[:1])
    beyond = _beyond_families(classes, isolations, by_family)
    strangers = no_common_family(classes, by_family)
    tunnels = Tunnels(classes, _unselected(by_family))
    nodes = Nodes(classes, everybody)
    workloads = Workloads(classes, nodes, Sides(classes, by_family, strangers))
    addresses, node_addresses = taken(everybody), NodeAddresses(classes, nodes)

    def parts(*, sure: bool) -> list[list[Parts]]:
        pods = workloads.reached(reached(classes, by_family, strangers, tunnels, sure=sure), sure=sure)
        found = [pods]
        for direction in (EGRESS, INGRESS):
            surely = outside(classes, direction, beyond, sure=True)
            possibly = outside(classes, direction, beyond, sure=False)
            found.append(node_addresses.of(direction, surely, possibly, Truth.YES if sure else Truth.MAYBE))
        return found

    surely = parts(sure=True)
    doubtful = _less(parts(sure=False), surely) if unknown else None
    return Matrix(
        tuple(one.ref for one in everybody),
        bits_of(number for number, one in enumerate(everybody) if one.several),
        _layer(classes, surely, addresses),
        _layer(classes, doubtful, addresses) if doubtful else None,
    )


def _isolations(view: View, direction: Direction) -> Iterator[Isolation]:
    """Yield every piece of the view: the enforcer's own, those of cluster-wide policies, those of namespaces."""
    yield from (piece for piece in view.dialect.without_policy if piece.direction is direction)
    for namespace in (EVERYWHERE, *view.namespaces()):
        yield from (in_numbers(view, isolation) for isolation in view.isolations(namespace, direction))


def _opened(classes: Classes, isolations: Isolations, families: Iterable[Family]) -> dict[Family, Opened]:
    peers = Peers(classes)
    traits = {d: Traits(d) for d in Direction}
    kinds = {d: kinds_of(classes, peers, traits[d], isolations[d]) for d in Direction}
    openings = {d: Openings(classes, peers, traits[d]) for d in Direction}
    return {f: {d: [(k, openings[d].of(k, f)) for k in kinds[d]] for d in Direction} for f in families}


def _unselected(by_family: dict[Family, Opened]) -> tuple[Bits, Bits]:
    """Return the classes whose egress, and whose ingress, nothing is about."""
    some = next(iter(by_family.values()))
    out, into = (sum(k.classes for k, _ in some[d] if not k.selected and not k.in_doubt) for d in (EGRESS, INGRESS))
    return out, into


def _beyond_families(classes: Classes, isolations: Isolations, by_family: dict[Family, Opened]) -> dict[Family, Opened]:
    """Return what is opened to addresses outside by their family.

    Only a subject's own addresses tell families apart, and enforcers that do not police one of them.
    """
    some = next(iter(by_family.values()))
    missing = [f for f in FAMILIES if f not in by_family]
    if not classes.asked.own_address and not classes.apart:
        return by_family | dict.fromkeys(missing, some)
    return by_family | _opened(classes, isolations, missing)


def _less(possible: Iterable[Sequence[Parts]], sure: Iterable[Sequence[Parts]]) -> list[list[Parts]]:
    return [list(map(less, some, certain)) for some, certain in zip(possible, sure, strict=True)]


def _layer(classes: Classes, parts: Sequence[list[Parts]], addresses: Addresses) -> Layer:
    pods, out, into = parts
    return Layer(pods, *(_beyond(classes, some, addresses) for some in (out, into)))


def _beyond(classes: Classes, by_workload: Iterable[Parts], addresses: Addresses) -> list[Beyond]:
    """Return pieces as ranges, once for all workloads that have the same."""
    below = len(classes.all)
    shared: dict[int, Beyond] = {}
    found = []
    for parts in by_workload:
        if id(parts) not in shared:
            each = ((classes.pieces.blocks(bits >> below, addresses), ports) for ports, bits in parts.items())
            shared[id(parts)] = tuple(sorted((ranges, ports) for ranges, ports in each if ranges))
        found.append(shared[id(parts)])
    return found

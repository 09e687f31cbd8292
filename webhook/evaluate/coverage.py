"""Which addresses of a block may be dialled: several rules together may cover what none covers alone."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum, auto
from typing import Final

from msgspec import structs

from webhook.evaluate.ends import Outside, PodEnd
from webhook.evaluate.node_and_service_peers import to_node
from webhook.evaluate.rules import unknown_side
from webhook.evaluate.side import judge_side
from webhook.model.addresses import BITS, LINK_LOCAL, Address, Block, Protocol, is_loopback, parse_block
from webhook.model.answers import OPEN, Side, Verdict, together
from webhook.model.labels import AllOf, AnyOf, NoneOf
from webhook.model.peers import EndpointPeer, Peer, Place, PlacePeer, PodMatch
from webhook.model.policy import BlockPeer, Direction, UnclearPeer
from webhook.model.tier import CompiledPolicy
from webhook.model.truth import Truth
from webhook.world import View
from webhook.world.view import Selecting


class Where(Enum):
    """Who has the addresses: whoever it is, the world outside without the nodes, or pods that are not known."""

    OUTSIDE = auto()
    WORLD = auto()
    PODS = auto()


POD_RANGES: Final = tuple(  # where clusters take pod addresses from: private use, shared and reserved space, ULA
    map(parse_block, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "240.0.0.0/4", "fc00::/7"))
)
SPLITS = 4_096  # pieces of a block that are judged one by one; beyond it the answer is unknown


def judge_coverage(
    view: View, source: PodEnd, block: Block, protocol: Protocol, port: int, where: Where = Where.OUTSIDE
) -> Side:
    """Judge every address of `block`: cut it where any rule's block begins or ends, and judge each piece."""
    selecting = view.policies.selecting(source.pod_class, Direction.EGRESS)
    if (unevaluated := unknown_side(view, source.pod_class, Direction.EGRESS)) is not None:
        return unevaluated
    nodes = _apart(view, selecting, block) if where is Where.OUTSIDE else {}
    if not selecting and not nodes:
        return OPEN
    links = LINK_LOCAL if where is Where.OUTSIDE and not _nodes_alike(selecting) else ()
    edges = [*_edges(compiled for compiled, _ in selecting), *links]
    view.budget.spend(len(edges))
    pieces = cut(block, edges)
    if len(pieces) + len(nodes) > SPLITS:
        refs = tuple(compiled.ref for compiled, _ in selecting)
        return Side(Verdict.UNKNOWN, isolated=True, policies=refs, reason=f"too many rules divide {block}")
    parts = [(piece, piece.size - sum(map(piece.covers, nodes))) for piece in pieces if piece not in nodes]
    ends = [*((piece, size, "") for piece, size in parts if size), *((node, 1, name) for node, name in nodes.items())]
    found = [
        (to_node(view, source, name, _one(view, source, Outside(piece, pod=where is Where.PODS), protocol, port)), size)
        for piece, size, name in ends
    ]
    return _summed(block, found)


def _one(view: View, source: PodEnd, other: Outside, protocol: Protocol, port: int) -> Side:
    return judge_side(view, Direction.EGRESS, source, other, other.block.family, protocol, port)


def _summed(block: Block, found: Sequence[tuple[Side, int]]) -> Side:
    """Join the answers for parts of a block, each with how many addresses it has."""
    verdict = together(side.verdict for side, _ in found)
    if verdict is not Verdict.PARTIAL:
        return next(side for side, _ in found if side.verdict is verdict)
    worst = next(side for side, _ in found if side.verdict is Verdict.DENIED)
    passing = sum(size for side, size in found if side.verdict is Verdict.ALLOWED)
    reason = f"{passing} of {block.size} addresses are let through"
    return structs.replace(worst, verdict=verdict, reason=reason, final=False, tier_results=())


def _apart(view: View, selecting: Selecting, block: Block) -> dict[Block, str]:
    """Return the addresses in `block` that nodes have, with their names, where a node is not as any other address."""
    if _nodes_alike(selecting) and view.dialect.nodes.own_accepts is Truth.YES:
        return {}
    every = [(a, node.name) for node in view.nodes.every() for a in node.addresses]
    view.budget.spend(len(every))
    return {address.block: name for address, name in every if block.holds(address)}


def _nodes_alike(selecting: Selecting) -> bool:
    """Say whether no rule tells the address of a node from any other."""
    return all(nodes_are_as_others(m) for i, _ in selecting for e in i.rules for m in (e.peers or ()))


def nodes_are_as_others(peer: Peer) -> bool:
    """Say whether a peer treats the addresses of nodes as any others."""
    match peer:
        case AllOf(peers) | AnyOf(peers) | NoneOf(peers):
            return all(map(nodes_are_as_others, peers))
        case BlockPeer(nodes=nodes):
            return nodes is Truth.YES
        case PodMatch() | EndpointPeer() | UnclearPeer():
            return True
        case PlacePeer(place):
            return place is Place.POD
        case _:
            return False


def _edges(compiled_policies: Iterable[CompiledPolicy]) -> list[Block]:
    return [
        edge
        for compiled in compiled_policies
        for rule in compiled.rules
        for peer in (*(rule.peers or ()), *(rule.subject_peers or ()))
        for edge in edges_of(peer)
    ]


def edges_of(peer: Peer) -> Iterator[Block]:
    """Yield the blocks at whose first and last address a peer's answer may change."""
    match peer:
        case BlockPeer():
            yield peer.block
            yield from peer.excepts
        case AllOf(peers) | AnyOf(peers) | NoneOf(peers):
            for part in peers:
                yield from edges_of(part)
        case _:
            return


def cut(block: Block, edges: Iterable[Block]) -> list[Block]:
    """Return disjoint blocks that make up `block` and that each edge either covers or does not touch."""
    inside: dict[Block, list[Block]] = {}  # what each piece was cut into
    pieces = {block}
    for edge in sorted({e for e in edges if block.covers(e) and e != block}, key=lambda e: e.prefix):
        if len(pieces) > SPLITS:
            break
        piece = next((one for one in _around(edge, block.prefix) if one in pieces), edge)
        if piece != edge:
            parts = inside[piece] = _cut_out(piece, edge)
            pieces.remove(piece)
            pieces.update(parts)
    return list(_leaves(block, inside))


def _around(edge: Block, widest: int) -> Iterator[Block]:
    """Yield a block and those that hold it, the narrowest first."""
    for prefix in range(edge.prefix, widest - 1, -1):
        host = BITS[edge.family] - prefix
        yield Block(edge.family, edge.first >> host << host, prefix)


def _leaves(block: Block, inside: Mapping[Block, list[Block]]) -> Iterator[Block]:
    if block not in inside:
        yield block
    for part in inside.get(block, ()):
        yield from _leaves(part, inside)


def _cut_out(piece: Block, edge: Block) -> list[Block]:
    parts = []
    while piece != edge:
        low = Block(piece.family, piece.first, piece.prefix + 1)
        high = Block(piece.family, low.last + 1, piece.prefix + 1)
        piece, rest = (low, high) if low.covers(edge) else (high, low)
        parts.append(rest)
    return [*parts, edge]


def _is_taken(view: View, address: Address) -> bool:
    """Say whether a node has an address, or the API server, neither of which is a pod that a selector matches."""
    return view.nodes.at(address) is not None or is_api_server(view, address.block)


def is_api_server(view: View, block: Block) -> bool:
    """Say whether it is an address that the API server listens on."""
    service = view.services.get("default", "kubernetes")
    return service is not None and any(address.block == block for address in view.services.serving(service))


def entities_of(view: View, block: Block, port: int) -> str:
    """Return what to write for a node's address, which is the API server's on the ports that it serves."""
    return f"toEntities: [{'kube-apiserver' if _serves_api(view, block, port) else 'host, remote-node'}]"


def holder_of(view: View, block: Block, port: int) -> str:
    """Say who of the cluster has an address: `node n1`, `the API server`, the Service or pod; empty: nobody here."""
    if block.size != 1:
        return ""
    address = Address(block.family, block.first)
    if is_loopback(block):
        return "the pod itself"
    if (service := view.services.at(address)) is not None:
        return f"the cluster address of Service {service.name}.{service.namespace}"
    node = view.nodes.at(address)
    if _serves_api(view, block, port):
        return f"the API server on node {node.name}" if node is not None else "the API server"
    return f"node {node.name}" if node is not None else ""


def _serves_api(view: View, block: Block, port: int) -> bool:
    service = view.services.get("default", "kubernetes")
    served = view.services.serving(service) if service is not None else {}
    ports = {number for address, some in served.items() if address.block == block for _, number in some}
    return port in ports or (None in ports and bool(ports))


def may_be_a_pods(view: View, block: Block) -> bool:
    """Say whether a pod that is not here may have an address of `block`; none has that of a node or the API server."""
    if block.size == 1 and _is_taken(view, Address(block.family, block.first)):
        return False
    if pools := view.pod_blocks(block.family):
        return any(pool.overlaps(block) for pool in pools)
    return not view.complete and any(range_.overlaps(block) for range_ in POD_RANGES)

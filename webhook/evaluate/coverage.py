"""Which addresses of a block may be dialled: several rules together may cover what none covers alone."""

from collections.abc import Iterable, Iterator

from webhook.evaluate.ends import Outside, PodEnd
from webhook.evaluate.side import doubted, judge_side
from webhook.model.addresses import Block
from webhook.model.policy import BlockPeer, Direction
from webhook.model.ports import Protocol
from webhook.model.tier import Every, Isolation, Match, Neither
from webhook.model.verdict import OPEN, Side, Verdict, together
from webhook.world import View

SPLITS = 4_096  # pieces of a block that are judged one by one; beyond it the answer is unknown


def judge_coverage(view: View, source: PodEnd, block: Block, protocol: Protocol, port: int) -> Side:
    """Judge every address of `block`: cut it where any rule's block begins or ends, and judge each piece."""
    selecting = view.selecting(source.shape, Direction.EGRESS)
    if (doubt := doubted(view, source.shape, Direction.EGRESS)) is not None:
        return doubt
    if not selecting:
        return OPEN
    pieces = cut(block, _edges(isolation for isolation, _ in selecting))
    if len(pieces) > SPLITS:
        refs = tuple(isolation.ref for isolation, _ in selecting)
        return Side(Verdict.UNKNOWN, isolated=True, policies=refs, reason=f"too many rules divide {block}")
    sides = [judge_side(view, Direction.EGRESS, source, Outside(p), p.family, protocol, port) for p in pieces]
    verdict = together(side.verdict for side in sides)
    if verdict is not Verdict.PARTIAL:
        return next(side for side in sides if side.verdict is verdict)
    worst = next(side for side in sides if side.verdict is Verdict.DENIED)
    passing = sum(p.size for p, s in zip(pieces, sides, strict=True) if s.verdict is Verdict.ALLOWED)
    reason = f"{passing} of {block.size} addresses are let through"
    return Side(verdict, worst.isolated, worst.policies, reason=reason)


def _edges(isolations: Iterable[Isolation]) -> list[Block]:
    return [
        edge
        for isolation in isolations
        for entry in isolation.entries
        for match in (*(entry.matches or ()), *(entry.own or ()))
        for edge in edges_of(match)
    ]


def edges_of(match: Match) -> Iterator[Block]:
    """Yield the blocks at whose first and last address a peer's answer may change."""
    match match:
        case BlockPeer():
            yield match.block
            yield from match.excepts
        case Every(peers) | Neither(peers):
            for peer in peers:
                yield from edges_of(peer)
        case _:
            return


def cut(block: Block, edges: Iterable[Block]) -> list[Block]:
    """Return disjoint blocks that make up `block` and that each edge either covers or does not touch."""
    pieces = [block]
    inner = sorted({e for e in edges if block.covers(e) and e != block}, key=lambda e: e.prefix)
    for edge in inner:
        if len(pieces) > SPLITS:
            break
        pieces = [part for piece in pieces for part in _around(piece, edge)]
    return pieces


def _around(piece: Block, edge: Block) -> list[Block]:
    if not piece.covers(edge) or piece == edge:
        return [piece]
    parts = []
    while piece != edge:
        low = Block(piece.family, piece.first, piece.prefix + 1)
        high = Block(piece.family, low.last + 1, piece.prefix + 1)
        piece, rest = (low, high) if low.covers(edge) else (high, low)
        parts.append(rest)
    return [*parts, edge]

"""What a readable policy says in a way that a person may not have meant: kept beside it, as it was written."""

from collections.abc import Iterator

from webhook.model.addresses import Block, has_host_bits, parse_block
from webhook.model.policy import Direction, Remark
from webhook.wire.shapes import Raw

_SECTIONS = ((Direction.INGRESS, "ingress", "from"), (Direction.EGRESS, "egress", "to"))


def remarks(spec: Raw) -> Iterator[Remark]:
    """Yield NP401 for blocks with host bits set and NP403 for exceptions that except nothing, or everything."""
    for direction, key, peers_key in _SECTIONS:
        for index, rule in enumerate(_dicts(spec.get(key))):
            for peer in _dicts(rule.get(peers_key)):
                block = peer.get("ipBlock")
                if isinstance(block, dict):
                    yield from _of_block(block, direction, index)


def _dicts(value: object) -> list[dict[str, object]]:
    """Return the objects of a list; whatever else stands there is told as a problem elsewhere."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _of_block(raw: dict[str, object], direction: Direction, rule: int) -> Iterator[Remark]:
    text, excepts = raw.get("cidr"), raw.get("except")
    block = _readable(text)
    if block is None or not isinstance(text, str):
        return
    if has_host_bits(text):
        yield Remark("NP401", direction, rule, text, str(block))
    for inner in excepts if isinstance(excepts, list) else ():
        small = _readable(inner)
        if small is not None and isinstance(inner, str):
            if has_host_bits(inner):
                yield Remark("NP401", direction, rule, inner, str(small))
            if not block.covers(small) or small == block:
                yield Remark("NP403", direction, rule, inner, str(block))


def _readable(text: object) -> Block | None:
    try:
        return parse_block(text) if isinstance(text, str) else None
    except ValueError:
        return None

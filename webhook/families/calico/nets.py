"""Addresses and blocks of addresses."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from webhook.model.addresses import Block, has_host_bits, parse_address, parse_block
from webhook.model.policy import BlockPeer
from webhook.wire.shapes import Raw, fail, shown, strings

_REMEMBERED: Final = 65_536


def blocks(raw: Raw, key: str, path: str, problems: list[str]) -> tuple[Block, ...]:
    """Read the blocks at `key`. What only some API servers take is a problem, and still counts. Raises Malformed."""
    found = []
    for index, text in enumerate(strings(raw, key, path)):
        where = f"{path}.{key}[{index}]"
        found.append(block(text, where))
        if "/" not in text:
            problems.append(f"{where}: expected ADDRESS/PREFIX: API servers may refuse {shown(text)}")
        elif has_host_bits(text):
            problems.append(f"{where}: expected `{found[-1]}`: API servers may refuse {shown(text)}")
    return tuple(found)


@lru_cache(maxsize=_REMEMBERED)
def _read(text: str) -> Block:
    return parse_block(text) if "/" in text else parse_address(text).block


def block(text: str, path: str) -> Block:
    """Read an address or a block. Raises Malformed."""
    try:
        return _read(text)
    except ValueError:
        fail(path, f"expected an address or a block of addresses, not {shown(text)}")


def peers(found: Iterable[Block]) -> tuple[BlockPeer, ...]:
    """Return blocks as peers."""
    return tuple(map(BlockPeer, found))

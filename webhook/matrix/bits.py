"""Sets of small numbers as the bits of one integer: a union or an intersection of thousands costs what one does."""

from collections.abc import Iterable
from functools import lru_cache
from itertools import compress, count
from typing import Final

Bits = int
_REMEMBERED: Final = 4_096  # sets: a world's neighbourhoods repeat
_DENSE: Final = 16  # with more than one member in so many numbers, all numbers are walked at once
_TRUTH: Final = bytes(int(i == ord("1")) for i in range(256))  # "0" and "1" of bin() -> 0 and 1


def listed(bits: Bits) -> tuple[int, ...]:
    """Return the numbers of the bits that are set, lowest first."""
    if bits.bit_count() * _DENSE > bits.bit_length():
        return tuple(compress(count(), bin(bits)[:1:-1].encode().translate(_TRUTH)))
    found = []
    while bits:
        low = bits & -bits
        found.append(low.bit_length() - 1)
        bits ^= low
    return tuple(found)


def first(bits: Bits) -> int:
    """Return the lowest number of a set that is not empty."""
    return (bits & -bits).bit_length() - 1


@lru_cache(maxsize=_REMEMBERED)
def members(bits: Bits) -> tuple[int, ...]:
    """Return the same, of a set that is asked for again and again."""
    return listed(bits)


def bits_of(numbers: Iterable[int]) -> Bits:
    """Return the set of `numbers`."""
    every = tuple(numbers)
    held = bytearray((max(every, default=0) >> 3) + 1)
    for number in every:
        held[number >> 3] |= 1 << (number & 7)
    return int.from_bytes(held, "little")

"""How much of one object's settings is read, and kept: what nobody honest comes near is cut, and said to be."""

from collections.abc import Sequence
from typing import Final, TypeVar

from webhook.model.hints import Hint, Mention

T = TypeVar("T")
MOST_PLACES: Final = 500  # hosts and ports kept of one object
EACH: Final = 32  # characters that can be read in the time that a word, a line or a value costs beside its own


class Allowance:
    """What may still be read of one object, in characters, and how many hosts and ports may still be kept of it."""

    def __init__(self, characters: int) -> None:
        """Start with all of it."""
        self.cut = False
        """Whether something was left out."""
        self.characters = characters
        self._places = MOST_PLACES

    def spend(self, length: int, parts: int = 1) -> bool:
        """Pay for a text of so many characters and parts. False: there is not so much left, or no room for a place."""
        cost = length + EACH * parts
        enough = cost <= self.characters and self._places > 0
        self.cut = self.cut or not enough
        self.characters = max(0, self.characters - cost)
        return enough

    def kept(self, hint: Hint) -> Hint:
        """Return a hint with as many places as may still be kept."""
        number = hint.number if hint.number is not None and self._room(1) else None
        return Hint(hint.name, self.places(hint.mentions), number)

    def places(self, found: tuple[Mention, ...]) -> tuple[Mention, ...]:
        """Return as many places as may still be kept."""
        return found[: self._room(len(found))]

    def few(self, several: Sequence[T], most: int) -> Sequence[T]:
        """Return the first of several."""
        self.cut = self.cut or len(several) > most
        return several[:most]

    def _room(self, wanted: int) -> int:
        """Take room for so many places, or for as many as there is."""
        room = min(wanted, self._places)
        self.cut = self.cut or room < wanted
        self._places -= room
        return room

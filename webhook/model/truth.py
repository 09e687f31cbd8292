"""Three-valued logic (Kleene): what is sure, what is not, and what cannot be told."""

from enum import IntEnum


class Truth(IntEnum):
    """Ordered so that `min` is AND and `max` is OR."""

    NO = 0
    MAYBE = 1
    YES = 2

    @staticmethod
    def of(value: bool) -> "Truth":  # noqa: FBT001 - a conversion: the flag is the whole argument
        """Return YES or NO."""
        return Truth.YES if value else Truth.NO

    def negated(self) -> "Truth":
        """Return NOT: YES and NO change places, MAYBE stays."""
        return Truth(2 - self)

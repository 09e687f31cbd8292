"""What the readers of this family share: objects of which exactly one field is set."""

from collections.abc import Collection

from webhook.wire.shapes import Malformed, Problem, Raw, fail, shown


class Newer(Malformed):
    """A field that is not known: a slip, or a newer API; either way its meaning is lost."""


def only(raw: Raw, keys: Collection[str], path: str) -> None:
    """Raise Newer for a field that is none of `keys`."""
    if strange := sorted(str(key) for key in raw if key not in keys):
        expected = f"expected {', '.join(sorted(keys))}, not {shown(strange[0])}, which a newer API may have"
        raise Newer(Problem(path, expected))


def given(raw: Raw) -> list[str]:
    """Return the fields that are set, sorted."""
    return sorted(str(key) for key, value in raw.items() if value is not None)


def one_of(raw: Raw, keys: Collection[str], path: str) -> str:
    """Return which field is set. Raises Malformed for none, several, or one that is not among `keys`."""
    only(raw, keys, path)
    found = given(raw)
    if len(found) != 1:
        said = " and ".join(map(shown, found)) or "nothing"
        fail(path, f"expected one of {', '.join(sorted(keys))}, not {said}")
    return found[0]

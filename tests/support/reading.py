"""Raw objects through the room that reads them."""

from typing import Any

from tests.support.arena import Raw
from webhook.families import project


def read(raw: Raw, default: str = "default") -> Any:  # noqa: ANN401 - whatever kind the test asks for
    value = project(raw, default)
    assert value is not None
    return value


def put(raw: Raw, path: str, value: object) -> Raw:
    """Return `raw` with `value` at a dotted path; a number is a place in a list, and what is not there is made."""
    head, _, rest = path.partition(".")
    if head.isdigit():
        items: Any = list(raw)
        items[int(head)] = put(items[int(head)], rest, value) if rest else value
        return items  # type: ignore[no-any-return]
    return {**raw, head: put(raw.get(head) or {}, rest, value) if rest else value}

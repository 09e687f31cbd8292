"""docs/architecture.md: every room stands in its table, and its glossary names what is in the code."""

import re
from importlib import import_module
from pathlib import Path

import webhook

PAGE = (Path(__file__).parents[2] / "docs/architecture.md").read_text(encoding="utf-8")
PACKAGE = Path(webhook.__file__).parent


def first_cells(header: str) -> list[str]:
    """Return the first cell of each row of the table under a header."""
    table = PAGE[PAGE.index(header) :].split("\n\n", 1)[0]
    return [row.split("|")[1] for row in table.splitlines()[2:]]


def test_every_room_stands_in_the_table_and_nothing_else_does() -> None:
    named = [name for cell in first_cells("| room |") for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(named) == sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))


def test_every_word_of_the_glossary_is_in_the_code() -> None:
    names = [name for cell in first_cells("| in the code |") for name in re.findall(r"`([\w.]+)`", cell)]
    assert len(names) > 20
    missing = []
    for name in names:
        module, _, attribute = name.rpartition(".")
        owner, _, of = module.rpartition(".")
        holder = (
            import_module(f"webhook.{module}")
            if not of[:1].isupper()
            else getattr(import_module(f"webhook.{owner}"), of)
        )
        known = {*dir(holder), *getattr(holder, "__struct_fields__", ())}
        missing += [name] if attribute not in known else []
    assert missing == []

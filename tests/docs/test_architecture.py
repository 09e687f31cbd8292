"""docs/architecture.md: every room stands in its table, and what it names is in the code; so do decisions."""

import re
from importlib import import_module
from pathlib import Path

import pytest

import webhook

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "architecture.md").read_text(encoding="utf-8")
PACKAGE = Path(webhook.__file__).parent
PAGES = (DOCS / "architecture.md", *sorted((DOCS / "decisions").glob("*.md")))


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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_module_that_is_named_is_there(page: Path) -> None:
    named = re.findall(r"`([a-z]+)\.([a-z_]+)\b", page.read_text(encoding="utf-8"))
    there = {path.relative_to(PACKAGE).with_suffix("").as_posix() for path in PACKAGE.glob("*/*")}
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert [f"{room}.{module}" for room, module in named if room in rooms and f"{room}/{module}" not in there] == []

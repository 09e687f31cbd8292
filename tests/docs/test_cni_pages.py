"""Every enforcer has a page: what is detected, what differs, what stays unknown."""

import re
from pathlib import Path
from typing import Final

import pytest

from webhook.config.settings_from_file import AUTO, CNIS
from webhook.wire.agents import ARGUMENTS, VARIABLES

FOLDER: Final = Path(__file__).parents[2] / "docs" / "cni"
INDEX: Final = (FOLDER / "README.md").read_text(encoding="utf-8")
PAGES: Final = {
    page.name: page.read_text(encoding="utf-8") for page in sorted(FOLDER.glob("*.md")) if page.stem != "README"
}
ROWS: Final = dict(re.findall(r"^\| `([a-z0-9-]+)` \| .* \| \[[^]]+\]\(([a-z0-9-]+\.md)\) \|$", INDEX, re.MULTILINE))
SECTIONS: Final = [
    "What is detected",
    "What differs from NetworkPolicy elsewhere",
    "What stays unknown, and never rejects",
]


def test_every_name_that_cni_takes_leads_to_a_page_and_every_page_is_led_to() -> None:
    assert set(ROWS) == set(CNIS) - {AUTO}
    assert set(ROWS.values()) == set(PAGES)


@pytest.mark.parametrize("name", sorted(ROWS))
def test_the_page_names_the_enforcer(name: str) -> None:
    assert f"{name}" in PAGES[ROWS[name]].lower()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_every_section(name: str) -> None:
    assert re.findall(r"^## (.*)$", PAGES[name], re.MULTILINE)[:3] == SECTIONS


def test_the_switches_that_are_read_are_documented() -> None:
    every = INDEX + "".join(PAGES.values())
    for word in (*ARGUMENTS, *VARIABLES):
        assert word in every, word

"""The pages: each is in the index, and every link leads somewhere."""

import re
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
PAGES = [*sorted(TOP.glob("*.md")), *sorted((TOP / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\(([^)\s]+)\)")


def prose(page: Path) -> str:
    """Return a page without its examples."""
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Return what GitHub calls the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TOP)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(prose(page)):
        if link.startswith(("https://", "http://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_sites_menu_has_every_page() -> None:
    """Those of the folders docs/findings, docs/cni and docs/decisions are put into it by scripts/docs_site_hooks.py."""
    menu = (TOP / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
    named = set(re.findall(r"[\w/.-]+\.md", menu))
    pages = {page.name for page in (TOP / "docs").glob("*.md")} - {"README.md"}
    pages |= {f"reference/{page.name}" for page in (TOP / "docs/reference").glob("*.md")}
    assert pages - named == set(), "add them to `nav` in mkdocs.yml"


def test_the_index_names_every_page() -> None:
    index = TOP / "docs/README.md"
    linked = {(index.parent / link).resolve() for link in LINK.findall(prose(index))}
    wanted = {page for page in (TOP / "docs").glob("*.md") if page != index}
    wanted |= {TOP / name for name in ("README.md", "SECURITY.md", "CONTRIBUTING.md")}
    assert wanted <= linked


def test_the_counts_of_what_it_agrees_with_are_those_that_the_tests_ask_for() -> None:
    page = (TOP / "docs/how-right.md").read_text(encoding="utf-8")
    asked = "".join(test.read_text(encoding="utf-8") for test in (TOP / "tests/conformance").glob("test_*.py"))
    counts = re.findall(r"\| ([\d,]+) of ([\d,]+) \|", page)
    assert len(counts) == 6
    for agrees, every in counts:
        assert agrees == every
        assert every.replace(",", "_") in asked, every

"""`matrix --format html` and `svg` in a real browser."""

from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browsing import Opened, Scheme, opened
from tests.support.making import deployment
from tests.support.running import spawn

HOSTILE = "a<img src=x onerror=alert(1)></title></script>\u202e\"'&x"


@pytest.fixture(scope="module")
def matrix(page_of: Callable[..., Path], mixed: Path) -> Path:
    return page_of("matrix", "-f", mixed, "--unknown")


@pytest.fixture(scope="module")
def many(page_of: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four namespaces of thirty workloads that may all talk to each other."""
    objects = [deployment(f"team-{space}/app-{number:02}") for space in "abcd" for number in range(30)]
    file = tmp_path_factory.mktemp("many") / "many.json"
    file.write_bytes(msgspec.json.encode({"apiVersion": "v1", "kind": "List", "items": objects}))
    return page_of("matrix", "-f", file)


def rows(page: Page) -> list[str]:
    return page.locator("#grid tbody th > bdi").all_inner_texts()


def cell(page: Page, said: str) -> str:
    """Return what stands in the cell that a screen reader calls so."""
    return page.get_by_label(said, exact=True).inner_text()


def test_a_cell_says_who_may_send_what_to_whom(window: Opened, matrix: Path) -> None:
    page = window.show(matrix)
    assert page.locator("h1").inner_text() == "32 open connections between 7 workloads"
    assert cell(page, "deploy/shop/api → sts/data/postgres: 5432/TCP") == "5432/TCP"
    assert cell(page, "deploy/shop/web → sts/data/postgres: nothing") == ""
    assert cell(page, "deploy/shop/web → deploy/shop/api: all") == "all"
    page.get_by_label("deploy/shop/api → sts/data/postgres: 5432/TCP").click()
    assert page.locator("#detail").inner_text() == "deploy/shop/api → sts/data/postgres: 5432/TCP"


def test_rows_columns_and_ports_are_found(window: Opened, matrix: Path) -> None:
    page = window.show(matrix)
    page.fill("#from", "shop")
    page.fill("#to", "postgres")
    page.fill("#port", "5432")
    expect(page.locator("#count")).to_have_text("2 rows, 1 column")
    assert rows(page) == ["deploy/api", "deploy/web"]
    link = page.evaluate("location.hash")
    again = window.show(matrix, link)
    assert rows(again) == ["deploy/api", "deploy/web"]
    again.fill("#port", "80")
    expect(again.locator("td.some")).to_have_count(0)
    again.click("#turn")
    assert rows(again) == ["sts/postgres"]
    again.click("#clear")
    assert len(rows(again)) == 9


def test_it_can_be_used_by_keyboard_alone(window: Opened, matrix: Path) -> None:
    page = window.show(matrix)
    assert page.locator("#grid [tabindex='0']").count() == 1
    page.locator("#grid [tabindex='0']").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp", "End"):
        page.keyboard.press(key)
    assert page.locator("#detail").inner_text().startswith("deploy/data/cache-a → 203.0.113.0/24: ")


def test_many_are_folded_into_namespaces_until_one_looks_inside(window: Opened, many: Path) -> None:
    page = window.show(many)
    assert rows(page) == ["team-a", "team-b", "team-c", "team-d", "addresses"]
    page.get_by_label("team-a → team-b: 900 of 900 pairs open").press("Enter")
    assert rows(page)[:2] == ["deploy/app-00", "deploy/app-01"]
    assert page.locator("#grid td.all").count() == 900
    assert page.evaluate("location.hash") == "#fromns=team-a&tons=team-b"


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (400, "dark")])
def test_axe_finds_nothing(browser: Browser, matrix: Path, many: Path, width: int, scheme: Scheme) -> None:
    with opened(browser, width=width, scheme=scheme) as window:
        for file in (matrix, many):
            page = window.show(file)
            assert window.accessible() == []
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    one, two = deployment("shop/web"), deployment("shop/api")
    one["metadata"] |= {"name": HOSTILE, "namespace": HOSTILE}
    place = tmp_path / "hostile.json"
    place.write_bytes(msgspec.json.encode({"apiVersion": "v1", "kind": "List", "items": [one, two]}))
    return place


def test_no_name_becomes_markup(window: Opened, page_of: Callable[..., Path], hostile: Path) -> None:
    page = window.show(page_of("matrix", "-f", hostile))
    assert page.locator("img").count() == 0
    assert "<img src=x onerror=alert(1)></title></script>\\u202e" in page.locator("body").inner_text()
    assert window.accessible() == []


@pytest.mark.parametrize("objects", [[], [deployment("shop/web")]], ids=["nothing", "one"])
def test_a_small_world_is_no_error(
    window: Opened, page_of: Callable[..., Path], tmp_path: Path, objects: object
) -> None:
    (tmp_path / "world.json").write_bytes(msgspec.json.encode({"apiVersion": "v1", "kind": "List", "items": objects}))
    page = window.show(page_of("matrix", "-f", tmp_path / "world.json"))
    assert page.locator("h1").inner_text().endswith(" workload" if objects else " workloads")
    done = spawn("matrix", "-f", tmp_path / "world.json", "--format", "svg")
    ET.fromstring(done.out)  # noqa: S314 - our own


def picture(file: Path, tmp_path: Path) -> tuple[ET.Element, Path]:
    done = spawn("matrix", "-f", file, "--unknown", "--format", "svg")
    place = tmp_path / "matrix.svg"
    place.write_text(done.out, encoding="utf-8")
    return ET.fromstring(done.out), place  # noqa: S314 - our own


def titles(drawing: ET.Element) -> list[str]:
    name = "{http://www.w3.org/2000/svg}"
    return [title.text or "" for title in drawing.iterfind(f"{name}rect/{name}title")]


def test_the_picture_holds_every_connection_as_text_and_nothing_that_runs(
    window: Opened, mixed: Path, tmp_path: Path
) -> None:
    drawing, place = picture(mixed, tmp_path)
    assert "deploy/shop/api -> sts/data/postgres: 5432/TCP" in titles(drawing)
    assert len(titles(drawing)) == 32
    kinds = {element.tag.rpartition("}")[2] for element in drawing.iter()}
    assert kinds == {"svg", "title", "style", "rect", "path", "text"}
    window.show(place)


def test_no_name_becomes_a_part_of_the_picture(window: Opened, hostile: Path, tmp_path: Path) -> None:
    drawing, place = picture(hostile, tmp_path)
    assert {element.tag.rpartition("}")[2] for element in drawing.iter()} == {
        "svg", "title", "style", "rect", "path", "text",
    }  # fmt: skip
    assert any("<img src=x onerror=alert(1)></title></script>\\u202e" in title for title in titles(drawing))
    window.show(place)


def test_of_very_many_cells_neighbours_are_one(tmp_path: Path) -> None:
    objects = [deployment(f"shop/app-{number:03}") for number in range(150)]
    (tmp_path / "many.json").write_bytes(msgspec.json.encode({"apiVersion": "v1", "kind": "List", "items": objects}))
    drawing, _ = picture(tmp_path / "many.json", tmp_path)
    assert "deploy/shop/app-000 -> deploy/shop/app-000 ... deploy/shop/app-149: all" in titles(drawing)
    assert len(titles(drawing)) < 1_000

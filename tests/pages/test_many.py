"""Five hundred workloads with two thousand connections: what is drawn of them, and that each is found."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from playwright.sync_api import expect

from tests.support.browsing import Opened
from tests.support.making import deployment, service
from tests.support.worlds import policy

SPACES = [f"team-{letter}" for letter in "abcdefghijklmnopqrst"]
EACH = 25
TOTAL = 2_302


def team(space: str, draw: random.Random) -> list[dict[str, Any]]:
    """Return a namespace whose workloads call each other and, of other namespaces, those that are closed as well."""
    found: list[dict[str, Any]] = [policy(f"{space}/closed", ingress=[{"from": [{"podSelector": {}}]}])]
    for number in range(EACH):
        own = {f"app-{draw.randrange(EACH):02}.{space}:80" for _ in range(4)} - {f"app-{number:02}.{space}:80"}
        other = f"app-{draw.randrange(EACH):02}.{draw.choice(SPACES)}:80"
        note = {"netpol-preflight.io/connects-to": ", ".join(sorted({*own, other}))}
        found.append(deployment(f"{space}/app-{number:02}", annotations=note))
        found.append(service(f"{space}/app-{number:02}", {"app": f"app-{number:02}"}, [{"port": 80}]))
    return found


@pytest.fixture(scope="module")
def many(page_of: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    draw = random.Random(16)
    items = [one for space in SPACES for one in team(space, draw)]
    file = tmp_path_factory.mktemp("many") / "many.json"
    file.write_bytes(msgspec.json.encode({"apiVersion": "v1", "kind": "List", "items": items}))
    return page_of("audit", "-f", file)


def test_all_of_it_is_there_and_only_what_is_looked_at_is_drawn(window: Opened, many: Path) -> None:
    page = window.show(many)
    assert page.locator("h1").inner_text().endswith(f"of {TOTAL:,} connections will not get through")
    assert page.locator("#count").inner_text() == f"{TOTAL:,} of {TOTAL:,} shown"
    assert page.locator(".node").count() == 20
    assert 0 < page.locator(".edge").count() <= 120
    assert page.locator("#graph .cut").is_visible()
    page.fill("#q", "team-c app-07")
    expect(page.locator(".node.workload").first).to_be_visible()
    assert 0 < page.locator(".node").count() < 40


def test_all_of_it_can_be_drawn_too(window: Opened, many: Path) -> None:
    page = window.show(many)
    page.click("#unfold")
    assert page.locator(".node").count() == 500
    assert page.locator(".edge").count() > 1_800
    assert page.locator(".space:not(.node)").count() == 20


def test_a_namespace_is_looked_into(window: Opened, many: Path) -> None:
    page = window.show(many)
    page.get_by_label("team-e: 25 workloads").click()
    assert page.locator("#focus").inner_text() == "only team-e"
    assert page.locator(".node.workload").count() == 25
    assert page.locator(".node.space").count() > 1
    assert page.locator(".space:not(.node)").count() == 1


def test_a_link_into_the_many_opens_one(window: Opened, many: Path) -> None:
    page = window.show(many)
    page.locator(".part.fine > summary").click()
    link = page.locator(".part.fine .item").last
    name = link.get_attribute("id") or ""
    again = window.show(many, f"#edge={name.removeprefix('c-')}")
    assert again.locator(".item.chosen").get_attribute("id") == name
    expect(again.locator(".item.chosen .body")).to_be_in_viewport()

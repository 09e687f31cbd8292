"""`audit --format html` in a real browser: what it shows, filters, copies and links to, and for whom."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from playwright.sync_api import Browser, Page, expect

from tests.support.browsing import Opened, Scheme, opened
from tests.support.making import deployment, service
from tests.support.running import spawn

OUTSIDE, MISSING = "cj/report ops → api.example.com:443/TCP", "deploy/web shop → missing.data:80/TCP"
HOSTILE = "a<img src=x onerror=alert(1)></script><script>alert(2)</script>\u202e\"'&`x"


@pytest.fixture(scope="module")
def audit(page_of: Callable[..., Path], mixed: Path) -> Path:
    return page_of("audit", "-f", mixed)


def items(page: Page) -> list[str]:
    """Return who connects to what, as the list shows it."""
    shown = page.locator("#list .connection > summary:visible .way")
    return [" ".join(text.split()) for text in shown.all_inner_texts()]


def test_what_is_broken_comes_first_with_who_stops_it(window: Opened, audit: Path) -> None:
    page = window.show(audit)
    assert page.locator("h1").inner_text() == "4 of 10 connections will not get through"
    assert page.title() == "4 of 10 connections will not get through - netpol-preflight"
    assert [int(text) for text in page.locator(".tile b").all_inner_texts()] == [4, 2, 2, 2]
    assert page.locator("#list .part h2").all_inner_texts() == ["Broken 6", "Cannot be told 2", "Get through 2"]
    first = page.locator("#list .connection > summary").first
    assert first.locator(".meta").inner_text().startswith("by ops/report-out, data/default-deny and 1 more")
    badges = page.locator("#list .connection > summary .badge").all_inner_texts()
    assert badges == ["denied"] * 4 + ["partial"] * 2 + ["unknown"] * 2 + ["allowed"] * 2


def test_a_connection_opens_into_its_way_its_fix_and_a_copy_of_it(window: Opened, audit: Path) -> None:
    page = window.show(audit)
    item = page.locator(".connection", has_text="deploy/web").filter(has_text="postgres.data:5432/TCP").first
    item.locator("summary").first.click()
    body = item.locator(".body")
    assert "near miss: postgres-from-api admits app=api; this workload has app=web" in body.inner_text()
    assert body.locator(".gate").all_inner_texts()[1].startswith("ingress denied")
    body.locator(".block", has_text="kind: NetworkPolicy").get_by_role("button", name="Copy").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    (policy,) = yaml.safe_load_all(copied)
    assert policy["metadata"] == {"name": "allow-postgres-from-web.shop-5432", "namespace": "data"}
    assert page.locator("#said").inner_text() == "Copy: copied"
    body.get_by_role("button", name="Copy link").click()
    assert re.fullmatch(r"file:.*audit\.html#edge=[0-9a-f]{10}", page.evaluate("navigator.clipboard.readText()"))


def test_the_fixes_together_are_the_ones_that_open_everything_that_a_policy_can(
    window: Opened, audit: Path, mixed: Path, tmp_path: Path
) -> None:
    page = window.show(audit)
    page.get_by_role("tab", name="Fixes").click()
    page.locator("#fixes").get_by_role("button", name="Copy").click()
    (tmp_path / "fix.yaml").write_text(page.evaluate("navigator.clipboard.readText()"), encoding="utf-8")
    after = spawn("audit", "-f", mixed, "-f", tmp_path / "fix.yaml", "--format", "json").json
    assert {one["verdict"] for one in after["dependencies"]} == {"allowed", "unknown"}


@pytest.mark.parametrize(
    ("how", "shown"),
    [
        (lambda page: page.fill("#q", "coredns"), ["cj/report ops → kube-dns.kube-system:53/UDP"]),
        (lambda page: page.select_option("#id", "NP201"), [MISSING]),
        (lambda page: page.click(".tile.unknown"), [OUTSIDE, MISSING]),
        (lambda page: page.select_option("#ns", "ways in"), ["clients outside → shop/web (web.shop:80/TCP)"]),
        (lambda page: page.locator(".node", has_text="api.example.com").click(), [OUTSIDE]),
    ],
    ids=["search", "finding", "verdict", "namespace", "box"],
)  # fmt: skip
def test_a_filter_is_one_for_the_list_and_for_the_graph(
    window: Opened, audit: Path, how: Callable[[Page], object], shown: list[str]
) -> None:
    page = window.show(audit)
    assert page.locator(".edge").count() == 12
    how(page)
    expect(page.locator("#count")).not_to_have_text("10 of 10 shown")
    assert items(page) == shown
    assert page.locator(".edge").count() == len(shown)
    assert page.locator("#count").inner_text() == f"{len(shown)} of 10 shown"
    page.click("#clear")
    assert page.locator("#count").inner_text() == "10 of 10 shown"


def test_nothing_found_is_said(window: Opened, audit: Path) -> None:
    page = window.show(audit)
    page.fill("#q", "no such thing")
    expect(page.locator("#count")).to_have_text("0 of 10 shown")
    assert page.locator("#list").inner_text() == "No connection matches."
    assert page.locator("#graph .empty").is_visible()


def test_a_link_shows_one_connection_and_the_filters_that_were_set(window: Opened, audit: Path) -> None:
    page = window.show(audit)
    page.locator(".edge.denied", has_text="cj/report in ops to sts/postgres").click(
        position={"x": 30, "y": 12}, force=True
    )
    expect(page).to_have_url(re.compile("#edge="))
    link = page.evaluate("location.hash")
    assert page.locator(".item.chosen").inner_text().startswith("denied\ncj/report")
    again = window.show(audit, link)
    chosen = again.locator(".item.chosen")
    assert chosen.locator(".body").is_visible()
    assert again.locator(".edge.chosen").count() == 1
    filtered = window.show(audit, "#ns=ops&verdict=denied&q=postgres")
    assert items(filtered) == ["cj/report ops → postgres.data:5432/TCP"]
    assert filtered.locator("#ns").input_value() == "ops"


def test_a_link_to_what_is_no_more_shows_everything(window: Opened, audit: Path) -> None:
    page = window.show(audit, "#edge=0000000000&verdict=nonsense&ns=")
    assert page.locator("#count").inner_text() == "10 of 10 shown"


def test_kinds_of_edges_differ_by_more_than_colour(window: Opened, audit: Path) -> None:
    page = window.show(audit)
    assert page.locator(".edge.denied").count() == page.locator(".edge .cross").count() == 6
    style = "one => getComputedStyle(one).strokeDasharray"
    assert page.locator(".edge.unknown .line").first.evaluate(style) != "none"
    assert page.locator(".edge.allowed:not(.thin) .line").first.evaluate(style) == "none"
    width = "one => parseFloat(getComputedStyle(one).strokeWidth)"
    thin, thick = (
        page.locator(f".edge.allowed{which} .line").first.evaluate(width) for which in (".thin", ":not(.thin)")
    )
    assert thin < thick


def test_namespaces_fold_and_unfold(window: Opened, audit: Path) -> None:
    page = window.show(audit)
    page.click("#fold")
    assert sorted(page.locator(".node.space .label").all_text_contents()) == [
        "data", "kube-system", "not found", "ops", "outside the cluster", "shop", "ways in",
    ]  # fmt: skip
    page.locator(".node.space", has_text="data").click()
    assert page.locator("#focus").inner_text() == "only data"
    assert "postgres" in page.locator(".node .label").all_text_contents()


def test_it_can_be_used_by_keyboard_alone(window: Opened, audit: Path) -> None:
    page = window.show(audit)
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "q"
    page.locator("#tab-list").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#rest").is_visible()
    assert not page.locator("#list").is_visible()
    page.keyboard.press("End")
    assert page.evaluate("document.activeElement.id") == "tab-fixes"
    stops = page.locator("#graph svg [tabindex='0']")
    assert stops.count() == 1
    stops.focus()
    for _ in range(7 + 12):  # rooms come first, then edges, then boxes
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert page.locator("#focus").is_visible()


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (400, "dark")])
def test_axe_finds_nothing(browser: Browser, audit: Path, width: int, scheme: Scheme) -> None:
    with opened(browser, width=width, scheme=scheme) as window:
        page = window.show(audit)
        for number in range(2):
            page.locator("#list .connection > summary").nth(number).click()
        assert window.accessible() == []
        for tab in ("Policies", "Namespaces", "Fixes"):
            page.get_by_role("tab", name=tab).click()
            assert window.accessible() == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"


def test_the_theme_is_the_systems_until_one_is_chosen(browser: Browser, audit: Path) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    with opened(browser, scheme="dark") as window:
        page = window.show(audit)
        dark = page.evaluate(paper)
        page.get_by_role("button", name="Light").click()
        light = page.evaluate(paper)
        assert light != dark
        page.emulate_media(color_scheme="light")
        page.get_by_role("button", name="Dark").click()
        assert page.evaluate(paper) == dark
        page.get_by_role("button", name="Auto").click()
        assert page.evaluate(paper) == light


def test_on_paper_everything_that_is_broken_is_open(window: Opened, audit: Path) -> None:
    page = window.show(audit)
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator(".connection[open]").count() == 6
    assert page.locator("#filters").is_hidden()
    assert page.locator("#rest").is_visible()


def test_no_name_becomes_markup(window: Opened, page_of: Callable[..., Path], tmp_path: Path) -> None:
    """A page from a file reads objects that no API server has seen: any text may stand where a name does."""
    web = deployment("shop/web", annotations={"netpol-preflight.io/connects-to": "api:80"})
    for one in (web, api := service("shop/api", {"app": HOSTILE}, [{"port": 80}])):
        one["metadata"]["namespace"] = HOSTILE
    web["metadata"]["name"] = api["metadata"]["name"] = HOSTILE
    web["metadata"]["annotations"] = {"netpol-preflight.io/connects-to": f"api.{HOSTILE}:80, 10.0.0.1:80, {HOSTILE}"}
    deny = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": HOSTILE, "namespace": HOSTILE},
        "spec": {"podSelector": {}, "policyTypes": ["Egress"]},
    }
    (tmp_path / "hostile.json").write_bytes(
        msgspec.json.encode({"apiVersion": "v1", "kind": "List", "items": [web, api, deny]})
    )
    file = page_of("audit", "-f", tmp_path / "hostile.json")
    page = window.show(file)
    page.locator("#list .connection > summary").first.click()
    page.get_by_role("tab", name="Fixes").click()
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 9
    shown = page.locator("body").inner_text()
    assert "<img src=x onerror=alert(1)></script><script>alert(2)</script>\\u202e" in shown
    assert "\u202e" not in shown
    page.get_by_role("tab", name="Connections").click()
    assert window.accessible() == []


@pytest.mark.parametrize("objects", [[], [deployment("shop/web")]], ids=["nothing", "nothing declared"])
def test_a_world_without_connections_says_so(
    window: Opened, page_of: Callable[..., Path], tmp_path: Path, objects: list[Any]
) -> None:
    (tmp_path / "world.json").write_bytes(msgspec.json.encode({"apiVersion": "v1", "kind": "List", "items": objects}))
    page = window.show(page_of("audit", "-f", tmp_path / "world.json"))
    assert page.locator("h1").inner_text() == "Nothing declares what it connects to"
    assert page.locator("#list").inner_text() == "Nothing here declares what it connects to."
    assert window.accessible() == []


def test_what_a_log_tells_is_there_too(window: Opened, page_of: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "flows.csv").write_text(
        "src_namespace,src_pod,dst_namespace,dst_pod,dport,proto,verdict\nops,report-1-x,data,postgres-0,5432,tcp,allow\n"
    )
    world = Path(__file__).parent / "mixed.yaml"
    page = window.show(page_of("audit", "-f", world, "--observed", tmp_path / "flows.csv", "--since", "0"))
    page.get_by_role("tab", name="Observed").click()
    assert page.locator("#seen h2").first.inner_text().lower().startswith("observed: ")
    assert page.locator("#seen").inner_text().lower().count("declared, and never seen") == 1
    assert page.locator("#seen td").count() > 0
    assert window.accessible() == []

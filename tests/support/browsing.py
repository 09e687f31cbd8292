"""A real Chromium, the machine's own, and what a page in it did that it should not."""

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.support.patience import PATIENCE

Scheme = Literal["light", "dark"]
expect.set_options(timeout=PATIENCE * 1000)
NO_BROWSER: Final = "no Chromium on PATH: run `scripts/testbed` as root on Debian or Ubuntu, or install one"
_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@contextmanager
def chromium() -> Generator[Browser]:
    """Start the browser without a window; without one the test is skipped, and with CI=true fails."""
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if found is None and os.environ.get("CI", "").lower() in {"1", "true"}:
        pytest.fail(NO_BROWSER, pytrace=False)
    if found is None:
        pytest.skip(NO_BROWSER)
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found,
            args=["--no-sandbox"] if root else [],  # Chromium's sandbox refuses root
        )
        yield browser
        browser.close()


class Opened:
    """A page from a file, and its console's errors, its uncaught exceptions, and requests for anything but itself."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.wrong: list[str] = []
        page.set_default_timeout(PATIENCE * 1000)
        page.on("console", lambda told: self.wrong.append(told.text) if told.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("request", lambda asked: None if _is_own(asked.url) else self.wrong.append(asked.url))

    def show(self, file: Path, hash_: str = "") -> Page:
        self.page.goto("about:blank")  # another hash alone would not load it again
        self.page.goto(f"{file.as_uri()}{hash_}")
        return self.page

    def accessible(self) -> list[str]:
        """Return what axe-core has to say against the page as it is now."""
        found = Axe().run(
            self.page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]}
        )
        return [f"{one['id']}: {node['html'][:200]}" for one in found.response["violations"] for node in one["nodes"]]


def _is_own(url: str) -> bool:
    return url.startswith(("file:", "data:", "about:"))


@contextmanager
def opened(browser: Browser, *, width: int = 1440, height: int = 900, scheme: Scheme = "light") -> Generator[Opened]:
    """Open a window that may use the clipboard; whatever went wrong in it fails the test at its end."""
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, offline=True)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    one = Opened(context.new_page())
    yield one
    assert one.wrong == []
    context.close()

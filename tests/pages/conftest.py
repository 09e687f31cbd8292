"""One browser for all tests of pages."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.support.browsing import Opened, chromium, opened
from tests.support.running import spawn


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One for this folder: Playwright's event loop runs as long as it does, and no other test has one beside it."""
    with chromium() as running:
        yield running


@pytest.fixture
def window(browser: Browser) -> Iterator[Opened]:
    with opened(browser) as one:
        yield one


@pytest.fixture(scope="session")
def page_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return what writes the page of a command into a file."""

    def written(command: str, *arguments: object) -> Path:
        done = spawn(command, *arguments, "--format", "html")
        assert done.code in {0, 1}, done.err
        place = tmp_path_factory.mktemp("page") / f"{command}.html"
        place.write_text(done.out, encoding="utf-8")
        return place

    return written


@pytest.fixture(scope="session")
def mixed() -> Path:
    """A world with one of each."""
    return Path(__file__).parent / "mixed.yaml"

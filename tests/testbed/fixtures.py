"""The pytest plugin of the test bed: `control_plane`, `make_namespace` and `namespace`."""

import os
import re
from collections.abc import Callable, Iterator

import pytest

from tests.testbed import binaries, build
from tests.testbed.binaries import Binaries
from tests.testbed.control_plane import ControlPlane

MakeNamespace = Callable[..., str]
REMARKS = pytest.StashKey[list[str]]()
NO_TESTBED = "no test bed"


def pytest_configure(config: pytest.Config) -> None:
    """Make room for what the summary has to say."""
    config.stash[REMARKS] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say in one line what was skipped for want of a test bed and how to get one, and where logs were kept."""
    skipped = [report for report in terminalreporter.getreports("skipped") if NO_TESTBED in str(report.longrepr)]
    for remark in config.stash[REMARKS]:
        terminalreporter.write_line(remark.format(skipped=len(skipped)), red=True, bold=True)


@pytest.fixture(scope="session")
def testbed_binaries(request: pytest.FixtureRequest) -> Binaries:
    """Return the programs, built on first use; without them the test is skipped, and with CI=true fails."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    reporter = request.config.pluginmanager.getplugin("terminalreporter")

    def say(line: str) -> None:
        with capture.global_and_fixture_disabled():
            reporter.write_line(f"test bed: {line}")

    try:
        return binaries.ensure(say)
    except binaries.MisconfiguredError as error:
        pytest.fail(str(error), pytrace=False)
    except build.UnavailableError as error:
        reason = f"{NO_TESTBED}: {' '.join(str(error).split())}"
        if os.environ.get("CI", "").lower() in {"1", "true"}:
            pytest.fail(f"{reason}; {binaries.HOW_TO_GET_IT}", pytrace=False)
        remark = f"SKIPPED {{skipped}} tests, {_literal(reason)}; to get it, {_literal(binaries.HOW_TO_GET_IT)}"
        request.config.stash[REMARKS].append(remark)
        pytest.skip(reason)


@pytest.fixture(scope="session")
def control_plane(request: pytest.FixtureRequest, testbed_binaries: Binaries) -> Iterator[ControlPlane]:
    """Yield the control plane that all tests share; after a failure its logs are kept, and said where."""
    running = ControlPlane(testbed_binaries)
    failed_before = request.session.testsfailed
    running.start()
    yield running
    failed = request.session.testsfailed > failed_before
    running.stop(keep_logs=failed)
    if failed:
        request.config.stash[REMARKS].append(f"the control plane's logs are in {_literal(str(running.logs))}")


@pytest.fixture
def make_namespace(request: pytest.FixtureRequest, control_plane: ControlPlane) -> Iterator[MakeNamespace]:
    """Yield `make_namespace(prefix=..., labels=None) -> str`; what it made is deleted after the test."""
    made: list[str] = []
    test = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower().removeprefix("test_"))[:40].strip("-")

    def make(prefix: str = test, labels: dict[str, str] | None = None) -> str:
        made.append(control_plane.create_namespace(prefix, labels))
        return made[-1]

    yield make
    for name in made:
        control_plane.delete_namespace(name)


@pytest.fixture
def namespace(make_namespace: MakeNamespace) -> str:
    """Return the name of a namespace that is this test's own."""
    return make_namespace()


def _literal(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")

"""The chart, and the default rendering."""

from pathlib import Path

import pytest

from tests.chart.rendering import Chart, Rendered
from tests.testbed.binaries import Binaries


@pytest.fixture(scope="session")
def chart(testbed_binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Chart:
    """Return the chart with the test bed's helm."""
    directory: Path = tmp_path_factory.mktemp("chart")
    return Chart(testbed_binaries.paths["helm"], directory)


@pytest.fixture(scope="session")
def default(chart: Chart) -> Rendered:
    """Return what is rendered without values."""
    return chart.render()

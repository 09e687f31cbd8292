"""What every test shares: the control plane's fixtures, and how hypothesis looks for examples."""

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.testbed.fixtures"]

# No deadline in any: speed is the benchmarks' business, never a test's. By default every run asks the same; others
# than these are found by hand, with `--hypothesis-profile dev` or `long`.
settings.register_profile(
    "ci",
    deadline=None,
    derandomize=True,
    max_examples=80,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("dev", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# By hand: pytest tests/spec/test_judge.py -k random --hypothesis-profile long --hypothesis-seed 20261120
settings.register_profile(
    "long",
    deadline=None,
    max_examples=10_000,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("ci")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs the test bed: it mostly waits, so `scripts/test` runs it, and some laws, beside the rest."""
    for item in items:
        if "testbed_binaries" in getattr(item, "fixturenames", ()):
            item.add_marker("cluster")
            item.add_marker("beside")
        elif item.path.parent.name == "evaluate" and item.path.name.startswith("test_laws"):
            item.add_marker("beside")

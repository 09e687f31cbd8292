"""Where the world that reviews look at comes from."""

from collections.abc import Callable, Iterator
from typing import Protocol

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from webhook.api.backend import Check
from webhook.api.metrics import PREFIX
from webhook.world import View


class Source(Protocol):
    """A world that is kept up to date on the event loop that reviews run on."""

    def view(self) -> View | None:
        """Return the world; None: it was never read in full, and nothing can be judged."""
        ...

    def version(self) -> int | None:
        """Return what grows with every change of the world; None where no news of it is ever on its way."""
        ...

    def stale(self) -> str | None:
        """Say in what the world may be behind what it is a picture of; None: in nothing. Stale, nothing is denied."""
        ...

    def checks(self) -> tuple[Check, ...]:
        """Return the conditions of being ready."""
        ...

    def collectors(self) -> tuple[Collector, ...]:
        """Return what Prometheus is told of this source."""
        ...

    async def ready(self) -> None:
        """Wait until there is a world. Raises Unusable where there will be none."""
        ...

    async def run(self) -> None:
        """Keep the world up to date until cancelled."""
        ...


class Unusable(Exception):  # noqa: N818 - what it says of the source
    """There is no world to start with; the message says why."""


class Health(Collector):
    """Asks a source of any kind whether there is a world, and whether it is out of date."""

    def __init__(self, there: Callable[[], bool], stale: Callable[[], bool]) -> None:
        self._there = there
        self._stale = stale

    def collect(self) -> Iterator[Metric]:
        """Yield two gauges without labels."""
        text = "1 once all was read that may decide a verdict; 0: reviews are allowed and not evaluated."
        yield GaugeMetricFamily(PREFIX + "world_synced", text, value=float(self._there()))
        text = "1 where the world may be out of date: nothing is denied then."
        yield GaugeMetricFamily(PREFIX + "world_stale", text, value=float(self._stale()))

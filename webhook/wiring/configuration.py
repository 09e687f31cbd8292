"""`serve --config FILE`: read again when the file changes. A broken new file leaves the settings as they were."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Final, Protocol

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from webhook.api.backend import Check
from webhook.api.metrics import PREFIX
from webhook.config import Invalid
from webhook.model.settings import Settings
from webhook.wiring.source import Source
from webhook.world import View

_log: Final = logging.getLogger(__name__)
SECONDS: Final = 1.0


class Configurable(Source, Protocol):
    """A source that can be given other settings while it runs."""

    def configure(self, settings: Settings) -> None:
        """Judge by `settings` from here on."""
        ...


class Configured:
    """A source whose settings are those of a file, polled: mounted ConfigMaps change by a link, which nothing tells."""

    def __init__(
        self, source: Configurable, path: Path, load: Callable[[], Settings], first: Settings, today: Callable[[], date]
    ) -> None:
        """`load` reads `path` and raises Invalid; `first` is what it gave at the start."""
        self._source = source
        self._path = path
        self._load = load
        self._settings = first
        self._today = today
        self._content: bytes | None = None
        self._problem = ""

    def view(self) -> View | None:
        """Return the source's world."""
        return self._source.view()

    def version(self) -> int | None:
        """Return the source's."""
        return self._source.version()

    def stale(self) -> str | None:
        """Return what the source says."""
        return self._source.stale()

    def checks(self) -> tuple[Check, ...]:
        """Return the source's conditions; that of the file is always met, and says what is wrong with it."""
        today = self._today()
        over = [one for one in self._settings.exemptions if one.until is not None and one.until < today]
        ended = [f"exemption of {one.id} for {one.namespace}/{one.workload} ended on {one.until}" for one in over]
        broken = [f"the settings stay as they were: {self._problem}"] if self._problem else []
        return (*self._source.checks(), Check("configuration", ok=True, detail="; ".join([*broken, *ended])))

    def collectors(self) -> tuple[Collector, ...]:
        """Return the source's measures, and whether the file is the one that is in force."""
        return (*self._source.collectors(), _Reloads(lambda: not self._problem))

    async def ready(self) -> None:
        """Wait for the source."""
        await self._source.ready()

    async def run(self) -> None:
        """Keep world and settings up to date until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._source.run())
            group.create_task(self._poll())

    async def refresh(self) -> None:
        """Read the file if it changed."""
        try:
            content = await asyncio.to_thread(self._path.read_bytes)
            if content == self._content:
                return
            self._content = content
            settings = await asyncio.to_thread(self._load)
        except OSError as error:
            self._content = None
            self._refuse(f"{self._path}: {error.strerror or error}")
        except Invalid as error:
            self._refuse(str(error))
        else:
            self._problem = ""
            if settings != self._settings:
                self._settings = settings
                self._source.configure(settings)
                _log.info("read %s again", self._path)

    async def _poll(self) -> None:
        while True:
            try:
                await self.refresh()
            except Exception:  # noqa: BLE001 - logged, told in /readyz, and tried again with the next change
                _log.exception("reading %s failed", self._path)
                self._problem = f"{self._path}: internal error"
            await asyncio.sleep(SECONDS)

    def _refuse(self, problem: str) -> None:
        if problem != self._problem:
            _log.error("the settings stay as they were: %s", problem)
        self._problem = problem


class _Reloads(Collector):
    def __init__(self, good: Callable[[], bool]) -> None:
        self._good = good

    def collect(self) -> Iterator[Metric]:
        """Yield 1 where the file is in force, 0 where older settings are."""
        name = PREFIX + "config_last_reload_successful"
        yield GaugeMetricFamily(name, "Whether the configuration file as it is now is in force.", float(self._good()))

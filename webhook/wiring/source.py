"""Where the world and the settings of reviews come from: files and folders, read again when they change."""

import asyncio
import io
import logging
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Final, Protocol

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from webhook.api.backend import PREFIX, Check
from webhook.config import Invalid
from webhook.manifests import NoSuchPath
from webhook.model.settings import Settings
from webhook.report.text import failure
from webhook.wiring.inputs import Inputs, misread, read_inputs
from webhook.world import Put, View, World


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
        """Return the metrics of this source."""
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


_log: Final = logging.getLogger(__name__)
SECONDS: Final = 1.0
_MOST_FAILURES: Final = 3  # that one line of /readyz names
Stamp = tuple[tuple[str, int, int, int], ...]


class Folder:
    """Manifests under one path, polled. A broken file keeps the world as it was, and /readyz says so."""

    def __init__(self, path: str, settings: Settings, namespace: str) -> None:
        """Name the path; nothing is read yet."""
        self._path = path
        self._settings = settings
        self._namespace = namespace
        self._world: World | None = None
        self._problem = "not read yet"
        self._stamp: Stamp | None = None

    def configure(self, settings: Settings) -> None:
        """Judge by other settings from here on."""
        self._settings = settings
        if self._world is not None:
            self._world.configure(settings)

    def view(self) -> View | None:
        """Return the world of the last time that every file could be read."""
        return self._world

    def version(self) -> int | None:
        """Return nothing: files are looked at once a second, for which nobody waits."""
        return None

    def stale(self) -> str | None:
        """Say what newer files cannot be used; None: the world is that of the files."""
        return f"{self._path}: {self._problem}" if self._problem else None

    def collectors(self) -> tuple[Collector, ...]:
        """Return nothing: there is no watch."""
        return ()

    def checks(self) -> tuple[Check, ...]:
        """Return one condition: there is a world. A newer one that cannot be read is a detail."""
        detail = f"{self._path}: {self._problem}" if self._problem else ""
        return (Check("source", self._world is not None, detail),)

    async def ready(self) -> None:
        """Read the files for the first time. Raises Unusable."""
        if self._world is None:
            await self.refresh()
        if self._world is None:
            raise Unusable(self._problem)

    async def run(self) -> None:
        """Look every second, until cancelled."""
        while True:
            await asyncio.sleep(SECONDS)
            try:
                await self.refresh()
            except Exception:  # noqa: BLE001 - logged, told in /readyz, and the next second tries again
                _log.exception("reading %s failed", self._path)
                self._problem = "internal error"

    async def refresh(self) -> None:
        """Read the files if they changed. Parsing runs beside the event loop; the world is swapped on it."""
        try:
            stamp = await asyncio.to_thread(_stamp, self._path)
            if stamp == self._stamp:
                return
            found = await asyncio.to_thread(self._read)
        except (NoSuchPath, OSError) as error:
            self._stamp = None
            self._refuse(str(error))
            return
        self._stamp = stamp
        if found.failures:
            self._refuse("; ".join(map(failure, found.failures[:_MOST_FAILURES])))
            return
        world = World(self._settings, complete=False)
        world.apply(Put(value) for value, _ in found.values)
        self._world, self._problem = world, ""
        for problem in (*found.problems, *misread(world, found.values)):
            _log.warning("%s", failure(problem))
        for folder in found.unbuilt:
            _log.warning("%s is not read as it is: %s makes its manifests", folder.folder, folder.tool)
        _log.info("read %d objects from %s", len(found.values), self._path)

    def _read(self) -> Inputs:
        return read_inputs([self._path], io.BytesIO(), self._namespace)

    def _refuse(self, problem: str) -> None:
        if problem != self._problem and self._world is not None:
            _log.warning("cannot use %s, the world stays as it was: %s", self._path, problem)
        self._problem = problem


def _stamp(path: str) -> Stamp:
    """Return what changes when a file under `path` does."""
    root = Path(path)
    files = sorted(root.rglob("*")) if root.is_dir() else [root]
    return tuple((str(file), s.st_mtime_ns, s.st_size, s.st_ino) for file in files for s in [file.stat()])


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
        return (*self._source.collectors(), Reloads(lambda: not self._problem))

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


class Reloads(Collector):
    """Asks whether the configuration file as it is now is the one by which it is judged."""

    def __init__(self, good: Callable[[], bool]) -> None:
        self._good = good

    def collect(self) -> Iterator[Metric]:
        """Yield 1 where the file is in force, 0 where older settings are."""
        name = PREFIX + "config_last_reload_successful"
        yield GaugeMetricFamily(name, "Whether the configuration file as it is now is in force.", float(self._good()))

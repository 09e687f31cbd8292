"""Where the world that reviews look at comes from."""

from typing import Protocol

from prometheus_client.registry import Collector

from webhook.api.backend import Check
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

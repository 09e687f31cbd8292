"""Where the world that reviews look at comes from."""

from typing import Protocol

from webhook.api.backend import Check
from webhook.world import View


class Source(Protocol):
    """A world that is kept up to date on the event loop that reviews run on."""

    def view(self) -> View | None:
        """Return the world; None: it was never read in full, and nothing can be judged."""
        ...

    def checks(self) -> tuple[Check, ...]:
        """Return the conditions of being ready."""
        ...

    async def ready(self) -> None:
        """Wait until there is a world. Raises Unusable where there will be none."""
        ...

    async def run(self) -> None:
        """Keep the world up to date until cancelled."""
        ...


class Unusable(Exception):  # noqa: N818 - what it says of the source
    """There is no world to start with; the message says why."""

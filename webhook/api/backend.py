"""What HTTP asks of the program behind it."""

from typing import Final, Protocol

from msgspec import Struct

from webhook.model.budget import TOO_MUCH

FIELDS: Final = "fields"  # of a log record: what `extra` names them by

INTERNAL_ERROR: Final = "internal error"
NO_TIME: Final = "no time left"
NOT_SYNCED: Final = "not synced"
NOT_JUDGED: Final = frozenset({INTERNAL_ERROR, NO_TIME, NOT_SYNCED, TOO_MUCH})


class Answer(Struct, frozen=True):
    """A finished response. `body` is JSON for `status` 200, else a plain sentence for a person.

    `outcome` is one of allowed, warned, denied, not-evaluated, malformed; `mode` is one of off, audit, warn, enforce,
    or empty where there was no saying. `about`: what a log may say of the request: names and ids, nothing of its body.
    `reason`: why nothing was judged, where the outcome is not-evaluated; one of `NOT_JUDGED`. `left_out`: what else
    there was no time for, each one of `budget.LEFT_OUT`.
    """

    status: int
    body: bytes
    outcome: str
    mode: str = ""
    dry_run: bool = False
    about: tuple[tuple[str, str], ...] = ()
    reason: str = ""
    left_out: tuple[str, ...] = ()


class Check(Struct, frozen=True):
    """One condition of being ready. `detail` says what is missing, or what a person should know all the same."""

    name: str
    ok: bool
    detail: str = ""


class Backend(Protocol):
    """Reviews and readiness. All run on the event loop and wait for nothing."""

    def review(self, body: bytes, *, timeout: float | None) -> Answer:
        """Answer one AdmissionReview. `timeout`: seconds that the caller will still wait, None where it did not say.

        After a denial the same body is asked about again, up to three times, where the world has caught up by then.
        """
        ...

    def version(self) -> int | None:
        """Return what grows with every change of the world; None where no news of it is ever on its way."""
        ...

    def readiness(self) -> tuple[Check, ...]:
        """Return every condition of being ready, met or not."""
        ...


class Told(Struct, frozen=True):
    """An answer to whoever asks for the report: a page for `status` 200, else a plain sentence for a person."""

    status: int
    body: bytes


class Reports(Protocol):
    """Who may see what of the world, and its page."""

    async def report(self, token: str, namespaces: tuple[str, ...]) -> Told:
        """Return the page of all that the token's owner may see, or of these `namespaces` of it; 401 or 403 else."""
        ...

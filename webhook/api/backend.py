"""What HTTP asks of the program behind it, and what Prometheus sees of both: every label's values are a fixed few."""

import platform
from collections.abc import Callable, Sized
from typing import Final, Protocol

from msgspec import Struct
from prometheus_client import CollectorRegistry, Counter, Gauge, GCCollector, Histogram, PlatformCollector
from prometheus_client import ProcessCollector as Process
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from webhook import __version__
from webhook.model.budget import LEFT_OUT, TOO_MUCH

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


PREFIX: Final = "netpol_preflight_"
OUTCOMES: Final = frozenset({"allowed", "warned", "denied", "not-evaluated", "malformed", "error"})
MODES: Final = frozenset({"off", "audit", "warn", "enforce", ""})
OTHER: Final = "other"
REFUSALS: Final = frozenset({403, 408, 413, 415})
ENDS: Final = (
    *("handshake", "head-size", "head-time", "body-size", "body-time", "answer-time", "malformed", "pipelined"),
    *("shed", "full"),
)
_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_LABELS: Final = ("outcome", "mode", "dry_run")


class Metrics:
    """The process's own registry and the measures that HTTP takes; others may register theirs in `registry`."""

    content_type: Final = CONTENT_TYPE_PLAIN_0_0_4.encode("ascii")

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        Process(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.requests = Counter(
            PREFIX + "admission_requests", "Reviews answered, by what was said.", _LABELS, registry=self.registry
        )
        self.seconds = Histogram(
            PREFIX + "admission_duration_seconds",
            "From the request's headers to its answer, the wait for the body and for a turn included.",
            _LABELS,
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            PREFIX + "admission_in_flight",
            "Reviews between the end of the request and its answer.",
            registry=self.registry,
        )
        self.receiving = Gauge(PREFIX + "admission_receiving", "Bodies on their way.", registry=self.registry)
        self.bodies_shed = Counter(
            PREFIX + "admission_bodies_shed",
            "Bodies that were given up to make room for another.",
            registry=self.registry,
        )
        self.shed = Counter(PREFIX + "admission_shed", "Requests sent away for want of room.", registry=self.registry)
        self.not_evaluated = Counter(
            PREFIX + "admission_not_evaluated",
            "Reviews allowed because nothing could be judged, by why.",
            ("reason",),
            registry=self.registry,
        )
        for reason in NOT_JUDGED:
            self.not_evaluated.labels(reason)
        self.left_out = Counter(
            PREFIX + "admission_left_out",
            "Reviews in which there was no time for all that cannot reject, by what was left out.",
            ("what",),
            registry=self.registry,
        )
        for what in LEFT_OUT:
            self.left_out.labels(what)
        self.refused = Counter(
            PREFIX + "admission_refused", "Bodies not read, by HTTP status.", ("code",), registry=self.registry
        )
        self.connections = Gauge(
            PREFIX + "http_connections", "Open connections.", ("listener",), registry=self.registry
        )
        self.connections_cut = Counter(
            PREFIX + "http_connections_cut",
            "Connections ended against the client's will.",
            ("listener", "reason"),
            registry=self.registry,
        )
        self.certificate_expiry = Gauge(
            PREFIX + "certificate_expiry_timestamp_seconds",
            "Unix time after which the serving certificate is not valid.",
            registry=self.registry,
        )
        build = Gauge(
            PREFIX + "build_info", "Always 1; which program this is.", ("version", "python"), registry=self.registry
        )
        build.labels(__version__, platform.python_version()).set(1)
        self._pairs: dict[tuple[str, str, bool], tuple[Counter, Histogram]] = {}

    def answered(self, answer: Answer, seconds: float) -> None:
        """Count one answer that took `seconds`."""
        key = (
            answer.outcome if answer.outcome in OUTCOMES else OTHER,
            answer.mode if answer.mode in MODES else OTHER,
            answer.dry_run,
        )
        pair = self._pairs.get(key)
        if pair is None:
            labels = (key[0], key[1], "true" if key[2] else "false")
            pair = self._pairs[key] = (self.requests.labels(*labels), self.seconds.labels(*labels))
        if answer.reason:
            self.not_evaluated.labels(answer.reason if answer.reason in NOT_JUDGED else OTHER).inc()
        for what in answer.left_out:
            self.left_out.labels(what).inc()
        pair[0].inc()
        pair[1].observe(seconds)

    def refuse(self, status: int) -> None:
        """Count one body that was not read."""
        self.refused.labels(str(status) if status in REFUSALS else OTHER).inc()

    def watch(self, listener: str, connections: Sized) -> None:
        """Show how many `connections` there are."""
        self.connections.labels(listener).set_function(lambda: len(connections))

    def cut(self, listener: str) -> Callable[[str], None]:
        """Return what counts the connections of `listener` that were ended, by one of ENDS."""
        counters = {reason: self.connections_cut.labels(listener, reason) for reason in ENDS}
        return lambda reason: counters[reason].inc()

    def text(self) -> bytes:
        """Return everything registered, in Prometheus' text format 0.0.4."""
        return generate_latest(self.registry)

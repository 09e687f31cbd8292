"""What Prometheus sees. Every label's values are a fixed few, whatever arrives."""

import platform
from collections.abc import Callable, Sized
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, GCCollector, Histogram, PlatformCollector
from prometheus_client import ProcessCollector as Process
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from webhook import __version__
from webhook.api.backend import NOT_JUDGED, Answer
from webhook.model.budget import LEFT_OUT

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

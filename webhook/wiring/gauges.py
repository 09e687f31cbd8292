"""What Prometheus is told of the watches. Every label is a kind, or what may be cut: a fixed few, whatever arrives."""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from webhook.api.metrics import PREFIX
from webhook.cluster.kinds import Standing
from webhook.model.hints import CUTS
from webhook.wiring.mirror import Mirror


class Gauges(Collector):
    """Reads the watcher when it is asked; keeps nothing."""

    def __init__(self, standings: Callable[[], Iterable[Standing]], clock: Callable[[], float], mirror: Mirror) -> None:
        """`clock` is the watcher's."""
        self._standings = standings
        self._clock = clock
        self._mirror = mirror

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics; of several collections of a kind the worst counts."""
        now = self._clock()
        ages: dict[str, float] = {}
        listed: dict[str, bool] = {}
        for one in self._standings():
            kind = str(one.kind)
            listed[kind] = listed.get(kind, True) and one.phase.listed
            if (age := one.age(now)) is not None:
                ages[kind] = max(age, ages.get(kind, 0.0))
        yield _gauge("watch_age_seconds", "Seconds since the API server was last heard of a kind.", ages)
        yield _gauge("watch_listed", "1 where a kind was listed completely, 0 where it is not known.", listed)
        yield _gauge("world_objects", "Objects that verdicts may rest on.", self._mirror.objects())
        yield _counter(
            "watch_lists", "Complete lists of a kind; more than one: a watch could not go on.", self._mirror.lists
        )
        yield _counter("watch_troubles", "Failures to list or watch a kind.", self._mirror.troubles)
        cuts: dict[str, int] = {what: self._mirror.cuts[what] for what in CUTS}
        yield _counter("watch_cuts", "Times that an object was too long to be read whole, by what was.", cuts, "what")


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


def _gauge(name: str, text: str, values: dict[str, float] | dict[str, bool] | dict[str, int]) -> Metric:
    family = GaugeMetricFamily(PREFIX + name, text, labels=("kind",))
    for kind, value in sorted(values.items()):
        family.add_metric((kind,), float(value))
    return family


def _counter(name: str, text: str, values: dict[str, int], label: str = "kind") -> Metric:
    family = CounterMetricFamily(PREFIX + name, text, labels=(label,))
    for word, value in sorted(values.items()):
        family.add_metric((word,), value)
    return family

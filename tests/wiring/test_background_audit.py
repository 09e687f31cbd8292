"""The audit in the cluster over an API server in memory: what is written, and what whatever goes wrong stops."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import pytest

from tests.support.object_store import ObjectStore, said
from tests.support.patience import PATIENCE
from tests.support.reviewing import Fixed
from tests.support.reviewing import world as story
from webhook.cluster.audit_requests import ReportObjects
from webhook.cluster.errors import ClusterError, UnreachableError
from webhook.cluster.kinds import Kind
from webhook.families import project
from webhook.model.settings import AuditSettings, Mode, Settings
from webhook.report.policy_report import MOST_RESULTS, NAME
from webhook.wiring import audit_judging
from webhook.wiring.audit_writer import AuditWriter
from webhook.wiring.background_audit import Auditor
from webhook.world import Drop, Put, World

Raw = dict[str, Any]
REPORT: Final = Kind("openreports.io/v1alpha1", "Report", "reports")
OLDER: Final = Kind("wgpolicyk8s.io/v1alpha2", "PolicyReport", "policyreports")
ON: Final = Settings(audit=AuditSettings(enabled=True))
HOME: Final = "production"
EGRESS: Final = Drop("NetworkPolicy", HOME, "web-api-egress")
WALL: Final = Drop("NetworkPolicy", HOME, "default-deny-ingress")


@pytest.fixture(autouse=True)
def time_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no machine be too slow."""
    monkeypatch.setattr(audit_judging, "_PROCESSOR", PATIENCE)
    monkeypatch.setattr(audit_judging, "_AT_MOST", PATIENCE)


class Live(Fixed):
    """A source whose world may change, and be stale."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.world = world
        self.old = ""

    def stale(self) -> str | None:
        return self.old or None


@dataclass
class Holder:
    held: bool = True
    trouble: str = ""

    def holds(self) -> bool:
        return self.held


@dataclass
class Scene:
    """One replica, and the API server that it writes to."""

    world: World = field(default_factory=lambda: story(ON))
    store: ObjectStore = field(default_factory=ObjectStore)
    holder: Holder = field(default_factory=Holder)
    time: float = 1_000.0

    def __post_init__(self) -> None:
        if not self.store.served:
            self.store.serves(REPORT)
        self.source = Live(self.world)
        self.writer = AuditWriter(ReportObjects(self.store), self.holder.holds, self.clock, self.now, "pod-0")
        self.auditor = Auditor(self.source, self.holder, self.writer, lambda: date(2026, 11, 28), self.clock)

    def clock(self) -> float:
        return self.time

    def now(self) -> datetime:
        return datetime(2026, 11, 28, tzinfo=UTC) + timedelta(seconds=self.time)

    def turn(self, seconds: float = 1.0) -> None:
        self.time += seconds
        asyncio.run(self.auditor.turn())

    def change(self, *changes: Put | Drop) -> None:
        self.world.apply(changes)

    def report(self, kind: Kind = REPORT, namespace: str = HOME) -> Raw | None:
        return self.store.objects.get(f"{kind.path_in(namespace)}/{NAME}")

    @property
    def results(self) -> list[tuple[str, str, str]]:
        found = self.report()
        assert found is not None
        return [(one["resources"][0]["name"], one["policy"], one["result"]) for one in found["results"]]

    @property
    def events(self) -> list[tuple[str, str]]:
        """Of each Event: its reason, and its note."""
        return [(one["reason"], one["note"]) for path, one in self.store.objects.items() if "/events/" in path]


CLOSED: Final = [("web-api", "NP101", "fail"), ("web-api", "NP102", "fail")]


def test_what_is_there_is_written_and_what_is_closed_is_said_on_the_workload() -> None:
    scene = Scene()
    scene.turn()
    assert scene.results == CLOSED
    report = scene.report()
    assert report is not None
    assert report["summary"] == {"fail": 2, "error": 0, "warn": 0, "skip": 0, "pass": 0}
    ((reason, note),) = scene.events
    assert reason == "DependencyDenied"
    assert note.startswith("production/web-api -> ")
    assert "web-api-egress" in note


def test_nothing_is_written_again_that_has_not_changed() -> None:
    scene = Scene()
    scene.turn()
    written = len(scene.store.asked)
    for _ in range(5):
        scene.turn()
    scene.turn(3_600)
    assert len(scene.store.asked) == written


def test_what_opens_is_written_and_said_and_what_closes_again_too() -> None:
    scene = Scene()
    wall, egress = scene.world.named(WALL), scene.world.named(EGRESS)
    assert wall is not None
    assert egress is not None
    scene.turn()
    scene.change(WALL, EGRESS)
    scene.turn()
    assert scene.results == [("web-api", "dependency", "pass")]
    assert [reason for reason, _ in scene.events] == ["DependencyDenied", "DependencyAllowed"]
    scene.change(Put(egress), Put(wall))
    scene.turn()
    assert scene.results == CLOSED
    assert [reason for reason, _ in scene.events] == ["DependencyDenied", "DependencyAllowed", "DependencyDenied"]


def test_only_whom_a_change_may_touch_is_judged_again() -> None:
    scene = Scene()
    scene.turn()
    assert scene.auditor.judging is not None
    judged = scene.auditor.judging.judged
    labels = {"metadata": {"name": "lonely", "namespace": "elsewhere", "labels": {"app": "lonely"}}}
    value = project({"apiVersion": "v1", "kind": "Service", **labels, "spec": {"ports": [{"port": 80}]}})
    assert value is not None
    scene.change(Put(value))
    scene.turn()
    assert scene.auditor.judging.judged == judged
    scene.change(EGRESS)
    scene.turn()
    assert 0 < scene.auditor.judging.judged - judged <= 2


def test_a_report_of_nothing_is_deleted() -> None:
    scene = Scene()
    scene.turn()
    scene.change(
        *(Drop(one.ref.kind, one.ref.namespace, one.ref.name) for one in list(scene.world.workloads.every(HOME)))
    )
    scene.turn()
    assert scene.report() is None


def test_a_namespace_that_is_off_has_no_report_and_one_in_audit_no_events() -> None:
    quiet = Scene(story(Settings(mode=Mode.AUDIT, audit=ON.audit)))
    quiet.turn()
    assert quiet.results == CLOSED
    assert quiet.events == []
    off = Scene(story(Settings(mode=Mode.OFF, audit=ON.audit)))
    off.turn()
    assert (off.report(), off.events) == (None, [])


@pytest.mark.parametrize(
    "audit", [AuditSettings(enabled=True, reports=False), AuditSettings(enabled=True, events=False)]
)
def test_each_of_both_can_be_left_out(audit: AuditSettings) -> None:
    scene = Scene(story(Settings(audit=audit)))
    scene.turn()
    assert (scene.report() is not None, bool(scene.events)) == (audit.reports, audit.events)


def test_off_nothing_is_asked_and_nothing_noted() -> None:
    scene = Scene(story(Settings()))
    scene.turn()
    assert scene.store.asked == []
    assert scene.world.journal is None


# -- replicas ----------------------------------------------------------------------------------------------------------


def test_whoever_does_not_hold_the_lease_does_nothing() -> None:
    scene = Scene(holder=Holder(held=False))
    scene.turn()
    assert scene.store.asked == []
    assert scene.world.journal is None


def test_a_lease_that_is_lost_between_two_writes_ends_the_writing() -> None:
    scene = Scene()
    lost: list[str] = []

    def before(method: str, path: str) -> None:
        if method == "POST":
            lost.append(path)
            scene.holder.held = False

    scene.store.before = before
    scene.turn()
    assert len(lost) == 1, "what had begun is the last"
    scene.turn()
    assert len(lost) == 1
    assert scene.world.journal is None


def test_the_next_holder_finds_what_was_written_and_says_nothing_twice() -> None:
    first = Scene()
    first.turn()
    second = Scene(story(ON), first.store, time=first.time)
    events, writes = first.events, first.store.writes("events")
    second.turn()
    assert second.events == events
    assert first.store.writes("events") == writes, "it is known from the report that it was said"
    second.change(EGRESS, WALL)
    second.turn()
    assert [reason for reason, _ in second.events] == ["DependencyDenied", "DependencyAllowed"]


def test_two_at_once_overwrite_nothing_that_they_have_not_seen() -> None:
    first = Scene()
    first.turn()
    second = Scene(story(ON), first.store, time=first.time)
    second.turn()
    second.change(EGRESS)
    second.turn()
    seen = first.report()
    first.change(WALL)
    first.turn()
    assert first.report() == seen, "it was of an older version"
    assert first.writer.counts["reports", "overtaken"] == 1
    first.turn(10)
    assert first.report() != seen, "and then of the newest"


# -- what goes wrong ---------------------------------------------------------------------------------------------------


def test_a_stale_world_and_one_that_is_not_whole_write_nothing() -> None:
    scene = Scene()
    scene.source.old = "pods not heard of for 130 s"
    scene.turn()
    assert scene.store.asked == []
    assert "130 s" in scene.auditor.check().detail or scene.auditor.judging is None
    scene.source.old = ""
    scene.turn()
    asked = len(scene.store.asked)
    scene.source.old = "pods not heard of for 130 s"
    scene.change(EGRESS, WALL)
    scene.turn()
    assert len(scene.store.asked) == asked
    assert "130 s" in scene.auditor.check().detail
    scene.source.old = ""
    scene.turn()
    assert scene.results == [("web-api", "dependency", "pass")]


def refusing(error: ClusterError, what: str) -> Callable[[str, str], ClusterError | None]:
    return lambda method, path: error if f"/{what}" in path and method != "GET" else None


@pytest.mark.parametrize("error", [said(403), said(500), said(429), UnreachableError("the connection was cut")])
def test_reports_that_cannot_be_written_stop_no_events_and_are_tried_again(
    error: ClusterError, caplog: pytest.LogCaptureFixture
) -> None:
    scene = Scene()
    scene.store.fault = refusing(error, "reports")
    for _ in range(3):
        scene.turn()
    assert scene.report() is None
    assert len(scene.events) == 1
    assert str(error) in scene.auditor.check().detail
    assert [str(error) in record.getMessage() for record in caplog.records].count(True) == 1, "it is said once"
    assert sum(scene.writer.counts["reports", outcome] for outcome in ("forbidden", "failed")) >= 1
    scene.store.fault = lambda _method, _path: None
    scene.turn(61)
    assert scene.results == CLOSED
    assert scene.auditor.check().detail == ""


def test_events_that_may_not_be_written_stop_no_reports() -> None:
    scene = Scene()
    scene.store.fault = refusing(said(403), "events")
    scene.turn()
    assert scene.results == CLOSED
    assert scene.events == []
    scene.store.fault = lambda _method, _path: None
    scene.turn(61)
    assert len(scene.events) == 1


def test_without_the_kind_nothing_is_written_until_it_comes() -> None:
    scene = Scene()
    scene.store.serves()
    scene.turn()
    assert "is served" in scene.auditor.check().detail
    assert len(scene.events) == 1
    asked = len(scene.store.asked)
    scene.turn()
    assert len(scene.store.asked) == asked, "it is not asked all the time"
    scene.store.serves(OLDER)
    scene.turn(61)
    found = scene.report(OLDER)
    assert found is not None
    assert found["apiVersion"] == OLDER.api_version
    assert scene.auditor.check().detail == ""


def test_a_kind_that_goes_away_is_asked_for_again() -> None:
    scene = Scene()
    scene.turn()
    scene.store.objects.clear()
    scene.store.serves()
    scene.store.fault = refusing(said(404), "reports")
    scene.change(EGRESS)
    for _ in range(3):
        scene.turn(61)
    assert "is served" in scene.auditor.check().detail
    scene.store.serves(OLDER, REPORT)
    scene.store.fault = lambda _method, _path: None
    scene.turn(61)
    assert scene.results == [("web-api", "NP102", "fail")]


def test_reports_of_the_other_kind_that_are_ours_are_taken_away() -> None:
    scene = Scene()
    scene.store.serves(OLDER)
    scene.turn()
    assert scene.report(OLDER)
    scene.holder.held = False
    scene.turn()
    scene.holder.held = True
    scene.store.serves(OLDER, REPORT)
    scene.turn()
    assert scene.results == CLOSED
    assert scene.report(OLDER) is None


def test_what_may_not_be_read_of_the_other_kind_holds_nothing_up() -> None:
    scene = Scene()
    scene.store.serves(OLDER, REPORT)
    scene.store.fault = lambda _, path: said(403) if "/policyreports" in path else None
    scene.turn()
    assert scene.results == CLOSED


def test_a_report_of_another_name_stays_whatever_its_labels_say() -> None:
    scene = Scene()
    for kind in (REPORT, OLDER):
        path = f"{kind.path_in(HOME)}/mine"
        labels = {"app.kubernetes.io/managed-by": "netpol-preflight"}
        metadata = {"name": "mine", "namespace": HOME, "resourceVersion": "x", "labels": labels}
        scene.store.objects[path] = {"metadata": metadata}
    scene.store.serves(OLDER, REPORT)
    scene.turn()
    assert scene.results == CLOSED
    assert all(f"{kind.path_in(HOME)}/mine" in scene.store.objects for kind in (REPORT, OLDER))


def test_a_report_of_that_name_that_is_somebody_elses_stays() -> None:
    scene = Scene()
    path = f"{REPORT.path_in(HOME)}/{NAME}"
    scene.store.objects[path] = {"metadata": {"name": NAME, "namespace": HOME, "resourceVersion": "x", "labels": {}}}
    scene.turn()
    scene.turn(61)
    assert "results" not in scene.store.objects[path]
    assert "not ours" in scene.auditor.check().detail


def test_a_report_that_somebody_edits_or_deletes_is_put_right_on_the_next_change() -> None:
    scene = Scene()
    scene.turn()
    path = f"{REPORT.path_in(HOME)}/{NAME}"
    scene.store.touch(path)
    scene.change(EGRESS)
    scene.turn()
    scene.turn(10)
    assert scene.results == [("web-api", "NP102", "fail")]
    del scene.store.objects[path]
    scene.change(WALL)
    scene.turn()
    scene.turn(10)
    assert scene.results == [("web-api", "dependency", "pass")]


def _another(name: str) -> Any:  # noqa: ANN401 - a value of the world
    raw = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": name,
            "namespace": HOME,
            "uid": f"uid-{name}",
            "annotations": {"netpol-preflight.io/connects-to": "postgres:5432"},
        },
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": "i"}]}},
        },
    }
    return project(raw)


def test_a_report_is_bounded_and_says_how_much_is_left_out() -> None:
    scene = Scene()
    scene.change(*(Put(_another(f"web-{number}")) for number in range(MOST_RESULTS + 50)))
    scene.turn()
    report = scene.report()
    assert report is not None
    assert len(report["results"]) == MOST_RESULTS
    left = int(report["metadata"]["annotations"]["netpol-preflight.io/left-out"])
    assert sum(report["summary"].values()) == MOST_RESULTS + left
    assert left >= 50


def test_events_of_many_come_one_after_the_other() -> None:
    scene = Scene()
    scene.change(*(Put(_another(f"web-{number}")) for number in range(100)))
    for _ in range(5):
        scene.turn(0.1)
    first = len(scene.events)
    assert first <= 31
    for _ in range(20):
        scene.turn(20)
    assert len(scene.events) == 101

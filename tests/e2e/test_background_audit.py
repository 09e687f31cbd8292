"""The audit in a real cluster, with the rights that the chart gives and the kinds as they are published."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.chart.rendering import Chart, Object
from tests.e2e import story
from tests.e2e.registration import USER
from tests.e2e.scene import Scene
from tests.e2e.serve import Serve
from tests.testbed.binaries import Binaries
from tests.testbed.control_plane import ControlPlane
from tests.testbed.fixtures import MakeNamespace

CRDS: Final = Path(__file__).parent / "crds"
OPEN: Final = ("openreports.io_reports.crd.yaml", "reports.openreports.io")
OLDER: Final = ("wgpolicyk8s.io_policyreports.crd.yaml", "policyreports.wgpolicyk8s.io")
READ: Final = ["get", "list", "watch"]
StartReplica = Callable[[], Serve]


@pytest.fixture
def crds(control_plane: ControlPlane) -> Iterator[Callable[[tuple[str, str]], None]]:
    """Yield what makes the API server serve a kind of report; afterwards it serves none."""
    made: list[str] = []

    def apply(which: tuple[str, str]) -> None:
        file, name = which
        made.append(name)
        # Server-side, for an annotation has no room for all of it.
        done = control_plane.kubectl("apply", "--server-side", "--filename", CRDS / file)
        assert done.returncode == 0, done.stderr
        control_plane.kubectl("wait", "--for=condition=Established", f"crd/{name}", "--timeout=60s")

    yield apply
    for name in made:
        control_plane.kubectl("delete", "crd", name, "--ignore-not-found")


@pytest.fixture
def home(make_namespace: MakeNamespace) -> str:
    """Return the namespace that the product would be installed in."""
    return make_namespace("preflight")


@pytest.fixture
def grant(
    control_plane: ControlPlane, granted: None, testbed_binaries: Binaries, tmp_path: Path
) -> Iterator[Callable[[], None]]:
    """Yield what gives the product's user the rights that the chart gives it for an audit, and no other."""
    assert granted is None
    chart = Chart(testbed_binaries.paths["helm"], tmp_path)
    rules = [rule for rule in chart.render({"audit": {"enabled": True}}).rules if _is_ours(rule)]
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "audits"}}
    binding: Object = {**role, "kind": "ClusterRoleBinding", "subjects": [{"kind": "User", "name": USER}]}
    binding["roleRef"] = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "audits"}

    def give() -> None:
        control_plane.apply({"apiVersion": "v1", "kind": "List", "items": [role | {"rules": rules}, binding]})

    yield give
    control_plane.kubectl("delete", "clusterrole,clusterrolebinding", "audits", "--ignore-not-found")


def _is_ours(rule: Object) -> bool:
    groups = {"openreports.io", "wgpolicyk8s.io", "events.k8s.io", "coordination.k8s.io"}
    return rule["verbs"] != READ and bool(groups & set(rule["apiGroups"]))


@pytest.fixture
def start_replica(control_plane: ControlPlane, home: str, tmp_path: Path) -> Iterator[StartReplica]:
    """Yield what starts one replica, ready; its world is the whole cluster."""
    started: list[Serve] = []
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump({"audit": {"enabled": True}, "ignoredNamespaces": ["kube-*", "default"]}))

    def start() -> Serve:
        flags = ("--config", str(config), "--audit-lease", f"{home}/netpol-preflight-audit")
        replica = Serve(tmp_path / f"replica-{len(started)}", control_plane.kubeconfig(USER), *flags)
        started.append(replica)
        replica.start()
        replica.wait_ready()
        return replica

    yield start
    for replica in started:
        replica.close()


@pytest.fixture
def scene(control_plane: ControlPlane, cluster_dns: None, make_namespace: MakeNamespace) -> Scene:
    """Return the story's namespace, with the workload in it that nobody was told of."""
    assert cluster_dns is None
    scene = Scene(control_plane, make_namespace("shop"))
    scene.set_up([*story.production(scene.namespace), story.web_api(scene.namespace)])
    control_plane.run_pods(scene.namespace, 1, "app=postgres")
    return scene


def report(scene: Scene, kind: tuple[str, str]) -> Any:  # noqa: ANN401 - any JSON
    """Return the namespace's report, None where there is none."""
    said = scene.kubectl("get", kind[1], "netpol-preflight", "--output", "json")
    return json.loads(said.stdout) if said.code == 0 else None


def results(scene: Scene, kind: tuple[str, str]) -> list[tuple[str, str]]:
    found = report(scene, kind)
    mine = (one for one in (found or {}).get("results", ()) if one["resources"][0]["name"] == "web-api")
    return [(one["policy"], one["result"]) for one in mine]


def events(scene: Scene) -> list[tuple[str, str]]:
    """Return the Events that we made, of those on the Deployment: reason and note."""
    said = scene.kubectl("events", "--for", "deployment/web-api", "--output", "json")
    every = [(one["reason"], one["message"]) for one in json.loads(said.stdout or "{}").get("items", ())]
    return [(reason, note) for reason, note in every if reason.startswith("Dependency")]


def metric(replica: Serve, name: str) -> float | None:
    answer = replica.get("/metrics")
    assert answer is not None
    lines = (line for line in answer[1].splitlines() if line.startswith(f"netpol_preflight_{name} "))
    return next((float(line.rpartition(" ")[2]) for line in lines), None)


@pytest.mark.parametrize("kind", [OPEN, OLDER], ids=lambda kind: kind[1])
def test_who_was_there_before_hears_of_it_from_one_of_two_replicas(
    kind: tuple[str, str],
    control_plane: ControlPlane,
    crds: Callable[[tuple[str, str]], None],
    grant: Callable[[], None],
    start_replica: StartReplica,
    scene: Scene,
) -> None:
    crds(kind)
    grant()
    first, second = start_replica(), start_replica()
    wait = control_plane.wait_for
    wait(lambda: results(scene, kind) == [("NP101", "fail"), ("NP102", "fail")], what="the report")
    found = report(scene, kind)
    line = next(one for one in found["results"] if one["policy"] == "NP101")
    deployment = json.loads(scene.kubectl("get", "deployment", "web-api", "--output", "json").stdout)
    assert line["resources"][0]["uid"] == deployment["metadata"]["uid"]
    assert line["properties"]["verdict"] == "denied", "the API server keeps every field that is written"
    assert found["summary"]["fail"] == 2
    wait(lambda: [reason for reason, _ in events(scene)] == ["DependencyDenied"], what="the Event")
    assert "web-api-egress" in events(scene)[0][1]
    leading = [metric(one, "audit_leading") for one in (first, second)]
    assert sorted(map(str, leading)) == ["0.0", "1.0"]
    leader, other = (first, second) if leading[0] == 1 else (second, first)
    wait(lambda: metric(leader, 'dependencies{verdict="denied"}'), what="the metric")
    assert metric(other, 'dependencies{verdict="denied"}') is None

    assert leader.terminate() == 0
    wait(lambda: metric(other, "audit_leading") == 1, what="the other replica to go on")
    assert scene.kubectl("delete", "networkpolicy", "--all").code == 0
    wait(lambda: results(scene, kind) == [("dependency", "pass")], what="the report of the other replica")
    wait(lambda: len(events(scene)) == 2, what="the second Event")
    assert {reason for reason, _ in events(scene)} == {"DependencyDenied", "DependencyAllowed"}
    assert scene.kubectl("delete", "deployment/web-api", "statefulset/postgres").code == 0
    wait(lambda: report(scene, kind) is None, what="a report of nothing to be deleted")


def test_who_was_away_when_the_lease_ended_overwrites_nothing(
    control_plane: ControlPlane,
    crds: Callable[[tuple[str, str]], None],
    grant: Callable[[], None],
    start_replica: StartReplica,
    scene: Scene,
) -> None:
    crds(OPEN)
    grant()
    replicas = [start_replica(), start_replica()]
    wait = control_plane.wait_for
    wait(lambda: bool(results(scene, OPEN)), what="the report")
    away, other = sorted(replicas, key=lambda one: metric(one, "audit_leading") != 1)
    with away.stopped():
        wait(lambda: metric(other, "audit_leading") == 1, what="the other replica to go on")
        assert scene.kubectl("delete", "networkpolicy", "--all").code == 0
        wait(lambda: results(scene, OPEN) == [("dependency", "pass")], what="its report")
        version = report(scene, OPEN)["metadata"]["resourceVersion"]
    wait(lambda: metric(away, "audit_leading") == 0, what="the one that was away to stand back")
    assert metric(other, "audit_leading") == 1
    assert report(scene, OPEN)["metadata"]["resourceVersion"] == version, "nobody has written it since"


def test_without_rights_and_without_the_kind_reviews_go_on_and_it_is_said(
    control_plane: ControlPlane,
    crds: Callable[[tuple[str, str]], None],
    grant: Callable[[], None],
    start_replica: StartReplica,
    scene: Scene,
) -> None:
    replica = start_replica()

    def condition(words: str) -> bool:
        answer = replica.get("/readyz?verbose")
        assert answer is not None
        lines = [line for line in answer[1].splitlines() if line.startswith("[+]audit ok")]
        return answer[0] == 200 and bool(lines) and words in lines[0]

    wait = control_plane.wait_for
    wait(lambda: condition("forbidden"), what="the Lease to be refused")
    grant()
    wait(lambda: condition("neither openreports.io nor wgpolicyk8s.io is served"), what="the kind to be missed")
    wait(lambda: len(events(scene)) == 1, what="the Event, all the same")
    crds(OPEN)
    wait(lambda: bool(results(scene, OPEN)), what="the report, once there is a kind")
    wait(lambda: not condition("reports:"), what="nothing to be in the way any more")

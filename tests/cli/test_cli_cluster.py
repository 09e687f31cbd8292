"""`--against cluster` and `--source cluster`: the same answers out of a real API server."""

from pathlib import Path

import pytest

from tests.support.running import STORY, Done, eventually, served, spawn
from tests.testbed.control_plane import ControlPlane
from webhook.cli.demo import review_of


@pytest.fixture
def story(tmp_path: Path, namespace: str) -> Path:
    """The story in a namespace of this test's own."""
    place = tmp_path / "story"
    place.mkdir()
    for file in STORY.glob("*.yaml"):
        (place / file.name).write_text(file.read_text().replace("production", namespace))
    return place


def check(control_plane: ControlPlane, story: Path, *flags: object) -> Done:
    kubeconfig = control_plane.kubeconfig()
    return spawn("check", "-f", story / "web-api.yaml", "--against", "cluster", "--kubeconfig", kubeconfig, *flags)


def test_check_against_a_cluster_finds_the_story_and_after_the_fix_nothing(
    control_plane: ControlPlane, story: Path, namespace: str
) -> None:
    control_plane.apply((story / "production.yaml").read_text())
    found = check(control_plane, story, "--format", "json")
    assert found.code == 1, found.err
    assert [f["id"] for f in found.json["findings"] if f["severity"] == "error"] == ["NP101", "NP102"]
    named = {p["name"] for f in found.json["findings"] for p in f["policies"]}
    assert named == {"default-deny-ingress", "web-api-egress"}
    flags = ("--against", "cluster", "--kubeconfig", control_plane.kubeconfig())
    fixed = spawn("fix", "-f", story / "web-api.yaml", *flags)
    assert fixed.code == 0, fixed.err
    control_plane.apply(fixed.out, namespace)
    assert check(control_plane, story).code == 0


def test_several_processes_audit_a_cluster_as_one_does(
    control_plane: ControlPlane, story: Path, namespace: str
) -> None:
    control_plane.apply((story / "production.yaml").read_text())
    for number in range(6):
        control_plane.apply((story / "web-api.yaml").read_text().replace("web-api", f"web-api-{number}"))
    flags = ("--against", "cluster", "--kubeconfig", control_plane.kubeconfig(), "--format", "json")
    one, several = (spawn("audit", *flags, "--jobs", jobs) for jobs in (1, 3))
    assert (one.code, one.err) == (several.code, several.err) == (1, "")
    ours = [[row for row in done.json["dependencies"] if namespace in str(row["workload"])] for done in (one, several)]
    assert len(ours[0]) >= 6
    assert ours[0] == ours[1]


def test_a_cluster_that_cannot_be_reached_is_bad_usage(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: a\n"
        "clusters: [{name: a, cluster: {server: 'http://127.0.0.1:1'}}]\n"
        "users: [{name: a, user: {}}]\ncontexts: [{name: a, context: {cluster: a, user: a}}]\n"
    )
    done = spawn("check", "-f", STORY, "--against", "cluster", "--kubeconfig", config)
    assert done.code == 2
    assert done.err.startswith("netpol-preflight: error: --against cluster: cannot reach `http://127.0.0.1:1`")


def test_a_kubeconfig_that_is_not_there_is_bad_usage(tmp_path: Path) -> None:
    done = spawn("serve", "--source", "cluster", "--kubeconfig", tmp_path / "none", "--listen", "127.0.0.1:0")
    assert done.code == 2
    assert "kubeconfig" in done.err
    assert "Traceback" not in done.err


def test_a_served_cluster_follows_what_is_applied(
    control_plane: ControlPlane, story: Path, namespace: str, tmp_path: Path
) -> None:
    control_plane.apply((story / "production.yaml").read_text())
    kubeconfig = str(control_plane.kubeconfig())
    with served("cluster", tmp_path / "tls", "--kubeconfig", kubeconfig, "--cni", "generic") as webhook:
        assert "networkpolicies.networking.k8s.io ok" in webhook.get("/readyz?verbose")

        def said() -> list[str]:
            warnings = review_of(webhook.address, story / "web-api.yaml", webhook.ca).warnings
            return [w for w in warnings if "NP10" in w]

        assert ["NP101" in said()[0], "NP102" in said()[1]] == [True, True]
        fixed = spawn("fix", "-f", story / "web-api.yaml", "--against", "cluster", "--kubeconfig", kubeconfig)
        control_plane.apply(fixed.out, namespace)
        eventually(lambda: said() == [])
        control_plane.kubectl("delete", "networkpolicy", "--all", namespace=namespace)
        control_plane.apply((story / "production.yaml").read_text())
        eventually(lambda: len(said()) == 2)

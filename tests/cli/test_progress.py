"""Progress is for a person at a terminal: shown there while it lasts, and nowhere else."""

import subprocess
from pathlib import Path

import pytest

from tests.support.running import PROGRAM, STORY, shown
from tests.testbed.control_plane import ControlPlane


def test_an_audit_shows_how_far_it_is_and_leaves_nothing_behind() -> None:
    code, out, screen = shown("audit", "-f", STORY)
    assert code == 1
    assert b"1 denied" in out
    assert "judging workloads" in screen
    assert "3/3" in screen
    assert screen.rstrip().endswith("\x1b[2K")  # the line is wiped
    assert "judging" not in out.decode()


@pytest.mark.parametrize(
    ("command", "what"),
    [
        (("check", "-f", STORY), "judging"),
        (("fix", "-f", STORY), "finding what opens it"),
        (("matrix", "-f", STORY), "finding connections"),
        (("diff", "--before", STORY, "--after", STORY), "finding connections"),
        (("lockdown", "production", "-f", STORY), "finding what is needed"),
        (("audit", "-f", STORY, "--observed", "{log}"), "reading flows.csv"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_what_may_take_long_is_seen_to_go_on(command: tuple[object, ...], what: str, tmp_path: Path) -> None:
    log = tmp_path / "flows.csv"
    log.write_text("source,destination,port\n10.0.0.1,10.0.0.2,80\n")
    words = [str(word).format(log=log) for word in command]
    _, out, screen = shown(*words)
    assert what in screen
    assert screen.rstrip().endswith("\x1b[2K")
    piped = subprocess.run([*PROGRAM, *words], capture_output=True, check=False)
    assert (piped.stdout, piped.stderr) == (out, b"")


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {}])
def test_where_no_bar_can_be_shown_there_is_none(environment: dict[str, str]) -> None:
    if environment:
        code, _, screen = shown("audit", "-f", STORY, **environment)
    else:
        done = subprocess.run([*PROGRAM, "audit", "-f", str(STORY)], capture_output=True, text=True, check=False)
        code, screen = done.returncode, done.stderr
    assert code == 1
    assert "judging" not in screen
    assert "\x1b" not in screen


def test_a_cluster_is_read_with_a_bar(control_plane: ControlPlane, tmp_path: Path) -> None:
    where = ("--kubeconfig", control_plane.kubeconfig())
    code, _, screen = shown("snapshot", "-o", tmp_path / "x.json.gz", *where)
    assert code == 0, screen
    assert "reading the cluster" in screen
    assert "\x1b[2Kwrote " in screen.splitlines()[-1], screen  # where the bar was
    for command in (("audit",), ("check", "-f", STORY / "web-api.yaml", "--against", "cluster")):
        _, _, screen = shown(*command, *where)
        assert "reading the cluster" in screen, command

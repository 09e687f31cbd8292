"""`bench`: what it measures, of which world, in the shape of design.md §7."""

import json
from pathlib import Path

import pytest

from tests.support.running import STORY, Run
from webhook.cli import bench


def test_a_given_world_is_measured(run: Run) -> None:
    done = run("bench", "-f", STORY, "--format", "json")
    assert done.code == 0
    told = json.loads(done.out)
    assert list(told) == ["world", "results"]
    assert told["world"]["workloads"] > 0
    assert [list(row) for row in told["results"]] == [["name", "unit", "p50", "p99", "n"]] * 5
    assert all(0 <= row["p50"] <= row["p99"] for row in told["results"])
    assert told["results"][0]["n"] == told["world"]["workloads"]


def test_the_table_has_the_same_rows(run: Run) -> None:
    out = run("bench", "-f", STORY).out
    assert "workloads" in out.splitlines()[0]
    assert "every open connection" in out
    assert "one verdict with its evidence, again" in out


def test_a_world_without_workloads_is_no_measurement(run: Run, tmp_path: Path) -> None:
    done = run("bench", "-f", tmp_path)
    assert done.code == 2


def test_the_world_that_is_made_up_has_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "_NAMESPACES", 2)
    sizes = bench.sized(bench.synthetic())
    assert (sizes["workloads"], sizes["services"], sizes["policies"]) == (40, 40, 42)

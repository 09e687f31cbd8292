"""`audit`: every declared dependency of a world, in three formats, and what it costs."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.running import STORY, Run, spawn
from tests.support.snapshots import story, taken
from tests.testbed.control_plane import ControlPlane
from webhook.model.answers import Finding, Severity
from webhook.model.refs import WorkloadRef
from webhook.report.audit import Audit, markdown
from webhook.report.text import Failure, Origin, Row, Summary
from webhook.wiring import snapshot

HOSTILE = "a|b`c*<d>\n# e"


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """The whole story as a snapshot of two days ago."""
    place = tmp_path / "there.json.gz"
    then = datetime.now(UTC).replace(microsecond=0) - timedelta(days=2)
    snapshot.write(taken(story(), when=then), place)
    return place


def test_json_has_every_dependency_with_its_verdict_and_where_the_world_is_from(run: Run, stored: Path) -> None:
    done = run("audit", "--against", stored, "--cni", "calico", "--format", "json")
    assert done.code == 1
    found = done.json
    assert found["dependencies"] == [
        {
            "workload": {"kind": "Deployment", "namespace": "production", "name": "web-api"},
            "dependency": "postgres.production:5432/TCP",
            "source": "annotation",
            "verdict": "denied",
            "findings": ["NP101", "NP102"],
        }
    ]
    assert found["world"] == {
        "taken": snapshot.read(stored).taken.isoformat()[:19] + "Z",
        "cni": "calico",
        "stale": True,
    }
    assert found["summary"]["error"] == 2
    assert found["summary"]["checked"] == 3
    assert {f["id"] for f in found["findings"]} == {"NP101", "NP102", "NP305", "NP306"}
    assert all(set(f) >= {"id", "severity", "message", "fix", "location"} for f in found["findings"])


def test_files_are_a_world_too_and_keep_their_places(run: Run) -> None:
    done = run("audit", "-f", STORY, "--format", "json")
    assert done.json["world"] == {"taken": None, "cni": "generic", "stale": False}
    assert {f["location"]["file"] for f in done.json["findings"]} == {
        str(STORY / "web-api.yaml"),
        str(STORY / "production.yaml"),
    }


def test_text_counts_verdicts_by_namespace(run: Run, stored: Path) -> None:
    lines = run("audit", "--against", stored, "--cni", "generic").out.splitlines()
    assert lines[0].startswith("cluster https://a as of 2")
    assert "(more than a day old: it may look different by now)" in lines[0]
    assert ["production", "1", "-", "1", "-", "-"] in [line.split() for line in lines]
    assert lines[-2] == "1 dependency: 1 denied"
    assert lines[-1].endswith("3 workloads checked")


def test_markdown_has_a_table_for_each_namespace_and_the_fixes_at_the_end(run: Run, stored: Path) -> None:
    page = run("audit", "--against", stored, "--cni", "generic", "--format", "markdown").out
    assert page.startswith("# What would have warned\n")
    assert (
        "## `production`\n\n| Workload or policy | Dependency | What | What to do | Id |\n|---|---|---|---|---|\n"
        in page
    )
    assert "| `deploy/web-api` | `postgres.production:5432/TCP` |" in page
    assert "NP306" not in page  # information never warns
    tail = page.rpartition("## Fixes")[2]
    fixes = list(yaml.safe_load_all(tail.partition("```yaml\n")[2].partition("```")[0]))
    assert [fix["metadata"]["name"] for fix in fixes] == [
        "allow-postgres-from-web-api-5432",
        "allow-web-api-to-postgres-5432",
    ]


def test_the_fixes_of_the_page_are_the_ones_that_open_everything(run: Run, stored: Path, tmp_path: Path) -> None:
    page = run("audit", "--against", stored, "--cni", "generic", "--format", "markdown").out
    (tmp_path / "fix.yaml").write_text(page.partition("```yaml\n")[2].partition("```")[0])
    after = run("audit", "--against", stored, "-f", tmp_path / "fix.yaml", "--cni", "generic", "--format", "json")
    assert after.code == 0
    assert [one["verdict"] for one in after.json["dependencies"]] == ["allowed"]


def test_a_page_without_anything_to_tell_says_so() -> None:
    page = markdown(Audit(Origin(), "generic", (), (), (), Summary(0, 0, 0, 0, 0)), lambda _: "")
    assert page == (
        "# What would have warned\n\nmanifests; policy as enforced by: generic.\n\n"
        "Nothing would have warned on 0 dependencies.\n"
    )


def test_names_of_others_start_no_markup_and_end_no_cell() -> None:
    ref = WorkloadRef("Deployment", HOSTILE, HOSTILE)
    finding = Finding("NP106", Severity.WARNING, ref, dependency=HOSTILE, facts=(("reason", HOSTILE),))
    row = Row(ref, HOSTILE, "annotation", "unknown")  # type: ignore[arg-type]
    failure = Failure(HOSTILE, 1, HOSTILE)
    page = markdown(Audit(Origin(), HOSTILE, (row,), (finding,), (failure,), Summary(0, 1, 0, 1, 0)), lambda _: "")
    tables = [line for line in page.splitlines() if line.startswith("|")]
    bars = {line.replace("\\|", "").count("|") for line in tables}
    assert bars == {8, 6}
    assert [line for line in page.splitlines() if line.startswith("# ")] == ["# What would have warned"]
    assert "<d>" not in page.replace("`a\\|b'c*<d> # e`", "").replace("b'c*<d>", "")


def test_what_a_namespace_is_exempt_from_is_counted_and_not_found(run: Run, tmp_path: Path) -> None:
    for file in STORY.glob("*.yaml"):
        text = file.read_text()
        (tmp_path / file.name).write_text(
            text.replace("annotations:\n", "annotations:\n    netpol-preflight.io/exempt: 'NP101: known to us'\n", 1)
            if file.name == "web-api.yaml"
            else text
        )
    done = run("audit", "-f", tmp_path)
    assert "NP101" not in done.out
    assert done.out.rstrip().endswith(", 1 finding exempted")


@pytest.mark.parametrize(("fail_on", "code"), [("error", 1), ("never", 0)])
def test_the_exit_code_is_what_was_asked_for(run: Run, stored: Path, fail_on: str, code: int) -> None:
    assert run("audit", "--against", stored, "--cni", "generic", "--fail-on", fail_on).code == code


def test_without_flags_it_is_the_cluster_of_the_kubeconfig(tmp_path: Path) -> None:
    done = spawn("audit", "--kubeconfig", tmp_path / "none")
    assert done.code == 2
    assert done.err.startswith("netpol-preflight: error: --against cluster: ")


def test_an_audit_of_a_cluster_is_that_of_its_snapshot(
    control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    for file in ("production.yaml", "web-api.yaml"):
        control_plane.apply((STORY / file).read_text().replace("production", namespace))
    flags = ("--kubeconfig", control_plane.kubeconfig())
    place = tmp_path / "x.json.gz"
    assert spawn("snapshot", "-o", place, *flags).code == 0
    live, later = spawn("audit", *flags, "--format", "json"), spawn("audit", "--against", place, "--format", "json")
    assert live.code == later.code == 1

    def mine(out: dict[str, Any]) -> dict[str, Any]:  # other tests' namespaces are on their way out
        assert out["world"].pop("taken")
        about = [one for one in out["findings"] if f'"{namespace}"' in json.dumps(one)]
        rows = [one for one in out["dependencies"] if one["workload"]["namespace"] == namespace]
        return {"world": out["world"], "findings": about, "dependencies": rows}

    found = mine(live.json)
    assert found == mine(later.json)
    assert [(one["verdict"], one["findings"]) for one in found["dependencies"]] == [("denied", ["NP101", "NP102"])]

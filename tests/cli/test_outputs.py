"""What CI gets of a run: several formats at once, fixes that fix, and a baseline that accepts what is there."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.making import deployment
from tests.support.pages import FOLDER, example
from tests.support.running import STORY, Run, spawn
from tests.support.worlds import policy
from webhook.cli.outputs import insert_at
from webhook.model.answers import Location
from webhook.model.settings import CONNECTS_TO


def listed(*objects: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "List", "items": list(objects)}


CI = ("json", "markdown", "github", "gitlab", "junit", "sarif")


# -- several outputs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["check", "audit"])
def test_one_run_writes_every_format_besides_the_one_on_standard_output(run: Run, tmp_path: Path, command: str) -> None:
    flags = [flag for name in ("text", *CI) for flag in ("--output", f"{name}={tmp_path / name}")]
    done = run(command, "-f", STORY, *flags)
    assert done.code == 1
    for name in ("text", *CI):
        alone = run(command, "-f", STORY, "--format", name)
        assert (tmp_path / name).read_text() == alone.out
        assert alone.code == 1
    assert done.out == (tmp_path / "text").read_text()


def test_an_output_may_take_standard_output(run: Run, tmp_path: Path) -> None:
    done = run("check", "-f", STORY, "--output", "json=-", "--output", f"junit={tmp_path / 'x.xml'}")
    assert done == run("check", "-f", STORY, "--format", "json")


def test_a_comparison_has_what_is_new(run: Run, story: Path) -> None:
    before = story.parent / "before"
    before.mkdir()
    (before / "web-api.yaml").write_text((story / "web-api.yaml").read_text())
    results = run("diff", "--before", before, "--after", story, "--format", "sarif").json["runs"][0]["results"]
    assert {(one["ruleId"], one["baselineState"]) for one in results} >= {("NP101", "new"), ("NP102", "new")}
    cut, same = (run("diff", "--before", old, "--after", story, "--format", "junit").out for old in (before, story))
    assert '<testsuites name="netpol-preflight" tests="2" failures="1" errors="0">' in cut
    assert 'failures="1"' not in same


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--output", "pdf=x"), "`pdf=x` is no output: expected FORMAT=FILE, where FORMAT is one of text, json"),
        (("--output", "sarif"), "`sarif` is no output"),
        (("--output", "sarif="), "`sarif=` is no output"),
        (("--output", "sarif=-", "--output", "json=-"), "two outputs go to standard output"),
        (("--output", "sarif=-", "--format", "json"), "two outputs go to standard output"),
        (("--output", "sarif=x", "--output", "json=x"), "two outputs go to `x`"),
        (("--output", "sarif=/nonexistent/x"), "cannot write `/nonexistent/x`: No such file or directory"),
        (("--baseline", "/nonexistent"), "--baseline /nonexistent: No such file or directory"),
        (("--write-baseline", "/nonexistent/x"), "cannot write `/nonexistent/x`"),
    ],
)
def test_an_output_that_cannot_be_is_bad_usage(run: Run, flags: tuple[str, ...], said: str) -> None:
    done = run("check", "-f", STORY, *flags)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


def test_a_world_of_nothing_is_an_empty_report(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n")
    for name in CI:
        done = run("check", "-f", tmp_path / "a.yaml", "--format", name)
        assert (done.code, done.err) == (0, ""), name
    assert run("check", "-f", tmp_path / "a.yaml", "--format", "sarif").json["runs"][0]["results"] == []


def test_five_thousand_workloads_are_one_report(run: Run, tmp_path: Path) -> None:
    calls = {CONNECTS_TO: "deploy/db:5432"}
    world = [deployment("shop/db"), policy("shop/closed", podSelector={"matchLabels": {"app": "db"}})]
    world += [deployment(f"shop/w{number}", annotations={} if number % 5 else calls) for number in range(5_000)]
    (tmp_path / "all.json").write_text(json.dumps(listed(*world)))
    flags = [flag for name in CI for flag in ("--output", f"{name}={tmp_path / name}")]
    assert run("check", "-f", tmp_path / "all.json", *flags).code == 1
    log = json.loads((tmp_path / "sarif").read_text())["runs"][0]
    marks = {one["partialFingerprints"]["netpol-preflight/v1"] for one in log["results"]}
    assert len(marks) == len(log["results"]) == 1_000
    assert len((tmp_path / "markdown").read_text()) < 65_536


# -- what `helm template` prints on standard input ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("above", "template"),
    [
        ("---\n# Source: shop/templates/web.yaml\n", "shop/templates/web.yaml"),
        ("# Source: shop/charts/a b/templates/web.yaml\r\n", "shop/charts/a b/templates/web.yaml"),
        ("# who\n\n# Source: shop/templates/web.yaml\n# why\n", "shop/templates/web.yaml"),
        ("# Sources: none\n", ""),
        ("#\n" * 30 + "# Source: too far away\n", ""),
        ("", ""),
    ],
)
def test_what_helm_rendered_is_told_of_its_template(above: str, template: str, tmp_path: Path) -> None:
    web = (STORY / "web-api.yaml").read_text()
    flags = ("--against", STORY / "production.yaml", "--output", f"sarif={tmp_path / 'x'}")
    done = spawn("check", "-f", "-", *flags, stdin=(above + web).encode())
    place = f"{template}: " if template else f"-:{above.count(chr(10)) + 2}: "
    assert done.out.startswith(f"{place}deploy/production/web-api\n")
    for one in json.loads((tmp_path / "x").read_text())["runs"][0]["results"]:
        physical = one["locations"][0]["physicalLocation"]
        assert physical["artifactLocation"]["uri"] == (template.replace(" ", "%20") or "stdin")
        assert one["fixes"][0]["artifactChanges"][0]["artifactLocation"]["uri"].endswith(".yaml")


def test_what_was_rendered_into_a_file_stands_in_the_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(
        "---\n# Source: shop/templates/web.yaml\n" + (STORY / "web-api.yaml").read_text()
    )
    found = run("check", "-f", tmp_path / "all.yaml", "--against", STORY, "--format", "json").json["findings"]
    assert [one["location"] for one in found] == [{"file": str(tmp_path / "all.yaml"), "line": 4}] * 2


# -- fixes -------------------------------------------------------------------------------------------------------------


def apply(results: list[dict[str, Any]], folder: Path) -> None:
    """Do what an editor does with SARIF's fixes: from the last line of a file to the first, each edit once."""
    changes = {
        json.dumps(change) for one in results for fix in one.get("fixes", ()) for change in fix["artifactChanges"]
    }
    edits = [
        (change["artifactLocation"]["uri"], edit["deletedRegion"]["startLine"], edit["insertedContent"]["text"])
        for change in map(json.loads, changes)
        for edit in change["replacements"]
    ]
    for name, line, text in sorted(edits, reverse=True):
        place = folder / name
        lines = place.read_text().splitlines(keepends=True) if place.exists() else []
        place.write_text("".join([*lines[: line - 1], text, *lines[line - 1 :]]))


@pytest.mark.parametrize("page", ["NP101", "NP102", "NP103", "NP105", "NP109", "story"])
def test_suggested_changes_make_the_same_check_clean(page: str, tmp_path: Path) -> None:
    if page == "story":
        files = {file.name: file.read_text() for file in STORY.glob("*.yaml")}
    else:
        told = example((FOLDER / f"{page}.md").read_text())
        assert told is not None
        files = told.files
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    done = spawn_in(tmp_path, "check", "-f", ".", "--format", "sarif")
    results = done["runs"][0]["results"]
    assert any(one.get("fixes") for one in results)
    apply(results, tmp_path)
    after = spawn_in(tmp_path, "check", "-f", ".", "--format", "json")
    assert after["errors"] == []
    assert [one["id"] for one in after["findings"] if one["fix"]] == []
    assert after["summary"]["checked"] == sum(text.count("\n  template:") for text in files.values())


def spawn_in(folder: Path, *arguments: str) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
        return spawn(*arguments).json


@pytest.mark.parametrize(
    ("text", "line", "before"),
    [
        ("a: 1\n", 1, 1),
        ("# one\n# two\na: 1\n", 3, 1),
        ("---\na: 1\n", 2, 2),
        ("b: 1\n--- # next\n# one\na: 1\n", 4, 3),
        ("b: 1\n---\n\n# one\na: 1\n", 5, 4),
        ("b: 1\n--- {a: 1}\n", 2, None),
        ("b: 1\n...\na: 1\n", 3, None),
        ("a: 1\n", 5, None),
        ("a: 1\n", 0, None),
    ],
)
def test_where_another_document_fits(tmp_path: Path, text: str, line: int, before: int | None) -> None:
    place = tmp_path / "a.yaml"
    place.write_text(text)
    assert insert_at(Location(str(place), line)) == before
    assert insert_at(Location(str(tmp_path / "a.json"), line)) is None
    assert insert_at(Location(str(tmp_path / "none.yaml"), line)) is None


# -- baselines ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def accepted(run: Run, story: Path, tmp_path: Path) -> Path:
    """A baseline of the story."""
    place = tmp_path / "baseline.json"
    done = run("check", "-f", story, "--write-baseline", place)
    assert (done.code, done.out) == (0, "no findings; 3 workloads checked, 3 findings accepted by the baseline\n")
    assert "wrote a baseline of 3 findings to" in done.err
    return place


def test_a_baseline_accepts_what_is_there_though_lines_and_files_move(run: Run, story: Path, accepted: Path) -> None:
    text = (story / "web-api.yaml").read_text()
    (story / "web-api.yaml").unlink()
    (story / "moved.yaml").write_text("# a\n# b\n" + text)
    done = run("check", "-f", story, "--baseline", accepted, "--format", "json", "--fail-on", "info")
    assert done.code == 0
    assert (done.json["findings"], done.json["baseline"]) == ([], {"accepted": 3, "unmet": []})
    assert done.err == "note: the baseline accepts 3 findings\n"


def test_what_is_new_fails_and_is_all_that_is_told(run: Run, story: Path, accepted: Path) -> None:
    text = (story / "web-api.yaml").read_text()
    (story / "more.yaml").write_text(text.replace("web-api", "web-next"))
    done = run("check", "-f", story, "--baseline", accepted, "--format", "json")
    assert done.code == 1
    assert {one["workload"]["name"] for one in done.json["findings"]} == {"web-next"}
    assert done.json["summary"]["error"] == len(done.json["findings"])
    log = run("check", "-f", story, "--baseline", accepted, "--format", "sarif").json
    assert {one["baselineState"] for one in log["runs"][0]["results"]} == {"new"}


def test_what_is_no_longer_met_is_said(run: Run, story: Path, accepted: Path) -> None:
    text = (story / "web-api.yaml").read_text()
    (story / "web-api.yaml").write_text(text.replace("connects-to: postgres:5432", "connects-to: postgres-next:5432"))
    done = run("check", "-f", story, "--baseline", accepted, "--format", "json")
    assert done.code in {0, 1}
    assert "no longer met, so that the baseline may be written anew: NP101 of deploy/production/web-api" in done.err
    assert [one["id"] for one in done.json["baseline"]["unmet"]] == ["NP101", "NP102"]


def test_a_slip_that_hits_one_more_is_new(run: Run, tmp_path: Path) -> None:
    ports = [{"port": 1, "protocol": "TCP"}]
    slip = policy(
        "shop/db", podSelector={"matchLabels": {"app": "db"}}, ingress=[{"from": [{"podSelector": {}}], "ports": ports}]
    )
    world = [deployment("shop/db"), slip]
    codes = []
    clients = [deployment(f"shop/{name}", annotations={CONNECTS_TO: "deploy/db:5432"}) for name in ("a", "b", "c")]
    for number in (1, 2, 3):
        (tmp_path / "w.json").write_text(json.dumps(listed(*world, *clients[:number])))
        if number > 1:
            codes.append(run("check", "-f", tmp_path / "w.json", "--baseline", tmp_path / "b").code)
        assert run("check", "-f", tmp_path / "w.json", "--write-baseline", tmp_path / "b").code == 0
    assert codes == [1, 1]
    (tmp_path / "w.json").write_text(json.dumps(listed(*world, clients[2])))
    assert run("check", "-f", tmp_path / "w.json", "--baseline", tmp_path / "b").code == 0


def test_a_baseline_is_the_same_whatever_the_order_and_fit_for_a_merge(run: Run, story: Path, accepted: Path) -> None:
    files = sorted(story.glob("*.yaml"), reverse=True)
    flags = [flag for file in files for flag in ("-f", file)]
    again = accepted.with_name("again.json")
    run("check", *flags, "--write-baseline", again)
    assert again.read_text() == accepted.read_text()
    entries = [line for line in accepted.read_text().splitlines() if line.startswith("{") and "NP" in line]
    assert len(entries) == 3
    assert json.loads(accepted.read_text())["format"] == "netpol-preflight-baseline/1"


def test_audit_takes_one_too(run: Run, story: Path, tmp_path: Path) -> None:
    assert run("audit", "-f", story, "--write-baseline", tmp_path / "b").code == 0
    done = run("audit", "-f", story, "--baseline", tmp_path / "b", "--format", "json")
    assert (done.code, done.json["findings"]) == (0, [])
    assert done.json["dependencies"] != []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"format": "netpol-preflight-baseline/2", "findings": []}', "its format is `netpol-preflight-baseline/2`"),
        ("{}", "its format is ``: expected `netpol-preflight-baseline/1`"),
        ("", "input data was truncated"),
        ("[]", "expected `object`, got `array`"),
        ('{"format": "netpol-preflight-baseline/1"}', "missing required field `findings`"),
        ('{"format": "netpol-preflight-baseline/1", "findings": [{"id": 1, "of": ""}]}', "expected `str`, got `int`"),
        ('{"format": "netpol-preflight-baseline/1", "findings": [{"id": "a", "of": "", "count": 0}]}', "count"),
        ('{"x":' + "[" * 100_000, "nested too deep"),
    ],
)
def test_what_is_no_baseline_is_one_clear_error(run: Run, story: Path, tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "b").write_text(content)
    done = run("check", "-f", story, "--baseline", tmp_path / "b")
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert done.err.count("\n") == 1

"""What a build is made from, and what stands between a tag and a signed image: read out of the workflows."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.rendering import CHART

TOP = Path(__file__).parents[2]
WORKFLOWS: dict[str, Any] = {
    path.stem: yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in sorted((TOP / ".github/workflows").iterdir())
}
STEPS = [step for flow in WORKFLOWS.values() for job in flow["jobs"].values() for step in job.get("steps", [])]
DIGEST = f"@sha256:{'0' * 64}"


@pytest.fixture
def pinned(tmp_path: Path) -> Path:
    """Return a copy of what is checked, with digests as they are once the bases have theirs."""
    shutil.copytree(TOP / ".github", tmp_path / ".github")
    text = (TOP / "Dockerfile").read_text(encoding="utf-8")
    text = re.sub(r"^(ARG (?:BUILD|RUNTIME)=[^@\n]+)(@\S+)?$", rf"\1{DIGEST}", text, flags=re.MULTILINE)
    (tmp_path / "Dockerfile").write_text(text, encoding="utf-8")
    return tmp_path


def check(directory: Path) -> tuple[int, str]:
    """Run scripts/check-pins there."""
    done = subprocess.run(
        [TOP / "scripts/check-pins", directory], capture_output=True, text=True, check=False, timeout=30
    )
    return done.returncode, done.stderr


def replaced(directory: Path, name: str, pattern: str, by: str) -> None:
    """Change one file; raises AssertionError where there is nothing to change."""
    path = directory / name
    text, count = re.subn(pattern, by, path.read_text(encoding="utf-8"), count=1, flags=re.MULTILINE)
    assert count == 1
    path.write_text(text, encoding="utf-8")


def test_what_is_pinned_is_taken(pinned: Path) -> None:
    assert check(pinned) == (0, "")


@pytest.mark.parametrize(
    ("name", "pattern", "by", "said"),
    [
        (".github/workflows/release.yml", r"actions/checkout@\S+ # .*", "actions/checkout@v5", "checkout@v5"),
        (".github/workflows/release.yml", r"(docker/login-action@\S+) # .*", r"\1", "docker/login-action@"),
        (".github/workflows/pull-request.yml", r"(actions/cache@)\S+", r"\g<1>main", "actions/cache@main"),
        ("Dockerfile", r"^(ARG BUILD=[^@]+)@.*", r"\1", "ARG BUILD=python:"),
        ("Dockerfile", r"^(ARG RUNTIME=[^@]+)@.*", r"\1", "ARG RUNTIME=gcr.io/"),
        ("Dockerfile", r"^FROM \$\{RUNTIME\}", "FROM debian:13", "FROM debian:13"),
        ("Dockerfile", r"\A", "# syntax=docker/dockerfile:1\n", "syntax=docker/dockerfile:1"),
    ],
)
def test_what_is_loose_is_refused_by_name(pinned: Path, name: str, pattern: str, by: str, said: str) -> None:
    replaced(pinned, name, pattern, by)
    code, complaint = check(pinned)
    assert code == 1
    assert f"{name}:" in complaint
    assert said in complaint


def test_every_action_is_pinned_by_commit_and_each_by_one() -> None:
    commits: dict[str, set[str]] = {}
    for step in STEPS:
        if "uses" in step:
            name, _, commit = step["uses"].partition("@")
            assert re.fullmatch(r"[0-9a-f]{40}", commit), step["uses"]
            commits.setdefault(name, set()).add(commit)
    assert all(len(known) == 1 for known in commits.values()), commits
    assert ".github/workflows" not in check(TOP)[1]


def test_nothing_is_pushed_before_pins_and_tests() -> None:
    jobs = WORKFLOWS["release"]["jobs"]

    def before(name: str) -> set[str]:
        needed = {jobs[name]["needs"]} if "needs" in jobs[name] else set()
        return needed.union(*(before(one) for one in needed))

    pushing = [name for name, job in jobs.items() if "write" in job["permissions"].values()]
    assert pushing == ["image", "chart", "plugin"]
    assert all({"ready", "test"} <= before(name) for name in pushing)
    assert "scripts/check-pins" in [step.get("run") for step in jobs["ready"]["steps"]]
    assert jobs["test"]["uses"] == "./.github/workflows/pull-request.yml"


def test_an_image_is_scanned_before_it_is_signed() -> None:
    steps = [step.get("uses", step.get("run", "")) for step in WORKFLOWS["release"]["jobs"]["image"]["steps"]]
    order = [next(i for i, step in enumerate(steps) if word in step) for word in ("build-push", "scan-action", "sign ")]
    assert order == sorted(order)


def test_a_pull_request_runs_the_readmes_test_command_and_its_image_is_scanned() -> None:
    flow = WORKFLOWS["pull-request"]
    assert {"pull_request", "push", "schedule", "workflow_call"} == set(flow[True])  # YAML 1.1 reads `on` as true
    steps = [step for job in flow["jobs"].values() for step in job["steps"]]
    assert "scripts/test" in [step.get("run") for step in steps]
    assert re.search(r"^scripts/test ", (TOP / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    (scan,) = [step["with"] for step in steps if "scan-action" in step.get("uses", "")]
    assert f"docker build --tag {scan['image']} ." in [step.get("run") for step in steps]


def test_workflows_run_scripts_that_there_are() -> None:
    called = {found for step in STEPS for found in re.findall(r"\bscripts/[\w-]+", step.get("run", ""))}
    assert len(called) > 1
    for name in called:
        assert (TOP / name).stat().st_mode & 0o111, name


def test_no_workflow_has_rights_that_a_job_does_not_ask_for_or_leaves_its_token_lying_about() -> None:
    for flow in WORKFLOWS.values():
        assert flow["permissions"] in ({}, {"contents": "read"})
    checkouts = [step for step in STEPS if step.get("uses", "").startswith("actions/checkout@")]
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_the_bot_keeps_commits_and_digests() -> None:
    bot = json.loads((TOP / ".github/renovate.json").read_text(encoding="utf-8"))
    assert {"docker:pinDigests", "helpers:pinGitHubActionDigestsToSemver"} <= set(bot["extends"])
    assert bot["enabledManagers"] == ["dockerfile", "github-actions"]


def test_the_helm_that_releases_is_the_one_that_tests() -> None:
    (asked,) = [step["with"]["version"] for step in STEPS if "setup-helm" in step.get("uses", "")]
    module = (TOP / "tests/testbed/tools/helm/go.mod").read_text(encoding="utf-8")
    assert f"helm.sh/helm/v4 {asked} " in module


def test_the_install_page_verifies_what_the_release_signs() -> None:
    page = (TOP / "docs/install.md").read_text(encoding="utf-8")
    version = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))["version"]
    assert f"/.github/workflows/release.yml@refs/tags/v{version}\n" in page
    signed = re.findall(r"^cosign verify ghcr\.io/netpol-preflight/(\S+) \\$", page, re.MULTILINE)
    assert signed == [f"netpol-preflight:{version}", f"charts/netpol-preflight:{version}"]

"""What other programs are given: plugins of krew and Helm, an action, a component, a hook, and the pages' recipes."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.support.running import STORY
from tests.testbed.binaries import Binaries
from tests.testbed.control_plane import ControlPlane
from webhook import __version__

TOP: Final = Path(__file__).parents[2]
BIN: Final = Path(sys.executable).parent
CI: Final = (TOP / "docs/ci.md").read_text(encoding="utf-8")
GITOPS: Final = (TOP / "docs/gitops-check.md").read_text(encoding="utf-8")
Object = dict[str, Any]


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


def inputs_of(text: str) -> set[str]:
    return set(re.findall(r"inputs\.([\w-]+)", text))


# -- krew --------------------------------------------------------------------------------------------------------------


KREW: Final[Object] = yaml.safe_load((TOP / "deploy/krew/netpol-preflight.yaml").read_text(encoding="utf-8"))


def test_the_manifest_for_krew_is_what_krew_asks_for() -> None:
    """After krew's internal/index/validation: names, a version with its `v`, sums, one platform each."""
    assert (KREW["apiVersion"], KREW["kind"]) == ("krew.googlecontainertools.github.com/v1alpha2", "Plugin")
    assert re.fullmatch(r"[\w-]+", KREW["metadata"]["name"])
    spec = KREW["spec"]
    assert set(spec) <= {"version", "homepage", "shortDescription", "description", "caveats", "platforms"}
    assert spec["version"] == f"v{__version__}"
    assert 0 < len(spec["shortDescription"]) <= 60
    platforms = [tuple(sorted(one["selector"]["matchLabels"].items())) for one in spec["platforms"]]
    assert len(set(platforms)) == len(platforms)
    for one in spec["platforms"]:
        assert set(one) == {"selector", "uri", "sha256", "bin"}
        assert re.fullmatch(r"[a-f0-9]{64}", one["sha256"])
        assert (TOP / "deploy/krew" / one["bin"]).stat().st_mode & 0o111
        labels = one["selector"]["matchLabels"]
        archive = f"kubectl-netpol_preflight-{labels['os']}-{labels['arch']}.tar.gz"
        assert one["uri"] == f"{spec['homepage']}/releases/download/{spec['version']}/{archive}"
        assert f"{labels['os']}-{labels['arch']})" in (TOP / "scripts/krew-archive").read_text(encoding="utf-8")


def test_the_release_writes_the_sums_of_the_archives_into_it(tmp_path: Path) -> None:
    for one in KREW["spec"]["platforms"]:
        (tmp_path / one["uri"].rpartition("/")[2]).write_bytes(b"")
    done = subprocess.run([TOP / "scripts/krew-manifest", tmp_path], capture_output=True, text=True, check=True)
    written = yaml.safe_load(done.stdout)
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert {one.pop("sha256") for one in written["spec"]["platforms"]} == {empty}
    (tmp_path / KREW["spec"]["platforms"][0]["uri"].rpartition("/")[2]).unlink()
    failed = subprocess.run([TOP / "scripts/krew-manifest", tmp_path], capture_output=True, text=True, check=False)
    assert failed.returncode != 0
    assert "no archive" in failed.stderr


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("kubectl-netpol_preflight", ("--version",), f"netpol-preflight {__version__}\n"),
        ("kubectl_complete-netpol_preflight", ("snap",), "snapshot\t"),
    ],
)
def test_the_plugin_runs_from_a_link_with_what_is_beside_it(
    name: str, arguments: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    store, links = tmp_path / "store", tmp_path / "bin"
    (store / "lib").mkdir(parents=True)
    links.mkdir()
    shutil.copy(TOP / "deploy/krew/kubectl-netpol_preflight", store)
    (store / "lib/any").symlink_to(TOP)
    (packages,) = (
        Path(one) for one in sys.path if one.endswith("site-packages") and Path(one).is_relative_to(sys.prefix)
    )
    (store / f"lib/{sys.version_info.major}.{sys.version_info.minor}").symlink_to(packages)
    (links / name).symlink_to(store / "kubectl-netpol_preflight")
    base = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    done = subprocess.run(
        [links / name, *arguments],
        env={**os.environ, "PYTHON": str(base if base.exists() else sys.executable)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.startswith(said), done.stderr


def test_the_plugin_says_which_python_it_needs(tmp_path: Path) -> None:
    done = subprocess.run(
        [TOP / "deploy/krew/kubectl-netpol_preflight"],
        env={"PATH": os.environ["PATH"], "PYTHON": str(tmp_path / "none")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "needs Python 3.11 to 3.14" in done.stderr


# -- CI ----------------------------------------------------------------------------------------------------------------


def test_the_action_uses_every_input_and_reads_none_in_a_shell() -> None:
    action = yaml.safe_load((TOP / "action.yml").read_text(encoding="utf-8"))
    assert action["runs"]["using"] == "composite"
    python, step = action["runs"]["steps"]
    assert re.search(r"@[0-9a-f]{40}$", python["uses"])
    assert inputs_of(str(step["env"])) == set(action["inputs"])
    assert inputs_of(step["run"]) == set()
    script = (TOP / "scripts/ci-step").read_text(encoding="utf-8")
    assert all(name in script for name in step["env"] if name.startswith("INPUT_"))
    assert step["run"] == '"$GITHUB_ACTION_PATH/scripts/ci-step"'
    (workflow,) = (one for one in map(yaml.safe_load, blocks(CI, "yaml")) if "jobs" in one)
    (used,) = (one for one in workflow["jobs"]["preflight"]["steps"] if "netpol-preflight/" in one.get("uses", ""))
    assert used["uses"].endswith(f"@v{__version__}")
    assert set(used["with"]) <= set(action["inputs"])


def test_the_component_uses_every_input_and_reads_none_in_a_shell() -> None:
    spec, job = yaml.safe_load_all((TOP / "templates/check.yml").read_text(encoding="utf-8"))
    text = yaml.safe_dump(job)
    assert inputs_of(text) == set(spec["spec"]["inputs"])
    (body,) = job.values()
    assert inputs_of(str(body["script"])) == set()
    assert spec["spec"]["inputs"]["version"]["default"] == f"v{__version__}"
    (included,) = (one for one in map(yaml.safe_load, blocks(CI, "yaml")) if "include" in one)
    (component,) = included["include"]
    assert set(component["inputs"]) <= set(spec["spec"]["inputs"])
    (own,) = (one["netpol-preflight"] for one in map(yaml.safe_load, blocks(CI, "yaml")) if "netpol-preflight" in one)
    assert own["artifacts"] == body["artifacts"]
    assert own["script"][-1] == body["script"][-1]
    assert set(own["variables"]) <= set(body["variables"])


@pytest.mark.parametrize("fails", [True, False])
def test_the_step_prints_annotations_and_writes_what_the_systems_read(fails: bool, tmp_path: Path) -> None:
    """With the inputs of the action and of the component, in a folder of manifests and nothing else."""
    shutil.copytree(STORY, tmp_path / "k8s")
    summary, output = tmp_path / "summary", tmp_path / "output"
    inputs = {
        "INPUT_COMMAND": "check",
        "INPUT_ARGUMENTS": "-f k8s/\n--exclude *.json\n",
        "INPUT_FAIL_ON": "error" if fails else "never",
        "INPUT_SARIF": "preflight.sarif",
        "INPUT_CODE_QUALITY": "quality.json",
        "INPUT_JUNIT": "junit.xml",
        "INPUT_SUMMARY": "true",
    }
    github = {"GITHUB_STEP_SUMMARY": str(summary), "GITHUB_OUTPUT": str(output)}
    done = ran([TOP / "scripts/ci-step"], tmp_path, {**os.environ, **inputs, **github})
    assert done.returncode == int(fails), done.stderr
    assert "::error file=k8s/web-api.yaml,line=2," in done.stdout
    results = json.loads((tmp_path / "preflight.sarif").read_text())["runs"][0]["results"]
    assert {"NP101", "NP102"} <= {one["ruleId"] for one in results}
    assert {"NP101", "NP102"} <= {one["check_name"] for one in json.loads((tmp_path / "quality.json").read_text())}
    assert ("<failure" in (tmp_path / "junit.xml").read_text()) is fails
    assert "NP102" in summary.read_text()
    assert output.read_text() == f"exit-code={int(fails)}\n"


def test_no_shell_reads_an_argument_of_the_step(tmp_path: Path) -> None:
    inputs = {"INPUT_ARGUMENTS": "-f $(touch${IFS}owned) `touch` ; *"}
    done = ran([TOP / "scripts/ci-step"], tmp_path, {**os.environ, **inputs})
    assert done.returncode == 2
    assert "unrecognized arguments: `touch` ; *" in done.stderr
    assert not (tmp_path / "owned").exists()


def test_what_jenkins_and_tekton_run_writes_what_they_read(tmp_path: Path) -> None:
    shutil.copytree(STORY, tmp_path / "k8s")
    (groovy,) = blocks(CI, "groovy")
    (line,) = re.findall(r"sh '(netpol-preflight [^']*)'", groovy)
    (task,) = (one for one in map(yaml.safe_load, blocks(CI, "yaml")) if one.get("kind") == "Task")
    (step,) = task["spec"]["steps"]
    arguments = " ".join(step["args"])
    for parameter in task["spec"]["params"]:
        assert f"$(params.{parameter['name']})" in arguments
        arguments = arguments.replace(f"$(params.{parameter['name']})", parameter["default"])
    for words in (line.split()[1:], arguments.split()):
        (tmp_path / "preflight.xml").unlink(missing_ok=True)
        assert ran([BIN / "netpol-preflight", *words], tmp_path, os.environ).returncode == 1
        assert "<failure" in (tmp_path / "preflight.xml").read_text()
    assert re.findall(r"(?:testResults|pattern): '([^']*)'", groovy) == ["preflight.xml", "preflight.sarif"]
    assert (tmp_path / "preflight.sarif").exists()


@pytest.mark.parametrize("block", [one for one in blocks(CI, "sh") if "baseline" in one])
def test_the_baseline_of_the_page_accepts_what_is_there(block: str, tmp_path: Path) -> None:
    shutil.copytree(STORY, tmp_path / "k8s")
    for line in block.splitlines():
        done = ran([BIN / "netpol-preflight", *line.split()[1:]], tmp_path, os.environ)
        assert done.returncode == 0, done.stderr


def test_the_hook_is_one_that_pre_commit_takes() -> None:
    manifest = TOP / ".pre-commit-hooks.yaml"
    subprocess.run([sys.executable, "-m", "pre_commit", "validate-manifest", manifest], check=True)
    (hook,) = yaml.safe_load(manifest.read_text(encoding="utf-8"))
    assert hook["entry"] == "netpol-preflight check"
    (config,) = (one for one in map(yaml.safe_load, blocks(CI, "yaml")) if "repos" in one)
    (repository,) = config["repos"]
    assert repository["rev"] == f"v{__version__}"
    assert [one["id"] for one in repository["hooks"]] == [hook["id"]]


@pytest.mark.parametrize("page", [CI, GITOPS], ids=["ci", "gitops-check"])
def test_every_recipe_is_yaml_of_this_version(page: str) -> None:
    found = [one for block in blocks(page, "yaml") for one in yaml.safe_load_all(block)]
    assert found
    assert set(re.findall(r"ghcr\.io/netpol-preflight/netpol-preflight:([\d.]+)", page)) == {__version__}


# -- Argo CD, Helm -----------------------------------------------------------------------------------------------------


@pytest.fixture
def tools(testbed_binaries: Binaries, tmp_path: Path) -> dict[str, str]:
    """The environment with the test bed's helm and kubectl, and with `kustomize`, which is kubectl's."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("kubectl", "helm"):
        (programs / name).symlink_to(testbed_binaries.paths[name])
    (programs / "kustomize").write_text('#!/bin/sh\n[ "$1" = build ] && exec kubectl kustomize "$2"\n')
    (programs / "kustomize").chmod(0o755)
    home = tmp_path / "home"
    home.mkdir()
    return {**os.environ, "PATH": f"{programs}:{BIN}:{os.environ['PATH']}", "HOME": str(home)}


def ran(
    command: Sequence[str | Path], folder: Path, environment: Mapping[str, str], text: str | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, env=environment, input=text, capture_output=True, text=True, check=False
    )  # fmt: skip


@pytest.fixture
def generate(tmp_path: Path) -> Path:
    (script,) = (one for one in blocks(GITOPS, "sh") if one.startswith("#!/bin/sh"))
    path = tmp_path / "generate"
    path.write_text(script)
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("kustomized", [False, True])
def test_argo_cds_plugin_prints_what_is_clean_and_fails_with_what_is_not(
    kustomized: bool, generate: Path, tools: dict[str, str], tmp_path: Path
) -> None:
    application = tmp_path / "application"
    application.mkdir()
    for file in STORY.glob("*.yaml"):
        shutil.copy(file, application)
    names = sorted(file.name for file in STORY.glob("*.yaml"))
    if kustomized:
        (application / "kustomization.yaml").write_text(yaml.safe_dump({"resources": names}))
    broken = ran([generate], application, tools)
    assert broken.returncode == 1
    assert "NP102" in broken.stderr
    assert broken.stdout == ""
    fixed = ran([BIN / "netpol-preflight", "fix", "-k" if kustomized else "-f", "."], application, tools).stdout
    (application / "allow.yaml").write_text(fixed)
    if kustomized:
        (application / "kustomization.yaml").write_text(yaml.safe_dump({"resources": [*names, "allow.yaml"]}))
    clean = ran([generate], application, tools)
    assert clean.returncode == 0, clean.stderr
    kinds = [one["kind"] for one in yaml.safe_load_all(clean.stdout) if one]
    assert kinds.count("NetworkPolicy") == 4


def test_argo_cds_plugin_judges_against_what_its_parameter_names(
    generate: Path, tools: dict[str, str], tmp_path: Path
) -> None:
    application = tmp_path / "application"
    application.mkdir()
    shutil.copy(STORY / "web-api.yaml", application)
    assert ran([generate], application, {**tools, "PARAM_AGAINST": str(STORY)}).returncode == 1


CHART: Final = {"Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n", "values.yaml": "needs: 'postgres:5432'\n"}


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    folder = tmp_path / "chart"
    (folder / "templates").mkdir(parents=True)
    for name, text in CHART.items():
        (folder / name).write_text(text)
    web = (STORY / "web-api.yaml").read_text(encoding="utf-8")
    (folder / "templates/web.yaml").write_text(web.replace("postgres:5432", "{{ .Values.needs }}"))
    return folder


def test_helm_4_takes_the_post_renderer_as_a_plugin(chart: Path, tools: dict[str, str], tmp_path: Path) -> None:
    assert ran(["helm", "plugin", "install", TOP / "deploy/helm"], tmp_path, tools).returncode == 0
    asked = [
        "--post-renderer",
        "netpol-preflight",
        "--post-renderer-args",
        "--against",
        "--post-renderer-args",
        str(STORY),
    ]
    rendered = ["helm", "template", "web", str(chart), "--namespace", "production"]
    broken = ran([*rendered, *asked], tmp_path, tools)
    assert broken.returncode != 0
    assert "NP102" in broken.stderr
    clean = ran([*rendered, "--set", "needs=coredns.kube-system", *asked], tmp_path, tools)
    assert clean.returncode == 0, clean.stderr
    assert next(yaml.safe_load_all(clean.stdout))["metadata"]["name"] == "web-api"


def test_helm_3_takes_the_script_itself(tmp_path: Path, tools: dict[str, str]) -> None:
    script, web = TOP / "deploy/helm/post-render.sh", (STORY / "web-api.yaml").read_text(encoding="utf-8")
    broken = ran([script, "--against", STORY], tmp_path, tools, web)
    assert (broken.returncode, broken.stdout) == (1, "")
    lenient = ran([script, "--against", STORY, "--fail-on", "never"], tmp_path, tools, web)
    assert (lenient.returncode, lenient.stdout) == (0, web)


def test_the_api_server_takes_the_rights_and_the_job(control_plane: ControlPlane) -> None:
    control_plane.kubectl("create", "namespace", "shop")
    try:
        built_in = [
            one for one in blocks(GITOPS, "yaml") if re.search(r"^kind: (Job|ServiceAccount)$", one, re.MULTILINE)
        ]
        assert len(built_in) == 2
        for one in built_in:
            done = control_plane.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", input=one)
            assert done.returncode == 0, done.stderr
            assert "Warning" not in done.stderr
    finally:
        control_plane.kubectl("delete", "namespace", "shop", "--wait=false")

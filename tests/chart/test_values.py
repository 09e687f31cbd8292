"""Values: what is taken, what is refused, what the README says of them."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from tests.chart.rendering import CHART, CI, NAMESPACE, Chart, Object
from webhook import __version__
from webhook.config import CNIS, MODES, File

SCHEMA: Object = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
REJECTIONS: list[Object] = yaml.safe_load((Path(__file__).parent / "rejections.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", REJECTIONS, ids=lambda case: json.dumps(case["values"]))
def test_values_that_cannot_work_are_refused_by_name(chart: Chart, case: Object) -> None:
    assert case["names"] in chart.refused(case["values"])


@pytest.mark.parametrize("values", CI, ids=lambda path: path.stem)
def test_the_example_values_pass_the_strict_lint_and_render(chart: Chart, values: Path) -> None:
    linted = chart.helm("lint", "--strict", str(CHART), "--values", str(values), "--namespace", NAMESPACE)
    assert linted.returncode == 0, linted.stdout + linted.stderr
    assert chart.render(values).of("Deployment")


@pytest.mark.parametrize("values", CI, ids=lambda path: path.stem)
def test_two_renderings_are_the_same(chart: Chart, values: Path) -> None:
    assert chart.render(values).text == chart.render(values).text


def test_no_template_asks_the_cluster_the_clock_or_chance() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in (CHART / "templates").rglob("*.*"))
    for word in ("lookup ", "genCA", "genSigned", "genSelf", "rand", "now", "uuidv4", "htpasswd"):
        assert f" {word}" not in text.replace("NOTES", ""), word


def test_every_object_of_the_schema_is_closed() -> None:
    open_ones = [path for path, node in _walk(SCHEMA, "") if _is_open(node)]
    # A parent chart's `global`, and what Kubernetes itself checks: its own types, as whole objects.
    kubernetes = ("affinity", "extra", "metricRelabelings", "additionalRules", "global", "definitions/named")
    assert [path for path in open_ones if not any(word in path for word in kubernetes)] == []


def _is_open(node: Object) -> bool:
    return node.get("type") == "object" and "additionalProperties" not in node


def _walk(node: Any, path: str) -> Iterator[tuple[str, Object]]:  # noqa: ANN401 any JSON
    if isinstance(node, dict):
        if isinstance(node.get("type"), str):
            yield path, node
        for key, value in node.items():
            yield from _walk(value, f"{path}/{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _walk(value, f"{path}/{index}")


def test_the_schema_knows_the_values_and_no_others() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    assert set(SCHEMA["properties"]) == set(values) | {"global", "enabled"}
    for key, value in values.items():
        node = SCHEMA["properties"][key]
        if isinstance(value, dict) and value and "properties" in node:
            assert set(value) <= set(node["properties"]), key


def test_the_schema_knows_what_the_program_knows() -> None:
    properties = SCHEMA["properties"]
    assert properties["mode"]["enum"] == list(MODES)
    assert properties["cni"]["enum"] == list(CNIS)
    known = {field.encode_name for field in msgspec.structs.fields(File)} - {"mode", "cni"}
    assert set(properties["config"]["properties"]) == known


def test_the_readme_and_the_schema_are_what_values_and_program_say() -> None:
    command = [sys.executable, str(CHART.parents[1] / "scripts/chart_docs.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_charts_app_is_the_package() -> None:
    about = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert about["appVersion"] == __version__


def test_the_pages_set_values_that_there_are(chart: Chart) -> None:
    texts = [page.read_text(encoding="utf-8") for page in sorted((CHART.parents[1] / "docs").glob("*.md"))]
    found = {flag.strip("`") for text in texts for flag in re.findall(r"--set(?:-\w+)? (?:'[^']*'|[^\s`]+)", text)}
    assert len(found) > 10
    for flag in sorted(found):
        chart.render(None, *shlex.split(flag))


def test_the_pages_upgrade_to_a_version_and_keep_only_what_was_set() -> None:
    top = CHART.parents[1]
    texts = [page.read_text(encoding="utf-8") for page in (*sorted((top / "docs").glob("*.md")), top / "README.md")]
    commands = [found for text in texts for found in re.findall(r"helm upgrade netpol-preflight .*", _joined(text))]
    version = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))["version"]
    assert len(commands) > 5
    for command in commands:
        assert f"/netpol-preflight --version {version} " in command
        assert " --reset-then-reuse-values" in command


def _joined(text: str) -> str:
    """Return it with commands of several lines as one."""
    return re.sub(r"\\\n *", "", text)


def test_every_value_is_described() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    readme = (CHART / "README.md").read_text(encoding="utf-8")
    for key, value in values.items():
        inner = [f"{key}.{name}" for name in value] if isinstance(value, dict) else []
        assert f"| `{key}` |" in readme or all(f"| `{path}" in readme for path in inner), key

"""`-k` and `--helm` with the programs that people have: kubectl and helm of the test bed."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from tests.testbed.binaries import Binaries
from webhook.cli.main import main

WEB: Final = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, annotations: {netpol-preflight.io/connects-to: "db:5432"}}
spec:
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: i}]}}
"""
DB: Final = """\
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {selector: {app: db}, ports: [{port: 5432}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db}}
spec: {containers: [{name: c, image: i, ports: [{containerPort: 5432}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: shut, namespace: shop}
spec: {podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress]}
"""
KUSTOMIZED: Final = {
    "base/kustomization.yaml": "resources: [web.yaml]\n",
    "base/web.yaml": WEB.replace("namespace: shop, ", ""),
    "live/kustomization.yaml": "resources: [../base]\nnamespace: shop\nnamePrefix: live-\n",
}
CHART: Final = {
    "Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
    "values.yaml": "port: 5432\n",
    "templates/web.yaml": WEB.replace("db:5432", "db:{{ .Values.port }}")
    .replace("namespace: shop", "namespace: {{ .Release.Namespace }}")
    .replace("name: web, ", "name: {{ .Release.Name }}-web, "),
}


def written(folder: Path, texts: Mapping[str, str]) -> Path:
    """Return the folder with these files in it."""
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def only(testbed_binaries: Binaries, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose `bin` is the whole of PATH, with kubectl and helm in it; nothing is read of the person's own."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("kubectl", "helm"):
        (programs / name).symlink_to(testbed_binaries.paths[name])
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("HOME", str(tmp_path))
    written(tmp_path, {"db.yaml": DB})
    return tmp_path


def found_in(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """Return the only finding of a check that finds something."""
    code = main(["check", *arguments, "--format", "json"])
    out, err = capsys.readouterr()
    assert (code, err) == (1, "")
    (finding,) = json.loads(out)["findings"]
    assert isinstance(finding, dict)
    return finding


def test_what_kubectl_makes_of_an_overlay_is_judged(only: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = written(only / "web", KUSTOMIZED) / "live"
    finding = found_in(capsys, "-k", str(folder), "--against", str(only / "db.yaml"))
    assert finding["id"] == "NP102"
    assert finding["workload"] == {"kind": "Deployment", "namespace": "shop", "name": "live-web"}
    assert finding["location"]["file"] == str(folder)


def test_what_helm_makes_of_a_chart_is_judged(only: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = written(only / "web", CHART)
    finding = found_in(capsys, "--helm", str(folder), "-n", "shop", "--against", str(only / "db.yaml"))
    assert finding["id"] == "NP102"
    assert finding["workload"] == {"kind": "Deployment", "namespace": "shop", "name": "release-name-web"}
    assert finding["location"]["file"] == str(folder)
    assert finding["location"]["template"] == str(folder / "templates/web.yaml")


@pytest.mark.parametrize(
    ("flag", "texts", "said"),
    [
        ("-k", {"kustomization.yaml": "resources: [gone.yaml]\n"}, ("kubectl kustomize", "gone.yaml")),
        ("--helm", CHART | {"templates/x.yaml": '{{ required "a port is needed" .Values.x }}'}, ("a port is needed",)),
    ],
)
def test_what_the_programs_complain_about_is_said(
    only: Path, capsys: pytest.CaptureFixture[str], flag: str, texts: Mapping[str, str], said: tuple[str, ...]
) -> None:
    code = main(["check", flag, str(written(only / "web", texts))])
    err = capsys.readouterr().err
    assert code == 2
    assert [words for words in said if words not in err] == []

"""Input as people have it: Kustomize folders, charts, objects without a name, given twice, or of kinds of others."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from webhook.cli.main import main

WEB: str = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, annotations: {netpol-preflight.io/connects-to: "db:5432"}}
spec:
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: i}]}}
"""
DB: str = """\
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


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        decoded: dict[str, Any] = json.loads(self.out)
        return decoded


Run = Callable[..., Done]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def command(*arguments: object) -> Done:
        try:
            code = main([str(one) for one in arguments])
        except SystemExit as stop:
            code = int(stop.code or 0)
        return Done(code, *capsys.readouterr())

    return command


@pytest.fixture
def files(tmp_path: Path) -> Callable[..., Path]:
    def write(**texts: str) -> Path:
        for name, text in texts.items():
            path = tmp_path / name.replace("__", "/").replace("_yaml", ".yaml")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return write


def program(folder: Path, name: str, script: str) -> None:
    """Put a program on a PATH of its own."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


Files = Callable[..., Path]


def test_lists_scalars_and_tags_of_others_are_skipped_and_counted(run: Run, files: Files) -> None:
    patch, playbook = "- {op: replace, path: /spec, value: 1}\n", "a: !vault |\n  x\n"
    done = run("check", "-f", files(db_yaml=DB, patch_yaml=patch, playbook_yaml=playbook), "--format", "json")
    assert (done.code, done.json["summary"]["skipped"], done.json["errors"]) == (0, 2, [])


def test_a_kustomize_folder_under_f_is_said_once_and_not_read_raw(run: Run, files: Files) -> None:
    folder = files(db_yaml=DB, base__kustomization_yaml="resources: [web.yaml]\n", base__web_yaml=WEB)
    done = run("check", "-f", folder)
    assert done.code == 0
    assert "no findings; 1 workload checked" in done.out
    assert done.err == (
        f"note: Kustomize folders are not read as they are: {folder}/base; build each: `-k {folder}/base`\n"
    )


def test_a_chart_under_f_is_pointed_out(run: Run, files: Files) -> None:
    folder = files(db_yaml=DB, web__Chart_yaml="name: web\n", web__templates__d_yaml="a: {{ .Values.a }}\n")
    done = run("check", "-f", folder)
    assert done.code == 0
    assert f"`helm template {folder}/web | netpol-preflight check -f -`" in done.err


def test_what_kustomize_makes_is_judged(
    run: Run, files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "bin", "kubectl", '[ "$1" = kustomize ] && exec /bin/cat "$2/web.yaml"; exit 3')
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    folder = files(db_yaml=DB, base__web_yaml=WEB)
    done = run("check", "-k", folder / "base", "--against", folder / "db.yaml", "--format", "json")
    (found,) = done.json["findings"]
    assert (done.code, found["id"], found["location"]) == (1, "NP102", {"file": str(folder / "base"), "line": 1})


def test_what_helm_makes_is_judged_in_the_namespace_of_the_flag(
    run: Run, files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(
        tmp_path / "bin", "helm", '[ "$1 $2 $4 $5" = "template release-name --namespace shop" ] && /bin/cat "$3/d.yaml"'
    )
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    folder = files(db_yaml=DB, web__d_yaml=WEB)
    done = run("check", "--helm", folder / "web", "-n", "shop", "--against", folder / "db.yaml")
    assert done.code == 1
    assert "NP102" in done.out


@pytest.mark.parametrize(
    ("flag", "script", "reason"),
    [
        ("-k", None, "-k: expected `kustomize` or `kubectl` on PATH"),
        ("--helm", None, "--helm: expected `helm` on PATH"),
        ("-k", "echo 'no kustomization here' >&2; exit 1", "no kustomization here"),
        ("-k", "exit 7", "ended with 7"),
    ],
)
def test_what_cannot_be_built_ends_with_2_and_the_reason(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flag: str, script: str | None, reason: str
) -> None:
    if script:
        program(tmp_path / "bin", "kustomize", script)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    done = run("check", flag, tmp_path)
    assert done.code == 2
    assert reason in done.err


def test_an_object_given_twice_is_said_with_both_places(run: Run, files: Files) -> None:
    done = run("check", "-f", files(a_yaml=DB, b_yaml=DB.partition("---")[0]))
    assert done.code == 0
    assert "note: Service `db` is given twice in shop, " in done.err
    assert "a.yaml:1 and " in done.err
    assert "b.yaml:1: the latter counts\n" in done.err


def test_an_object_without_a_name_but_its_beginning_is_judged(run: Run, files: Files) -> None:
    job = (
        WEB.replace("name: web, ", "generateName: load-, ").replace("apps/v1", "batch/v1").replace("Deployment", "Job")
    )
    done = run("check", "-f", files(db_yaml=DB, job_yaml=job), "--format", "json")
    (found,) = done.json["findings"]
    assert (done.code, found["id"]) == (1, "NP102")
    assert found["workload"] == {"kind": "Job", "namespace": "shop", "name": "load-*"}
    assert "*" not in found["fix"][0]["metadata"]["name"]


ROLLOUT = WEB.replace("apps/v1", "argoproj.io/v1alpha1").replace("Deployment", "Rollout")


@pytest.mark.parametrize("kind", ["Rollout", "DeploymentConfig", "CloneSet", "Whatever"])
def test_a_kind_of_others_with_a_pod_template_is_a_workload(run: Run, files: Files, kind: str) -> None:
    done = run("check", "-f", files(db_yaml=DB, web_yaml=ROLLOUT.replace("Rollout", kind)), "--format", "json")
    (found,) = done.json["findings"]
    assert (found["id"], found["workload"]["kind"]) == ("NP102", kind)
    told = run("explain", "-f", files(), "--from", f"{kind.lower()}/web", "--to", "db:5432")
    assert (told.code, "denied" in told.out) == (1, True)


def test_a_knative_service_is_a_workload_beside_the_service_of_its_name(run: Run, files: Files) -> None:
    knative = ROLLOUT.replace("argoproj.io/v1alpha1", "serving.knative.dev/v1").replace("Rollout", "Service")
    done = run("check", "-f", files(db_yaml=DB, web_yaml=knative), "--format", "json")
    assert [(one["id"], one["workload"]["kind"]) for one in done.json["findings"]] == [("NP102", "Service")]


def test_a_kind_of_others_is_a_server_as_well(run: Run, files: Files) -> None:
    server = ROLLOUT.replace("name: web", "name: db").replace("app: web", "app: db").replace("connects-to", "other")
    service, _, policy = DB.split("---\n")
    folder = files(web_yaml=WEB, db_yaml=server, rest_yaml=f"{service}---\n{policy}")
    done = run("explain", "-f", folder, "--from", "deploy/web", "--to", "rollout/db:5432", "--format", "json")
    assert done.json["flows"][0]["to"] == {"kind": "Rollout", "namespace": "shop", "name": "db"}
    assert done.json["verdict"] == "denied"


def test_a_field_beside_the_spec_of_a_cilium_policy_is_ignored(run: Run, files: Files) -> None:
    policy = (
        "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nnote: x\nmetadata: {name: shut, namespace: shop}\n"
        "spec: {endpointSelector: {matchLabels: {app: db}}, ingress: [{}]}\n"
    )
    done = run("check", "-f", files(web_yaml=WEB, db_yaml=DB.rpartition("---")[0], shut_yaml=policy))
    assert (done.code, done.err) == (1, "")


def test_a_message_about_a_whole_object_has_no_empty_path(run: Run, files: Files) -> None:
    policy = "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: none, namespace: shop}\n"
    done = run("check", "-f", files(db_yaml=DB, none_yaml=policy))
    assert done.code == 2
    assert ": :" not in done.err


PEERS = """\
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {clusterIP: None, selector: {app: db}, ports: [{port: 7000}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: shop}
spec:
  replicas: 3
  serviceName: db
  selector: {matchLabels: {app: db}}
  template: {metadata: {labels: {app: db}}, spec: {containers: [{name: c, image: i, ports: [{containerPort: 7000}]}]}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: shut, namespace: shop}
spec: {podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress]}
"""


def test_the_peers_of_a_stateful_set_are_inferred(run: Run, files: Files) -> None:
    done = run("check", "-f", files(db_yaml=PEERS), "--format", "json")
    (found,) = [one for one in done.json["findings"] if one["id"] == "NP102"]
    assert (found["severity"], found["source"], found["dependency"]) == ("warning", "inferred", "db.shop:7000/TCP")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("replicas: 3", "replicas: 1"),
        ("clusterIP: None, ", ""),
        ("serviceName: db", "serviceName: other"),
        ("port: 7000}]}\n---", "port: 9}]}\n---"),
    ],
)
def test_no_peers_are_inferred_where_it_is_not_sure(run: Run, files: Files, old: str, new: str) -> None:
    done = run("check", "-f", files(db_yaml=PEERS.replace(old, new)), "--format", "json")
    assert [one for one in done.json["findings"] if one["source"] == "inferred"] == []

"""What the commands print, word for word, for situations out of public bug reports: `words.yaml` beside this module."""

import contextlib
import io
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.support.cases import network_policy
from webhook.cli import main as cli
from webhook.model.refs import KIND_OF_WORD

Raw = dict[str, Any]

FILE: Final = yaml.safe_load(Path(__file__).with_name("words.yaml").read_text(encoding="utf-8"))
KEYS: Final = {"about", "cni", "with", "workloads", "services", "policies", "objects", "ask"}
KEYS_OF_A_QUESTION: Final = {"run", "cni", "says", "never", "code"}
ASKED: Final = [(case, question) for case in FILE["cases"] for question in case["ask"]]


def deployment(short: Raw) -> Raw:
    """Return a workload out of `{name: kind/namespace/name, to: its declaration}` and what differs from a plain one."""
    word, namespace, name = short["name"].split("/")
    metadata: Raw = {"namespace": namespace, "name": name, "labels": short.get("own", {})}
    if "to" in short:
        metadata["annotations"] = {"netpol-preflight.io/connects-to": short["to"]}
    spec = {"containers": [{"name": "c", "image": "c", "ports": short.get("ports", [])}], **short.get("spec", {})}
    template = {"metadata": {"labels": short.get("labels", {"app": name})}, "spec": spec}
    return {"apiVersion": "apps/v1", "kind": KIND_OF_WORD[word], "metadata": metadata, "spec": {"template": template}}


def service(short: Raw) -> Raw:
    namespace, _, name = short["name"].partition("/")
    spec = {key: value for key, value in short.items() if key != "name"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": namespace, "name": name}, "spec": spec}


def manifests_of(case: Raw) -> list[Raw]:
    shared = [raw for name in case.get("with", ()) for raw in FILE["shared"][name]]
    return [
        *shared,
        *case.get("objects", ()),
        *map(deployment, case.get("workloads", ())),
        *map(service, case.get("services", ())),
        *map(network_policy, case.get("policies", ())),
    ]


def test_no_case_says_what_nobody_checks() -> None:
    for case in FILE["cases"]:
        assert set(case) <= KEYS, case["about"]
        for question in case["ask"]:
            assert set(question) <= KEYS_OF_A_QUESTION, case["about"]
            assert {"says", "never"} & set(question), case["about"]


@pytest.mark.parametrize(("case", "question"), ASKED, ids=lambda one: one.get("about", one.get("run", ""))[:70])
def test_the_command_says_it_in_these_words(case: Raw, question: Raw, tmp_path: Path) -> None:
    path = tmp_path / "app.yaml"
    path.write_text(yaml.safe_dump_all(manifests_of(case)), encoding="utf-8")
    command, *rest = question["run"] if isinstance(question["run"], list) else question["run"].split()
    enforcer = question.get("cni", case.get("cni"))
    flags = ["-f", str(path), *(("--cni", enforcer) if enforcer else ())]
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        code = cli.main([command, *flags, *rest])
    said = out.getvalue()
    assert [part for part in question.get("says", ()) if part not in said] == [], said
    assert [part for part in (*question.get("never", ()), "None", ": :") if part in said] == [], said
    assert code == question.get("code", code), said

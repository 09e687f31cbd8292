"""Errors held against a world: what explains them, step by step, and the fix that is proved."""

import json
from collections.abc import Iterator
from pathlib import Path
from string import Formatter
from typing import Any, Final

import msgspec
import pytest
import yaml

from tests.support.arena import Raw, world_of
from tests.support.cases import objects_of, workload_ref
from webhook import config
from webhook.diagnose.diagnose import diagnose
from webhook.diagnose.diagnosis import Cause, Diagnosis, Whose
from webhook.diagnose.error_kinds import LOOKUPS, Kind
from webhook.diagnose.errors import ConnectionFailure, read_error
from webhook.fix import fix, fix_dependency
from webhook.model.answers import Manifest, Verdict
from webhook.model.objects import Declaration, Workload
from webhook.model.settings import DEFAULTS
from webhook.report import diagnosis as diagnosed
from webhook.report.advice import CAUSES, CNI_LOGS, STATES, WORDS, advice
from webhook.report.explain_text import Remedy
from webhook.wire.networkpolicies import network_policy
from webhook.world import Overlay, View

CASES: Final = Path(__file__).parent / "errors" / "diagnoses"
KEYS: Final = {
    "about", "from", "error", "to", "complete", "cni", "declares", "endpoints", "without", "objects", "policies",
    "verdict", "cause", "steps", "says", "silent", "fixed",
}  # fmt: skip


def cases() -> Iterator[tuple[str, Raw]]:
    for path in sorted(CASES.glob("*.yaml")):
        for case in yaml.safe_load(path.read_text(encoding="utf-8")):
            yield f"{path.stem}: {case['about']}", {"world": "shop", **case}


ALL: Final = dict(cases())


def test_every_cause_has_a_case_and_no_case_says_what_nobody_checks() -> None:
    assert {case["cause"] for case in ALL.values()} == {cause.value for cause in Cause}
    assert all(set(case) - {"world"} <= KEYS and {"verdict", "cause"} <= set(case) for case in ALL.values())


def setting(case: Raw) -> tuple[View, Workload, ConnectionFailure]:
    settings = msgspec.structs.replace(DEFAULTS, enforcer=config.settings(cni=case.get("cni", "generic")).enforcer)
    objects = objects_of(case)
    if case.get("endpoints", True):
        objects += [*endpoint_slices(objects)]
    world = world_of(objects, complete=case.get("complete", True), settings=settings)
    workload = world.workloads.get(workload_ref(case["from"]))
    assert workload is not None, case["from"]
    if "declares" in case:
        workload = msgspec.structs.replace(workload, connects_to=(Declaration(case["declares"], "metadata"),))
    failure = read_error(case["error"])
    assert failure is not None, case["error"]
    return world, workload, failure


def endpoint_slices(objects: list[Raw]) -> Iterator[Raw]:
    """Yield what a cluster's controller would: a slice for each Service, with the pods that it selects."""
    for service in (o for o in objects if o["kind"] == "Service"):
        namespace, wanted = service["metadata"]["namespace"], service["spec"]["selector"].items()
        pods = [o for o in objects if o["kind"] == "Pod" and o["metadata"]["namespace"] == namespace]
        ready = [p["status"]["podIP"] for p in pods if wanted <= p["metadata"].get("labels", {}).items()]
        yield {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "namespace": namespace,
                "name": f"{service['metadata']['name']}-x",
                "labels": {"kubernetes.io/service-name": service["metadata"]["name"]},
            },
            "addressType": "IPv4",
            "ports": [{"name": "", "port": 1, "protocol": "TCP"}],
            "endpoints": [{"addresses": [ip], "conditions": {"ready": True}} for ip in ready],
        }


def fixes(view: View, workload: Workload, found: Diagnosis) -> tuple[Manifest, ...]:
    """Return what `explain --error` prints as the remedy."""
    if found.failure.kind in LOOKUPS or found.cause is Cause.DNS_POLICY:
        assert found.dns is not None
        return fix_dependency(view, workload, found.dns).policies
    if found.suspects:
        return fix(view, [workload]).policies
    assert found.target.text is not None
    declaring = msgspec.structs.replace(workload, connects_to=(Declaration(found.target.text, "metadata"),))
    return fix(view, [declaring]).policies


@pytest.mark.parametrize("name", ALL, ids=lambda name: name[:90])
def test_the_error_is_explained_as_the_case_says(name: str) -> None:
    case = ALL[name]
    view, workload, failure = setting(case)
    found = diagnose(view, workload, failure, case.get("to"))
    text = diagnosed.text(found, Remedy("kind: NetworkPolicy\n") if case.get("fixed") else Remedy())
    states: dict[str, str] = {}
    for step in found.steps:
        states.setdefault(step.name, step.state.value)
    assert (found.verdict.value, found.cause.value) == (case["verdict"], case["cause"]), text
    assert {key: states.get(key) for key in case.get("steps", {})} == case.get("steps", {}), text
    assert [part for part in case.get("says", ()) if part not in text] == [], text
    assert [part for part in case.get("silent", ()) if part in text] == [], text
    assert found.fixable == case.get("fixed", False), text
    json.loads(diagnosed.record(found))


@pytest.mark.parametrize("name", [name for name, case in ALL.items() if case.get("fixed")], ids=lambda name: name[:90])
def test_the_remedy_turns_the_verdict_into_allowed(name: str) -> None:
    case = ALL[name]
    view, workload, failure = setting(case)
    found = diagnose(view, workload, failure, case.get("to"))
    manifests = fixes(view, workload, found)
    assert manifests
    after = Overlay(view, [network_policy(m, m["metadata"]["namespace"]) for m in manifests])
    later = diagnose(after, workload, failure, case.get("to"))
    assert later.verdict is Verdict.ALLOWED or (found.suspects and not later.suspects)


def test_the_json_has_explains_shape_and_the_error_beside_it() -> None:
    view, workload, failure = setting(ALL["timeouts: both sides are closed, and the address is a Service's"])
    told: dict[str, Any] = json.loads(diagnosed.record(diagnose(view, workload, failure)))
    pod_class = ["from", "dependency", "verdict", "assumptions", "reason", "fix", "flows", "dns", "errors"]
    assert list(told) == [*pod_class, "error", "steps", "cause", "denied", "look"]
    assert told["error"] == {
        "kind": "timedOut",
        "target": "api.data:80/TCP (10.96.5.8)",
        "name": "api.data",
        "address": "10.96.5.8",
        "port": 80,
        "protocol": "TCP",
        "caller": "workload",
        "resolver": None,
        "whose": "service",
        "candidates": [],
    }
    assert [step["step"] for step in told["steps"]] == ["target", "service", "pods", "port", "egress", "ingress"]
    assert told["steps"][-1] == {
        "step": "ingress",
        "state": "notOk",
        "message": "isolated by data/default-deny-ingress; no rule admits it",
    }
    assert told["cause"]["id"] == "policy"
    assert all(set(one) == {"what", "command"} for one in told["look"])


def test_the_tables_of_words_cover_everything_that_can_be_said() -> None:
    assert set(WORDS) == set(Kind)
    assert set(CAUSES) == set(Cause)
    assert len(STATES) == len({word for word, _ in STATES.values()})
    fields = {name for words in CAUSES.values() for _, name, _, _ in Formatter().parse(words) if name}
    assert fields == {"what", "sides", "cni", "reason", "several"}


@pytest.mark.parametrize("name", sorted(CNI_LOGS))
def test_the_logs_of_whoever_enforces_are_named(name: str) -> None:
    view, workload, failure = setting({**ALL["timeouts: who enforces is known, and so is its log"], "cni": name})
    commands = [one.command for one in advice(diagnose(view, workload, failure))]
    assert CNI_LOGS[name] in commands


def test_a_command_quotes_a_name_that_a_shell_would_run() -> None:
    view, workload, _ = setting(ALL["timeouts: policy lets it pass, so that the checklist goes on"])
    odd = msgspec.structs.replace(workload, ref=msgspec.structs.replace(workload.ref, name="$(reboot)"))
    found = diagnose(view, odd, ConnectionFailure(Kind.LOOKUP_FAILED))
    commands = [one.command or "" for one in advice(found)]
    assert any("'deployment/$(reboot)'" in command for command in commands)
    assert not any(" deployment/$(reboot)" in command for command in commands)


def test_a_text_without_a_target_is_told_what_to_add() -> None:
    view, workload, _ = setting(ALL["timeouts: policy lets it pass, so that the checklist goes on"])
    declaring = msgspec.structs.replace(workload, connects_to=(Declaration("db.data:5432, api.data:80", "metadata"),))
    found = diagnose(view, declaring, ConnectionFailure(Kind.TIMED_OUT))
    assert found.target.whose is Whose.NONE
    assert diagnosed.unnamed(found) == (
        "`timed out`, but the text names no target: add `--to NAME:PORT`; it declares db.data:5432/TCP, api.data:80/TCP"
    )

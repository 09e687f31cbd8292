"""Cilium's own policy engine (1.20.2), case by case: what the evaluator answers as Cilium. Run with `-s` for counts."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, NamedTuple, cast

import pytest

from tests.conformance.corpora import rows
from tests.support.arena import Arena
from webhook.families import compile_crd_policy, dialect_of, project
from webhook.model.answers import Verdict
from webhook.model.crd_policies import CompileContext, CrdPolicy
from webhook.model.objects import Pod
from webhook.model.policy import Direction
from webhook.model.settings import Enforcer, Settings

Raw = dict[str, Any]
SETTINGS: Final = Settings(enforcer=Enforcer("cilium"))
JUDGING: Final = 314_292
NOTED: Final = {"unknown": 508, "no policy in the way": 756, "let through by another rule": 14}
REFUSED: Final = 16  # policies that Cilium's schema, or the agent, did not take
FAMILY: Final = {None: 4, "IPv6": 6}


class Probe(NamedTuple):
    case: str
    arena: Arena
    question: Raw

    def verdict(self) -> Verdict:
        if not self.arena.world.enforcer.enforces:
            return Verdict.ALLOWED
        return self.arena.evaluate(*self.ends(), self.question["protocol"], self.question["port"])[0]

    def ends(self) -> tuple[str, str, int]:
        return self.question["from"], self.question["to"], FAMILY[self.question.get("family")]


def probes() -> Iterator[Probe]:
    for row in rows("cilium"):
        arena = Arena(row["objects"], SETTINGS)
        yield from (Probe(row["case"], arena, question) for question in row["probes"])


def test_every_judging_verdict_is_met_and_what_a_note_exempts_is_never_a_guess(
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked, wrong, noted = 0, [], Counter[str]()
    for probe in probes():
        found = probe.verdict()
        if "note" in probe.question:
            noted[standing_of_a_noted(probe, found)] += 1
            continue
        asked += 1
        if found.value != probe.question["verdict"]:
            wrong.append(f"{probe.case}: {probe.question}: found {found}")
    with capsys.disabled():
        print(f"\n  Cilium's own engine: {asked - len(wrong)} of {asked} verdicts; noted probes: {dict(noted)}")  # noqa: T201
    assert wrong[:20] == []
    assert asked == JUDGING
    assert noted == NOTED


def standing_of_a_noted(probe: Probe, found: Verdict) -> str:
    """A probe is noted by its case and ends. Where no policy selects either pod, nothing makes it unsure."""
    if found is Verdict.UNKNOWN:
        return "unknown"
    assert found.value == probe.question["verdict"], (probe.case, probe.question)
    arena, (source, target, family) = probe.arena, probe.ends()
    _, egress, ingress = arena.sides(source, target, family, probe.question["protocol"], probe.question["port"])
    for side in (egress, ingress):
        if side.admitted_by is not None:
            every_name = ("l7-dns", "x/p0", 0)  # a pattern that every name matches
            beside = (probe.case, "x/p0", 1)  # toCIDR, beside toFQDNs
            assert (probe.case, str(side.admitted_by), side.admitted_by.rule) in (every_name, beside)
            return "let through by another rule"
    pod = cast("Pod", project(arena.pods[source]))
    assert arena.world.policies.selecting(pod.pod_class, Direction.EGRESS) == ()
    return "no policy in the way"


def test_what_cilium_refuses_comes_to_nothing_and_says_why() -> None:
    found = 0
    for row in rows("cilium"):
        expected = {text.partition(":")[0] for text in row.get("rejected", ())}
        values = [value for raw in row["objects"] if isinstance(value := project(raw), CrdPolicy)]
        settings = {
            (raw["metadata"]["namespace"], raw["metadata"]["name"]): raw["data"]
            for raw in row["objects"]
            if raw["kind"] == "ConfigMap"
        }
        around = CompileContext(SETTINGS.enforcer, settings=settings)
        around = CompileContext(SETTINGS.enforcer, settings=settings, dialect=dialect_of(around))
        for value in values:
            if value.ref.kind == "CiliumCIDRGroup":
                continue
            compiled = compile_crd_policy(value, around)
            refused = not compiled.policies and bool(compiled.problems) and "selects no pod" not in compiled.problems[0]
            assert refused == (f"{value.ref.kind} {value.ref}" in expected), (row["case"], compiled)
            found += refused
    assert found == REFUSED

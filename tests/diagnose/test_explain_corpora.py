"""Cases of the corpora of Calico and Cilium, explained: a denial names who denies, and has a fix or a reason."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import pytest
from msgspec import structs

from tests.conformance.corpora import calico, rows
from tests.support.arena import Arena
from webhook.fix import fix_dependency
from webhook.judge import explain
from webhook.model.answers import MAY_REJECT, Verdict
from webhook.model.objects import Declaration, Workload
from webhook.model.refs import WorkloadRef
from webhook.model.settings import Enforcer, Settings
from webhook.report import explain_text, json_
from webhook.report.admission import LONGEST, line
from webhook.report.words import message
from webhook.review.workload import review_workload
from webhook.world import World

Packet = tuple[str, str, int, str, int]  # source, target, family, protocol, port
EVERY: Final = 10  # of the worlds with a fix, one in so many is asked whether the fix closes anything


class Asked(NamedTuple):
    """One denial between two pods, and every packet that its world is asked about."""

    arena: Arena
    denied: Packet
    every: list[Packet]


def of_cilium() -> Iterator[Asked]:
    for row in rows("cilium"):
        arena = Arena(row["objects"], Settings(enforcer=Enforcer("cilium")))
        probes = [(probe, 4 if "family" not in probe else 6) for probe in row["probes"]]
        every = [(p["from"], p["to"], family, p["protocol"], p["port"]) for p, family in probes]
        stopped = [packet for (p, _), packet in zip(probes, every, strict=True) if p["verdict"] == "denied"]
        yield from first(arena, stopped, every)


def of_calico() -> Iterator[Asked]:
    for case in calico():
        objects = [one for one in case.objects if not one["kind"].startswith("Staged")]
        arena = Arena(objects, Settings(enforcer=Enforcer("calico")))
        every: list[Packet] = [question[:5] for question in case.questions]
        yield from first(arena, [question[:5] for question in case.questions if not question.passes], every)


def first(arena: Arena, stopped: list[Packet], every: list[Packet]) -> Iterator[Asked]:
    """Yield a denial between two pods that have addresses, if there is one."""
    for packet in stopped:
        source, target, family, *_ = packet
        if source != target and {source, target} <= set(arena.pods) and family == 4 and address(arena, target):
            yield Asked(arena, packet, every)
            return


def address(arena: Arena, name: str) -> str:
    found: Any = arena.pods[name].get("status", {}).get("podIP", "")
    return f"[{found}]" if ":" in found else str(found)


def pod(world: World, name: str) -> Workload:
    namespace, _, own = name.partition("/")
    found = world.workloads.get(WorkloadRef("Pod", namespace, own))
    assert found is not None
    return found


@pytest.mark.parametrize("corpus", [of_cilium, of_calico], ids=["cilium", "calico"])
def test_each_denial_is_told_in_every_form(
    corpus: Callable[[], Iterator[Asked]], capsys: pytest.CaptureFixture[str]
) -> None:
    told: Counter[str] = Counter()
    for arena, (source, target, _, protocol, port), every in corpus():
        world, text = arena.world, f"{address(arena, target)}:{port}/{protocol}"
        workload = structs.replace(pod(world, source), connects_to=(Declaration(text, "metadata"),))
        found = explain(world, workload, text)
        assert found.judged is not None
        if found.judged.verdict is not Verdict.DENIED:
            told[f"{found.judged.verdict}, as more than one address is asked"] += 1
            continue
        sides = [s for f in found.flows for s in (f.egress, f.ingress) if s.verdict is Verdict.DENIED]
        assert sides
        assert all(side.policies or side.reason or side.position for side in sides), sides
        assert "denied" in explain_text.explain(found)
        assert json_.explain(found, ())
        findings = [one for one in review_workload(world, workload) if one.id in MAY_REJECT]
        assert ("NP104" in {one.id for one in findings}) is any(side.final for side in sides)
        assert all(message(one) and len(line(one)) <= LONGEST for one in findings)
        fixed = fix_dependency(world, workload, found.judged)
        assert bool(fixed.policies) != bool(fixed.reason)
        told["fixed" if fixed.policies else "final" if any(s.final for s in sides) else "no fix"] += 1
        if fixed.policies and told["fixed"] % EVERY == 0:
            assert [*closed(arena, [*fixed.policies], every)] == []
    with capsys.disabled():
        print(f"\n  {corpus.__name__}: {dict(told)}")  # noqa: T201 - the counts are the point
    assert told["fixed"]
    assert told["final"]


def closed(arena: Arena, policies: list[Any], every: list[Packet]) -> Iterator[Packet]:
    """Yield what passed, and does not with some policies more."""
    after = Arena([*arena.objects, *policies], arena.settings)
    for packet in every:
        passed = packet[0] != packet[1] and arena.evaluate(*packet)[0] is Verdict.ALLOWED
        if passed and after.evaluate(*packet)[0] is not Verdict.ALLOWED:
            yield packet

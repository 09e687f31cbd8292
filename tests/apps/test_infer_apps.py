"""Five public applications: nothing false as shipped, every missing rule found, and how much inference sees."""

import sys
from pathlib import Path

import pytest
from msgspec import structs

from tests import apps
from tests.apps import App, Edge, Told
from webhook.dependencies import infer
from webhook.model.answers import Severity
from webhook.model.settings import DEFAULTS, Settings

PAGE = Path(__file__).parents[2] / "docs" / "inference.md"
PRECISION, RECALL = 0.98, 0.9


@pytest.fixture(scope="module", params=apps.NAMES)
def app(request: pytest.FixtureRequest) -> App:
    return apps.load(request.param)


def inferred(app: App) -> set[tuple[str, str]]:
    world = apps.world_of(apps.undeclared(app.objects))
    return {(w.ref.short, found.text) for w in apps.workloads(world) for found in infer(world, w)}


def seen(edges: tuple[Edge, ...]) -> set[tuple[str, str]]:
    return {(edge.source, edge.to) for edge in edges if edge.inferable and not edge.unseen}


def test_every_application_is_read_and_says_what_it_needs(app: App) -> None:
    assert len(app.edges) >= 7
    assert {edge.source for edge in app.edges} <= {w.ref.short for w in apps.workloads(apps.world_of(app.objects))}
    carried = {(source, to) for rule in app.rules for _, source, to in rule.carries if not to.endswith(":53/UDP")}
    assert carried == {(edge.source, edge.to) for edge in app.edges}


def test_as_shipped_there_is_nothing_to_find(app: App) -> None:
    assert apps.findings(app.objects) == ()
    assert apps.findings(apps.undeclared(app.objects)) == ()


def test_without_one_rule_exactly_what_it_carried_is_found(app: App) -> None:
    for rule in app.rules:
        found = apps.findings(apps.without(app.objects, rule))
        assert apps.told(found) == rule.carries, rule
        assert {f.severity for f in found} == {Severity.ERROR}, rule
        assert {f.source for f in found} == {"annotation"}, rule


def test_without_declarations_inference_still_finds_what_settings_tell(app: App) -> None:
    """The look-up is missed where anything that needs one is seen: the API server's address pods are told."""
    known = seen(app.edges)
    sources = {source for source, to in known if not to.startswith("kubernetes.default:")}

    def still(told: Told) -> bool:
        return told[1] in sources if told[0] == "NP103" else told[1:] in known

    for rule in app.rules:
        found = apps.findings(apps.without(apps.undeclared(app.objects), rule))
        assert apps.told(found) == {told for told in rule.carries if still(told)}, rule
        assert {f.severity for f in found} <= {Severity.WARNING}, rule
        assert {f.source for f in found} <= {"inferred"}, rule


def test_with_their_ways_in_there_is_nothing_to_find_either(app: App) -> None:
    """As shipped, two offer a load balancer that their policies shut; with an Ingress before them it is not needed."""
    assert {dict(found.facts)["from"] for found in apps.served(app.objects)} <= {"clients outside"}
    objects = apps.ways(app.name)
    assert apps.served(objects) == ()
    assert apps.findings(objects) == ()


def test_without_one_who_is_let_in_exactly_that_way_is_found(app: App) -> None:
    """Whoever only claims to be the one that sends is let in where the namespace is admitted; then all is mended."""
    objects = apps.ways(app.name)
    carried = apps.carried(objects)
    assert carried
    for policy, told in carried.items():
        space, _, name = policy.partition("/")
        rest = [o for o in objects if (o["metadata"].get("namespace"), o["metadata"]["name"]) != (space, name)]
        rest += [o for o in objects if o["kind"] != "NetworkPolicy" and o not in rest]
        found = apps.served(rest)
        assert apps.told(found) == {told}, policy
        assert {f.severity for f in found} == {Severity.WARNING}
        claimed = {of for f in found if (of := dict(f.facts).get("admit"))}
        assert all(f.fix or dict(f.facts).get("admit") for f in found), policy
        admitted = apps.served(rest, structs.replace(DEFAULTS, admit=tuple(claimed)))
        assert apps.told(admitted) == {told}, policy
        assert all(f.fix for f in admitted), policy
        assert not apps.served([*rest, *(dict(one) for f in admitted for one in f.fix)]), policy


def test_inference_can_be_switched_off(app: App) -> None:
    for rule in app.rules:
        assert apps.findings(apps.without(apps.undeclared(app.objects), rule), Settings(infer=False)) == ()


def test_precision_and_recall_over_all_applications(capsys: pytest.CaptureFixture[str]) -> None:
    right = wrong = missed = 0
    lines = [f"{'':11} {'needed':>7} {'inferred':>9} {'wrong':>6} {'missed':>7}"]
    for one in map(apps.load, apps.NAMES):
        needed, found = {(e.source, e.to) for e in one.edges if e.inferable}, inferred(one)
        right, wrong, missed = right + len(found & needed), wrong + len(found - needed), missed + len(needed - found)
        counts = (len(needed), len(found), len(found - needed), len(needed - found))
        lines.append(f"{one.name:11} {counts[0]:7} {counts[1]:9} {counts[2]:6} {counts[3]:7}")
        assert needed - found == needed - seen(one.edges), (
            "a miss that `unseen` does not explain, or a hit that it denies"
        )
    precision, recall = right / (right + wrong), right / (right + missed)
    lines.append(f"precision {precision:.3f}, recall {recall:.3f}")
    with capsys.disabled():
        sys.stdout.write("\n".join(["", *lines, ""]))
    assert "\n".join(map(str.rstrip, lines)).lstrip() in PAGE.read_text(), "the figures of the page are others"
    assert lines[-1] in PAGE.read_text()
    assert precision >= PRECISION
    assert recall >= RECALL

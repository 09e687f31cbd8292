"""NP501 to NP503: what a change takes from those who are there already."""

from datetime import date
from typing import Any, Final

import pytest
from hypothesis import event, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.support.changed_shop import BEFORE, WALL, values
from tests.support.denied_worlds import CLOSED, HEAVY, Case, cases, policies
from webhook.judge import judge_workload
from webhook.model.answers import Finding, Verdict
from webhook.model.policy import Policy
from webhook.report.admission import line
from webhook.report.text import block
from webhook.review.blast_radius import blast_radius
from webhook.review.touched import changed
from webhook.world import Drop, Put, World

TODAY: Final = date(2026, 11, 20)


def world(*texts: str) -> World:
    made = World(complete=True)
    made.apply(Put(value) for text in texts for value in values(text))
    return made


def lost(written: str, *, before: str = BEFORE, told: Any = ()) -> tuple[Finding, ...]:  # noqa: ANN401 - any collection
    was = world(before)
    return blast_radius(was, world(before, written), changed(was, values(written)), TODAY, told)


def replaced(*pairs: tuple[str, str]) -> str:
    """Return the documents of the world before that hold the first of a pair, with the second in its place."""
    found = []
    for document in BEFORE.split("---\n"):
        after = document
        for old, new in pairs:
            after = after.replace(old, new)
        if after != document:
            found.append(after)
    return "---\n".join(found)


ELSEWHERE: Final = replaced(("{matchLabels: {team: shop}}", "{matchLabels: {team: x}}"))
CASES: Final = {
    "a policy whose port is another": (
        replaced(("shop}}}], ports: [{port: 5432}]}]", "shop}}}], ports: [{port: 1}]}]")),
        ["NP501"],
    ),
    "a policy that names other namespaces": (ELSEWHERE, ["NP501"]),
    "a server's label": (replaced(("{name: db, app: db}", "{name: db, app: database}")), ["NP502"]),
    "a namespace's label": (replaced(("labels: {team: shop}", "labels: {team: web}")), ["NP503"]),
    "nothing at all": (BEFORE, []),
    "a policy that cuts nothing declared": (WALL, []),
    "a policy that says no more than another": (WALL.replace("Ingress", "Egress"), []),
}


@pytest.mark.parametrize("name", CASES)
def test_who_loses_is_told(name: str) -> None:
    written, ids = CASES[name]
    found = lost(written)
    assert [one.id for one in found] == ids
    for one in found:
        assert str(one.workload) == "deploy/shop/web"
        assert one.dependency == "db.data:5432/TCP"
        assert one.fix


def test_a_policy_that_is_written_is_named_with_what_to_add() -> None:
    (found,) = lost(ELSEWHERE)
    assert [ref.name for ref in found.policies] == ["fence"]
    text = line(found)
    assert text.startswith(
        "netpol-preflight: data/fence cuts shop/web -> data/db:5432/TCP: ingress isolated by data/fence"
    )
    assert text.endswith("(NP501); run `netpol-preflight fix`")
    assert "near miss: fence admits namespaces with team=x; the namespace of the client has team=shop" in block(found)


def test_who_is_reviewed_itself_is_not_told_twice() -> None:
    written = ELSEWHERE
    (found,) = lost(written)
    assert lost(written, told=[found.workload]) == ()


def test_an_exemption_of_the_workload_that_loses_is_heard() -> None:
    exempt = 'connects-to: "db.data:5432", netpol-preflight.io/exempt: "NP501@db.data:5432: it moves"'
    before = BEFORE.replace('connects-to: "db.data:5432"', exempt)
    written = ELSEWHERE
    assert lost(written, before=before) == ()


TOKEN: Final = "volumes: [{name: t, projected: {sources: [{serviceAccountToken: {path: t}}]}}], "
CONTROLLER: Final = BEFORE.replace(
    "spec: {containers: [{name: c, image: i}]}", f"spec: {{{TOKEN}containers: [{{name: c, image: i}}]}}"
)
SHUT: Final = WALL.replace("Ingress", "Egress")


def test_a_controller_that_loses_the_api_server_is_told() -> None:
    """Wherever that may be: a snapshot or manifests do not show it."""
    open_world = "---\n".join(text for text in CONTROLLER.split("---\n") if "name: out" not in text)
    found = lost(SHUT, before=open_world)
    assert [(one.id, one.dependency, one.source) for one in found if "kubernetes" in (one.dependency or "")] == [
        ("NP501", "kubernetes.default:443/TCP", "inferred")
    ]


def test_what_containers_are_told_by_an_address_is_judged_too() -> None:
    told = BEFORE.replace(', annotations: {netpol-preflight.io/connects-to: "db.data:5432"}', "")
    told = told.replace(
        "{name: c, image: i}", "{name: c, image: i, env: [{name: DB_URL, value: 'postgres://10.96.0.9'}]}"
    )
    told = told.replace("spec: {selector: {name: db}", "spec: {clusterIP: 10.96.0.9, selector: {name: db}")
    assert [(one.id, one.source) for one in lost(ELSEWHERE, before=told)] == [("NP501", "inferred")]


# -- the law -----------------------------------------------------------------------------------------------------------


def passing(view: World, case: Case) -> dict[tuple[str, str], Verdict]:
    return {
        (str(one.ref), part.text): part.verdict for one in case.workloads for part in judge_workload(view, one).parts
    }


@hypothesis_settings(max_examples=HEAVY)
@given(cases(), st.lists(policies(), min_size=1, max_size=2), st.booleans())
def test_what_is_lost_is_the_difference_of_two_whole_audits(case: Case, more: list[Policy], drop: bool) -> None:
    was, now = case.world(), case.world(*more)
    if drop:
        now.apply(
            [Drop("NetworkPolicy", one.namespace, one.ref.name) for one in case.objects if isinstance(one, Policy)][:1]
        )
    before, after = passing(was, case), passing(now, case)
    expected = {key for key, verdict in before.items() if verdict is Verdict.ALLOWED and after.get(key) in CLOSED}
    written = [one for one in more if was.policies.named(one.namespace).get(one.ref) != one]
    found = blast_radius(was, now, changed(was, written), TODAY)
    event(f"{bool(expected)}")
    assert {(str(one.workload), one.dependency) for one in found} == expected
    assert all(one.id == "NP501" for one in found)

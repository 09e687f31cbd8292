"""What an audit shows whoever may read some namespaces: of others nothing, and nothing that they make untrue."""

from typing import Any

import pytest

from tests.support.arena import Raw, world_of
from tests.support.making import deployment, service
from tests.support.reviews import TODAY
from tests.support.worlds import namespace, policy, port
from webhook.model.answers import Verdict
from webhook.model.settings import CONNECTS_TO
from webhook.review.audit import UNREAD, Audited, audit_readable

MINE = frozenset({"shop", "data"})
DECLARED = "db.data:5432, db.victim:5432, db.nowhere:5432, 10.0.0.9:443, api.example.com:443, api.example.com.:443"
CLOSED = policy("data/closed", podSelector={}, policyTypes=["Ingress"])
WORLD: list[Raw] = [
    namespace("shop"),
    namespace("data"),
    deployment("shop/web", annotations={CONNECTS_TO: DECLARED}),
    deployment("data/db", [port("pg", 5432)]),
    service("data/db", {"app": "db"}, [{"port": 5432}]),
]
VICTIM: list[Raw] = [
    namespace("victim", {"tier": "gold"}),
    deployment("victim/db", [port("pg", 5432)]),
    deployment("victim/web", [port("pg", 5432)], annotations={CONNECTS_TO: "db.data:5432, web.shop:80"}),
    service("victim/db", {"app": "db"}, [{"port": 5432}]),
    policy("victim/nobody-knows", podSelector={}, policyTypes=["Ingress"]),
]
ADMIN: Raw = {
    "apiVersion": "policy.networking.k8s.io/v1alpha1",
    "kind": "AdminNetworkPolicy",
    "metadata": {"name": "fence"},
    "spec": {
        "priority": 1,
        "subject": {"namespaces": {"matchLabels": {"kubernetes.io/metadata.name": "data"}}},
        "ingress": [{"action": "Deny", "from": [{"namespaces": {}}]}],
    },
}


def audited(objects: list[Raw], **options: Any) -> Audited:  # noqa: ANN401 - as `world_of` takes them
    view = world_of(objects, **options)
    (web,) = [one for one in view.workloads.every("shop") if one.ref.name == "web"]
    return audit_readable(view, MINE, web, TODAY, {one.ref for one in view.workloads.every()})


def verdicts(found: Audited) -> dict[str, tuple[Verdict, str | None]]:
    return {one.text: (one.verdict, one.reason) for one in found.dependencies}


def test_a_connection_between_readable_namespaces_is_shown_in_full() -> None:
    found = audited([*WORLD, CLOSED, *VICTIM])
    assert verdicts(found)["db.data:5432/TCP"] == (Verdict.DENIED, None)
    (finding,) = [one for one in found.findings if one.dependency == "db.data:5432/TCP"]
    assert (finding.id, [str(ref) for ref in finding.policies]) == ("NP102", ["data/closed"])


def test_of_any_other_nothing_is_told_but_that_it_is_declared() -> None:
    found = audited([*WORLD, *VICTIM])
    others = {text: told for text, told in verdicts(found).items() if not text.startswith("db.data:")}
    assert len(others) == 4
    assert set(others.values()) == {(Verdict.UNKNOWN, UNREAD)}
    assert all(not one.flows for one in found.dependencies if one.text in others)
    assert [one.dependency for one in found.findings if one.dependency in others] == []


@pytest.mark.parametrize("closed", [[], [CLOSED]], ids=["open", "closed"])
@pytest.mark.parametrize("some", [VICTIM[:1], VICTIM[:2], VICTIM[:4], VICTIM], ids=len)
def test_what_is_in_other_namespaces_changes_nothing_of_what_is_shown(closed: list[Raw], some: list[Raw]) -> None:
    assert audited([*WORLD, *closed]) == audited([*WORLD, *closed, *some])


def test_what_a_policy_of_the_cluster_decides_is_not_said_to_be_allowed() -> None:
    found = audited([*WORLD, ADMIN])
    assert verdicts(found)["db.data:5432/TCP"] == (Verdict.UNKNOWN, UNREAD)
    assert [one.id for one in found.findings if one.dependency == "db.data:5432/TCP"] == []

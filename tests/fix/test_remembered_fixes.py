"""What is remembered of one client's fix is filled in for the next one only where nothing else is to be said of it."""

from typing import Final

import pytest

from tests.support.arena import Raw, forgetful, world_of
from tests.support.making import deployment, workload
from tests.support.worlds import namespace, policy, port
from webhook.families import project
from webhook.fix import Fixer
from webhook.fix.remembered import RememberedFixes
from webhook.fix.selectors import Neighbours
from webhook.judge import judge_workload
from webhook.model.answers import Manifest
from webhook.model.objects import Workload
from webhook.model.settings import CONNECTS_TO
from webhook.world import Drop, Overlay, Put, World
from webhook.world.changes import Change

SHUT: Final = policy("data/shut", podSelector={}, policyTypes=["Ingress", "Egress"])
STRANGE: Final = deployment("data/a-to-b", [port("http", 80)])  # a name that may be taken for another policy's
CAST: Final = (namespace("data"), deployment("data/db", [port("pg", 5432)]), STRANGE, SHUT)
TO: Final = "deploy/db.data:5432, deploy/a-to-b.data:80, 192.0.2.7:443"


def labelled(raw: Raw, **labels: str) -> Raw:
    """Return a workload whose pods have these labels, too, and that selects them by its name, as `own`."""
    own = {"own": raw["metadata"]["name"]}
    raw["spec"]["template"]["metadata"]["labels"] = {**own, **labels}
    return raw | {"spec": raw["spec"] | {"selector": {"matchLabels": own}}}


def client(name: str, **labels: str) -> Workload:
    return read(labelled(deployment(name, annotations={CONNECTS_TO: TO}), **labels))


def read(raw: Raw) -> Workload:
    found = project(raw)
    assert isinstance(found, Workload)
    return found


def put(raw: Raw) -> Put:
    found = project(raw)
    assert found is not None
    return Put(found)


def told(world: World, *on_top: Workload) -> list[tuple[Manifest, ...] | str | None]:
    """Return what opens what the first of them declares, or why nothing does, and what is to be said of it."""
    view = Overlay(world, on_top)
    fixer = Fixer(view, on_top[0])
    found = [fixer.dependency(part) for part in judge_workload(view, on_top[0], near=False).dependencies]
    return [text for one in found for text in (one.policies, one.reason, *one.notes)]


NEXT: Final = client("data/web-2")
TWIN: Final = read(labelled(deployment("data/other"), app="db"))
NAMESAKE: Final = read(workload("StatefulSet", "data/web-2"))
CASES: Final[dict[str, tuple[list[Change], tuple[Workload, ...], str]]] = {
    "another": ([], (NEXT,), "allow-db-from-web-2-5432"),
    "it has the labels of whom it dials": ([], (client("data/web-2", app="db"),), "its labels also select data/web-2"),
    "so has one on top": ([], (NEXT, TWIN), "its labels also select data/other"),
    "so has one that comes": ([Put(TWIN)], (NEXT,), "its labels also select data/other"),
    "one on top has its name": ([], (NEXT, NAMESAKE), "allow-db-from-web-2-5432-"),
    "one that comes has its name": ([Put(NAMESAKE)], (NEXT,), "allow-db-from-web-2-5432-"),
    "one that comes has the name of whom it dials": (
        [Put(read(labelled(workload("StatefulSet", "data/db"))))],
        (NEXT,),
        "allow-db-from-web-2-5432-",
    ),
    "its name reads as another's": ([], (client("data/web-to-db"),), "allow-db-from-web-to-db-5432-"),
    "one that comes has its labels": (
        [put(labelled(deployment("data/other"), own="web-2"))],
        (NEXT,),
        "data/web-2: its labels also select data/other",
    ),
    "the name of a policy is taken": (
        [put(policy("data/allow-db-from-web-2-5432", podSelector={"matchLabels": {"app": "none"}}))],
        (NEXT,),
        "allow-db-from-web-2-5432-2",
    ),
    "whom it dials has other labels": (
        [put(labelled(deployment("data/db", [port("pg", 5432)]), app="db-2"))],
        (NEXT,),
        "'own': 'db'",
    ),
    "it is there with other labels": ([Put(client("data/web-2", app="db"))], (NEXT,), "allow-db-from-web-2-5432"),
    "a rule lets it out": (
        [put(policy("data/out", podSelector={}, policyTypes=["Egress"], egress=[{"ports": [{"port": 5432}]}]))],
        (NEXT,),
        "allow-db-from-web-2-5432",
    ),
    "nothing is shut by name": ([Drop("NetworkPolicy", "data", "shut"), put(SHUT)], (NEXT,), "allow-db-from-web-2"),
}


@pytest.mark.parametrize(("changes", "on_top", "says"), CASES.values(), ids=CASES.keys())
def test_the_next_client_is_told_what_a_world_tells_it_that_remembers_nothing(
    changes: list[Change], on_top: tuple[Workload, ...], says: str
) -> None:
    world, forgetting = world_of(CAST), forgetful(world_of(CAST))
    for number in range(2):
        told(world, client(f"data/web-{number}"))
    for each in (world, forgetting):
        each.apply(changes)
    assert told(world, *on_top) == (wanted := told(forgetting, *on_top))
    assert says in f"{wanted}"
    for number in range(3, 6):
        after = client(f"data/web-{number}")
        assert told(world, after) == told(forgetting, after)


@pytest.mark.parametrize(
    ("changes", "on_top"), [([Put(TWIN)], NEXT), ([], client("data/web-2", app="db"))], ids=["one comes", "a client is"]
)
def test_labels_tell_whom_they_dial_from_others_only_while_these_are_there(
    changes: list[Change], on_top: Workload
) -> None:
    db = deployment("data/db", [port("pg", 5432)])
    db["spec"]["template"]["metadata"]["labels"] = {"app": "db", "tier": "back"}
    world, forgetting = world_of([*CAST, db]), forgetful(world_of([*CAST, db]))
    for number in range(2):
        assert "'tier': 'back'" not in f"{told(world, client(f'data/web-{number}'))}"
    for each in (world, forgetting):
        each.apply(changes)
    assert "'tier': 'back'" in f"{told(world, on_top)}"
    for number in range(3, 6):
        after = client(f"data/web-{number}")
        assert told(world, after) == told(forgetting, after)


def test_whom_else_a_fix_reaches_is_said_of_each_client() -> None:
    world, forgetting = world_of(CAST), forgetful(world_of(CAST))
    for each in (world, forgetting):
        each.apply([Put(TWIN)])
    for number in range(3):
        one = client(f"data/web-{number}")
        assert told(world, one) == (wanted := told(forgetting, one))
        assert "its labels also select data/other" in f"{wanted}"


def test_the_fix_of_the_next_client_is_neither_written_nor_proved() -> None:
    world = world_of(CAST)
    for number in range(4):
        view = Overlay(world, [one := client(f"data/web-{number}")])
        parts, known = judge_workload(view, one, near=False).dependencies, RememberedFixes(Neighbours(view), one)
        for part in parts:
            found = known.find(known.ask([part]))
            assert (found is not None) == (number > 1)
            written = Fixer(view, one).dependency(part).policies
            assert written == tuple(found or written)


def test_a_fix_is_filled_in_again_after_a_change_that_it_does_not_rest_on() -> None:
    world = world_of(CAST)
    for number in range(2):
        told(world, client(f"data/web-{number}"))
    world.apply([put(deployment("data/bystander"))])
    for number in range(2, 4):
        view = Overlay(world, [one := client(f"data/web-{number}")])
        parts, known = judge_workload(view, one, near=False).dependencies, RememberedFixes(Neighbours(view), one)
        filled = [known.find(known.ask([part])) is not None for part in parts]
        assert filled == [number > 2, number > 2, True]  # an address has no neighbours
        told(world, one)

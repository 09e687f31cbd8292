"""A world is what was put and not dropped, however it came about: indexes, answers and remembered verdicts."""

from collections.abc import Iterable
from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from tests.support.values import NAMESPACES, answers, changes, judged, values, verdicts
from webhook.model.labels import Labels
from webhook.model.objects import Namespace, Owner, Pod, PodClass, Service, Template, Workload
from webhook.model.refs import WorkloadRef
from webhook.world import Change, Drop, Put, World
from webhook.world.changes import Stamps, Value, key_of

CACHES = {
    "memos",
    "purse",
    "changed",
    "_clock",
    "_view",
    "_changed",
    "_checked",
    "_compiled",
    "_configured",
    "_context",
    "_unlisted",
    "_families",
    "_filled",
    "_found_at",
    "_known",
    "_made",
    "_put",
    "_selected",
    "_serving",
    "_under",
    "_weight",
}  # what is in them is compared as answers, or counts
histories = st.lists(changes, max_size=30)


def folded(history: Iterable[Change]) -> World:
    world = World(complete=True)
    world.apply(history)
    return world


def left(history: Iterable[Change]) -> list[Value]:
    """Return the objects that a history ends with."""
    here: dict[Drop, Value] = {}
    for change in history:
        match change:
            case Put(value):
                here[key_of(value)] = value
            case Drop():
                here.pop(change, None)
    return list(here.values())


def state(part: object) -> Any:  # noqa: ANN401 - nested dicts and model values
    """Return everything that a world holds but for caches; indexes and what is in them without order."""
    if isinstance(part, dict):
        return {key: state(value) for key, value in part.items()}
    if isinstance(part, Stamps):
        return set(vars(part)["_of"])  # nothing is kept of what is gone
    if type(part).__module__.startswith("webhook.world."):
        return {key: state(value) for key, value in vars(part).items() if key not in CACHES}
    return part


# -- any history ------------------------------------------------------------------------------------------------------


@given(histories, st.data())
def test_a_history_in_any_batches_ends_in_the_world_of_its_last_objects(
    history: list[Change], data: st.DataObject
) -> None:
    world, rest = World(complete=True), history
    while rest:
        size = data.draw(st.integers(1, len(rest)), "batch")
        world.apply(rest[:size])
        answers(world)  # whatever is remembered here must not outlive what it is about
        rest = rest[size:]
    fresh = folded(map(Put, data.draw(st.permutations(left(history)), "order")))
    event(f"{len(left(history)) // 5 * 5}+ objects left")
    assert state(world) == state(fresh)
    assert answers(world) == answers(fresh)


@given(histories, st.data())
def test_events_of_different_objects_may_come_in_any_order(history: list[Change], data: st.DataObject) -> None:
    queues: dict[Drop, list[Change]] = {}
    for change in history:
        queues.setdefault(change if isinstance(change, Drop) else key_of(change.value), []).append(change)
    keys = data.draw(st.permutations([key for key, queue in queues.items() for _ in queue]), "interleaving")
    other = folded(queues[key].pop(0) for key in keys)
    assert state(other) == state(folded(history))
    assert answers(other) == answers(folded(history))


@given(st.lists(values, max_size=20))
def test_a_world_from_which_all_is_dropped_is_as_empty_as_a_new_one(objects: list[Value]) -> None:
    world = folded(map(Put, objects))
    answers(world)
    world.apply(map(key_of, objects))
    assert state(world) == state(World(complete=True))


@given(st.lists(values, min_size=10, max_size=20), st.lists(changes, min_size=4, max_size=8))
def test_remembered_answers_are_forgotten_where_a_change_touches_them(below: list[Value], last: list[Change]) -> None:
    world, history = folded(map(Put, below)), list[Change](map(Put, below))
    for change in last:
        answers(world)
        world.apply([change])
        history.append(change)
        assert answers(world) == answers(folded(history)), change


@given(st.lists(judged, min_size=4, max_size=8), st.lists(judged, min_size=4, max_size=6), st.data())
def test_remembered_verdicts_are_forgotten_where_a_change_touches_them(
    below: list[Value], last: list[Value], data: st.DataObject
) -> None:
    world, history = folded(map(Put, below)), list[Change](map(Put, below))
    for value in last:
        change: Change = key_of(value) if data.draw(st.integers(0, 3)) == 0 else Put(value)
        verdicts(world)
        world.apply([change])
        history.append(change)
        assert verdicts(world) == verdicts(folded(history)), change


# -- controllers ------------------------------------------------------------------------------------------------------


@given(histories)
def test_every_live_pod_stands_in_one_group_below_its_topmost_controller(history: list[Change]) -> None:
    world = folded(history)
    live = [v for v in left(history) if isinstance(v, Pod) and v.live]
    for pod in live:
        assert pod in world.pods.of(world.pods.top(pod))
        assert [g.ref for g in world.pods.groups(pod.namespace) if pod in g.pods] == [world.pods.top(pod)]
    assert sum(len(g.pods) for n in NAMESPACES for g in world.pods.groups(n)) == len(live)


def pod(name: str = "p", owner: Owner | None = None, **labels: str) -> Pod:
    return Pod("a", name, PodClass("a", Labels({k.replace("_", "-"): v for k, v in labels.items()})), owner=owner)


def workload(kind: str, name: str, owner: Owner | None = None, **labels: str) -> Workload:
    return Workload(WorkloadRef(kind, "a", name), Template(PodClass("a", Labels(labels), template=True)), owner=owner)


def test_a_replica_set_that_is_not_here_is_its_deployments_by_the_hash_in_its_name() -> None:
    one = pod(owner=Owner("ReplicaSet", "web-5d8"), pod_template_hash="5d8")
    world = folded([Put(one)])
    assert world.pods.top(one) == WorkloadRef("Deployment", "a", "web")
    assert world.pods.of(WorkloadRef("Deployment", "a", "web")) == (one,)


def test_a_replica_set_that_is_here_without_a_controller_keeps_its_pods() -> None:
    one = pod(owner=Owner("ReplicaSet", "web-5d8"), pod_template_hash="5d8")
    world = folded([Put(one), Put(workload("ReplicaSet", "web-5d8"))])
    assert world.pods.top(one) == WorkloadRef("ReplicaSet", "a", "web-5d8")
    assert world.pods.of(WorkloadRef("Deployment", "a", "web")) == ()


def test_pods_of_a_guessed_deployment_belong_to_who_controls_that() -> None:
    one = pod(owner=Owner("ReplicaSet", "web-5d8"), pod_template_hash="5d8")
    world = folded([Put(one), Put(workload("Deployment", "web", Owner("Rollout", "all")))])
    assert world.pods.top(one) == WorkloadRef("Rollout", "a", "all")
    assert world.pods.of(WorkloadRef("Rollout", "a", "all")) == (one,)


def test_controllers_in_a_circle_end_somewhere() -> None:
    one = pod(owner=Owner("Job", "x"))
    world = folded([Put(one), *(Put(workload("Job", n, Owner("Job", o))) for n, o in (("x", "y"), ("y", "x")))])
    assert one in world.pods.of(world.pods.top(one))


def test_a_workload_with_finished_pods_only_is_judged_by_its_template() -> None:
    done = Pod("a", "p", PodClass("a", Labels({"app": "job"})), live=False, owner=Owner("Job", "j"))
    job = workload("Job", "j", app="job")
    world = folded([Put(done), Put(job)])
    (group,) = world.pods.behind(Service("a", "s", selector=Labels({"app": "job"})))
    assert (group.pods, group.template) == ((), job)


# -- namespaces -------------------------------------------------------------------------------------------------------


def test_a_namespace_that_nobody_gave_has_the_label_that_the_api_server_sets() -> None:
    assert folded([]).namespaces.get("x") == Namespace(
        "x", Labels({"kubernetes.io/metadata.name": "x"}), synthetic=True
    )


def test_a_namespace_with_something_in_it_is_here() -> None:
    world = folded([Put(workload("Deployment", "web"))])
    assert "a" in world.namespaces
    assert "b" not in world.namespaces
    world.apply([Drop("Deployment", "a", "web")])
    assert "a" not in world.namespaces


def test_a_kind_that_is_none_of_ours_can_be_dropped() -> None:
    world = folded([Put(workload("Deployment", "web"))])
    world.apply([Drop("ConfigMap", "a", "web"), Drop("Namespace", "", "a"), Drop("Deployment", "b", "web")])
    assert list(world.namespaces.names()) == ["a"]

"""Service meshes: where proxies carry packets to, and what is said where that changes the answer."""

from typing import Any, Final

import pytest

from tests.support.arena import Raw, world_of
from tests.support.making import deployment, service
from tests.support.worlds import namespace, policy
from webhook.families import project
from webhook.fix import fix_dependency
from webhook.judge import Explanation, explain, judge_workload
from webhook.model.answers import Verdict
from webhook.model.objects import Namespace, Workload
from webhook.model.refs import WorkloadRef
from webhook.wiring.snapshot import projection, restored
from webhook.world import Put, World

AMBIENT: Final = {"istio.io/dataplane-mode": "ambient"}
INJECT: Final = {"linkerd.io/inject": "enabled"}
SIDECAR: Final = {"istio-injection": "enabled"}


def space(name: str, labels: dict[str, str] | None = None, notes: dict[str, str] | None = None) -> Raw:
    raw = namespace(name, labels)
    raw["metadata"]["annotations"] = notes or {}
    return raw


def opened(*ports: int) -> Raw:
    """Return a policy that lets web in on some ports."""
    rule = {"from": [{"namespaceSelector": {}}], "ports": [{"port": port} for port in ports]}
    return policy("data/in", podSelector={}, policyTypes=["Ingress"], ingress=[rule])


def asked(
    shop: Raw, data: Raw, *objects: Raw, to: str = "db.data:5432", labels: dict[str, str] | None = None
) -> Explanation:
    world = world_of([shop, data, *members(labels or {}), *objects])
    web = world.workloads.get(WorkloadRef("Deployment", "shop", "web"))
    assert web is not None
    return explain(world, web, to)


def members(labels: dict[str, str]) -> list[Raw]:
    db = deployment("data/db", [{"containerPort": 5432}, {"containerPort": 53, "protocol": "UDP"}])
    db["spec"]["template"]["metadata"]["labels"] |= labels
    ports: list[Raw] = [{"port": 5432}, {"name": "dns", "port": 53, "protocol": "UDP"}]
    return [deployment("shop/web"), db, service("data/db", {"app": "db"}, ports, clusterIP="10.96.5.5")]


CASES: Final[dict[str, tuple[dict[str, Any], dict[str, Any], tuple[int, ...], Verdict]]] = {
    "both in ambient mode, the port alone": ({"labels": AMBIENT}, {"labels": AMBIENT}, (5432,), Verdict.UNKNOWN),
    "both in ambient mode, the tunnel alone": ({"labels": AMBIENT}, {"labels": AMBIENT}, (15008,), Verdict.UNKNOWN),
    "both in ambient mode, both ports": ({"labels": AMBIENT}, {"labels": AMBIENT}, (5432, 15008), Verdict.ALLOWED),
    "both in ambient mode, neither port": ({"labels": AMBIENT}, {"labels": AMBIENT}, (80,), Verdict.DENIED),
    "the server alone in ambient mode": ({}, {"labels": AMBIENT}, (5432,), Verdict.ALLOWED),
    "the client alone in ambient mode": ({"labels": AMBIENT}, {}, (5432,), Verdict.ALLOWED),
    "both with sidecars of Istio": ({"labels": SIDECAR}, {"labels": SIDECAR}, (5432,), Verdict.ALLOWED),
    "both with Linkerd, the port alone": ({"notes": INJECT}, {"notes": INJECT}, (5432,), Verdict.UNKNOWN),
    "both with Linkerd, both ports": ({"notes": INJECT}, {"notes": INJECT}, (5432, 4143), Verdict.ALLOWED),
    "both with Linkerd, neither port": ({"notes": INJECT}, {"notes": INJECT}, (80,), Verdict.DENIED),
    "the server alone with Linkerd": ({}, {"notes": INJECT}, (5432,), Verdict.ALLOWED),
    "no mesh": ({}, {}, (5432,), Verdict.ALLOWED),
}


@pytest.mark.parametrize("name", CASES)
def test_a_connection_is_judged_on_every_port_that_it_may_take(name: str) -> None:
    shop, data, ports, expected = CASES[name]
    found = asked(space("shop", **shop), space("data", **data), opened(*ports))
    assert found.verdict is expected
    if expected is Verdict.UNKNOWN:
        port, mesh = ("15008", "Istio in ambient mode") if "labels" in shop else ("4143", "Linkerd")
        assert port in (found.reason or "")
        assert mesh in (found.reason or "")


def test_a_pod_can_leave_the_mesh_of_its_namespace() -> None:
    both = space("shop", AMBIENT), space("data", AMBIENT)
    off = {"istio.io/dataplane-mode": "none"}
    assert asked(*both, opened(5432), labels=off).verdict is Verdict.ALLOWED


def test_nothing_but_tcp_goes_through_a_mesh() -> None:
    both = space("shop", AMBIENT), space("data", AMBIENT)
    rule = {"ports": [{"port": 53, "protocol": "UDP"}]}
    udp = policy("data/in", podSelector={}, policyTypes=["Ingress"], ingress=[rule])
    assert asked(*both, udp, to="db.data:53/UDP").verdict is Verdict.ALLOWED


def test_without_policy_a_mesh_changes_nothing() -> None:
    both = space("shop", AMBIENT), space("data", AMBIENT)
    assert asked(*both).verdict is Verdict.ALLOWED
    assert (
        asked(space("shop", AMBIENT), space("data", {**AMBIENT, "istio.io/use-waypoint": "way"})).verdict
        is Verdict.ALLOWED
    )


def test_a_waypoint_stands_between_the_two() -> None:
    found = asked(
        space("shop", AMBIENT), space("data", {**AMBIENT, "istio.io/use-waypoint": "way"}), opened(5432, 15008)
    )
    assert found.verdict is Verdict.UNKNOWN
    assert "waypoint way" in (found.reason or "")


@pytest.mark.parametrize("labels", [AMBIENT, SIDECAR])
def test_the_mesh_s_own_authorisation_is_a_note_and_never_a_verdict(labels: dict[str, str]) -> None:
    found = asked(space("shop", labels), space("data", labels))
    assert found.verdict is Verdict.ALLOWED
    assert any("Istio may deny" in note for note in found.assumptions)
    assert not any("may deny" in note for note in asked(space("shop"), space("data")).assumptions)


def test_running_pods_show_linkerd_by_a_label() -> None:
    pods = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"namespace": where, "name": name, "labels": {"app": name, **extra}},
            "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "c"}]},
            "status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]},
        }
        for where, name, address, extra in (
            ("shop", "lone", "10.0.0.1", {"linkerd.io/control-plane-ns": "linkerd"}),
            ("data", "other", "10.0.0.2", {"linkerd.io/control-plane-ns": "linkerd"}),
            ("data", "plain", "10.0.0.3", {}),
        )
    ]
    world = world_of([space("shop"), space("data"), *pods, opened(5432)])
    lone = world.workloads.get(WorkloadRef("Pod", "shop", "lone"))
    assert lone is not None
    assert explain(world, lone, "po/other.data:5432").verdict is Verdict.UNKNOWN
    assert explain(world, lone, "po/plain.data:5432").verdict is Verdict.ALLOWED


def test_a_fix_opens_the_tunnel_too() -> None:
    closed = policy("data/in", podSelector={}, policyTypes=["Ingress"])
    world = world_of([space("shop", AMBIENT), space("data", AMBIENT), *members({}), closed])
    web = project(deployment("shop/web", notes={"netpol-preflight.io/connects-to": "db.data:5432"}))
    assert isinstance(web, Workload)
    judged = judge_workload(world, web)
    fixed = fix_dependency(world, web, judged.dependencies[0], judged.dns)
    assert fixed.policies, fixed.reason
    assert {"15008", "5432"} <= set(str(fixed.policies).replace("}", " ").replace(",", " ").split())
    apply(world, fixed.policies)
    assert judge_workload(world, web).dependencies[0].verdict is Verdict.ALLOWED


def apply(world: World, raws: tuple[Raw, ...]) -> None:
    for raw in raws:
        value = project(raw)
        assert value is not None
        world.apply([Put(value)])


@pytest.mark.parametrize(("word", "injected"), [("enabled", True), ("ingress", True), ("disabled", False), ("x", None)])
def test_what_asks_for_linkerd_is_kept_in_snapshots(word: str, injected: bool | None) -> None:
    raw = space("shop", notes={"linkerd.io/inject": word, "other": "secret"})
    value = project(raw)
    assert isinstance(value, Namespace)
    assert value.injected is injected
    record = projection(raw, value)
    assert "secret" not in str(record)
    assert restored(record) == value

"""Egress that is judged before translation (AWS): the Service's own address and port are what rules must open."""

from typing import Any, Final

import pytest

from tests.support.arena import Raw, world_of
from tests.support.making import deployment, headless, service
from tests.support.worlds import namespace, policy
from webhook.config.settings_from_file import settings
from webhook.families import project
from webhook.fix import fix_dependency
from webhook.judge import explain, judge_workload
from webhook.model.answers import Verdict
from webhook.model.objects import Workload
from webhook.model.refs import WorkloadRef
from webhook.world import Put, World

WEB: Final = WorkloadRef("Deployment", "shop", "web")
DATA: Final = {"namespaceSelector": {"matchLabels": {"team": "b"}}}
ANYWHERE: Final = {"ipBlock": {"cidr": "0.0.0.0/0"}}
PG: Final = {"port": 5432, "targetPort": 5432}
Answer = tuple[str, str]  # the verdict, and what its reason mentions


def pods(**labels: str) -> Raw:
    return {"podSelector": {"matchLabels": labels}}


def block(cidr: str, *excepts: str) -> Raw:
    return {"ipBlock": {"cidr": cidr, **({"except": list(excepts)} if excepts else {})}}


def out(*peers: Raw, ports: list[Raw] | None = None) -> Raw:
    rule = {**({"to": list(peers)} if peers else {}), **({"ports": ports} if ports else {})}
    return policy("shop/out", podSelector={}, policyTypes=["Egress"], egress=[rule])


def aws(*objects: Raw, selector: Raw | None = None, ports: tuple[Raw, ...] = (PG,), **spec: Any) -> World:  # noqa: ANN401 - any field of a Service
    """Return a cluster in which web in shop calls db in data (team b), whose pods are `app: db`, `tier: back`."""
    db = deployment("data/db", [{"name": "pg", "containerPort": 5432}, {"name": "http", "containerPort": 8080}])
    db["spec"]["template"]["metadata"]["labels"] = {"app": "db", "tier": "back"}
    address = {"clusterIP": "10.96.5.5", **spec}
    base = [
        namespace("shop", {"team": "a"}),
        namespace("data", {"team": "b"}),
        deployment("shop/web"),
        db,
        service("data/db", selector or {"app": "db"}, list(ports), **address),
        headless("data/each", {"app": "db"}, [PG]),
    ]
    return world_of([*base, *objects], settings=settings(cni="aws"))


def verdict(world: World, to: str = "db.data:5432") -> Answer:
    workload = world.workloads.get(WEB)
    assert workload is not None
    found = explain(world, workload, to)
    return found.verdict.value, found.reason or ""


CASES: Final[dict[str, tuple[World, str]]] = {
    "every address": (aws(out()), "allowed"),
    "every address on the Service's port": (aws(out(ports=[{"port": 5432}])), "allowed"),
    "every address on another port": (aws(out(ports=[{"port": 80}])), "denied"),
    "every address by a port's name, which is skipped": (aws(out(ports=[{"port": "pg"}])), "denied"),
    "a block with the Service's address": (aws(out(block("10.96.0.0/12"))), "allowed"),
    "a block with it but for its exception": (aws(out(block("10.96.0.0/12", "10.96.5.0/24"))), "denied"),
    "a block of pods": (aws(out(block("10.244.0.0/16"))), "denied"),
    "a block on the Service's port": (aws(out(ANYWHERE, ports=[{"port": 5432}])), "allowed"),
    "a block by a port's name, which is skipped": (aws(out(ANYWHERE, ports=[{"port": "pg"}])), "denied"),
    "a block, and a Service without an address in files": (aws(out(block("10.96.0.0/12")), clusterIP=""), "unknown"),
    "a whole block, and a Service without an address in files": (aws(out(ANYWHERE), clusterIP=""), "allowed"),
    "the namespace": (aws(out(DATA)), "allowed"),
    "another namespace": (aws(out({"namespaceSelector": {"matchLabels": {"team": "c"}}})), "denied"),
    "labels that the Service selects by": (aws(out({**DATA, **pods(app="db")})), "allowed"),
    "labels of the pods that the Service does not select by": (aws(out({**DATA, **pods(tier="back")})), "denied"),
    "labels of its own namespace": (aws(out(pods(app="db"))), "denied"),
    "labels and the port": (aws(out({**DATA, **pods(app="db")}, ports=[{"port": 5432}])), "allowed"),
    "labels and the port's name": (
        aws(out(DATA, ports=[{"port": "pg"}]), ports=({"port": 5432, "targetPort": "pg"},)),
        "allowed",
    ),
    "labels and the number behind the port's name": (
        aws(out(DATA, ports=[{"port": 5432}]), ports=({"port": 5432, "targetPort": "pg"},)),
        "allowed",
    ),
    "labels and the name of a numbered target": (aws(out(DATA, ports=[{"port": "pg"}])), "allowed"),
    "labels and a name that no pod has": (aws(out(DATA, ports=[{"port": "sql"}])), "denied"),
    "labels and another protocol": (aws(out(DATA, ports=[{"port": 5432, "protocol": "UDP"}])), "denied"),
    "labels and every port of the protocol": (aws(out(DATA, ports=[{"protocol": "TCP"}])), "allowed"),
    "a range that begins at the target": (aws(out(DATA, ports=[{"port": 5432, "endPort": 6000}])), "allowed"),
    "a range that only holds the target": (aws(out(DATA, ports=[{"port": 5000, "endPort": 6000}])), "denied"),
    "a peer that the API refuses": (aws(out({"ipBlock": {"cidr": "nowhere"}})), "denied"),
}


@pytest.mark.parametrize("name", CASES)
def test_the_service_s_own_address_and_port_are_what_rules_open(name: str) -> None:
    world, expected = CASES[name]
    assert verdict(world)[0] == expected


def test_a_service_on_another_port_than_its_pods_is_opened_by_newer_controllers_only() -> None:
    world = aws(out(DATA, ports=[{"port": 8080}]), ports=({"port": 80, "targetPort": 8080},))
    answer, reason = verdict(world, "db.data:80")
    assert answer == "unknown"
    assert "older controllers" in reason
    assert (
        verdict(aws(out(DATA, ports=[{"port": 80}]), ports=({"port": 80, "targetPort": 8080},)), "db.data:80")[0]
        == "denied"
    )


def test_pods_that_are_dialled_themselves_are_judged_by_their_own_labels_and_port() -> None:
    world = aws(out({**DATA, **pods(tier="back")}, ports=[{"port": 5432}]))
    assert verdict(world, "each.data:5432")[0] == "allowed"
    assert verdict(world, "deploy/db.data:5432")[0] == "allowed"


def test_ingress_is_judged_behind_the_service() -> None:
    closed = policy(
        "data/in",
        podSelector={},
        policyTypes=["Ingress"],
        ingress=[{"from": [{"namespaceSelector": {"matchLabels": {"team": "a"}}}], "ports": [{"port": 8080}]}],
    )
    world = aws(closed, ports=({"port": 80, "targetPort": 8080}, PG))
    assert verdict(world, "db.data:80")[0] == "allowed"
    assert verdict(world)[0] == "denied"


def test_a_fix_opens_the_service_too() -> None:
    world = aws(policy("shop/closed", podSelector={}, policyTypes=["Egress"]))
    workload = project(deployment("shop/web", notes={"netpol-preflight.io/connects-to": "db.data:5432"}))
    assert isinstance(workload, Workload)
    judged = judge_workload(world, workload)
    assert judged.dependencies[0].verdict is Verdict.DENIED
    fixed = fix_dependency(world, workload, judged.dependencies[0], judged.dns)
    assert fixed.policies, fixed.reason
    for raw in fixed.policies:
        value = project(raw)
        assert value is not None
        world.apply([Put(value)])
    assert verdict(world)[0] == "allowed"

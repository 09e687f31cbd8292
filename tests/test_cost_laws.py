"""What a review costs grows as its input does: twice as much input costs twice as much, in steps and in calls."""

from collections.abc import Callable
from datetime import date
from itertools import pairwise
from typing import Final

import msgspec
import pytest

from tests.support.arena import Raw, world_of
from tests.support.counting import calls
from tests.support.growing import CLOSED, OUT, SPACES, Input, addresses, egress, pods, web
from tests.support.making import deployment, service
from tests.support.reviews import request
from tests.support.worlds import port
from webhook import World as Checked
from webhook.dependencies.resolve import Resolved
from webhook.judge import judge
from webhook.model.budget import Budget
from webhook.model.objects import Workload
from webhook.model.settings import CONNECTS_TO, Enforcer, Mode, Settings
from webhook.review.decide import decide
from webhook.wire.admission import AdmissionRequest, admission_request
from webhook.world import View

Make = Callable[[int], Input]
# The proof of a fix with a rule for each pod asks that rule's policy of each pod: a product, which the budget ends.
PRODUCTS: Final = frozenset({"bare pods of distinct labels"})
SIZES: Final = (12, 24, 48)
TODAY: Final = date(2026, 11, 20)
DB: Final = [deployment("data/db", [port("pg", 5432)]), service("data/db", {"app": "db"}, [{"port": 5432}])]


def blocks(n: int) -> list[Raw]:
    return [{"ipBlock": {"cidr": f"203.0.{number}.0/24"}} for number in range(n)]


def clients(n: int) -> Input:
    items = "\n".join(["db.data:5432", *(f"else{number}:80" for number in range(5))])
    return [*CLOSED, DB[1], *(deployment(f"shop/c{i}", annotations={CONNECTS_TO: items}) for i in range(n))], DB[0]


def items_of_clients(n: int) -> Input:
    items = "\n".join(["db.data:5432", *(f"else{number}:80" for number in range(n))])
    return [*CLOSED, DB[1], *(deployment(f"shop/c{i}", annotations={CONNECTS_TO: items}) for i in range(5))], DB[0]


def containers(n: int) -> Input:
    raw = web("db.data:5432")
    raw["spec"]["template"]["spec"]["containers"] = [{"name": f"c{i}", "image": "c"} for i in range(n)]
    return [OUT, *CLOSED, *DB], raw


def env(n: int) -> Input:
    raw = web("db.data:5432")
    found = [{"name": f"DB{number}_URL", "value": f"postgres://db{number}.data:5432/x"} for number in range(n)]
    raw["spec"]["template"]["spec"]["containers"][0]["env"] = found
    return [OUT, *CLOSED, *DB], raw


def entries(n: int) -> Input:
    raw = web("db.data:5432")
    raw["spec"]["template"]["spec"]["containers"][0]["envFrom"] = [{"configMapRef": {"name": "urls"}}]
    data = {f"DB{number}": f"postgres://db{number}.data:5432/x" for number in range(n)}
    told = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "shop", "name": "urls"}, "data": data}
    return [OUT, *CLOSED, *DB, told], raw


def labelled(n: int) -> Input:
    raw = web("db.data:5432")
    raw["spec"]["template"]["metadata"]["labels"] |= {f"k{number}": "v" for number in range(n)}
    return [OUT, *CLOSED, *DB], raw


def near(n: int) -> Input:
    rules = [{"to": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": f"d{i}"}}}]} for i in range(n)]
    return [egress(*rules), *CLOSED, *DB], web("db.data:5432")


LAWS: Final[dict[str, Make]] = {
    "items": lambda n: ([egress({"to": blocks(3)})], web(*(f"{one}:443" for one in addresses(n)))),
    "hosts of an item": lambda n: ([egress({"to": blocks(3)})], web(f"http://{','.join(addresses(n))}/")),
    "items that are names": lambda n: ([OUT, *DB], web(*(f"db{number}.data:80" for number in range(n)))),
    "peers of a policy": lambda n: ([egress({"to": blocks(n)})], web("198.51.100.1:443", "198.51.100.2:443")),
    "rules": lambda n: ([egress(*({"to": [one]} for one in blocks(n)))], web("198.51.100.1:443")),
    "policies": lambda n: (
        [egress({"to": [one]}, name=f"shop/p{number}") for number, one in enumerate(blocks(n))],
        web("198.51.100.1:443"),
    ),
    "entries of a ConfigMap": entries,
    "env": env,
    "containers": containers,
    "pods of equal labels": lambda n: pods(n, alike=True, bare=False),
    "pods of distinct labels": lambda n: pods(n, alike=False, bare=False),
    "bare pods of distinct labels": lambda n: pods(n, alike=False, bare=True),
    "declarations that name a server": clients,
    "items of clients": items_of_clients,
    "labels": labelled,
    "candidates for near misses": near,
}


def cost(make: Make, size: int, mode: Mode, count: str) -> int:
    objects, obj = make(size)
    world = world_of([*SPACES, *objects], settings=Settings(mode=mode))
    meta = obj["metadata"]
    budget = Budget(10**9)
    asked = request(obj, namespace=meta["namespace"], name=meta["name"])
    called = calls(lambda: decide(asked, world, TODAY, budget=budget))
    return budget.spent if count == "steps" else called


def growths(costs: list[int]) -> list[float]:
    """Return by how much each doubling grew over the one before it: 2 is linear, 4 quadratic.

    A hundredth of the least is no growth: a few calls more may be what another test has left to be done once.
    """
    added, slack = [more - less for less, more in pairwise(costs)], 1 + costs[0] // 100
    return [(after + slack) / (before + slack) for before, after in pairwise(added)]


@pytest.mark.parametrize("count", ["steps", "calls"])
@pytest.mark.parametrize("mode", [Mode.WARN, Mode.ENFORCE])
@pytest.mark.parametrize("name", LAWS)
def test_twice_the_input_costs_about_twice_as_much(name: str, mode: Mode, count: str) -> None:
    costs = [cost(LAWS[name], size, mode, count) for size in SIZES]
    assert max(growths(costs)) < (3.5 if count == "steps" and name in PRODUCTS else 2.6), costs


def checked(size: int) -> int:
    """How many calls a check takes of so many clients of one server, none of whom is let in: each has a fix."""
    web = [deployment(f"data/w{number}", annotations={CONNECTS_TO: "deploy/db:5432"}) for number in range(size)]
    given = [*CLOSED, deployment("data/db", [port("pg", 5432)]), *web]
    return calls(lambda: Checked.from_objects(given).check())


def test_a_check_of_twice_the_workloads_costs_about_twice_as_much() -> None:
    checked(1)  # what is loaded once
    costs = [checked(size) for size in (50, 100, 200)]
    assert max(growths(costs)) < 2.6, costs


@pytest.mark.parametrize("count", ["steps", "calls"])
def test_the_law_tells_a_planted_quadratic(count: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []

    def slow(view: View, workload: Workload, resolved: Resolved, *, near: bool = True) -> object:
        seen.append(resolved)
        for one in seen:
            view.budget.spend()
            for _ in range(3):
                repr(id(one))
        return judge(view, workload, resolved, near=near)

    costs = []
    for size in SIZES:
        seen.clear()
        with monkeypatch.context() as patched:
            patched.setattr("webhook.judge.workload.judge", slow)
            costs.append(cost(LAWS["items"], size * 4, Mode.AUDIT, count))
    assert max(growths(costs)) > 2.6, costs


# -- whoever writes a policy -------------------------------------------------------------------------------------------


def _written(version: str, kind: str, spec: Raw, space: str = "data") -> Raw:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "p", "namespace": space}, "spec": spec}


def _labels(number: int) -> Raw:
    return {"matchLabels": {"app": f"a{number}"}}


def _of_requests(number: int) -> Raw:
    ports = [{"ports": [{"port": str(number + 1)}], "rules": {"http": [{"method": "GET"}]}}]
    return {"fromEndpoints": [_labels(number)], "toPorts": ports}


WRITTEN: Final[dict[str, tuple[str, Callable[[int], Raw]]]] = {
    "rules of a NetworkPolicy": (
        "generic",
        lambda n: _written(
            "networking.k8s.io/v1",
            "NetworkPolicy",
            {"podSelector": {}, "ingress": [{"from": [{"podSelector": _labels(i)}]} for i in range(n)]},
        ),
    ),
    "peers of one of its rules": (
        "generic",
        lambda n: _written(
            "networking.k8s.io/v1", "NetworkPolicy", {"podSelector": {}, "ingress": [{"from": blocks(n)}]}
        ),
    ),
    "rules of a CiliumNetworkPolicy": (
        "cilium",
        lambda n: _written(
            "cilium.io/v2",
            "CiliumNetworkPolicy",
            {
                "endpointSelector": {},
                "ingress": [{"fromEndpoints": [_labels(i)]} for i in range(n)],
                "ingressDeny": [{"fromEndpoints": [_labels(i)]} for i in range(n)],
            },
        ),
    ),
    "rules about requests of a CiliumNetworkPolicy": (
        "cilium",
        lambda n: _written(
            "cilium.io/v2",
            "CiliumNetworkPolicy",
            {
                "endpointSelector": {},
                "ingress": [*map(_of_requests, range(n)), *({"fromEndpoints": [_labels(i)]} for i in range(n))],
            },
        ),
    ),
    "rules of Calico's NetworkPolicy": (
        "calico",
        lambda n: _written(
            "projectcalico.org/v3",
            "NetworkPolicy",
            {
                "selector": "all()",
                "types": ["Ingress"],
                "ingress": [{"action": "Allow", "source": {"selector": f"app == 'a{i}'"}} for i in range(n)],
            },
        ),
    ),
    "rules of a ClusterNetworkPolicy": (
        "generic",
        lambda n: _written(
            "policy.networking.k8s.io/v1alpha2",
            "ClusterNetworkPolicy",
            {
                "tier": "Admin",
                "priority": 1,
                "subject": {"namespaces": {}},
                "ingress": [{"action": "Deny", "from": [{"namespaces": _labels(i)}]} for i in range(n)],
            },
            "",
        ),
    ),
}


def asked_to_write(name: str, size: int) -> tuple[View, AdmissionRequest]:
    cni, make = WRITTEN[name]
    world = world_of([*SPACES, *DB, web("db.data:5432")], settings=Settings(enforcer=Enforcer(cni)))
    raw = make(size)
    group, _, version = raw["apiVersion"].rpartition("/")
    asked = {
        "uid": "u-1",
        "kind": {"group": group, "version": version, "kind": raw["kind"]},
        "operation": "CREATE",
        "namespace": raw["metadata"]["namespace"],
        "object": raw,
    }
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": asked}
    return world, admission_request(msgspec.json.encode(review))


@pytest.mark.parametrize("name", WRITTEN)
def test_a_policy_of_twice_the_size_costs_about_twice_as_much(name: str) -> None:
    spent, called = [], []
    decide(asked_to_write(name, 1)[1], asked_to_write(name, 1)[0], TODAY)  # the family is loaded when it is first met
    for size in (50, 100, 200):
        world, asked = asked_to_write(name, size)
        budget = Budget(10**9)
        called.append(calls(lambda: decide(asked, world, TODAY, budget=budget)))  # noqa: B023 - called at once
        spent.append(budget.spent)
    assert max(growths(spent)) < 2.6, spent
    assert max(growths(called)) < 2.6, called
    assert min(growths(spent)) > 1.5, spent


@pytest.mark.parametrize("name", WRITTEN)
def test_a_policy_of_too_many_rules_is_not_read_to_its_end(name: str) -> None:
    world, asked = asked_to_write(name, 45_000)
    budget, decisions = Budget(1_000_000), []
    called = calls(lambda: decisions.append(decide(asked, world, TODAY, budget=budget)))
    assert decisions[0].exhausted
    assert budget.spent <= 1_000_000
    assert called < 1_000_000  # as few as steps; to read all of it takes some millions

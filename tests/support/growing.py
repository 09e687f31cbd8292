"""Inputs of any size, for what grows with them."""

from typing import Any, Final

from tests.support.arena import Raw
from tests.support.making import deployment, service
from tests.support.worlds import namespace, pod, policy, port
from webhook.model.settings import CONNECTS_TO

Input = tuple[list[Raw], Raw]  # what is there, and what is reviewed


CLOSED: Final = [policy("data/in", podSelector={}, policyTypes=["Ingress"])]


OUT: Final = policy("shop/out", podSelector={}, policyTypes=["Egress"])


SPACES: Final = [namespace("shop"), namespace("data")]


def web(*items: str, **more: Any) -> Raw:  # noqa: ANN401 - as `deployment`
    return deployment("shop/web", annotations={CONNECTS_TO: "\n".join(items)}, **more)


def addresses(n: int) -> list[str]:
    return [f"198.51.{number // 250}.{number % 250}" for number in range(n)]


def egress(*rules: Raw, name: str = "shop/out") -> Raw:
    return policy(name, podSelector={}, policyTypes=["Egress"], egress=list(rules))


def pods(n: int, *, alike: bool, bare: bool) -> Input:
    found = []
    for number in range(n):
        labels = {"app": "db", **({} if alike else {"n": str(number)})}
        raw = pod(f"data/db-{number}", number, labels, [port("pg", 5432)])
        if not bare:
            owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": "u", "controller": True}
            raw["metadata"]["ownerReferences"] = [owner]
        found.append(raw)
    return [OUT, *CLOSED, service("data/db", {"app": "db"}, [{"port": 5432}]), *found], web("db.data:5432")

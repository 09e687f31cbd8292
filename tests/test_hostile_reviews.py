"""Over TLS: what one person's objects cost is no other's loss, and an honest review beside it is denied in time."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Final

import msgspec
import pytest

from tests.support.arena import Raw, world_of
from tests.support.growing import addresses, egress, pods
from tests.support.hostile_objects import config_map, doubling, told, urls
from tests.support.making import deployment, service
from tests.support.reviewing import Fixed, reviewer
from tests.support.serving import serving
from tests.support.worlds import namespace, policy, port
from webhook.model.budget import TOO_MUCH
from webhook.model.settings import CONNECTS_TO, Mode, Settings

TODAY: Final = date(2026, 11, 20)
Case = tuple[list[Raw], Raw]


def web(text: str, notes: str = "") -> Raw:
    return deployment("shop/web", annotations={CONNECTS_TO: text}, notes={CONNECTS_TO: notes})


def many_addresses() -> Case:
    urls = [f"http://{','.join(f'10.{n}.0.{host}' for host in range(50))}/" for n in range(200)]
    return [egress({"to": [{"ipBlock": {"cidr": f"192.168.{n}.0/24"}} for n in range(3)]})], web(
        "\n".join(urls), "\n".join(url.replace("10.", "11.") for url in urls)
    )


def many_blocks() -> Case:
    peers = [{"ipBlock": {"cidr": f"172.{16 + n // 256}.{n % 256}.0/24"}} for n in range(5_000)]
    return [egress({"to": peers})], web("\n".join(f"{one}:443" for one in addresses(200)))


def many_clients() -> Case:
    items = "\n".join(["postgres.data:5432", *(f"other{n}:80" for n in range(149))])
    clients = [deployment(f"shop/c{n}", annotations={CONNECTS_TO: items}) for n in range(60)]
    server = service("data/postgres", {"app": "postgres"}, [{"port": 5432}])
    return [policy("data/in", podSelector={}), server, *clients], deployment("data/postgres", [port("pg", 5432)])


def doubling_variables() -> Case:
    """Return variables of which each holds the one before twice: in all of them, 400 MiB."""
    return [], told(doubling(22))


def one_config_map_sixteen_times() -> Case:
    """Return a workload that is given all of a ConfigMap of 0.8 MB again and again."""
    uses = [{"configMapRef": {"name": "settings"}, "prefix": f"P{n}_"} for n in range(16)]
    servers = [service(f"other/h{n}-0", {"app": "x"}, [{"port": 80}]) for n in range(400)]
    return [config_map(urls(500, 66)), *servers], told({}, envFrom=uses)


def review(raw: Raw) -> bytes:
    meta = raw["metadata"]
    asked = {"uid": meta["name"], "operation": "CREATE", "object": raw, "namespace": meta["namespace"]}
    asked |= {"name": meta["name"], "kind": {"group": "apps", "version": "v1", "kind": "Deployment"}}
    return msgspec.json.encode({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": asked})


HOSTILE: Final[list[Callable[[], Case]]] = [
    many_addresses,
    many_blocks,
    many_clients,
    lambda: pods(250, alike=False, bare=True),
    doubling_variables,
    one_config_map_sixteen_times,
]


@pytest.mark.parametrize("make", HOSTILE)
def test_an_honest_review_beside_a_hostile_one_is_denied(
    make: Callable[[], Case], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects, hostile = make()
    wall = policy("honest/out", podSelector={}, policyTypes=["Egress"])
    spaces = [namespace(name) for name in ("shop", "data", "honest")]
    world = world_of([*spaces, wall, *objects], settings=Settings(mode=Mode.ENFORCE))
    honest = deployment("honest/api", annotations={CONNECTS_TO: "203.0.113.5:443"})
    with serving(tmp_path) as server, ThreadPoolExecutor(5) as threads:
        monkeypatch.setattr(server.backend, "review", reviewer(Fixed(world)).review)
        attack = [threads.submit(server.post, review(hostile), None, "?timeout=30s") for _ in range(4)]
        answer = json.loads(server.post(review(honest), None, "?timeout=30s").body)["response"]
        assert answer["status"]["code"] == 403
        for one in attack:
            found = json.loads(one.result().body)["response"]
            reason = found["auditAnnotations"].get("not-evaluated")
            assert reason == TOO_MUCH if reason else "verdict" in found["auditAnnotations"]
            assert found["allowed"] or reason is None

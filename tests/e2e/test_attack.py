"""What the editor of one namespace, and any pod, can do at once, beside writes of others that must be denied."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event, Thread

from tests.e2e import story
from tests.e2e.conftest import MakeScene, story_in
from tests.e2e.scene import Scene, written
from tests.e2e.serve import Serve
from tests.e2e.story import CONNECTS_TO, Object

WRITES = 5


def deployment(name: str, *, top: str = "", inside: str = "", **container: object) -> Object:
    """Return a Deployment that makes no pods."""
    labels = {"app": name}
    template = {
        "metadata": {"labels": labels, "annotations": {CONNECTS_TO: inside}},
        "spec": {"containers": [{"name": "c", "image": "registry.example.com/c:1", **container}]},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "annotations": {CONNECTS_TO: top}},
        "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": template},
    }


def addressed() -> list[Object]:
    """Return a Deployment of 20,000 addresses, and a policy of 3 blocks."""
    urls = [f"http://{','.join(f'10.{n // 250}.{n % 250}.{host}' for host in range(50))}/" for n in range(400)]
    peers = [{"ipBlock": {"cidr": f"192.168.{n}.0/24"}} for n in range(3)]
    spec = {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"to": peers}]}
    wall = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "out"}, "spec": spec}
    return [wall, deployment("addressed", top="\n".join(urls[:200]), inside="\n".join(urls[200:]))]


def doubling() -> Object:
    """Return variables that double each other: 400 MB, if they were expanded."""
    every = [{"name": "A0", "value": "x" * 100}]
    every += [{"name": f"A{n}", "value": f"$(A{n - 1})$(A{n - 1})"} for n in range(1, 23)]
    return deployment("doubling", env=every)


def told() -> list[Object]:
    """Return a ConfigMap of many URLs, and a Deployment that reads it 16 times."""
    data = {f"URL{n}": f"http://host{n}.elsewhere.example.com:80/" for n in range(16_000)}
    source = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "urls"}, "data": data}
    return [
        source,
        deployment("told", envFrom=[{"prefix": f"P{n}", "configMapRef": {"name": "urls"}} for n in range(16)]),
    ]


def clients(victim: str) -> list[Object]:
    """Return 60 Deployments that name somebody else's database among 150 items."""
    items = "\n".join([f"postgres.{victim}:5432", *(f"else{n}:80" for n in range(149))])
    return [deployment(f"client-{n}", top=items) for n in range(60)]


@contextmanager
def endless_heads(port: int) -> Iterator[None]:
    """Send three heads that do not end, each again when it is cut."""
    over = Event()

    def send() -> None:
        while not over.is_set():
            try:
                with socket.create_connection(("127.0.0.1", port), 5) as connection:
                    connection.sendall(b"GET / HTTP/1.1\r\n")
                    while not over.wait(0.001):
                        connection.sendall(b"a: " + b"b" * 4_000 + b"\r\n")
            except OSError:
                over.wait(0.01)

    threads = [Thread(target=send) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def create(scene: Scene, what: Object | list[Object], *flags: str) -> None:
    """Run `kubectl create`: `apply` would write it all into an annotation once more."""
    done = scene.kubectl("create", *flags, "--filename", "-", text=written(what))
    assert done.code == 0, done.stderr


def test_five_writes_beside_all_of_it_are_denied(make_scene: MakeScene, served: Serve) -> None:
    victim, attacker = story_in(make_scene("enforce")), make_scene()
    web_api = story.web_api(victim.namespace)
    victim.wait_denied(web_api)
    wall, large = addressed()
    create(attacker, wall)
    over = Event()

    def dry_runs() -> int:
        number = 0
        while not over.is_set():
            create(attacker, large, "--dry-run=server")
            number += 1
        return number

    with ThreadPoolExecutor(5) as threads, endless_heads(served.health):
        try:
            attack = [threads.submit(dry_runs) for _ in range(4)]
            stored = threads.submit(create, attacker, [doubling(), *told(), *clients(victim.namespace)])
            said = [victim.apply(story.renamed(web_api, f"web-{n}")) for n in range(WRITES)]
            stored.result()
            said.append(victim.apply(story.renamed(web_api, "web-last")))
        finally:
            over.set()
        assert all(one.result() for one in attack)
    assert [one.denied for one in said] == [True] * (WRITES + 1), said
    assert served.get("/readyz") == (200, "ok")

"""What a whole cluster costs: one verdict with its evidence, and `audit` of all that is declared, the whole process."""

import random
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Final

from tests.benchmarks import matrix_world
from tests.benchmarks.matrix import row_of, run
from tests.benchmarks.results import Result, timed
from tests.benchmarks.synthetic import Raw, Sizes, app_name, namespace_name, objects
from webhook.evaluate import judge_pair, template_end
from webhook.families import project
from webhook.model.settings import CONNECTS_TO
from webhook.wiring.snapshot import Snapshot, projection, write
from webhook.world import Put, World

WORKLOADS: Final = 800
PAIRS: Final = 20_000  # of pods, each with a port, that are asked about
TARGETS: Final = {"fresh": 20.0, "remembered": 3.0}  # microseconds
SECONDS: Final = 5.0  # that whoever asks for an audit waits, on two cores
_FOUND: Final = 1  # what `audit` ends with where it has something to say
_ASKED: Final = ("NetworkPolicy.networking.k8s.io", "Pod", "Deployment.apps", "Service")


def measure(sizes: Sizes, rounds: int) -> list[Result]:
    """Measure verdicts in this process, and `audit` as a process of its own."""
    return [*_verdicts(rounds), _audit(sizes, rounds)]


def _verdicts(rounds: int) -> Iterator[Result]:
    world = World(complete=True)
    world.apply(Put(value) for raw in matrix_world.objects(WORKLOADS) if (value := project(raw)) is not None)
    ends = [template_end(world, workload) for workload in world.workloads.every()]
    chosen = random.Random(1)
    asked = [(chosen.choice(ends), chosen.choice(ends), chosen.choice(matrix_world.PORTS)) for _ in range(PAIRS)]
    taken: dict[str, list[float]] = {name: [] for name in TARGETS}
    for _ in range(rounds):
        world.memos.clear()
        for name in TARGETS:
            begun = time.process_time()
            for source, target, port in asked:
                judge_pair(world, source, target, "TCP", port)
            taken[name].append((time.process_time() - begun) / PAIRS)
    for name, some in taken.items():
        row = timed(f"one verdict with its evidence, {name}: {WORKLOADS} workloads", "us", some, 1e6)
        row.target, row.met = f"<= {TARGETS[name]:g} us", median(some) * 1e6 <= TARGETS[name]
        yield row


def _audit(sizes: Sizes, rounds: int) -> Result:
    with tempfile.TemporaryDirectory(prefix="netpol-preflight-audit-") as place:
        file = Path(place, "cluster.json.gz")
        declared = save(sizes, file)
        command = (sys.executable, "-m", "webhook", "audit", "--against", str(file), "--format", "json")
        run(command, {_FOUND})  # compiles the modules
        row = row_of(
            f"audit: {sizes.pods} pods, {declared} dependencies", [run(command, {_FOUND}) for _ in range(rounds)]
        )
    row.target, row.met = f"<= {SECONDS:g} s", row.p50 <= SECONDS * 1e3
    return row


def save(sizes: Sizes, file: Path) -> int:
    """Write the snapshot of a cluster in which each application declares six others; return how many that are."""
    every = list(declaring(sizes))
    kept = [projection(raw, value) for raw in every if (value := project(raw)) is not None]
    taken = datetime.now(UTC).replace(microsecond=0)
    write(Snapshot(taken=taken, cluster="https://benchmark", kinds=dict.fromkeys(_ASKED, "ok"), objects=kept), file)
    return sum(raw["metadata"].get("annotations", {}).get(CONNECTS_TO, "").count(":") for raw in every)


def declaring(sizes: Sizes) -> Iterator[Raw]:
    """Yield a synthetic cluster with declarations, of which about half are denied, on both sides or on one."""
    for raw in objects(sizes):
        space = raw["metadata"].get("namespace", "")
        if raw["kind"] == "Deployment" and space.startswith("shop-"):
            raw["metadata"]["annotations"] = {CONNECTS_TO: ", ".join(_declared(sizes, space, raw["metadata"]["name"]))}
        yield raw
    own: list[Raw] = [{"podSelector": {}}]
    metrics: list[Raw] = [{"port": "metrics"}]
    for number in range(sizes.namespaces):
        spec: Raw = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
        spec |= {"ingress": [{"from": own, "ports": metrics}], "egress": [{"to": own, "ports": metrics}]}
        metadata = {"name": "metrics", "namespace": namespace_name(number)}
        yield {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}


def _declared(sizes: Sizes, space: str, name: str) -> Iterator[str]:
    number, index = int(space.removeprefix("shop-")), int(name.removeprefix("app-"))
    near = [app_name((index + step) % sizes.apps) for step in (1, 2, 5)]
    yield from (f"{one}-metrics:9090" for one in near)
    yield f"{near[0]}:80"
    yield f"{near[2]}:http"
    yield f"{near[1]}.{namespace_name((number + 1) % sizes.namespaces)}:80"

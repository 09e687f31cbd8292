"""`bench`: what the evaluator costs on this machine, in a world that is given or in one that is made up."""

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from statistics import median, quantiles
from time import process_time
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from webhook.cli.gather import gather
from webhook.cli.terminal import emit, progress, tabulate
from webhook.evaluate import PodEnd, judge_pair, template_end
from webhook.facade import UsageError
from webhook.families import project
from webhook.judge import judge_workload
from webhook.matrix import matrix
from webhook.model.addresses import Protocol
from webhook.model.objects import Workload
from webhook.model.settings import CONNECTS_TO
from webhook.world import Overlay, Put, View, World

Raw = dict[str, Any]
T = TypeVar("T")
_NAMESPACES: Final = 40  # of the world that is made up
_APPS: Final = 20  # in each
_CALLED: Final = 5  # others that each declares
_MOST: Final = 500  # workloads of a world that are judged
_ROUNDS: Final = 3  # of what is measured whole
_STEPS: Final = 10  # other ends that each workload is asked about
_DOZEN: Final = 12
_PERCENT: Final = 99
Asked = tuple[PodEnd, PodEnd, Protocol, int]


class Result(Struct, frozen=True):
    """Processor time of one piece: half of them took no longer than `p50`, 99 of 100 no longer than `p99`."""

    name: str
    unit: str
    p50: float
    p99: float
    n: int


def run(arguments: argparse.Namespace) -> int:
    """Print how long verdicts and the whole connectivity take; 2 where something could not be read."""
    failed = False
    if arguments.files or arguments.kustomize or arguments.helm or arguments.against:
        gathered = gather(arguments, judging=False)
        view, failed = gathered.world, bool(gathered.failures)
    else:
        view = synthetic()
    sizes, results = sized(view), measure(view)
    if arguments.format == "json":
        emit(msgspec.json.format(msgspec.json.encode({"world": sizes, "results": results}), indent=2).decode())
    else:
        rows = [(r.name, f"{r.p50:,.1f}", f"{r.p99:,.1f}", r.unit, f"{r.n:,}") for r in results]
        world = ", ".join(f"{count:,} {name}" for name, count in sizes.items())
        emit(f"{world}\n\n{tabulate(('what', 'p50', 'p99', 'unit', 'n'), rows, numbers=(1, 2, 4))}")
    return 2 if failed else 0


def measure(view: View) -> list[Result]:
    """Measure each workload's dependencies, the matrix, and single verdicts, by the dozen. UsageError: no workloads."""
    some = list(islice((one for one in view.workloads.every() if one.owner is None), _MOST))
    if not some:
        raise UsageError("nothing to measure: the world has no workloads")
    with progress("measuring") as told:
        first = [_timed(partial(_judge, view, one)) for one in _counted(some, told)]
        again = [_timed(partial(_judge, view, one)) for one in some]
        whole = [_timed(lambda: matrix(view, unknown=False)) for _ in range(_ROUNDS)]
        asked = list(_pairs(view, some))
        view.memos.clear()
        fresh, known = ([_timed(partial(_verdicts, view, few)) / len(few) for few in asked] for _ in range(2))
    return [
        _result("a workload's dependencies, first time", "µs", first, 1e6),
        _result("a workload's dependencies, again", "µs", again, 1e6),
        _result("every open connection", "ms", whole, 1e3),
        _result("one verdict with its evidence, first time", "µs", fresh, 1e6),
        _result("one verdict with its evidence, again", "µs", known, 1e6),
    ]


def _pairs(view: View, some: Sequence[Workload]) -> Iterator[list[Asked]]:
    """Yield pairs of pods with a port of the second, by the dozen: a clock cannot tell how long one takes."""
    ends = [template_end(view, workload) for workload in some]
    ports = [next(iter(workload.template.declares), None) for workload in some]
    for step in range(1, min(_STEPS, len(some)) + 1):
        every = zip(ends, ends[step:] + ends[:step], ports[step:] + ports[:step], strict=True)
        asked = [
            (one, other, port.protocol if port else "TCP", port.number if port else 80) for one, other, port in every
        ]
        yield from (asked[first : first + _DOZEN] for first in range(0, len(asked), _DOZEN))


def _verdicts(view: View, asked: Iterable[Asked]) -> None:
    for source, target, protocol, port in asked:
        judge_pair(view, source, target, protocol, port)


def _judge(view: View, workload: Workload) -> object:
    return judge_workload(Overlay(view, [workload]), workload)


def _counted(every: Sequence[T], told: Callable[[int, int], object]) -> Iterator[T]:
    for number, one in enumerate(every):
        told(number, len(every))
        yield one


def _timed(do: Callable[[], object]) -> float:
    begun = process_time()
    do()
    return process_time() - begun


def _result(name: str, unit: str, seconds: Sequence[float], scale: float) -> Result:
    last = quantiles(seconds, n=100, method="inclusive")[_PERCENT - 1] if len(seconds) > 1 else seconds[0]
    return Result(name, unit, round(median(seconds) * scale, 1), round(last * scale, 1), len(seconds))


def sized(view: View) -> dict[str, int]:
    """Return how much of everything is in a world."""
    names = list(view.namespaces.names())
    return {
        "namespaces": len(names),
        "workloads": sum(one.owner is None for one in view.workloads.every()),
        "pods": sum(len(group.pods) for name in names for group in view.pods.groups(name)),
        "services": sum(1 for name in names for _ in view.services.within(name)),
        "policies": sum(len(view.policies.named(name)) for name in names),
    }


# -- a world that is made up -------------------------------------------------------------------------------------------


def synthetic() -> World:
    """Return a world of namespaces that are closed, with a policy for each application; every one calls five others."""
    world = World(complete=False)
    world.apply(Put(value) for value in map(project, _objects()) if value is not None)
    return world


def _objects() -> Iterable[Raw]:
    for number in range(_NAMESPACES):
        space = f"shop-{number:02}"
        yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}}
        look_ups = {"ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]}
        yield _policy(space, "default-deny", {}, ingress=[], egress=[{"to": [{"podSelector": {}}]}, look_ups])
        for index in range(_APPS):
            yield from _app(space, index)


def _app(space: str, index: int) -> Iterable[Raw]:
    name = f"app-{index:02}"
    labels, port = {"app": name}, {"name": "http", "containerPort": 8080}
    called = ", ".join(f"app-{(index + step) % _APPS:02}:80" for step in range(1, _CALLED + 1))
    callers = [{"podSelector": {"matchLabels": {"app": f"app-{(index - step) % _APPS:02}"}}} for step in range(1, 4)]
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "ports": [port]}]}}
    yield {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": space, "annotations": {CONNECTS_TO: called}},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    }
    yield {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": space},
        "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": "http"}]},
    }
    yield _policy(space, name, labels, ingress=[{"from": callers, "ports": [{"port": 8080}]}])


def _policy(space: str, name: str, labels: Raw, **rules: list[Raw]) -> Raw:
    spec = {"podSelector": {"matchLabels": labels}, "policyTypes": [word.capitalize() for word in rules], **rules}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": space},
        "spec": spec,
    }

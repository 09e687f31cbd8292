"""Two players before one world: the evaluator and the judge, asked the same questions in the same words."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, cast

from tests.spec import netpol, tiers
from webhook.evaluate import PodEnd, ends_of_pod, judge_from_outside, judge_outside, judge_pair
from webhook.families import project
from webhook.judge import explain
from webhook.model.addresses import Family, Protocol, parse_address
from webhook.model.answers import OPEN, Side, Verdict
from webhook.model.objects import Pod
from webhook.model.refs import WorkloadRef
from webhook.model.settings import DEFAULTS, Settings
from webhook.world import World
from webhook.world.changes import Answers, Clock, Memo, Memos, Put

Raw = dict[str, Any]


def world_of(objects: Iterable[Raw], *, complete: bool = True, settings: Settings = DEFAULTS) -> World:
    """Build a world from raw objects; a kind that is none of ours fails the test."""
    world = World(settings, complete=complete)
    for raw in objects:
        value = project(raw)
        assert value is not None, raw
        world.apply([Put(value)])
    return world


class Forgetful(Memos):
    """Remembers nothing: whoever asks gets an empty place to write to, and nobody's answer is worked out for others."""

    def of(self, memo: Memo[Any, Any]) -> Answers[Any, Any]:
        return Answers(memo.most)


def forgetful(world: World) -> World:
    world.memos = Forgetful(Clock(), lambda: 0)
    vars(world)["ground"] = lambda: None
    return world


class Arena:
    """One world. An end of a connection is `namespace/pod` or an address."""

    def __init__(self, objects: Sequence[Raw], settings: Settings = DEFAULTS) -> None:
        self.objects = list(objects)
        self.settings = settings
        self.pods = {"{namespace}/{name}".format(**o["metadata"]): o for o in objects if o["kind"] == "Pod"}

    @cached_property
    def world(self) -> World:
        return world_of(self.objects, settings=self.settings)

    @cached_property
    def _ends(self) -> dict[str, PodEnd]:
        return {name: ends_of_pod(cast("Pod", project(raw))) for name, raw in self.pods.items()}

    def evaluate(
        self, source: str, target: str, family: int, protocol: str, port: int
    ) -> tuple[Verdict, Verdict, Verdict]:
        """Ask the evaluator: the connection, the source's side, the destination's side."""
        verdict, egress, ingress = self.sides(source, target, family, protocol, port)
        return verdict, egress.verdict, ingress.verdict

    def sides(self, source: str, target: str, family: int, protocol: str, port: int) -> tuple[Verdict, Side, Side]:
        spoken, only = cast("Protocol", protocol), cast("Family", family)
        if source == target:
            return self._to_itself(source, family, protocol, port)
        here, there = self._ends.get(source), self._ends.get(target)
        if here is not None and there is not None:
            return judge_pair(self.world, here, there, spoken, port, (only,))
        if here is not None:
            return judge_outside(self.world, here, parse_address(target).block, spoken, port)
        assert there is not None, "one end must be a pod"
        side = judge_from_outside(self.world, parse_address(source).block, there, spoken, port)
        return side.verdict, OPEN, side

    def _to_itself(self, name: str, family: int, protocol: str, port: int) -> tuple[Verdict, Side, Side]:
        """A pod by its own address: what is loopback is told above the rules, where a pod is known by name."""
        namespace, _, own = name.partition("/")
        workload = self.world.workloads.get(WorkloadRef("Pod", namespace, own))
        assert workload is not None
        address = next(a for a in self._ends[name].addresses if a.family == family)
        found = explain(self.world, workload, f"{'[' * (family == 6)}{address}{']' * (family == 6)}:{port}/{protocol}")
        assert len(found.flows) == 1, found
        return found.verdict, found.flows[0].egress, found.flows[0].ingress

    def judge(self, source: str, target: str, family: int, protocol: str, port: int) -> tuple[bool, bool, bool]:
        """Ask the judge the same."""
        answer = netpol.decide(
            self.objects, self.pods.get(source, source), self.pods.get(target, target), family, protocol, port
        )
        return answer["egress"] and answer["ingress"], answer["egress"], answer["ingress"]

    def judge_tiers(
        self, source: str, target: str, family: int, protocol: str, port: int
    ) -> tuple[bool | None, bool | None, bool | None]:
        """Ask the judge of tiers the same; None where the API leaves it open."""
        ends = (self.pods.get(source, source), self.pods.get(target, target))
        answer = tiers.decide(self.objects, *ends, family, protocol, port)
        sides = answer["egress"], answer["ingress"]
        return False if False in sides else None if None in sides else True, *sides

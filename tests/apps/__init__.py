"""Five public applications: their manifests, the policies that they need, and who talks to whom in them."""

import io
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any, Final

import yaml
from msgspec import Struct

from webhook.dependencies import parse, resolve
from webhook.families import project
from webhook.manifests import Document, read
from webhook.model.answers import Dependency, Finding
from webhook.model.objects import Workload
from webhook.model.settings import CONNECTS_TO, DEFAULTS, Settings
from webhook.review.inbound import review_server
from webhook.review.workload import review_workload
from webhook.wire.workloads import TEMPLATE_PATHS
from webhook.world import Put, World

TODAY: Final = date(2026, 11, 20)
FOLDER: Final = Path(__file__).parent
NAMES: Final = ("boutique", "ci", "chat", "retail", "monitoring")
Raw = dict[str, Any]
Told = tuple[str, str, str]  # a finding's id, its workload as `namespace/name`, its dependency


class Edge(Struct, frozen=True):
    """One workload's need. `unseen`: why no setting tells of it; `own`: of itself; `outside`: of the cluster."""

    source: str
    to: str
    unseen: str = ""
    own: bool = False
    outside: bool = False

    @property
    def inferable(self) -> bool:
        return not self.own and not self.outside


class Rule(Struct, frozen=True):
    """A rule of a policy, and the findings that there are without it."""

    policy: str
    direction: str
    index: int
    carries: frozenset[Told]


class App(Struct, frozen=True):
    name: str
    objects: tuple[Raw, ...]
    edges: tuple[Edge, ...]
    rules: tuple[Rule, ...]


def load(name: str) -> App:
    documents = list(read([str(FOLDER / name / f) for f in ("app.yaml", "policies.yaml")], io.BytesIO()))
    objects = tuple(one.raw for one in documents if isinstance(one, Document))
    assert len(objects) == len(documents), documents
    expected = yaml.safe_load((FOLDER / name / "expected.yaml").read_text())
    edges = (Edge(e["from"], e["to"], *(e.get(k, d) for k, d in _OPTIONAL)) for e in expected["dependencies"])
    rules = (
        Rule(r["policy"], r["direction"], r["rule"], frozenset((c["id"], c["from"], c["to"]) for c in r["carries"]))
        for r in expected["rules"]
    )
    return App(name, objects, tuple(edges), tuple(rules))


_OPTIONAL: Final = (("unseen", ""), ("own", False), ("outside", False))


def ways(name: str) -> tuple[Raw, ...]:
    """Return an application with what stands before it, and the ways in that Ingresses and annotations declare."""
    documents = list(read([str(FOLDER / "edge.yaml"), str(FOLDER / name / "ways.yaml")], io.BytesIO()))
    found = tuple(one.raw for one in documents if isinstance(one, Document))
    assert len(found) == len(documents), documents
    own = deepcopy(load(name).objects)
    for one in own:
        if one["kind"] == "Service":
            one["spec"].pop("type", None)  # what stands before it takes the load balancer's place
    return (*own, *found)


def carried(objects: Iterable[Raw]) -> dict[str, Told]:
    """Return what is found without each policy that lets in for one way, by the policy's name."""
    notes = {_name(one): one["metadata"].get("annotations", {}).get("carries") for one in objects}
    return {policy: ("NP108", *text.split(" ", 1)) for policy, text in notes.items() if text}


def served(objects: Iterable[Raw], settings: Settings = DEFAULTS) -> tuple[Finding, ...]:
    """Return what is found of workloads as servers; each is told once, as in a check of everything."""
    world = world_of(objects, settings)
    every = {workload.ref for workload in workloads(world)}
    return tuple(
        found for workload in workloads(world) for found in review_server(world, workload, TODAY, without=every)
    )


def undeclared(objects: Iterable[Raw]) -> tuple[Raw, ...]:
    """Return the objects without any declaration."""
    found = tuple(deepcopy(one) for one in objects)
    for one in found:
        one["metadata"].get("annotations", {}).pop(CONNECTS_TO, None)
    return found


def without(objects: Iterable[Raw], rule: Rule) -> tuple[Raw, ...]:
    """Return the objects with one rule less."""
    found = tuple(deepcopy(one) for one in objects)
    (policy,) = (o for o in found if o["kind"] == "NetworkPolicy" and _name(o) == rule.policy)
    del policy["spec"][rule.direction][rule.index]
    return found


def _name(raw: Mapping[str, Any]) -> str:
    return f"{raw['metadata'].get('namespace', '')}/{raw['metadata']['name']}"


def world_of(objects: Iterable[Raw], settings: Settings = DEFAULTS) -> World:
    world = World(settings, complete=False)
    world.apply(Put(value) for raw in objects if (value := project(raw)) is not None)
    return world


def workloads(world: World) -> Iterator[Workload]:
    yield from (workload for workload in world.workloads.every() if workload.ref.kind in TEMPLATE_PATHS)


def findings(objects: Iterable[Raw], settings: Settings = DEFAULTS) -> tuple[Finding, ...]:
    world = world_of(objects, settings)
    return tuple(found for workload in workloads(world) for found in review_workload(world, workload))


def told(found: Iterable[Finding]) -> frozenset[Told]:
    return frozenset((f.id, f.workload.short if f.workload else "", f.dependency or "") for f in found)


def declared(world: World, workload: Workload) -> frozenset[str]:
    """Return the canonical texts of what a workload declares."""
    items = (item for note in workload.connects_to for item in parse(note.text))
    return frozenset(resolve(world, workload, item).text for item in items if isinstance(item, Dependency))

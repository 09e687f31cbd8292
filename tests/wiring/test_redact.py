"""Snapshots without names: the same answers, and no name of the cluster's own is left."""

import io
import json
import random
import re
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from hypothesis import given
from msgspec import structs

from tests.support.arena import Raw
from tests.support.cases import objects_of
from tests.support.making import deployment
from tests.support.snapshots import story, taken
from tests.support.worlds_populated import populated
from webhook.facade.sources import read_settings
from webhook.families import project
from webhook.manifests import Document, read
from webhook.matrix import matrix
from webhook.model.settings import CONNECTS_TO, EXEMPT
from webhook.review.audit import audit_workload
from webhook.wire.objects import flatten
from webhook.wire.shapes import Malformed
from webhook.wiring.cluster_snapshot import contents
from webhook.wiring.redact import HIDDEN, redact
from webhook.wiring.renamed import COPIED, NAMES, PLAIN_KEYS, PUBLIC_KEY
from webhook.wiring.snapshot import Snapshot
from webhook.world import Put, World

HERE: Final = Path(__file__).parents[1]
TODAY: Final = date(2026, 11, 20)
Answers = tuple[Counter[object], Counter[object]]


def redacted(snapshot: Snapshot, seed: int = 1) -> Snapshot:
    return redact(snapshot, random.Random(seed).shuffle)


def answers(snapshot: Snapshot, cni: str | None) -> Answers:
    """Every workload's verdicts and findings, and every connection, by all but names; and that all can be read."""
    world = World(read_settings(None, cni, live=True), complete=True)
    found = contents(snapshot)
    assert found.broken == []
    world.apply(map(Put, found.values))
    every = [one for one in world.workloads.every() if one.owner is None]
    reviewed = {one.ref for one in every}
    told = Counter[object]()
    for workload in every:
        one = audit_workload(world, workload, TODAY, reviewed)
        verdicts = sorted((d.source, d.verdict, [f.verdict for f in d.flows]) for d in one.dependencies)
        told[str(verdicts), str(sorted((f.id, len(f.near_misses), len(f.fix)) for f in one.findings))] += 1
    whole = matrix(world, unknown=True)
    rows = Counter[object]()
    for layer in (whole.sure, whole.unknown):
        for source, target, ports in whole.rows(layer) if layer is not None else ():
            ends = (str(end) if isinstance(end, tuple) else "workload" for end in (source, target))
            rows[(*ends, str(ports), layer is whole.sure)] += 1
    return told, rows


def readable(raws: list[Raw]) -> list[Raw]:
    found = []
    for raw in raws:
        try:
            found += [raw] if project(raw) is not None else []
        except Malformed:
            continue
    return found


def scenarios() -> Iterator[tuple[str, list[Raw], str | None]]:
    for folder in sorted(path.parent for path in (HERE / "scenarios").glob("*/expected.json")):
        documents = read([str(folder)], io.BytesIO())
        raws = [dict(raw) for one in documents if isinstance(one, Document) for raw in flatten(one.raw)]
        yield folder.name, readable(raws), json.loads((folder / "expected.json").read_text()).get("enforcer")


def by_calico_and_cilium() -> Iterator[tuple[str, list[Raw], str]]:
    """The cases of tests/families, whose selectors, tiers and settings are written in languages of their own."""
    for name, version in (("calico", "projectcalico.org/v3"), ("cilium", "")):
        file = yaml.safe_load((HERE / f"families/{name}/cases.yaml").read_text(encoding="utf-8"))
        for number, case in enumerate(file["cases"]):
            raws = [*objects_of({"world": file["world"], **case}), *file["objects"]]
            raws += [{"apiVersion": version, **raw} for raw in case.get(name, ()) if version]
            raws += [cilium(short) for short in case.get(name, ()) if not version]
            yield f"{name} {number}: {case['id']}", readable(raws), name


def cilium(short: Raw) -> Raw:
    namespace, slash, name = short["name"].rpartition("/")
    kind = "CiliumNetworkPolicy" if slash else "CiliumClusterwideNetworkPolicy"
    metadata = {"name": name, **({"namespace": namespace} if slash else {})}
    return {"apiVersion": "cilium.io/v2", "kind": kind, "metadata": metadata, **short, "name": None}


WORLDS: Final = {name: (raws, cni) for name, raws, cni in (*scenarios(), *by_calico_and_cilium())}


@pytest.mark.parametrize("name", sorted(WORLDS))
def test_every_answer_is_the_same_without_names(name: str) -> None:
    raws, cni = WORLDS[name]
    whole = taken(raws)
    assert answers(redacted(whole), cni) == answers(whole, cni)


@given(populated())
def test_every_answer_about_a_world_as_clusters_are_is_the_same(objects: list[Raw]) -> None:
    whole = taken(readable(objects))
    assert answers(redacted(whole), None) == answers(whole, None)


# -- what is left ------------------------------------------------------------------------------------------------------


def names_of(value: object) -> Iterator[str]:
    """Yield what somebody may not want to be seen: names, labels, hosts."""
    match value:
        case dict():
            for key, one in value.items():
                if key == "env":
                    continue  # an agent's own variables
                if key in {"labels", "matchLabels"} and isinstance(one, dict):
                    yield from (name for name in one if not PUBLIC_KEY.match(name) and name not in PLAIN_KEYS)
                    yield from one.values()
                elif key in {"name", "namespace", "serviceAccountName", "externalName", "host", "nodeName"}:
                    yield str(one)
                yield from names_of(one)
        case list():
            for one in value:
                yield from names_of(one)
        case _:
            pass


def words_of(objects: list[Any]) -> set[str]:
    found = (COPIED.sub("", text).lower() for text in names_of(objects))
    return {word for text in found for word in re.findall(r"[a-z]{3,}", text)}


@pytest.mark.parametrize("name", sorted(WORLDS))
def test_no_name_of_the_cluster_s_own_is_left(name: str) -> None:
    whole = taken(WORLDS[name][0])
    public = {word for known in NAMES for word in re.findall(r"[a-z]+", known.lower())}
    own = words_of(whole.objects) - public - {"policy"}
    assert own & words_of(redacted(whole).objects) == set()


def test_the_story_tells_nothing_of_itself() -> None:
    text = json.dumps(redacted(taken(story(), namespaces=("production",))).objects)
    for name in ("production", "postgres", "web-api", "web_api", "default-deny-ingress", "web-api-egress"):
        assert name not in text
    whole = redacted(taken(story(), namespaces=("production",)))
    assert whole.cluster == HIDDEN
    assert "production" not in whole.namespaces
    assert "kube-dns" in text


SECRET: Final = "Aurora"  # the project that nobody may hear of


def test_whatever_tells_a_name_is_told_without_it() -> None:
    notes = {
        CONNECTS_TO: f"deploy/{SECRET}.data:8080, postgres://db-0.{SECRET}.data:5432, [fd00::5]:443",
        EXEMPT: f"NP102@db.{SECRET}:5432 until=2027-01-01: {SECRET} is not there yet",
    }
    web = deployment(f"{SECRET.lower()}/web", annotations=notes)
    env = [{"name": f"{SECRET.upper()}_DB_HOST", "value": f"db.{SECRET.lower()}"}, {"name": "DB_PORT", "value": "5432"}]
    web["spec"]["template"]["spec"]["containers"][0]["env"] = env
    text = json.dumps(redacted(taken([web])).objects)
    assert SECRET.lower() not in text.lower()
    for kept in ("deploy/", "postgres://", ":5432", "[fd00::5]:443", "NP102@", "until=2027-01-01: redacted", "_HOST"):
        assert kept in text, kept


def test_a_part_of_a_value_that_a_selector_asks_for_is_told_by_the_values_that_have_it() -> None:
    raws = [deployment(f"shop/{name}") for name in ("web-front", "web-back", "db")]
    for number, how in enumerate(("contains 'eb-f'", 'starts with "web"', "ends with 'b'", "contains 'zz'")):
        spec = {"selector": f"app {how}", "types": ["Ingress"], "order": number}
        metadata = {"name": f"p{number}"}
        raws.append(
            {"apiVersion": "projectcalico.org/v3", "kind": "GlobalNetworkPolicy", "metadata": metadata, "spec": spec}
        )
    whole = taken(raws)
    assert answers(redacted(whole), "calico") == answers(whole, "calico")
    selectors = [one["spec"]["selector"] for one in redacted(whole).objects if "Policy" in one["kind"]]
    assert all(re.fullmatch(r"app (in \{'x[^}]*\}|== 'x[^']*')", text) for text in selectors)


def test_two_names_never_become_one_and_one_never_two() -> None:
    names = ["web", "Web", "WEB", "web-1", "web1", "web-web", "a", "A", "aB", "AB", "a-b", "xb", "xc", "网", "ß"]
    spaces: list[Raw] = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in names]
    found = [one["metadata"]["name"] for one in redacted(taken(spaces)).objects]
    assert len(set(found)) == len(set(names))
    assert found[names.index("web-1")].startswith(found[names.index("web")])
    assert redacted(taken(spaces)) == redacted(taken(spaces))
    assert redacted(taken(spaces)) != redacted(taken(spaces), seed=2)


def test_policies_keep_their_order() -> None:
    policies: list[Raw] = [
        {"apiVersion": "projectcalico.org/v3", "kind": "GlobalNetworkPolicy", "metadata": {"name": name}, "spec": {}}
        for name in ("zeta", "alpha", "knp.default.mid", "default", "10-first", "9-last")
    ]
    found = [one["metadata"]["name"] for one in redacted(taken(policies)).objects]
    before = [one["metadata"]["name"] for one in policies]
    plain = [(old, new) for old, new in zip(before, found, strict=True) if not old.startswith("knp")]
    assert [new for _, new in sorted(plain)] == sorted(new for _, new in plain)
    assert found[2].startswith("knp.default.policy-")


def test_what_was_limited_stays_limited() -> None:
    whole = structs.replace(taken(story()), namespaces=("production",))
    (space,) = redacted(whole).namespaces
    assert space in {one["metadata"].get("namespace") for one in redacted(whole).objects}

"""`diff`: what is open, declared and found in one of two worlds only."""

import json
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.arena import Raw, world_of
from tests.support.worlds_populated import populated
from webhook.cli.main import main
from webhook.matrix import Connection, Differences, End, Matrix, differences, matrix
from webhook.matrix.sets import NOTHING, PortSet, difference, intersection, union
from webhook.model.addresses import Block, Family
from webhook.model.refs import WorkloadRef

SHOP: Final = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, annotations: {netpol-preflight.io/connects-to: "db:5432"}}
spec:
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: i}]}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: db, namespace: shop}
spec:
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: c, image: i, ports: [{containerPort: 5432}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {selector: {app: db}, ports: [{port: 5432}]}
"""
WALL: Final = """\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: wall, namespace: shop}
spec: {podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress]}
"""


@pytest.fixture
def before(tmp_path: Path) -> Path:
    folder = tmp_path / "before"
    folder.mkdir()
    (folder / "shop.yaml").write_text(SHOP)
    return folder


@pytest.fixture
def after(tmp_path: Path) -> Path:
    folder = tmp_path / "after"
    folder.mkdir()
    (folder / "shop.yaml").write_text(SHOP)
    (folder / "wall.yaml").write_text(WALL)
    return folder


def found(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, dict[str, Any]]:
    code = main(["diff", *map(str, arguments), "--format", "json"])
    return code, json.loads(capsys.readouterr().out)


# -- the law -----------------------------------------------------------------------------------------------------------


@given(populated(), st.data())
def test_what_changes_is_what_one_of_two_matrices_has(objects: list[Raw], data: st.DataObject) -> None:
    gone = data.draw(st.sampled_from(objects))
    kept = [one for one in objects if one is not gone]
    old, new = (
        matrix(world_of(some, complete=False), unknown=True) for some in data.draw(st.permutations([objects, kept]))
    )
    change = differences(old, new)
    states = [_states(old), _states(new)]
    ends = states[0].keys() | states[1].keys() | {key for key, *_ in _rows(change)}
    told = {what: _table(getattr(change, what)) for what in ("opened", "closed", "unsure")}
    for key in ends:
        (sure, unknown), (then_sure, then_unknown) = (some.get(key, (NOTHING, NOTHING)) for some in states)
        opened = difference(difference(then_sure, sure), unknown)
        closed = difference(difference(sure, then_sure), then_unknown)
        same = union(intersection(sure, then_sure), intersection(unknown, then_unknown))
        rest = difference(difference(union(union(sure, unknown), union(then_sure, then_unknown)), same), opened)
        assert told["opened"].get(key, NOTHING) == opened, key
        assert told["closed"].get(key, NOTHING) == closed, key
        assert told["unsure"].get(key, NOTHING) == difference(rest, closed), key


Key = tuple[WorkloadRef | tuple[Family, int], WorkloadRef | tuple[Family, int]]


def _states(whole: Matrix) -> dict[Key, tuple[PortSet, PortSet]]:
    """Return by both ends what is sure and what is not known; of an address range its first and last addresses."""
    assert whole.unknown is not None
    sure, unknown = (_table(tuple(whole.connections(layer))) for layer in (whole.sure, whole.unknown))
    return {key: (sure.get(key, NOTHING), unknown.get(key, NOTHING)) for key in sure.keys() | unknown.keys()}


def _rows(change: Differences) -> list[tuple[Key, PortSet]]:
    return [(key, ports) for some in (change.opened, change.closed, change.unsure) for key, ports in _each(some)]


def _table(connections: tuple[Connection, ...]) -> dict[Key, PortSet]:
    table: dict[Key, PortSet] = {}
    for key, ports in _each(connections):
        table[key] = union(table.get(key, NOTHING), ports)
    return table


SAMPLES: Final = tuple(
    Block(4, first, 32) for first in (0, 10 << 24, (10 << 24) + 5, (10 << 24) + 0x10101, 0xC0A80001, 0xFFFFFFFF)
)


def _each(connections: tuple[Connection, ...]) -> list[tuple[Key, PortSet]]:
    return [
        ((source, target), one.ports)
        for one in connections
        for source in _ends(one.source)
        for target in _ends(one.target)
    ]


def _ends(end: End) -> list[WorkloadRef | tuple[Family, int]]:
    if isinstance(end, WorkloadRef):
        return [end]
    assert isinstance(end, tuple)
    return [(4, one.first) for one in SAMPLES if any(block.covers(one) for block in end)]


# -- the command -------------------------------------------------------------------------------------------------------


def test_a_policy_that_cuts_a_declared_dependency_fails(
    before: Path, after: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, change = found(capsys, "--before", before, "--after", after)
    assert code == 1
    assert change["dependencies"] == [
        {
            "workload": {"kind": "Deployment", "namespace": "shop", "name": "web"},
            "dependency": "db.shop:5432/TCP",
            "source": "annotation",
            "before": "allowed",
            "after": "denied",
        }
    ]
    assert [one["id"] for one in change["findings"]["new"]] == ["NP102"]
    web, db = ({"kind": "Deployment", "namespace": "shop", "name": name} for name in ("web", "db"))
    every = [{"protocol": protocol, "first": 1, "last": 65535} for protocol in ("TCP", "UDP", "SCTP")]
    assert {"from": web, "to": db, "ports": every} in change["closed"]
    assert change["opened"] == []


def test_the_other_way_round_it_only_opens(before: Path, after: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, change = found(capsys, "--before", after, "--after", before)
    assert (code, change["closed"]) == (0, [])
    assert [one["id"] for one in change["findings"]["gone"]] == ["NP102"]
    assert main(["diff", "--before", str(after), "--after", str(before), "--fail-on", "opened"]) == 1
    assert main(["diff", "--before", str(before), "--after", str(after), "--fail-on", "never"]) == 0


def test_nothing_changes_between_a_world_and_itself(before: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, change = found(capsys, "--before", before, "--after", before)
    assert code == 0
    assert not any(change[name] for name in ("opened", "closed", "unsure", "dependencies", "errors"))


def test_connections_of_a_workload_that_is_new_are_marked(
    before: Path, after: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = SHOP.partition("---")[0].replace("name: web", "name: batch").replace("app: web", "app: batch")
    (before / "batch.yaml").write_text(new)
    _, change = found(capsys, "--before", after, "--after", before)
    assert change["workloads"]["added"] == [{"kind": "Deployment", "namespace": "shop", "name": "batch"}]
    main(["diff", "--before", str(after), "--after", str(before)])
    assert "(with a new workload)" in capsys.readouterr().out


def test_a_revision_of_git_is_a_side(before: Path, capsys: pytest.CaptureFixture[str]) -> None:
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@example.com", "-C", str(before))
    for command in (("init", "-q"), ("add", "."), ("commit", "-qm", "a")):
        subprocess.run([*git, *command], check=True)
    (before / "wall.yaml").write_text(WALL)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(before)
        code, change = found(capsys, "--before", "git:HEAD:.", "--after", ".")
        assert code == 1
        assert change["dependencies"][0]["after"] == "denied"
        assert main(["diff", "--before", "git:nowhere:.", "--after", "."]) == 2
        assert "git:nowhere:." in capsys.readouterr().err
        assert main(["diff", "--before", "git:--output=x:.", "--after", "."]) == 2
        assert "expected git:REV:PATH" in capsys.readouterr().err


def test_a_comment_for_a_pull_request_says_what_is_lost_first(
    before: Path, after: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["diff", "--before", str(before), "--after", str(after), "--format", "markdown"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("### ❌ Network policy: 0 connections opened")
    assert "| `shop/web` | `db.shop:5432/TCP` | allowed -> denied |" in lines
    lost = lines.index("**Declared dependencies that are lost**")
    assert lost < next(number for number, line in enumerate(lines) if line.startswith("<details><summary>Closed"))


def test_what_only_is_inferred_is_said_to_be_lost_too_and_costs_nothing(
    before: Path, after: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in (before, after):
        declared = ', annotations: {netpol-preflight.io/connects-to: "db:5432"}'
        told = "{name: c, image: i, env: [{name: DB_URL, value: 'postgres://db:5432'}]}"
        text = (folder / "shop.yaml").read_text().replace(declared, "").replace("{name: c, image: i}", told)
        (folder / "shop.yaml").write_text(text)
    assert main(["diff", "--before", str(before), "--after", str(after), "--format", "markdown"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("### ⚠️ Network policy: 0 connections opened")
    assert "no declared dependency lost, 1 inferred;" in lines[0]
    lost = lines.index("**Inferred dependencies that are lost**")
    assert lost < next(number for number, line in enumerate(lines) if line.startswith("<details><summary>Closed"))


def test_what_cannot_be_read_is_said_and_the_rest_is_compared(
    before: Path, after: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (after / "odd.yaml").write_text(WALL.replace("{matchLabels: {app: db}}", "7").replace("wall", "odd"))
    code, change = found(capsys, "--before", before, "--after", after)
    assert code == 2
    assert len(change["errors"]) == 1
    assert change["dependencies"]

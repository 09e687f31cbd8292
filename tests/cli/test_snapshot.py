"""Snapshots: what is kept of a cluster, what is not, and that the answers out of one are those of the cluster."""

import gzip
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from tests.benchmarks.synthetic import Sizes, objects
from tests.support.making import deployment, service
from tests.support.reading import put
from tests.support.running import STORY, Done, Run, spawn
from tests.support.snapshots import OK, TAKEN, story, taken
from tests.support.ways_in import GATEWAY, GATEWAY_CLASS, INGRESS, INGRESS_CLASS, ROUTE
from tests.testbed.control_plane import ControlPlane
from webhook.cli.main import main
from webhook.dependencies import parse
from webhook.families import compile_crd_policy, dialect_of, project
from webhook.manifests import Document, read
from webhook.model.answers import Malformed as Unclear
from webhook.model.crd_policies import CompileContext, CrdPolicy, UnlistedKind
from webhook.model.hints import ConfigMap
from webhook.model.inbound import ROUTES
from webhook.model.objects import Declaration, Node, Pod, Workload
from webhook.model.settings import Enforcer
from webhook.wire.agents import arguments_of, variables_of
from webhook.wire.inbound import CLASS_ANNOTATION
from webhook.wire.objects import Projected, flatten
from webhook.wire.shapes import Malformed
from webhook.wire.workloads import TEMPLATE_PATHS
from webhook.wiring import cluster_snapshot, snapshot
from webhook.wiring.cluster_snapshot import of_snapshot
from webhook.wiring.snapshot import NotASnapshot, State, projection, restored
from webhook.wiring.snapshot_forms import FORMS, declared

HERE = Path(__file__).parents[1]
SECRET = "hunter2-never-in-a-snapshot"


def readable() -> Iterator[tuple[Any, Projected]]:
    """Every object of the suite's own manifests and of a synthetic cluster that can be read."""
    yield from ((raw, value) for raw in objects(Sizes(200, 40, 60)) if (value := project(raw)) is not None)
    for document in read([str(STORY), str(HERE)], io.BytesIO()):
        if not isinstance(document, Document):
            continue
        try:
            for raw in flatten(document.raw):
                if (value := project(raw)) is not None:
                    yield raw, value
        except Malformed:
            continue


def meant(value: Projected) -> Projected:
    """The value with its declarations as what they mean: how they are spelled is not kept."""
    match value:
        case Workload():
            value = structs.replace(value, uid="")  # no manifest has one
            notes = tuple(Declaration(str(parse(note.text)), note.place) for note in value.connects_to)
            return structs.replace(value, connects_to=notes)
        case Pod(bare=Workload() as bare):
            return structs.replace(value, bare=meant(bare))
        case _:
            return value


# -- what is kept ----------------------------------------------------------------------------------------------------


def test_every_object_comes_back_as_it_was_read() -> None:
    seen = set()
    for raw, value in readable():
        record = msgspec.json.decode(msgspec.json.encode(projection(raw, value)))
        back = restored(record)
        assert back is not None
        if isinstance(value, Workload) and value.ref.kind == "ReplicaSet" and value.owner:
            assert isinstance(back, Workload)
            assert (back.ref, back.owner) == (value.ref, value.owner)
            assert "spec" not in record
        else:
            assert meant(back) == meant(value)
        seen.add(type(value).__name__)
    assert seen >= {"Namespace", "Node", "Pod", "Workload", "Service", "EndpointSlice", "Policy"}


POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "name": "a",
        "namespace": "b",
        "uid": "1",
        "labels": {"app": "a"},
        "managedFields": [{"manager": SECRET}],
        "annotations": {
            "kubectl.kubernetes.io/last-applied-configuration": SECRET,
            "netpol-preflight.io/connects-to": f"postgres://web:{SECRET}@db.data/x?password={SECRET}, cache:6379",
            "netpol-preflight.io/exempt": f"NP101@x: see https://me:{SECRET}@wiki.example.com/page",
        },
    },
    "spec": {
        "nodeName": "n",
        "containers": [
            {
                "name": "c",
                "image": SECRET,
                "command": ["run", f"--password={SECRET}", "--db=db.data:5432"],
                "env": [
                    {"name": "PASSWORD", "value": SECRET},
                    {"name": "DATABASE_URL", "value": f"postgres://web:{SECRET}@db.data:5432/x"},
                ],
                "ports": [{"name": "http", "containerPort": 80}],
            }
        ],
    },
    "status": {"phase": "Running", "podIP": "10.0.0.1", "message": SECRET},
}


def test_no_secret_of_a_pod_gets_out_and_its_hosts_do() -> None:
    value = project(POD)
    assert isinstance(value, Pod)
    text = json.dumps(projection(POD, value))
    assert SECRET not in text
    back = restored(json.loads(text))
    assert isinstance(back, Pod)
    assert value.bare
    assert back.bare
    assert back.bare.hints == value.bare.hints != ()
    assert meant(back) != value
    assert [str(one) for note in back.bare.connects_to for one in parse(note.text)] == [
        str(one) for note in value.bare.connects_to for one in parse(note.text)
    ]
    assert "db.data" in text


@pytest.mark.parametrize(
    ("kind", "api", "rest"),
    [
        ("ConfigMap", "v1", {"data": {"password": SECRET, "DB_HOST": "db:5432"}, "binaryData": {"a": SECRET}}),
        ("Service", "v1", {"spec": {"ports": [{"port": 80}], "extra": SECRET}, "status": {"conditions": SECRET}}),
        ("Node", "v1", {"status": {"images": [SECRET], "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]}}),
        ("DaemonSet", "apps/v1", {"spec": {"template": {"spec": {"containers": [{"args": [SECRET]}]}}}}),
    ],
)
def test_nothing_that_policy_cannot_see_gets_out(kind: str, api: str, rest: dict[str, Any]) -> None:
    notes = {"last-applied": SECRET}
    raw = {"apiVersion": api, "kind": kind, "metadata": {"name": "a", "namespace": "b", "annotations": notes}, **rest}
    value = project(raw)
    assert value is not None
    record = projection(raw, value)
    assert SECRET not in json.dumps(record)
    assert restored(record) == value


def test_a_rule_about_requests_is_kept_as_one_without_what_it_asks_of_them() -> None:
    asked = {"http": [{"headers": [f"X-Token {SECRET}"], "headerMatches": [{"name": "X-Token", "value": SECRET}]}]}
    ports = {"ports": [{"port": "80", "protocol": "TCP"}], "rules": asked}
    raw = {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumNetworkPolicy",
        "metadata": {"namespace": "b", "name": "a"},
        "spec": {"endpointSelector": {}, "ingress": [{"toPorts": [ports]}]},
    }
    value = project(raw)
    assert isinstance(value, CrdPolicy)
    record = projection(raw, value)
    assert SECRET not in json.dumps(record)
    back = restored(record)
    assert isinstance(back, CrdPolicy)
    bare = CompileContext(Enforcer("cilium"))
    around = structs.replace(bare, dialect=dialect_of(bare))
    found = compile_crd_policy(back, around)
    assert found == compile_crd_policy(value, around)
    assert [e.conditional for piece in found.policies for e in piece.rules if e.conditional] != []


def test_the_settings_of_an_agent_are_kept_and_nothing_else_of_its_configuration() -> None:
    raw = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"namespace": "kube-system", "name": "cilium-config"},
        "data": {"enable-policy": "always", "etcd-config": SECRET},
    }
    value = project(raw)
    assert isinstance(value, ConfigMap)
    assert value.settings.as_dict() == {"enable-policy": "always"}
    record = projection(raw, value)
    assert SECRET not in json.dumps(record)
    assert restored(record) == value


def test_what_says_who_enforces_policy_is_kept() -> None:
    containers = [
        {
            "name": "aws-eks-nodeagent",
            "image": "602401143452.dkr.ecr.us-west-2.amazonaws.com/amazon/aws-network-policy-agent:v1.2.1@sha256:0",
            "args": ["--enable-network-policy=true", "--token=" + SECRET],
            "env": [{"name": "NETWORK_POLICY_ENFORCING_MODE", "value": "strict"}, {"name": "KEY", "value": SECRET}],
        },
        {"name": SECRET, "image": f"registry/{SECRET}:1"},
    ]
    spec = {"template": {"spec": {"containers": containers}}}
    status = {"desiredNumberScheduled": 3, "numberReady": 1, "conditions": SECRET}
    raw = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "aws-node"},
        "spec": spec,
        "status": status,
    }
    value = project(raw)
    assert isinstance(value, Workload)
    assert value.flags == (
        "container=aws-eks-nodeagent",
        "image=amazon/aws-network-policy-agent:v1.2.1",
        "--enable-network-policy=true",
        "NETWORK_POLICY_ENFORCING_MODE=strict",
        "ready=few",
    )
    record = projection(raw, value)
    assert SECRET not in json.dumps(record)
    assert restored(record) == value


@pytest.mark.parametrize(
    ("line", "flags"),
    [
        (["server"], ("k3s=server",)),
        (["agent", "--token", SECRET], ("k3s=agent",)),
        (["server", "--disable-network-policy"], ("k3s=server", "k3s--disable-network-policy=true")),
        (["server", "--disable-network-policy", "true"], ("k3s=server", "k3s--disable-network-policy=true")),
        (["server", "--disable-network-policy=false"], ("k3s=server", "k3s--disable-network-policy=false")),
        (["server", "--flannel-backend", "none", "--x"], ("k3s=server", "k3s--flannel-backend=none")),
        ([SECRET], ()),
        ([], ()),
        ({"server": 1}, ()),
        (["server", 5, None], ("k3s=server",)),
    ],
)
def test_the_switches_of_a_node_s_distribution_are_kept(line: object, flags: tuple[str, ...]) -> None:
    notes = {"k3s.io/node-args": json.dumps(line), "k3s.io/node-env": SECRET}
    raw = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "annotations": notes}}
    value = project(raw)
    assert isinstance(value, Node)
    assert value.flags == flags
    record = projection(raw, value)
    assert SECRET not in json.dumps(record)
    assert restored(record) == value


def test_a_command_line_that_is_none_tells_nothing() -> None:
    for text in ("[", "[" * 100_000, '"server"', ""):
        notes = {"k3s.io/node-args": text}
        value = project({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "annotations": notes}})
        assert isinstance(value, Node)
        assert value.flags == ()


@given(st.text(alphabet="ab:/@,.\n ?#[]=jdcpostgresmongodb-10", max_size=60))
def test_declared_items_mean_the_same_and_keep_no_user_info(text: str) -> None:
    before, after = parse(text), parse(declared(text))
    assert [one for one in after if not isinstance(one, Unclear)] == [
        one for one in before if not isinstance(one, Unclear)
    ]
    assert any(isinstance(one, Unclear) for one in after) == any(isinstance(one, Unclear) for one in before)
    assert "@" not in declared(text)


# -- the file --------------------------------------------------------------------------------------------------------


def test_the_same_cluster_gives_the_same_bytes_whatever_the_order_of_answers(tmp_path: Path) -> None:
    raws = list(story())
    one, other = taken(raws), taken(reversed(raws))
    assert snapshot.pack(one) == snapshot.pack(other)
    size = snapshot.write(one, tmp_path / "a.json.gz")
    assert (tmp_path / "a.json.gz").stat().st_size == size
    assert [path.name for path in tmp_path.iterdir()] == ["a.json.gz"]
    decoded = json.loads(gzip.decompress((tmp_path / "a.json.gz").read_bytes()))
    assert {key: decoded[key] for key in ("format", "taken", "cluster", "kinds")} == {
        "format": "netpol-preflight/1",
        "taken": "2026-11-21T01:02:03Z",
        "cluster": "https://a",
        "kinds": OK,
    }
    assert snapshot.read(tmp_path / "a.json.gz") == structs.replace(one, objects=decoded["objects"])


def test_one_that_was_unpacked_is_read_too(tmp_path: Path) -> None:
    place = tmp_path / "a.json"
    place.write_text(json.dumps(json.loads(gzip.decompress(snapshot.pack(taken(story())))), indent=2))
    assert snapshot.is_snapshot(place)
    assert len(snapshot.read(place).objects) == len(list(story()))
    assert not snapshot.is_snapshot(STORY / "production.yaml")


def packed(**changes: object) -> bytes:
    whole = json.loads(gzip.decompress(snapshot.pack(taken(story()))))
    return gzip.compress(json.dumps({**whole, **changes}).encode())


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\x1f\x8b", "it cannot be unpacked"),
        (b"\x1f\x8bnonsense", "it cannot be unpacked"),
        (packed()[:300], "it cannot be unpacked"),
        (gzip.compress(b"{"), "input data was truncated"),
        (gzip.compress(b"\xff"), "malformed"),
        (gzip.compress(b"[]"), "expected `object`, got `array`"),
        (gzip.compress(b"{}"), "its format is ``: expected `netpol-preflight/1`"),
        (packed(format="netpol-preflight/2"), "its format is `netpol-preflight/2`"),
        (packed(taken="yesterday"), "at `$.taken`"),
        (packed(taken="2026-11-21T01:02:03"), "at `$.taken`"),
        (packed(kinds={"Pod": "maybe"}), "at `$.kinds[...]`"),
        (packed(objects=[1]), "at `$.objects[0]`"),
        (gzip.compress(b'{"format":"netpol-preflight/1","objects":' + b"[" * 100_000), "nested too deep"),
    ],
)
def test_what_is_no_snapshot_is_refused_with_a_reason(data: bytes, said: str) -> None:
    with pytest.raises(NotASnapshot) as refused:
        snapshot.unpack(io.BytesIO(data))
    assert said in str(refused.value)


def test_what_unpacks_to_more_than_fits_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "LARGEST", 1_000)
    with pytest.raises(NotASnapshot, match="it holds more than"):
        snapshot.unpack(io.BytesIO(gzip.compress(b" " * 1_001)))


@given(st.binary(max_size=200), st.integers(0, 400), st.booleans())
def test_damage_never_ends_in_anything_but_a_refusal(junk: bytes, at: int, inside: bool) -> None:
    good = snapshot.pack(taken(story()))
    text = gzip.decompress(good)
    data = gzip.compress(text[:at] + junk + text[at:]) if inside else good[:at] + junk + good[at + len(junk) :]
    with suppress(NotASnapshot):
        cluster_snapshot.contents(snapshot.unpack(io.BytesIO(data)))


def test_an_object_that_cannot_be_read_is_named_and_the_others_count() -> None:
    good = list(story())
    whole = taken(good)
    odd = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": 80}}
    hinted = {**good[0], "kind": "Deployment", "apiVersion": "apps/v1", "hints": [{"given": 5}]}
    known = of_snapshot("f", structs.replace(whole, objects=[odd, hinted, *whole.objects]))
    assert [(one.file, one.message.partition(":")[0]) for one in known.failures] == [
        ("f", "objects[0]"),
        ("f", "objects[1]"),
    ]
    assert "spec.ports: expected a list" in known.failures[0].message
    assert len(known.values) == len(whole.objects)


# -- what could not be read --------------------------------------------------------------------------------------------


WAYS_IN: tuple[dict[str, Any], ...] = (
    INGRESS | {"metadata": {**INGRESS["metadata"], "annotations": {CLASS_ANNOTATION: "nginx", "own": SECRET}}},
    {**ROUTE, "status": {"parents": [{"message": SECRET}]}},
    put(ROUTE, "spec.rules.0.filters", [{"requestHeaderModifier": {"set": [{"name": "key", "value": SECRET}]}}]),
    put(GATEWAY, "spec.listeners.0.tls", {"certificateRefs": [{"name": SECRET}]}),
    put(INGRESS_CLASS, "spec.parameters", {"name": SECRET}),
    put(GATEWAY_CLASS, "spec.description", SECRET),
    deployment("shop/web", notes={"prometheus.io/scrape": "true", "prometheus.io/port": "9102", "own": SECRET}),
    service("edge/nginx", {"app": "a"}, [{"port": 80}], type="LoadBalancer")
    | {"status": {"loadBalancer": {"ingress": [{"hostname": "lb.example.com", "message": SECRET}]}}},
)


@pytest.mark.parametrize("raw", WAYS_IN, ids=lambda raw: str(raw["kind"]))
def test_of_ways_in_all_is_kept_that_is_read_and_nothing_else(raw: dict[str, Any]) -> None:
    value = project(raw)
    assert value is not None
    record = projection(raw, value)
    assert restored(json.loads(json.dumps(record))) == value
    assert SECRET not in json.dumps(record)


def test_ways_in_that_were_forbidden_leave_the_world_whole_and_are_named() -> None:
    kinds: dict[str, State] = {**OK, "Ingress.networking.k8s.io": "forbidden"}
    known = of_snapshot("f", taken(story(), kinds))
    assert known.complete
    assert not [value for value in known.values if isinstance(value, UnlistedKind)]
    (note,) = known.notes
    assert note.startswith("f: Ingress.networking.k8s.io may not be read")
    assert note.endswith("the ways in that it declares are not judged")


def test_out_of_a_snapshot_ways_in_and_dependants_are_told(run: Run, tmp_path: Path) -> None:
    for name, told in (("an-ingress-controller-is-kept-out", "NP108"), ("clients-of-a-new-server-are-denied", "NP109")):
        folder = HERE / "scenarios" / name
        raws = [one.raw for one in read([str(folder / "cluster.yaml")], io.BytesIO()) if isinstance(one, Document)]
        file = tmp_path / f"{name}.json.gz"
        snapshot.write(taken(raws), file)
        done = run("check", "-f", folder / "apply.yaml", "--against", file, "--cni", "generic", "--format", "json")
        assert [one["id"] for one in done.json["findings"]] == [told]


def test_a_kind_of_policy_that_was_forbidden_is_a_gap() -> None:
    kinds: dict[str, State] = {**OK, "CiliumNetworkPolicy.cilium.io": "forbidden", "NetworkPolicy.cilium.io": "absent"}
    known = of_snapshot("f", taken(story(), kinds))
    (unlisted,) = [value for value in known.values if isinstance(value, UnlistedKind)]
    assert (unlisted.kind, unlisted.group) == ("CiliumNetworkPolicy", "cilium.io")
    assert known.complete
    (note,) = known.notes
    what, effect = note.split("): ")
    assert what == "f: CiliumNetworkPolicy.cilium.io may not be read (forbidden when the snapshot was taken"
    assert effect == "verdicts that such a policy may decide are unknown"


def test_a_kind_without_which_things_are_missing_makes_the_world_partial() -> None:
    known = of_snapshot("f", taken(story(), {**OK, "Deployment.apps": "forbidden", "Node": "forbidden"}))
    assert not known.complete
    assert [note.split(": ", 2)[2] for note in known.notes] == [
        "the world is partial, what is not in it may exist all the same",
        "less is known",
    ]


def test_a_snapshot_of_some_namespaces_is_partial() -> None:
    known = of_snapshot("f", taken(story(), namespaces=("production",)))
    assert not known.complete
    assert known.notes == ("f: of namespaces production only: what is elsewhere is not known",)


# -- from the command line ---------------------------------------------------------------------------------------------


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """The story's cluster without the newcomer, as a snapshot."""
    place = tmp_path / "there.json.gz"
    raws = [raw for raw in story() if raw["metadata"]["name"] != "web-api"]
    snapshot.write(taken(raws, when=datetime.now(UTC).replace(microsecond=0)), place)
    return place


@pytest.mark.parametrize("command", ["check", "fix"])
def test_a_snapshot_answers_as_the_manifests_it_was_made_of(run: Run, stored: Path, command: str) -> None:
    newcomer = STORY / "web-api.yaml"
    there = [STORY / name for name in ("production.yaml", "kube-system.yaml")]
    flags = [flag for path in there for flag in ("--against", path)]
    told = run(command, "-f", newcomer, "--against", stored, "--cni", "generic")
    assert told.err == ""
    assert told == run(command, "-f", newcomer, *flags, "--cni", "generic")


def test_explain_and_matrix_take_a_snapshot(run: Run, stored: Path) -> None:
    newcomer = STORY / "web-api.yaml"
    explained = run(
        "explain", "-f", newcomer, "--against", stored, "--from", "web-api", "--to", "postgres:5432", "-n", "production"
    )
    assert explained.code == 1
    assert "denied" in explained.out
    assert run("matrix", "--against", stored).code == 0


def test_a_file_that_is_no_snapshot_is_bad_usage(run: Run, tmp_path: Path) -> None:
    (tmp_path / "x.json.gz").write_bytes(gzip.compress(b"{}"))
    done = run("check", "-f", STORY, "--against", tmp_path / "x.json.gz")
    assert done.code == 2
    assert done.err.endswith(
        "x.json.gz: not a snapshot that can be read: its format is ``: expected `netpol-preflight/1`\n"
    )


def test_an_object_in_a_snapshot_that_cannot_be_read_is_said_and_ends_in_2(run: Run, tmp_path: Path) -> None:
    odd = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": 80}}
    whole = taken(story())
    snapshot.write(structs.replace(whole, objects=[odd, *whole.objects]), tmp_path / "x.json.gz")
    done = run("check", "-f", STORY, "--against", tmp_path / "x.json.gz", "--format", "json")
    assert done.code == 2
    (error,) = done.json["errors"]
    assert error["file"].endswith("x.json.gz")
    assert "spec.ports" in error["message"]
    assert done.json["summary"]["error"] == 2


@pytest.mark.parametrize(("hours", "stale"), [(23, False), (25, True)])
def test_a_snapshot_is_stale_after_a_day(
    hours: int, stale: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    snapshot.write(taken(story()), tmp_path / "x.json.gz")
    arguments = ("audit", "--against", str(tmp_path / "x.json.gz"), "--format", "json")
    main(arguments, clock=lambda: TAKEN + timedelta(hours=hours))
    assert json.loads(capsys.readouterr().out)["world"]["stale"] is stale


@pytest.mark.parametrize("redacted", [False, True])
def test_a_snapshot_that_was_taken_before_is_written_anew(
    run: Run, stored: Path, tmp_path: Path, redacted: bool
) -> None:
    place = tmp_path / "new.json.gz"
    done = run("snapshot", "--from", stored, "-o", place, *(["--redact"] if redacted else []))
    assert (done.code, done.out) == (0, "")
    assert done.err.startswith("wrote ")
    text = gzip.decompress(place.read_bytes()).decode()
    assert ("postgres" in text) is not redacted
    assert ("https://a" in text + done.err) is not redacted
    before, after = (
        run("audit", "--against", one, "--cni", "generic", "--format", "json").json for one in (stored, place)
    )
    assert [one["verdict"] for one in after["dependencies"]] == [one["verdict"] for one in before["dependencies"]]
    assert Counter(one["id"] for one in after["findings"]) == Counter(one["id"] for one in before["findings"])
    if not redacted:
        assert place.read_bytes() == stored.read_bytes()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--from", "/nonexistent"), "/nonexistent: No such file or directory"),
        (("--from", STORY / "web-api.yaml"), "not a snapshot that can be read"),
        (("--from", "x", "-n", "a"), "--from takes a snapshot whole"),
    ],
)
def test_what_no_snapshot_can_be_made_of_is_bad_usage(
    run: Run, tmp_path: Path, flags: tuple[object, ...], said: str
) -> None:
    done = run("snapshot", "-o", tmp_path / "x", *flags)
    assert done.code == 2
    assert said in done.err
    assert not (tmp_path / "x").exists()


# -- of a real cluster -------------------------------------------------------------------------------------------------


def snap(control_plane: ControlPlane, place: Path, *flags: object, user: str = "admin") -> Done:
    return spawn("snapshot", "-o", place, "--kubeconfig", control_plane.kubeconfig(user), *flags)


def test_a_snapshot_of_a_cluster_answers_as_the_cluster(
    control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    manifests = (STORY / "production.yaml").read_text().replace("production", namespace)
    control_plane.apply(manifests)
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"password": SECRET}}
    control_plane.apply(json.dumps(secret), namespace)
    newcomer = tmp_path / "web-api.yaml"
    newcomer.write_text((STORY / "web-api.yaml").read_text().replace("production", namespace))
    place = tmp_path / "cluster.json.gz"

    done = snap(control_plane, place)
    assert (done.code, done.out) == (0, ""), done.err
    assert done.err.startswith("wrote ")
    text = gzip.decompress(place.read_bytes()).decode()
    assert SECRET not in text
    assert "managedFields" not in text
    whole = snapshot.read(place)
    assert {record["kind"] for record in whole.objects} >= {"Namespace", "StatefulSet", "Service", "NetworkPolicy"}
    assert "Secret" not in {record["kind"] for record in whole.objects} | set(whole.kinds)
    assert whole.kinds["Deployment.apps"] == "ok"
    assert whole.kinds["CiliumNetworkPolicy.cilium.io"] == "absent"
    assert whole.cluster == f"https://127.0.0.1:{control_plane.port}"

    live = ("--against", "cluster", "--kubeconfig", control_plane.kubeconfig())
    for command in ("check", "fix"):
        out_of_it = spawn(command, "-f", newcomer, "--against", place, "--format", "json")
        assert out_of_it.code == (1 if command == "check" else 0), out_of_it.err
        assert out_of_it == spawn(command, "-f", newcomer, *live, "--format", "json")


def test_a_snapshot_of_one_namespace_has_nothing_of_the_others(
    control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    control_plane.apply((STORY / "production.yaml").read_text().replace("production", namespace))
    done = snap(control_plane, tmp_path / "one.json.gz", "-n", namespace)
    assert done.code == 0, done.err
    whole = snapshot.read(tmp_path / "one.json.gz")
    assert {r["metadata"]["namespace"] for r in whole.objects if "namespace" in r["metadata"]} == {namespace}
    assert [r["metadata"]["name"] for r in whole.objects if r["kind"] == "Namespace"] == [namespace]
    assert whole.namespaces == (namespace,)


def test_what_may_not_be_read_is_said_and_kept_in_mind(
    control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    control_plane.apply((STORY / "production.yaml").read_text().replace("production", namespace))
    rules = [
        {"apiGroups": [""], "resources": ["namespaces", "services"], "verbs": ["list"]},
        {"apiGroups": ["apps", "batch", "discovery.k8s.io"], "resources": ["*"], "verbs": ["list"]},
    ]
    name = f"half-{namespace}"
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "rules": rules,
    }
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "developer"}],
    }
    control_plane.apply(json.dumps(role))
    control_plane.apply(json.dumps(binding))
    place = tmp_path / "half.json.gz"
    try:
        control_plane.wait_for(
            lambda: "Service may not be read" not in snap(control_plane, place, user="developer").err
        )
        done = snap(control_plane, place, user="developer")
    finally:
        control_plane.kubectl("delete", "clusterrole,clusterrolebinding", name)
    assert done.code == 1
    assert "NetworkPolicy.networking.k8s.io may not be read (HTTP 403: " in done.err
    assert "Pod may not be read (HTTP 403: " in done.err
    kinds = snapshot.read(place).kinds
    assert (kinds["NetworkPolicy.networking.k8s.io"], kinds["Pod"], kinds["Service"]) == (
        "forbidden",
        "forbidden",
        "ok",
    )

    newcomer = tmp_path / "web-api.yaml"
    newcomer.write_text((STORY / "web-api.yaml").read_text().replace("production", namespace))
    checked = spawn("check", "-f", newcomer, "--against", place, "--format", "json")
    assert {f["id"] for f in checked.json["findings"]} == {"NP106"}
    assert "NetworkPolicy.networking.k8s.io may not be read" in checked.err


def test_a_cluster_that_cannot_be_reached_leaves_no_file(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: a\n"
        "clusters: [{name: a, cluster: {server: 'http://127.0.0.1:1'}}]\n"
        "users: [{name: a, user: {}}]\ncontexts: [{name: a, context: {cluster: a, user: a}}]\n"
    )
    done = spawn("snapshot", "-o", tmp_path / "x.json.gz", "--kubeconfig", config)
    assert done.code == 2
    assert "cannot reach `http://127.0.0.1:1`" in done.err
    assert not (tmp_path / "x.json.gz").exists()


def test_a_place_that_cannot_be_written_is_bad_usage(control_plane: ControlPlane, tmp_path: Path) -> None:
    done = snap(control_plane, tmp_path / "none" / "x.json.gz")
    assert done.code == 2
    assert "cannot write" in done.err


def kept(form: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    """Yield each field that is kept without going into it, and what is made of its value; None: nothing."""
    if isinstance(form, Mapping):
        for name, inner in form.items():
            yield from kept(inner, (*path, name))
    else:
        yield path, form


GIVEN = {"command", "args", "env", "envFrom", "volumeMounts", "data"}  # it may hold a password: hints are made of it


@pytest.mark.parametrize("kind", sorted(FORMS))
def test_nothing_that_containers_are_given_is_kept_but_for_what_tells_who_enforces(kind: str) -> None:
    found = {path[-1]: made for path, made in kept(FORMS[kind]) if GIVEN.intersection(path)}
    assert found == ({"args": arguments_of, "env": variables_of} if kind == "DaemonSet" else {})


def test_every_kind_that_is_read_has_a_form() -> None:
    assert FORMS.keys() >= {"Pod", "Service", "Endpoints", "Ingress", *TEMPLATE_PATHS, *ROUTES}
    assert ("spec", "template", "spec", "containers", "image") in dict(kept(FORMS["DaemonSet"]))

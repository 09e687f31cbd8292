"""What is skipped while decoding is nothing that the core reads; where metadata is enough, no more is asked for."""

import json
from collections import defaultdict
from pathlib import Path

import pytest

from tests.benchmarks.synthetic import Sizes, objects
from tests.support.fakes import ScriptedApi, body, event, page, pod, status, stream
from tests.support.watching import PODS, run, watched
from tests.support.ways_in import EVERY
from webhook.cluster.client import BARE, BARE_LIST, WHOLE
from webhook.cluster.decoders import Decoders
from webhook.cluster.kinds import KINDS, Kind, Raw
from webhook.families import project

SAMPLES: dict[str, list[Raw]] = defaultdict(list)
for raw in objects(Sizes(pods=200, policies=60, services=90)):
    SAMPLES[raw["kind"]].append(raw)
for deployment in SAMPLES["Deployment"][:3]:
    for word, version in (("StatefulSet", "apps/v1"), ("DaemonSet", "apps/v1"), ("ReplicationController", "v1")):
        again = {**deployment, "kind": word, "apiVersion": version, "status": {"desiredNumberScheduled": 3}}
        SAMPLES[word].append({**again, "spec": {**deployment["spec"], "selector": {}, "serviceName": "s"}})
    SAMPLES["Job"].append({**deployment, "kind": "Job", "apiVersion": "batch/v1"})
    of_job = {"jobTemplate": {"spec": deployment["spec"]}}
    SAMPLES["CronJob"].append({**deployment, "kind": "CronJob", "apiVersion": "batch/v1", "spec": of_job})
AGENT = {
    "name": "aws-eks-nodeagent",
    "image": "amazon/aws-network-policy-agent:v1.2.1",
    "args": ["--enable-network-policy=true"],
}
SAMPLES["DaemonSet"].append(
    {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "aws-node", "namespace": "kube-system"},
        "spec": {"template": {"spec": {"containers": [AGENT]}}},
        "status": {"desiredNumberScheduled": 4, "numberReady": 1},
    }
)
SAMPLES["Node"].append(
    {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "k", "annotations": {"k3s.io/node-args": '["server"]'}}}
)
SAMPLES["ConfigMap"].append(
    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"DB_URL": "http://db:5432"}}
)
REPLICA_SETS = next(kind for kind in KINDS if kind.name == "ReplicaSet")
BALLAST = {"managedFields": [{"f": {}}] * 3, "uid": "u", "generation": 7, "selfLink": "/"}


def heavy(raw: Raw) -> Raw:
    """Return the object as an API server has it, with what nobody reads."""
    found: Raw = json.loads(json.dumps(raw))
    found["metadata"] |= BALLAST
    outer = found.get("spec") or {}
    for spec in (outer, (outer.get("template") or {}).get("spec") or {}):
        for container in spec.get("containers", ()):
            container |= {
                "image": container.get("image", "i"),
                "env": [{"name": "DB", "value": "db:5432"}],
                "resources": {"limits": {}},
            }
        if "containers" in spec:
            spec |= {"volumes": [{"name": "v"}], "tolerations": [], "initContainers": None}
    if found["kind"] == "Node" and "status" in found:
        found["status"]["images"] = [{"names": ["n"] * 5}] * 50
    return found


@pytest.mark.parametrize("raw", EVERY, ids=lambda raw: str(raw["kind"]))
def test_what_is_kept_of_a_way_in_projects_to_the_same_value(raw: Raw) -> None:
    kind = Kind(raw["apiVersion"], raw["kind"], "any")
    heavy_one = json.loads(json.dumps(raw))
    heavy_one["metadata"] |= BALLAST
    strange = {"metadata": {"name": "x", "namespace": "n"}, "spec": {"rules": 5, "listeners": "x"}}
    body_of = json.dumps({"metadata": {"resourceVersion": "1"}, "items": [heavy_one]}).encode()
    items = Decoders(kind).page(body_of).items
    assert items
    (decoded,) = items
    assert project(decoded) == project(raw)
    for word in ("managedFields", "hosts", "headers", "hostnames", "pathType"):
        assert word not in json.dumps(decoded)
    assert project(Decoders(kind).object(json.dumps(strange).encode())) is not None


def test_what_is_kept_of_a_policy_with_several_rules_projects_to_the_same_value() -> None:
    rules = {"endpointSelector": {}, "ingress": [{"fromEntities": ["world"]}]}
    refused = {"conditions": [{"type": "Valid", "status": "False", "message": "no"}]}
    metadata = {"namespace": "n", "name": "p"}
    raw = {"apiVersion": "cilium.io/v2", "kind": "CiliumNetworkPolicy", "metadata": metadata, "specs": [rules, rules]}
    for one in (raw, raw | {"spec": rules}, raw | {"status": refused}):
        body_of = json.dumps({"metadata": {"resourceVersion": "1"}, "items": [heavy(one)]}).encode()
        decoded = Decoders(Kind("cilium.io/v2", "CiliumNetworkPolicy", "ciliumnetworkpolicies")).page(body_of).items
        assert [project(item) for item in decoded or ()] == [project(one)]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_what_is_kept_of_an_object_projects_to_the_same_value(kind: Kind) -> None:
    extra: list[Raw] = [
        {"apiVersion": kind.api_version, "kind": kind.name, "metadata": {"name": "x", "namespace": "n"}, "spec": None},
        {"apiVersion": kind.api_version, "kind": kind.name, "metadata": {"name": "y", "namespace": "n"}},
        {**SAMPLES["Pod"][0], "metadata": {"name": "lone", "namespace": "n"}} if kind.name == "Pod" else {},
    ]
    raws = [heavy(one) for one in (*SAMPLES[kind.name][:40], *filter(None, extra))]
    decoded = Decoders(kind).page(json.dumps({"metadata": {"resourceVersion": "1"}, "items": raws}).encode()).items
    assert decoded is not None
    assert [project(one) for one in decoded] == [project(one) for one in raws]
    text = json.dumps(decoded)
    for word in ("managedFields", "selfLink", "images", "resources", "tolerations"):
        assert word not in text
    if kind.name == "Pod":
        assert text.count("db:5432") == 1


def test_an_object_of_another_shape_than_its_kind_s_is_for_the_core_to_refuse(tmp_path: Path) -> None:
    async def scenario() -> None:
        odd = {**pod("odd"), "spec": ["no object"]}
        whole = json.dumps({"metadata": {"resourceVersion": "1"}, "items": [pod("a"), odd]}).encode()
        watches = (stream(event("ADDED", {**odd, "metadata": {"name": "odder", "resourceVersion": "2"}})),)
        async with watched(tmp_path, lists=(body(whole),), watches=watches) as it:
            await it.until_calls(("replace", "a", "odd"), ("ADDED", "odder"))
            assert it.sink.world["Pod"]["odd"]["spec"] == ["no object"]

    run(scenario())


def replica_set(name: str, version: str = "1", *, owned: bool) -> Raw:
    made = {"apiVersion": "apps/v1" if owned else "argoproj.io/v1alpha1", "kind": "Deployment" if owned else "Rollout"}
    owners = [made | {"name": "d", "controller": True}] if owned or name == "later" else []
    return {"metadata": {"name": name, "namespace": "ns", "resourceVersion": version, "ownerReferences": owners}}


def test_of_replica_sets_only_metadata_is_asked_for_and_the_rest_of_those_that_no_workload_made(tmp_path: Path) -> None:
    async def scenario() -> None:
        spec = {"spec": {"replicas": 1, "template": {"metadata": {"labels": {"app": "lone"}}}}}

        def prepare(api: ScriptedApi) -> None:
            api.lists(PODS, page(pod("a")))
            for name in ("lone", "later"):
                api.always(
                    REPLICA_SETS.path_in("ns") + "/" + name,
                    body(json.dumps({**replica_set(name, owned=False), **spec}).encode()),
                )
            api.always(REPLICA_SETS.path_in("ns") + "/gone", status(404, "gone"))

        lists = (page(*(replica_set(name, owned=name == "owned") for name in ("owned", "lone", "gone"))),)
        watches = (
            stream(
                event("ADDED", replica_set("later", "2", owned=False)),
                event("MODIFIED", replica_set("gone", "3", owned=False)),
                event("DELETED", replica_set("lone", "4", owned=False)),
            ),
        )
        kinds = (REPLICA_SETS, PODS)
        async with watched(tmp_path, lists=lists, watches=watches, kinds=kinds, prepare=prepare) as it:
            await it.until(lambda: ("DELETED", "lone") in it.sink.calls)
            assert ("replace", "lone", "owned") in it.sink.calls
            assert ("MODIFIED", "gone") not in it.sink.calls
            sets = it.sink.world["ReplicaSet"]
            assert set(sets) == {"owned", "later"}
            assert sets["later"]["spec"]["template"] == {"metadata": {"labels": {"app": "lone"}}}
            assert "spec" not in sets["owned"]
            accepted = {(one.path, one.watches): one.accept for one in it.api.asked}
            assert accepted[REPLICA_SETS.path, False] == BARE_LIST
            assert accepted[REPLICA_SETS.path, True] == BARE
            assert accepted[REPLICA_SETS.path_in("ns") + "/lone", False] == accepted[PODS.path, True] == WHOLE

    run(scenario())


def test_only_what_belongs_to_the_namespaces_is_asked_for(tmp_path: Path) -> None:
    async def scenario() -> None:
        spaces, nodes = KINDS[:2]
        kinds = (PODS, spaces, nodes)
        async with watched(tmp_path, kinds=kinds, namespaces=("shop", "data")) as it:
            await it.synced()
            asked = {(one.path, one.query.get("fieldSelector")) for one in it.api.asked}
            assert asked == {
                ("/api/v1/namespaces/shop/pods", None),
                ("/api/v1/namespaces/data/pods", None),
                ("/api/v1/namespaces", "metadata.name=shop"),
                ("/api/v1/namespaces", "metadata.name=data"),
                ("/api/v1/nodes", None),
            }

    run(scenario())

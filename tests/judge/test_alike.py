"""What is remembered changes no answer: judged with memory and without, by the corpus and in random worlds.

Clients that policies do not tell apart share what is remembered. Some of them here differ by labels for which selectors
ask, some by labels for which nobody does, some by labels of meshes.
"""

from datetime import date
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.arena import Raw, forgetful, world_of
from tests.support.cases import cases, objects_of
from tests.support.worlds import KEYS, VALUES, namespace, pod, policy
from tests.support.worlds_whole import OF_A_POD, whole
from webhook.enforcers import ENFORCERS
from webhook.evaluate.ends import AMBIENT, PodEnd, alike
from webhook.judge import judge_workload
from webhook.model.answers import Verdict
from webhook.model.objects import Workload
from webhook.model.settings import CONNECTS_TO, Enforcer, Mode, Settings
from webhook.review.decide import decide
from webhook.wire.admission import AdmissionRequest
from webhook.world import Overlay, World

TODAY: Final = date(2026, 11, 20)
EACH: Final = -(-settings().max_examples // len(ENFORCERS))
OTHERS: Final[tuple[Raw, ...]] = ({}, {"rev": "1"}, {"rev": "2"}, {"app": "nobody-asks"}, {"app": "aa"}, *OF_A_POD)
ON_A_NODE: Final[tuple[Raw, ...]] = (*({},) * 4, {"hostNetwork": True})
TO: Final = "203.0.113.9:443, 10.0.0.0/16:80, api.example.com:443, s.x:80, s.y:80"


def client(
    name: str,
    space: str,
    labels: Raw,
    to: str,
    kind: str = "Deployment",
    **spec: Any,  # noqa: ANN401 - any field of a pod
) -> Raw:
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main"}], **spec}}
    notes = {CONNECTS_TO: to}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"namespace": space, "name": name, "annotations": notes},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    }


def workload(raw: Raw) -> Workload:
    (found,) = world_of([raw]).workloads.every()
    return found


def asked(world: World, client: Workload) -> tuple[object, object]:
    """Judge what it declares, and review it."""
    namespace, name = client.ref.namespace, client.ref.name
    request = AdmissionRequest("u", "CREATE", client.ref.kind, "", namespace, name, workload=client)
    return judge_workload(Overlay(world, [client]), client, near=False), decide(request, world, TODAY)


@st.composite
def clients(draw: st.DrawFn, objects: list[Raw]) -> list[Workload]:
    pods = [raw["metadata"] for raw in objects if raw["kind"] == "Pod"]
    to = ", ".join((*(f"pod/{meta['name']}.{meta['namespace']}:{port}" for meta in pods for port in (80, 5432)), TO))
    values = {value for meta in pods for value in meta["labels"].values()} | set(VALUES)
    labels = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(sorted(values)), max_size=2)
    found = []
    for number in range(6):
        mine = {**draw(labels), **draw(st.sampled_from(OTHERS))}
        where, kind = draw(st.sampled_from(("x", "x", "y"))), draw(st.sampled_from(("Deployment", "DaemonSet")))
        found.append(workload(client(f"c{number}", where, mine, to, kind, **draw(st.sampled_from(ON_A_NODE)))))
    return found


@pytest.mark.parametrize("enforcer", ENFORCERS)
def test_clients_that_share_an_answer_would_each_get_it(enforcer: str) -> None:
    under = Settings(mode=Mode.ENFORCE, enforcer=Enforcer(enforcer))

    @settings(max_examples=EACH)
    @given(whole(), st.booleans(), st.data())
    def law(objects: list[Raw], complete: bool, data: st.DataObject) -> None:
        remembering = world_of(objects, complete=complete, settings=under)
        forgetting = forgetful(world_of(objects, complete=complete, settings=under))
        some = data.draw(clients(objects))
        alone = [asked(forgetting, one) for one in some]
        for _ in range(3):  # what is asked again is remembered, and then known
            assert [asked(remembering, one) for one in some] == alone

    law()


SERVER: Final = pod("y/s", 9, {"app": "s"}, [])
EVERYBODY: Final[Raw] = {"podSelector": {}, "policyTypes": ["Ingress"]}
CALICO: Final = {"apiVersion": "projectcalico.org/v3", "kind": "NetworkPolicy"}


def let_in(**selector: Any) -> Raw:  # noqa: ANN401 - any part of a label selector
    return policy("y/in", podSelector={}, ingress=[{"from": [{"namespaceSelector": {}, "podSelector": selector}]}])


def calico(source: str, **more: Any) -> Raw:  # noqa: ANN401 - any part of a rule's source
    rule = {"action": "Allow", "source": {"selector": source, "namespaceSelector": "all()", **more}}
    meta = {"namespace": "y", "name": "in"}
    return {**CALICO, "metadata": meta, "spec": {"types": ["Ingress"], "ingress": [rule]}}


WIDE: Final[Raw] = {
    "apiVersion": "projectcalico.org/v3",
    "kind": "GlobalNetworkPolicy",
    "metadata": {"name": "wide"},
    "spec": {"selector": "app == 'a'", "types": ["Egress"], "egress": []},
}
FROM_A: Final[Raw] = {"action": "Allow", "source": {"selector": "app == 'a'"}}
TOLD_APART: Final[dict[str, tuple[list[Raw], Raw, Raw]]] = {
    "by what isolates them": (
        [policy("x/out", podSelector={"matchLabels": {"app": "a"}}, policyTypes=["Egress"])],
        {"app": "a"},
        {"app": "b"},
    ),
    "by whom the server lets in": ([let_in(matchLabels={"app": "a"})], {"app": "a"}, {"app": "b"}),
    "by a value that is left out": (
        [let_in(matchExpressions=[{"key": "app", "operator": "NotIn", "values": ["a"]}])],
        {"app": "a"},
        {"app": "b"},
    ),
    "by a key": ([let_in(matchExpressions=[{"key": "web", "operator": "Exists"}])], {"web": "1"}, {"wet": "1"}),
    "by a policy of the whole cluster": ([WIDE], {"app": "a"}, {"app": "b"}),
    "by a selector that asks for more than values": (
        [{**WIDE, "spec": {"selector": "app contains 'ea'", "types": ["Egress"], "egress": []}}],
        {"app": "bread"},
        {"app": "corn"},
    ),
    "by a rule of their own side": (
        [{**WIDE, "spec": {"selector": "all()", "types": ["Egress"], "egress": [FROM_A]}}],
        {"app": "a"},
        {"app": "b"},
    ),
    "by whom a policy of the whole cluster lets in": (
        [
            {
                **WIDE,
                "spec": {"types": ["Ingress"], "ingress": [{"action": "Allow", "source": {"selector": "app == 'a'"}}]},
            }
        ],
        {"app": "a"},
        {"app": "b"},
    ),
    "by a part of a value": ([calico("app contains 'ea'")], {"app": "bread"}, {"app": "corn"}),
    "by how a value begins": ([calico("app starts with 'b'")], {"app": "bread"}, {"app": "corn"}),
    "by their meshes": (
        [
            namespace("y", {AMBIENT: "ambient"}),
            policy("y/in", podSelector={}, ingress=[{"ports": [{"port": 80}]}]),
        ],
        {AMBIENT: "ambient"},
        {AMBIENT: "none"},
    ),
    "by whose network they are on": ([let_in(matchLabels={"app": "a"})], {"app": "a"}, {"app": "a", "host": "1"}),
    "by their accounts": (
        [calico("all()", serviceAccounts={"names": ["web"]})],
        {"app": "a"},
        {"app": "a", "account": "web"},
    ),
}


@pytest.mark.parametrize("name", TOLD_APART)
def test_clients_whom_something_tells_apart_share_nothing(name: str) -> None:
    objects, *both = TOLD_APART[name]
    under = Settings(enforcer=Enforcer("calico"))
    world = world_of([namespace("x"), SERVER, *objects], settings=under)
    one, other = (told_apart(f"c{number}", labels) for number, labels in enumerate(both))
    verdicts = [[verdict(world, w) for _ in range(3)] for w in (one, other, one)]
    assert {*verdicts[0]}.isdisjoint(verdicts[1])
    assert verdicts[0] == verdicts[2]


def told_apart(name: str, labels: Raw) -> Workload:
    spec = {"hostNetwork": "host" in labels, "serviceAccountName": labels.get("account", "default")}
    return workload(client(name, "x", labels, "pod/s.y:80", **spec))


def verdict(world: World, client: Workload) -> Verdict:
    return judge_workload(Overlay(world, [client]), client, near=False).dependencies[0].verdict


def test_clients_whom_nobody_tells_apart_are_one() -> None:
    world = world_of([namespace("x"), SERVER, let_in(matchLabels={"app": "a"}), policy("x/all", **EVERYBODY)])
    ends = [PodEnd(workload(client("c", "x", {"app": app, "rev": rev}, "")).template.pod_class) for app, rev in CLIENTS]
    assert len({alike(world, end, "y") for end in ends}) == 2


CLIENTS: Final = (("a", "1"), ("a", "2"), ("b", "1"), ("c", "2"))
CASES: Final = dict(cases())


@pytest.mark.parametrize("name", CASES)
def test_the_cases_are_answered_without_memory_as_with_it(name: str) -> None:
    case = CASES[name]
    under = Settings(mode=Mode.ENFORCE, enforcer=Enforcer(case.get("cni", "generic")))
    complete = case.get("complete", True)
    remembering, forgetting = (world_of(objects_of(case), complete=complete, settings=under) for _ in range(2))
    forgetful(forgetting)
    for one in remembering.workloads.every():
        alone = asked(forgetting, one)
        for _ in range(3):
            assert asked(remembering, one) == alone

"""Pods that the configuration expects: they stand in for those that an operator will make, and never reject."""

import json
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.arena import Raw, world_of
from tests.support.making import asks, deployment, resolved, service, workload
from tests.support.matrix_judge import differences
from tests.support.reviews import TODAY, request
from tests.support.running import STORY, eventually, served
from tests.support.values import answers, filled, values, workloads
from tests.support.worlds import namespace, pod, policy, port
from webhook import config
from webhook.cli.demo import review_of
from webhook.enforcers import ENFORCERS
from webhook.judge import judge
from webhook.manifests import dump
from webhook.matrix import matrix
from webhook.model.answers import Verdict
from webhook.model.labels import Labels
from webhook.model.objects import Workload
from webhook.model.refs import EXPECTED, WorkloadRef
from webhook.model.settings import CONNECTS_TO, Expected, Settings
from webhook.report.admission import encode
from webhook.review.audit import review_policies
from webhook.review.decide import decide
from webhook.review.drafts import Decision
from webhook.world import Overlay, View
from webhook.world.changes import Value

KAFKA: Final = {"strimzi.io/cluster": "c", "strimzi.io/name": "c-kafka"}
ONE: Final[Raw] = {"namespace": "data", "labels": KAFKA, "ports": [9092, {"name": "tls", "containerPort": 9093}]}
SERVICE: Final = service("data/kafka", {"strimzi.io/cluster": "c"}, [{"name": "tcp", "port": 9092}])
SHUT: Final = policy("data/shut", podSelector={"matchLabels": KAFKA}, policyTypes=["Ingress"])
SPACES: Final = (namespace("shop"), namespace("data"))
NOTE: Final = "data/c is expected by the configuration, not seen"
CLIENT: Final = deployment("shop/web", annotations={CONNECTS_TO: "kafka.data:9092"})


def expecting(*more: Raw, **raw: Any) -> Settings:  # noqa: ANN401 - any setting
    cni = raw.pop("cni", "generic")
    return config.settings(cni=cni, file=config.read_file({"mode": "enforce", "expected": [ONE, *more], **raw}))


def decided(*objects: Raw, settings: Settings, client: Raw = CLIENT, complete: bool = True) -> Decision:
    return decide(request(client), world_of([*SPACES, *objects], complete=complete, settings=settings), TODAY)


def told(decision: Decision) -> list[tuple[str, str]]:
    return [(one.id, one.severity.word) for one in decision.findings]


def labelled(raw: Raw, labels: Raw) -> Raw:
    """Give the pods of a workload labels."""
    meta = raw["metadata"] if raw["kind"] == "Pod" else raw["spec"]["template"]["metadata"]
    meta["labels"] = labels
    return raw


# -- what is said of them ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("complete", [True, False])
def test_a_service_of_pods_to_come_has_backends(complete: bool) -> None:
    assert [name for name, _ in told(decided(SERVICE, settings=config.settings(), complete=complete))] == ["NP204"]
    assert told(decided(SERVICE, settings=expecting(), complete=complete)) == []


def test_a_policy_for_pods_to_come_selects_some() -> None:
    found = {}
    for settings in (Settings(), expecting()):
        world = world_of([*SPACES, SHUT], settings=settings)
        found[bool(settings.expected)] = [
            one.id for one in review_policies(world, world.policies.named("data").values(), TODAY)
        ]
    assert "NP405" in found[False]
    assert "NP405" not in found[True]


def test_a_port_is_found_by_the_name_that_is_said() -> None:
    tls = service("data/kafka", {"strimzi.io/cluster": "c"}, [{"port": 443, "targetPort": "tls"}])
    flows = judged(world_of([*SPACES, tls], settings=expecting()), "kafka.data:443").flows
    assert [(str(flow.to), flow.port) for flow in flows] == [("expected/data/c", 9093)]


def judged(view: View, text: str) -> Any:  # noqa: ANN401 - Judged
    return judge(view, asks("shop/web"), resolved(view, text))


@pytest.mark.parametrize("raised", [{}, {"severities": {"NP102": "error", "NP101": "error", "NP104": "error"}}])
@pytest.mark.parametrize(
    "closed",
    [
        SHUT,
        policy("shop/out", podSelector={}, policyTypes=["Egress"], egress=[{"to": [{"podSelector": {}}]}]),
        {
            "apiVersion": "policy.networking.k8s.io/v1alpha1",
            "kind": "AdminNetworkPolicy",
            "metadata": {"name": "fence"},
            "spec": {
                "priority": 1,
                "subject": {"namespaces": {"matchLabels": {"kubernetes.io/metadata.name": "data"}}},
                "ingress": [{"name": "no", "action": "Deny", "from": [{"namespaces": {}}]}],
            },
        },
    ],
)
def test_it_never_rejects_and_says_on_what_it_rests(raised: Raw, closed: Raw) -> None:
    decision = decided(SERVICE, closed, settings=expecting(**raised))
    assert decision.allowed
    (found,) = [one for one in decision.findings if one.verdict is Verdict.DENIED]
    assert (found.severity.word, NOTE in found.assumptions) == ("warning", True)
    seen = labelled(pod("data/c-0", 1, {}, [port("a", 9092)]), KAFKA)
    assert not decided(SERVICE, closed, seen, settings=expecting(**raised)).allowed, "a pod that is there does"


def test_a_fix_opens_them_by_the_labels_that_are_said() -> None:
    (found,) = decided(SERVICE, SHUT, settings=expecting()).findings
    (fix,) = found.fix
    assert fix["spec"]["podSelector"] == {"matchLabels": KAFKA}


def test_they_are_no_workloads_to_check_and_declare_nothing() -> None:
    view = world_of([*SPACES, SERVICE, SHUT], settings=expecting())
    assert list(view.workloads.every()) == []
    ref = WorkloadRef(EXPECTED, "data", "c")
    assert view.workloads.get(ref) is not None
    assert [group.ref for group in view.pods.groups("data")] == [ref]


def test_who_is_expected_to_scrape_is_said_to_be_expected() -> None:
    labels = {"app.kubernetes.io/name": "prometheus", "app.kubernetes.io/component": "server"}
    prometheus: Raw = {"namespace": "data", "labels": labels, "ports": [9090]}
    closed = policy("shop/in", podSelector={}, policyTypes=["Ingress"])
    server = deployment("shop/web", [port("metrics", 8080)], notes={"prometheus.io/scrape": "true"})
    assert told(decided(closed, client=server, settings=expecting())) == []
    (found,) = decided(closed, client=server, settings=expecting(prometheus)).findings
    assert (found.id, found.severity.word, dict(found.facts)["from"]) == ("NP108", "warning", "data/prometheus")
    assert "data/prometheus is expected by the configuration, not seen" in found.assumptions
    real = labelled(deployment("data/prom", [port("web", 9090)]), labels)
    (found,) = decided(closed, real, client=server, settings=expecting(prometheus)).findings
    assert dict(found.facts)["from"] == "data/prom"


def test_of_several_who_may_send_each_that_is_expected_is_said() -> None:
    labels = {"app.kubernetes.io/name": "traefik"}
    route = {
        "apiVersion": "traefik.io/v1alpha1",
        "kind": "IngressRoute",
        "metadata": {"namespace": "shop", "name": "web"},
        "spec": {"routes": [{"services": [{"name": "web", "port": 80}]}]},
    }
    closed = policy("shop/in", podSelector={}, policyTypes=["Ingress"])
    web = service("shop/web", {"app": "web"}, [{"port": 80}])
    seen = labelled(deployment("a/traefik"), labels)
    settings = expecting({"namespace": "data", "labels": labels})
    (found,) = decided(route, closed, web, seen, client=deployment("shop/web"), settings=settings).findings
    assert dict(found.facts)["from"] == "a/traefik, data/traefik"
    assert "data/traefik is expected by the configuration, not seen" in found.assumptions


def test_the_namespace_that_they_are_expected_in_is_known() -> None:
    view = world_of([], settings=expecting())
    assert "data" in view.namespaces
    assert list(view.namespaces.names()) == ["data"]


# -- what is there wins -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("about", "seen", "wins"),
    [
        ("a pod", labelled(pod("data/c-0", 1, {}, []), {**KAFKA, "more": "x"}), True),
        ("a template", labelled(workload("StatefulSet", "data/c"), KAFKA), True),
        ("a pod that lacks a label", labelled(pod("data/c-0", 1, {}, []), {"strimzi.io/name": "c-kafka"}), False),
        ("a pod elsewhere", labelled(pod("shop/c-0", 1, {}, []), KAFKA), False),
        ("a pod that is done", labelled(pod("data/c-0", 1, {}, []), KAFKA) | {"status": {"phase": "Succeeded"}}, False),
    ],
)
def test_what_is_there_wins(about: str, seen: Raw, wins: bool) -> None:
    world = world_of([*SPACES, SERVICE, seen], settings=expecting())
    views: dict[str, View] = {"the world": world}
    alone = world_of([*SPACES, SERVICE], settings=expecting())
    for one in world.workloads.every() if seen["kind"] != "Pod" else ():
        views["on top"] = Overlay(alone, [one])
        views["anew"] = Overlay(alone, [one], anew=True)
    for place, view in views.items():
        (asked,) = view.services.within("data")
        there = (EXPECTED in {g.ref.kind for g in some} for some in (view.pods.groups("data"), view.pods.behind(asked)))
        assert set(there) == {not wins}, (about, place)


def test_behind_a_service_they_count_only_while_nobody_is_seen() -> None:
    other = labelled(deployment("data/exporter"), {"strimzi.io/cluster": "c", "strimzi.io/name": "c-exporter"})
    view = world_of([*SPACES, SERVICE, other], settings=expecting())
    (asked,) = view.services.within("data")
    assert [str(g.ref) for g in view.pods.groups("data")] == ["deploy/data/exporter", "expected/data/c"]
    assert [str(g.ref) for g in view.pods.behind(asked)] == ["deploy/data/exporter"]


EXPECTING: Final = tuple(
    Expected(WorkloadRef(EXPECTED, space, name), Labels(labels))
    for space, name, labels in (
        ("a", "e1", {"app": "a"}),
        ("a", "e2", {"app": "b", "tier": "x"}),
        ("b", "e3", {"app": "a"}),
    )
)


@given(st.lists(values, max_size=12), st.lists(workloads(), min_size=1, max_size=3))
def test_a_change_on_top_answers_as_the_world_with_it(below: list[Value], on_top: list[Workload]) -> None:
    settings = Settings(expected=EXPECTING)
    base, merged = filled(below), filled([*below, *on_top])
    base.configure(settings)
    merged.configure(settings)
    assert answers(Overlay(base, on_top)) == answers(merged)


@given(st.lists(values, max_size=12))
def test_nobody_seen_is_lost_and_nobody_expected_is_there_twice(objects: list[Value]) -> None:
    plain, world = filled(objects), filled(objects)
    world.configure(Settings(expected=EXPECTING))
    for space in ("a", "b"):
        groups = world.pods.groups(space)
        seen = tuple(group for group in groups if group.ref.kind != EXPECTED)
        assert seen == plain.pods.groups(space)
        assert len({group.ref for group in groups}) == len(groups)
        for one in plain.services.within(space):
            assert not plain.pods.behind(one) or world.pods.behind(one) == plain.pods.behind(one)


# -- what is not known of them ----------------------------------------------------------------------------------------

BY_ACCOUNT: Final = {
    "calico": {
        "apiVersion": "projectcalico.org/v3",
        "kind": "NetworkPolicy",
        "metadata": {"namespace": "data", "name": "accounts"},
        "spec": {"selector": "all()", "serviceAccountSelector": "team == 'a'", "types": ["Ingress"]},
    },
    "cilium": {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumNetworkPolicy",
        "metadata": {"namespace": "data", "name": "accounts"},
        "spec": {
            "endpointSelector": {"matchLabels": {"io.cilium.k8s.policy.serviceaccount": "kafka"}},
            "ingress": [{"fromEndpoints": [{"matchLabels": {"a": "b"}}]}],
        },
    },
}


@pytest.mark.parametrize("cni", BY_ACCOUNT)
def test_a_rule_by_service_account_is_unknown(cni: str) -> None:
    view = world_of([*SPACES, SERVICE, BY_ACCOUNT[cni]], settings=expecting(cni=cni))
    found = judged(view, "kafka.data:9092")
    assert found.verdict is Verdict.UNKNOWN
    assert list(differences(view, Random(1))) == []
    decision = decided(SERVICE, BY_ACCOUNT[cni], settings=expecting(cni=cni))
    assert (decision.allowed, told(decision)) == (True, [("NP106", "info")])


def test_what_they_call_their_ports_opens_nothing_for_sure_on_pods_that_are_there() -> None:
    """AWS looks a rule's port name up among all pods that the policy selects."""
    named = policy("data/named", podSelector={}, policyTypes=["Ingress"], ingress=[{"ports": [{"port": "tls"}]}])
    real = labelled(deployment("data/db", [port("tls", 1)]), {"app": "db"})
    view = world_of([*SPACES, real, named], settings=expecting(cni="aws"))
    assert judged(view, "deploy/db.data:1").verdict is Verdict.ALLOWED
    assert judged(view, "deploy/db.data:9093").verdict is Verdict.UNKNOWN


@pytest.mark.parametrize("cni", ENFORCERS)
def test_matrix_and_explain_agree_on_them(cni: str) -> None:
    rules = [
        {
            "from": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "web"}}}],
            "ports": [{"port": "tls"}],
        }
    ]
    objects = [*SPACES, SERVICE, CLIENT, policy("data/some", podSelector={"matchLabels": KAFKA}, ingress=rules), SHUT]
    view = world_of(objects, settings=expecting(cni=cni))
    assert list(differences(view, Random(1))) == []
    assert WorkloadRef(EXPECTED, "data", "c") in matrix(view).workloads


# -- who learns of them -----------------------------------------------------------------------------------------------


def test_those_of_other_namespaces_are_kept_to_themselves() -> None:
    settings = expecting(disclose="own")
    said = json.loads(encode(decided(SERVICE, SHUT, settings=settings), dump))["response"]
    (line,) = said["warnings"]
    assert "shop/web -> kafka.data:9092/TCP is closed, or is not there" in line
    assert not [word for word in ("expected", "strimzi", "data/c", "data/shut") if word in line]
    nobody = decided(service("data/kafka", {"a": "b"}, [{"port": 9092}]), settings=settings)
    assert json.loads(encode(nobody, dump))["response"]["warnings"] == [line]


def test_those_of_the_own_namespace_are_told() -> None:
    own = {**ONE, "namespace": "shop"}
    here = service("shop/kafka", {"strimzi.io/cluster": "c"}, [{"port": 9092}])
    closed = policy("shop/shut", podSelector={"matchLabels": KAFKA}, policyTypes=["Ingress"])
    client = deployment("shop/web", annotations={CONNECTS_TO: "kafka:9092"})
    (found,) = decided(here, closed, client=client, settings=expecting(own, disclose="own")).shown or ()
    assert found.assumptions == ("shop/c is expected by the configuration, not seen",)


# -- in the configuration ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "said"),
    [
        ({"labels": {"a": "b"}}, "expected[0]: missing `namespace`"),
        ({"namespace": "data"}, "expected[0]: missing `labels`"),
        ({"namespace": "data", "labels": {}}, "expected[0].labels: expected at least one entry"),
        ({"namespace": "Data", "labels": {"a": "b"}}, "expected[0].namespace: expected text like"),
        ({"namespace": "data", "labels": ["a"]}, "expected[0].labels: expected a mapping, got a list"),
        ({"namespace": "data", "labels": {"a b": "c"}}, "expected[0].labels: key `a b`: expected text like"),
        ({"namespace": "data", "labels": {"a": 3}}, "expected[0].labels.a: expected text, got a number"),
        ({"namespace": "data", "labels": {"a": "b c"}}, "expected[0].labels.a: expected text like"),
        ({"ports": 80}, "expected[0].ports: expected a list, got a number"),
        ({"ports": [0]}, "expected[0].ports[0]: expected a number from 1 to 65535"),
        ({"ports": ["http"]}, "expected[0].ports[0]: expected a whole number or a mapping, got text"),
        ({"ports": [80, {"name": "a"}]}, "expected[0].ports[1]: missing `containerPort`"),
        (
            {"ports": [{"containerPort": 65536}]},
            "expected[0].ports[0].containerPort: expected a number from 1 to 65535",
        ),
        ({"ports": [{"containerPort": 1, "name": "a_b"}]}, "expected[0].ports[0].name: expected text like"),
        (
            {"ports": [{"containerPort": 1, "protocol": "HTTP"}]},
            "expected[0].ports[0].protocol: `HTTP` is unknown: expected TCP, UDP, SCTP",
        ),
        (
            {"ports": [{"containerPort": 1, "name": "a"}, 2, {"containerPort": 3, "name": "a"}]},
            "expected[0].ports[2].name: ports[0] has the same name",
        ),
        ({"replicas": 3}, "expected[0]: unknown setting `replicas`"),
    ],
)
def test_what_is_malformed_is_named_by_its_path(one: Raw, said: str) -> None:
    whole = one if {"labels", "namespace"} & set(one) else {"namespace": "data", "labels": {"a": "b"}, **one}
    with pytest.raises(config.Invalid) as caught:
        config.read_file({"expected": [whole]})
    assert str(caught.value).startswith(said)


def test_what_is_expected_twice_is_said() -> None:
    again = {**ONE, "labels": dict(reversed(KAFKA.items())), "ports": []}
    other = {**ONE, "namespace": "shop"}
    with pytest.raises(config.Invalid) as caught:
        config.read_file({"expected": [ONE, other, again]})
    assert str(caught.value) == "expected[2]: expected[0] has the same namespace and labels: give all ports there"


def names(some: Iterable[Raw]) -> list[str]:
    raw = {"expected": [{"namespace": "data", "labels": labels} for labels in some]}
    return [one.ref.name for one in config.settings(file=config.read_file(raw)).expected]


def test_each_has_a_name_of_its_own() -> None:
    assert names([{"app": "db"}, {"app": "db", "role": "replica"}, {"b": "db"}]) == ["db", "db-replica", "db-2"]
    assert names([{"app": ""}, {"app": "", "b": "x"}, {"b": ""}]) == ["pods-0", "x", "pods-2"]


def test_a_configuration_that_is_read_again_counts_at_once() -> None:
    objects = [*SPACES, SERVICE, SHUT]
    world = world_of(objects)
    for settings in (Settings(), expecting(), Settings(), expecting({**ONE, "namespace": "shop"})):
        world.configure(settings)
        fresh = world_of(objects, settings=settings)
        assert answers(world) == answers(fresh)
        assert decide(request(CLIENT), world, TODAY) == decide(request(CLIENT), fresh, TODAY)


def test_while_it_serves_too(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("mode: warn\n")
    client = tmp_path / "client.yaml"
    client.write_text(json.dumps(deployment("production/kafka-client", annotations={CONNECTS_TO: "kafka:9092"})))
    story = tmp_path / "story"
    story.mkdir()
    for one in STORY.glob("*.yaml"):
        (story / one.name).write_text(one.read_text())
    behind = service("production/kafka", {"strimzi.io/cluster": "c"}, [{"port": 9092}])
    (story / "kafka.yaml").write_text(json.dumps(behind))
    with served(story, tmp_path / "tls", "--config", str(file)) as webhook:

        def warned() -> str:
            return "\n".join(review_of(webhook.address, client, webhook.ca).warnings)

        assert "Service production/kafka" not in warned()
        file.write_text(json.dumps({"mode": "warn", "expected": [{**ONE, "namespace": "production"}]}))
        eventually(lambda: "production/c:9092/TCP" in warned())

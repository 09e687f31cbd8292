"""An address that somebody's Service took: what was sure to be denied stays denied, and nothing becomes allowed."""

from collections.abc import Sequence
from typing import Any

import pytest

from tests.support.arena import Raw, world_of
from tests.support.making import asks, deployment, node, resolved, service
from tests.support.reviews import TODAY, request
from tests.support.worlds import namespace, policy, port
from webhook.judge import Judged, judge
from webhook.model.answers import Verdict
from webhook.model.settings import CONNECTS_TO, Mode, Settings
from webhook.review.decide import decide

ADDRESS = "203.0.113.10"
EVIL = (namespace("shop"), namespace("evil"), deployment("evil/trap", [port("web", 8080)]))
ALL_PODS: list[Raw] = [{"to": [{"namespaceSelector": {}}]}]
THERE: list[Raw] = [{"to": [{"ipBlock": {"cidr": f"{ADDRESS}/32"}}]}]
TAKEN: Raw = {"externalIPs": [ADDRESS]}
GIVEN: Raw = {"type": "LoadBalancer", "status": {"loadBalancer": {"ingress": [{"ip": ADDRESS}]}}}
SHUT = policy("evil/shut", podSelector={}, policyTypes=["Ingress"])


def trap(name: str = "evil/trap", **more: Any) -> Raw:  # noqa: ANN401 - any field of a Service
    status = more.pop("status", {})
    return service(name, {"app": "trap"}, [{"port": 443, "targetPort": 8080}], **more) | {"status": status}


def judged(objects: Sequence[Raw], text: str) -> Judged:
    view = world_of(objects)
    return judge(view, asks("shop/web"), resolved(view, text))


def out(*rules: Raw) -> Raw:
    return policy("shop/out", podSelector={}, policyTypes=["Egress"], egress=list(rules))


@pytest.mark.parametrize("how", [TAKEN, GIVEN], ids=["taken", "given"])
@pytest.mark.parametrize(
    ("about", "rules", "port_", "expected"),
    [
        ("nothing is let out", [], 443, Verdict.DENIED),
        ("nothing is let out on a port that the Service has not", [], 80, Verdict.DENIED),
        ("only its own pods are", [{"to": [{"podSelector": {}}]}], 443, Verdict.DENIED),
        ("to the pods behind the Service", ALL_PODS, 443, Verdict.UNKNOWN),
        ("to pods, on a port that the Service has not", ALL_PODS, 80, Verdict.DENIED),
        ("to the address", THERE, 443, Verdict.UNKNOWN),
        ("to both", [*THERE, *ALL_PODS], 443, Verdict.UNKNOWN),
    ],
)
def test_a_denial_stands_where_the_client_is_let_out_neither_way(
    about: str, rules: list[Raw], port_: int, expected: Verdict, how: Raw
) -> None:
    found = judged([*EVIL, out(*rules), trap(**how)], f"{ADDRESS}:{port_}")
    assert found.verdict is expected, about
    if expected is Verdict.UNKNOWN:
        assert f"{ADDRESS} is an outside address of Service evil/trap" in str(found.reason)


def test_what_the_pods_behind_it_let_in_closes_nothing_to_others() -> None:
    for more in ([], [SHUT]):
        assert judged([*EVIL, out(*ALL_PODS), trap(**TAKEN), *more], f"{ADDRESS}:443").verdict is Verdict.UNKNOWN


def test_a_service_without_pods_leads_nowhere() -> None:
    bare = service("evil/trap", {"app": "nobody"}, [{"port": 443}], **TAKEN)
    assert judged([*EVIL, out(*ALL_PODS), bare], f"{ADDRESS}:443").verdict is Verdict.DENIED


def test_of_several_that_took_it_each_counts() -> None:
    there = deployment("web/front", [port("web", 8080)])
    front = service("web/front", {"app": "front"}, [{"port": 443, "targetPort": 8080}], **TAKEN)
    to_web = [{"to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "web"}}}]}]
    world = [*EVIL, namespace("web"), there, front, trap(**TAKEN)]
    found = judged([*world, out(*to_web)], f"{ADDRESS}:443")
    assert found.verdict is Verdict.UNKNOWN
    assert "Service evil/trap and 1 more" in str(found.reason)
    assert judged([*world, out()], f"{ADDRESS}:443").verdict is Verdict.DENIED


@pytest.mark.parametrize("more", [[], [trap(**TAKEN)], [trap(**GIVEN)]], ids=["nobody's", "taken", "given"])
def test_another_namespaces_service_lets_nothing_past_an_enforcing_one(more: list[Raw]) -> None:
    web = deployment("shop/web", annotations={CONNECTS_TO: f"{ADDRESS}:443"})
    world = world_of([*EVIL, out(), *more], settings=Settings(mode=Mode.ENFORCE))
    decision = decide(request(web), world, TODAY)
    assert [one.id for one in decision.rejected] == ["NP101"]


@pytest.mark.parametrize(
    ("about", "rules", "expected"),
    [
        ("nothing is let out", [], Verdict.DENIED),
        ("to its pods, on their port", ALL_PODS, Verdict.UNKNOWN),
        ("to its pods, on another port", [ALL_PODS[0] | {"ports": [{"port": 9999}]}], Verdict.DENIED),
    ],
)
def test_a_port_of_a_node_that_somebody_took_is_no_refuge_either(
    about: str, rules: list[Raw], expected: Verdict
) -> None:
    taken = deployment("evil/agent", [port("", 8125) | {"hostPort": 9999}])
    found = judged([*EVIL, node("n1", "192.168.1.1"), taken, out(*rules)], "192.168.1.1:9999")
    assert found.verdict is expected, about

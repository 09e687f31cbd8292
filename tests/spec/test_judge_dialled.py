"""What declarations come to, against a judge of them: loopback, hostAliases, hostPort, and AWS' pools of port names."""

from copy import deepcopy
from typing import Final

from hypothesis import assume, event, given
from hypothesis import strategies as st

from tests.spec import dialled
from tests.support.arena import Arena, Raw, world_of
from tests.support.making import node
from tests.support.worlds import OUTSIDE, namespace, policy, port, questions, worlds
from tests.support.worlds import pod as running
from webhook.judge import Explanation, explain
from webhook.model.answers import Verdict
from webhook.model.refs import WorkloadRef
from webhook.model.settings import Enforcer, Settings
from webhook.world import World

NAMES: Final = ("ledger", "ledger.example.com", "Ledger.Example.com")
OWN: Final = ("localhost", "127.0.0.1", "127.9.8.7", "::1", "0.0.0.0")  # noqa: S104 - what clients write, dialled
PORTS: Final = (("TCP", 80), ("TCP", 8080), ("UDP", 81))
NODE: Final = "192.168.9.1"
HOST_PORT: Final = 9999
SAMPLES: Final = 30


def pods_of(objects: list[Raw]) -> list[Raw]:
    return [o for o in objects if o["kind"] == "Pod"]


def asked(world: World, client: Raw, host: str, protocol: str, port: int) -> Explanation:
    meta = client["metadata"]
    workload = world.workloads.get(WorkloadRef("Pod", meta["namespace"], meta["name"]))
    assert workload is not None
    return explain(world, workload, f"{f'[{host}]' if ':' in host else host}:{port}/{protocol}")


def together(passes: list[bool]) -> Verdict:
    return Verdict.ALLOWED if all(passes) else Verdict.PARTIAL if any(passes) else Verdict.DENIED


@given(worlds(), st.data())
def test_a_name_or_an_address_comes_to_what_the_judge_says(world: list[Raw], data: st.DataObject) -> None:
    client = data.draw(st.sampled_from(pods_of(world)))
    assume(not client["spec"].get("hostNetwork"))
    everywhere = [ip["ip"] for pod in pods_of(world) for ip in pod["status"]["podIPs"]]
    lines = st.fixed_dictionaries(
        {
            "ip": st.sampled_from((*everywhere, *OUTSIDE.values(), "127.0.0.1")),
            "hostnames": st.lists(st.sampled_from(NAMES), min_size=1, max_size=2),
        }
    )
    client["spec"]["hostAliases"] = data.draw(st.lists(lines, max_size=3))
    built = world_of(world)
    for host in (*OWN, *everywhere, *OUTSIDE.values(), "ledger", "ledger.example.com."):
        addresses = dialled.addresses_of(client, host)
        protocol, number = data.draw(st.sampled_from(PORTS))
        if addresses is None:
            continue
        expected = together([dialled.passes(world, client, one, protocol, number) for one in dict.fromkeys(addresses)])
        event(f"{len(addresses)} {expected}")
        found = asked(built, client, host, protocol, number)
        assert (found.verdict, found.dns) == (expected, None), host


@given(worlds(), st.data())
def test_a_port_of_a_node_is_sure_only_where_both_readings_are(world: list[Raw], data: st.DataObject) -> None:
    """The packet may be taken for one to the node, or for one to the pod that the hostPort leads to."""
    client, server = data.draw(st.permutations(pods_of(world)))[:2]
    assume(not client["spec"].get("hostNetwork") and not server["spec"].get("hostNetwork"))
    assume("." in server["status"]["podIP"])
    own = data.draw(st.sampled_from((80, 8080)))
    ports = [{"name": "led", "containerPort": own, "hostPort": HOST_PORT}]
    server["spec"]["containers"] = [{"name": "c", "image": "c", "ports": ports}]
    objects = [*world, node(server["spec"]["nodeName"], NODE)]
    found = asked(world_of(objects), client, NODE, "TCP", HOST_PORT)
    to_node = dialled.passes(objects, client, NODE, "TCP", HOST_PORT)
    ((pod, number),) = dialled.led_to(objects, server["spec"]["nodeName"], "TCP", HOST_PORT)
    to_pod = dialled.passes(objects, client, pod["status"]["podIP"], "TCP", number)
    event(f"{to_node} {to_pod} {found.verdict}")
    assert found.verdict is not Verdict.ALLOWED or (to_node and to_pod)
    assert found.verdict is not Verdict.DENIED or not (to_node or to_pod)


@given(worlds(), st.data())
def test_port_names_of_ingress_rules_are_pooled_as_the_judge_says(world: list[Raw], data: st.DataObject) -> None:
    assume(not any(pod["spec"].get("hostNetwork") for pod in pods_of(world)))
    for pod in pods_of(world):
        number = data.draw(st.sampled_from((80, 81, 8080)))
        pod["spec"] = {**pod["spec"], "containers": [{"name": "c", "image": "c", "ports": [port("web", number)]}]}
    space = data.draw(st.sampled_from(pods_of(world)))["metadata"]["namespace"]
    world = [*world, policy(f"{space}/named", podSelector={}, ingress=[{"ports": [{"port": "web"}]}])]
    sampled = st.sampled_from(questions(world))
    aws = Arena(world, Settings(enforcer=Enforcer("aws")))
    judge = Arena(dialled.pooled(deepcopy(world)))
    for question in data.draw(st.lists(sampled, min_size=SAMPLES, max_size=SAMPLES, unique=True)):
        verdicts = aws.evaluate(*question)
        sure = tuple({Verdict.ALLOWED: True, Verdict.DENIED: False}.get(side) for side in verdicts)
        assert sure == judge.judge(*question), question


def test_of_a_name_that_a_pod_gives_twice_aws_opens_the_first_number_alone() -> None:
    side = {"name": "s", "image": "s", "restartPolicy": "Always", "ports": [port("web", 81)]}
    server = running("x/server", 2, {}, [port("web", 80)], initContainers=[side])
    named = policy("x/named", podSelector={}, ingress=[{"ports": [{"port": "web"}]}])
    world = [namespace("x"), running("x/client", 1, {}, []), server, named]
    aws = Arena(world, Settings(enforcer=Enforcer("aws")))
    answers = [aws.evaluate("x/client", "x/server", 4, "TCP", number) for number in (80, 81)]
    assert [ingress for *_, ingress in answers] == [Verdict.ALLOWED, Verdict.DENIED]

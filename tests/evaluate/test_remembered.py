"""What is remembered changes no answer: each is what a view says that remembers nothing, whatever was asked before."""

from random import Random

from hypothesis import event, given
from hypothesis import strategies as st

from tests.support.arena import Raw, world_of
from tests.support.matrix_judge import boundaries, ends, everybody, pieces
from tests.support.worlds import pod, policy, port
from tests.support.worlds_whole import whole
from webhook.enforcers import ENFORCERS
from webhook.evaluate import PodEnd, judge_pair
from webhook.evaluate.coverage import edges_of
from webhook.evaluate.flow import kind_of, told_by
from webhook.families import project
from webhook.model.addresses import Address, Family, Protocol, parse_address
from webhook.model.answers import Verdict
from webhook.model.settings import Enforcer, Settings
from webhook.world import Drop, Put, View

MOST = 200  # questions of one world
Question = tuple[PodEnd, PodEnd, Protocol, int]


@given(whole(), st.sampled_from(sorted(ENFORCERS)), st.booleans(), st.randoms(use_true_random=False))
def test_a_verdict_is_the_same_remembered_or_not(
    objects: list[Raw], enforcer: str, complete: bool, random: Random
) -> None:
    view = world_of(objects, complete=complete, settings=Settings(enforcer=Enforcer(enforcer)))
    asked = questions(view, random)
    for one in asked:
        judge_pair(view, *one)
    remembered = [judge_pair(view, *one) for one in asked]
    event(f"verdicts {len({verdict for verdict, _, _ in remembered})}")
    for one, said in zip(asked, remembered, strict=True):
        view.memos.clear()
        assert judge_pair(view, *one) == said


def questions(view: View, random: Random) -> list[Question]:
    """Return pairs of pods with a port, in no order."""
    every = [end for group in everybody(view) for end in ends(view, group)]
    ports = boundaries(view)
    return [(random.choice(every), random.choice(every), *random.choice(ports)) for _ in range(MOST)] if every else []


@given(whole(), st.sampled_from(sorted(ENFORCERS)), st.booleans(), st.randoms(use_true_random=False))
def test_pods_of_a_shape_that_no_rule_tells_apart_fare_alike(
    objects: list[Raw], enforcer: str, complete: bool, random: Random
) -> None:
    view = world_of(objects, complete=complete, settings=Settings(enforcer=Enforcer(enforcer)))
    addresses = edges(view)
    for source, target, protocol, number in questions(view, random):
        some = [(a, b) for a in addresses[4] for b in addresses[6]]
        twin = PodEnd(target.pod_class, random.choice(some), random.choice((target.node, "elsewhere")))
        if kind_of(twin, told_by(view, source, twin)) == kind_of(target, told_by(view, source, target)):
            event(f"alike, {'' if target.addresses == twin.addresses else 'other addresses'}")
            assert judge_pair(view, source, twin, protocol, number) == judge_pair(
                view, source, target, protocol, number
            )


def edges(view: View) -> dict[Family, list[Address]]:
    """Return addresses inside and beside every block that a rule names, and one of no block."""
    rules = [rule for piece in pieces(view) for rule in piece.rules]
    matches = [peer for rule in rules for peer in (*(rule.peers or ()), *(rule.subject_peers or ()))]
    found: dict[Family, list[Address]] = {4: [parse_address("10.250.0.1")], 6: [parse_address("fd99::1")]}
    for block in (block for match in matches for block in edges_of(match)):
        beyond = [block.last + 1] if block.prefix else []
        found[block.family] += [Address(block.family, value) for value in (block.first, block.last, *beyond)]
    return found


def test_port_names_that_are_pooled_are_asked_for_anew_when_a_pod_is_gone() -> None:
    named = [{"ports": [{"port": "http"}]}]
    objects = [
        pod("x/a", 1, {"app": "a"}, [port("http", 80)]),
        pod("x/b", 2, {"app": "b"}, [port("http", 81)]),
        policy("x/in", podSelector={}, policyTypes=["Ingress"], ingress=named),
    ]
    view = world_of(objects, settings=Settings(enforcer=Enforcer("aws")))
    one, other = (end for group in everybody(view) for end in ends(view, group))
    assert judge_pair(view, other, one, "TCP", 81)[0] is Verdict.ALLOWED
    view.apply([Drop("Pod", "x", "b")])
    assert judge_pair(view, other, one, "TCP", 81)[0] is Verdict.DENIED


def test_the_pods_behind_a_service_are_asked_for_anew_when_it_selects_others() -> None:
    to_service = {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumNetworkPolicy",
        "metadata": {"namespace": "x", "name": "out"},
        "spec": {
            "endpointSelector": {},
            "egress": [{"toServices": [{"k8sService": {"serviceName": "db", "namespace": "x"}}]}],
        },
    }
    objects = [pod("x/a", 1, {"app": "a"}, []), pod("x/b", 2, {"app": "b"}, []), service("b"), to_service]
    view = world_of(objects, settings=Settings(enforcer=Enforcer("cilium")))
    one, other = (end for group in everybody(view) for end in ends(view, group))
    assert judge_pair(view, one, other, "TCP", 80)[0] is Verdict.ALLOWED
    moved = project(service("c"))
    assert moved is not None
    view.apply([Put(moved)])
    assert judge_pair(view, one, other, "TCP", 80)[0] is Verdict.DENIED


def service(app: str) -> Raw:
    spec = {"selector": {"app": app}, "ports": [{"port": 80}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": "x", "name": "db"}, "spec": spec}

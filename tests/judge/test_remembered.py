"""A dependency's answer is remembered with what was looked up for it: by whom it is shared, and until when it holds."""

from collections.abc import Iterable
from typing import Any, Final

import pytest

from tests.support.arena import Raw, forgetful, world_of
from tests.support.watched import made, noted, owned, pod, service, sliced, template
from webhook.dependencies import parse
from webhook.evaluate.ends import INJECTED
from webhook.families import project
from webhook.judge import Judged, JudgedWorkload, judge_workload
from webhook.judge.dns import judge_dns
from webhook.judge.remembered import Remembered
from webhook.judge.workload import judge_declared, judge_item, judge_look_up
from webhook.model.answers import Dependency
from webhook.model.labels import Labels
from webhook.model.objects import Pod, Workload
from webhook.model.refs import EXPECTED, WorkloadRef
from webhook.model.settings import CONNECTS_TO, Enforcer, Expected, Settings
from webhook.world import Change, Overlay, Put, View, World
from webhook.world.changes import key_of

NAMES: Final = ("x", "y", "kube-system", "default")
SPACES: Final = [made("v1", "Namespace", name, {"kubernetes.io/metadata.name": name}) for name in NAMES]
A_POD: Final = pod("y/s", "10.0.0.9", {"app": "s"})


def policy(name: str, **spec: Any) -> Raw:  # noqa: ANN401 - any field
    return made("networking.k8s.io/v1", "NetworkPolicy", name, spec={"podSelector": {}, **spec})


SHUT: Final = policy("y/shut", policyTypes=["Ingress"])
DNS: Final = [
    made("v1", "Service", "kube-system/kube-dns", spec={
        "selector": {"app": "dns"},
        "clusterIP": "10.96.0.10",
        "ports": [{"port": 53, "protocol": "UDP", "name": "u"}, {"port": 53, "protocol": "TCP", "name": "t"}],
    }),
    pod("kube-system/dns", "10.0.0.53", {"app": "dns"}),
]  # fmt: skip


def client(to: str, name: str = "x/client", labels: Raw | None = None, **rest: Any) -> Workload:  # noqa: ANN401 - any field
    kind, notes, spec = rest.pop("kind", "Deployment"), rest.pop("notes", {}), rest.pop("more", {})
    labels = {"app": "client"} if labels is None else labels
    body = template(labels, **rest)
    body["metadata"]["annotations"] = notes
    raw = made("apps/v1", kind, name, labels, spec={"selector": {"matchLabels": labels}, "template": body, **spec})
    raw["metadata"]["annotations"] = {CONNECTS_TO: to}
    found = project(raw)
    assert isinstance(found, Workload)
    return found


def bare(raw: Raw) -> Workload:
    found = project(raw)
    assert isinstance(found, Pod)
    assert found.bare is not None
    return found.bare


def declared(world: World, one: Workload) -> JudgedWorkload:
    return judge_declared(Overlay(world, [one]), one)


TO_S: Final = "s.y:80"
S: Final = service("y/s", {"app": "s"})
PROXIED: Final = pod("y/s", "10.0.0.9", {"app": "s", INJECTED: "linkerd"})
AGENT: Final = pod("x/agent-1", "192.168.0.1", {"app": "client"}, hostNetwork=True)
ON_A_PORT: Final[Raw] = {"name": "c", "ports": [{"containerPort": 80, "hostPort": 8080}]}
GUESSED: Final = {"app": "own", "pod-template-hash": "5d"}
OF_A_GUESS: Final = owned(pod("x/web-5d-1", "10.0.0.12", GUESSED), "ReplicaSet", "web-5d")
BARE: Final = noted(pod("x/p", "10.0.0.7", {"app": "client"}), **{CONNECTS_TO: TO_S})
NODE: Final = made("v1", "Node", "n1", {}, status={"addresses": [{"type": "InternalIP", "address": "192.168.0.1"}]})
OWN: Final = service("x/own", {"app": "own"})
ONE: Final = {"podSelector": {"matchLabels": {"t": "1"}}}
# By what they differ: what is there, and two clients, whose answers are not the same.
DIFFERENT: Final[dict[str, tuple[list[Raw], Workload, Workload]]] = {
    "namespaces": ([S, A_POD, service("x/s", {"app": "t"})], client("s:80"), client("s:80", "y/client")),
    "names in their own hosts files": (
        [S, A_POD],
        client(TO_S),
        client(TO_S, hostAliases=[{"ip": "203.0.113.9", "hostnames": ["s.y"]}]),
    ),
    "whom they ask for names": ([S, A_POD, *DNS], client(TO_S), client(TO_S, dnsPolicy="Default")),
    "name servers of their own": (
        [S, A_POD, *DNS],
        client(TO_S, dnsPolicy="None", dnsConfig={"nameservers": ["203.0.113.9"]}),
        client(TO_S, dnsPolicy="None", dnsConfig={"nameservers": ["10.0.0.53"]}),
    ),
    "being behind what they ask for": (
        [OWN, pod("x/other", "10.0.0.8", {"app": "own"}), policy("x/shut", policyTypes=["Ingress"])],
        client("own:80"),
        client("own:80", labels={"app": "own"}),
    ),
    "coming behind what they ask for": (
        [OWN, policy("x/shut", policyTypes=["Ingress"])],
        client("own:80"),
        client("own:80", labels={"app": "own"}),
    ),
    "having a port of a node": (
        [NODE, policy("x/shut", policyTypes=["Ingress"])],
        client("192.168.0.1:8080", "x/other"),
        client("192.168.0.1:8080", containers=[ON_A_PORT]),
    ),
    "being the first of a namespace": ([], client("nobody.new:80"), client("nobody.new:80", "new/client")),
    "whose pods are its own by then": (
        [OWN, OF_A_GUESS, policy("x/shut", policyTypes=["Ingress"])],
        client("own:80", "x/other"),
        client("own:80", "x/web-5d", kind="ReplicaSet"),
    ),
    "being it": ([], client("deploy/client:80", "x/other"), client("deploy/client:80")),
    "being called so": ([], client("client:80", "x/other"), client("client:80")),
    "the node that they are on": (
        [S, A_POD, SHUT],
        client(TO_S),
        client(TO_S, hostNetwork=True),
    ),
    "a proxy of a mesh": (
        [S, PROXIED, policy("y/in", ingress=[{"ports": [{"port": 80}]}])],
        client(TO_S, notes={"linkerd.io/inject": "enabled"}),
        client(TO_S),
    ),
    "nodes that pods of a DaemonSet run on": (
        [S, A_POD, SHUT, NODE, owned(AGENT, "DaemonSet", "agent")],
        client(TO_S, "x/agent", kind="DaemonSet", hostNetwork=True),
        client(TO_S, "x/other", kind="DaemonSet", hostNetwork=True),
    ),
    "addresses of pods": (
        [S, A_POD, BARE, policy("y/in", ingress=[{"from": [{"ipBlock": {"cidr": "10.0.0.7/32"}}]}])],
        bare(BARE),
        bare({**BARE, "metadata": {**BARE["metadata"], "name": "to-come"}}),
    ),
    "what they say of themselves to others": (
        [S, A_POD, policy("y/in", ingress=[{"from": [{"namespaceSelector": {}, **ONE}]}])],
        client(TO_S, labels={"t": "1"}),
        client(TO_S, labels={"t": "2"}),
    ),
    "what others of their namespace say of them": (
        [OWN, pod("x/other", "10.0.0.8", {"app": "own"}), policy("x/in", ingress=[{"from": [ONE]}])],
        client("own:80", labels={"t": "1"}),
        client("own:80", labels={"t": "2"}),
    ),
    "what lets them out": (
        [S, A_POD, policy("x/out", podSelector={"matchLabels": {"t": "1"}}, policyTypes=["Egress"])],
        client(TO_S, labels={"t": "1"}),
        client(TO_S, labels={"t": "2"}),
    ),
    "what they declare": ([S, A_POD], client(TO_S), client("s.y:81")),
}  # fmt: skip


@pytest.mark.parametrize("turned", [False, True], ids=["", "turned"])
@pytest.mark.parametrize("by", DIFFERENT)
def test_clients_that_differ_by_what_an_answer_rests_on_do_not_share_it(by: str, *, turned: bool) -> None:
    objects, *both = DIFFERENT[by]
    one, other = reversed(both) if turned else both
    world, bare = (world_of([*SPACES, *objects], complete=True) for _ in range(2))
    forgetful(bare)
    alone = {each.ref: [*told(declared(bare, each))] for each in (one, other)} if one.ref != other.ref else {}
    for each in (one, one, one, other, other, other, one):
        found = declared(world, each)
        assert found == declared(bare, each)
        if alone:
            assert [*told(found)] == alone[each.ref]
    assert [*told(declared(world, one))] != [*told(declared(world, other))]


def test_whose_pods_may_be_those_that_are_expected_is_told_that_nobody_else_is() -> None:
    labels = Labels((("app", "db"), ("apps.kubernetes.io/pod-index", "0")))
    expected = Expected(WorkloadRef(EXPECTED, "x", "db"), labels)
    settings = Settings(expected=(expected,))
    objects = [*SPACES, service("x/db", {"apps.kubernetes.io/pod-index": "0"})]
    world, bare = (world_of(objects, settings=settings) for _ in range(2))
    forgetful(bare)
    other, one = client("db:80", "x/other"), client("db:80", "x/one", {"app": "db"})
    for each in (other, other, other, one, one):
        assert declared(world, each) == declared(bare, each)
    assert [*told(declared(world, one))] != [*told(declared(world, other))]


def test_whoever_is_put_on_top_of_a_view_is_seen_by_others() -> None:
    objects = [*SPACES, OWN, policy("x/shut", policyTypes=["Ingress"])]
    world, bare = (world_of(objects, complete=True) for _ in range(2))
    forgetful(bare)
    one, server = client("own:80"), client("", "x/server", {"app": "own"})
    for _ in range(4):
        assert judge_declared(Overlay(world, [one]), one).dependencies[0].verdict == "unknown"
        for on_top in (Overlay(Overlay(world, [one]), [server]), Overlay(Overlay(world, [server]), [one])):
            assert judge_declared(on_top, one).dependencies[0].verdict == "denied"


@pytest.mark.parametrize("by", DIFFERENT)
def test_nor_do_they_where_both_are_there(by: str) -> None:
    objects, *both = DIFFERENT[by]
    world, bare = (world_of([*SPACES, *objects], complete=True) for _ in range(2))
    for each in (world, forgetful(bare)):
        each.apply(map(Put, both))
    for one in (*both, *both, *both, *both):
        assert judge_workload(world, one, near=False) == judge_workload(bare, one, near=False)


def told(judged: JudgedWorkload) -> Iterable[object]:
    return ((part.text, part.verdict, part.flows, part.missing) for part in judged.parts)


def of_item(world: View, text: str, one: Workload) -> Judged:
    (item,) = parse(text)
    assert isinstance(item, Dependency)
    return judge_item(Remembered(Overlay(world, [one]), one), item)


def test_whose_policies_tell_clients_apart_is_not_forgotten_by_one_who_meets_fewer() -> None:
    """A name server of their own is asked by those alone whom the cluster's DNS does not answer."""
    let_in = [policy(f"{space}/in", ingress=[{"from": [{"namespaceSelector": {}, **labelled(key)}]}]) for space, key in
              (("kube-system", "d"), ("default", "t"))]  # fmt: skip
    objects = [*SPACES, *DNS, *let_in, pod("default/dns", "10.0.0.60", {"app": "other"}), S, A_POD]
    world, alone = (world_of(objects, complete=True) for _ in range(2))
    forgetful(alone)
    more: Raw = {"dnsConfig": {"nameservers": ["10.0.0.60"]}}
    several: tuple[Raw, ...] = {"d": "1"}, {"t": "1"}, {"d": "1", "t": "2"}, {"t": "2"}
    answered, asking, another, refused = (client(TO_S, labels=labels, **more) for labels in several)
    for one in (*[answered] * 3, *[asking] * 3, *[another] * 3, refused, refused, refused):
        assert judge_look_up(Remembered(world, one)) == judge_dns(alone, one, near=False)


def test_pods_that_are_assumed_tell_clients_apart_as_those_do_that_are_there() -> None:
    objects = [
        *SPACES,
        policy("kube-system/in", ingress=[{"from": [{"namespaceSelector": {}, **labelled("d")}]}]),
        S,
        A_POD,
    ]
    world, alone = (world_of(objects, complete=False) for _ in range(2))
    forgetful(alone)
    answered, refused = client(TO_S, labels={"d": "1"}), client(TO_S, labels={"d": "2"})
    for one in (*[answered] * 3, *[refused] * 3):
        assert declared(world, one) == declared(alone, one)
    assert [*told(declared(world, answered))] != [*told(declared(world, refused))]


def labelled(key: str) -> Raw:
    return {"podSelector": {"matchLabels": {key: "1"}}}


def test_a_client_that_asks_on_is_told_apart_by_policies_that_came_meanwhile() -> None:
    world = world_of([*SPACES, S, A_POD, policy("y/db", podSelector={"matchLabels": {"app": "db"}})], complete=True)
    refused, one = client(TO_S, "x/refused", {"t": "2"}), client(TO_S, labels={"t": "1"})
    (item,) = parse(TO_S)
    assert isinstance(item, Dependency)
    first, asking = Remembered(world, refused), Remembered(world, one)
    for each in (first, first, first, asking):
        assert judge_item(each, item).verdict == "allowed"
    let_in = project(policy("y/in", ingress=[{"from": [{"namespaceSelector": {}, **labelled("t")}]}]))
    assert let_in is not None
    world.apply([Put(let_in)])
    for _ in range(3):
        assert judge_item(first, item).verdict == "denied"
        assert judge_item(asking, item).verdict == "allowed"


def slice_of(*addresses: str) -> Raw:
    return sliced("y/listed-1", "listed", *addresses)


LISTED: Final = made("v1", "Service", "y/listed", spec={"ports": [{"port": 80}]})
ALIAS: Final = made("v1", "Service", "x/alias", spec={"type": "ExternalName", "externalName": "s.y.svc.cluster.local"})
HEADLESS: Final = service("y/h", {"app": "s"}, clusterIP="None")
AT: Final = made(
    "v1", "Service", "y/at", spec={"clusterIP": "10.96.0.9", "selector": {"app": "s"}, "ports": [{"port": 80}]}
)
TAKEN: Final = service("y/taken", {"app": "s"}, externalIPs=["203.0.113.9"])
TWIN: Final = pod("y/twin", "10.0.0.10", {"app": "s"})
WEB: Final = made("apps/v1", "Deployment", "y/web", spec={"selector": {}, "template": template({"app": "web"})})
SHARED: Final = made("apps/v1", "Deployment", "y/host", spec={
    "selector": {}, "template": {"metadata": {"labels": {"app": "host"}}, "spec": {"containers": [ON_A_PORT]}}
})  # fmt: skip
OVER_SIX: Final = pod("y/six", "fd00::6", {"app": "six"})
OF_A_SET: Final = owned(pod("y/r-1", "10.0.0.11", {"app": "r"}), "ReplicaSet", "r")
SET: Final = owned(made("apps/v1", "ReplicaSet", "y/r", spec={"template": template({"app": "r"})}), "Deployment", "web")
LATE: Final = made("v1", "Service", "late/s", spec={"ports": [{"port": 80}], "selector": {"app": "s"}})
OF_WEB: Final = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "u", "controller": True}
# Of what comes and goes: an item, what is there before, and what changes the answer.
CHANGES: Final[dict[str, tuple[str, list[Raw], Raw]]] = {
    "a Service": (TO_S, [A_POD], S),
    "its ports": (TO_S, [A_POD, S], service("y/s", {"app": "s"}, ports=[{"port": 80, "targetPort": 8080}])),
    "a pod behind it": (TO_S, [A_POD, S], TWIN),
    "labels of a pod behind it": (TO_S, [A_POD, S], pod("y/s", "10.0.0.9", {"app": "t"})),
    "an endpoint that is listed": ("listed.y:80", [LISTED, slice_of("203.0.113.9")], slice_of("203.0.113.10")),
    "whose it is": ("listed.y:80", [LISTED, slice_of("10.0.0.10")], TWIN),
    "where an alias leads": ("alias:80", [ALIAS, A_POD], S),
    "a pod of a workload": ("deploy/web.y:80", [WEB], {**A_POD, "metadata": {
        "name": "web-1", "namespace": "y", "labels": {"app": "web"},
        "ownerReferences": [OF_WEB],
    }}),
    "a workload": ("deploy/web.y:80", [], WEB),
    "a workload of that name": ("web.y:80", [], WEB),
    "a pod by its address": ("10.0.0.9:80", [], A_POD),
    "a Service by its address": ("10.96.0.9:80", [A_POD], AT),
    "a pod behind a Service that is called by its address": ("10.96.0.9:80", [AT], A_POD),
    "whose pod has an address": ("10.0.0.11:80", [OF_A_SET], SET),
    "who took an address": ("203.0.113.9:80", [A_POD], TAKEN),
    "who has a port of a node": ("192.168.0.1:8080", [NODE], SHARED),
    "a node": ("192.168.0.1:80", [], NODE),
    "a headless Service": ("h.y:80", [A_POD], HEADLESS),
    "a policy": (TO_S, [A_POD, S], SHUT),
    "a policy of the client": (TO_S, [A_POD, S], policy("x/out", policyTypes=["Egress"])),
    "a namespace": ("s.late:80", [A_POD], LATE),
    "a Service of that name in a new namespace": ("lost.y:80", [], service("late/lost", {"app": "s"})),
    "a Service of that name elsewhere": ("lost.y:80", [], service("default/lost", {"app": "s"})),
    "a published Service": (
        "api.example.com:443",
        [A_POD, policy("x/out", policyTypes=["Egress"], egress=[{"to": [{"namespaceSelector": {}}]}])],
        service("y/lb", {"app": "s"}, type="LoadBalancer", ports=[{"port": 443, "targetPort": 443}]),
    ),
    "a family of addresses": ("api.example.com:443", [
        A_POD, policy("x/out", policyTypes=["Egress"], egress=[{"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}]),
    ], OVER_SIX),
}  # fmt: skip


@pytest.mark.parametrize("gone", [False, True], ids=["comes", "goes"])
@pytest.mark.parametrize("what", CHANGES)
def test_an_answer_holds_until_what_it_rests_on_changes(what: str, *, gone: bool) -> None:
    item, before, changed = CHANGES[what]
    value = project(changed)
    assert value is not None
    old = [project(raw) for raw in before if key_of_raw(raw) == key_of_raw(changed)]
    world = world_of([*SPACES, *before], complete=True)
    one = client(item)
    if gone:
        world.apply([Put(value)])
    was = [of_item(world, item, one) for _ in range(4)]
    back: list[Change] = [Put(one) for one in old if one is not None] or [key_of(value)]
    world.apply(back if gone else [Put(value)])
    now = [of_item(world, item, one) for _ in range(4)]
    there = [raw for raw in before if key_of_raw(raw) != key_of_raw(changed)]
    fresh = world_of([*SPACES, *(before if gone else [*there, changed])], complete=True)
    assert now == [of_item(forgetful(fresh), item, one)] * 4
    assert now[0] != was[0]


def key_of_raw(raw: Raw) -> tuple[str, str, str]:
    return raw["kind"], raw["metadata"].get("namespace", ""), raw["metadata"]["name"]


ELSEWHERE: Final = pod("other/p", "10.0.9.9", {"app": "p"})


@pytest.mark.parametrize("item", [TO_S, "10.0.0.9:80", "203.0.113.9:443", "deploy/web.y:80", "h.y:80"])
def test_an_answer_outlives_what_happens_elsewhere(item: str) -> None:
    resident = pod("other/resident", "10.0.9.1", {"app": "resident"})
    world = world_of([*SPACES, made("v1", "Namespace", "other"), resident, A_POD, S, WEB, HEADLESS], complete=True)
    one, another = client(item), client(item, "x/another", {"app": "another"})
    was = [of_item(world, item, one) for _ in range(3)][-1]
    value = project(ELSEWHERE)
    assert value is not None
    world.apply([Put(value)])
    assert of_item(world, item, another) is was  # and nobody tells them apart
    world.apply([key_of(value)])
    assert of_item(world, item, one) is was


def test_views_that_differ_by_what_they_add_share_nothing() -> None:
    world = world_of([*SPACES, A_POD, S], complete=True)
    one = client(TO_S)
    shut = project(SHUT)
    assert shut is not None
    for _ in range(3):
        assert of_item(world, TO_S, one).verdict == "allowed"
        assert of_item(Overlay(world, [shut]), TO_S, one).verdict == "denied"  # type: ignore[list-item] # a policy


def test_enforcers_that_put_numbers_for_names_see_who_is_put_on_top() -> None:
    """AWS' controller looks port names up among all pods that a policy selects, so that a new one opens a port."""
    named = policy("x/in", ingress=[{"ports": [{"port": "web"}]}])
    other = pod("x/other", "10.0.0.8", {"app": "own"})
    other["spec"]["containers"][0]["ports"] = [{"containerPort": 81, "name": "web"}]
    objects = [*SPACES, service("x/own", {"app": "own"}), other, named]
    world, bare = (world_of(objects, complete=True, settings=Settings(enforcer=Enforcer("aws"))) for _ in range(2))
    forgetful(bare)
    for _ in range(3):
        for labels in ({"app": "a"}, {"app": "b"}):
            each = client("own:80", labels=labels)
            assert declared(world, each) == declared(bare, each)

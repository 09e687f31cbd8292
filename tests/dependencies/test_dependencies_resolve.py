"""From a declared item to flows: the pod's resolver, kube-proxy and named ports (design.md §5)."""

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.arena import Raw, world_of
from tests.support.making import (
    asks,
    deployment,
    endpoint_slice,
    external_name,
    headless,
    metadata,
    node,
    owned_by,
    resolved,
    service,
    workload,
    world,
)
from tests.support.worlds import namespace, pod, policy, port
from webhook.dependencies import Resolved, parse, resolve
from webhook.dependencies.services import MOST_PORTS
from webhook.evaluate import Flow
from webhook.evaluate.coverage import may_be_a_pods
from webhook.evaluate.ends import Target
from webhook.model.addresses import Block, parse_block
from webhook.model.answers import Dependency, Host
from webhook.model.refs import SHORT_KINDS, WORKLOAD_KINDS
from webhook.model.settings import Settings
from webhook.world import Group, View

SPACES = (namespace("shop"), namespace("data"))
PG = {"name": "pg", "port": 5432}
DB = (*SPACES, deployment("data/db", [port("pg", 5432)]), service("data/db", {"app": "db"}, [PG]))


class To(NamedTuple):
    """A flow in few words: whom it goes to, where, and which Service port was asked for."""

    whom: str
    where: str
    service_port: int | None = None


def short(flow: Flow) -> To:
    return To(whom(flow.to), f"{flow.port or '*'}/{flow.protocol}", flow.service_port)


def whom(target: Target) -> str:
    match target:
        case Group(ref=ref, pods=pods):
            return f"{SHORT_KINDS[ref.kind]}/{ref.short}" + "".join(f" {p.name}" for p in pods)
        case Host(name=name):
            return name
        case Block():
            return str(target)


def flows(found: Resolved) -> list[To]:
    assert found.found.missing == ()
    assert found.found.unsure is None
    return [short(flow) for flow in found.found.flows]


def lost(found: Resolved, what: str) -> dict[str, str]:
    """Return the facts of the only thing that is missing, which must be `what`."""
    (missing,) = found.found.missing
    assert missing.what == what
    assert len(dict(missing.facts)) == len(missing.facts)
    return dict(missing.facts)


def pods_of(name: str, *numbered: tuple[int, list[Raw]]) -> list[Raw]:
    """Return running pods of a Deployment, numbered, each with its ports."""
    space, _, own = name.partition("/")
    return [
        pod(f"{name}-{n}", n, {"app": own}, ports)
        | {"metadata": metadata(f"{space}/{own}-{n}", **owned_by("Deployment", own), labels={"app": own})}
        for n, ports in numbered
    ]


# -- where a name is looked up -----------------------------------------------------------------------------------------
SEEN = "what policy sees depends on the CNI, and the source may be a node unless externalTrafficPolicy is Local"


@pytest.mark.parametrize(
    ("text", "client"),
    [
        ("db:5432", "data/web"),
        ("db.data:5432", "shop/web"),
        ("db.data:5432", "data/web"),
        ("db.data.svc:5432", "shop/web"),
        ("db.data.svc.cluster.local:5432", "shop/web"),
        ("db.data.svc.cluster.local.:5432", "shop/web"),
        ("DB.DATA:5432", "shop/web"),
        ("postgres://u:p@db.data/app", "shop/web"),
        ("db.data:pg", "shop/web"),
    ],
)
def test_every_spelling_of_a_service_is_one_canonical_form(text: str, client: str) -> None:
    found = resolved(world(*DB), text, client)
    assert found.text == "db.data:5432/TCP"
    assert flows(found) == [To("deploy/data/db", "5432/TCP", 5432)]
    assert found.by_name


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("db.data", "db.data:*"),
        ("10.0.0.5:443", "10.0.0.5:443/TCP"),
        ("10.0.0.7/24:443", "10.0.0.0/24:443/TCP"),
        ("[2001:db8:0::5]:443/udp", "[2001:db8::5]:443/UDP"),
        ("[2001:db8::/32]:443", "[2001:db8::/32]:443/TCP"),
        ("[::ffff:10.0.0.5]:443", "10.0.0.5:443/TCP"),
        ("api.example.com:443", "api.example.com:443/TCP"),
        ("https://API.example.com./x", "api.example.com:443/TCP"),
        ("api.example.com", "api.example.com:*"),
        ("*.example.com:443", "*.example.com:443/TCP"),
        ("deploy/db.data:5432", "deploy/db.data:5432/TCP"),
        ("deployments/db.data:pg", "deploy/db.data:5432/TCP"),
        ("deploy/db.data", "deploy/db.data:*"),
        ("nobody:80", "nobody.shop:80/TCP"),
        ("db.data:nobody", "db.data:nobody/TCP"),
    ],
)
def test_the_canonical_form_is_that_of_the_contract(text: str, canonical: str) -> None:
    assert resolved(world(*DB), text).text == canonical


def test_addresses_and_workloads_by_kind_need_no_look_up() -> None:
    view = world(*DB)
    for text in ("10.0.0.5:443", "10.0.0.0/24:443", "[2001:db8::5]:443", "deploy/db.data:5432"):
        assert not resolved(view, text).by_name
    for text in ("db.data:5432", "api.example.com:443", "nobody:80"):
        assert resolved(view, text).by_name


def test_a_name_without_a_dot_is_looked_up_in_the_workload_s_own_namespace() -> None:
    view = world(*DB, service("shop/db", {"app": "web"}, [PG]), deployment("shop/web"))
    assert resolved(view, "db:5432").text == "db.shop:5432/TCP"
    assert resolved(view, "db:5432", "data/web").text == "db.data:5432/TCP"


def test_a_pod_of_the_own_namespace_comes_before_a_service_of_another() -> None:
    own = [headless("shop/data", {"app": "db"}, [PG]), workload("StatefulSet", "shop/db", [port("pg", 5432)])]
    assert resolved(world(*DB, *own), "db-0.data:5432").text == "db-0.data.shop:5432/TCP"
    assert resolved(world(*DB, *own), "db.data:5432").text == "db.data:5432/TCP"


def test_a_pod_of_the_own_namespace_comes_before_a_service_of_that_very_name() -> None:
    """The search list's first entry wins: judged by the other, a pod that is closed would be called open."""
    own = [headless("shop/data", {"app": "db"}, [PG]), workload("StatefulSet", "shop/db", [port("pg", 5432)])]
    other = [deployment("data/db-0", [port("pg", 5432)]), service("data/db-0", {"app": "db-0"}, [PG])]
    assert resolved(world(*SPACES, *own, *other), "db-0.data:5432").text == "db-0.data.shop:5432/TCP"
    assert resolved(world(*SPACES, *other), "db-0.data:5432").text == "db-0.data:5432/TCP"


def test_with_svc_only_a_service_of_that_namespace_is_meant() -> None:
    objects = [headless("shop/data", {"app": "x"}, [PG]), *pods_of("shop/x", (1, []))]
    view = world(*SPACES, *objects)
    assert resolved(view, "x-1.data:5432").text == "x-1.data.shop:5432/TCP"
    assert lost(resolved(view, "x-1.data.svc:5432"), "NP201")["name"] == "data/x-1"


def test_a_service_comes_before_a_workload_of_the_same_name() -> None:
    view = world(*SPACES, deployment("data/db"), deployment("data/real"), service("data/db", {"app": "real"}, [PG]))
    assert [short(f).whom for f in resolved(view, "db.data:5432").found.flows] == ["deploy/data/real"]


def test_a_workload_without_a_service_is_found_by_its_name() -> None:
    view = world(*SPACES, deployment("data/worker", [port("http", 8080)]))
    assert flows(resolved(view, "worker.data:8080")) == [To("deploy/data/worker", "8080/TCP")]
    assert resolved(view, "worker.data:http").text == "worker.data:8080/TCP"


def test_a_workload_that_another_controls_is_not_found_by_its_name() -> None:
    replica_set = workload("ReplicaSet", "data/db-abc", [port("pg", 5432)])
    replica_set["metadata"] |= owned_by("Deployment", "db")
    assert lost(resolved(world(*DB, replica_set), "db-abc.data:5432"), "NP201")["name"] == "data/db-abc"


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("api.example.com:443", "api.example.com"),
        ("a.b.c.d.example.com:443", "a.b.c.d.example.com"),
        ("example.com.:443", "example.com"),
        ("db.data.:443", "db.data"),
        ("db.:443", "db"),
        ("*.example.com:443", "*.example.com"),
        ("*.data:443", "*.data"),
        ("https://example.com/x", "example.com"),
        ("https://api.example.com", "api.example.com"),
        ("nobody.nowhere.com:443", "nobody.nowhere.com"),
    ],
)
def test_what_no_namespace_owns_is_external(text: str, host: str) -> None:
    assert flows(resolved(world(*DB), text)) == [To(host, "443/TCP")]


def test_an_external_name_without_a_port_stands_for_every_port() -> None:
    assert flows(resolved(world(*DB), "api.example.com")) == [To("api.example.com", "*/TCP")]


def test_the_port_of_an_external_name_is_a_number() -> None:
    found = resolved(world(*DB), "api.example.com:https").found
    assert found.flows == ()
    assert found.unsure == "`https` is a port name, and api.example.com is no Service"


def test_another_cluster_domain_is_the_cluster_s_own() -> None:
    view = world_of(DB, settings=Settings(cluster_domain="corp.example"))
    assert resolved(view, "db.data.svc.corp.example:5432").text == "db.data:5432/TCP"
    assert resolved(view, "db.data.svc.cluster.local:5432").text == "db.data.svc.cluster.local:5432/TCP"


# -- NP201: nobody of that name ----------------------------------------------------------------------------------------

TRAILING_DOT = "if it is external, write it with a trailing dot"


@pytest.mark.parametrize("complete", [True, False])
@pytest.mark.parametrize(
    ("text", "what", "name", "hint"),
    [
        ("nobody:80", "Service or workload", "shop/nobody", None),
        ("http://nobody", "Service or workload", "shop/nobody", None),
        ("nobody.data:80", "Service or workload", "data/nobody", None),
        ("nobody.data.svc:80", "Service or workload", "data/nobody", None),
        ("http://nobody.data", "Service or workload", "data/nobody", None),
        ("example.com:443", "namespace", "com", TRAILING_DOT),
        ("db.nowhere:80", "namespace", "nowhere", TRAILING_DOT),
        ("db.nowhere.svc:80", "namespace", "nowhere", None),
        ("http://db.nowhere.svc.cluster.local", "namespace", "nowhere", None),
        ("a.b.c.nowhere.svc:80", "namespace", "nowhere", None),
        ("db:80", "Service or workload", "shop/db", "there is db.data"),
        ("deploy/nobody:80", "Deployment", "shop/nobody", None),
        ("cj/nobody.nowhere:80", "CronJob", "nowhere/nobody", None),
        ("sts/db.data:80", "StatefulSet", "data/db", None),
    ],
)
def test_np201_says_what_is_not_there(text: str, what: str, name: str, hint: str | None, complete: bool) -> None:
    found = resolved(world(*DB, complete=complete), text)
    facts = lost(found, "NP201")
    assert facts.pop("complete") == str(complete)
    assert facts.pop("hint", None) == hint
    assert facts == {"what": what, "name": name}
    assert found.found.flows == ()


def test_a_namespace_of_files_is_known_by_what_is_in_it() -> None:
    view = world(service("data/db", {"app": "db"}, [PG]), complete=False)
    assert lost(resolved(view, "nobody.data:80"), "NP201")["name"] == "data/nobody"


# -- pods of a StatefulSet ---------------------------------------------------------------------------------------------

STATEFUL = (
    *SPACES,
    workload("StatefulSet", "data/db", [port("pg", 5432)]),
    headless("data/peers", {"app": "db"}, [PG]),
)


@pytest.mark.parametrize(
    "text", ["db-0.peers.data:5432", "db-0.peers.data.svc.cluster.local:5432", "db-0.peers.data:pg"]
)
def test_a_pod_of_a_stateful_set_has_a_name_before_it_is_there(text: str) -> None:
    found = resolved(world(*STATEFUL), text)
    assert found.text == "db-0.peers.data:5432/TCP"
    assert flows(found) == [To("sts/data/db", "5432/TCP")]


def stateful_pod(ordinal: int) -> Raw:
    raw = pod(f"data/db-{ordinal}", ordinal + 1, {"app": "db"}, [port("pg", 5432)])
    raw["metadata"] |= owned_by("StatefulSet", "db")
    return raw


def test_only_the_pod_of_that_name_is_meant() -> None:
    view = world(*STATEFUL, stateful_pod(0), stateful_pod(1))
    assert flows(resolved(view, "db-1.peers.data:5432")) == [To("sts/data/db db-1", "5432/TCP")]
    assert flows(resolved(view, "db-1.peers:5432", "data/web")) == [To("sts/data/db db-1", "5432/TCP")]


@pytest.mark.parametrize("text", ["db-7.peers.data:5432", "other-0.peers.data:5432"])
def test_a_pod_that_is_not_behind_the_service_is_np201(text: str) -> None:
    view = world(*STATEFUL, stateful_pod(0))
    assert lost(resolved(view, text), "NP201")["name"] == f"data/{text.partition('.data')[0]}"


@pytest.mark.parametrize("pod_name", ["db", "db-", "db-x", "other-0"])
def test_a_name_that_no_stateful_set_gives_is_no_pod_of_it(pod_name: str) -> None:
    assert lost(resolved(world(*STATEFUL), f"{pod_name}.peers.data:5432"), "NP201")["what"] == "Service or workload"


def test_pods_have_no_names_behind_a_service_with_an_address() -> None:
    view = world(*DB, stateful_pod(0))
    assert lost(resolved(view, "db-0.db.data:5432"), "NP201")["name"] == "data/db-0.db"


def test_a_pod_by_name_takes_any_number_unchanged_and_only_names_of_its_service() -> None:
    view = world(*STATEFUL, stateful_pod(0))
    assert [short(f) for f in resolved(view, "db-0.peers.data:9187").found.flows] == [
        To("sts/data/db db-0", "9187/TCP")
    ]
    facts = lost(resolved(view, "db-0.peers.data:nobody"), "NP202")
    assert facts == {"service": "data/peers", "port": "nobody/TCP", "has": "5432/TCP"}
    assert flows(resolved(view, "db-0.peers.data")) == [To("sts/data/db db-0", "5432/TCP")]


# -- Service ports -----------------------------------------------------------------------------------------------------

WEB = [
    {"name": "http", "port": 80, "targetPort": 8080},
    {"name": "metrics", "port": 9090, "targetPort": "metrics"},
    {"name": "dns", "port": 53, "protocol": "UDP"},
]
API = (
    *SPACES,
    deployment("data/api", [port("http", 8080), port("metrics", 9191), port("dns", 53, "UDP")]),
    service("data/api", {"app": "api"}, WEB),
)


@pytest.mark.parametrize(
    ("text", "canonical", "expected"),
    [
        ("api.data:80", "api.data:80/TCP", To("deploy/data/api", "8080/TCP", 80)),
        ("api.data:http", "api.data:80/TCP", To("deploy/data/api", "8080/TCP", 80)),
        ("api.data:9090", "api.data:9090/TCP", To("deploy/data/api", "9191/TCP", 9090)),
        ("api.data:metrics", "api.data:9090/TCP", To("deploy/data/api", "9191/TCP", 9090)),
        ("api.data:53/UDP", "api.data:53/UDP", To("deploy/data/api", "53/UDP", 53)),
        ("api.data:dns/UDP", "api.data:53/UDP", To("deploy/data/api", "53/UDP", 53)),
        ("dns://api.data", "api.data:53/UDP", To("deploy/data/api", "53/UDP", 53)),
    ],
)
def test_policy_sees_the_target_port(text: str, canonical: str, expected: To) -> None:
    found = resolved(world(*API), text)
    assert found.text == canonical
    assert flows(found) == [expected]


def test_without_a_port_every_port_of_the_service_is_meant() -> None:
    assert flows(resolved(world(*API), "api.data")) == [
        To("deploy/data/api", "8080/TCP", 80),
        To("deploy/data/api", "9191/TCP", 9090),
        To("deploy/data/api", "53/UDP", 53),
    ]


@pytest.mark.parametrize(
    ("text", "asked", "hint"),
    [
        ("api.data:81", "81/TCP", None),
        ("api.data:nobody", "nobody/TCP", None),
        ("api.data:8080", "8080/TCP", "8080 is the target port: write the Service's port, 80/TCP"),
        ("api.data:9191", "9191/TCP", "9191 is the target port: write the Service's port, 9090/TCP"),
        ("api.data:53", "53/TCP", "it speaks UDP: write 53/UDP"),
        ("api.data:dns", "dns/TCP", "it speaks UDP: write 53/UDP"),
        ("api.data:80/UDP", "80/UDP", "it speaks TCP: write 80/TCP"),
        ("api.data:80/SCTP", "80/SCTP", "it speaks TCP: write 80/TCP"),
    ],
)
def test_np202_says_what_the_service_has_and_which_slip_it_looks_like(text: str, asked: str, hint: str | None) -> None:
    found = resolved(world(*API), text)
    facts = lost(found, "NP202")
    assert facts.pop("hint", None) == hint
    assert facts == {"service": "data/api", "port": asked, "has": "80/TCP, 9090/TCP, 53/UDP"}
    assert found.text == f"api.data:{asked}"
    assert found.found.flows == ()


def test_one_number_may_be_two_ports() -> None:
    two = [{"name": "tcp", "port": 53}, {"name": "udp", "port": 53, "protocol": "UDP", "targetPort": 5353}]
    view = world(
        *SPACES, deployment("data/x", [port("a", 53), port("b", 5353, "UDP")]), service("data/x", {"app": "x"}, two)
    )
    assert flows(resolved(view, "x.data:53")) == [To("deploy/data/x", "53/TCP", 53)]
    assert flows(resolved(view, "x.data:53/UDP")) == [To("deploy/data/x", "5353/UDP", 53)]


def test_a_service_without_ports_is_np202() -> None:
    view = world(*SPACES, service("data/x", {"app": "x"}, []))
    assert lost(resolved(view, "x.data"), "NP202") == {"service": "data/x", "port": "*", "has": "none"}
    assert resolved(view, "x.data").text == "x.data:*"


def test_np203_when_no_container_declares_the_port() -> None:
    view = world(*SPACES, deployment("data/db", [port("metrics", 9187)]), service("data/db", {"app": "db"}, [PG]))
    found = resolved(view, "db.data:5432")
    assert [short(f) for f in found.found.flows] == [To("deploy/data/db", "5432/TCP", 5432)]
    assert lost(found, "NP203") == {
        "service": "data/db",
        "port": "5432/TCP",
        "number": "5432",
        "workload": "deploy/data/db",
    }


def test_where_nothing_is_declared_or_a_probe_asks_on_the_port_nothing_is_said_of_it() -> None:
    raw = deployment("data/db", [port("metrics", 9187)])
    raw["spec"]["template"]["spec"]["containers"][0]["readinessProbe"] = {"tcpSocket": {"port": 5432}}
    for server in (raw, deployment("data/db")):
        view = world(*SPACES, server, service("data/db", {"app": "db"}, [PG]))
        assert resolved(view, "db.data:5432").found.missing == ()


@pytest.mark.parametrize("declared", [[], [port("metrics", 9191, "UDP")], [port("http", 9191)]])
def test_np203_when_a_named_target_port_leads_nowhere(declared: list[Raw]) -> None:
    view = world(*SPACES, deployment("data/api", declared), service("data/api", {"app": "api"}, [WEB[1]]))
    found = resolved(view, "api.data:9090")
    assert found.found.flows == ()
    assert lost(found, "NP203") == {
        "service": "data/api",
        "port": "9090/TCP",
        "target": "metrics",
        "workload": "deploy/data/api",
    }


def test_np204_when_nobody_stands_behind_a_service() -> None:
    view = world(*SPACES, deployment("data/other"), service("data/db", {"app": "db"}, [PG]))
    found = resolved(view, "db.data:5432")
    assert lost(found, "NP204") == {"service": "data/db", "port": "5432/TCP", "complete": "True"}
    assert found.found.flows == ()


def test_pods_that_ended_or_are_going_are_no_backends() -> None:
    done = pod("data/a", 1, {"app": "db"}, []) | {"status": {"phase": "Succeeded", "podIP": "10.0.0.1"}}
    going = pod("data/b", 2, {"app": "db"}, [])
    going["metadata"]["deletionTimestamp"] = "2026-11-20T00:00:00Z"
    view = world(*SPACES, done, going, service("data/db", {"app": "db"}, [PG]))
    assert lost(resolved(view, "db.data:5432"), "NP204")["service"] == "data/db"


def test_a_named_target_port_is_looked_up_on_every_pod() -> None:
    mixed = pods_of("data/api", (1, [port("web", 8080)]), (2, [port("web", 9090)]), (3, [port("web", 8080)]))
    view = world(
        *SPACES,
        *mixed,
        deployment("data/api"),
        service("data/api", {"app": "api"}, [{"port": 80, "targetPort": "web"}]),
    )
    assert flows(resolved(view, "api.data:80")) == [
        To("deploy/data/api api-1 api-3", "8080/TCP", 80),
        To("deploy/data/api api-2", "9090/TCP", 80),
    ]


def test_the_pods_that_lack_a_named_port_are_told_and_the_others_count() -> None:
    mixed = pods_of("data/api", (1, [port("web", 8080)]), (2, []))
    view = world(
        *SPACES,
        *mixed,
        deployment("data/api"),
        service("data/api", {"app": "api"}, [{"port": 80, "targetPort": "web"}]),
    )
    found = resolved(view, "api.data:80")
    assert [short(f) for f in found.found.flows] == [To("deploy/data/api api-1", "8080/TCP", 80)]
    assert lost(found, "NP203")["target"] == "web"


def test_a_name_stands_for_the_first_container_s_port_and_then_for_a_sidecar_s() -> None:
    ports: Raw = {
        "containers": [{"name": "a", "image": "a"}, {"name": "b", "image": "b", "ports": [port("web", 1111)]}],
        "initContainers": [
            {"name": "setup", "image": "c", "ports": [port("web", 2222), port("only", 3333)]},
            {
                "name": "proxy",
                "image": "d",
                "restartPolicy": "Always",
                "ports": [port("web", 4444), port("side", 5555)],
            },
        ],
    }
    asked = [{"name": n, "port": i, "targetPort": n} for i, n in enumerate(("web", "side", "only"), 1)]
    view = world(*SPACES, deployment("data/x", **ports), service("data/x", {"app": "x"}, asked))
    assert flows(resolved(view, "x.data:1")) == [To("deploy/data/x", "1111/TCP", 1)]
    assert flows(resolved(view, "x.data:2")) == [To("deploy/data/x", "5555/TCP", 2)]
    assert lost(resolved(view, "x.data:3"), "NP203")["target"] == "only"


def test_flows_know_the_service_s_families_its_own_pods_and_local_traffic() -> None:
    spec = {"ipFamilies": ["IPv4", "IPv6"], "internalTrafficPolicy": "Local"}
    view = world(
        *SPACES, deployment("shop/web", [port("http", 80)]), service("shop/web", {"app": "web"}, [{"port": 80}], **spec)
    )
    (flow,) = resolved(view, "web:80").found.flows
    assert (flow.families, flow.own, flow.local, flow.declared) == ((4, 6), True, True, True)
    (flow,) = resolved(view, "web.shop:80", "data/x").found.flows
    assert (flow.own, flow.local) == (False, True)


# -- headless ----------------------------------------------------------------------------------------------------------

HEADLESS = (*SPACES, deployment("data/api", [port("http", 8080)]), headless("data/api", {"app": "api"}, WEB[:1]))


@pytest.mark.parametrize(
    ("text", "where"), [("api.data:80", "80/TCP"), ("api.data:8080", "8080/TCP"), ("api.data", "80/TCP")]
)
def test_behind_a_headless_service_a_number_is_dialled_on_the_pod_unchanged(text: str, where: str) -> None:
    (flow,) = resolved(world(*HEADLESS), text).found.flows
    assert short(flow)[:2] == ("deploy/data/api", where)
    assert not flow.own


def test_behind_a_headless_service_a_name_is_the_target_port() -> None:
    assert flows(resolved(world(*HEADLESS), "api.data:http")) == [To("deploy/data/api", "8080/TCP", 80)]


def test_behind_a_headless_service_an_undeclared_number_is_np203() -> None:
    found = resolved(world(*HEADLESS), "api.data:80")
    assert lost(found, "NP203")["number"] == "80"


def test_a_headless_service_of_the_workload_itself_is_no_hairpin() -> None:
    view = world(*SPACES, deployment("shop/web", [port("p", 80)]), headless("shop/web", {"app": "web"}, [{"port": 80}]))
    (flow,) = resolved(view, "web:80").found.flows
    assert not flow.own


# -- ExternalName ------------------------------------------------------------------------------------------------------


def test_external_name_leads_outside_and_keeps_its_name() -> None:
    view = world(*SPACES, external_name("data/crm", "CRM.example.com.", [{"name": "https", "port": 443}]))
    for text in ("crm.data:443", "crm.data:https"):
        found = resolved(view, text)
        assert flows(found) == [To("crm.example.com", "443/TCP")]
    assert resolved(view, "crm.data:443").text == "crm.data:443/TCP"


@pytest.mark.parametrize("target", ["db.data.svc.cluster.local", "db.data.svc.cluster.local.", "DB.data.svc"])
def test_external_name_leads_to_a_service_of_the_cluster(target: str) -> None:
    found = resolved(world(*DB, external_name("shop/alias", target)), "alias:5432")
    assert found.text == "alias.shop:5432/TCP"
    assert flows(found) == [To("deploy/data/db", "5432/TCP", 5432)]


def test_external_name_is_followed_once() -> None:
    links = [external_name(f"shop/a{i}", f"a{i + 1}.shop.svc.cluster.local") for i in range(3)]
    found = resolved(world(*SPACES, *links), "a0:443")
    assert found.found.flows == ()
    assert (
        found.found.unsure
        == "it leads to a1.shop.svc.cluster.local, which is an ExternalName itself; only one is followed"
    )
    assert found.text == "a0.shop:443/TCP"


def test_external_name_that_leads_to_itself_ends() -> None:
    view = world(*SPACES, external_name("shop/a", "a.shop.svc.cluster.local"))
    assert resolved(view, "a:443").found.unsure is not None


@pytest.mark.parametrize(("target", "name"), [("no.data.svc.cluster.local", "data/no"), ("a.b.data.svc", "data/a.b")])
def test_external_name_to_nobody_is_np201(target: str, name: str) -> None:
    found = resolved(world(*DB, external_name("shop/alias", target)), "alias:5432")
    assert lost(found, "NP201")["name"] == name
    assert found.text == "alias.shop:5432/TCP"


# -- Services without a selector ---------------------------------------------------------------------------------------

MANUAL = (
    *SPACES,
    pod("data/real", 7, {"app": "real"}, [port("pg", 5432)]),
    service("data/db", None, [PG, {"name": "m", "port": 9187}]),
)


def test_listed_endpoints_are_pods_where_they_are_pods_and_addresses_elsewhere() -> None:
    listed = endpoint_slice("data/db-1", "db", ["10.0.7.7", "192.0.2.9"], [{"name": "pg", "port": 15432}])
    found = resolved(world(*MANUAL, listed), "db.data:5432")
    assert [short(f) for f in found.found.flows] == [
        To("po/data/real real", "15432/TCP", 5432),
        To("192.0.2.9/32", "15432/TCP", 5432),
    ]


def test_endpoints_of_another_port_name_do_not_count() -> None:
    listed = endpoint_slice("data/db-1", "db", ["192.0.2.9"], [{"name": "m", "port": 9187}])
    view = world(*MANUAL, listed)
    missing = lost(resolved(view, "db.data:5432"), "NP204")
    assert missing == {"service": "data/db", "port": "5432/TCP", "complete": "True"}
    assert flows(resolved(view, "db.data:9187")) == [To("192.0.2.9/32", "9187/TCP", 9187)]


def test_a_listed_port_without_a_number_is_the_service_s_own() -> None:
    listed = endpoint_slice("data/db-1", "db", ["192.0.2.9"], [{"name": "pg"}])
    assert flows(resolved(world(*MANUAL, listed), "db.data:5432")) == [To("192.0.2.9/32", "5432/TCP", 5432)]


def test_without_listed_endpoints_there_are_no_backends() -> None:
    assert lost(resolved(world(*MANUAL), "db.data:5432"), "NP204")["service"] == "data/db"


def test_endpoints_that_are_not_ready_or_not_addresses_are_left_out() -> None:
    down = endpoint_slice("data/a", "db", ["192.0.2.9"], [{"name": "pg", "port": 5432}])
    down["endpoints"][0]["conditions"]["ready"] = False
    names = endpoint_slice("data/b", "db", ["db.example.com"], [{"name": "pg", "port": 5432}]) | {"addressType": "FQDN"}
    assert lost(resolved(world(*MANUAL, down, names), "db.data:5432"), "NP204")["service"] == "data/db"


@pytest.mark.parametrize("asked", [5432, 6543])
def test_behind_a_headless_service_without_selector_a_number_is_dialled_unchanged(asked: int) -> None:
    listed = endpoint_slice("data/x-1", "x", ["192.0.2.9"], [{"name": "pg", "port": 15432}])
    view = world(*SPACES, headless("data/x", None, [PG]), listed)
    (flow,) = resolved(view, f"x.data:{asked}").found.flows
    assert short(flow)[:2] == ("192.0.2.9/32", f"{asked}/TCP")
    assert flows(resolved(view, "x.data:pg")) == [To("192.0.2.9/32", "15432/TCP", 5432)]


# -- workloads by kind -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", WORKLOAD_KINDS)
def test_a_workload_of_every_kind_is_found(kind: str) -> None:
    view = world(*SPACES, workload(kind, "data/x", [port("http", 8080), port("dns", 53, "UDP")]))
    short_kind = SHORT_KINDS[kind]
    whom = f"{short_kind}/data/x" + (" x" if kind == "Pod" else "")
    found = resolved(view, f"{short_kind}/x.data:8080")
    assert found.text == f"{short_kind}/x.data:8080/TCP"
    assert flows(found) == [To(whom, "8080/TCP")]
    assert flows(resolved(view, f"{short_kind}/x.data:dns/UDP")) == [To(whom, "53/UDP")]
    assert flows(resolved(view, f"{short_kind}/x.data")) == [To(whom, "8080/TCP"), To(whom, "53/UDP")]


@pytest.mark.parametrize("suffix", ["", ".svc", ".svc.cluster.local", "."])
def test_the_namespace_of_a_workload_may_be_written_like_a_service_s(suffix: str) -> None:
    assert resolved(world(*DB), f"deploy/db.data{suffix}:5432").text == "deploy/db.data:5432/TCP"


def test_a_workload_is_its_pods_where_it_has_some() -> None:
    view = world(*DB, *pods_of("data/db", (1, [port("pg", 5432)]), (2, [port("pg", 5432)])))
    assert flows(resolved(view, "deploy/db.data:5432")) == [To("deploy/data/db db-1 db-2", "5432/TCP")]


def test_a_named_port_of_a_workload_is_dialled_on_the_pods_that_declare_it() -> None:
    view = world(*DB, *pods_of("data/db", (1, [port("web", 8080)]), (2, [port("web", 9090)]), (3, [])))
    expected = [To("deploy/data/db db-1", "8080/TCP"), To("deploy/data/db db-2", "9090/TCP")]
    assert flows(resolved(view, "deploy/db.data:web")) == expected
    assert flows(resolved(view, "deploy/db.data")) == expected


def test_a_port_that_a_workload_does_not_declare_is_np203_by_number_and_np202_by_name() -> None:
    view = world(*DB, deployment("data/quiet"))
    found = resolved(view, "deploy/db.data:9999")
    assert [short(f) for f in found.found.flows] == [To("deploy/data/db", "9999/TCP")]
    assert lost(found, "NP203") == {
        "service": "data/db",
        "port": "9999/TCP",
        "number": "9999",
        "workload": "deploy/data/db",
    }
    facts = {"service": "deploy/data/db", "port": "http/TCP", "has": "5432/TCP"}
    assert lost(resolved(view, "deploy/db.data:http"), "NP202") == facts
    assert lost(resolved(view, "deploy/db.data:pg/UDP"), "NP202")["port"] == "pg/UDP"
    assert lost(resolved(view, "deploy/quiet.data"), "NP202") == {
        "service": "deploy/data/quiet",
        "port": "*",
        "has": "none",
    }


# -- addresses ---------------------------------------------------------------------------------------------------------

CLUSTER = (
    *API,
    *pods_of("data/api", (1, [port("http", 8080), port("metrics", 9191), port("dns", 53, "UDP")])),
    service("data/lb", {"app": "api"}, WEB[:1], clusterIPs=["10.96.0.7", "fd00:96::7"], externalIPs=["198.51.100.7"])
    | {"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}, {"hostname": "lb.example.com"}]}}},
    node("n1", "192.168.0.1", "2001:db8::1", blocks=["10.0.0.0/16"]),
)


@pytest.mark.parametrize("suffix", ["", "/32"])
def test_the_address_of_a_pod_is_that_pod(suffix: str) -> None:
    found = resolved(world(*CLUSTER), f"10.0.1.1{suffix}:8080")
    assert found.text == f"10.0.1.1{suffix}:8080/TCP"
    assert flows(found) == [To("deploy/data/api api-1", "8080/TCP")]
    assert found.found.flows[0].families == (4,)
    assert found.found.assumptions == ()
    found = resolved(world(*CLUSTER), "[fd00::1:1]:8080")
    assert flows(found) == [To("deploy/data/api api-1", "8080/TCP")]
    assert found.found.flows[0].families == (6,)


def test_a_port_by_name_is_looked_up_on_the_pod_that_has_the_address() -> None:
    view = world(*CLUSTER)
    assert resolved(view, "10.0.1.1:metrics").text == "10.0.1.1:9191/TCP"
    assert flows(resolved(view, "10.0.1.1:dns/UDP")) == [To("deploy/data/api api-1", "53/UDP")]
    assert resolved(view, "10.0.1.1:dns").found.unsure == "no container of data/api-1 names a port `dns`"


@pytest.mark.parametrize(
    ("address", "family"), [("10.96.0.7", 4), ("[fd00:96::7]", 6), ("10.96.0.7/32", 4), ("[fd00:96::7/128]", 6)]
)
def test_the_address_of_a_service_is_what_stands_behind_it_in_that_family(address: str, family: int) -> None:
    found = resolved(world(*CLUSTER), f"{address}:80")
    assert found.text == f"{address}:80/TCP"
    assert flows(found) == [To("deploy/data/api api-1", "8080/TCP", 80)]
    assert found.found.flows[0].families == (family,)


def test_a_port_that_the_service_of_an_address_lacks_is_np202() -> None:
    facts = lost(resolved(world(*CLUSTER), "10.96.0.7:8080"), "NP202")
    assert (facts["service"], facts["hint"]) == ("data/lb", "8080 is the target port: write the Service's port, 80/TCP")


@pytest.mark.parametrize("address", ["198.51.100.7", "203.0.113.7", "203.0.113.7/32"])
def test_behind_an_outside_address_of_a_service_policy_sees_either_it_or_the_pods(address: str) -> None:
    (found,) = resolved(world(*CLUSTER), f"{address}:80").found.flows
    one = address.removesuffix("/32")
    assert str(found.to) == f"{one}/32"
    assert found.unsure == f"{one} is an outside address of Service data/lb: {SEEN}"
    assert {(flow.to.ref.name, flow.port) for flow in found.instead if isinstance(flow.to, Group)} == {("api", 8080)}


@pytest.mark.parametrize(
    ("address", "asked"), [("192.168.0.1", 30000), ("192.168.0.1", 32767), ("[2001:db8::1]", 31000)]
)
def test_what_policy_sees_behind_a_node_port_is_not_known(address: str, asked: int) -> None:
    found = resolved(world(*CLUSTER), f"{address}:{asked}").found
    assert found.flows == ()
    assert found.unsure == f"{address} is node n1, and {asked} may be a NodePort: {SEEN}"


@pytest.mark.parametrize(
    ("text", "whom"),
    [
        ("192.168.0.1:10250", "192.168.0.1/32"),
        ("192.168.0.1:29999", "192.168.0.1/32"),
        ("192.168.0.2:30000", "192.168.0.2/32"),
        ("192.0.2.1:443", "192.0.2.1/32"),
        ("192.0.2.0/24:443", "192.0.2.0/24"),
        ("[2001:db8::5]:443", "2001:db8::5/128"),
    ],
)
def test_any_other_address_is_that_address(text: str, whom: str) -> None:
    found = resolved(world(*CLUSTER), text)
    assert [short(f).whom for f in found.found.flows] == [whom]
    assert found.found.assumptions == ()
    assert found.found.unsure is None


@pytest.mark.parametrize("text", ["10.0.9.9:80", "10.0.0.0/8:80", "0.0.0.0/0:443", "10.0.1.0/24:80"])
def test_an_address_in_the_pods_range_is_judged_as_one_outside_and_said_to_be(text: str) -> None:
    found = resolved(world(*CLUSTER), text).found
    (assumption,) = found.assumptions
    assert assumption.endswith("is in the range of pod addresses; it is judged as an address outside the cluster")


@pytest.mark.parametrize("text", ["192.0.2.1:http", "192.0.2.0/24:http", "[2001:db8::/32]:http", "192.168.0.1:http"])
def test_a_port_by_name_means_nothing_on_an_address(text: str) -> None:
    found = resolved(world(*CLUSTER), text)
    assert found.found.flows == ()
    assert found.found.unsure == f"`http` is a port name, and {text.removesuffix(':http')} is no pod or Service"


def test_the_address_of_a_pod_on_its_host_s_network_is_the_node_s() -> None:
    raw = pod("data/agent", 9, {"app": "agent"}, [port("a", 80)], hostNetwork=True)
    assert flows(resolved(world(*SPACES, raw), "10.0.9.9:80")) == [To("10.0.9.9/32", "80/TCP")]


@pytest.mark.parametrize(
    ("block", "blocks", "complete", "expected"),
    [
        ("10.0.0.0/24", ["10.0.0.0/16"], True, True),
        ("10.0.0.0/8", ["10.0.0.0/16"], True, True),
        ("192.168.0.0/24", ["10.0.0.0/16"], True, False),
        ("192.168.0.0/24", ["10.0.0.0/16"], False, False),
        ("10.0.0.0/24", [], True, False),
        ("10.0.0.0/24", [], False, True),
        ("fd00::/64", [], False, True),
        ("100.64.3.0/24", [], False, True),
        ("203.0.113.0/24", [], False, False),
        ("0.0.0.0/0", [], False, True),
        ("8.0.0.0/5", [], False, True),
        ("8.0.0.0/8", [], False, False),
        ("2001:db8::/32", [], False, False),
        ("169.254.20.10/32", [], False, False),
        ("127.0.0.1/32", [], False, False),
        ("fe80::/64", [], False, False),
    ],
)
def test_whether_a_block_may_hold_pods(block: str, blocks: list[str], complete: bool, expected: bool) -> None:
    view = world(*([node("n1", blocks=blocks)] if blocks else []), complete=complete)
    assert may_be_a_pods(view, parse_block(block)) is expected


# -- too many ----------------------------------------------------------------------------------------------------------

MANY = [{"name": f"p{i}", "port": i, "targetPort": 80} for i in range(1, MOST_PORTS + 2)]
DECLARED = [port(f"p{i}", i) for i in range(1, MOST_PORTS + 2)]
WIDE = (
    *SPACES,
    deployment("data/x", DECLARED),
    service("data/x", {"app": "x"}, MANY),
    service("data/y", {"app": "x"}, MANY[:-1]),
    workload("StatefulSet", "data/z", DECLARED),
    headless("data/zs", {"app": "z"}, MANY),
)


@pytest.mark.parametrize(
    ("text", "name"), [("x.data", "x.data"), ("deploy/x.data", "deploy/x.data"), ("z-0.zs.data", "z-0.zs.data")]
)
def test_of_very_many_ports_those_that_are_needed_must_be_declared(text: str, name: str) -> None:
    found = resolved(world(*WIDE), text)
    assert found.found.flows == ()
    assert (
        found.found.unsure
        == f"{name} has {MOST_PORTS + 1} ports, more than {MOST_PORTS}: declare those that are needed"
    )
    assert found.text == f"{name}:*"
    assert len(flows(resolved(world(*WIDE), "deploy/x.data:7"))) == 1


def test_of_the_most_ports_every_one_is_judged() -> None:
    assert len(resolved(world(*WIDE), "y.data").found.flows) == MOST_PORTS


# -- any name in any world ---------------------------------------------------------------------------------------------

NAMES = st.lists(
    st.sampled_from(["db", "api", "data", "shop", "peers", "db-0", "svc", "cluster", "local", "com", "*"]),
    min_size=1,
    max_size=6,
)
SUFFIXES = st.sampled_from(["", ".", ":80", ":5432", ":pg", ":http", ":53/UDP", ":80/SCTP"])
PREFIXES = st.sampled_from(["", "http://", "postgres://u:p@", "deploy/", "sts/", "po/"])
WORLDS = {
    "empty": world(),
    "files": world(*DB, complete=False),
    "services": world(
        *API, *STATEFUL[2:], external_name("shop/db", "db.data.svc.cluster.local"), external_name("shop/data", "x.com")
    ),
    "cluster": world(*CLUSTER, *STATEFUL[2:], stateful_pod(0), policy("data/wall", podSelector={})),
}


@given(st.sampled_from(sorted(WORLDS)), PREFIXES, NAMES, SUFFIXES, st.sampled_from(("shop/web", "data/api", "none/x")))
def test_every_item_leads_somewhere_or_says_why_not(
    name: str, prefix: str, parts: list[str], suffix: str, client: str
) -> None:
    view: View = WORLDS[name]
    for item in parse(prefix + ".".join(parts) + suffix):
        if not isinstance(item, Dependency):
            continue
        found = resolve(view, asks(client), item)
        assert found.found.flows or found.found.missing or found.found.unsure
        assert "None" not in found.text
        head, _, tail = found.text.rpartition(":")
        assert head
        assert tail == "*" or tail.count("/") == 1
        for flow in found.found.flows:
            assert flow.port is not None or isinstance(flow.to, Host)
            assert not isinstance(flow.to, Group) or bool(flow.to.pods) != (flow.to.template is not None)

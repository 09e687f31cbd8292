"""Declared ways in (NP108): whose pods send, and what they meet on the way; nothing where that is not sure."""

from datetime import date
from typing import Any

import pytest
from msgspec import structs

from tests.support.arena import Raw, world_of
from tests.support.making import deployment, metadata, owned_by, service, workload
from tests.support.reading import put
from tests.support.reviews import request
from tests.support.ways_in import GATEWAY_API
from tests.support.worlds import namespace, pod, policy, port
from webhook import config
from webhook.dependencies.sources import of_ingress, of_route, scrapers
from webhook.fix import fix_all
from webhook.model.answers import Finding, Severity
from webhook.model.inbound import Ingress, Route
from webhook.model.refs import WorkloadRef
from webhook.model.settings import DEFAULTS, EXEMPT, Enforcer, Mode, Settings
from webhook.report.admission import line
from webhook.report.text import block
from webhook.review.decide import decide
from webhook.review.inbound import review_server
from webhook.world import World

TODAY = date(2026, 11, 20)
NAME = "app.kubernetes.io/name"
NGINX = {NAME: "ingress-nginx"}
FROM_EDGE = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "edge"}}}


def labelled(raw: Raw, labels: Raw) -> Raw:
    """Return a workload whose pods have these labels."""
    again = put(raw, "spec.template.metadata.labels", labels)
    return put(again, "spec.selector.matchLabels", labels)


def ingress(to: str = "web", port_: Raw | None = None, *, reached: list[Raw] | None = None, **spec: Any) -> Raw:  # noqa: ANN401
    backend = {"service": {"name": to, "port": port_ or {"number": 80}}}
    raw: Raw = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata("shop/shop")}
    raw |= {"spec": {"ingressClassName": "nginx", "rules": [{"http": {"paths": [{"backend": backend}]}}], **spec}}
    return raw | {"status": {"loadBalancer": {"ingress": reached or []}}}


def ingress_class(controller: str = "k8s.io/ingress-nginx", name: str = "nginx", **annotations: str) -> Raw:
    meta = {"name": name, "annotations": annotations}
    spec = {"controller": controller}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": meta, "spec": spec}


def edge(name: str = "edge/nginx", labels: Raw = NGINX, **more: Any) -> list[Raw]:  # noqa: ANN401 - a Service's spec
    """Return a controller and the Service in front of it."""
    kind = more.pop("type", "LoadBalancer")
    status = more.pop("status", {})
    front = service(name, labels, [{"port": 80}, {"name": "https", "port": 443}], type=kind, **more)
    return [labelled(deployment(name, [port("http", 80)]), labels), front | {"status": status}]


def balancer(*entries: Raw) -> Raw:
    return {"loadBalancer": {"ingress": list(entries)}}


WEB = deployment("shop/web", [port("http", 8080)])
FRONT = service("shop/web", {"app": "web"}, [{"name": "http", "port": 80, "targetPort": "http"}])
CLOSED = policy("shop/closed", podSelector={}, policyTypes=["Ingress"])
LET_IN = policy(
    "shop/edge",
    podSelector={"matchLabels": {"app": "web"}},
    policyTypes=["Ingress"],
    ingress=[{"from": [FROM_EDGE], "ports": [{"port": 8080}]}],
)
BASE = (namespace("shop"), namespace("edge"), FRONT, CLOSED)
ADMITTED = structs.replace(DEFAULTS, admit=("edge", "els?"))


def told(*objects: Raw, web: Raw = WEB, settings: Settings = DEFAULTS, complete: bool = True) -> tuple[Finding, ...]:
    """Review shop/web as a server."""
    world = world_of([*BASE, *objects, web], settings=settings, complete=complete)
    return review_server(world, reviewed(world), TODAY)


def reviewed(world: World) -> Any:  # noqa: ANN401 - the test knows
    (found,) = [w for w in world.workloads.every("shop") if w.ref.name == "web"]
    return found


def ids(found: tuple[Finding, ...]) -> list[tuple[str, str | None]]:
    return [(one.id, one.dependency) for one in found]


KEPT_OUT = [("NP108", "web.shop:80/TCP")]


# -- who sends for an Ingress ------------------------------------------------------------------------------------------


def senders(*objects: Raw) -> list[str]:
    world = world_of([*BASE, *objects])
    (one,) = world.inbound.sending_to("shop", "web")
    assert isinstance(one, Ingress)
    return [sender.ref.short for sender in of_ingress(world, one).workloads]


TRAEFIK = {NAME: "traefik"}


@pytest.mark.parametrize(
    ("about", "objects", "expected"),
    [
        ("by its class", [ingress(), ingress_class(), *edge()], ["edge/nginx"]),
        ("a NodePort will do", [ingress(), ingress_class(), *edge(type="NodePort")], ["edge/nginx"]),
        ("behind a ClusterIP nobody comes from outside", [ingress(), ingress_class(), *edge(type="ClusterIP")], []),
        ("without its class nobody knows", [ingress(), *edge()], []),
        ("another controller", [ingress(), ingress_class("traefik.io/ingress-controller"), *edge()], []),
        (
            "a controller that nobody knows",
            [ingress(), ingress_class("example.com/own"), *edge()],
            [],
        ),
        (
            "the class picks",
            [ingress(), ingress_class("traefik.io/ingress-controller"), *edge(), *edge("edge/t", TRAEFIK)],
            ["edge/t"],
        ),
        (
            "the default class",
            [
                ingress(ingressClassName=None),
                ingress_class(**{"ingressclass.kubernetes.io/is-default-class": "true"}),
                *edge(),
            ],
            ["edge/nginx"],
        ),
        ("no class and no default", [ingress(ingressClassName=None), ingress_class(), *edge()], []),
        (
            "by the address that it wrote down, whatever it is called",
            [
                ingress(reached=[{"ip": "192.0.2.1"}]),
                *edge("edge/own", {"app": "own"}, status=balancer({"ip": "192.0.2.1"})),
            ],
            ["edge/own"],
        ),
        (
            "by the name of the load balancer",
            [
                ingress(reached=[{"hostname": "lb.example.com"}]),
                *edge("edge/own", {"app": "own"}, status=balancer({"hostname": "lb.example.com"})),
            ],
            ["edge/own"],
        ),
        (
            "by a cluster address, as for a NodePort",
            [
                ingress(reached=[{"ip": "10.96.0.9"}]),
                *edge("edge/own", {"app": "own"}, type="NodePort", clusterIP="10.96.0.9"),
            ],
            ["edge/own"],
        ),
        (
            "of those that share an address, who has the port",
            [
                ingress(reached=[{"ip": "192.0.2.1"}]),
                *edge("edge/own", {"app": "own"}, status=balancer({"ip": "192.0.2.1"})),
                service("edge/db", {"app": "db"}, [{"port": 5432}], type="LoadBalancer")
                | {"status": balancer({"ip": "192.0.2.1"})},
            ],
            ["edge/own"],
        ),
        (
            "who is called so but is somewhere else is not it",
            [
                ingress(reached=[{"ip": "192.0.2.7"}]),
                ingress_class(),
                *edge(status=balancer({"ip": "192.0.2.1"})),
            ],
            [],
        ),
        (
            "two of one kind",
            [ingress(), ingress_class(), *edge(), *edge("edge/second")],
            ["edge/nginx", "edge/second"],
        ),
    ],
)
def test_the_controller_is_found_where_that_is_sure(about: str, objects: list[Raw], expected: list[str]) -> None:
    found = senders(*objects)
    assert sorted(set(found)) == expected, about


def test_running_pods_are_asked_rather_than_their_template() -> None:
    replica = {"ownerReferences": [{"kind": "DaemonSet", "name": "nginx", "controller": True}]}
    one = pod("edge/nginx-1", 1, {**NGINX, "extra": "1"}, [port("http", 80)])
    one["metadata"] |= replica
    world = world_of([*BASE, ingress(), ingress_class(), *edge(), one])
    (way,) = world.inbound.sending_to("shop", "web")
    assert isinstance(way, Ingress)
    found = {s.ref: s.template.pod_class.labels.as_dict() for s in of_ingress(world, way).workloads}
    assert found[WorkloadRef("DaemonSet", "edge", "nginx")] == {**NGINX, "extra": "1"}


# -- what they meet ----------------------------------------------------------------------------------------------------

NGINX_HERE = (ingress_class(), *edge())


@pytest.mark.parametrize(
    ("about", "objects", "expected"),
    [
        ("nobody is let in", [ingress()], KEPT_OUT),
        ("the controller is let in", [ingress(), LET_IN], []),
        ("no Ingress leads here", [], []),
        ("an Ingress to another Service", [ingress("other")], []),
        ("the port by name", [ingress(port_={"name": "http"})], KEPT_OUT),
        ("a port that the Service does not have", [ingress(port_={"number": 81})], []),
        (
            "as the default backend",
            [ingress("other", defaultBackend={"service": {"name": "web", "port": {"number": 80}}})],
            KEPT_OUT,
        ),
        (
            "the controller may not get out",
            [
                ingress(),
                LET_IN,
                policy("edge/out", podSelector={}, policyTypes=["Egress"], egress=[{"ports": [{"port": 53}]}]),
            ],
            KEPT_OUT,
        ),
        ("a port's name that no container has", [ingress(), put(FRONT, "spec.ports.0.targetPort", "nobody")], []),
    ],
)
def test_what_the_controller_meets(about: str, objects: list[Raw], expected: list[tuple[str, str]]) -> None:
    assert ids(told(*NGINX_HERE, *objects)) == expected, about


def test_it_names_the_controller_the_workload_the_port_the_policy_and_the_remedy() -> None:
    (found,) = told(*NGINX_HERE, ingress())
    assert (found.source, found.severity.word, found.verdict) == ("inbound", "warning", "denied")
    said = line(found)
    for word in (
        "Ingress shop/shop",
        "edge/nginx -> shop/web:8080/TCP",
        "shop/closed",
        "(NP108)",
        "netpol-preflight fix",
    ):
        assert word in said
    assert len(said) <= 256


def test_the_controllers_own_policy_is_named_where_it_is_the_one() -> None:
    out = policy("edge/out", podSelector={}, policyTypes=["Egress"])
    (found,) = told(*NGINX_HERE, ingress(), LET_IN, out, settings=ADMITTED)
    assert [str(ref) for ref in found.policies] == ["edge/out"]
    assert "egress isolated by edge/out" in line(found)
    assert {one["metadata"]["namespace"] for one in found.fix} == {"edge"}


def test_the_fix_lets_the_controller_in_on_the_pods_port_and_nothing_else() -> None:
    (found,) = told(*NGINX_HERE, ingress(), settings=ADMITTED)
    (fix,) = found.fix
    assert fix["spec"]["podSelector"] == {"matchLabels": {"app": "web"}}
    assert fix["spec"]["ingress"] == [
        {"from": [{**FROM_EDGE, "podSelector": {"matchLabels": NGINX}}], "ports": [{"protocol": "TCP", "port": 8080}]}
    ]
    assert told(*NGINX_HERE, ingress(), fix) == ()


def test_the_command_prints_the_same_fix() -> None:
    for settings in (DEFAULTS, ADMITTED):
        (found,) = told(*NGINX_HERE, ingress(), settings=settings)
        world = world_of([*BASE, *NGINX_HERE, ingress(), WEB], settings=settings)
        fixes = fix_all(world, [reviewed(world)])
        assert (fixes.policies, fixes.unfixable, fixes.notes) == (found.fix, (), found.assumptions)


def test_who_is_only_called_like_a_controller_is_let_in_where_its_namespace_is_admitted() -> None:
    (found,) = told(*NGINX_HERE, ingress())
    assert found.fix == ()
    assert line(found).endswith("(NP108); `netpol-preflight fix --admit edge` lets it in")
    assert found.assumptions == ("not let in without `--admit edge`: edge/nginx",)


def test_a_controller_of_the_own_namespace_needs_no_admission() -> None:
    (found,) = told(ingress_class(), *edge("shop/nginx"), ingress())
    assert len(found.fix) == 1


ADDRESS = {"ip": "203.0.113.7"}


@pytest.mark.parametrize(
    ("about", "more", "opened"),
    [
        ("the cluster gave it the address", {"status": balancer(ADDRESS)}, 1),
        ("it took the address itself", {"externalIPs": ["203.0.113.7"]}, 0),
    ],
)
def test_who_is_where_an_ingress_is_reached_is_sure_unless_he_took_that_address(
    about: str, more: Raw, opened: int
) -> None:
    (found,) = told(ingress_class(), *edge(**more), ingress(reached=[ADDRESS]))
    assert len(found.fix) == opened, about


def test_a_namesake_does_not_count_beside_who_is_admitted() -> None:
    two = (*NGINX_HERE, *edge("evil/nginx"), namespace("evil"))
    (found,) = told(*two, ingress(), settings=structs.replace(DEFAULTS, admit=("edge",)))
    assert [one["spec"]["ingress"][0]["from"][0]["namespaceSelector"] for one in found.fix] == [
        FROM_EDGE["namespaceSelector"]
    ]


def test_of_two_that_may_be_the_controller_both_have_to_be_kept_out_and_neither_is_opened() -> None:
    two = (*NGINX_HERE, *edge("else/second"), namespace("else"))
    (found,) = told(*two, ingress(), settings=ADMITTED)
    assert (found.id, found.fix) == ("NP108", ())
    assert "any of edge/nginx, else/second" in line(found)
    assert told(*two, ingress(), LET_IN) == ()


def test_on_the_host_network_it_cannot_be_told_which_is_no_warning() -> None:
    host = [put(edge()[0], "spec.template.spec.hostNetwork", value=True), edge()[1]]
    (found,) = told(ingress_class(), *host, ingress())
    assert (found.id, found.severity.word) == ("NP106", "info")
    assert "Ingress shop/shop: edge/nginx -> shop/web:8080/TCP cannot be decided" in block(found)


def test_the_template_counts_although_the_pods_of_an_older_one_are_let_in() -> None:
    old = pod("shop/web-1", 3, {"app": "web", "tier": "front"}, [port("http", 8080)])
    old["metadata"]["ownerReferences"] = [{"kind": "Deployment", "name": "web", "controller": True}]
    fronts = put(LET_IN, "spec.podSelector", {"matchLabels": {"tier": "front"}})
    assert ids(told(*NGINX_HERE, ingress(), fronts, old)) == KEPT_OUT


def test_where_nobody_enforces_nothing_is_told() -> None:
    nobody = Settings(enforcer=Enforcer("none", decisive=False, enforces=False))
    assert told(*NGINX_HERE, ingress(), settings=nobody) == ()


# -- the Gateway API ---------------------------------------------------------------------------------------------------


def gateway(status: list[Raw] | None = None) -> Raw:
    spec = {"gatewayClassName": "c", "listeners": [{"name": "http", "port": 8443}]}
    raw = {"apiVersion": GATEWAY_API, "kind": "Gateway", "metadata": metadata("edge/gw"), "spec": spec}
    return raw | {"status": {"addresses": status or []}}


def gateway_class(controller: str) -> Raw:
    return {
        "apiVersion": GATEWAY_API,
        "kind": "GatewayClass",
        "metadata": {"name": "c"},
        "spec": {"controllerName": controller},
    }


def route(kind: str = "HTTPRoute", *parents: str) -> Raw:
    refs = [{"name": name, "namespace": "edge"} for name in parents or ("gw",)]
    spec = {"parentRefs": refs, "rules": [{"backendRefs": [{"name": "web", "port": 80}]}]}
    return {"apiVersion": GATEWAY_API, "kind": kind, "metadata": metadata("shop/r"), "spec": spec}


OF_GW = {"gateway.networking.k8s.io/gateway-name": "gw"}
MADE = labelled(deployment("edge/gw-istio", [port("http", 8443)]), OF_GW)
MADE_FRONT = put(service("edge/gw-istio", OF_GW, [{"port": 8443}]), "metadata.labels", OF_GW)
ENVOY_KEYS = {
    "gateway.envoyproxy.io/owning-gateway-name": "gw",
    "gateway.envoyproxy.io/owning-gateway-namespace": "edge",
}


def of_gateway(*objects: Raw) -> list[str]:
    world = world_of([*BASE, *objects])
    (one,) = world.inbound.sending_to("shop", "web")
    assert isinstance(one, Route)
    return [sender.ref.short for sender in of_route(world, one).workloads]


@pytest.mark.parametrize(
    ("about", "objects", "expected"),
    [
        ("by the label on its Service", [gateway(), MADE, MADE_FRONT], ["edge/gw-istio"]),
        ("by the label on its pods", [gateway(), MADE], ["edge/gw-istio"]),
        (
            "by its address",
            [
                gateway([{"value": "192.0.2.1"}]),
                labelled(deployment("edge/own"), {"app": "own"}),
                service("edge/own", {"app": "own"}, [{"port": 8443}], type="LoadBalancer")
                | {"status": balancer({"ip": "192.0.2.1"})},
            ],
            ["edge/own"],
        ),
        (
            "as Envoy Gateway says it",
            [
                gateway(),
                gateway_class("gateway.envoyproxy.io/gatewayclass-controller"),
                labelled(deployment("system/envoy"), {"app": "envoy"}),
                put(
                    service("system/envoy", {"app": "envoy"}, [{"port": 8443}], type="LoadBalancer"),
                    "metadata.labels",
                    ENVOY_KEYS,
                ),
            ],
            ["system/envoy"],
        ),
        ("a Gateway that is not here", [MADE, MADE_FRONT], []),
        ("a Gateway that nobody serves", [gateway()], []),
    ],
)
def test_the_pods_of_a_gateway_are_found_where_that_is_sure(
    about: str, objects: list[Raw], expected: list[str]
) -> None:
    assert of_gateway(route(), *objects) == expected, about


def test_one_gateway_of_two_that_nobody_knows_makes_the_route_unsure() -> None:
    assert of_gateway(route("HTTPRoute", "gw", "other"), gateway(), MADE) == []


@pytest.mark.parametrize("kind", ["HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute"])
def test_a_gateway_that_is_kept_out_is_told(kind: str) -> None:
    (found,) = told(gateway(), MADE, MADE_FRONT, route(kind))
    assert ids((found,)) == KEPT_OUT
    assert f"{kind} shop/r: edge/gw-istio -> shop/web:8080/TCP" in line(found)
    assert told(gateway(), MADE, MADE_FRONT, route(kind), LET_IN) == ()


def test_a_route_for_udp_leads_to_the_services_port_for_udp() -> None:
    both = put(FRONT, "spec.ports", [{"name": "dns", "port": 80, "targetPort": 5353, "protocol": "UDP"}])
    (found,) = told(gateway(), MADE, route("UDPRoute"), both)
    assert found.dependency == "web.shop:80/UDP"
    assert told(gateway(), MADE, route("UDPRoute")) == ()


# -- scraping ----------------------------------------------------------------------------------------------------------

PROMETHEUS = {NAME: "prometheus"}
SCRAPER = labelled(workload("StatefulSet", "edge/prometheus", [port("web", 9090)]), PROMETHEUS)
SCRAPED = deployment(
    "shop/web", [port("http", 8080)], notes={"prometheus.io/scrape": "true", "prometheus.io/port": "9102"}
)
ANY_PORT = deployment("shop/web", [port("http", 8080), port("admin", 8081)], notes={"prometheus.io/scrape": "true"})


@pytest.mark.parametrize(
    ("about", "web", "objects", "expected"),
    [
        ("the port of the annotation", SCRAPED, [SCRAPER], [("NP108", "deploy/web.shop:9102/TCP")]),
        ("nobody scrapes", SCRAPED, [], []),
        ("let in on another port", SCRAPED, [SCRAPER, LET_IN], [("NP108", "deploy/web.shop:9102/TCP")]),
        ("let in", SCRAPED, [SCRAPER, put(LET_IN, "spec.ingress.0.ports.0.port", 9102)], []),
        ("no annotation", WEB, [SCRAPER], []),
        ("all ports closed", ANY_PORT, [SCRAPER], [("NP108", "deploy/web.shop:*")]),
        ("one of several open: it may be that one", ANY_PORT, [SCRAPER, LET_IN], []),
        (
            "the Service is annotated",
            WEB,
            [SCRAPER, put(FRONT, "metadata.annotations", {"prometheus.io/scrape": "true"})],
            [("NP108", "web.shop:8080/TCP")],
        ),
        (
            "called so, but it listens elsewhere",
            SCRAPED,
            [put(SCRAPER, "spec.template.spec.containers.0.ports.0.containerPort", 9093)],
            [],
        ),
        (
            "a part of it that does not scrape",
            SCRAPED,
            [labelled(SCRAPER, {**PROMETHEUS, "app.kubernetes.io/component": "alert-router"})],
            [],
        ),
    ],
)
def test_prometheus_is_a_way_in(about: str, web: Raw, objects: list[Raw], expected: list[tuple[str, str]]) -> None:
    assert ids(told(*objects, web=web)) == expected, about


def test_of_two_that_may_scrape_one_is_enough() -> None:
    second = labelled(workload("StatefulSet", "shop/prometheus", [port("web", 9090)]), PROMETHEUS)
    open_ = put(LET_IN, "spec.ingress.0.ports.0.port", 9102)
    assert told(SCRAPER, second, open_, web=SCRAPED) == ()
    assert ids(told(SCRAPER, second, web=SCRAPED)) == [("NP108", "deploy/web.shop:9102/TCP")]


def test_what_scrapes_is_not_scraped_by_itself() -> None:
    own = labelled(deployment("shop/web", [port("web", 9090)], notes={"prometheus.io/scrape": "true"}), PROMETHEUS)
    assert told(web=own) == ()


def test_who_scrapes_can_be_configured() -> None:
    agent = deployment("edge/agent")
    made = config.settings(file=config.read_file({"inbound": {"scrapers": ["deploy/agent.edge"]}}))
    (found,) = told(agent, SCRAPER, web=SCRAPED, settings=made)
    assert "edge/agent -> shop/web:9102/TCP" in line(found)
    absent = config.settings(file=config.read_file({"inbound": {"scrapers": ["deploy/nobody.edge"]}}))
    assert told(agent, SCRAPER, web=SCRAPED, settings=absent) == ()


def test_a_scraper_that_an_operator_made_is_found_by_its_statefulset() -> None:
    owned = put(SCRAPER, "metadata.ownerReferences", [{"kind": "Prometheus", "name": "k8s", "controller": True}])
    world = world_of([*BASE, owned])
    assert [one.ref.short for one in scrapers(world).workloads] == ["edge/prometheus"]
    replica = put(put(SCRAPER, "kind", "ReplicaSet"), "metadata.name", "prometheus-1")
    replica["metadata"] |= owned_by("Deployment", "prometheus")
    world = world_of([*BASE, put(SCRAPER, "kind", "Deployment"), replica])
    assert [one.ref.kind for one in scrapers(world).workloads] == ["Deployment"], "its maker is asked"


# -- settings ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("switch", "objects", "web"),
    [
        ("ingress", [*NGINX_HERE, ingress()], WEB),
        ("gateway", [gateway(), MADE, route()], WEB),
        ("scrape", [SCRAPER], SCRAPED),
        ("scrape", [SCRAPER, put(FRONT, "metadata.annotations", {"prometheus.io/scrape": "true"})], WEB),
    ],
)
def test_each_source_can_be_switched_off_and_the_others_stay(switch: str, objects: list[Raw], web: Raw) -> None:
    def made(**inbound: bool) -> Settings:
        return config.settings(file=config.read_file({"inbound": inbound}))

    assert [one.id for one in told(*objects, web=web, settings=made())] == ["NP108"]
    assert told(*objects, web=web, settings=made(**{switch: False})) == ()
    others = dict.fromkeys({"ingress", "gateway", "scrape"} - {switch}, False)
    assert [one.id for one in told(*objects, web=web, settings=made(**others))] == ["NP108"]


def test_off_is_not_even_looked_at() -> None:
    off = config.settings(file=config.read_file({"severities": {"NP108": "off"}}))
    assert told(*NGINX_HERE, ingress(), settings=off) == ()


def test_the_workloads_own_exemption_covers_it_and_no_other_way() -> None:
    world = world_of([*BASE, *NGINX_HERE, ingress()])
    for exempt, expected in (
        ("NP108@web.shop:80: until the edge has moved", []),
        ("NP108@web:80: the same, as it is written at home", []),
        ("NP108@web.shop:81: another port", KEPT_OUT),
        ("NP108@web.shop:80:", [("NP303", "exempt[1]"), *KEPT_OUT]),
    ):
        raw = put(WEB, "metadata.annotations", {EXEMPT: exempt})
        found = decide(request(raw), world, TODAY)
        assert sorted(ids(found.findings), reverse=True) == expected, exempt
        assert found.allowed


def test_however_grave_it_is_said_to_be_it_never_rejects() -> None:
    grave = Settings(mode=Mode.ENFORCE, severities=(("NP108", Severity.ERROR.value),))
    world = world_of([*BASE, *NGINX_HERE, ingress()], settings=grave)
    found = decide(request(WEB), world, TODAY)
    assert ids(found.findings) == KEPT_OUT
    assert found.allowed

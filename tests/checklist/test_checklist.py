"""The checklist: for each finding one world that has it, with its facts, and near ones that do not."""

import json
from datetime import date
from typing import Any, Final

import pytest

from tests.support.arena import Raw, world_of
from tests.support.making import deployment, node, service
from tests.support.worlds import namespace, pod, policy, port
from webhook import config
from webhook.model.answers import Finding
from webhook.model.settings import (
    ALLOW_PATH,
    CONNECTS_TO,
    DECLARE_LABEL,
    STANDARD_LABELS,
    Enforcer,
    RequiredLabel,
    Settings,
)
from webhook.report.words import remedy
from webhook.review.audit import review_crd_policies, review_namespaces, review_policies
from webhook.review.workload import review_workload

TODAY: Final = date(2026, 11, 20)
WEB: Final = deployment("shop/web", [port("http", 8080)])
API: Final = deployment("shop/api", [port("http", 8080)])
DB: Final = deployment("data/db", [port("pg", 5432)])
PROMETHEUS: Final = deployment("ops/prometheus")
OPS: Final = namespace("ops", {"team": "ops"})
SHOP: Final = namespace("shop")
ASKING: Final = namespace("shop", {DECLARE_LABEL: "required"})


def labelled(**labels: str) -> Raw:
    """Return shop/web with these labels on its template and no others; its own stay."""
    raw = deployment("shop/web")
    raw["spec"]["template"]["metadata"]["labels"] = labels
    return raw


def out(*to: Raw, ports: list[Raw] | None = None, **spec: Any) -> Raw:  # noqa: ANN401 - any field
    rule = {"to": list(to), **({"ports": ports} if ports else {})}
    return policy("shop/out", podSelector={}, policyTypes=["Egress"], egress=[rule], **spec)


def into(*peers: Raw, ports: list[Raw] | None = None, selector: Raw | None = None) -> Raw:
    rule = {"from": list(peers), **({"ports": ports} if ports else {})}
    return policy("shop/in", podSelector=selector or {}, policyTypes=["Ingress"], ingress=[rule])


def block(cidr: str, *excepts: str) -> Raw:
    return {"ipBlock": {"cidr": cidr, **({"except": list(excepts)} if excepts else {})}}


def of_workload(name: str, *objects: Raw, settings: Settings | None = None) -> list[Finding]:
    world = world_of(objects, settings=settings or Settings())
    return [one for found in world.workloads.every("shop") for one in review_workload(world, found) if one.id == name]


def of_policies(name: str, *objects: Raw, complete: bool = True) -> list[Finding]:
    world = world_of(objects, complete=complete)
    every = [found for space in world.namespaces.names() for found in world.policies.named(space).values()]
    findings = (*review_policies(world, every, TODAY), *review_namespaces(world, world.namespaces.names(), TODAY))
    return [one for one in findings if one.id == name]


def facts(found: list[Finding]) -> dict[str, str]:
    (one,) = found
    return dict(one.facts)


# -- workloads --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "missing"),
    [
        (labelled(app="web", role="front", env="prod"), None),
        (
            labelled(
                **{
                    "app.kubernetes.io/name": "web",
                    "app.kubernetes.io/component": "front",
                    "app.kubernetes.io/environment": "prod",
                }
            ),
            None,
        ),
        (labelled(app="web", role="front"), "env or app.kubernetes.io/environment or environment"),
        (labelled(app="web", env="prod"), "role or app.kubernetes.io/component"),
    ],
)
def test_301_standard_labels_may_have_either_name(template: Raw, missing: str | None) -> None:
    found = of_workload("NP301", SHOP, template, settings=Settings(required_labels=STANDARD_LABELS))
    assert (facts(found)["labels"] if found else None) == missing


@pytest.mark.parametrize(
    ("wanted", "missing"),
    [
        (RequiredLabel("env", values=("dev", "prod")), None),
        (RequiredLabel("env", values=("dev", "test")), "env=prod (one of dev, test)"),
        (RequiredLabel("env", pattern="p.*"), None),
        (RequiredLabel("env", pattern="p"), "env=prod (like p)"),
    ],
)
def test_301_values_and_patterns_hold_for_the_whole_value(wanted: RequiredLabel, missing: str | None) -> None:
    found = of_workload("NP301", SHOP, labelled(env="prod"), settings=Settings(required_labels=(wanted,)))
    assert (facts(found)["labels"] if found else None) == missing


def test_301_nothing_is_required_unless_the_configuration_says_so() -> None:
    assert of_workload("NP301", SHOP, labelled(env="prod"), settings=config.settings()) == []


def test_302_only_where_the_namespace_asks_and_nothing_is_declared() -> None:
    assert len(of_workload("NP302", ASKING, WEB)) == 1
    assert of_workload("NP302", SHOP, WEB) == []
    assert of_workload("NP302", ASKING, deployment("shop/web", annotations={CONNECTS_TO: "deploy/db.data:5432"})) == []


@pytest.mark.parametrize(
    ("about", "space", "declared", "found"),
    [
        ("it declares something else", SHOP, "deploy/db.data:5432", ["api.shop:80/TCP"]),
        ("it is declared", SHOP, "api:80", []),
        ("nobody asked", SHOP, None, []),
        ("the namespace asks", ASKING, None, ["api.shop:80/TCP"]),
    ],
)
def test_304_what_is_used_and_not_declared(about: str, space: Raw, declared: str | None, found: list[str]) -> None:
    web = deployment("shop/web", annotations={CONNECTS_TO: declared} if declared else {})
    web["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "API_URL", "value": "http://api"}]
    api = service("shop/api", {"app": "api"}, [{"port": 80, "targetPort": 8080}])
    findings = of_workload("NP304", space, web, API, api, DB)
    assert [one.dependency for one in findings] == found, about
    assert {one.source for one in findings} <= {"inferred"}


# -- namespaces -------------------------------------------------------------------------------------------------------

WALL: Final = policy("shop/wall", podSelector={}, policyTypes=["Ingress"])


@pytest.mark.parametrize(
    ("about", "objects", "found"),
    [
        ("no policy", (), True),
        ("a default deny", (WALL,), False),
        ("one pod's", (policy("shop/a", podSelector={"matchLabels": {"app": "web"}}, policyTypes=["Ingress"]),), True),
        ("egress alone", (policy("shop/a", podSelector={}, policyTypes=["Egress"]),), True),
        ("every pod, open", (policy("shop/a", podSelector={}, policyTypes=["Ingress"], ingress=[{}]),), True),
    ],
)
def test_305_a_namespace_without_default_deny(about: str, objects: tuple[Raw, ...], found: bool) -> None:
    assert bool(of_policies("NP305", SHOP, WEB, *objects)) is found, about


def test_305_of_a_part_of_the_cluster_it_cannot_be_told() -> None:
    assert of_policies("NP305", SHOP, WEB, complete=False) == []


def test_306_a_deny_policy_that_says_how_to_get_past_it() -> None:
    assert [one.policies[0].name for one in of_policies("NP306", SHOP, WEB, WALL)] == ["wall"]
    noted = policy("shop/wall", podSelector={}, policyTypes=["Ingress"])
    noted["metadata"]["annotations"] = {ALLOW_PATH: "ask #net"}
    assert of_policies("NP306", SHOP, WEB, noted) == []
    assert of_policies("NP306", SHOP, WEB, WALL, into({"podSelector": {}})) == []


# -- blocks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cidr", "whole", "addresses", "one"),
    [
        ("10.0.1.5/24", "10.0.1.0/24", "256", "10.0.1.5/32"),
        ("192.0.2.255/31", "192.0.2.254/31", "2", "192.0.2.255/32"),
        ("2001:db8::5/64", "2001:db8::/64", str(1 << 64), "2001:db8::5/128"),
    ],
)
def test_401_host_bits_with_the_arithmetic(cidr: str, whole: str, addresses: str, one: str) -> None:
    said = facts(of_policies("NP401", SHOP, WEB, out(block(cidr))))
    assert (said["text"], said["block"], said["addresses"], said["one"]) == (cidr, whole, addresses, one)
    assert said["rule"] == "egress[0]"


@pytest.mark.parametrize("cidr", ["10.0.1.0/24", "10.0.1.5/32", "0.0.0.0/0", "2001:db8::/64"])
def test_401_not_of_a_block_that_is_one(cidr: str) -> None:
    assert of_policies("NP401", SHOP, WEB, out(block(cidr))) == []


@pytest.mark.parametrize(
    ("declared", "spare"),
    [
        ("192.0.2.5:443", "255"),
        ("192.0.2.5:443, 192.0.2.9:443", "254"),
        ("192.0.2.0/25:443, 192.0.2.5:443", None),
        ("192.0.2.0/24:443", None),
        ("198.51.100.7:443", None),
        ("", None),
    ],
)
def test_402_wider_than_what_is_used(declared: str, spare: str | None) -> None:
    web = deployment("shop/web", annotations={CONNECTS_TO: declared})
    found = of_policies("NP402", SHOP, web, out(block("192.0.2.0/24")))
    assert (facts(found)["spare"] if found else None) == spare


@pytest.mark.parametrize(
    ("excepts", "found"),
    [("10.0.2.0/28", True), ("10.0.1.0/24", True), ("10.0.0.0/16", True), ("10.0.1.16/28", False)],
)
def test_403_an_exception_outside_its_block_or_all_of_it(excepts: str, found: bool) -> None:
    assert bool(of_policies("NP403", SHOP, WEB, out(block("10.0.1.0/24", excepts)))) is found


def test_404_a_block_that_reaches_into_pods_or_services() -> None:
    pods = node("n1", "198.51.100.1", blocks=["10.244.0.0/24"])
    assert facts(of_policies("NP404", SHOP, WEB, pods, out(block("10.0.0.0/8"))))["range"] == "10.244.0.0/24"
    assert of_policies("NP404", SHOP, WEB, pods, out(block("10.0.0.0/8", "10.244.0.0/24"))) == []
    assert of_policies("NP404", SHOP, WEB, pods, out(block("192.0.2.0/24"))) == []
    assert of_policies("NP404", SHOP, WEB, pods, out(block("0.0.0.0/0"))) == []
    db = service("data/db", {"app": "db"}, [{"port": 5432}], clusterIP="10.96.7.7", clusterIPs=["10.96.7.7"])
    assert facts(of_policies("NP404", SHOP, WEB, DB, db, out(block("10.96.0.0/16"))))["of"] == "Service data/db"


def test_409_the_address_of_a_service() -> None:
    db = service("data/db", {"app": "db"}, [{"port": 5432}], clusterIP="10.96.7.7", clusterIPs=["10.96.7.7"])
    said = facts(of_policies("NP409", SHOP, WEB, DB, db, out(block("10.96.7.7/32"))))
    assert (said["service"], said["instead"]) == ("data/db", "select its pods instead: app=db")
    assert of_policies("NP409", SHOP, WEB, DB, db, out(block("10.96.7.8/32"))) == []


def test_409_not_of_the_clusters_dns() -> None:
    ports = [{"name": "dns", "port": 53, "protocol": "UDP"}]
    dns = service(
        "kube-system/kube-dns", {"k8s-app": "kube-dns"}, ports, clusterIP="10.96.0.10", clusterIPs=["10.96.0.10"]
    )
    assert of_policies("NP409", SHOP, WEB, namespace("kube-system"), dns, out(block("10.96.0.10/32"))) == []


# -- selectors and ports ----------------------------------------------------------------------------------------------


def test_405_a_policy_that_selects_nothing() -> None:
    lost = into({"podSelector": {}}, selector={"matchLabels": {"app": "front"}})
    assert facts(of_policies("NP405", SHOP, WEB, lost))["selector"] == "app=front"
    assert of_policies("NP405", SHOP, WEB, into({"podSelector": {}}, selector={"matchLabels": {"app": "web"}})) == []
    assert of_policies("NP405", SHOP, WALL) == [], "a default deny is for pods to come"
    running = pod("shop/front-1", 7, {"app": "front"}, [])
    assert of_policies("NP405", SHOP, running, lost) == [], "a pod without its controller counts"


@pytest.mark.parametrize(
    ("about", "opened", "found"),
    [
        ("the Service's port", [{"port": 80}], "8080/TCP"),
        ("the pod's", [{"port": 8080}], None),
        ("both", [{"port": 80}, {"port": 8080}], None),
        ("by name", [{"port": "http"}], None),
        ("another protocol", [{"port": 80, "protocol": "UDP"}], None),
    ],
)
def test_406_a_services_port_where_the_pods_is_meant(about: str, opened: list[Raw], found: str | None) -> None:
    front = service("shop/web", {"app": "web"}, [{"port": 80, "targetPort": "http"}])
    findings = of_policies("NP406", SHOP, WEB, front, into({"podSelector": {}}, ports=opened))
    assert (facts(findings)["target"] if findings else None) == found, about


def test_406_on_the_senders_side_too() -> None:
    front = service("shop/web", {"app": "web"}, [{"port": 80, "targetPort": 8080}])
    to = {"podSelector": {"matchLabels": {"app": "web"}}}
    assert facts(of_policies("NP406", SHOP, WEB, API, front, out(to, ports=[{"port": 80}])))["rule"] == "egress[0]"


def test_408_an_and_that_became_an_or() -> None:
    team = {"namespaceSelector": {"matchLabels": {"team": "ops"}}}
    app = {"podSelector": {"matchLabels": {"app": "prometheus"}}}
    said = facts(of_policies("NP408", SHOP, OPS, WEB, PROMETHEUS, into(team, app)))
    assert (said["pods"], said["namespaces"], said["there"]) == ("app=prometheus", "team=ops", "ops")
    assert of_policies("NP408", SHOP, OPS, WEB, PROMETHEUS, into({**team, **app})) == []
    here = deployment("shop/prometheus")
    assert of_policies("NP408", SHOP, OPS, WEB, PROMETHEUS, here, into(team, app)) == []
    assert of_policies("NP408", SHOP, OPS, WEB, into(team, app)) == []


def test_408_an_item_of_every_namespace_leaves_nothing_to_those_beside_it() -> None:
    every: Raw = {"namespaceSelector": {}}
    some: Raw = {"podSelector": {"matchLabels": {"role": "frontend"}}}
    assert facts(of_policies("NP408", SHOP, WEB, into(every, some)))["slip"] == "vain"
    assert of_policies("NP408", SHOP, WEB, into({**every, **some})) == []
    assert of_policies("NP408", SHOP, WEB, into(every)) == []


def test_408_peers_and_ports_that_came_into_two_rules() -> None:
    peers, ports = {"from": [{"podSelector": {"matchLabels": {"app": "client"}}}]}, {"ports": [{"port": 80}]}

    def told(*rules: Raw) -> list[Finding]:
        return of_policies("NP408", SHOP, WEB, policy("shop/in", podSelector={}, ingress=list(rules)))

    assert facts(told(peers, ports))["other"] == "1"
    assert told({**peers, **ports}) == []
    look_ups = {"ports": [{"port": 53, "protocol": "UDP"}]}
    assert told(peers, look_ups) == [], "which many open to anybody"


def test_405_labels_that_are_added_later_may_select() -> None:
    ring = deployment("shop/ring")
    ring["kind"] = "StatefulSet"
    for key, value in (("statefulset.kubernetes.io/pod-name", "ring-0"), ("service.istio.io/canonical-name", "ring")):
        chosen = into({"podSelector": {}}, selector={"matchLabels": {key: value}})
        assert of_policies("NP405", SHOP, ring, chosen, complete=False) == []


def test_405_says_where_such_pods_are() -> None:
    lost = into({"podSelector": {}}, selector={"matchLabels": {"app": "db"}})
    assert facts(of_policies("NP405", SHOP, WEB, DB, lost))["hint"] == "a workload with app=db is in data"
    typo = into({"podSelector": {}}, selector={"matchLabels": {"app": "wep"}})
    assert facts(of_policies("NP405", SHOP, WEB, typo))["hint"] == "shop/web has app=web"
    strange = into({"podSelector": {}}, selector={"matchLabels": {"operated": "yes"}})
    assert facts(of_policies("NP405", SHOP, WEB, strange, complete=False))["hint"] == "an operator may make them"


@pytest.mark.parametrize(
    ("raw", "enforcer"),
    [
        (
            {
                "apiVersion": "cilium.io/v2",
                "kind": "CiliumNetworkPolicy",
                "metadata": {"name": "c", "namespace": "shop"},
                "spec": {"endpointSelector": {"matchLabels": {"app": "{app}"}}, "ingress": [{}]},
            },
            "cilium",
        ),
        (
            {
                "apiVersion": "projectcalico.org/v3",
                "kind": "NetworkPolicy",
                "metadata": {"name": "k", "namespace": "shop"},
                "spec": {"selector": "app == '{app}'", "types": ["Ingress"]},
            },
            "calico",
        ),
        (
            {
                "apiVersion": "policy.networking.k8s.io/v1alpha1",
                "kind": "AdminNetworkPolicy",
                "metadata": {"name": "a"},
                "spec": {
                    "priority": 1,
                    "subject": {"pods": {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "{app}"}}}},
                    "ingress": [{"action": "Deny", "from": [{"namespaces": {}}]}],
                },
            },
            "generic",
        ),
    ],
    ids=["cilium", "calico", "admin"],
)
def test_405_in_every_family(raw: Raw, enforcer: str) -> None:
    for app, expected in (("cart", ["NP405"]), ("web", [])):
        told = json.loads(json.dumps(raw).replace("{app}", app))
        world = world_of([SHOP, WEB, told], settings=Settings(enforcer=Enforcer(enforcer)))
        every = [one for space in ("", "shop") for one in world.policies.crd_policies(space).values()]
        assert [one.id for one in review_crd_policies(world, every, TODAY)] == expected


def test_405_of_a_policy_that_cannot_be_read_names_a_label_that_must_be_absent_as_such() -> None:
    absent = {"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}
    subject = {"pods": {"namespaceSelector": {}, "podSelector": absent}}
    newer = {
        "apiVersion": "policy.networking.k8s.io/v1alpha1",
        "kind": "AdminNetworkPolicy",
        "metadata": {"name": "a"},
        "spec": {"priority": 1, "subject": subject, "weather": 1},
    }
    world = world_of([SHOP, WEB, newer], settings=Settings(enforcer=Enforcer("generic")))
    found = [
        one for one in review_crd_policies(world, world.policies.crd_policies("").values(), TODAY) if one.id == "NP405"
    ]
    assert facts(found)["selector"] == "!app"


def test_402_advises_no_address_where_no_block_holds_it() -> None:
    """Under Cilium nodes are entities; who has a link-local address is not known."""
    n1 = node("n1", "192.168.1.10")
    wide = out(block("0.0.0.0/0"))
    for enforcer, to, expected in (
        ("generic", "192.168.1.10:22", "write 192.168.1.10/32"),
        ("cilium", "192.168.1.10:22", "write toEntities: [host, remote-node] in a CiliumNetworkPolicy"),
        ("cilium", "192.168.1.10:22, 203.0.113.7:443", "write 203.0.113.7/32"),
        ("cilium", "203.0.113.7:443", "write 203.0.113.7/32"),
        ("terway", "192.168.1.10:22", "leave it out: no address block opens a node here"),
        ("generic", "169.254.170.23:80", "write 169.254.170.23/32"),
        ("cilium", "169.254.170.23:80", None),
    ):
        web = deployment("shop/web", annotations={CONNECTS_TO: to})
        world = world_of([SHOP, web, n1, wide], settings=Settings(enforcer=Enforcer(enforcer)))
        found = [
            one for one in review_policies(world, world.policies.named("shop").values(), TODAY) if one.id == "NP402"
        ]
        assert [remedy(one) for one in found] == ([expected] if expected else []), (enforcer, to)


def test_409_advises_no_address_where_no_block_holds_it() -> None:
    kubernetes = service("default/kubernetes", None, [{"port": 443}], clusterIP="10.96.0.1")
    listed = {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {"name": "kubernetes", "namespace": "default"},
        "subsets": [{"addresses": [{"ip": "192.168.1.10"}], "ports": [{"port": 6443}]}],
    }
    cast = [SHOP, WEB, node("cp1", "192.168.1.10"), kubernetes, listed, out(block("10.96.0.1/32"))]
    for enforcer, expected in (
        ("calico", "write its endpoints instead: 192.168.1.10/32 on port 6443"),
        ("cilium", "write toEntities: [kube-apiserver] in a CiliumNetworkPolicy"),
    ):
        world = world_of(cast, settings=Settings(enforcer=Enforcer(enforcer)))
        found = [
            one for one in review_policies(world, world.policies.named("shop").values(), TODAY) if one.id == "NP409"
        ]
        assert [remedy(one) for one in found] == [expected]


def test_402_counts_the_addresses_that_policy_sees() -> None:
    kubernetes = service("default/kubernetes", None, [{"port": 443}], clusterIP="10.96.0.1")
    listed = {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {"name": "kubernetes", "namespace": "default"},
        "subsets": [{"addresses": [{"ip": "192.168.1.10"}], "ports": [{"port": 6443}]}],
    }
    web = deployment("shop/web", annotations={CONNECTS_TO: "10.96.0.1:443"})
    assert (
        facts(of_policies("NP402", SHOP, web, kubernetes, listed, out(block("0.0.0.0/0"))))["one"] == "192.168.1.10/32"
    )
    pods = service("data/db", {"app": "db"}, [{"port": 443}], clusterIP="10.96.0.1")
    assert of_policies("NP402", SHOP, web, DB, pods, out(block("0.0.0.0/0"))) == []

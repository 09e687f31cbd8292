"""Kubernetes objects -> model values: what is read of every kind, and how what is wrong is told."""

import ipaddress
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.arena import Raw
from tests.support.making import (
    VERSIONS,
    deployment,
    endpoint_slice,
    external_name,
    headless,
    node,
    owned_by,
    service,
    workload,
)
from tests.support.reading import put, read
from tests.support.worlds import namespace, pod, policy, port
from webhook.families import project
from webhook.model.addresses import ContainerPort, parse_address, parse_block
from webhook.model.labels import Labels
from webhook.model.objects import (
    Declaration,
    EndpointPort,
    EndpointSlice,
    Namespace,
    Node,
    Owner,
    Pod,
    Service,
    ServicePort,
    Workload,
)
from webhook.model.policy import Policy
from webhook.model.refs import WORKLOAD_KINDS, WorkloadRef
from webhook.model.settings import CONNECTS_TO, EXEMPT
from webhook.wire import shapes
from webhook.wire.objects import flatten, kind_of
from webhook.wire.shapes import Malformed, Problem


def read_workload(raw: Raw) -> Workload:
    """Read a workload; of a Pod, the workload that it is without a controller."""
    value = read(raw)
    found = value.bare if isinstance(value, Pod) else value
    assert isinstance(found, Workload)
    return found


def problem(raw: Raw) -> str:
    with pytest.raises(Malformed) as caught:
        project(raw)
    return str(caught.value)


# -- which objects are ours --------------------------------------------------------------------------------------------

EVERY = {
    **{kind: workload(kind, "shop/x") for kind in WORKLOAD_KINDS},
    "Namespace": namespace("shop"),
    "Node": node("n1", "10.0.0.1"),
    "Service": service("shop/x", {"app": "x"}, [{"port": 80}]),
    "EndpointSlice": endpoint_slice("shop/x-1", "x", ["10.0.0.1"], [{"port": 80}]),
    "NetworkPolicy": policy("shop/x", podSelector={}),
}
VALUES = {
    "Namespace": Namespace,
    "Node": Node,
    "Service": Service,
    "EndpointSlice": EndpointSlice,
    "NetworkPolicy": Policy,
}


@pytest.mark.parametrize("kind", VERSIONS)
def test_every_kind_is_read(kind: str) -> None:
    assert kind_of(EVERY[kind]) == kind
    assert isinstance(read(EVERY[kind]), VALUES.get(kind, Pod if kind == "Pod" else Workload))


@pytest.mark.parametrize("kind", ["Deployment", "DaemonSet", "ReplicaSet"])
def test_the_old_group_extensions_is_read_too(kind: str) -> None:
    assert read(EVERY[kind] | {"apiVersion": "extensions/v1beta1"}) == read(EVERY[kind])


@pytest.mark.parametrize(
    ("version", "kind"),
    [
        ("v1", "Secret"),
        ("networking.k8s.io/v1beta1", "Ingress"),
        ("extensions/v1beta1", "Ingress"),
        ("networking.istio.io/v1", "EnvoyFilter"),
        ("example.com/v1", "NetworkPolicy"),
        ("batch.volcano.sh/v1alpha1", "Job"),
        ("serving.knative.dev/v1", "Service"),
        ("apps/v1", "Pod"),
        ("v1", "Deployment"),
        ("v1", "deployment"),
        ("", ""),
        ("v1", ""),
        (None, "Pod"),
        ("v1", None),
        (1, "Pod"),
        ("v1", ["Pod"]),
        ({}, {}),
    ],
)
def test_any_other_kind_or_group_is_none_of_ours(version: object, kind: object) -> None:
    assert project({"apiVersion": version, "kind": kind, "metadata": 5, "spec": "not read at all"}) is None
    assert project({}) is None


@pytest.mark.parametrize("kind", [k for k in VERSIONS if k not in ("Namespace", "Node")])
def test_without_a_namespace_the_given_one_is_taken(kind: str) -> None:
    bare = put(EVERY[kind], "metadata.namespace", None)
    assert read(bare, "shop") == read(EVERY[kind])
    assert read(put(EVERY[kind], "metadata.namespace", ""), "shop") == read(EVERY[kind])


@pytest.mark.parametrize("kind", VERSIONS)
@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("metadata", None, "metadata.name: expected a name"),
        ("metadata", [], "metadata: expected an object"),
        ("metadata.name", None, "metadata.name: expected a name"),
        ("metadata.name", "", "metadata.name: expected a name"),
        ("metadata.name", 5, "metadata.name: expected a string, not `5`"),
        ("metadata.name", "x" * 254, "metadata.name: expected at most 253 characters"),
        ("metadata.namespace", True, "metadata.namespace: expected a string, not `True`"),
        ("metadata.namespace", "x" * 254, "metadata.namespace: expected at most 253 characters"),
    ],
)
def test_every_kind_needs_a_name(kind: str, path: str, value: object, expected: str) -> None:
    assert problem(put(EVERY[kind], path, value)) == expected


@pytest.mark.parametrize("kind", [k for k in VERSIONS if k != "NetworkPolicy"])
@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("metadata.labels", [], "metadata.labels: expected an object"),
        ("metadata.labels", {"a": 1}, "metadata.labels[a]: expected a string, not `1`"),
        ("metadata.labels", {"a": None}, "metadata.labels[a]: expected a string, not `None`"),
        ("metadata.labels", {"a\nb": ["x"]}, "metadata.labels[a?b]: expected a string, not a list"),
    ],
)
def test_labels_are_strings(kind: str, path: str, value: object, expected: str) -> None:
    assert problem(put(EVERY[kind], path, value)) == expected


# -- workloads ---------------------------------------------------------------------------------------------------------

TEMPLATE = {
    **dict.fromkeys(WORKLOAD_KINDS, "spec.template."),
    "CronJob": "spec.jobTemplate.spec.template.",
    "Pod": "",
}


@pytest.mark.parametrize("kind", WORKLOAD_KINDS)
def test_what_is_read_of_a_workload(kind: str) -> None:
    ports = [port("http", 8080), {"containerPort": 53, "protocol": "UDP"}]
    raw = workload(kind, "shop/x", ports, dnsPolicy="Default", hostNetwork=True, serviceAccountName="sa", subdomain="s")
    found = read_workload(raw)
    assert found.ref == WorkloadRef(kind, "shop", "x")
    assert found.labels == Labels({"app": "x"})
    template = found.template
    assert template.pod_class.namespace == "shop"
    assert template.pod_class.labels == Labels({"app": "x"})
    assert template.pod_class.ports == (ContainerPort(8080, "TCP", "http"),)
    assert template.pod_class.host_network
    assert template.pod_class.template
    assert template.declares == (ContainerPort(8080, "TCP", "http"), ContainerPort(53, "UDP"))
    assert (template.dns_policy, template.service_account, template.subdomain) == ("Default", "sa", "s")
    assert found.owner is None


@pytest.mark.parametrize(
    ("kind", "selector"),
    [
        *((kind, Labels({"app": "x"})) for kind in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")),
        ("ReplicationController", Labels({"app": "x"})),
        *((kind, None) for kind in ("Job", "CronJob", "Pod")),
    ],
)
def test_a_workload_s_selector_is_what_it_selects_its_pods_by(kind: str, selector: Labels | None) -> None:
    assert read_workload(workload(kind, "shop/x")).selector == selector


def test_replicas_are_read_where_a_kind_has_them() -> None:
    assert read(put(deployment("shop/x"), "spec.replicas", 3)).replicas == 3
    assert read(put(deployment("shop/x"), "spec.replicas", 0)).replicas == 0
    assert read(deployment("shop/x")).replicas is None
    assert read(workload("DaemonSet", "shop/x")).replicas is None


def test_a_stateful_set_has_a_service_name_and_nobody_else() -> None:
    assert read(put(workload("StatefulSet", "shop/x"), "spec.serviceName", "peers")).service_name == "peers"
    assert read(put(deployment("shop/x"), "spec.serviceName", "peers")).service_name == ""


@pytest.mark.parametrize("kind", [k for k in WORKLOAD_KINDS if k != "Pod"])
def test_declarations_are_taken_from_the_workload_and_from_its_template(kind: str) -> None:
    found = read(workload(kind, "shop/x", annotations={CONNECTS_TO: "a", EXEMPT: "b"}, notes={CONNECTS_TO: "c"}))
    assert found.connects_to == (Declaration("a", "metadata"), Declaration("c", "template"))
    assert found.exempt == (Declaration("b", "metadata"),)
    assert read(workload(kind, "shop/x", notes={EXEMPT: "d"})).exempt == (Declaration("d", "template"),)
    assert read(workload(kind, "shop/x", annotations={CONNECTS_TO: ""})).connects_to == (Declaration("", "metadata"),)


def test_a_pod_s_declaration_counts_once() -> None:
    assert read(workload("Pod", "shop/x", annotations={CONNECTS_TO: "a"})).bare.connects_to == (
        Declaration("a", "metadata"),
    )


def test_a_name_stands_in_containers_first_and_then_in_restartable_init_containers() -> None:
    spec: Raw = {
        "initContainers": [
            {"ports": [port("setup", 1)]},
            {"ports": [port("job", 2)], "restartPolicy": "OnFailure"},
            {"ports": [port("side", 3)], "restartPolicy": "Always"},
        ],
        "containers": [{"ports": [port("a", 4)]}, {"ports": [port("b", 5), {"containerPort": 6}]}],
        "ephemeralContainers": [{"ports": [port("debug", 7)]}],
    }
    template = read(deployment("shop/x", **spec)).template
    assert [p.number for p in template.declares] == [4, 5, 6, 3]
    assert [p.name for p in template.pod_class.ports] == ["a", "b", "side"]


def test_the_controller_is_the_owner_that_says_so() -> None:
    owners = [{"kind": "Foo", "name": "a"}, {"kind": "Bar", "name": "b", "controller": False}]
    raw = put(deployment("shop/x"), "metadata.ownerReferences", owners)
    assert read(raw).owner is None
    both = put(raw, "metadata.ownerReferences", [*owners, {"kind": "Rollout", "name": "c", "controller": True}])
    assert read(both).owner is None  # what a custom resource makes is a workload of its own
    replica = put(workload("ReplicaSet", "shop/x"), "metadata", both["metadata"])
    made = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "c", "controller": True}
    assert read(put(replica, "metadata.ownerReferences", [*owners, made])).owner == Owner("Deployment", "c")
    assert read(put(replica, "metadata.ownerReferences", [made | {"apiVersion": "example.com/v1"}])).owner is None


@pytest.mark.parametrize("kind", WORKLOAD_KINDS)
def test_null_and_absent_are_one_thing(kind: str) -> None:
    inside = TEMPLATE[kind] + "spec"
    empty: Raw = {"apiVersion": VERSIONS[kind], "kind": kind, "metadata": {"name": "x"}}
    nulls = {**empty, "spec": None, "status": None, "metadata": {"name": "x", "labels": None, "annotations": None}}
    deep = put(empty, inside, {"containers": None, "initContainers": None, "hostNetwork": None, "dnsPolicy": None})
    if TEMPLATE[kind]:
        deep = put(deep, TEMPLATE[kind] + "metadata", None)
    ports = put(empty, inside, {"containers": [{"ports": None, "restartPolicy": None}]})
    assert read(empty) == read(nulls) == read(deep) == read(ports)


FIRST = "[0].ports[0]"
PORT = "expected a port from 1 to 65535"


@pytest.mark.parametrize("kind", WORKLOAD_KINDS)
@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("spec", [], ": expected an object"),
        ("spec.containers", {}, ": expected a list"),
        ("spec.containers", [5], "[0]: expected an object"),
        ("spec.containers", [{"ports": 1}], "[0].ports: expected a list"),
        ("spec.containers", [{"ports": [None]}], "[0].ports[0]: expected an object"),
        ("spec.containers", [{}, {"ports": [{}]}], f"[1].ports[0].containerPort: {PORT}, not `None`"),
        ("spec.containers", [{"ports": [{"containerPort": 0}]}], f"{FIRST}.containerPort: {PORT}, not `0`"),
        ("spec.containers", [{"ports": [{"containerPort": 70000}]}], f"{FIRST}.containerPort: {PORT}, not `70000`"),
        (
            "spec.containers",
            [{"ports": [{"containerPort": 10**80}]}],
            f"{FIRST}.containerPort: {PORT}, not a huge number",
        ),
        (
            "spec.containers",
            [{"ports": [{"containerPort": "80"}]}],
            f"{FIRST}.containerPort: expected an integer, not `'80'`",
        ),
        (
            "spec.containers",
            [{"ports": [{"containerPort": True}]}],
            f"{FIRST}.containerPort: expected an integer, not `True`",
        ),
        (
            "spec.containers",
            [{"ports": [{"containerPort": 80.5}]}],
            f"{FIRST}.containerPort: expected an integer, not `80.5`",
        ),
        (
            "spec.containers",
            [{"ports": [{"containerPort": 80, "protocol": "tcp"}]}],
            f"{FIRST}.protocol: expected TCP, UDP or SCTP, not `'tcp'`",
        ),
        (
            "spec.containers",
            [{"ports": [{"containerPort": 80, "name": 1}]}],
            f"{FIRST}.name: expected a string, not `1`",
        ),
        ("spec.initContainers", "x", ": expected a list"),
        ("spec.hostNetwork", "yes", ": expected true or false, not `'yes'`"),
        ("spec.dnsPolicy", 1, ": expected a string, not `1`"),
        ("metadata.labels", {"a": {}}, "[a]: expected a string, not an object"),
        ("metadata.annotations", "x", ": expected an object"),
        ("metadata.annotations", {CONNECTS_TO: ["db"]}, f"[{CONNECTS_TO}]: expected a string, not a list"),
    ],
)
def test_what_is_wrong_with_a_template_is_told_with_its_whole_path(
    kind: str, path: str, value: object, expected: str
) -> None:
    whole = TEMPLATE[kind] + path
    assert problem(put(EVERY[kind], whole, value)) == whole + expected


@pytest.mark.parametrize(
    ("kind", "path", "value", "expected"),
    [
        ("Deployment", "spec.template", 1, "spec.template: expected an object"),
        ("Deployment", "spec.template.metadata", 1, "spec.template.metadata: expected an object"),
        ("CronJob", "spec.jobTemplate.spec", [], "spec.jobTemplate.spec: expected an object"),
        ("Deployment", "spec.replicas", "3", "spec.replicas: expected an integer, not `'3'`"),
        ("Deployment", "spec.selector", "x", "spec.selector: expected an object"),
        (
            "Deployment",
            "spec.selector.matchLabels",
            {"a": 1},
            "spec.selector.matchLabels[a]: expected a string, not `1`",
        ),
        ("ReplicationController", "spec.selector", {"a": 1}, "spec.selector[a]: expected a string, not `1`"),
        ("StatefulSet", "spec.serviceName", 1, "spec.serviceName: expected a string, not `1`"),
        ("Job", "metadata.ownerReferences", {}, "metadata.ownerReferences: expected a list"),
        ("Job", "metadata.ownerReferences", [1], "metadata.ownerReferences[0]: expected an object"),
        (
            "Pod",
            "metadata.ownerReferences",
            [{"controller": True, "kind": 1}],
            "metadata.ownerReferences.kind: expected a string, not `1`",
        ),
    ],
)
def test_what_is_wrong_around_a_template_is_told(kind: str, path: str, value: object, expected: str) -> None:
    assert problem(put(EVERY[kind], path, value)) == expected


# -- pods --------------------------------------------------------------------------------------------------------------


def test_what_is_read_of_a_pod() -> None:
    found = read(pod("shop/x", 7, {"app": "x"}, [port("http", 80)]))
    assert (found.namespace, found.name, found.node, found.live, found.owner) == ("shop", "x", "n7", True, None)
    assert found.addresses == (parse_address("10.0.7.7"), parse_address("fd00::7:7"))
    assert found.pod_class.labels == Labels({"app": "x"})
    assert not found.pod_class.template
    assert found.bare is not None
    assert found.bare.ref == WorkloadRef("Pod", "shop", "x")


def test_a_pod_with_a_controller_is_no_workload_of_its_own() -> None:
    raw = pod("shop/x", 7, {}, [])
    raw["metadata"] |= owned_by("ReplicaSet", "x-abc")
    found = read(raw)
    assert (found.owner, found.bare) == (Owner("ReplicaSet", "x-abc"), None)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({}, []),
        ({"podIP": "10.0.0.1"}, ["10.0.0.1"]),
        ({"podIP": ""}, []),
        ({"podIP": "10.0.0.1", "podIPs": []}, ["10.0.0.1"]),
        ({"podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.2"}, {"ip": "fd00::1"}]}, ["10.0.0.2", "fd00::1"]),
        ({"podIPs": [{"ip": "::ffff:10.0.0.1"}]}, ["10.0.0.1"]),
        ({"podIPs": [{}]}, []),
    ],
)
def test_a_pod_s_addresses(status: Raw, expected: list[str]) -> None:
    assert list(map(str, read(EVERY["Pod"] | {"status": status}).addresses)) == expected


@pytest.mark.parametrize(
    ("phase", "deleted", "live"),
    [
        ("Pending", None, True),
        ("Running", None, True),
        ("Unknown", None, True),
        (None, None, True),
        ("Succeeded", None, False),
        ("Failed", None, False),
        ("Running", "2026-11-20T00:00:00Z", False),
    ],
)
def test_a_pod_that_ended_or_is_going_is_not_live(phase: str | None, deleted: str | None, live: bool) -> None:
    raw = put(EVERY["Pod"] | {"status": {"phase": phase}}, "metadata.deletionTimestamp", deleted)
    assert read(raw).live is live


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("status.podIP", "10.0.0", "status.podIPs: expected an IP address, not `'10.0.0'`"),
        ("status.podIPs", [{"ip": "010.0.0.1"}], "status.podIPs: expected an IP address, not `'010.0.0.1'`"),
        ("status.podIPs", [{"ip": "fe80::1%eth0"}], "status.podIPs: expected an IP address, not `'fe80::1%eth0'`"),
        ("status.podIPs", ["10.0.0.1"], "status.podIPs[0]: expected an object"),
        ("status.phase", 1, "status.phase: expected a string, not `1`"),
        ("spec.nodeName", [], "spec.nodeName: expected a string, not a list"),
    ],
)
def test_what_is_wrong_with_a_pod_is_told(path: str, value: object, expected: str) -> None:
    assert problem(put(EVERY["Pod"], path, value)) == expected


# -- Services ----------------------------------------------------------------------------------------------------------


def test_what_is_read_of_a_service() -> None:
    ports = [
        {"name": "http", "port": 80, "targetPort": "web", "nodePort": 30080},
        {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 5353},
        {"name": "zero", "port": 1, "targetPort": 0},
        {"name": "same", "port": 2},
    ]
    raw = service(
        "shop/x",
        {"app": "x"},
        ports,
        clusterIP="10.96.0.1",
        clusterIPs=["10.96.0.1", "fd00::1"],
        ipFamilies=["IPv4", "IPv6"],
        externalIPs=["192.0.2.1"],
        internalTrafficPolicy="Local",
    ) | {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.2"}, {"hostname": "lb.example.com"}]}}}
    found = read(put(raw, "metadata.labels", {"k8s-app": "kube-dns"}))
    assert found.ports == (
        ServicePort(80, "TCP", "http", "web", 30080),
        ServicePort(53, "UDP", "dns", 5353),
        ServicePort(1, "TCP", "zero", None),
        ServicePort(2, "TCP", "same", None),
    )
    assert (found.selector, found.labels) == (Labels({"app": "x"}), Labels({"k8s-app": "kube-dns"}))
    assert found.cluster_ips == (parse_address("10.96.0.1"), parse_address("fd00::1"))
    assert found.outside_ips == (parse_address("192.0.2.1"), parse_address("192.0.2.2"))
    assert (found.families, found.local_only, found.headless, found.external_name) == ((4, 6), True, False, None)


@pytest.mark.parametrize(
    ("spec", "headless_", "addresses"),
    [
        ({}, False, []),
        ({"clusterIP": ""}, False, []),
        ({"clusterIP": "10.96.0.1"}, False, ["10.96.0.1"]),
        ({"clusterIP": "None"}, True, []),
        ({"clusterIPs": ["None"]}, True, []),
        ({"clusterIP": "None", "clusterIPs": ["None"]}, True, []),
    ],
)
def test_a_service_is_headless_where_its_address_is_none(spec: Raw, headless_: bool, addresses: list[str]) -> None:
    found = read(service("shop/x", {}, [], **spec))
    assert (found.headless, list(map(str, found.cluster_ips))) == (headless_, addresses)


def test_an_empty_selector_selects_nobody() -> None:
    assert read(service("shop/x", None, [])).selector is None
    assert read(service("shop/x", {}, [])).selector is None
    assert read(headless("shop/x", {"a": ""}, [])).selector == Labels({"a": ""})


def test_an_external_name_counts_only_with_its_type() -> None:
    found = read(external_name("shop/x", "db.example.com") | {})
    assert (found.external_name, found.selector) == ("db.example.com", None)
    assert read(put(external_name("shop/x", "y"), "spec.selector", {"a": "b"})).selector is None
    assert read(service("shop/x", {"a": "b"}, [], externalName="db.example.com")).external_name is None


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("spec", "x", "spec: expected an object"),
        ("spec.ports", {}, "spec.ports: expected a list"),
        ("spec.ports.0", None, "spec.ports[0]: expected an object"),
        ("spec.ports.0.port", None, "spec.ports[0].port: expected a port from 1 to 65535, not `None`"),
        ("spec.ports.0.port", 0, "spec.ports[0].port: expected a port from 1 to 65535, not `0`"),
        ("spec.ports.0.port", "http", "spec.ports[0].port: expected an integer, not `'http'`"),
        ("spec.ports.0.targetPort", [], "spec.ports[0].targetPort: expected a port or a port's name, not a list"),
        ("spec.ports.0.targetPort", True, "spec.ports[0].targetPort: expected a port or a port's name, not `True`"),
        ("spec.ports.0.targetPort", 65536, "spec.ports[0].targetPort: expected a port from 1 to 65535, not `65536`"),
        ("spec.ports.0.targetPort", -1, "spec.ports[0].targetPort: expected a port from 1 to 65535, not `-1`"),
        ("spec.ports.0.protocol", "HTTP", "spec.ports[0].protocol: expected TCP, UDP or SCTP, not `'HTTP'`"),
        ("spec.ports.0.name", 1, "spec.ports[0].name: expected a string, not `1`"),
        ("spec.selector", {"a": 1}, "spec.selector[a]: expected a string, not `1`"),
        ("spec.clusterIPs", ["x"], "spec.clusterIPs: expected an IP address, not `'x'`"),
        ("spec.clusterIPs", [1], "spec.clusterIPs[0]: expected a string, not `1`"),
        ("spec.externalIPs", ["x"], "spec.externalIPs: expected an IP address, not `'x'`"),
        (
            "status.loadBalancer.ingress",
            [{"ip": "x"}],
            "status.loadBalancer.ingress[0].ip: expected an IP address, not `'x'`",
        ),
        ("status.loadBalancer.ingress", [{"ip": 1}], "status.loadBalancer.ingress[0].ip: expected a string, not `1`"),
        ("status.loadBalancer", [], "status.loadBalancer: expected an object"),
        ("spec.ipFamilies", "IPv4", "spec.ipFamilies: expected a list"),
    ],
)
def test_what_is_wrong_with_a_service_is_told(path: str, value: object, expected: str) -> None:
    assert problem(put(EVERY["Service"], path, value)) == expected


# -- EndpointSlices, Nodes, Namespaces ---------------------------------------------------------------------------------


def test_what_is_read_of_an_endpoint_slice() -> None:
    found = read(
        endpoint_slice("shop/x-1", "x", ["10.0.0.1", "10.0.0.2"], [{"name": "a", "port": 80}, {"protocol": "UDP"}])
    )
    assert (found.service, list(map(str, found.addresses))) == ("x", ["10.0.0.1", "10.0.0.2"])
    assert found.ports == (EndpointPort("a", "TCP", 80), EndpointPort("", "UDP", None))


@pytest.mark.parametrize(
    ("conditions", "counts"),
    [(None, True), ({}, True), ({"ready": None}, True), ({"ready": True}, True), ({"ready": False}, False)],
)
def test_an_endpoint_counts_unless_it_is_known_not_to_be_ready(conditions: Raw | None, counts: bool) -> None:
    raw = put(EVERY["EndpointSlice"], "endpoints", [{"addresses": ["10.0.0.1"], "conditions": conditions}])
    assert bool(read(raw).addresses) is counts


def test_host_names_are_no_endpoints() -> None:
    assert read(EVERY["EndpointSlice"] | {"addressType": "FQDN"}).addresses == ()


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("endpoints", {}, "endpoints: expected a list"),
        ("endpoints.0", 1, "endpoints[0]: expected an object"),
        ("endpoints.0.addresses", ["x"], "endpoints[0].addresses: expected an IP address, not `'x'`"),
        ("endpoints.0.addresses", [None], "endpoints[0].addresses[0]: expected a string, not `None`"),
        ("endpoints.0.conditions", 1, "endpoints[0].conditions: expected an object"),
        ("ports", [1], "ports[0]: expected an object"),
        ("ports", [{"port": 0}], "ports[0].port: expected a port from 1 to 65535, not `0`"),
        ("ports", [{"port": 2**70}], "ports[0].port: expected a port from 1 to 65535, not `1180591620717411303424`"),
        ("ports", [{"port": "80"}], "ports[0].port: expected an integer, not `'80'`"),
        ("ports", [{"protocol": "x"}], "ports[0].protocol: expected TCP, UDP or SCTP, not `'x'`"),
    ],
)
def test_what_is_wrong_with_an_endpoint_slice_is_told(path: str, value: object, expected: str) -> None:
    assert problem(put(EVERY["EndpointSlice"], path, value)) == expected


def test_what_is_read_of_a_node() -> None:
    raw = node("n1", "10.0.0.1", "fd00::1", "n1.example.com", blocks=["10.244.0.0/24", "fd00:1::/64"])
    found = read(put(raw, "metadata.labels", {"a": "b"}))
    assert (found.name, found.labels) == ("n1", Labels({"a": "b"}))
    assert found.addresses == (parse_address("10.0.0.1"), parse_address("fd00::1"))
    assert found.pod_blocks == (parse_block("10.244.0.0/24"), parse_block("fd00:1::/64"))
    assert read(put(node("n1"), "spec", {"podCIDR": "10.244.0.0/24"})).pod_blocks == (parse_block("10.244.0.0/24"),)
    assert read(node("n1", blocks=["x", "10.244.0.0/24"])).pod_blocks == (parse_block("10.244.0.0/24"),)


def test_a_namespace_s_name_label_is_its_name_whatever_it_says() -> None:
    name = "kubernetes.io/metadata.name"
    assert read(namespace("shop", {"team": "a"})) == Namespace("shop", Labels({"team": "a", name: "shop"}))
    assert read(namespace("shop", {name: "other"})) == Namespace("shop", Labels({name: "shop"}))
    assert read(put(namespace("shop"), "metadata.labels", None)) == Namespace("shop", Labels({name: "shop"}))


# -- lists -------------------------------------------------------------------------------------------------------------


def test_an_object_that_is_no_list_is_itself() -> None:
    for raw in (EVERY["Pod"], {"kind": "PodList"}, {"kind": "List"}, {"items": [1]}, {}):
        assert list(flatten(raw)) == [raw]


def test_a_list_is_its_items() -> None:
    items = [EVERY["Pod"], EVERY["Service"], {"kind": "Secret"}]
    assert list(flatten({"apiVersion": "v1", "kind": "List", "items": items})) == items
    assert list(flatten({"apiVersion": "v1", "kind": "List", "items": []})) == []
    assert list(flatten({"apiVersion": "v1", "kind": "List", "items": None})) == []


def test_the_items_of_a_typed_list_are_of_its_kind() -> None:
    bare = {k: v for k, v in EVERY["Deployment"].items() if k not in ("kind", "apiVersion")}
    (item,) = flatten({"apiVersion": "apps/v1", "kind": "DeploymentList", "items": [bare]})
    assert item == EVERY["Deployment"]
    (item,) = flatten({"apiVersion": "apps/v1", "kind": "DeploymentList", "items": [EVERY["Pod"]]})
    assert item == EVERY["Pod"]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"kind": 1}, "kind: expected a string, not `1`"),
        ({"kind": "List", "items": {}}, "items: expected a list"),
        ({"kind": "List", "items": [{}, None]}, "items[1]: expected an object"),
        ({"kind": "List", "items": [{"kind": "List", "items": []}]}, "items[0]: expected an object that is no list"),
    ],
)
def test_what_is_wrong_with_a_list_is_told(raw: Raw, expected: str) -> None:
    with pytest.raises(Malformed) as caught:
        list(flatten(raw))
    assert str(caught.value) == expected


# -- errors ------------------------------------------------------------------------------------------------------------


def test_an_error_carries_its_problems() -> None:
    with pytest.raises(Malformed) as caught:
        project(put(EVERY["Service"], "spec.ports", 1))
    assert caught.value.problems == (Problem("spec.ports", "expected a list"),)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("x", "`'x'`"),
        ("x" * 500, "`'" + "x" * 59 + "…`"),
        ("a\nb\x1b[31m", "`'a\\nb\\x1b[31m'`"),
        ("\N{RIGHT-TO-LEFT OVERRIDE}", "`'\\u202e'`"),
        (None, "`None`"),
        (True, "`True`"),
        (-5, "`-5`"),
        (1.5, "`1.5`"),
        pytest.param(10**5000, "a huge number", id="huge"),
        ([["secret"]], "a list"),
        ({"password": "secret"}, "an object"),
        (b"secret", "something else"),
    ],
)
def test_what_an_error_repeats_is_short_printable_and_shows_no_inside(value: object, expected: str) -> None:
    assert shapes.shown(value) == expected


def test_a_key_in_a_path_is_short_and_printable() -> None:
    found = problem(put(EVERY["Pod"], "metadata.labels", {"\x1b" + "k" * 100_000: 1}))
    assert found.isprintable()
    assert len(found) < 400


# -- addresses ---------------------------------------------------------------------------------------------------------


@given(st.from_regex(r"\A[0-9]{1,3}(\.[0-9a]{0,3}){2,4}\s?\Z") | st.ip_addresses(v=4).map(str))
@example("010.0.0.1")
@example("10.0.0.256")
@example("10.0.0.\u0661")
@example("10.0.0.1\n")
def test_an_address_is_what_the_standard_library_takes_it_for(text: str) -> None:
    expected = found = None
    with suppress(ValueError):
        expected = int(ipaddress.IPv4Address(text))
    with suppress(ValueError):
        found = parse_address(text).value
    assert found == expected

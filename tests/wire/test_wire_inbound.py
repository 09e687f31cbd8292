"""Ingresses, the Gateway API and scrape annotations: what is read of them, and that what cannot be stops nothing."""

from typing import Any

import pytest

from tests.support.arena import Raw
from tests.support.making import deployment, service
from tests.support.reading import put, read
from tests.support.ways_in import EVERY, GATEWAY, GATEWAY_CLASS, INGRESS, INGRESS_CLASS, ROUTE
from webhook.families import project
from webhook.model.addresses import parse_address
from webhook.model.inbound import (
    ROUTES,
    Backend,
    Gateway,
    GatewayClass,
    Inbound,
    Ingress,
    IngressClass,
    Reached,
    Route,
    Scrape,
)
from webhook.model.objects import Service, Workload
from webhook.wire.inbound import CLASS_ANNOTATION
from webhook.wire.objects import kind_of


def test_an_ingress_is_its_class_its_backends_and_where_it_is_reached() -> None:
    assert read(INGRESS) == Ingress(
        "shop",
        "shop",
        "nginx",
        (Backend("shop", "fallback", "http"), Backend("shop", "web", 80)),
        Reached((parse_address("192.0.2.1"),), ("lb.example.com",)),
    )


def test_the_old_annotation_names_the_class_where_the_field_does_not() -> None:
    noted = put(INGRESS, "metadata.annotations", {CLASS_ANNOTATION: "traefik"})
    assert read(noted).class_name == "nginx"
    assert read(put(noted, "spec.ingressClassName", None)).class_name == "traefik"


@pytest.mark.parametrize("kind", ROUTES)
@pytest.mark.parametrize("version", ["v1", "v1beta1", "v1alpha2"])
def test_a_route_is_its_gateways_and_its_backends_in_every_version(kind: str, version: str) -> None:
    found = read({**ROUTE, "kind": kind, "apiVersion": f"gateway.networking.k8s.io/{version}"})
    assert found == Route(
        kind,
        "shop",
        "shop",
        (("gateways", "edge"), ("shop", "own")),
        (Backend("shop", "web", 80), Backend("b", "v2", 81)),
    )


def test_a_gateway_is_its_class_its_ports_and_where_it_is_reached() -> None:
    reached = Reached((parse_address("192.0.2.9"),), ("gw.local",))
    assert read(GATEWAY) == Gateway("gateways", "edge", "istio", reached, (80, 443))


def test_classes_are_their_controllers() -> None:
    assert read(INGRESS_CLASS) == IngressClass("nginx", "k8s.io/ingress-nginx", default=True)
    assert read(put(INGRESS_CLASS, "metadata.annotations", None)).default is False
    assert read(GATEWAY_CLASS) == GatewayClass("istio", "istio.io/gateway-controller")


@pytest.mark.parametrize(
    ("raw", "path", "value", "problem"),
    [
        (INGRESS, "spec", "x", "spec: expected an object"),
        (INGRESS, "spec.rules", {}, "spec.rules: expected a list"),
        (INGRESS, "spec.rules", [5], "spec.rules[0]: expected an object"),
        (INGRESS, "spec.ingressClassName", 5, "spec.ingressClassName: expected a string, not `5`"),
        (INGRESS, "spec.defaultBackend.service.name", "", "spec.defaultBackend.service.name: expected 1 to 253"),
        (INGRESS, "spec.defaultBackend.service.port", [], "spec.defaultBackend.service.port: expected an object"),
        (
            INGRESS,
            "spec.rules.0.http.paths.0.backend.service.port.number",
            0,
            "spec.rules[0].http.paths[0].backend.service.port.number: expected a port from 1 to 65535, not `0`",
        ),
        (
            put(INGRESS, "spec.ingressClassName", None),
            "metadata.annotations",
            {CLASS_ANNOTATION: 5},
            "metadata.annotations[kubernetes.io/ingress.class]: expected a string",
        ),
        (ROUTE, "spec.parentRefs", "x", "spec.parentRefs: expected a list"),
        (ROUTE, "spec.rules.0.backendRefs.0.port", "80", "spec.rules[0].backendRefs[0].port: expected an integer"),
        (ROUTE, "spec.rules.1.backendRefs", {}, "spec.rules[1].backendRefs: expected a list"),
        (GATEWAY, "spec.listeners", 5, "spec.listeners: expected a list"),
        (GATEWAY, "spec.gatewayClassName", {}, "spec.gatewayClassName: expected a string, not an object"),
    ],
)
def test_what_cannot_be_read_is_told_and_the_rest_counts(raw: Raw, path: str, value: object, problem: str) -> None:
    found: Any = read(put(raw, path, value))
    (said,) = found.problems
    assert said.startswith(problem)
    assert (found.namespace, found.name) == (raw["metadata"]["namespace"], raw["metadata"]["name"])
    if path.startswith("spec.defaultBackend"):
        assert found.backends == (Backend("shop", "web", 80),)
    if path.startswith("spec.rules.0.backendRefs"):
        assert found.backends == (Backend("b", "v2", 81), Backend("shop", "web", 80))


@pytest.mark.parametrize("raw", EVERY, ids=lambda raw: raw["kind"])
@pytest.mark.parametrize("value", [None, 5, "x", [], {}, [5], {"a": 5}])
@pytest.mark.parametrize("place", ["spec", "status", "status.loadBalancer", "status.addresses"])
def test_whatever_stands_there_is_a_value_and_nothing_else_stops(raw: Raw, value: object, place: str) -> None:
    assert isinstance(read(put(raw, place, value)), Inbound)


def test_kinds_of_the_same_name_elsewhere_are_none_of_ours() -> None:
    assert kind_of({"apiVersion": "networking.istio.io/v1", "kind": "Gateway"}) is None
    assert kind_of({"apiVersion": "networking.k8s.io/v1beta1", "kind": "Ingress"}) is None
    assert project({**INGRESS, "apiVersion": "extensions/v1beta1"}) is None


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ({}, None),
        ({"prometheus.io/scrape": "false"}, None),
        ({"prometheus.io/scrape": "True"}, None),
        ({"prometheus.io/port": "9102"}, None),
        ({"prometheus.io/scrape": "true"}, Scrape()),
        ({"prometheus.io/scrape": "true", "prometheus.io/port": "9102"}, Scrape(9102)),
        ({"prometheus.io/scrape": "true", "prometheus.io/port": "metrics"}, Scrape()),
        ({"prometheus.io/scrape": "true", "prometheus.io/port": "65536"}, Scrape()),
        ({"prometheus.io/scrape": "true", "prometheus.io/port": "0"}, Scrape()),
        ({"prometheus.io/scrape": "true", "prometheus.io/port": "٩١٠٢"}, Scrape()),
    ],
)
def test_annotations_ask_to_be_scraped(annotations: Raw, expected: Scrape | None) -> None:
    web = read(deployment("shop/web", notes=annotations))
    assert isinstance(web, Workload)
    assert web.template.scrape == expected
    assert read(deployment("shop/web", annotations=annotations)).template.scrape is None
    one = read(put(service("shop/web", {"app": "web"}, [{"port": 80}]), "metadata.annotations", annotations))
    assert isinstance(one, Service)
    assert one.scrape == expected


def test_a_service_says_whether_it_is_reached_from_outside() -> None:
    one = service("shop/web", {"app": "web"}, [{"port": 80}], type="LoadBalancer")
    balancer = {"loadBalancer": {"ingress": [{"hostname": "lb.example.com"}, {"ip": "192.0.2.1"}]}}
    found = read({**one, "status": balancer})
    assert (found.published, found.outside_hosts) == (True, ("lb.example.com",))
    assert [str(address) for address in found.outside_ips] == ["192.0.2.1"]
    assert read(service("shop/web", {"app": "web"}, [{"port": 80}], type="ClusterIP")).published is False

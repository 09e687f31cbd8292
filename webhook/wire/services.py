"""Services, EndpointSlices, Nodes and Namespaces."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Final, cast

from webhook.model.addresses import FIRST_PORT, LAST_PORT, Address, Family, parse_address, parse_block
from webhook.model.labels import Labels
from webhook.model.objects import EndpointPort, Endpoints, EndpointSlice, Namespace, Node, Service, ServicePort
from webhook.wire import shapes
from webhook.wire.agents import node_flags
from webhook.wire.inbound import scrape
from webhook.wire.shapes import Raw, fail, integer, mapping, mappings, protocol, shown, string, string_map, strings
from webhook.wire.workloads import address

NAME_LABEL = "kubernetes.io/metadata.name"
_FAMILY = {"IPv4": 4, "IPv6": 6}
_PUBLISHED = ("LoadBalancer", "NodePort")
# What makes a load balancer one for private networks, and the values that do; None: any but `false`. Sources: the page
# on Services of the Kubernetes documentation, section "Internal load balancer", and the clouds' own cloud providers.
_TRUE = frozenset({"true"})
INTERNAL: Final[Mapping[str, frozenset[str] | None]] = {
    "service.beta.kubernetes.io/aws-load-balancer-scheme": frozenset({"internal"}),
    "service.beta.kubernetes.io/aws-load-balancer-internal": None,
    "networking.gke.io/load-balancer-type": frozenset({"internal"}),
    "cloud.google.com/load-balancer-type": frozenset({"internal"}),
    "service.beta.kubernetes.io/azure-load-balancer-internal": _TRUE,
    "service.beta.kubernetes.io/openstack-internal-load-balancer": _TRUE,
    "service.beta.kubernetes.io/oci-load-balancer-internal": _TRUE,
    "oci-network-load-balancer.oraclecloud.com/internal": _TRUE,
    "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-address-type": frozenset({"intranet"}),
    "service.kubernetes.io/qcloud-loadbalancer-internal-subnetid": None,
    "service.beta.kubernetes.io/cce-load-balancer-internal-vpc": _TRUE,
    "service.kubernetes.io/ibm-load-balancer-cloud-provider-ip-type": frozenset({"private"}),
    "service.beta.kubernetes.io/do-loadbalancer-network": frozenset({"internal"}),
    "load-balancer.hetzner.cloud/disable-public-network": _TRUE,
    "service.beta.kubernetes.io/scw-loadbalancer-private": _TRUE,
    "yandex.cloud/load-balancer-type": frozenset({"internal"}),
}
# Classes of load balancers (`spec.loadBalancerClass`), and whether theirs are for private networks where no annotation
# says it. Of any other class pods may pass packets on, as Tailscale's proxies do.
_CLASSES: Final[Mapping[str, bool]] = {
    "": False,
    "service.k8s.aws/nlb": True,
    "eks.amazonaws.com/nlb": True,
    "networking.gke.io/l4-regional-external": False,
    "networking.gke.io/l4-regional-internal": True,
    "alibabacloud.com/nlb": False,
    "io.cilium/bgp-control-plane": False,
    "io.cilium/l2-announcer": False,
    "kube-vip.io/kube-vip-class": False,
}


def namespace(raw: Raw) -> Namespace:
    """Read a Namespace. The API server owns the name label: whatever is there, it is the name."""
    name = shapes.name(raw)
    labels = Labels({**shapes.labels(raw).as_dict(), NAME_LABEL: name})
    return Namespace(name, labels, injected=shapes.injected(shapes.annotations(raw)), deleting=shapes.deleting(raw))


def service(raw: Raw, namespace_name: str) -> Service:
    """Read a Service."""
    spec = mapping(raw, "spec", "")
    external = string(spec, "externalName", "spec") if spec.get("type") == "ExternalName" else None
    ips = list(strings(spec, "clusterIPs", "spec")) or [string(spec, "clusterIP", "spec")]
    return Service(
        namespace=namespace_name,
        name=shapes.name(raw),
        ports=tuple(_port(p, f"spec.ports[{i}]") for i, p in enumerate(mappings(spec, "ports", "spec"))),
        selector=None if external is not None else (Labels(string_map(spec, "selector", "spec")) or None),
        labels=shapes.labels(raw),
        headless="None" in ips,
        external_name=external,
        cluster_ips=tuple(address(ip, "spec.clusterIPs") for ip in ips if ip not in ("", "None")),
        outside_ips=(*(taken := tuple(_external(spec))), *_balanced(raw)),
        taken_ips=taken,
        families=_families(spec),
        local_only=spec.get("internalTrafficPolicy") == "Local",
        published=spec.get("type") in _PUBLISHED,
        balanced=spec.get("type") == "LoadBalancer" and string(spec, "loadBalancerClass", "spec") in _CLASSES,
        internal=_internal(spec, shapes.annotations(raw)),
        external_local=spec.get("externalTrafficPolicy") == "Local",
        outside_hosts=tuple(_hosts(raw)),
        scrape=scrape(shapes.annotations(raw)),
    )


def _internal(spec: Raw, annotations: Mapping[str, str]) -> bool:
    """Say whether a load balancer is for private networks: by what its cloud is told, else by what its class does."""
    for key, values in INTERNAL.items():
        if (said := annotations.get(key, "").lower()) and values is not None:
            return said in values
        if said:
            return said != "false"
    return _CLASSES.get(string(spec, "loadBalancerClass", "spec"), False)


def _families(spec: Raw) -> tuple[Family, ...]:
    return tuple(cast("Family", _FAMILY[word]) for word in strings(spec, "ipFamilies", "spec") if word in _FAMILY)


def _external(spec: Raw) -> Iterator[Address]:
    for text in strings(spec, "externalIPs", "spec"):
        yield address(text, "spec.externalIPs")


def _balanced(raw: Raw) -> Iterator[Address]:
    for entry, path in _balancers(raw):
        if text := string(entry, "ip", path):
            yield address(text, f"{path}.ip")


def _hosts(raw: Raw) -> Iterator[str]:
    for entry, path in _balancers(raw):
        if text := string(entry, "hostname", path):
            yield text


def _balancers(raw: Raw) -> Iterator[tuple[Raw, str]]:
    path = "status.loadBalancer"
    status = mapping(mapping(raw, "status", ""), "loadBalancer", "status")
    for index, entry in enumerate(mappings(status, "ingress", path)):
        yield entry, f"{path}.ingress[{index}]"


def _port(raw: Raw, path: str) -> ServicePort:
    number = integer(raw, "port", path)
    if number is None or not FIRST_PORT <= number <= LAST_PORT:
        fail(f"{path}.port", f"expected a port from 1 to 65535, not {shown(number)}")
    target = raw.get("targetPort")
    if isinstance(target, bool) or not isinstance(target, int | str | None):
        fail(f"{path}.targetPort", f"expected a port or a port's name, not {shown(target)}")
    if isinstance(target, int) and target and not FIRST_PORT <= target <= LAST_PORT:
        fail(f"{path}.targetPort", f"expected a port from 1 to 65535, not {shown(target)}")
    node = integer(raw, "nodePort", path) or None
    return ServicePort(number, protocol(raw, path), string(raw, "name", path), target or None, node)


def endpoint_slice(raw: Raw, namespace_name: str) -> EndpointSlice:
    """Read an EndpointSlice; endpoints that are known not to be ready stand apart."""
    return EndpointSlice(
        namespace=namespace_name,
        name=shapes.name(raw),
        service=shapes.labels(raw).get("kubernetes.io/service-name") or "",
        addresses=tuple(_endpoint_addresses(raw, ready=True)),
        ports=tuple(_endpoint_port(p, f"ports[{i}]") for i, p in enumerate(mappings(raw, "ports", ""))),
        unready=tuple(_endpoint_addresses(raw, ready=False)),
    )


def endpoints(raw: Raw, namespace_name: str) -> Endpoints:
    """Read `v1` Endpoints, which the control plane mirrors into EndpointSlices."""
    name = shapes.name(raw)
    slices = []
    for index, subset in enumerate(mappings(raw, "subsets", "")):
        path = f"subsets[{index}]"
        ready, unready = (
            tuple(address(string(entry, "ip", path), f"{path}.{key}") for entry in mappings(subset, key, path))
            for key in ("addresses", "notReadyAddresses")
        )
        ports = tuple(_endpoint_port(p, f"{path}.ports[{i}]") for i, p in enumerate(mappings(subset, "ports", path)))
        slices.append(EndpointSlice(namespace_name, f"{name}.{path}", name, ready, ports, unready))
    return Endpoints(namespace_name, name, tuple(slices))


def _endpoint_port(raw: Raw, path: str) -> EndpointPort:
    number = integer(raw, "port", path)
    if number is not None and not FIRST_PORT <= number <= LAST_PORT:
        fail(f"{path}.port", f"expected a port from 1 to 65535, not {shown(number)}")
    return EndpointPort(string(raw, "name", path), protocol(raw, path), number)


def _endpoint_addresses(raw: Raw, *, ready: bool) -> Iterator[Address]:
    if raw.get("addressType") == "FQDN":
        return
    for index, entry in enumerate(mappings(raw, "endpoints", "")):
        path = f"endpoints[{index}]"
        if (mapping(entry, "conditions", path).get("ready") is not False) is ready:
            for text in strings(entry, "addresses", path):
                yield address(text, f"{path}.addresses")


def node(raw: Raw) -> Node:
    """Read a Node. Host names among its addresses and unreadable blocks tell nothing and are left out."""
    spec, status = mapping(raw, "spec", ""), mapping(raw, "status", "")
    addresses = []
    for entry in mappings(status, "addresses", "status"):
        with suppress(ValueError):
            addresses.append(parse_address(string(entry, "address", "status.addresses")))
    texts = list(strings(spec, "podCIDRs", "spec")) or [string(spec, "podCIDR", "spec")]
    blocks = []
    for text in filter(None, texts):
        with suppress(ValueError):
            blocks.append(parse_block(text))
    labels = shapes.labels(raw)
    flags = node_flags(shapes.annotations(raw), labels.as_dict())
    return Node(shapes.name(raw), tuple(addresses), labels, tuple(blocks), flags)

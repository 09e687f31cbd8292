"""A cluster as its API server would list it: namespaces, Deployments down to their pods, Services, policies, DNS.

The same sizes give the same objects, always. Each namespace is closed by a default deny, lets DNS out, and has a
policy for each application; a gateway of a team may call every application of that team's namespaces.
"""

from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct

Raw = dict[str, Any]
COMMON_POLICIES: Final = 3  # of a namespace, beside those of its applications
NAMESPACES_OF_A_TEAM: Final = 5
WARNING: Final = 4  # of a team's namespaces: this one is in mode warn, the others in the default mode
SERVICES: Final = ("", "-headless", "-metrics")  # of an application, by their names' ends
CALLERS: Final = 4  # neighbours that an application's policy admits by name
DNS_PODS: Final = 2
NODES: Final = 100
HTTP: Final = 8080
METRICS: Final = 9090
PARTNERS: Final = "203.0.113.0/24"  # a block that gateways may call on 443
WAREHOUSE: Final = "198.51.100.0/25"  # and one on 5432, but for a part


class Sizes(Struct, frozen=True):
    """How much of everything. `services` and `pods` include those of DNS."""

    pods: int = 10_000
    policies: int = 2_000
    services: int = 5_000
    apps: int = 17
    """Applications of one namespace."""

    @property
    def namespaces(self) -> int:
        """Namespaces with applications."""
        return self.policies // (self.apps + COMMON_POLICIES)

    @property
    def deployments(self) -> int:
        """Applications, all namespaces together."""
        return self.namespaces * self.apps


def namespace_name(index: int) -> str:
    """Return the name of the namespace with that number."""
    return f"shop-{index:03}"


def app_name(index: int) -> str:
    """Return the name of the application with that number in its namespace. Number 0 is a gateway."""
    return f"app-{index:02}"


def team_of(index: int) -> int:
    """Return the number of the team that a namespace belongs to."""
    return index // NAMESPACES_OF_A_TEAM


def objects(sizes: Sizes) -> Iterator[Raw]:
    """Yield every object: cluster-scoped ones and DNS first."""
    yield from (_node(index) for index in range(NODES))
    yield from _dns()
    spare = sizes.pods - DNS_PODS - sizes.deployments
    addresses = iter(range(DNS_PODS + 1, 1 << 20))
    services = _services_of_each(sizes)
    for number in range(sizes.namespaces):
        yield _namespace(namespace_name(number), {"team": f"team-{team_of(number)}", **_mode(number)})
        yield from _common_policies(number)
        for index in range(sizes.apps):
            app = number * sizes.apps + index
            yield from _app(number, index, 1 + _share(spare, app, sizes.deployments), addresses)
            yield from (p for n in range(services[app]) for p in _service(number, index, n, app * 8 + n))
            yield _app_policy(number, index, sizes.apps)


def _share(spare: int, index: int, of: int) -> int:
    """Split `spare` pods unevenly, without losing any: 0 to 4 shares each."""
    return spare * _shares(index + 1) // _shares(of) - spare * _shares(index) // _shares(of)


def _shares(first: int) -> int:
    """Return how many shares the first so many applications have together, by turns 1, 2, 3, 4 and none."""
    whole, rest = divmod(first, 5)
    return whole * 10 + rest * (rest + 1) // 2


def _services_of_each(sizes: Sizes) -> list[int]:
    """Return how many Services each application has, `sizes.services` with DNS in all."""
    whole, rest = divmod(sizes.services - 1, max(1, sizes.deployments))
    return [whole + (index < rest) for index in range(sizes.deployments)]


def _mode(number: int) -> dict[str, str]:
    return {"netpol-preflight.io/mode": "warn"} if number % NAMESPACES_OF_A_TEAM == WARNING else {}


def _object(api: str, kind: str, name: str, namespace: str | None = None, **rest: Raw | list[Raw] | str) -> Raw:
    metadata: Raw = {"name": name, "uid": f"{kind.lower()}-{namespace}-{name}", "resourceVersion": "1"}
    if namespace is not None:
        metadata["namespace"] = namespace
    for key in ("labels", "ownerReferences"):
        if key in rest:
            metadata[key] = rest.pop(key)
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **rest}


def _namespace(name: str, labels: Raw) -> Raw:
    return _object("v1", "Namespace", name, labels={"kubernetes.io/metadata.name": name, **labels})


def _node(index: int) -> Raw:
    blocks = f"10.{128 + index // 256}.{index % 256}.0/24"
    return _object(
        "v1",
        "Node",
        f"node-{index:03}",
        spec={"podCIDR": blocks, "podCIDRs": [blocks]},
        status={"addresses": [{"type": "InternalIP", "address": f"192.168.{index // 250}.{index % 250 + 1}"}]},
    )


def _pod_address(number: int) -> tuple[str, str]:
    """Return (node, address): pods are dealt out to nodes in turn, each from its node's own block."""
    node, host = number % NODES, number // NODES + 2
    return f"node-{node:03}", f"10.{128 + node // 256}.{node % 256}.{host % 254 + 1}"


def _cluster_address(number: int) -> str:
    return f"10.{96 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"


def _dns() -> Iterator[Raw]:
    labels = {"k8s-app": "kube-dns"}
    ports = [
        {"name": "dns", "protocol": "UDP", "containerPort": 53},
        {"name": "dns-tcp", "protocol": "TCP", "containerPort": 53},
    ]
    served = [{"name": p["name"], "protocol": p["protocol"], "port": 53, "targetPort": 53} for p in ports]
    yield _namespace("kube-system", {})
    yield from _deployment("kube-system", "coredns", labels, ports, iter(range(1, DNS_PODS + 1)), DNS_PODS)
    spec = {"selector": labels, "ports": served, "clusterIP": "10.96.0.10", "clusterIPs": ["10.96.0.10"]}
    yield _object("v1", "Service", "kube-dns", "kube-system", labels=labels, spec=spec)


def _app(number: int, index: int, replicas: int, addresses: Iterator[int]) -> Iterator[Raw]:
    ports = [{"name": "http", "containerPort": HTTP}, {"name": "metrics", "containerPort": METRICS}]
    yield from _deployment(
        namespace_name(number), app_name(index), app_labels(number, index), ports, addresses, replicas
    )


def app_labels(number: int, index: int) -> dict[str, str]:
    """Return the labels of an application's pods."""
    role = "gateway" if index == 0 else "backend"
    return {"app": app_name(index), "role": role, "env": "production", "team": f"team-{team_of(number)}"}


def _deployment(
    namespace: str, name: str, labels: Raw, ports: list[Raw], addresses: Iterator[int], replicas: int
) -> Iterator[Raw]:
    """Yield a Deployment, its ReplicaSets (this revision and the one before) and its pods."""
    selector = {"matchLabels": dict(list(labels.items())[:1])}
    spec = {"containers": [{"name": "main", "image": "registry.example.com/app:1", "ports": ports}]}
    template = {"metadata": {"labels": labels}, "spec": spec}
    owned = {"labels": labels, "spec": {"replicas": replicas, "selector": selector, "template": template}}
    yield _object("apps/v1", "Deployment", name, namespace, **owned)
    for revision, count in (("5d4f8c7b9", 0), ("6c7d9f5b8", replicas)):
        hashed: Raw = {"metadata": {"labels": {**labels, "pod-template-hash": revision}}, "spec": spec}
        yield _object(
            "apps/v1",
            "ReplicaSet",
            f"{name}-{revision}",
            namespace,
            labels=hashed["metadata"]["labels"],
            ownerReferences=[_owner("Deployment", name)],
            spec={"replicas": count, "selector": selector, "template": hashed},
        )
        for ordinal in range(count):
            yield _pod(f"{name}-{revision}", f"{ordinal:05x}", namespace, hashed, next(addresses))


def _pod(owner: str, end: str, namespace: str, template: Raw, number: int) -> Raw:
    node, address = _pod_address(number)
    return _object(
        "v1",
        "Pod",
        f"{owner}-{end}",
        namespace,
        labels=template["metadata"]["labels"],
        ownerReferences=[_owner("ReplicaSet", owner)],
        spec={**template["spec"], "nodeName": node},
        status={"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]},
    )


def _owner(kind: str, name: str) -> Raw:
    return {"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": f"{kind}-{name}", "controller": True}


def _service(number: int, index: int, variant: int, address: int) -> Iterator[Raw]:
    """Yield a Service and its EndpointSlice, without the endpoints that its selector tells anyway."""
    end = SERVICES[variant] if variant < len(SERVICES) else f"-v{variant}"
    namespace, name, app = namespace_name(number), app_name(index) + end, app_name(index)
    metrics = {"name": "metrics", "port": METRICS, "targetPort": "metrics"}
    http = {"name": "http", "port": HTTP if end == "-headless" else 80, "targetPort": "http"}
    ip = "None" if end == "-headless" else _cluster_address(address + 256)
    spec = {
        "selector": {"app": app},
        "ports": [metrics if end == "-metrics" else http],
        "clusterIP": ip,
        "clusterIPs": [ip],
        "ipFamilies": ["IPv4"],
    }
    yield _object("v1", "Service", name, namespace, labels={"app": app}, spec=spec)
    labels = {"kubernetes.io/service-name": name}
    yield _object("discovery.k8s.io/v1", "EndpointSlice", f"{name}-x7k2p", namespace, labels=labels, addressType="IPv4")


def _policy(namespace: str, name: str, spec: Raw) -> Raw:
    return _object("networking.k8s.io/v1", "NetworkPolicy", name, namespace, spec=spec)


def _named(*apps: str) -> Raw:
    return {"matchExpressions": [{"key": "app", "operator": "In", "values": list(apps)}]}


def _common_policies(number: int) -> Iterator[Raw]:
    """Yield default deny, DNS for all, and what gateways may call. Their number is COMMON_POLICIES."""
    namespace, team = namespace_name(number), {"matchLabels": {"team": f"team-{team_of(number)}"}}
    yield _policy(namespace, "default-deny", {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]})
    dns = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
        "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
    }
    ports = [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]
    spec: Raw = {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"to": [dns], "ports": ports}]}
    yield _policy(namespace, "allow-dns", spec)
    backends = {"namespaceSelector": team, "podSelector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]}}
    warehouse = {"cidr": WAREHOUSE, "except": ["198.51.100.64/28"]}
    rules = [
        {"to": [backends], "ports": [{"port": "http"}, {"port": METRICS}]},
        {"to": [{"ipBlock": {"cidr": PARTNERS}}], "ports": [{"port": 443}]},
        {"to": [{"ipBlock": warehouse}], "ports": [{"port": 5432}]},
    ]
    gateways = {"matchLabels": {"role": "gateway"}}
    yield _policy(namespace, "gateways", {"podSelector": gateways, "policyTypes": ["Egress"], "egress": rules})


def _app_policy(number: int, index: int, apps: int) -> Raw:
    """Return one application's policy: neighbours by name, gateways of the team, monitoring; some partners too."""
    team = {"matchLabels": {"team": f"team-{team_of(number)}"}}
    gateways = {"namespaceSelector": team, "podSelector": {"matchLabels": {"role": "gateway"}}}
    monitoring = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    neighbours = [app_name((index + step) % apps) for step in range(1, CALLERS + 1)]
    ingress = [
        {"from": [{"podSelector": _named(*neighbours)}], "ports": [{"port": "http"}]},
        {"from": [gateways], "ports": [{"port": "http"}, {"port": "metrics"}]},
        {"from": [monitoring], "ports": [{"port": "metrics"}]},
    ]
    egress: list[Raw] = [{"to": [{"podSelector": _named(*neighbours)}], "ports": [{"port": 8000, "endPort": 8999}]}]
    if index % 6 == 5:
        outside = {"cidr": PARTNERS, "except": ["203.0.113.128/25"]}
        ingress.append({"from": [{"ipBlock": outside}], "ports": [{"port": HTTP}]})
    if index % 3 == 0:
        egress.append({"to": [{"ipBlock": {"cidr": PARTNERS}}], "ports": [{"port": 443}]})
    return _policy(
        namespace_name(number),
        app_name(index),
        {
            "podSelector": {"matchLabels": {"app": app_name(index)}},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": ingress,
            "egress": egress,
        },
    )

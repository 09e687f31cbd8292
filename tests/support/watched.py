"""Two or three objects of every kind that is watched, out of a few names, so that each may change what others come to.

`WATCHED` is read from the code that watches, and a kind without an object here fails: see `tests/world/test_live.py`.
"""

from collections.abc import Iterator
from typing import Any, Final

from tests.support.arena import Raw
from webhook.cluster.kinds import KINDS
from webhook.model.settings import CONNECTS_TO
from webhook.wiring.cluster_snapshot import FOUND

Kind = tuple[str, str]  # API group, kind
WATCHED: Final[frozenset[Kind]] = frozenset({*((kind.group, kind.name) for kind in KINDS), *FOUND})
A: Final[Raw] = {"matchLabels": {"app": "a"}}
EVERYBODY: Final[Raw] = {"namespaces": {}}
DECLARED: Final = "s.y:80, listed.x:80, 203.0.113.9:443, kubernetes.default:443, outside.x:80"


def made(version: str, kind: str, name: str, labels: Raw | None = None, **rest: Any) -> Raw:  # noqa: ANN401 - any field
    """Return an object; `name` is `namespace/name` or, of a cluster-scoped kind, a name."""
    namespace, _, own = name.rpartition("/")
    metadata = {"name": own, **({"namespace": namespace} if namespace else {}), "labels": labels or {}}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **rest}


def noted(raw: Raw, **annotations: str) -> Raw:
    found = {key.replace("__", "/").replace("_", "-"): value for key, value in annotations.items()}
    return raw | {"metadata": {**raw["metadata"], "annotations": found}}


def owned(raw: Raw, kind: str, name: str) -> Raw:
    owner = {"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": "u", "controller": True}
    return raw | {"metadata": {**raw["metadata"], "ownerReferences": [owner]}}


def template(labels: Raw, **spec: Any) -> Raw:  # noqa: ANN401 - any field of a PodSpec
    container = {"name": "c", "image": "i", "ports": [{"containerPort": 80, "name": "web"}]}
    return {"metadata": {"labels": labels}, "spec": {"containers": [container], **spec}}


def workload(kind: str, name: str, labels: Raw, version: str = "apps/v1", **spec: Any) -> Raw:  # noqa: ANN401 - any field
    selector: Raw = {"selector": {"matchLabels": labels}} if version == "apps/v1" else {}
    return made(version, kind, name, labels, spec={**selector, "template": template(labels), **spec})


def pod(name: str, address: str, labels: Raw, **spec: Any) -> Raw:  # noqa: ANN401 - any field
    status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}
    body = template(labels, nodeName="n1", **spec)["spec"]
    return made("v1", "Pod", name, labels, spec=body, status=status)


def service(name: str, selector: Raw | None, **spec: Any) -> Raw:  # noqa: ANN401 - any field
    chosen = {} if selector is None else {"selector": selector}
    return made("v1", "Service", name, spec={"ports": [{"port": 80, "targetPort": 80}], **chosen, **spec})


def sliced(name: str, of: str, *addresses: str, port: int = 80) -> Raw:
    return made(
        "discovery.k8s.io/v1",
        "EndpointSlice",
        name,
        {"kubernetes.io/service-name": of},
        addressType="IPv4",
        ports=[{"name": "", "port": port, "protocol": "TCP"}],
        endpoints=[{"addresses": [one], "conditions": {"ready": True}} for one in addresses],
    )


def agent(name: str, image: str, *arguments: str, wanted: int = 2) -> Raw:
    containers = [{"name": "c", "image": image, "args": list(arguments)}]
    return made(
        "apps/v1",
        "DaemonSet",
        f"kube-system/{name}",
        spec={"selector": {}, "template": {"spec": {"containers": containers}}},
        status={"desiredNumberScheduled": wanted, "numberReady": wanted},
    )


def _node(name: str, address: str, block: str, **labels: str) -> Raw:
    status = {"addresses": [{"type": "InternalIP", "address": address}]}
    return made("v1", "Node", name, labels, spec={"podCIDRs": [block]}, status=status)


def _network_policy(name: str, **spec: Any) -> Raw:  # noqa: ANN401 - any field
    return made("networking.k8s.io/v1", "NetworkPolicy", name, spec=spec)


def _admin(kind: str, name: str, version: str = "v1alpha1", **spec: Any) -> Raw:  # noqa: ANN401 - any field
    return made(f"policy.networking.k8s.io/{version}", kind, name, spec={"subject": EVERYBODY, **spec})


def _calico(group: str) -> Iterator[Raw]:
    """Yield objects of Calico's kinds in one of the two groups that serve them."""
    version, stored = (f"{group}/v3", "") if group == "projectcalico.org" else (f"{group}/v1", "default.")

    def one(kind: str, name: str, labels: Raw | None = None, **spec: Any) -> Raw:  # noqa: ANN401 - any field
        return made(version, kind, name, labels, spec=spec)

    to_set = {"destination": {"selector": "set == 'one'"}}
    yield one("Tier", "first", order=100)
    yield one("Tier", "first", order=100, defaultAction="Pass")
    yield one(
        "GlobalNetworkPolicy",
        f"{stored}g",
        order=10,
        selector="app == 'a'",
        types=["Egress"],
        egress=[{"action": "Deny", **to_set}, {"action": "Pass"}],
    )
    yield one("GlobalNetworkPolicy", f"{stored}h", order=10, namespaceSelector="team == 'b'", types=["Ingress"])
    yield one(
        "GlobalNetworkPolicy",
        "first.tiered",
        tier="first",
        selector="all()",
        types=["Ingress"],
        ingress=[{"action": "Allow", "source": {"serviceAccounts": {"selector": "role == 'web'"}}}],
    )
    yield one(
        "NetworkPolicy",
        f"x/{stored}n",
        selector="all()",
        types=["Egress"],
        egress=[
            {"action": "Allow", "destination": {"namespaceSelector": "team == 'a'"}},
            {"action": "Allow", **to_set},
        ],
    )
    yield one("NetworkPolicy", f"x/{stored}m", serviceAccountSelector="role == 'web'", types=["Ingress"])
    yield one("GlobalNetworkSet", "one", {"set": "one"}, nets=["203.0.113.0/24"])
    yield one("GlobalNetworkSet", "one", {"set": "other"}, nets=["203.0.113.0/24"])
    yield one("NetworkSet", "x/one", {"set": "one"}, nets=["203.0.113.9/32"])
    yield one("NetworkSet", "y/one", {"role": "outside"}, nets=["203.0.113.9/32"])
    yield one("HostEndpoint", "n1", {"set": "one"}, node="n1", interfaceName="*", expectedIPs=["203.0.113.9"])
    yield one("HostEndpoint", "n1", node="n1", expectedIPs=["192.168.0.1"])
    yield one("FelixConfiguration", "default", defaultEndpointToHostAction="Accept")
    yield one("FelixConfiguration", "default", defaultEndpointToHostAction="Drop")
    yield one("IPPool", "all", cidr="10.0.0.0/16")
    yield one("IPPool", "all", cidr="203.0.113.0/24")


def _opaque() -> Iterator[Raw]:
    """Yield policies of families that are known by name only."""
    yield made("crd.antrea.io/v1beta1", "ClusterNetworkPolicy", "o", spec={"priority": 5})
    yield made("crd.antrea.io/v1beta1", "NetworkPolicy", "x/o", spec={"priority": 5})
    yield made("k8s.ovn.org/v1", "EgressFirewall", "x/default", spec={"egress": [{"type": "Deny"}]})
    yield made("networking.gke.io/v1alpha3", "FQDNNetworkPolicy", "x/o", spec={"podSelector": {}})
    yield made("networking.k8s.aws/v1alpha1", "ApplicationNetworkPolicy", "x/o", spec={"podSelector": {}})
    yield made("networking.k8s.aws/v1alpha1", "ClusterNetworkPolicy", "o", spec={"priority": 5})


def _cilium() -> Iterator[Raw]:
    policy, wide = "CiliumNetworkPolicy", "CiliumClusterwideNetworkPolicy"
    to_group = {"toCIDRSet": [{"cidrGroupRef": "group"}]}
    yield made(
        "cilium.io/v2", policy, "x/c", spec={"endpointSelector": {}, "egress": [to_group, {"toEntities": ["cluster"]}]}
    )
    yield made("cilium.io/v2", policy, "x/d", spec={"endpointSelector": {}, "ingress": [{"fromEndpoints": [A]}]})
    yield made("cilium.io/v2", wide, "c", spec={"endpointSelector": A, "egressDeny": [{"toEntities": ["world"]}]})
    yield made(
        "cilium.io/v2",
        wide,
        "d",
        spec={
            "endpointSelector": {},
            "egress": [
                {"toServices": [{"k8sService": {"serviceName": "listed", "namespace": "x"}}]},
                {"toEntities": ["kube-apiserver"]},
            ],
        },
    )
    yield made("cilium.io/v2", "CiliumCIDRGroup", "group", spec={"externalCIDRs": ["203.0.113.0/24"]})
    yield made("cilium.io/v2", "CiliumCIDRGroup", "group", spec={"externalCIDRs": ["198.51.100.0/24"]})
    yield made("cilium.io/v2", "CiliumNodeConfig", "kube-system/some", spec={"defaults": {"enable-policy": "never"}})
    yield made("cilium.io/v2", "CiliumNodeConfig", "kube-system/some", spec={"defaults": {}})


def _inbound() -> Iterator[Raw]:
    """Yield what declares that Services are reached from outside, or by whom."""
    backend = {"service": {"name": "s", "port": {"number": 80}}}
    for name in ("s", "gone"):
        chosen = {"service": {"name": name, "port": {"number": 80}}}
        yield made("networking.k8s.io/v1", "Ingress", "y/i", spec={"ingressClassName": "k", "defaultBackend": chosen})
    yield made("networking.k8s.io/v1", "Ingress", "y/j", spec={"defaultBackend": backend})
    controllers = ("k8s.io/ingress-nginx", "traefik.io/ingress-controller")
    yield from (made("networking.k8s.io/v1", "IngressClass", "k", spec={"controller": one}) for one in controllers)
    gateway = "gateway.networking.k8s.io/v1"
    parents = {"parentRefs": [{"name": "g", "namespace": "x"}]}
    refs = {"backendRefs": [{"name": "s", "port": 80}]}
    yield from (
        made(gateway, "GatewayClass", "gc", spec={"controllerName": one})
        for one in ("istio.io/gateway-controller", "k")
    )
    yield from (
        made(gateway, "Gateway", "x/g", spec={"gatewayClassName": one, "listeners": []}) for one in ("gc", "none")
    )
    for kind in ("HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute", "UDPRoute"):
        yield made(gateway, kind, "y/r", spec={**parents, "rules": [refs]})
    yield made("networking.istio.io/v1", "Gateway", "x/ig", spec={"selector": {"app": "a"}, "servers": []})
    yield made(
        "networking.istio.io/v1",
        "VirtualService",
        "y/v",
        spec={
            "hosts": ["h"],
            "gateways": ["x/ig"],
            "http": [{"route": [{"destination": {"host": "s", "port": {"number": 80}}}]}],
        },
    )
    for group in ("traefik.io", "traefik.containo.us"):
        yield made(
            f"{group}/v1alpha1", "IngressRoute", "y/t", spec={"routes": [{"services": [{"name": "s", "port": 80}]}]}
        )
    yield made("projectcontour.io/v1", "HTTPProxy", "y/h", spec={"routes": [{"services": [{"name": "s", "port": 80}]}]})
    yield made(
        "route.openshift.io/v1",
        "Route",
        "y/o",
        spec={"to": {"kind": "Service", "name": "s"}, "port": {"targetPort": 80}},
    )
    endpoints = [{"targetPort": 80}]
    monitoring = "monitoring.coreos.com/v1"
    yield made(
        monitoring,
        "ServiceMonitor",
        "x/m",
        spec={"selector": {}, "namespaceSelector": {"any": True}, "endpoints": endpoints},
    )
    yield made(monitoring, "PodMonitor", "y/m", spec={"selector": A, "podMetricsEndpoints": endpoints})
    yield made(
        monitoring, "Probe", "y/m", spec={"prober": {"url": "s.y:80"}, "targets": {"staticConfig": {"static": ["s.y"]}}}
    )


def _called() -> Iterator[Raw]:
    """Yield what makes the API server a client, and who may be one of its own."""
    call = {"service": {"namespace": "y", "name": "s", "port": 80}}
    hooks = [{"name": "h.example.org", "clientConfig": call, "sideEffects": "None", "admissionReviewVersions": ["v1"]}]
    for kind in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"):
        yield made("admissionregistration.k8s.io/v1", kind, "h") | {"webhooks": hooks}
        other = {"webhooks": [{**hooks[0], "clientConfig": {"service": {**call["service"], "name": "gone"}}}]}
        yield made("admissionregistration.k8s.io/v1", kind, "h") | other
    yield made("apiregistration.k8s.io/v1", "APIService", "v1.k", spec={"group": "k", "version": "v1", **call})
    conversion = {"strategy": "Webhook", "webhook": {"clientConfig": call, "conversionReviewVersions": ["v1"]}}
    yield made(
        "apiextensions.k8s.io/v1", "CustomResourceDefinition", "k.k", spec={"group": "k", "conversion": conversion}
    )
    subjects = [{"kind": "ServiceAccount", "name": "web", "namespace": "x"}]
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
    for kind, name in (("ClusterRoleBinding", "b"), ("RoleBinding", "x/b")):
        yield made("rbac.authorization.k8s.io/v1", kind, name) | {"roleRef": role, "subjects": subjects}
        others = [{**subjects[0], "name": "other"}]
        yield made("rbac.authorization.k8s.io/v1", kind, name) | {"roleRef": role, "subjects": others}


def _workloads() -> Iterator[Raw]:
    clients = {"app": "client"}
    yield noted(
        workload("Deployment", "x/web", clients), **{CONNECTS_TO.replace("-", "_").replace("/", "__"): DECLARED}
    )
    yield noted(
        workload("Deployment", "x/web", {"app": "a"}), **{CONNECTS_TO.replace("-", "_").replace("/", "__"): "s.y:80"}
    )
    yield workload("Deployment", "y/new", {"app": "a", "tier": "db"})
    yield owned(workload("ReplicaSet", "y/api-1", {"app": "a"}), "Deployment", "api")
    yield workload("ReplicaSet", "y/api-1", {"app": "a"})
    yield workload("StatefulSet", "y/db", {"app": "b"})
    yield workload("StatefulSet", "y/db", {"app": "a"}, replicas=1)
    yield workload("ReplicationController", "y/rc", {"app": "a"}, version="v1")
    yield workload("Job", "y/job", {"app": "a"}, version="batch/v1")
    yield owned(workload("Job", "y/job", {"app": "a"}, version="batch/v1"), "CronJob", "cron")
    yield made("batch/v1", "CronJob", "y/cron", spec={"jobTemplate": {"spec": {"template": template({"app": "b"})}}})
    yield workload("DaemonSet", "x/agent", {"app": "a"})
    yield agent("calico-node", "docker.io/calico/node:v3.31.2")
    yield agent("calico-node", "docker.io/calico/node:v3.31.2", wanted=0)
    yield agent("cilium", "quay.io/cilium/cilium:v1.18.2")
    yield agent("cilium", "quay.io/cilium/cilium:v1.20.2")


def _core() -> Iterator[Raw]:
    for name, team in (("x", "a"), ("x", "b"), ("y", "b"), ("y", "a")):
        yield made("v1", "Namespace", name, {"team": team, "kubernetes.io/metadata.name": name})
    yield made(
        "v1", "Namespace", "y", {"team": "b", "istio.io/dataplane-mode": "ambient", "kubernetes.io/metadata.name": "y"}
    )
    yield _node("n1", "192.168.0.1", "10.0.1.0/24")
    yield _node("n1", "10.0.1.7", "203.0.113.0/24")
    yield noted(_node("n2", "203.0.113.9", "10.0.2.0/24", role="edge"), k3s_io__node_args='["server"]')
    yield pod("x/one", "10.0.1.1", {"app": "client"}, serviceAccountName="web")
    yield pod("x/one", "10.0.1.2", {"app": "a"}, serviceAccountName="web")
    yield owned(pod("y/two", "10.0.1.3", {"app": "a"}), "ReplicaSet", "api-1")
    yield owned(pod("y/two", "203.0.113.9", {"app": "b"}), "StatefulSet", "db")
    yield pod("y/three", "192.168.0.1", {"app": "a"}, hostNetwork=True)
    yield made("v1", "ServiceAccount", "x/web", {"role": "web"})
    yield made("v1", "ServiceAccount", "x/web", {"role": "db"})
    yield made("v1", "ServiceAccount", "x/default")
    yield service("y/s", {"app": "a"})
    yield service("y/s", {"app": "b"}, clusterIP="203.0.113.9", clusterIPs=["203.0.113.9"], type="LoadBalancer")
    yield service("x/listed", None)
    yield service("x/outside", None, externalName="out.example.org", type="ExternalName")
    yield service("default/kubernetes", None, ports=[{"port": 443}])
    yield sliced("x/listed-1", "listed", "10.0.1.3", "203.0.113.9")
    yield sliced("x/listed-1", "listed", "198.51.100.1")
    yield sliced("default/kubernetes", "kubernetes", "203.0.113.9", port=443)
    for name, data in (
        ("cilium-config", {"enable-policy": "never"}),
        ("cilium-config", {"enable-policy": "default", "policy-cidr-match-mode": "nodes"}),
        ("kube-proxy", {"config.conf": "masqueradeAll: true"}),
    ):
        yield made("v1", "ConfigMap", f"kube-system/{name}", data=data)
    yield made("v1", "ConfigMap", "x/urls", data={"DB": "http://s.y:80"})


def _policies() -> Iterator[Raw]:
    yield _network_policy(
        "x/p",
        podSelector={},
        policyTypes=["Egress"],
        egress=[{"to": [{"namespaceSelector": {"matchLabels": {"team": "a"}}}]}],
    )
    yield _network_policy(
        "x/p", podSelector=A, policyTypes=["Egress"], egress=[{"to": [{"ipBlock": {"cidr": "203.0.113.0/24"}}]}]
    )
    yield _network_policy("x/q", podSelector={}, policyTypes=["Egress"])
    yield _network_policy("y/p", podSelector=A, ingress=[{"from": [{"namespaceSelector": {}, "podSelector": A}]}])
    yield _network_policy("y/q", podSelector={"matchLabels": {"app": "b"}}, ingress=[{"ports": [{"port": "web"}]}])
    deny: Raw = {"ingress": [{"action": "Deny", "from": [{"namespaces": {"matchLabels": {"team": "a"}}}]}]}
    names = [{"portNumber": {"port": 53, "protocol": "UDP"}}]
    yield _admin("AdminNetworkPolicy", "one", priority=5, ingress=[{**deny["ingress"][0], "ports": names}])
    yield _admin(
        "AdminNetworkPolicy", "two", priority=3, egress=[{"action": "Allow", "to": [EVERYBODY], "ports": names}]
    )
    yield _admin("BaselineAdminNetworkPolicy", "default", **deny)
    yield _admin(
        "ClusterNetworkPolicy",
        "one",
        "v1alpha2",
        tier="Admin",
        priority=5,
        egress=[{"action": "Deny", "to": [{"pods": {"namespaceSelector": {}, "podSelector": A}}]}],
    )
    nodes: Raw = {"egress": [{"action": "Deny", "to": [{"networks": ["203.0.113.0/24"]}, {"nodes": {}}]}]}
    yield _admin("ClusterNetworkPolicy", "two", "v1alpha2", tier="Baseline", priority=5, **nodes)


def kind_of(raw: Raw) -> Kind:
    return raw["apiVersion"].rpartition("/")[0], raw["kind"]


OBJECTS: Final[tuple[Raw, ...]] = (
    *_core(),
    *_workloads(),
    *_policies(),
    *_calico("projectcalico.org"),
    *_calico("crd.projectcalico.org"),
    *_cilium(),
    *_opaque(),
    *_inbound(),
    *_called(),
)
BY_KIND: Final[dict[Kind, list[Raw]]] = {}
for _one in OBJECTS:
    BY_KIND.setdefault(kind_of(_one), []).append(_one)

"""One object of every kind that is watched, as large as one likes: `n` of whatever there may be many of.

`salt` makes all of an object's words its own, so that no two objects have anything alike.
"""

from collections.abc import Callable
from typing import Any, Final

from webhook.cluster.kinds import KINDS
from webhook.families import WIDE
from webhook.model.settings import CONNECTS_TO
from webhook.wiring.cluster_snapshot import FOUND

Raw = dict[str, Any]
_BUILT_IN_WIDE: Final = frozenset({"Namespace", "Node", "IngressClass", "GatewayClass"})


def heavy(api_version: str, kind: str, n: int, salt: str = "a") -> Raw:
    """Return an object of a kind in EVERY."""
    labels = words(n, salt)
    notes = {CONNECTS_TO: "\n".join(f"h{salt}{i}.x:{1 + i % 60_000}" for i in range(n))}
    metadata: Raw = {"name": "heavy", "labels": labels, "annotations": notes}
    if kind not in _BUILT_IN_WIDE and (api_version.partition("/")[0], kind) not in WIDE:
        metadata["namespace"] = "ns"
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **_BODIES.get(kind, _anything)(n, salt)}


def words(n: int, salt: str) -> dict[str, str]:
    return {f"l{salt}{i}": f"v{salt}{i}" for i in range(n)}


def _selector(n: int, salt: str) -> Raw:
    asked = [{"key": f"k{salt}{i}", "operator": "NotIn", "values": [f"v{salt}{i}", "x"]} for i in range(n)]
    return {"matchLabels": words(n, salt), "matchExpressions": asked}


def _text(n: int, salt: str) -> str:
    return " && ".join(f"(k{salt}{i} == 'v{salt}{i}' || !has(x{salt}{i}))" for i in range(n)) or "all()"


def _address(i: int) -> str:
    return f"10.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}"


def _blocks(n: int) -> list[str]:
    return [f"{_address(i)}/32" for i in range(n)]


def _template(n: int, salt: str) -> Raw:
    env = [{"name": f"E{salt}{i}_HOST", "value": f"h{salt}{i}"} for i in range(n)]
    ports = [{"name": f"p{salt}{i}", "containerPort": 1 + i % 60_000} for i in range(n)]
    container = {"name": "c", "env": env, "ports": ports, "args": [f"--a{salt}{i}=h{salt}{i}:80" for i in range(n)]}
    return {"metadata": {"labels": words(n, salt)}, "spec": {"containers": [container]}}


def _workload(n: int, salt: str) -> Raw:
    return {"spec": {"selector": {"matchLabels": words(n, salt)}, "template": _template(n, salt)}}


def _pod(n: int, salt: str) -> Raw:
    return {"spec": _template(n, salt)["spec"], "status": {"podIPs": [{"ip": _address(i)} for i in range(min(n, 2))]}}


def _service(n: int, salt: str) -> Raw:
    ports = [{"name": f"p{salt}{i}", "port": 1 + i % 60_000, "targetPort": f"t{salt}{i}"} for i in range(n)]
    balancers = [{"ip": _address(i), "hostname": f"h{salt}{i}"} for i in range(n)]
    spec = {"selector": words(n, salt), "ports": ports, "externalIPs": [_address(i) for i in range(n)]}
    return {"spec": spec, "status": {"loadBalancer": {"ingress": balancers}}}


def _node(n: int, salt: str) -> Raw:
    addresses = [{"type": "InternalIP", "address": _address(i)} for i in range(n)]
    return {"spec": {"podCIDRs": _blocks(n)}, "status": {"addresses": addresses, "x": salt}}


def _endpoints(n: int, salt: str) -> Raw:
    endpoints = [{"addresses": [_address(i)], "conditions": {"ready": i % 2 == 0}} for i in range(n)]
    ports = [{"name": f"p{salt}{i}", "port": 1 + i % 60_000, "protocol": "TCP"} for i in range(n)]
    return {"addressType": "IPv4", "endpoints": endpoints, "ports": ports}


def _policy(n: int, salt: str) -> Raw:
    peers: list[Raw] = [{"ipBlock": {"cidr": block}} for block in _blocks(n)]
    peers += [{"podSelector": {"matchLabels": {f"k{salt}{i}": "v"}}} for i in range(n)]
    ports = [{"port": 1 + i % 60_000} for i in range(n)]
    rules: list[Raw] = [{"from": peers, "ports": ports}, *({"from": peers[i : i + 1]} for i in range(n))]
    return {"spec": {"podSelector": _selector(n, salt), "policyTypes": ["Ingress"], "ingress": rules}}


def _ingress(n: int, salt: str) -> Raw:
    paths = [{"path": "/", "backend": {"service": {"name": f"s{salt}{i}", "port": {"number": 80}}}} for i in range(n)]
    return {"spec": {"rules": [{"http": {"paths": paths}}, *({"http": {"paths": [one]}} for one in paths)]}}


def _gateway(n: int, salt: str) -> Raw:
    listeners = [{"name": f"l{salt}{i}", "port": 1 + i % 60_000} for i in range(n)]
    return {"spec": {"listeners": listeners}, "status": {"addresses": [{"value": _address(i)} for i in range(n)]}}


def _route(n: int, salt: str) -> Raw:
    parents = [{"name": f"g{salt}{i}"} for i in range(n)]
    return {
        "spec": {
            "parentRefs": parents,
            "rules": [{"backendRefs": [{"name": f"s{salt}{i}", "port": 80}]} for i in range(n)],
        }
    }


def _admin(n: int, salt: str) -> Raw:
    peers: list[Raw] = [{"namespaces": {"matchLabels": {f"k{salt}{i}": "v"}}} for i in range(n)]
    peers += [
        {"pods": {"namespaceSelector": {}, "podSelector": {"matchLabels": {f"k{salt}{i}": "v"}}}} for i in range(n)
    ]
    rules = [{"action": "Deny", "from": peers}, *({"action": "Allow", "from": [one]} for one in peers)]
    return {"spec": {"priority": 10, "subject": {"namespaces": _selector(n, salt)}, "ingress": rules}}


def _cluster(n: int, salt: str) -> Raw:
    spec = _admin(n, salt)["spec"]
    rules = [{**rule, "action": "Accept"} for rule in spec["ingress"]]
    return {"spec": {**spec, "tier": "Admin", "ingress": rules}}


def _calico(n: int, salt: str) -> Raw:
    source = {"selector": _text(n, salt), "nets": _blocks(n), "ports": [1 + i % 60_000 for i in range(n)]}
    rules = [{"action": "Allow", "source": source, "protocol": "TCP"}]
    rules += [{"action": "Deny", "source": {"selector": f"k{salt}{i} == 'v'"}} for i in range(min(n, 1_000))]
    return {"spec": {"selector": _text(n, salt), "types": ["Ingress"], "ingress": rules}}


def _cilium(n: int, salt: str) -> Raw:
    peers = [{"matchLabels": {f"k{salt}{i}": "v"}} for i in range(n)]
    rules: list[Raw] = [{"fromEndpoints": peers}, {"fromCIDR": _blocks(n)}]
    rules += [{"fromEndpoints": [one]} for one in peers]
    return {"spec": {"endpointSelector": _selector(n, salt), "ingress": rules}}


def _nets(n: int, _: str) -> Raw:
    return {"spec": {"nets": _blocks(n), "externalCIDRs": _blocks(n), "cidr": "10.0.0.0/8"}}


def _host(n: int, salt: str) -> Raw:
    return {"spec": {"node": salt, "expectedIPs": [_address(i) for i in range(n)], "profiles": list(words(n, salt))}}


def _firewall(n: int, _: str) -> Raw:
    return {"spec": {"egress": [{"type": "Deny", "to": {"cidrSelector": block}} for block in _blocks(n)]}}


def _anything(n: int, salt: str) -> Raw:
    return {"spec": {"defaults": words(n, salt)}}


_BODIES: Final[dict[str, Callable[[int, str], Raw]]] = {
    **dict.fromkeys(("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"), _workload),
    "ReplicationController": lambda n, salt: {"spec": {"selector": words(n, salt), "template": _template(n, salt)}},
    "CronJob": lambda n, salt: {"spec": {"jobTemplate": {"spec": {"template": _template(n, salt)}}}},
    "ConfigMap": lambda n, salt: {"data": {f"K{salt}{i}_URL": f"http://h{salt}{i}.x:80" for i in range(n)}},
    "Pod": _pod,
    "Service": _service,
    "Node": _node,
    "EndpointSlice": _endpoints,
    "NetworkPolicy": _policy,
    "Ingress": _ingress,
    "Gateway": _gateway,
    **dict.fromkeys(("HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute"), _route),
    "AdminNetworkPolicy": _admin,
    "BaselineAdminNetworkPolicy": _admin,
    "ClusterNetworkPolicy": _cluster,
    "GlobalNetworkPolicy": _calico,
    "GlobalNetworkSet": _nets,
    "NetworkSet": _nets,
    "IPPool": _nets,
    "CiliumCIDRGroup": _nets,
    "HostEndpoint": _host,
    "CiliumNetworkPolicy": _cilium,
    "CiliumClusterwideNetworkPolicy": _cilium,
    "EgressFirewall": _firewall,
}
_VERSIONS: Final = {"cilium.io": "v2", "policy.networking.k8s.io": "v1alpha1", "projectcalico.org": "v3"}
EVERY: Final = {  # API version, kind
    **{str(kind): (kind.api_version, kind.name) for kind in KINDS},
    **{f"{kind}.{group}": (f"{group}/{_VERSIONS.get(group, 'v1')}", kind) for group, kind in sorted(FOUND)},
}

"""One object of each kind that declares a way in."""

from tests.support.arena import Raw
from webhook.wire.inbound import DEFAULT_CLASS

GATEWAY_API = "gateway.networking.k8s.io/v1"


WEB: Raw = {"service": {"name": "web", "port": {"number": 80}}}


INGRESS: Raw = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "Ingress",
    "metadata": {"namespace": "shop", "name": "shop"},
    "spec": {
        "ingressClassName": "nginx",
        "defaultBackend": {"service": {"name": "fallback", "port": {"name": "http"}}},
        "tls": [{"hosts": ["shop.example.com"], "secretName": "tls"}],
        "rules": [
            {"host": "a", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": WEB}]}},
            {"http": {"paths": [{"backend": WEB}, {"backend": {"resource": {"kind": "Bucket", "name": "b"}}}]}},
            {"host": "nothing"},
        ],
    },
    "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}, {"hostname": "lb.example.com"}]}},
}


ROUTE: Raw = {
    "apiVersion": GATEWAY_API,
    "kind": "HTTPRoute",
    "metadata": {"namespace": "shop", "name": "shop"},
    "spec": {
        "parentRefs": [
            {"name": "edge", "namespace": "gateways", "sectionName": "http"},
            {"name": "own"},
            {"group": "", "kind": "Service", "name": "mesh"},
        ],
        "hostnames": ["shop.example.com"],
        "rules": [
            {
                "matches": [{"headers": [{"name": "a", "value": "b"}]}],
                "backendRefs": [{"name": "web", "port": 80, "weight": 9}, {"name": "v2", "namespace": "b", "port": 81}],
            },
            {"backendRefs": [{"group": "example.com", "kind": "Function", "name": "f"}, {"name": "web", "port": 80}]},
            {"filters": []},
        ],
    },
}


GATEWAY: Raw = {
    "apiVersion": GATEWAY_API,
    "kind": "Gateway",
    "metadata": {"namespace": "gateways", "name": "edge"},
    "spec": {"gatewayClassName": "istio", "listeners": [{"name": "a", "port": 80}, {"name": "b", "port": 443}]},
    "status": {"addresses": [{"type": "IPAddress", "value": "192.0.2.9"}, {"type": "Hostname", "value": "gw.local"}]},
}


INGRESS_CLASS: Raw = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "IngressClass",
    "metadata": {"name": "nginx", "annotations": {DEFAULT_CLASS: "true"}},
    "spec": {"controller": "k8s.io/ingress-nginx"},
}


GATEWAY_CLASS: Raw = {
    "apiVersion": GATEWAY_API,
    "kind": "GatewayClass",
    "metadata": {"name": "istio"},
    "spec": {"controllerName": "istio.io/gateway-controller"},
}


EVERY = (INGRESS, ROUTE, GATEWAY, INGRESS_CLASS, GATEWAY_CLASS)

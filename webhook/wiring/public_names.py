"""What is no secret in a snapshot: what the API spells, and everybody's names, by which somebody is known."""

import re
from typing import Final

from webhook.enforcers import ENFORCERS, NAMESPACES
from webhook.families import POLICIES, REFERENCES
from webhook.model.refs import WORKLOAD_KINDS
from webhook.wire import inbound_others
from webhook.wiring.snapshot_forms import FORMS


def _all(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


AS_IT_IS: Final = _all(  # fields whose values the API spells, or that hold no name
    "protocol operator family type types policyTypes action phase dnsPolicy clusterIP clusterIPs ipFamilies podIP ip",
    "cidr cidrs nets notNets podCIDR podCIDRs externalIPs externalTrafficPolicy internalTrafficPolicy restartPolicy",
    "mode addressType image args env controller controllerName toEntities fromEntities notProtocol loadBalancerClass",
    "deletionTimestamp nameservers ipVersion defaultAction defaultEndpointToHostAction",
)
KEYED_BY_NAME: Final = _all("labels matchLabels nodeSelector selector podSelector")  # objects whose fields are labels
DOMAIN: Final = re.compile(  # of API groups and label keys that mean something to somebody whom we know
    r"(?:[\w.-]*\.)?(?:kubernetes\.io|k8s\.io|istio\.io|cilium\.io|projectcalico\.org|openshift\.io|linkerd\.io|helm\.sh"
    r"|envoyproxy\.io|gke\.io|otterize\.com|k8s\.aws|antrea\.io|ovn\.org|coreos\.com|traefik\.io|traefik\.containo\.us"
    r"|projectcontour\.io|getambassador\.io)"
)
GROUPS: Final = frozenset({"", "apps", "batch", "extensions", "policy", "autoscaling"})
KINDS: Final = frozenset(
    {
        *FORMS,
        *(kind for _, kind in (*POLICIES, *REFERENCES, *inbound_others.KINDS)),
        *WORKLOAD_KINDS,
        *("ServiceAccount", "User", "Group", "TraefikService"),
    }
)
PUBLIC_KEY: Final = re.compile(rf"(?:[a-z0-9]+:)?(?:{DOMAIN.pattern}/.*|io\.(?:kubernetes|cilium)\..*)|reserved:.*")
PLAIN_KEYS: Final = _all(  # of labels: everybody has them, and some are asked for
    "app role env environment name component tier version release instance k8s-app istio job-name controller-uid",
    "pod-template-hash controller-revision-hash pod-template-generation",
)
INNER: Final = re.compile(r".*io\.cilium\.k8s\.namespace\.labels\.|pcns\.|pcsa\.")  # before the key of another object's
COPIED: Final = re.compile(r"k[a-z]*np\.[a-z]+(?:-[a-z]+)?\.")  # before the name of a policy that Calico made a copy of
NAMES: Final = (
    _all(
        "default kubernetes localhost cluster local svc pod node",
        "true false True False Unknown TCP UDP SCTP tcp udp sctp",
        "kube-dns coredns dns-default rke2-coredns rke2-coredns-rke2-coredns node-local-dns openshift-dns kube-proxy",
        "kube-apiserver cilium-config amazon-vpc-cni emissary-ingress haproxy-ingress kubernetes-ingress kong",
        "ingressgateway ingress-nginx nginx-ingress envoy contour traefik prometheus vmagent victoria-metrics-agent",
        "server monitoring mesh control-plane",
        "projectcalico-default-allow adminnetworkpolicy baselineadminnetworkpolicy",
        "kube-admin kube-baseline Admin Baseline",
        "system serviceaccount serviceaccounts authenticated unauthenticated anonymous",
    )
    | NAMESPACES
    | {name for one in ENFORCERS.values() for name in (one.name, *one.agents)}
)

"""Objects of policy families that are not evaluated -> Foreign: whom they may select, and nothing else.

Sources of the shapes: the CRDs' Go types (`network-policy-api`, `projectcalico/api`, `cilium/pkg/k8s/apis`).
What cannot be read may select anything in scope: it must never make an answer surer than it is.
"""

from collections.abc import Callable
from typing import Final

from webhook.model.foreign import Foreign
from webhook.model.labels import EVERYTHING, Operator, Requirement, Selector
from webhook.model.refs import PolicyRef
from webhook.wire import meta
from webhook.wire.selectors import selector
from webhook.wire.shapes import Malformed, Raw, mapping, string

Scope = tuple[Selector, Selector | None]  # of namespaces; of pods, None: not understood
ANYBODY: Final[Scope] = (EVERYTHING, None)
NAME_LABEL: Final = "kubernetes.io/metadata.name"


def foreign_policy(raw: Raw, kind: str, group: str, namespace: str | None) -> Foreign:
    """Read an object of KINDS."""
    scope = KINDS[group, kind]
    try:
        namespaces, pods = ANYBODY if raw.get("specs") else scope(mapping(raw, "spec", ""))
    except Malformed:
        namespaces, pods = ANYBODY
    return Foreign(PolicyRef(namespace, meta.name(raw), kind), group, namespace, namespaces, pods)


def _admin(spec: Raw) -> Scope:
    """AdminNetworkPolicy and its successors: `subject.namespaces` or `subject.pods`."""
    subject = mapping(spec, "subject", "spec")
    if "namespaces" in subject:
        return selector(mapping(subject, "namespaces", "spec.subject"), "spec.subject.namespaces"), EVERYTHING
    if "pods" not in subject:
        return ANYBODY
    pods = mapping(subject, "pods", "spec.subject")
    path = "spec.subject.pods"
    return (
        selector(mapping(pods, "namespaceSelector", path), f"{path}.namespaceSelector"),
        selector(mapping(pods, "podSelector", path), f"{path}.podSelector"),
    )


_CILIUM_SOURCES = ("k8s:", "any:")
_CILIUM_NAMESPACE = "io.kubernetes.pod.namespace"


def _cilium(spec: Raw) -> Scope:
    """Cilium: `endpointSelector` with keys of a source; `specs`, or a node selector, may mean anybody."""
    if "endpointSelector" not in spec or "nodeSelector" in spec:
        return ANYBODY
    found = selector(mapping(spec, "endpointSelector", "spec"), "spec.endpointSelector")
    pods, namespaces = [], []
    for requirement in found.requirements:
        key = requirement.key
        for source in _CILIUM_SOURCES:
            key = key.removeprefix(source)
        if key == _CILIUM_NAMESPACE:
            namespaces.append(Requirement(NAME_LABEL, requirement.operator, requirement.values))
        elif key.startswith("io.cilium.") or ":" in key:
            return ANYBODY
        else:
            pods.append(Requirement(key, requirement.operator, requirement.values))
    return Selector(tuple(namespaces)), Selector(tuple(pods))


def _calico(spec: Raw) -> Scope:
    """Calico: `selector` text. Only what is plain (`all()`, `key == 'value' && …`) is read."""
    if string(spec, "serviceAccountSelector", "spec") or string(spec, "namespaceSelector", "spec"):
        return ANYBODY
    text = string(spec, "selector", "spec").strip()
    if text in ("", "all()"):
        return EVERYTHING, EVERYTHING
    found = []
    for part in text.split("&&"):
        key, equals, value = (piece.strip() for piece in part.partition("=="))
        quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
        if not equals or not quoted or not key.replace("/", "").replace(".", "").replace("-", "").isalnum():
            return ANYBODY
        if key.startswith(("projectcalico.org/", "pcns.", "pcsa.")):
            return ANYBODY
        found.append(Requirement(key, Operator.IN, frozenset((value[1:-1],))))
    return EVERYTHING, Selector(tuple(found))


def _anybody(_: Raw) -> Scope:
    return ANYBODY


KINDS: Final[dict[tuple[str, str], Callable[[Raw], Scope]]] = {
    ("policy.networking.k8s.io", "AdminNetworkPolicy"): _admin,
    ("policy.networking.k8s.io", "BaselineAdminNetworkPolicy"): _admin,
    ("policy.networking.k8s.io", "ClusterNetworkPolicy"): _admin,
    ("projectcalico.org", "NetworkPolicy"): _calico,
    ("projectcalico.org", "GlobalNetworkPolicy"): _calico,
    ("crd.projectcalico.org", "NetworkPolicy"): _calico,
    ("crd.projectcalico.org", "GlobalNetworkPolicy"): _calico,
    ("cilium.io", "CiliumNetworkPolicy"): _cilium,
    ("cilium.io", "CiliumClusterwideNetworkPolicy"): _cilium,
    ("crd.antrea.io", "NetworkPolicy"): _anybody,
    ("crd.antrea.io", "ClusterNetworkPolicy"): _anybody,
    ("networking.k8s.aws", "ClusterNetworkPolicy"): _anybody,
    ("networking.k8s.aws", "ApplicationNetworkPolicy"): _anybody,
    ("networking.gke.io", "FQDNNetworkPolicy"): _anybody,
}
CLUSTER_WIDE: Final = frozenset(
    {
        "AdminNetworkPolicy",
        "BaselineAdminNetworkPolicy",
        "ClusterNetworkPolicy",
        "GlobalNetworkPolicy",
        "CiliumClusterwideNetworkPolicy",
    }
)

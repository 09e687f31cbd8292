"""Who answers look-ups where files do not say: what is assumed, and what makes another place as plausible.

Source: the manifests of kubeadm and k3s (k8s-app=kube-dns in kube-system), the DNS operator of OpenShift (dns-default
on port 5353), the chart of RKE2's CoreDNS.
"""

from collections.abc import Iterator
from typing import Final

from webhook.evaluate.ends import PodEnd, namespace_matches
from webhook.evaluate.match import peers_match
from webhook.model.addresses import FIRST_PORT, IPV4, LAST_PORT, ContainerPort, NamedPort, PortMatch
from webhook.model.labels import NAME_LABEL, AllOf, Labels, Lookup, Space, Value, holds
from webhook.model.objects import PodClass, Template, Workload
from webhook.model.peers import EndpointPeer, Peer, PodMatch
from webhook.model.policy import Direction
from webhook.model.refs import WorkloadRef
from webhook.model.settings import Dns
from webhook.model.tier import Action, CompiledRule
from webhook.model.truth import Truth
from webhook.world import View

PORT: Final = 53
LABEL: Final = ("k8s-app", "kube-dns")
OPENSHIFT_PORT: Final = 5353
KUBE_DNS: Final = ("kube-system", "kube-dns")
OPENSHIFT: Final = ("openshift-dns", "dns-default")
ASSUMED: Final = "kube-dns in kube-system on port 53 is assumed: no DNS Service is given"
EITHER: Final = "kube-dns on port 53, or OpenShift's dns-default on port 5353, is assumed: no DNS Service is given"
_RKE2: Final = ("kube-system", "rke2-coredns-rke2-coredns")
_SETTLE: Final = "--dns NAMESPACE/SERVICE says who does"
_LABELS: Final = {  # of the pods behind Services whose distribution always gives them these
    KUBE_DNS: {LABEL[0]: LABEL[1]},
    OPENSHIFT: {"dns.operator.openshift.io/daemonset-dns": "default"},
    _RKE2: {LABEL[0]: LABEL[1], "app.kubernetes.io/name": "rke2-coredns", "app.kubernetes.io/instance": "rke2-coredns"},
}
_PLACES: Final = (KUBE_DNS[0], OPENSHIFT[0])
_WORD: Final = "dns"
_ASKED: Final = (PORT, OPENSHIFT_PORT)
_NAMES: Final = ((Space.FIELD, "namespace"), (Space.NAMESPACE, NAME_LABEL))


def _made(place: tuple[str, str], port: int) -> Workload:
    namespace, name = place
    ports = (ContainerPort(port, "UDP", "dns"), ContainerPort(port, "TCP", "dns-tcp"))
    labels = Labels(_LABELS.get(place, {LABEL[0]: LABEL[1]}))
    kind = "DaemonSet" if place == OPENSHIFT else "Deployment"
    return Workload(
        WorkloadRef(kind, namespace, name), Template(PodClass(namespace, labels, ports, template=True), ports)
    )


ASSUMED_DNS: Final = _made(KUBE_DNS, PORT)
ASSUMED_OPENSHIFT_DNS: Final = _made(OPENSHIFT, OPENSHIFT_PORT)


def assumed(view: View) -> tuple[Workload, ...]:
    """Return who is assumed to answer: whom the settings name, else kube-dns, and OpenShift's where it may be that."""
    dns = view.settings.dns
    if dns.service:
        place = (dns.namespace or KUBE_DNS[0], dns.service)
        return (_made(place, dns.port or (OPENSHIFT_PORT if place == OPENSHIFT else PORT)),)
    if view.dialect.dns.openshift or any(name.startswith("openshift-") for name in view.namespaces.names()):
        return ASSUMED_DNS, ASSUMED_OPENSHIFT_DNS
    return (ASSUMED_DNS,)


def assumption(view: View) -> str:
    """Return what is said of it."""
    several = assumed(view)
    if not view.settings.dns.service:
        return ASSUMED if len(several) == 1 else EITHER
    (one,) = several
    pairs = ",".join(f"{key}={value}" for key, value in one.template.pod_class.labels.pairs)
    port = one.template.declares[0].number
    return f"the pods of {one.ref.short} are assumed to have {pairs} and to answer on port {port}: none is given"


def known(dns: Dns) -> bool:
    """Say whether the labels of the pods follow from the Service that the settings name."""
    return (dns.namespace or KUBE_DNS[0], dns.service) in _LABELS


def elsewhere(view: View, source: PodEnd) -> str | None:
    """Say which rule of the source opens look-ups to pods that may answer, and are not as assumed."""
    if known(view.settings.dns):
        return None
    for compiled, _ in view.policies.selecting(source.pod_class, Direction.EGRESS):
        for rule in compiled.rules:
            if rule.action is Action.ALLOW and (what := _opens(view, rule)):
                named = f"{rule.ref.titled} egress[{rule.ref.rule}]"
                return f"{named} opens {what}, which may be those that answer: {_SETTLE}"
    return None


def on_another_port(view: View, source: PodEnd) -> str | None:
    """Say which rule for the pods that are assumed lets the source in over UDP: they may answer on the port of that."""
    dns = view.settings.dns
    if dns.service and (known(dns) or dns.port):
        return None
    for one in assumed(view):
        for compiled, _ in view.policies.selecting(one.template.pod_class, Direction.INGRESS):
            for rule in compiled.rules:
                spoken = next((port for port in rule.ports or () if port.protocol == "UDP"), None)
                allows = rule.action is Action.ALLOW and spoken is not None
                if allows and peers_match(view, rule, source, IPV4) is not Truth.NO:
                    named = f"{rule.ref.titled} ingress[{rule.ref.rule}]"
                    return f"{named} opens {spoken}, on which they may answer: {_SETTLE}"
    return None


def _opens(view: View, rule: CompiledRule) -> str:
    """Return what a rule opens that looks like a way to DNS pods; empty: nothing does."""
    asked = next((port for port in rule.ports or () if _is_dns(port)), None)
    if asked is not None and any(_may_be_there(view, peer) for peer in rule.peers or ()):
        return f"{asked} to other pods"
    spoken = next((port for port in rule.ports or () if port.protocol == "UDP"), None)
    if spoken is not None and rule.peers is not None and _means_assumed(view, rule):
        return f"{spoken} to DNS pods"
    return ""


def _means_assumed(view: View, rule: CompiledRule) -> bool:
    ends = (PodEnd(one.template.pod_class) for one in assumed(view))
    return any(peers_match(view, rule, end, IPV4) is Truth.YES for end in ends)


def _is_dns(port: PortMatch) -> bool:
    if port.protocol != "UDP":
        return False
    if isinstance(port, NamedPort):
        return _WORD in port.name
    every = (port.first, port.last) == (FIRST_PORT, LAST_PORT)
    return not every and any(port.first <= number <= port.last for number in _ASKED)


def _may_be_there(view: View, peer: Peer) -> bool:
    """Say whether a peer may mean pods of a namespace where DNS pods are."""
    match peer:
        case PodMatch(namespace) if namespace is not None:
            return _is_place(namespace)
        case PodMatch():
            there = (*_PLACES, *(name for name in _named(peer) if _is_place(name)))
            return any(namespace_matches(view, peer, name) is not Truth.NO for name in there)
        case EndpointPeer(test):
            return any(holds(test, _asking(name)) is not Truth.NO for name in _PLACES)
        case AllOf(peers):
            return bool(peers) and all(_may_be_there(view, part) for part in peers)
        case _:
            return False


def _named(peer: PodMatch) -> Iterator[str]:
    for requirement in peer.namespaces.requirements:
        if requirement.key == NAME_LABEL:
            yield from requirement.values


def _is_place(namespace: str) -> bool:
    return namespace in _PLACES or _WORD in namespace


def _asking(namespace: str) -> Lookup:
    """Ask of pods of a namespace of which nothing else is known."""

    def asking(space: Space, key: str) -> Value:
        return namespace if (space, key) in _NAMES else Truth.MAYBE

    return asking

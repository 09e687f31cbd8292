"""Peers that would match but for what an enforcer reads into them: a namespace that nobody wrote, a label it hides."""

from collections.abc import Iterator
from typing import Final

from webhook.families.networkpolicy import isolates
from webhook.judge.dependency import Judged
from webhook.model.answers import CLOSED
from webhook.model.dialect import seen
from webhook.model.labels import NO_KEYS, AllOf, holds
from webhook.model.objects import PodClass, Workload
from webhook.model.peers import EndpointPeer, Peer, PodMatch
from webhook.model.policy import Direction, PodPeer, Policy
from webhook.model.refs import WorkloadRef
from webhook.model.tier import Action, CompiledPolicy
from webhook.model.truth import Truth
from webhook.world import View
from webhook.world.pod_labels import labels_of

_NAMESPACE: Final = "a peer of {ref} names no namespace and so means {own}: {remedy}"
_HIDDEN: Final = "label {key} is excluded from {cni}'s identities: the selector of {ref} never matches by it"
_KEYS: Final = {Direction.INGRESS: "fromEndpoints", Direction.EGRESS: "toEndpoints"}
Ends = tuple[Direction, PodClass, PodClass]  # which side is closed, whose it is, and the other end


def in_another_namespace(view: View, workload: Workload, judged: Judged) -> Iterator[str]:
    """S7: a peer of one of the enforcer's own policies selects the pod's labels, in the policy's own namespace."""
    policies = view.dialect.own
    if not policies.other_namespace:
        return
    for direction, subject, other in _closed(view, workload, judged):
        for compiled, truth in view.policies.selecting(subject, direction):
            own = compiled.ref.namespace
            if truth is Truth.NO or compiled.ref.group != policies.group or own in (None, other.namespace):
                continue
            if _meant(view, compiled, other):
                remedy = policies.other_namespace.format(other=other.namespace, key=_KEYS[direction])
                yield _NAMESPACE.format(ref=compiled.ref, own=own, remedy=remedy)


def _meant(view: View, compiled: CompiledPolicy, other: PodClass) -> bool:
    """Say whether a rule would match the other end if it were in the policy's namespace."""
    moved = PodClass(compiled.ref.namespace or "", other.labels, other.ports, account=other.account)
    return any(
        rule.action is Action.ALLOW and any(_by_labels(view, peer, moved) for peer in rule.peers or ())
        for rule in compiled.rules
    )


def _by_labels(view: View, peer: Peer, pod_class: PodClass) -> bool:
    match peer:
        case PodMatch(namespace=namespace, pods=pods) if namespace is not None:
            return namespace == pod_class.namespace and pods.matches(pod_class.labels) is Truth.YES
        case EndpointPeer(test):
            return holds(test, labels_of(view, pod_class)) is Truth.YES
        case AllOf(peers):
            return all(_by_labels(view, one, pod_class) for one in peers)
        case _:
            return False


def unseen_labels(view: View, workload: Workload, judged: Judged) -> Iterator[str]:
    """S10: a rule, or a policy, selects by a label that the enforcer keeps from its identities."""
    if view.dialect.peers.unseen is None:
        return
    for direction, subject, other in _closed(view, workload, judged):
        keys = view.settings.pending_labels if other.template else NO_KEYS
        for policy in view.policies.named(subject.namespace).values():
            for rule in policy.rules(direction) if isolates(policy, direction) else ():
                for peer in rule.peers or ():
                    if isinstance(peer, PodPeer) and peer.pods.matches(other.labels, keys) is not Truth.NO:
                        yield from _hidden(view, policy, [r.key for r in peer.pods.requirements])


def _hidden(view: View, policy: Policy, keys: list[str]) -> Iterator[str]:
    for key in keys:
        if not seen(key, view.dialect.peers.unseen):
            yield _HIDDEN.format(key=key, cni=view.dialect.name, ref=policy.ref)


def _closed(view: View, workload: Workload, judged: Judged) -> Iterator[Ends]:
    source = workload.template.pod_class
    for flow in judged.flows:
        for target in _pod_classes(view, flow.to) if isinstance(flow.to, WorkloadRef) else ():
            if flow.egress.verdict in CLOSED:
                yield Direction.EGRESS, source, target
            if flow.ingress.verdict in CLOSED:
                yield Direction.INGRESS, target, source


def _pod_classes(view: View, ref: WorkloadRef) -> Iterator[PodClass]:
    pods = view.pods.of(ref)
    found = view.workloads.get(ref)
    if pods:
        yield from dict.fromkeys(pod.pod_class for pod in pods)
    elif found is not None:
        yield found.template.pod_class

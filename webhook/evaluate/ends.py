"""The two ends of a packet, as policies see them; where a connection goes; pods that have no address yet."""

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct

from webhook.model.addresses import Address, Block, Family, Protocol, parse_block
from webhook.model.answers import Host
from webhook.model.labels import NO_KEYS, AllOf, AskedLabels, LabelKeys, Operator, Requirement
from webhook.model.objects import Pod, PodClass, Service, Workload
from webhook.model.peers import Peer, PodMatch
from webhook.model.policy import BlockPeer, Direction
from webhook.model.truth import Truth
from webhook.world import Group, View
from webhook.world.changes import Memo


class PodEnd(Struct, frozen=True, gc=False):
    """A pod, running or to come. `addresses` empty: not assigned yet; `node` empty: not scheduled yet."""

    pod_class: PodClass
    addresses: tuple[Address, ...] = ()
    node: str = ""

    def address(self, family: Family) -> Address | None:
        """Return the pod's address of one family."""
        return next((a for a in self.addresses if a.family == family), None)

    @property
    def families(self) -> tuple[Family, ...]:
        """The families that the pod has addresses of; empty: not assigned yet."""
        return tuple(sorted({a.family for a in self.addresses}))


class Outside(Struct, frozen=True, gc=False):
    """Addresses that belong to no pod: outside the cluster, or a node's.

    `pod`: some pod has them after all, and nothing else is known of it.
    """

    block: Block
    pod: bool = False


End = PodEnd | Outside
Target = Group | Block | Host


class Flow(Struct, frozen=True):
    """One (destination, protocol, port) after Service translation. `port` None: every port of an external name.

    `own`: the workload's own pods, through a Service that may hand a pod to itself. `local`: only backends on the
    client's node count. `families`: those that the Service uses; empty: any. `instead`: where a Service that took the
    address may lead it; `unsure` says so.
    """

    to: Target
    protocol: Protocol
    port: int | None
    service_port: int | None = None
    families: tuple[Family, ...] = ()
    own: bool = False
    local: bool = False
    declared: bool = True  # a container of the destination declares the port
    through: Service | None = None  # whose own address the client dials; None: it dials the destination itself
    instead: tuple["Flow", ...] = ()
    unsure: str | None = None


def ends_of_pod(pod: Pod) -> PodEnd:
    """Return a running pod as an end."""
    return PodEnd(pod.pod_class, pod.addresses, pod.node)


def ends_on_nodes(view: View, workload: Workload, end: PodEnd) -> tuple[PodEnd, ...]:
    """Return the pods of a DaemonSet on the host network, one for each node: where it runs it stays when it changes.

    `end`: one of them that is nowhere yet.
    """
    if workload.ref.kind != "DaemonSet" or not end.pod_class.host_network or end.node:
        return ()
    pods = view.pods.of(workload.ref)
    view.budget.spend(len(pods))
    placed = {pod.node: pod.addresses for pod in pods if pod.node and pod.pod_class.host_network}
    return tuple(PodEnd(end.pod_class, placed[node], node) for node in sorted(placed))


def template_end(view: View, workload: Workload) -> PodEnd:
    """Return a workload as an end: by its template, or a bare Pod by what it is.

    A pod to come on the host network may run on any node.
    """
    if workload.ref.kind == "Pod":
        running = view.pods.of(workload.ref)
        bare = running[0].bare if running else None
        if bare is not None and bare.template == workload.template:  # annotations are no part of a pod to policy
            return ends_of_pod(running[0])
    return PodEnd(workload.template.pod_class)


AMBIENT: Final = "istio.io/dataplane-mode"
WAYPOINT: Final = "istio.io/use-waypoint"
INJECTED: Final = "linkerd.io/control-plane-ns"  # a label that the injector adds to pods
_MESHES: Final = [Requirement(k, Operator.STARTS_WITH, frozenset({""})) for k in (AMBIENT, WAYPOINT, INJECTED)]
_Class = tuple[tuple[str, ...], object, tuple[tuple[str, str | None], ...]]
_ASKED: Final = Memo[tuple[str, ...], AskedLabels](10_000)  # by namespaces whose policies are asked
_MET: Final = Memo[_Class, PodClass](50_000)


def alike(view: View, end: PodEnd, *others: str) -> PodEnd:
    """Return the first end that was met of those that nobody tells from `end` who judges what it sends.

    That is by the policies of its namespace that let it out, by those of namespaces `others` that let it in, by those
    of the cluster and by meshes, and by Services' selectors not. Two pods that differ by a label for which none of
    these asks fare alike, and what is remembered of one is true of the other. What is said of a near miss or a fix
    names labels, and is asked of the pod itself.
    """
    met = class_alike(view, end.pod_class, others)
    return end if met is end.pod_class else PodEnd(met, end.addresses, end.node)


def class_alike(view: View, pod_class: PodClass, others: tuple[str, ...]) -> PodClass:
    """Return the class of pods of `alike`."""
    spaces = pod_class.namespace, *others
    asked = view.memo(_ASKED).get(spaces)
    if asked is None:
        out, into = dict.fromkeys(("", pod_class.namespace)), dict.fromkeys(("", *others))
        every = (
            *(one for space in out for one in view.policies.asked(space, Direction.EGRESS)),
            *(one for space in into for one in view.policies.asked(space, Direction.INGRESS)),
        )
        asked = view.memo(_ASKED)[spaces] = AskedLabels(_MESHES, every)
    rest = pod_class.ports, pod_class.host_network, pod_class.template, pod_class.account
    key, answers = (spaces, rest, asked.of(pod_class.labels)), view.memo(_MET)
    met = answers.get(key)
    if met is None:
        met = answers[key] = pod_class
    return met


ANY_KEY = LabelKeys(prefixes=("",))


def pods_match(view: View, peer: PodMatch, pod_class: PodClass) -> Truth:
    """Say whether a pod of `pod_class` is among the pods of `peer`."""
    here = Truth.YES
    if peer.namespace is None:
        here = namespace_matches(view, peer, pod_class.namespace)
        if here is Truth.NO:
            return here
    elif peer.namespace != pod_class.namespace:
        return Truth.NO
    found = peer.pods.matches(pod_class.labels, view.settings.pending_labels if pod_class.template else NO_KEYS)
    return found if here is Truth.YES else min(here, found)


def namespace_matches(view: View, peer: PodMatch, name: str) -> Truth:
    """Say whether the namespace selector of `peer` selects `name`; labels of a namespace nobody gave are not known."""
    namespace = view.namespaces.get(name)
    return peer.namespaces.matches(namespace.labels, ANY_KEY if namespace.synthetic else NO_KEYS)


PRIVATE: Final[dict[Family, tuple[Block, ...]]] = {
    4: tuple(map(parse_block, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"))),
    6: (parse_block("fc00::/7"),),
}
_SUPPOSED: Final = Memo[Family, bool](2)
SUPPOSED: Final = "pods without an address are assumed to have private ones (RFC 1918, 100.64.0.0/10, fc00::/7)"


def supposed_blocks(view: View, family: Family) -> tuple[Block, ...]:
    """Return where the addresses of pods to come are supposed to be from; empty: that cannot be told."""
    if view.complete:
        return ()
    answers = view.memo(_SUPPOSED)
    if family not in answers:
        answers[family] = all(
            any(block.holds(a) for block in PRIVATE[a.family]) for a in _known(view) if a.family == family
        )
    return PRIVATE[family] if answers[family] else ()


def _known(view: View) -> Iterator[Address]:
    for namespace in view.namespaces.names():
        for group in view.pods.groups(namespace):
            view.budget.spend(len(group.pods))
            yield from (a for pod in group.pods if not pod.pod_class.host_network for a in pod.addresses)


def supposes(view: View, ends: Iterable[tuple[PodClass, Direction]]) -> bool:
    """Say whether an answer about pods without an address may rest on what is supposed of it."""
    for pod_class, direction in ends:
        for compiled, _ in view.policies.selecting(pod_class, direction):
            for rule in compiled.rules:
                if any(_decided(view, peer) for peer in rule.peers or ()):
                    return True
    return False


def _decided(view: View, peer: Peer) -> bool:
    if isinstance(peer, AllOf):
        return any(_decided(view, one) for one in peer.parts)
    if not isinstance(peer, BlockPeer) or peer.pods is Truth.NO or (peer.block.prefix == 0 and not peer.excepts):
        return False
    family = peer.block.family
    return not view.pod_blocks(family) and not any(
        block.overlaps(peer.block) for block in supposed_blocks(view, family)
    )

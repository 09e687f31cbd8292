"""The two ends of a packet, as policies see them; and where a connection goes."""

from msgspec import Struct

from webhook.model.addresses import Address, Block, Family
from webhook.model.objects import Pod, Service, Shape, Workload
from webhook.model.ports import Protocol
from webhook.model.verdict import Host
from webhook.world import Group, View


class PodEnd(Struct, frozen=True):
    """A pod, running or to come. `addresses` empty: not assigned yet; `node` empty: not scheduled yet."""

    shape: Shape
    addresses: tuple[Address, ...] = ()
    node: str = ""

    def address(self, family: Family) -> Address | None:
        """Return the pod's address of one family."""
        return next((a for a in self.addresses if a.family == family), None)

    @property
    def families(self) -> tuple[Family, ...]:
        """The families that the pod has addresses of; empty: not assigned yet."""
        return tuple(sorted({a.family for a in self.addresses}))


class Outside(Struct, frozen=True):
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
    return PodEnd(pod.shape, pod.addresses, pod.node)


def template_end(view: View, workload: Workload) -> PodEnd:
    """Return a workload as an end: by its template, or a bare Pod by what it is.

    A pod to come on the host network may run on any node.
    """
    if workload.ref.kind == "Pod":
        running = view.pods_of(workload.ref)
        bare = running[0].bare if running else None
        if bare is not None and bare.template == workload.template:  # annotations are no part of a pod to policy
            return ends_of_pod(running[0])
    return PodEnd(workload.template.shape)

"""What policies select and dependencies point at: the projected objects of a cluster."""

from typing import Final

from msgspec import Struct

from webhook.model.addresses import Address, Block, ContainerPort, Family, Protocol
from webhook.model.hints import ContainerHints, Cut
from webhook.model.inbound import Scrape
from webhook.model.labels import NO_LABELS, Labels
from webhook.model.refs import WorkloadRef


class Namespace(Struct, frozen=True, gc=False):
    """A namespace; `synthetic`: nobody gave the object, only its `kubernetes.io/metadata.name` is known.

    `injected`: whether Linkerd adds its proxy to pods; None: nothing is said. `deleting`: it goes, with all in it.
    """

    name: str
    labels: Labels = NO_LABELS
    synthetic: bool = False
    injected: bool | None = None
    deleting: bool = False


UNKNOWN_ACCOUNT: Final = "?"  # in place of a ServiceAccount's name: pods run as one of which nothing is known


class PodClass(Struct, frozen=True, gc=False, cache_hash=True):
    """All that a policy can see of a pod but its addresses. Pods of one class are interchangeable.

    `ports` are the named ports, in the order in which Kubernetes looks a name up. `template`: labels that
    something adds to pods later are not there yet.
    """

    namespace: str
    labels: Labels = NO_LABELS
    ports: tuple[ContainerPort, ...] = ()
    host_network: bool = False
    template: bool = False
    account: str = ""  # the ServiceAccount's name, where it is kept


class Account(Struct, frozen=True, gc=False):
    """A ServiceAccount. `mounts`: whether its pods get a token for the API server where they do not say."""

    labels: Labels = NO_LABELS
    mounts: bool = True


class Owner(Struct, frozen=True, gc=False):
    """The controlling ownerReference of an object, by what it says."""

    kind: str
    name: str


class Pod(Struct, frozen=True, gc=False):
    """A pod. `live`: neither finished nor being deleted, so that it can be a backend.

    `bare`: the pod as a workload of its own, where no workload makes it; what a custom resource makes is one while it
    is live.
    """

    namespace: str
    name: str
    pod_class: PodClass
    addresses: tuple[Address, ...] = ()
    node: str = ""
    live: bool = True
    owner: Owner | None = None
    declares: tuple[ContainerPort, ...] = ()
    bare: "Workload | None" = None


class HostAlias(Struct, frozen=True, gc=False):
    """A line that is added to a pod's /etc/hosts: these names are this address, and nobody is asked."""

    address: Address
    names: tuple[str, ...]


class Template(Struct, frozen=True, gc=False):
    """A workload's pod template. `declares`: every declared port, named or not."""

    pod_class: PodClass
    declares: tuple[ContainerPort, ...] = ()
    dns_policy: str = "ClusterFirst"
    service_account: str = ""
    subdomain: str = ""
    scrape: Scrape | None = None  # by its annotations
    injected: bool | None = None  # whether Linkerd adds its proxy; None: the namespace says
    aliases: tuple[HostAlias, ...] = ()
    nameservers: tuple[Address, ...] = ()  # of its dnsConfig
    probed: tuple[int, ...] = ()  # ports that its probes ask on
    host_ports: tuple[tuple[Protocol, int], ...] = ()  # of its nodes, which lead to its pods
    token: bool = False  # whether a volume asks for a token for the API server
    mounts: bool | None = None  # whether pods get one anyway; None: their ServiceAccount says


class Declaration(Struct, frozen=True, gc=False):
    """The text of a netpol-preflight annotation and where it stood (`metadata` or `template`)."""

    text: str
    place: str


class Workload(Struct, frozen=True, gc=False):
    """A pod template in a namespace. `selector`: its own `matchLabels`; None where it has none (Job, Pod).

    `owner`: the workload that it says makes it. Whoever else it names, such as a custom resource, is none.
    """

    ref: WorkloadRef
    template: Template
    replicas: int | None = None
    labels: Labels = NO_LABELS
    selector: Labels | None = None
    owner: Owner | None = None
    connects_to: tuple[Declaration, ...] = ()
    exempt: tuple[Declaration, ...] = ()
    service_name: str = ""
    hints: tuple[ContainerHints, ...] = ()  # none where a workload made the object: that one is asked
    flags: tuple[
        str, ...
    ] = ()  # of a DaemonSet: `image=calico/node:v3.32.1` and the like, by which an agent is recognised
    uid: str = ""  # of the object, where it is in a cluster
    cut: tuple[Cut, ...] = ()


class ServicePort(Struct, frozen=True, gc=False):
    """One port of a Service. `target` is a number, a container port's name, or None (the same as `port`)."""

    port: int
    protocol: Protocol = "TCP"
    name: str = ""
    target: int | str | None = None
    node: int | None = None  # its node port


class Service(Struct, frozen=True, gc=False):
    """A Service. `selector` None: its endpoints are listed by hand; `families` empty: not known."""

    namespace: str
    name: str
    ports: tuple[ServicePort, ...] = ()
    selector: Labels | None = None
    labels: Labels = NO_LABELS
    headless: bool = False
    external_name: str | None = None
    cluster_ips: tuple[Address, ...] = ()
    outside_ips: tuple[Address, ...] = ()  # external and load balancer addresses
    taken_ips: tuple[Address, ...] = ()  # of these its external ones, which its author wrote and nobody gave it
    families: tuple[Family, ...] = ()
    local_only: bool = False  # internalTrafficPolicy: Local
    published: bool = False  # type LoadBalancer or NodePort
    balanced: bool = (
        False  # type LoadBalancer, of which it is known that clients' packets come as they are, or by nodes
    )
    internal: bool = False  # one for clients of private networks
    external_local: bool = False  # externalTrafficPolicy: Local
    outside_hosts: tuple[str, ...] = ()  # names of its load balancer
    scrape: Scrape | None = None  # by its annotations


class EndpointPort(Struct, frozen=True, gc=False):
    """One port of an EndpointSlice; `number` None: every port."""

    name: str
    protocol: Protocol
    number: int | None


class EndpointSlice(Struct, frozen=True, gc=False):
    """Addresses and ports behind a Service (`discovery.k8s.io/v1`). `unready`: those that get no traffic."""

    namespace: str
    name: str
    service: str
    addresses: tuple[Address, ...] = ()
    ports: tuple[EndpointPort, ...] = ()
    unready: tuple[Address, ...] = ()


class Endpoints(Struct, frozen=True, gc=False):
    """The `v1` Endpoints of a Service: its addresses and ports, as EndpointSlices would list them."""

    namespace: str
    name: str
    slices: tuple[EndpointSlice, ...] = ()


class Node(Struct, frozen=True, gc=False):
    """A node; `pod_blocks` are its `spec.podCIDRs`, `flags` what tells who enforces policy on it."""

    name: str
    addresses: tuple[Address, ...] = ()
    labels: Labels = NO_LABELS
    pod_blocks: tuple[Block, ...] = ()
    flags: tuple[str, ...] = ()

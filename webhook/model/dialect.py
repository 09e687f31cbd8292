"""What one enforcer makes of policy, as a value: which kinds it knows, their order, and where it departs from the API.

It is a part of the enforcer's record (`webhook.enforcers`), or its policy family makes it of its settings.
Everything else asks these values, and never a product's name. A default is what the API's documentation says.
"""

import re
from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Final

from msgspec import Struct

from webhook.model.addresses import FAMILIES, Address, Block, Family
from webhook.model.labels import Labels, Selector
from webhook.model.tier import ADMIN, BASELINE, NETWORK_POLICIES, CompiledPolicy, Precedence, Tier
from webhook.model.truth import Truth

Kind = tuple[str, str]  # API group, kind
NETWORK_POLICY: Final[Kind] = ("networking.k8s.io", "NetworkPolicy")
ADMIN_GROUP: Final = "policy.networking.k8s.io"
ANP: Final[Kind] = (ADMIN_GROUP, "AdminNetworkPolicy")
BANP: Final[Kind] = (ADMIN_GROUP, "BaselineAdminNetworkPolicy")
CNP: Final[Kind] = (ADMIN_GROUP, "ClusterNetworkPolicy")
FIRST_API: Final[frozenset[Kind]] = frozenset({ANP, BANP})
BOTH_APIS: Final[frozenset[Kind]] = FIRST_API | {CNP}
ADMIN_GROUPS: Final = frozenset({ADMIN_GROUP})
_REMEMBERED: Final = 10_000


class Support(StrEnum):
    """What an enforcer does with a kind of policy."""

    EVALUATED = "evaluated"
    INERT = "inert"  # nothing here enforces it
    DOUBTFUL = "doubtful"  # something may, and how is not known


class Unseen(Struct, frozen=True):
    """Label keys that an enforcer keeps from its identities, as anchored regular expressions.

    The longest match counts; an `include` wins over a shorter `ignore`. With `closed`, what no include names is unseen.
    """

    ignore: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    closed: bool = False


@lru_cache(maxsize=_REMEMBERED)
def seen(key: str, unseen: Unseen | None) -> bool:
    """Say whether selectors see a label with this key: the longest include must beat the shortest ignore."""
    if unseen is None:
        return True
    ignored = min((n for pattern in unseen.ignore if (n := _matched(pattern, key)) is not None), default=0)
    included = max((n for pattern in unseen.include if (n := _matched(pattern, key)) is not None), default=0)
    return included > ignored or not (unseen.closed or ignored)


def _matched(pattern: str, key: str) -> int | None:
    """Return how much of the key's beginning a pattern matches; None: nothing."""
    found = re.match(pattern, key)
    return found.end() if found else None


def visible(selector: Selector, unseen: Unseen | None) -> Selector | None:
    """Return `selector` without what always holds of keys that are not seen; None where it can hold of nobody."""
    if unseen is None or all(seen(r.key, unseen) for r in selector.requirements):
        return selector
    if any(not r.negative for r in selector.requirements if not seen(r.key, unseen)):
        return None
    return Selector(tuple(r for r in selector.requirements if seen(r.key, unseen)))


class TierOrder(Struct, frozen=True):
    """In which order policies are asked, and where a pod that one isolates is denied."""

    network_policies: Tier = NETWORK_POLICIES
    """The tier of NetworkPolicy."""
    precedence: Precedence = ()
    """The precedence of NetworkPolicy in that tier."""
    ties: tuple[str, ...] = ()
    """What follows in that precedence where others may share it, as templates of `{namespace}` and `{name}`."""
    default_deny: Tier | None = None
    """The tier at whose end the pods are denied that a NetworkPolicy isolates; None: at the end of its own."""
    own_node: tuple[tuple[Tier, Precedence, bool], ...] = ()
    """Where (tier, precedence) pods that a policy isolates in ingress are open to their own node; the flag: surely."""
    admin: Tier = ADMIN
    """The tier of cluster-wide policies before NetworkPolicy."""
    baseline: Tier = BASELINE
    """The tier of those after it."""
    deny_first: bool = False
    """Of rules of cluster-wide policies of one priority, one that denies comes first; else they have no order."""
    by_name: bool = False
    """Cluster-wide policies of one priority are ordered by name."""
    may_skip_baseline: bool = False
    """Of pods that a NetworkPolicy selects for one direction, the Baseline tier may not be asked in the other."""


class AddressSet(Struct, frozen=True):
    """Addresses that have labels as pods do, by which peers select them."""

    name: str
    """The kind and the name of the object that lists them."""
    labels: Labels
    blocks: Sequence[Block]


class PeerReading(Struct, frozen=True):
    """Whom the selectors of policies, and of their peers, match."""

    unseen: Unseen | None = None
    """Label keys that pods do not have for selectors; None: they have all of theirs."""
    namespace_key: str = ""
    """The key of a pod label that means the pod's namespace; empty: there is none."""
    pods: Truth = Truth.YES
    """Whether a peer matches the pods that it selects."""
    loose_pods: bool = False
    """A NetworkPolicy's peer that asks only what a namespace lacks matches whatever has no namespace, too."""
    loose_namespaces: bool = False
    """The same of `namespaces` of a cluster-wide policy."""
    empty_is_all: bool = False
    """Of cluster-wide policies: an empty list of peers, which the API refuses, is all peers."""
    closed: frozenset[str] = frozenset()
    """Of cluster-wide policies: fields of a peer that are not known, so that its rule fails closed."""
    refused: frozenset[str] = frozenset()
    """Of cluster-wide policies: fields of a peer for which the whole policy is refused."""
    members: tuple[tuple[Labels | None, Block], ...] = ()
    """Addresses that count as pods of a namespace where a peer names namespaces alone, with the namespace's labels.

    None: the labels are not known.
    """
    address_sets: tuple[AddressSet, ...] = ()
    """Sets of addresses that are of no namespace, so that a peer which names one does not select them."""
    of_no_namespace: str = ""
    """What a peer has to say, besides labels, to select these."""


class BlockReading(Struct, frozen=True):
    """Which addresses an address block holds, and where pods get theirs."""

    pods: Truth = Truth.YES
    """Whether a block holds the addresses of pods."""
    nodes: Truth = Truth.YES
    """Whether it holds those of nodes."""
    whole_nodes: Truth = Truth.YES
    """Whether a block that is all of an address family holds nodes, where others do."""
    pod_ranges: tuple[Block, ...] | None = None
    """Where the addresses of new pods come from; None: from the pod CIDRs of nodes; empty: not known."""


class PortReading(Struct, frozen=True):
    """What the ports of a rule are."""

    names_by_target: bool = True
    """A port name in egress is what the pod that is asked calls so; else what any pod of the cluster does."""
    names_pooled: bool = False
    """One in ingress is what any of the pods that the policy selects calls so, on each of them."""
    names_refused: str = ""
    """Why a policy that names a port is not enforced, or may not be; empty: it is."""
    ranges: bool = True
    """Whether a range of ports is more than its first."""


class NodeReading(Struct, frozen=True):
    """What policy says about nodes, and pods on the host network."""

    own_reaches_pods: bool = True
    """A node reaches its own pods whatever policy says."""
    pods_reach_own: Truth = Truth.NO
    """Whether a pod reaches its own node whatever policy says."""
    own_accepts: Truth = Truth.YES
    """Whether a packet that policy lets out of a pod gets to the pod's own node."""
    own_setting: str = ""
    """The setting, with its value, by which it does not."""
    host_pods: Truth = Truth.NO
    """Whether peers match pods on the host network by their labels."""
    host_namespace: Labels | None = None
    """Labels of the namespace by which peers match nodes and pods on the host network; None: there is none."""
    selected: str = ""
    """Why policies may select nodes and pods on the host network; empty: none does."""


class ServiceReading(Struct, frozen=True):
    """What policy sees of a connection to a Service's address."""

    egress_before: bool = False
    """Egress is judged before translation, by the address and the port of the Service."""
    hairpin: Truth = Truth.MAYBE
    """Whether a pod reaches itself through its own Service whatever policy says; NO: policy is asked as usual."""
    hairpin_ingress: bool = False
    """Ingress lets in what comes back to a pod through its own Service."""


class DnsReading(Struct, frozen=True):
    """Whom pods ask for names."""

    openshift: bool = False
    """The cluster's DNS may be the one of OpenShift."""
    addresses: tuple[Address, ...] = ()
    """Resolvers that are no pods."""


class Certainty(Struct, frozen=True):
    """What keeps answers from being sure; each a reason, and empty where there is none."""

    unenforced: str = ""
    """Why no policy is enforced at all."""
    undecided: str = ""
    """Why the enforcer may be set otherwise, so that nothing rejects."""
    network_policies: str = ""
    """Why NetworkPolicy may do anything to the pods that it selects."""
    doubt: str = ""
    """Why no answer under the enforcer can be sure."""
    notes: tuple[str, ...] = ()
    """What a person should know of every answer under it."""


class OwnPolicies(Struct, frozen=True):
    """What the enforcer's own kinds of policy can say that NetworkPolicy cannot."""

    group: str = ""
    """Their API group; empty: there are none."""
    kind: str = ""
    """The kind that a person writes; empty: there is none."""
    fqdn_rules: bool = False
    """They have rules for names outside the cluster."""
    entities: bool = False
    """They name nodes and the API server by what they are, not by address."""
    other_namespace: str = ""
    """What makes a peer in field `{key}` name namespace `{other}` instead of the policy's own; empty: not known."""
    nodes_in_blocks: str = ""
    """The setting by which blocks hold nodes."""


class Dialect(Struct, frozen=True):
    """How one enforcer reads policies: what it evaluates, in which order, and where it departs from the API's word."""

    name: str = "generic"
    """Its name, as `--cni` takes it."""
    evaluated: frozenset[Kind] = frozenset()
    """Kinds of policy that are evaluated."""
    inert: frozenset[Kind] = frozenset()
    """Kinds of policy that nothing here enforces."""
    outside_types: Truth = Truth.NO
    """Whether rules of a NetworkPolicy count that its `policyTypes` leaves out."""
    without_policy: tuple[CompiledPolicy, ...] = ()
    """What it does without any policy, as compiled policies."""
    rejects: Truth = Truth.NO
    """Whether what policy denies is answered by a refusal, and not by silence."""
    families: tuple[Family, ...] = FAMILIES
    """IP families of which it enforces policy."""
    tiers: TierOrder = TierOrder()
    """In which order policies are asked."""
    peers: PeerReading = PeerReading()
    """Whom selectors and peers match."""
    blocks: BlockReading = BlockReading()
    """Which addresses a block holds."""
    ports: PortReading = PortReading()
    """Which ports a rule opens."""
    nodes: NodeReading = NodeReading()
    """What policy says about nodes, and pods on the host network."""
    services: ServiceReading = ServiceReading()
    """What it sees of connections to Services."""
    dns: DnsReading = DnsReading()
    """Whom pods ask for names."""
    certainty: Certainty = Certainty()
    """What keeps answers from being sure."""
    own: OwnPolicies = OwnPolicies()
    """What its own kinds of policy can say."""


GENERIC: Final = Dialect()

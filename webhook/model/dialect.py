"""What one enforcer makes of policy: which families it knows, where they stand, and what it does in its own way.

Each family module says its enforcers' dialects; everything else asks these values and never a product's name.
"""

import re
from enum import StrEnum
from functools import lru_cache
from typing import Final

from msgspec import Struct

from webhook.model.addresses import FAMILIES, Address, Block, Family
from webhook.model.labels import Labels, Operator, Selector
from webhook.model.tier import ADMIN, BASELINE, NETWORK_POLICIES, Isolation, Rank, Tier
from webhook.model.truth import Truth

Kind = tuple[str, str]  # API group, kind
NETWORK_POLICY: Final[Kind] = ("networking.k8s.io", "NetworkPolicy")
ADMIN_GROUP: Final = "policy.networking.k8s.io"
ANP: Final[Kind] = (ADMIN_GROUP, "AdminNetworkPolicy")
BANP: Final[Kind] = (ADMIN_GROUP, "BaselineAdminNetworkPolicy")
CNP: Final[Kind] = (ADMIN_GROUP, "ClusterNetworkPolicy")
FIRST_API: Final[frozenset[Kind]] = frozenset({ANP, BANP})
BOTH_APIS: Final[frozenset[Kind]] = FIRST_API | {CNP}
_ABSENT: Final = frozenset({Operator.NOT_IN, Operator.DOES_NOT_EXIST})
_REMEMBERED: Final = 10_000


class Standing(StrEnum):
    """What becomes of a kind of policy."""

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
    if any(r.operator not in _ABSENT for r in selector.requirements if not seen(r.key, unseen)):
        return None
    return Selector(tuple(r for r in selector.requirements if seen(r.key, unseen)))


class Dialect(Struct, frozen=True):
    """How one enforcer reads policies: what it evaluates, in which order, and where it departs from the API's word."""

    name: str = "generic"
    evaluated: frozenset[Kind] = frozenset()
    """Kinds of policy that are evaluated."""
    inert: frozenset[Kind] = frozenset()
    """Kinds that nothing here enforces."""
    network_policies: Tier = NETWORK_POLICIES
    """The tier of NetworkPolicy."""
    rank: Rank = ()
    """Its rank in that tier."""
    ties: tuple[str, ...] = ()
    """What follows in its rank where others may share it, as templates of `{namespace}` and `{name}`."""
    closing: Tier | None = None
    """The tier at whose end the pods are denied that a NetworkPolicy isolates; None: at the end of its own."""
    admin: Tier = ADMIN
    """The tier of cluster-wide policies before NetworkPolicy."""
    baseline: Tier = BASELINE
    """The tier of those after it."""
    deny_first: bool = False
    """Of cluster-wide policies of one priority a denial wins; else they have no order."""
    by_name: bool = False
    """Cluster-wide policies of one priority are ordered by name."""
    blocks_hold_pods: Truth = Truth.YES
    """Whether an address block holds the addresses of pods."""
    blocks_hold_nodes: Truth = Truth.YES
    """Whether it holds those of nodes."""
    honours_idle: Truth = Truth.NO
    """Whether rules count that `policyTypes` leaves out."""
    own_node: bool = True
    """A node reaches its own pods whatever policy says."""
    to_own_node: Truth = Truth.YES
    """Whether a packet that policy lets out reaches the pod's own node."""
    before_translation: bool = False
    """Egress is judged by the Service's address."""
    unseen: Unseen | None = None
    """Label keys that its identities do not have."""
    from_own_node: tuple[tuple[Tier, Rank, bool], ...] = ()
    """Places (tier, rank) where a pod that rules for ingress select is open to its own node; the flag: surely."""
    whole_blocks_hold_nodes: Truth = Truth.YES
    """Whether a block that is all of an address family holds nodes, where others do."""
    namespace_key: str = ""
    """A pod label's key that means the pod's namespace."""
    pod_peers: Truth = Truth.YES
    """Whether NetworkPolicy peers match the pods that they select."""
    hairpin: Truth = Truth.MAYBE
    """Whether a pod reaches itself through its own Service whatever policy says; NO: policy is asked as usual."""
    resolves_names: bool = True
    """A port name in egress is what the pod that is asked calls so."""
    pools_names: bool = False
    """One in ingress is what any of the pods that the policy selects calls so, on each of them."""
    loose_peers: bool = False
    """Peers that ask only what a namespace lacks match whatever has none."""
    pieces: tuple[Isolation, ...] = ()
    """What it does without any policy."""
    unenforced: str = ""
    """Why it enforces no policy at all; empty: it does."""
    undecided: str = ""
    """Why it may be set otherwise, so that nothing rejects."""
    unknown_peers: frozenset[str] = frozenset()
    """Of cluster-wide policies: peers that fail closed, as one without a field does."""
    refused_peers: frozenset[str] = frozenset()
    """Peers with one of which the whole policy is refused."""
    loose_namespaces: bool = False
    """Namespaces that are told by what they lack may be whatever has no namespace, too."""
    no_peers_are_all: bool = False
    """An empty list of peers, which the API refuses, is all."""
    members: tuple[tuple[Labels | None, Block], ...] = ()
    """Addresses that count as pods of a namespace where a peer names namespaces alone, with the namespace's labels.

    None: not known.
    """
    pod_blocks: tuple[Block, ...] | None = None
    """Where the addresses of new pods come from; None: from the blocks of nodes; empty: not known."""
    refuses: bool = False
    """What policy stops is answered by a refusal, and not by silence."""
    may_skip_baseline: bool = False
    """Of pods that a NetworkPolicy selects for one direction, the Baseline tier may not be asked in the other."""
    hairpin_in: bool = False
    """What comes back to a pod through its own Service is let in."""
    port_names: str = ""
    """Why a policy that names a port is no policy; empty: it is one."""
    port_ranges: bool = True
    """Whether a range of ports is more than its first."""
    host_pods: Truth = Truth.NO
    """Whether peers match pods on the host network by their labels."""
    host_namespace: Labels | None = None
    """Labels of the namespace by which peers may match nodes and pods on the host network."""
    hosts: str = ""
    """Why policy may be about nodes and pods on the host network; empty: it is not."""
    past_own_node: Truth = Truth.NO
    """Whether a pod reaches its own node whatever policy says."""
    families: tuple[Family, ...] = FAMILIES
    """Address families that are policed as written."""
    openshift: bool = False
    """The DNS of the cluster may be OpenShift's."""
    dns_addresses: tuple[Address, ...] = ()
    """Whom pods ask where no pod answers."""
    uncertain: str = ""
    """Why NetworkPolicy may do anything to the pods that it selects."""
    doubt: str = ""
    """Why no answer under it can be sure."""
    notes: tuple[str, ...] = ()
    """What a person should know of every answer under it."""
    fqdn_rules: bool = False
    """Its own policies have rules for names outside."""
    entities: bool = False
    """Its own policies name nodes and the API server by what they are, not by address."""


GENERIC: Final = Dialect()

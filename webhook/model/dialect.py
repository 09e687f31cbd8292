"""What one enforcer makes of policy: which families it knows, where they stand, and what it does in its own way.

Each family module says its enforcers' dialects; everything else asks these values and never a product's name.
"""

from enum import StrEnum
from typing import Final

from msgspec import Struct

from webhook.model.addresses import FAMILIES, Address, Block, Family
from webhook.model.labels import Labels
from webhook.model.tier import ADMIN, BASELINE, NETWORK_POLICIES, Isolation, Rank, Tier
from webhook.model.truth import Truth

Kind = tuple[str, str]  # API group, kind
NETWORK_POLICY: Final[Kind] = ("networking.k8s.io", "NetworkPolicy")


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


class Dialect(Struct, frozen=True):
    """How one enforcer reads policies.

    `network_policies`, `rank`: where NetworkPolicy stands; `ties`: what follows in its rank where others may share it,
    as templates of `{namespace}` and `{name}`. `closing`: the tier at whose end the pods are denied that a
    NetworkPolicy isolates; None: at the end of its own. `admin`, `baseline`: the tiers of cluster-wide policies.
    `deny_first`: of cluster-wide policies of one priority a denial wins; else they have no order.
    `by_name`: they are ordered by name. `blocks_hold_pods`, `blocks_hold_nodes`: whether an address block holds the
    addresses of pods and of nodes. `honours_idle`: whether rules count that `policyTypes` leaves out. `own_node`: a
    node reaches its own pods whatever policy says. `before_translation`: egress is judged by the Service's address.
    `to_own_node`: whether a packet that policy lets out reaches the pod's own node.
    `pod_blocks`: where the addresses of new pods come from; None: from the blocks of nodes; empty: not known.
    `from_own_node`: places where a pod that rules for ingress select is open to its own node; the flag says whether
    surely. `whole_blocks_hold_nodes`: whether a block that is all of an address family holds nodes, where others do.
    `namespace_key`: a pod label's key that means the pod's namespace. `pod_peers`: whether NetworkPolicy peers match
    the pods that they select; `loose_peers`: those that ask only what a namespace lacks match whatever has none.
    `hairpin`: whether a pod reaches itself through its own Service whatever policy says; NO: policy is asked as usual.
    `hairpin_in`: what comes back to it that way is let in.
    `resolves_names`: a port name in egress is what the pod that is asked calls so. `pools_names`: one in ingress is
    whatever any of the pods that the policy selects calls so, on each of them.
    `pieces`: what the enforcer does without any policy. `unenforced`: why it enforces none at all; empty: it does.
    `undecided`: why it may be set otherwise, so that nothing rejects.
    `refuses`: what policy stops is answered by a refusal, and not by silence. `port_names`: why a policy
    that names a port is no policy; empty: it is one. `port_ranges`: whether a range of ports is more than its
    first. `host_pods`: whether peers match pods on the host network by their labels; `host_namespace`: labels of the
    namespace by which peers may match them and nodes. `hosts`: why policy may be about nodes and pods on the host
    network; empty: it is not. `past_own_node`: whether a pod reaches its own node whatever policy says. `families`:
    of addresses that are policed as written. `openshift`: the DNS of the cluster may be OpenShift's.
    `dns_addresses`: whom pods ask where no pod answers.
    `may_skip_baseline`: of pods that a NetworkPolicy selects for one direction, the Baseline tier may not be asked in
    the other. `uncertain`: why NetworkPolicy may do anything to the pods that it selects.
    Of cluster-wide policies: `unknown_peers` are peers that fail closed, as one without a field does; with one of
    `refused_peers` the whole policy is refused; with `loose_namespaces`, namespaces that are told by what they lack
    may be whatever has no namespace, too; `no_peers_are_all`: an empty list of peers, which the API refuses, is all;
    `members`: addresses that count as pods of a namespace where a peer names namespaces alone, with the namespace's
    labels (None: not known).
    """

    name: str = "generic"
    evaluated: frozenset[Kind] = frozenset()
    inert: frozenset[Kind] = frozenset()
    network_policies: Tier = NETWORK_POLICIES
    rank: Rank = ()
    ties: tuple[str, ...] = ()
    closing: Tier | None = None
    admin: Tier = ADMIN
    baseline: Tier = BASELINE
    deny_first: bool = False
    by_name: bool = False
    blocks_hold_pods: Truth = Truth.YES
    blocks_hold_nodes: Truth = Truth.YES
    honours_idle: Truth = Truth.NO
    own_node: bool = True
    to_own_node: Truth = Truth.YES
    before_translation: bool = False
    unseen: Unseen | None = None
    from_own_node: tuple[tuple[Tier, Rank, bool], ...] = ()
    whole_blocks_hold_nodes: Truth = Truth.YES
    namespace_key: str = ""
    pod_peers: Truth = Truth.YES
    hairpin: Truth = Truth.MAYBE
    resolves_names: bool = True
    pools_names: bool = False
    loose_peers: bool = False
    pieces: tuple[Isolation, ...] = ()
    unenforced: str = ""
    undecided: str = ""
    unknown_peers: frozenset[str] = frozenset()
    refused_peers: frozenset[str] = frozenset()
    loose_namespaces: bool = False
    no_peers_are_all: bool = False
    members: tuple[tuple[Labels | None, Block], ...] = ()
    pod_blocks: tuple[Block, ...] | None = None
    refuses: bool = False
    may_skip_baseline: bool = False
    hairpin_in: bool = False
    port_names: str = ""
    port_ranges: bool = True
    host_pods: Truth = Truth.NO
    host_namespace: Labels | None = None
    hosts: str = ""
    past_own_node: Truth = Truth.NO
    families: tuple[Family, ...] = FAMILIES
    openshift: bool = False
    dns_addresses: tuple[Address, ...] = ()
    uncertain: str = ""
    doubt: str = ""  # why no answer under it can be sure


GENERIC: Final = Dialect()

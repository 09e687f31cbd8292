"""Selectors of endpoints: pods by their labels, nodes and the world by what is reserved for them.

Keys have a source: `k8s:app`, `reserved:host` (`pkg/labels`, `pkg/policy/api/selector.go`).
"""

from collections.abc import Iterator
from typing import Final

from webhook.families.cilium.settings import Config, Context
from webhook.model.dialect import seen
from webhook.model.labels import ALWAYS, NEVER, AllOf, NoneOf, Operator, Predicate, Requirement, Selector, Space
from webhook.model.peers import EndpointPeer, NodePeer, Peer, Place, PlacePeer, PodMatch
from webhook.model.policy import UnclearPeer
from webhook.model.truth import Truth
from webhook.wire.networkpolicies import selector
from webhook.wire.shapes import Raw, fail, mapping

ANY: Final = "any"
K8S: Final = "k8s"
RESERVED: Final = "reserved"
NODE: Final = "node"
NAMESPACE: Final = "io.kubernetes.pod.namespace"
NAMESPACE_LABELS: Final = "io.cilium.k8s.namespace.labels."
ACCOUNT: Final = "io.cilium.k8s.policy.serviceaccount"
CLUSTER: Final = "io.cilium.k8s.policy.cluster"
POD_SOURCES: Final = frozenset({ANY, K8S})
AGGREGATE: Final = "is true of whoever has no labels, and so may select all pods, addresses or nodes at once"
CLUSTER_HIDDEN: Final = "asks for the cluster's label, which setting `labels` keeps from pods or not, by version"
_API_SERVER: Final = "kube-apiserver"
_RESERVED_OF: Final = {
    Place.OWN_NODE: frozenset({"host"}),
    Place.OTHER_NODE: frozenset({"remote-node"}),
    Place.WORLD: frozenset({"world"}),
}
_SUB_WORLDS: Final = frozenset({"world", "world-ipv4", "world-ipv6"})  # which is there depends on the address families
_FIELDS: Final = {NAMESPACE: "namespace", ACCOUNT: "account"}


class LabelRequirement(Requirement, frozen=True, gc=False):
    """A requirement on a label of `source` (`any`: of whatever source)."""

    source: str = ANY

    @property
    def of_pod(self) -> bool:
        """Whether a label of a pod can meet it."""
        return self.source in POD_SOURCES

    def on(self, key: str, space: Space = Space.POD) -> Requirement:
        """Return the same requirement on a label `key` of `space`, whatever its source."""
        return Requirement(key, self.operator, self.values, space)


LabelRequirements = tuple[LabelRequirement, ...]


def requirements_of(raw: Raw, path: str) -> LabelRequirements:
    """Read a selector. Raises Malformed."""
    found = selector(raw, path)
    return tuple(_requirement(r.key, r.operator, r.values, path) for r in found.requirements)


def _requirement(text: str, operator: Operator, values: frozenset[str], path: str) -> LabelRequirement:
    source, key = _split(text)
    if not key:
        fail(path, "expected a label's key after its source")
    return LabelRequirement(key, operator, values, source=source)


def _split(text: str) -> tuple[str, str]:
    """Split a key as `parseSource` does; what follows `=` is no part of it."""
    source, colon, key = text.partition(":")
    if not colon:
        source, key = (RESERVED, text[1:]) if text.startswith("$") else (ANY, text)
        if text.startswith(f"{RESERVED}."):
            source, key = RESERVED, text.removeprefix(f"{RESERVED}.")
    return source or ANY, key.partition("=")[0]


def one(source: str, key: str, value: str) -> LabelRequirement:
    """Return the requirement that a label has a value."""
    return LabelRequirement(key, Operator.IN, frozenset((value,)), source=source)


def exists(source: str, key: str) -> LabelRequirement:
    """Return the requirement that a label is there."""
    return LabelRequirement(key, Operator.EXISTS, source=source)


def subject_of(spec: Raw, path: str, namespace: str | None) -> LabelRequirements:
    """Read `endpointSelector`: in a namespaced policy the policy's own namespace takes the place of any other."""
    raw = mapping(spec, "endpointSelector", path)
    labels = mapping(raw, "matchLabels", f"{path}.endpointSelector")
    if namespace is not None and labels:
        kept = {key: value for key, value in labels.items() if key != f"{K8S}:{NAMESPACE}"}
        raw = {**raw, "matchLabels": kept}
    found = requirements_of(raw, f"{path}.endpointSelector")
    return found if namespace is None else (*found, one(K8S, NAMESPACE, namespace))


def peer_requirements(requirements: LabelRequirements, context: Context) -> LabelRequirements:
    """Add what a peer's selector does not say: the policy's namespace (or any), and the local cluster.

    Source: `getEndpointSelector` of `pkg/k8s/apis/cilium.io/utils`.
    """
    namespace, config = context.namespace, context.config
    if any(requirement.source == RESERVED for requirement in requirements):
        return requirements
    found = list(requirements)
    if not names(requirements, NAMESPACE):
        if namespace is None:
            found += [] if context.unlabelled else [exists(K8S, NAMESPACE)]
        elif not any(
            requirement.of_pod and requirement.key.startswith(NAMESPACE_LABELS) for requirement in requirements
        ):
            found.append(one(K8S, NAMESPACE, namespace))
    if config.local_cluster is not False and not names(requirements, CLUSTER):
        found.append(one(K8S, CLUSTER, config.cluster))
    return tuple(found)


def names(requirements: LabelRequirements, key: str) -> bool:
    """Say whether a selector asks for a label of pods."""
    return any(requirement.of_pod and requirement.key == key for requirement in requirements)


def ends_of(requirements: LabelRequirements, config: Config, own: str | None = None) -> tuple[Peer, ...]:
    """Return whom a complete selector matches. `own`: the namespace that it was given, as it named none itself."""
    if any(requirement.source == RESERVED and requirement.key == "all" for requirement in requirements):
        return (UnclearPeer("asks for `reserved:all`, which stands for all ends in some versions"),)
    if cluster_hidden(config) is Truth.MAYBE:
        requirements = tuple(requirement for requirement in requirements if requirement.key != CLUSTER)
    matches: list[Peer] = [*_pods(requirements, config, own)]
    for place in _RESERVED_OF:
        matches += at(place, requirements, config)
    if cluster_hidden(config) is Truth.MAYBE:
        return tuple(AllOf((peer, UnclearPeer(CLUSTER_HIDDEN))) for peer in matches)
    if requirements and all(requirement.negative for requirement in requirements):
        matches.append(UnclearPeer(AGGREGATE))
    return tuple(matches)


def cluster_hidden(config: Config) -> Truth:
    """Say whether peers ask for the cluster's label while setting `labels` keeps it from pods, so that none match."""
    if config.local_cluster is False or seen(CLUSTER, config.unseen):
        return Truth.NO
    return Truth.MAYBE if config.local_cluster is None else Truth.YES


def pod_condition(requirements: LabelRequirements, config: Config) -> Predicate:
    """Return the predicate on pods that a complete selector is."""
    parts: list[Predicate] = []
    for requirement in requirements:
        folded = _folded(requirement, config)
        if folded is False:
            return NEVER
        if folded is not True:
            space, key = folded
            parts.append(requirement.on(key, space))
    return AllOf(tuple(parts)) if parts else ALWAYS


def split_condition(requirements: LabelRequirements, config: Config) -> tuple[Selector, Predicate | None]:
    """Return the same as a selector of the pods' own labels, and a condition on the rest (None: none)."""
    of_pods: list[Requirement] = []
    rest: list[LabelRequirement] = []
    for requirement in requirements:
        folded = _folded(requirement, config)
        if isinstance(folded, tuple) and folded[0] is Space.POD:
            of_pods.append(requirement.on(folded[1]))
        else:
            rest.append(requirement)
    condition = pod_condition(tuple(rest), config)
    return Selector(tuple(of_pods)), None if condition == ALWAYS else condition


def _folded(requirement: LabelRequirement, config: Config) -> bool | tuple[Space, str]:
    """Say whether a requirement holds for every pod, or for none; else what it asks for."""
    if not requirement.of_pod or not seen(requirement.key, config.unseen):
        return requirement.negative
    always = requirement.operator in (Operator.EXISTS, Operator.DOES_NOT_EXIST)
    if requirement.key == CLUSTER:
        return requirement.holds(config.cluster)
    if requirement.key in _FIELDS:
        return requirement.operator is Operator.EXISTS if always else (Space.FIELD, _FIELDS[requirement.key])
    if requirement.key.startswith(NAMESPACE_LABELS):
        return Space.NAMESPACE, requirement.key.removeprefix(NAMESPACE_LABELS)
    return Space.POD, requirement.key


def _pods(requirements: LabelRequirements, config: Config, own: str | None) -> Iterator[Peer]:
    """Return the pods that a selector matches; where it has that form, by namespace and labels, which can be worded."""
    condition = pod_condition(requirements, config)
    if condition == NEVER:
        return
    pods: list[Requirement] = []
    namespaces: list[Requirement] = []
    named: set[str] = set()
    for requirement in requirements:
        match _folded(requirement, config):
            case (Space.POD, key):
                pods.append(requirement.on(key))
            case (Space.NAMESPACE, key):
                namespaces.append(requirement.on(key))
            case (Space.FIELD, "namespace") if requirement.operator is Operator.IN and len(requirement.values) == 1:
                named |= requirement.values
            case (_, _):
                yield EndpointPeer(condition)
                return
            case _:
                continue
    if named and (namespaces or len(named) > 1):
        yield EndpointPeer(condition)
    elif named:
        (namespace,) = named
        yield PodMatch(namespace, pods=Selector(tuple(pods)), own=namespace == own)
    else:
        yield PodMatch(None, Selector(tuple(namespaces)), Selector(tuple(pods)))


def at(place: Place, requirements: LabelRequirements, config: Config) -> Iterator[Peer]:
    """Yield what of a place that is no pod a selector matches, if it can match any of it."""
    conditions: list[Peer] = [PlacePeer(place)]
    for requirement in requirements:
        met = _met(requirement, place, config)
        if met is False:
            return
        if met is not True:
            conditions.append(met)
    yield conditions[0] if len(conditions) == 1 else AllOf(tuple(conditions))


def _met(requirement: LabelRequirement, place: Place, config: Config) -> bool | Peer:
    """Say whether what is at a place meets a requirement; else on what that depends."""
    if requirement.source in (RESERVED, ANY):
        if requirement.key in _RESERVED_OF[place] and not (place is Place.WORLD and config.dual_stack):
            return requirement.holds("")
        if requirement.key == _API_SERVER:
            return _either(requirement, PlacePeer(Place.API_SERVER))
        if requirement.key in _SUB_WORLDS and place is Place.WORLD:
            return UnclearPeer(
                f"asks for `reserved:{requirement.key}`, which depends on the cluster's address families"
            )
    if place is Place.WORLD and requirement.source not in (RESERVED, ANY, K8S, NODE):
        return UnclearPeer(
            f"asks for labels of source `{requirement.source}`, and which addresses have them cannot be told"
        )
    if place is Place.OTHER_NODE and requirement.source in (NODE, ANY) and config.node_labels:
        if config.node_filter:
            return UnclearPeer("asks for labels of nodes, of which the setting `node-labels` keeps some")
        return NodePeer(Selector((requirement.on(requirement.key),)))
    if place is Place.OTHER_NODE and requirement.of_pod and requirement.key == CLUSTER and config.node_labels:
        return requirement.holds(config.cluster)
    return requirement.negative


def _either(requirement: LabelRequirement, peer: Peer) -> bool | Peer:
    """Return whom a requirement matches on a label with an empty value, which `peer` has and nobody else."""
    if requirement.holds("") == requirement.holds(None):
        return requirement.negative
    return peer if requirement.holds("") else NoneOf((peer,))

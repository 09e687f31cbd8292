"""CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy -> compiled policies (`pkg/policy/{repository,mapstate}.go`).

All policies are one union in which denials count first; who is isolated is denied after the Baseline tier.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from msgspec import Struct, structs

from webhook.families import CIDR_GROUPS, Compiled
from webhook.families.cilium.dialect import ALLOWED, DENIED, HOSTS, UNION, WITHHELD
from webhook.families.cilium.peers import ONLY_TO, READERS, peers_of
from webhook.families.cilium.ports import Ports, Side, learns_names, ports_of
from webhook.families.cilium.selectors import (
    ANY,
    K8S,
    NAMESPACE,
    NODE,
    RESERVED,
    LabelRequirements,
    one,
    pod_condition,
    requirements_of,
    split_condition,
    subject_of,
)
from webhook.families.cilium.settings import (
    LOCAL_CLUSTER,
    NEWEST,
    Config,
    Context,
    Refused,
    checked,
    config_of,
    given,
    only,
    refuse,
)
from webhook.families.enforced import EGRESS_NAMES, following
from webhook.model.addresses import NamedPort
from webhook.model.crd_policies import CompileContext, CrdPolicy
from webhook.model.dialect import Dialect
from webhook.model.labels import NEVER, AnyOf, Predicate, Selector
from webhook.model.peers import NodePeer, Peer
from webhook.model.policy import Direction
from webhook.model.refs import PolicyRef
from webhook.model.tier import Action, CompiledPolicy, CompiledRule, compiled_policy, with_rules
from webhook.wire.shapes import Malformed, Raw, fail, flag, mapping, mappings, sequence, shown, string

_BY_NAME: Final = "names its peers, and which addresses these names stand for cannot be told"
_BY_NAME_ALONE: Final = f"{_BY_NAME} (nor learnt by this policy, which has no rule about `dns`)"
_AUTHENTICATED: Final = "asks for mutual authentication, and whether both ends pass it is not known"
_MAY_PASS: Final = frozenset(
    {None, _BY_NAME, _BY_NAME_ALONE, EGRESS_NAMES}
)  # takes nothing away that other rules let through
_MODES: Final = frozenset({"disabled", "required", "test-always-fail"})
_KEY_OF: Final = {Direction.EGRESS: "egress", Direction.INGRESS: "ingress"}
_NODE_SOURCES: Final = frozenset({ANY, K8S, NODE})
_KEYS: Final = frozenset(
    {
        *("ingress", "ingressDeny", "egress", "egressDeny"),
        *("endpointSelector", "nodeSelector", "enableDefaultDeny", "labels", "description", "log"),
    }
)
_EVERY_LABEL: Final = Config()


class Lists(Struct):
    """The rules of one direction, in the order in which they count.

    `denied` for sure; `withheld`: what rules about requests may deny, whatever other rules let through; `allowed`.
    `filled`: some list has rules.
    """

    denied: list[CompiledRule]
    withheld: list[CompiledRule]
    allowed: list[CompiledRule]
    filled: bool = False


def lists_of(
    spec: Raw, path: str, direction: Direction, ref: PolicyRef, context: Context, problems: list[str]
) -> Lists:
    """Read one direction. A rule that is not understood may match anything, or nothing. Raises Refused."""
    found = Lists([], [], [])
    ingress = direction is Direction.INGRESS
    key = "ingress" if ingress else "egress"
    for name, side in ((f"{key}Deny", Side(ingress, denies=True)), (key, Side(ingress, denies=False))):
        for index, raw in enumerate(checked(mappings, spec, name, path)):
            found.filled = True
            where = f"{path}.{name}[{index}]"
            try:
                rules = list(_rules(raw, where, side, ref.at(index), context))
            except Malformed as error:
                problems.append(str(error))
                rules = [CompiledRule(ref.at(index), unclear=str(error))]
            _sort(rules, found, denies=side.denies)
    if found.withheld:
        plain = {(one.peers, one.ports) for one in found.allowed if one.conditional is None and one.unclear is None}
        found.withheld = [rule for rule in found.withheld if plain.isdisjoint(_freeing(rule))]
    return found


def _freeing(rule: CompiledRule) -> Iterator[tuple[object, object]]:
    """Yield the peers and ports of rules without conditions that let through all packets that a rule matches.

    Cilium adds a rule for all requests then (`pkg/policy/l4.go`, mergePortProto; `rules.go`, wildcardL3L4Rules).
    """
    return ((matches, ports) for matches in (None, rule.peers) for ports in (None, rule.ports))


def _sort(rules: list[CompiledRule], found: Lists, *, denies: bool) -> None:
    if denies:
        found.denied += [structs.replace(rule, action=Action.DENY) for rule in rules]
        return
    found.allowed += rules
    found.withheld += [structs.replace(rule, action=Action.DENY) for rule in rules if rule.conditional not in _MAY_PASS]


def _rules(raw: Raw, path: str, side: Side, ref: PolicyRef, context: Context) -> Iterator[CompiledRule]:
    """Yield a rule compiled: a rule for each of `toPorts`."""
    word = "from" if side.ingress else "to"
    only(raw, _keys(side, word), path)
    if checked(sequence, raw, f"{word}Requires", path):
        if context.config.version >= LOCAL_CLUSTER:
            refuse(f"{path}.{word}Requires", "expected it empty, as it is not supported")
        fail(f"{path}.{word}Requires", "expected it empty: what it asks is not evaluated")
    peers = peers_of(raw, path, word, context)
    ports = ports_of(raw, path, side, context.config)
    authenticated = _authenticated(raw, path)
    if checked(sequence, raw, "icmps", path):
        if ports is not None:
            refuse(f"{path}.icmps", "expected no toPorts beside it")
        ports = []  # no port of TCP, UDP or SCTP
    if peers is None and ports is None:
        return  # a rule without anything matches nothing, and isolates all the same
    by_name = (_BY_NAME if context.learns_names else _BY_NAME_ALONE) if raw.get("toFQDNs") else None
    for found in [Ports(None)] if ports is None else ports:
        condition = found.why or authenticated or by_name
        if condition is None and not side.ingress and any(isinstance(port, NamedPort) for port in found.matches or ()):
            condition = EGRESS_NAMES if context.config.version < NEWEST else None
        yield CompiledRule(ref, peers, found.matches, conditional=condition)


def _keys(side: Side, word: str) -> frozenset[str]:
    peers = {f"{word}{peer}" for peer in READERS if not (side.ingress and peer in ONLY_TO)}
    if side.denies:
        return frozenset(peers - {"toFQDNs"} | {f"{word}Requires", "toPorts", "icmps"})
    return frozenset(peers | {f"{word}Requires", "toPorts", "icmps", "authentication"})


def _authenticated(raw: Raw, path: str) -> str | None:
    """Return what mutual authentication makes of a rule: None where it does not ask for any."""
    if not given(raw, "authentication"):
        return None
    mode = checked(string, checked(mapping, raw, "authentication", path), "mode", f"{path}.authentication")
    if mode not in _MODES:
        refuse(f"{path}.authentication.mode", f"expected {', '.join(sorted(_MODES))}, not {shown(mode)}")
    return None if mode == "disabled" else _AUTHENTICATED


def compile_policy(policy: CrdPolicy, around: CompileContext) -> Compiled:
    """Return a policy compiled; of one that Cilium does not take, the problems only. Raises Malformed."""
    if policy.refused:
        return Compiled((), (f"status: Cilium does not take it: {policy.refused}",))
    problems: list[str] = []
    try:
        policies = [
            compiled_policy
            for raw, path in specs_of(policy)
            for compiled_policy in _spec(raw, path, policy, around, problems)
        ]
    except Refused as error:
        return Compiled((), (*problems, str(error)))
    return Compiled(tuple(policies), tuple(problems))


def specs_of(policy: CrdPolicy) -> list[tuple[Raw, str]]:
    """Return the rules of a policy, each with its path: `spec`, and each of `specs`. Raises Refused, Malformed."""
    found = [(checked(mapping, policy.spec, "spec", ""), "spec")] if given(policy.spec, "spec") else []
    for index, raw in enumerate(checked(mappings, policy.spec, "specs", "")):
        found.append((raw, f"specs[{index}]"))
    if not found:
        refuse("spec", "expected spec or specs")
    return found


def scope_of(policy: CrdPolicy) -> Predicate | None:
    """Return which pods a policy can select of which nothing else can be read; None: any of its namespace.

    What a selector asks to be absent is left out: labels that Cilium does not see are absent to it.
    """
    try:
        subjects = [subject_of(raw, path, policy.namespace) for raw, path in specs_of(policy)]
    except (Refused, Malformed):
        return None
    every = [
        pod_condition(tuple(requirement for requirement in requirements if not requirement.negative), _EVERY_LABEL)
        for requirements in subjects
    ]
    return every[0] if len(every) == 1 else AnyOf(tuple(every))


def _spec(
    raw: Raw, path: str, policy: CrdPolicy, around: CompileContext, problems: list[str]
) -> Iterator[CompiledPolicy]:
    only(raw, _KEYS, path)
    _check_subject(raw, path, policy)
    node = given(raw, "nodeSelector")
    requirements = () if node else subject_of(raw, path, policy.namespace)
    unlabelled = any(requirement.source == RESERVED and requirement.key == "init" for requirement in requirements)
    groups = tuple(around.all(*CIDR_GROUPS))
    context = Context(policy.namespace, config_of(around), groups, unlabelled, learns_names(raw))
    lists = {d: lists_of(raw, path, d, policy.ref, context, problems) for d in Direction}
    default_deny = _default_deny(raw, path, lists, context.config)
    if not any(found.filled for found in lists.values()):
        refuse(path, "expected a rule in ingress, ingressDeny, egress or egressDeny")
    if node:
        yield from _on_hosts(raw, path, policy.ref, lists, context.config, problems)
        return
    if pod_condition(requirements, context.config) == NEVER:
        problems.append(f"{path}.endpointSelector: selects no pod, as Cilium gives pods no such labels")
        return
    for direction, found in lists.items():
        if found.filled:
            base = _base(policy, direction, requirements, context.config)
            yield from _policies(base, found, around.dialect, default_deny=default_deny[direction])


def _check_subject(raw: Raw, path: str, policy: CrdPolicy) -> None:
    given_both = [key for key in ("endpointSelector", "nodeSelector") if given(raw, key)]
    if len(given_both) != 1:
        refuse(path, "expected one of endpointSelector and nodeSelector")
    if given_both == ["nodeSelector"] and policy.namespace is not None:
        refuse(f"{path}.nodeSelector", "expected endpointSelector in a namespaced policy")
    checked(requirements_of, checked(mapping, raw, given_both[0], path), f"{path}.{given_both[0]}")


def _default_deny(raw: Raw, path: str, lists: Mapping[Direction, Lists], config: Config) -> dict[Direction, bool]:
    """Say which directions are denied by default: those with rules, unless `enableDefaultDeny` says otherwise."""
    found = {direction: listed.filled for direction, listed in lists.items()}
    said = checked(mapping, raw, "enableDefaultDeny", path)
    for direction, key in _KEY_OF.items():
        value = checked(flag, said, key, f"{path}.enableDefaultDeny")
        if given(said, key) and config.non_default_deny:
            found[direction] = found[direction] and value
    return found


def _base(policy: CrdPolicy, direction: Direction, requirements: LabelRequirements, config: Config) -> CompiledPolicy:
    """Return a compiled policy without rules for the pods that a policy selects."""
    own = None if policy.namespace is None else one(K8S, NAMESPACE, policy.namespace)
    subject, scope = split_condition(tuple(requirement for requirement in requirements if requirement != own), config)
    return compiled_policy(
        policy.ref, direction, (), UNION, ALLOWED, namespace=policy.namespace or "", subject=subject, scope=scope
    )


def _policies(base: CompiledPolicy, found: Lists, dialect: Dialect, *, default_deny: bool) -> Iterator[CompiledPolicy]:
    found.allowed.sort(key=lambda rule: rule.conditional is not None)  # they have no order, and a sure one answers
    places = ((DENIED, found.denied, "deny rules"), (WITHHELD, found.withheld, ""), (ALLOWED, found.allowed, ""))
    for precedence, rules, position in places:
        if rules:
            yield with_rules(structs.replace(base, precedence=precedence, position=position), tuple(rules))
    yield from following(base, dialect, default_deny=default_deny)


def _on_hosts(
    raw: Raw, path: str, ref: PolicyRef, lists: Mapping[Direction, Lists], config: Config, problems: list[str]
) -> Iterator[CompiledPolicy]:
    """A policy of nodes: it may drop, at the node, what a pod sends to it or it sends to a pod."""
    if not config.host_firewall:
        problems.append(f"{path}.nodeSelector: policies of nodes count only where enable-host-firewall is on")
        return
    why = "is a policy of nodes, and what it lets through is not evaluated"
    nodes = _nodes(checked(mapping, raw, "nodeSelector", path), f"{path}.nodeSelector")
    for direction, found in lists.items():
        if found.filled:
            other = Direction.INGRESS if direction is Direction.EGRESS else Direction.EGRESS
            rule = CompiledRule(ref, nodes, action=Action.DENY, conditional=why)
            yield compiled_policy(ref, other, (rule,), HOSTS, position="host firewall")


def _nodes(raw: Raw, path: str) -> tuple[Peer, ...]:
    requirements = checked(requirements_of, raw, path)
    if all(requirement.source in _NODE_SOURCES for requirement in requirements):
        return (NodePeer(Selector(tuple(requirement.on(requirement.key) for requirement in requirements))),)
    return (NodePeer(),)

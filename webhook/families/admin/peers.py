"""What tells the kinds of this family, and their versions, apart; and the peers of rules, each with one field set."""

from collections.abc import Collection, Iterator, Mapping
from enum import Enum, auto
from typing import Final

from msgspec import Struct, structs

from webhook.families.enforced import UNLABELLED, block_peer, pods_as_seen
from webhook.model.addresses import parse_block
from webhook.model.dialect import ANP, BANP, CNP, Dialect, visible
from webhook.model.labels import EVERYTHING, AllOf, Predicate, Selector, Space
from webhook.model.peers import NodePeer, Peer, PodMatch
from webhook.model.policy import BlockPeer, UnclearPeer
from webhook.model.refs import PolicyRef
from webhook.model.tier import Action, Tier
from webhook.model.truth import Truth
from webhook.wire.networkpolicies import KEYS, selector
from webhook.wire.shapes import Malformed, Problem, Raw, fail, integer, mapping, mappings, shown, string, strings

VERSIONS: Final = frozenset({"v1alpha1", "v1alpha2", "v1beta1"})
LAST_PRIORITY: Final = 1000
ONLY_BASELINE: Final = "default"  # the one name that a BaselineAdminNetworkPolicy may have
_SECTIONS: Final = frozenset({"subject", "ingress", "egress"})
_ALLOW_OR_DENY: Final = {"Allow": Action.ALLOW, "Deny": Action.DENY}
_PEERS: Final = frozenset({"namespaces", "pods"})


class Newer(Malformed):
    """A field that is not known: a slip, or a newer API; either way its meaning is lost."""


def only(raw: Raw, keys: Collection[str], path: str) -> None:
    """Raise Newer for a field that is none of `keys`."""
    if strange := sorted(str(key) for key in raw if key not in keys):
        expected = f"expected {', '.join(sorted(keys))}, not {shown(strange[0])}, which a newer API may have"
        raise Newer(Problem(path, expected))


def given(raw: Raw) -> list[str]:
    """Return the fields that are set, sorted."""
    return sorted(str(key) for key, value in raw.items() if value is not None)


def one_of(raw: Raw, keys: Collection[str], path: str) -> str:
    """Return which field is set. Raises Malformed for none, several, or one that is not among `keys`."""
    only(raw, keys, path)
    found = given(raw)
    if len(found) != 1:
        said = " and ".join(map(shown, found)) or "nothing"
        fail(path, f"expected one of {', '.join(sorted(keys))}, not {said}")
    return found[0]


class _Language(Struct, frozen=True):
    """The words of one kind: its fields, its actions, and the peers that egress rules may have."""

    keys: frozenset[str]
    actions: Mapping[str, Action]
    ports: str
    to: frozenset[str]


_LANGUAGES: Final = {
    ANP[1]: _Language(
        _SECTIONS | {"priority"},
        {**_ALLOW_OR_DENY, "Pass": Action.PASS},
        "ports",
        _PEERS | {"nodes", "networks", "domainNames"},
    ),
    BANP[1]: _Language(_SECTIONS, _ALLOW_OR_DENY, "ports", _PEERS | {"nodes", "networks"}),
    CNP[1]: _Language(
        _SECTIONS | {"priority", "tier"},
        {"Accept": Action.ALLOW, "Deny": Action.DENY, "Pass": Action.PASS},
        "protocols",
        _PEERS | {"nodes", "networks", "domainNames"},
    ),
}


class Terms(Struct, frozen=True):
    """How one policy is to be read, its tier and its priority. `ports`: the field of a rule that names them.

    `api_group`: the API that it is of; between the two nothing says whose rules come first.
    """

    dialect: Dialect
    keys: frozenset[str]
    actions: Mapping[str, Action]
    ports: str
    to: frozenset[str]
    tier: Tier
    priority: int
    position: str
    api_group: str

    def peers(self, key: str) -> frozenset[str]:
        """Return the peers that rules of `from` or `to` may have."""
        return self.to if key == "to" else _PEERS


def terms_of(ref: PolicyRef, spec: Raw, dialect: Dialect) -> Terms:
    """Return how to read a policy. Raises Malformed where name, tier, priority or an action is none of the API's."""
    kind, language = ref.kind, _LANGUAGES[ref.kind]
    problems = [*_actions(spec, language), *_peers(spec, dialect.peers.refused)]
    if kind == BANP[1] and ref.name != ONLY_BASELINE:
        problems.append(Problem("metadata.name", f"expected `{ONLY_BASELINE}`, not {shown(ref.name)}"))
    tier = "Admin" if kind == ANP[1] else "Baseline" if kind == BANP[1] else _word(spec, "tier")
    if tier not in ("Admin", "Baseline"):
        problems.append(Problem("spec.tier", f"expected Admin or Baseline, not {shown(spec.get('tier'))}"))
    priority = _priority(spec) if "priority" in language.keys else 0
    if priority is None:
        problems.append(Problem("spec.priority", f"expected 0 to {LAST_PRIORITY}, not {shown(spec.get('priority'))}"))
    if problems or priority is None:
        raise Malformed(*problems)
    return Terms(
        dialect,
        language.keys,
        language.actions,
        language.ports,
        language.to,
        dialect.tiers.admin if tier == "Admin" else dialect.tiers.baseline,
        priority,
        f"{tier} tier, priority {priority}" if "priority" in language.keys else f"{tier} tier",
        "" if kind == CNP[1] else "v1alpha1",
    )


def _priority(spec: Raw) -> int | None:
    try:
        found = integer(spec, "priority", "spec")
    except Malformed:
        return None
    return found if found is not None and 0 <= found <= LAST_PRIORITY else None


def _word(raw: Raw, key: str) -> str:
    try:
        return string(raw, key, "")
    except Malformed:
        return ""


def _actions(spec: Raw, language: _Language) -> list[Problem]:
    """Return what is wrong with the actions of all rules: one that is none of the API's refuses the whole object."""
    expected = f"expected {', '.join(language.actions)}"
    return [
        Problem(f"{path}.action", f"{expected}, not {shown(rule.get('action'))}")
        for path, rule in _rules(spec)
        if _word(rule, "action") not in language.actions
    ]


def _peers(spec: Raw, refused: frozenset[str]) -> list[Problem]:
    """Return the peers with which the enforcer refuses the whole object."""
    return [
        Problem(f"{path}.{key}", f"expected no {word} here")
        for path, rule in _rules(spec)
        for key in ("from", "to")
        for peer in _dicts(rule.get(key))
        for word in sorted(refused.intersection(peer))
    ]


def _rules(spec: Raw) -> Iterator[tuple[str, Raw]]:
    for key in ("ingress", "egress"):
        yield from ((f"spec.{key}[{index}]", rule) for index, rule in enumerate(_dicts(spec.get(key))))


def _dicts(value: object) -> list[Raw]:
    """Return a list of objects, and nothing of what is none: whoever reads it in earnest says what is wrong."""
    return value if isinstance(value, list) and all(isinstance(item, dict) for item in value) else []


PODS = frozenset({"namespaceSelector", "podSelector"})
_INSIDE: Final = (".svc", ".local")  # how names end that a cluster gives out itself


def selectors(raw: Raw, path: str) -> tuple[Selector, Selector]:
    """Read `namespaces` or `pods`, of a subject or a peer, as the selectors of namespaces and of pods."""
    if one_of(raw, ("namespaces", "pods"), path) == "namespaces":
        return _selector(raw, "namespaces", path), EVERYTHING
    inner, path = mapping(raw, "pods", path), f"{path}.pods"
    only(inner, PODS, path)
    return _selector(inner, "namespaceSelector", path), _selector(inner, "podSelector", path)


def _selector(raw: Raw, key: str, path: str) -> Selector:
    found, path = mapping(raw, key, path), f"{path}.{key}"
    only(found, KEYS, path)
    return selector(found, path)


def among(found: Selector, space: Space) -> Predicate | None:
    """Return a selector as a condition on the labels of `space`; None for one that selects everything."""
    parts = tuple(structs.replace(requirement, space=space) for requirement in found.requirements)
    return AllOf(parts) if parts else None


class Lost(Enum):
    """Why a rule is not what it says. CLOSED: a peer says nothing, so it fails closed; UNCLEAR: it may mean more."""

    CLOSED = auto()
    UNCLEAR = auto()


class Peers(Struct):
    """The peers of a rule, and `names`, some of which may be `inside` the cluster. `addressed`: not only pods."""

    matches: tuple[Peer, ...] = ()
    names: tuple[str, ...] = ()
    inside: bool = False
    addressed: bool = False
    lost: Lost | None = None
    why: str = ""


def peers_of(terms: Terms, rule: Raw, key: str, path: str, action: Action, problems: list[str]) -> Peers:
    """Read the peers of a rule; one that cannot be read is a problem, and the rule is lost with it."""
    matches: list[Peer] = []
    names: list[str] = []
    addressed = False
    try:
        entries = mappings(rule, key, path)
        if not entries and terms.dialect.peers.empty_is_all and rule.get(key) is not None:
            return Peers((AllOf(()),))
        if not entries:
            fail(f"{path}.{key}", "expected at least one peer")
        for index, raw in enumerate(entries):
            where = f"{path}.{key}[{index}]"
            if not given(raw) or terms.dialect.peers.closed.intersection(given(raw)):
                problems.append(f"{where}: a peer without a field that is known here fails closed")
                return Peers(lost=Lost.CLOSED)
            word = one_of(raw, terms.peers(key), where)
            addressed = addressed or word not in ("namespaces", "pods")
            if word == "domainNames":
                names += _names(raw, where, action)
            else:
                matches += _peers_of(raw, word, where, terms.dialect)
    except Malformed as error:
        problems.append(str(error))
        return Peers(lost=Lost.UNCLEAR, why=str(error))
    return Peers(tuple(matches), tuple(names), any(map(_inside, names)), addressed)


def _peers_of(raw: Raw, word: str, path: str, dialect: Dialect) -> list[Peer]:
    match word:
        case "nodes":
            return [NodePeer(selector(mapping(raw, word, path), f"{path}.{word}"))]
        case "networks":
            return [_block(text, f"{path}.{word}", dialect) for text in _listed(raw, word, path)]
        case _:
            return _pods(*selectors(raw, path), word, dialect)


def _pods(namespaces: Selector, pods: Selector, word: str, dialect: Dialect) -> list[Peer]:
    negative = namespaces.requirements and all(r.negative for r in namespaces.requirements)
    if word == "namespaces" and negative and dialect.peers.loose_namespaces:
        return [PodMatch(None, namespaces), *UNLABELLED]
    seen = visible(pods, dialect.peers.unseen)
    if seen is None:
        return []
    peer = PodMatch(None, namespaces, seen)
    return [peer, *_members(namespaces, dialect)] if word == "namespaces" else list(pods_as_seen(peer, dialect))


def _members(namespaces: Selector, dialect: Dialect) -> Iterator[Peer]:
    """Yield the addresses that belong to the namespaces."""
    for labels, block in dialect.peers.members:
        if labels is None:
            yield AllOf((BlockPeer(block), UnclearPeer(f"the labels of the namespace that has {block} are not known")))
        elif namespaces.matches(labels) is Truth.YES:
            yield BlockPeer(block)


def _block(text: str, path: str, dialect: Dialect) -> Peer:
    try:
        block = parse_block(text)
    except ValueError:
        fail(path, f"expected an address block, not {shown(text)}")
    return block_peer(BlockPeer(block), dialect)


def _names(raw: Raw, path: str, action: Action) -> list[str]:
    found = _listed(raw, "domainNames", path)
    if action is not Action.ALLOW:
        fail(f"{path}.domainNames", f"expected them in rules that allow, not in one that says {action}")
    return found


def _listed(raw: Raw, key: str, path: str) -> list[str]:
    found = list(strings(raw, key, path))
    if not found:
        fail(f"{path}.{key}", "expected at least one entry")
    return found


def _inside(name: str) -> bool:
    """Say whether a name may be one that the cluster itself gives to pods."""
    return name.removesuffix(".").endswith(_INSIDE) or ".svc." in name

"""`subject`, the pods that a policy selects, and the peers of its rules, of which each has exactly one field set."""

from collections.abc import Iterator
from enum import Enum, auto
from typing import Final

from msgspec import Struct, structs

from webhook.families.admin.kinds import Terms, given, one_of, only
from webhook.families.enforced import STRANGERS, block_peer, pods_as_seen
from webhook.model.addresses import parse_block
from webhook.model.crd_policies import CrdPolicy
from webhook.model.dialect import Dialect, visible
from webhook.model.labels import EVERYTHING, AllOf, Predicate, Selector, Space
from webhook.model.policy import BlockPeer, UnclearPeer
from webhook.model.tier import Action, NodePeer, Peer, PodMatch
from webhook.model.truth import Truth
from webhook.wire.networkpolicies import KEYS, selector
from webhook.wire.shapes import Malformed, Raw, fail, mapping, mappings, shown, strings

PODS = frozenset({"namespaceSelector", "podSelector"})
_INSIDE: Final = (".svc", ".local")  # how names end that a cluster gives out itself


def subject_of(spec: Raw) -> tuple[Predicate | None, Selector]:
    """Return the condition on the namespace (None: none) and the selector of the pods. Raises Malformed."""
    namespaces, pods = selectors(mapping(spec, "subject", "spec"), "spec.subject")
    return among(namespaces, Space.NAMESPACE), pods


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


def scope_of(policy: CrdPolicy) -> Predicate | None:
    """Return which pods a policy may select of which nothing else can be read; None: any."""
    try:
        subject = mapping(mapping(policy.spec, "spec", ""), "subject", "spec")
        namespaces, pods = selectors(subject, "spec.subject")
    except Malformed:
        return None
    parts = [part for part in (among(namespaces, Space.NAMESPACE), among(pods, Space.POD)) if part is not None]
    return AllOf(tuple(parts)) if parts else None


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
        return [PodMatch(None, namespaces), *STRANGERS]
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

"""`networking.k8s.io/v1` NetworkPolicy -> Policy. Once it has a name it never fails.

What cannot be read is inside the value: a part that the API server refuses matches nothing and is listed in
`problems`; a part that may mean more than one thing is unclear; a policy whose shape is wrong is unreadable.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from webhook.model.addresses import (
    FIRST_PORT,
    LAST_PORT,
    Block,
    NamedPort,
    PortMatch,
    PortRange,
    has_host_bits,
    parse_block,
)
from webhook.model.labels import EVERYTHING, OF_SELECTORS, Operator, Requirement, Selector
from webhook.model.policy import BlockPeer, Direction, NetworkPolicyPeer, PodPeer, Policy, Remark, Rule, UnclearPeer
from webhook.model.refs import PolicyRef
from webhook.model.settings import ALLOW_PATH, LOCKDOWN
from webhook.wire import shapes
from webhook.wire.shapes import (
    Malformed,
    Raw,
    fail,
    integer,
    mapping,
    mappings,
    protocol,
    shown,
    string,
    string_map,
    strings,
)

_OPERATORS = {o.value: o for o in OF_SELECTORS}
KEYS = frozenset({"matchLabels", "matchExpressions"})


def selector(raw: Raw, path: str) -> Selector:
    """Read a selector as `metav1.LabelSelectorAsSelector` does, with the checks of API validation."""
    if not raw.keys() <= KEYS:
        strange = min(str(key) for key in raw if key not in KEYS)
        fail(path, f"expected matchLabels and matchExpressions, not {shown(strange)}")
    found = [
        Requirement(key, Operator.IN, frozenset((value,)))
        for key, value in string_map(raw, "matchLabels", path).items()
    ]
    found += [
        _requirement(entry, f"{path}.matchExpressions[{index}]")
        for index, entry in enumerate(mappings(raw, "matchExpressions", path))
    ]
    return Selector(tuple(found))


def _requirement(raw: Raw, path: str) -> Requirement:
    key = string(raw, "key", path)
    if not key:
        fail(f"{path}.key", "expected a label key")
    word = string(raw, "operator", path)
    operator = _OPERATORS.get(word)
    if operator is None:
        fail(f"{path}.operator", f"expected In, NotIn, Exists or DoesNotExist, not {shown(word)}")
    values = frozenset(strings(raw, "values", path))
    needs = operator in (Operator.IN, Operator.NOT_IN)
    if needs and not values:
        fail(f"{path}.values", f"expected at least one value for {operator}")
    if values and not needs:
        fail(f"{path}.values", f"expected no values for {operator}")
    return Requirement(key, operator, values)


_SECTIONS = ((Direction.INGRESS, "ingress", "from"), (Direction.EGRESS, "egress", "to"))


def remarks(spec: Raw) -> Iterator[Remark]:
    """Yield NP401 for blocks with host bits set and NP403 for exceptions that except nothing, or everything."""
    for direction, key, peers_key in _SECTIONS:
        for index, rule in enumerate(_dicts(spec.get(key))):
            for peer in _dicts(rule.get(peers_key)):
                block = peer.get("ipBlock")
                if isinstance(block, dict):
                    yield from _of_block(block, direction, index)


def _dicts(value: object) -> list[dict[str, object]]:
    """Return the objects of a list; whatever else stands there is reported as a problem elsewhere."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _of_block(raw: dict[str, object], direction: Direction, rule: int) -> Iterator[Remark]:
    text, excepts = raw.get("cidr"), raw.get("except")
    block = _readable(text)
    if block is None or not isinstance(text, str):
        return
    if has_host_bits(text):
        yield Remark("NP401", direction, rule, text, str(block))
    for inner in excepts if isinstance(excepts, list) else ():
        small = _readable(inner)
        if small is not None and isinstance(inner, str):
            if has_host_bits(inner):
                yield Remark("NP401", direction, rule, inner, str(small))
            if not block.covers(small) or small == block:
                yield Remark("NP403", direction, rule, inner, str(block))


def _readable(text: object) -> Block | None:
    try:
        return parse_block(text) if isinstance(text, str) else None
    except ValueError:
        return None


_SPEC_KEYS = frozenset({"podSelector", "policyTypes", "ingress", "egress"})
_INSIDE_PEER = {
    "ipBlock": frozenset({"cidr", "except"}),
    "namespaceSelector": KEYS,
    "podSelector": KEYS,
}
_PEER_KEYS = frozenset(_INSIDE_PEER)
_RULE_KEYS = {peers: frozenset({peers, "ports"}) for _, _, peers in _SECTIONS}
_PORT_KEYS = frozenset({"protocol", "port", "endPort"})
Problems = list[str]
T = TypeVar("T")


def network_policy(raw: Raw, namespace: str) -> Policy:
    """Read a NetworkPolicy."""
    ref = PolicyRef(namespace, shapes.name(raw))
    try:
        spec = mapping(raw, "spec", "")
    except Malformed as error:
        return Policy(ref, namespace, None, unreadable=str(error))
    subject, problems = _subject(spec)
    try:
        _known(spec, _SPEC_KEYS, "spec")
        types = _types(spec)
        ingress, egress = (_rules(spec, key, peers, problems) for _, key, peers in _SECTIONS)
    except Malformed as error:
        return Policy(ref, namespace, subject, problems=tuple(problems), unreadable=str(error))
    return Policy(
        ref,
        namespace,
        subject,
        ingress=ingress,
        egress=egress,
        types=types,
        problems=tuple(problems),
        remarks=tuple(remarks(spec)),
        documented=_annotated(raw, ALLOW_PATH),
        of_lockdown=_annotated(raw, LOCKDOWN),
    )


def _annotated(raw: Raw, key: str) -> bool:
    """Say whether an annotation of the policy says anything; one that cannot be read says nothing."""
    try:
        return bool(shapes.annotations(raw).get(key, "").strip())
    except Malformed:
        return False


def _known(raw: Raw, keys: frozenset[str], path: str) -> None:
    """Fail on a field that the API does not have: a slip, or a newer API; either way its meaning is lost."""
    if not raw.keys() <= keys:
        strange = min(str(key) for key in raw if key not in keys)
        fail(path, f"expected {', '.join(sorted(keys))}, not {shown(strange)}")


def _subject(spec: Raw) -> tuple[Selector | None, Problems]:
    try:
        return selector(mapping(spec, "podSelector", "spec"), "spec.podSelector"), []
    except Malformed as error:
        return None, [str(error)]


def _types(spec: Raw) -> frozenset[Direction]:
    """Return `policyTypes`; empty where it is absent, or names none."""
    words = strings(spec, "policyTypes", "spec")
    for index, word in enumerate(words):
        if word not in ("Ingress", "Egress"):
            fail(f"spec.policyTypes[{index}]", f"expected Ingress or Egress, not {shown(word)}")
    return frozenset(map(Direction, words))


def _rules(spec: Raw, key: str, peers_key: str, problems: Problems) -> tuple[Rule, ...]:
    rules = []
    entries = spec.get(key)
    if entries is not None and not isinstance(entries, list):
        fail(f"spec.{key}", "expected a list")
    for index, entry in enumerate(entries or ()):
        path = f"spec.{key}[{index}]"
        try:
            if not isinstance(entry, dict):
                fail(path, "expected an object")
            rules.append(_rule(entry, index, path, peers_key, problems))
        except Malformed as error:
            problems.append(str(error))
            rules.append(Rule(index, unclear=str(error)))
    return tuple(rules)


def _rule(raw: Raw, index: int, path: str, peers_key: str, problems: Problems) -> Rule:
    _known(raw, _RULE_KEYS[peers_key], path)
    ported = mappings(raw, "ports", path)
    for place, entry in enumerate(ported):
        _known(entry, _PORT_KEYS, f"{path}.ports[{place}]")
    peers = _each(mappings(raw, peers_key, path), f"{path}.{peers_key}", _peer, problems)
    ports = _each(ported, f"{path}.ports", _port, problems)
    problems += [peer.reason for peer in peers or () if isinstance(peer, UnclearPeer)]
    return Rule(index, peers, ports)


def _each(entries: Sequence[Raw], path: str, read: Callable[[Raw, str], T], problems: Problems) -> tuple[T, ...] | None:
    """Read what can be read; None only for an absent or empty list, which stands for everything."""
    found = []
    for index, entry in enumerate(entries):
        try:
            found.append(read(entry, f"{path}[{index}]"))
        except Malformed as error:
            problems.append(str(error))
    return tuple(found) if entries else None


def _peer(raw: Raw, path: str) -> NetworkPolicyPeer:
    given = {key for key, value in raw.items() if value is not None}
    try:
        _known(raw, _PEER_KEYS, path)
        if not given:
            fail(path, "expected podSelector, namespaceSelector or ipBlock, not an empty peer")
        for key, keys in _INSIDE_PEER.items():
            if key in given:
                _known(mapping(raw, key, path), keys, f"{path}.{key}")
    except Malformed as error:
        return UnclearPeer(str(error))
    if "ipBlock" in given:
        if len(given) > 1:
            fail(path, "expected ipBlock alone, or selectors")
        return _block(mapping(raw, "ipBlock", path), f"{path}.ipBlock")
    namespaces = None
    if "namespaceSelector" in given:
        namespaces = selector(mapping(raw, "namespaceSelector", path), f"{path}.namespaceSelector")
    pods = selector(mapping(raw, "podSelector", path), f"{path}.podSelector") if "podSelector" in given else EVERYTHING
    return PodPeer(namespaces, pods)


def _block(raw: Raw, path: str) -> NetworkPolicyPeer:
    texts = [string(raw, "cidr", path), *strings(raw, "except", path)]
    for text in texts:
        address, _, prefix = text.partition("/")
        if any(_leading_zero(part) for part in (*address.split("."), prefix)):
            return UnclearPeer(f"{path}: {shown(text)} has leading zeros, which readers take differently")
    block, *excepts = [_cidr(text, path) for text in texts]
    for inner in excepts:
        if not block.covers(inner) or inner == block:
            fail(f"{path}.except", f"expected a block inside {block}, not {shown(str(inner))}")
    return BlockPeer(block, tuple(excepts))


def _leading_zero(number: str) -> bool:
    return number.isdigit() and len(number) > 1 and number.startswith("0")


def _cidr(text: str, path: str) -> Block:
    try:
        return parse_block(text)
    except ValueError:
        fail(path, f"expected an address block, not {shown(text)}")


def _port(raw: Raw, path: str) -> PortMatch:
    spoken, port, end = protocol(raw, path), raw.get("port"), integer(raw, "endPort", path)
    if port is None:
        if end is not None:
            fail(f"{path}.endPort", "expected `port` beside it")
        return PortRange(spoken)
    if isinstance(port, str):
        return _named(port, end, path, raw)
    if isinstance(port, bool) or not isinstance(port, int) or not FIRST_PORT <= port <= LAST_PORT:
        fail(f"{path}.port", f"expected a port from 1 to 65535 or a port's name, not {shown(port)}")
    if end is not None and not port <= end <= LAST_PORT:
        fail(f"{path}.endPort", f"expected a port from {port} to 65535, not {shown(end)}")
    return PortRange(spoken, port, port if end is None else end)


def _named(port: str, end: int | None, path: str, raw: Raw) -> NamedPort:
    if end is not None:
        fail(f"{path}.endPort", "expected a number in `port` beside it")
    if not any(c.isascii() and c.isalpha() for c in port):
        fail(f"{path}.port", f"expected a port's name with a letter in it, not {shown(port)}")
    return NamedPort(protocol(raw, path), port)

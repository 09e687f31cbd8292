"""What tells the kinds of this family, and their versions, apart; and fields of which exactly one is set."""

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from msgspec import Struct

from webhook.model.dialect import ANP, BANP, CNP, Dialect
from webhook.model.refs import PolicyRef
from webhook.model.tier import Action, Tier
from webhook.wire.shapes import Malformed, Problem, Raw, fail, integer, shown, string

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
    kind = ref.kind
    language = _LANGUAGES[kind]
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

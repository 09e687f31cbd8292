"""`networking.k8s.io/v1` NetworkPolicy: an unordered set of allow lists; whoever is selected is isolated.

Source: the API types' comments (`k8s.io/api/networking/v1`).
"""

from collections.abc import Iterator
from typing import Final

from msgspec import structs

from webhook.families.closing import following
from webhook.families.peers import in_namespace, matches_of
from webhook.families.port_reading import as_taken
from webhook.model.dialect import GENERIC, NETWORK_POLICY, Dialect
from webhook.model.policy import Direction, Policy, Rule, Section
from webhook.model.ports import NamedPort
from webhook.model.tier import Entry, Isolation, with_entries
from webhook.model.truth import Truth

EGRESS_NAMES: Final = "names a port, which this version of the enforcer looks up among all pods of the cluster"
_OTHER_WAY: Final = "selects it for the other direction, after which the Baseline tier may not be asked here"
_IDLE: Final = "whether rules count that policyTypes leaves out depends on the CNI"


def compile_policy(policy: Policy, dialect: Dialect = GENERIC) -> tuple[Isolation, ...]:
    """Return what `policy` comes to: for each direction that it isolates, or may isolate, one piece, or two.

    A second one closes later where the dialect asks other policies before it denies.
    """
    if NETWORK_POLICY in dialect.inert:
        return ()
    policy = as_taken(policy, dialect)
    if policy.unreadable is not None:
        return tuple(_placed(policy, d, (), dialect, unclear=policy.unreadable) for d in Direction)
    compiled = tuple(
        piece
        for direction, section in _sections(policy, dialect)
        for piece in compile_section(policy, direction, section, dialect)
    )
    perhaps = policy.idle if dialect.honours_idle is Truth.MAYBE else ()
    idle = (_placed(policy, direction, (), dialect, unclear=_IDLE) for direction, _ in perhaps)
    return *compiled, *idle, *(_other_way(policy, dialect) if dialect.may_skip_baseline else ())


def _other_way(policy: Policy, dialect: Dialect) -> Iterator[Isolation]:
    """Yield what a policy may let through in the direction that it does not isolate."""
    for direction in Direction:
        if policy.section(direction) is None:
            entry = Entry(policy.ref, conditional=_OTHER_WAY)
            yield structs.replace(_placed(policy, direction, (entry,), dialect), isolates=False)


def _sections(policy: Policy, dialect: Dialect) -> Iterator[tuple[Direction, Section]]:
    for direction in Direction:
        section = policy.section(direction)
        if section is None and dialect.honours_idle is Truth.YES:
            section = dict(policy.idle).get(direction)
        if section is not None:
            yield direction, section


def compile_section(
    policy: Policy, direction: Direction, section: Section, dialect: Dialect = GENERIC
) -> tuple[Isolation, ...]:
    """Compile the rules of one direction as if `policyTypes` named it."""
    subject = policy.subject if policy.subject is None else in_namespace(policy.subject, policy.namespace, dialect)
    if subject is None and policy.subject is not None:
        return ()
    entries = tuple(_entry(policy, rule, direction, dialect) for rule in section.rules)
    whole = structs.replace(_placed(policy, direction, entries, dialect), subject=subject)
    if dialect.closing is None:
        return (whole,)
    return structs.replace(whole, isolates=False), *following(whole, dialect, isolates=True)


def _placed(
    policy: Policy, direction: Direction, entries: tuple[Entry, ...], dialect: Dialect, unclear: str | None = None
) -> Isolation:
    bare = Isolation(
        ref=policy.ref,
        namespace=policy.namespace,
        direction=direction,
        subject=policy.subject,
        unclear=unclear,
        tier=dialect.network_policies,
        rank=(*dialect.rank, *(tie.format(namespace=policy.namespace, name=policy.ref.name) for tie in dialect.ties)),
    )
    return with_entries(bare, entries)


def _entry(policy: Policy, rule: Rule, direction: Direction, dialect: Dialect) -> Entry:
    peers = rule.peers
    matches = None if peers is None else tuple(m for peer in peers for m in matches_of(policy.namespace, peer, dialect))
    named = direction is Direction.EGRESS and any(isinstance(port, NamedPort) for port in rule.ports or ())
    unsure = EGRESS_NAMES if named and not dialect.resolves_names else None
    return Entry(policy.ref.at(rule.index), matches, rule.ports, rule.unclear, conditional=unsure)

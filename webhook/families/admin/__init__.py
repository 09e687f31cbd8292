"""The cluster-wide policies of `policy.networking.k8s.io`.

AdminNetworkPolicy and BaselineAdminNetworkPolicy (v1alpha1), and ClusterNetworkPolicy (v1alpha2, v1beta1), which
replaces them: ordered rules before and after NetworkPolicy. They never isolate: where none matches, the next tier is
asked.
Source: the API types' comments (`kubernetes-sigs/network-policy-api`, apis).
"""

from functools import partial
from typing import Final

from webhook.families import Compiled, Family
from webhook.families.admin.peers import VERSIONS, Newer, Terms, among, only, selectors, terms_of
from webhook.families.admin.rules import compiled_rules
from webhook.model.crd_policies import CompileContext, CrdPolicy
from webhook.model.dialect import BOTH_APIS, Dialect, visible
from webhook.model.labels import AllOf, Predicate, Selector, Space
from webhook.model.policy import Direction
from webhook.model.tier import Action, CompiledPolicy, CompiledRule, Precedence, compiled_policy
from webhook.wire.shapes import Malformed, Raw, mapping, mappings

_SECTIONS: Final = ((Direction.INGRESS, "ingress", "from"), (Direction.EGRESS, "egress", "to"))
_FIRST: Final = {Action.DENY: 0, Action.ALLOW: 1, Action.PASS: 2}  # at one place, where a denial wins


def compile_policy(policy: CrdPolicy, compile_context: CompileContext) -> Compiled:
    """Return one policy compiled: a part for each direction with rules, or for each rule where denials go first.

    Of an object that the API server refuses there are no parts, only problems. Raises Malformed where a newer API may
    give it a meaning.
    """
    if policy.refused:
        return Compiled((), (policy.refused,))
    try:
        return _compiled(policy, compile_context)
    except Newer:
        raise
    except Malformed as error:
        if policy.version not in VERSIONS:
            raise
        return Compiled((), tuple(map(str, error.problems)))


def _compiled(policy: CrdPolicy, compile_context: CompileContext) -> Compiled:
    spec = mapping(policy.spec, "spec", "")
    terms = terms_of(policy.ref, spec, compile_context.dialect)
    only(spec, terms.keys, "spec")
    namespaces, selected = _subject_of(spec)
    if (pods := visible(selected, compile_context.dialect.peers.unseen)) is None:
        return Compiled((), ("spec.subject: selects no pod, by labels that are not seen here",))
    problems: list[str] = []
    policies: list[CompiledPolicy] = []
    for direction, key, peers_key in _SECTIONS:
        rules: list[CompiledRule] = []
        for index, raw in enumerate(mappings(spec, key, "spec")):
            rules += compiled_rules(terms, policy.ref.at(index), raw, f"spec.{key}[{index}]", peers_key, problems)
        made = partial(
            compiled_policy, subject=pods, scope=namespaces, position=terms.position, api_group=terms.api_group
        )
        places = _places(terms, policy.ref.name, rules)
        policies += [made(policy.ref, direction, part, terms.tier, precedence) for precedence, part in places]
    return Compiled(tuple(policies), tuple(problems))


def _subject_of(spec: Raw) -> tuple[Predicate | None, Selector]:
    """Return the condition on the namespace (None: none) and the selector of the pods. Raises Malformed."""
    namespaces, pods = selectors(mapping(spec, "subject", "spec"), "spec.subject")
    return among(namespaces, Space.NAMESPACE), pods


def scope_of(policy: CrdPolicy) -> Predicate | None:
    """Return which pods a policy may select of which nothing else can be read; None: any."""
    try:
        subject = mapping(mapping(policy.spec, "spec", ""), "subject", "spec")
        namespaces, pods = selectors(subject, "spec.subject")
    except Malformed:
        return None
    parts = [part for part in (among(namespaces, Space.NAMESPACE), among(pods, Space.POD)) if part is not None]
    return AllOf(tuple(parts)) if parts else None


def _places(terms: Terms, name: str, rules: list[CompiledRule]) -> list[tuple[Precedence, tuple[CompiledRule, ...]]]:
    """Return rules with their precedence in the tier: that of their policy, or one for each rule."""
    if not rules:
        return []
    if not terms.dialect.tiers.deny_first:
        return [((terms.priority, name) if terms.dialect.tiers.by_name else (terms.priority,), tuple(rules))]
    return [((terms.priority, e.ref.rule or 0, _FIRST[e.action]), (e,)) for e in rules]


def _as_the_api_says(context: CompileContext) -> Dialect:
    return Dialect(context.enforcer.name, evaluated=BOTH_APIS)


FAMILY: Final = Family(
    "admin",
    compile=compile_policy,
    scope=scope_of,
    dialects=dict.fromkeys(("generic", "unrecognised"), _as_the_api_says),
)

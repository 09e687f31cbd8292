"""NetworkPolicy and GlobalNetworkPolicy -> compiled policies.

Source: `projectcalico/api` pkg/apis/projectcalico/v3, `projectcalico/calico` libcalico-go/lib/backend/syncersv1.
"""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from webhook.enforcers.calico import STORED
from webhook.families import GLOBAL, NOTHING, Compiled, Doubtful, doubt
from webhook.families.calico.dialects import (
    TierEnd,
    guards,
    in_words,
    order_of,
    precedence,
    tier_end,
    tier_name,
    version,
)
from webhook.families.calico.labels import OF_ACCOUNTS, OF_SUBJECTS, of_pods, selecting, subjects
from webhook.families.calico.rules import Context, compile_rule
from webhook.families.calico.selector import conjunction
from webhook.model.crd_policies import CompileContext, CrdPolicy
from webhook.model.labels import Predicate
from webhook.model.policy import Direction
from webhook.model.tier import CompiledPolicy, CompiledRule, compiled_policy
from webhook.wire.shapes import Malformed, Raw, fail, flag, mapping, mappings, sequence, shown, strings

_KEYS: Final = frozenset(
    {"tier", "order", "selector", "types", "ingress", "egress", "serviceAccountSelector", "performanceHints"}
)
_GLOBAL_KEYS: Final = _KEYS | {"namespaceSelector", "doNotTrack", "preDNAT", "applyOnForward"}
_SECTIONS: Final = {Direction.INGRESS: "ingress", Direction.EGRESS: "egress"}
_MOST_RULES: Final = 1024
_MIRRORED: Final = (  # how Calico's API server shows Kubernetes' own policies (libcalico-go/lib/names)
    "knp.default.",
    "kanp.adminnetworkpolicy.",
    "kbanp.baselineadminnetworkpolicy.",
    "kcnp.kube-admin.",
    "kcnp.kube-baseline.",
)


class _Types(Struct, frozen=True):
    """The directions of a policy, and those that depend on how Calico was set up."""

    sure: frozenset[Direction]
    perhaps: frozenset[Direction] = frozenset()


def compile_policy(policy: CrdPolicy, compile_context: CompileContext) -> Compiled:
    """Return a policy compiled; of one that Calico cannot read there are, as there, no rules, only problems.

    Nothing is made of what Calico shows of Kubernetes' own policies: these are read themselves. Raises Doubtful
    where set-ups of Calico differ, or where what the policy names may not have been read.
    """
    if policy.ref.name.startswith(_MIRRORED):
        return NOTHING
    problems: list[str] = []
    try:
        policies = tuple(_policies(policy, compile_context, problems))
    except Doubtful:
        raise
    except Malformed as error:
        return Compiled((), (f"not in force: {error}",))
    return Compiled(policies, tuple(dict.fromkeys(problems)))


def scope(policy: CrdPolicy) -> Predicate | None:
    """Return which pods a policy may select; None: any."""
    try:
        return of_pods(_subject(mapping(policy.spec, "spec", "")))
    except Malformed:
        return None


def _subject(spec: Raw) -> Predicate:
    read = (
        selecting(spec, "selector", "spec"),
        selecting(spec, "namespaceSelector", "spec", OF_SUBJECTS),
        selecting(spec, "serviceAccountSelector", "spec", OF_ACCOUNTS),
    )
    return conjunction(part for part in read if part is not None)


def _policies(policy: CrdPolicy, compile_context: CompileContext, problems: list[str]) -> Iterator[CompiledPolicy]:
    spec = mapping(policy.spec, "spec", "")
    wide = policy.ref.kind == GLOBAL
    keys = _GLOBAL_KEYS if wide else _KEYS
    if strange := sorted(str(key) for key in spec if key not in keys):
        doubt("spec", f"expected {', '.join(sorted(keys))}, not {shown(strange[0])}, which a newer Calico may have")
    running = version(compile_context)
    subject, order = _subject(spec), order_of(spec)
    tier = tier_end(tier_name(policy, spec, running), running, compile_context, problems)
    place = precedence(policy, tier.tier.name, order, running)
    context = Context(policy.ref, policy.namespace, compile_context, running, problems)
    sections = {direction: tuple(_rules(context, direction, spec)) for direction in _SECTIONS}
    types = _types(policy, spec)
    if wide:
        yield from guards(policy, spec, subject, compile_context)
        if flag(spec, "doNotTrack", "spec") or flag(spec, "preDNAT", "spec"):
            return
    whose = _Whose(policy, subject, tier, in_words(tier.tier, order))
    for direction, rules in sections.items():
        if direction in types.sure:
            yield whose.compiled_policy(direction, rules, place)
        elif direction in types.perhaps:
            yield whose.compiled_policy(
                direction, (), place, "`types` is missing, and set-ups of Calico count empty rules differently"
            )


class _Whose(Struct, frozen=True):
    policy: CrdPolicy
    subject: Predicate
    tier: TierEnd
    words: str

    def compiled_policy(
        self,
        direction: Direction,
        rules: tuple[CompiledRule, ...],
        place: tuple[float | str, ...],
        unclear: str | None = None,
    ) -> CompiledPolicy:
        pods, scoped = subjects(self.subject)
        return compiled_policy(
            self.policy.ref,
            direction,
            rules,
            self.tier.tier,
            place,
            namespace=self.policy.namespace or "",
            subject=pods,
            scope=scoped,
            default_deny=self.tier.default_deny,
            unclear=unclear,
            position=self.words,
        )


def _rules(context: Context, direction: Direction, spec: Raw) -> Iterator[CompiledRule]:
    key = _SECTIONS[direction]
    rules = mappings(spec, key, "spec")
    if len(rules) > _MOST_RULES:
        fail(f"spec.{key}", f"expected at most {_MOST_RULES} rules, not {len(rules)}")
    for index, raw in enumerate(rules):
        yield from compile_rule(context, direction, index, raw, f"spec.{key}[{index}]")


def _types(policy: CrdPolicy, spec: Raw) -> _Types:
    """Return `types`, or its default: that of API servers, or Felix's where no API server set it."""
    words = strings(spec, "types", "spec")
    for index, word in enumerate(words):
        if word not in _SECTIONS:
            fail(f"spec.types[{index}]", f"expected Ingress or Egress, not {shown(word)}")
    if words:
        return _Types(frozenset(map(Direction, words)))
    if spec.get("types") is not None:
        fail("spec.types", "expected Ingress or Egress, or no `types`")
    if policy.group == STORED:
        return _Types(frozenset(Direction))
    filled = _defaults(*(bool(sequence(spec, key, "spec")) for key in ("ingress", "egress")))
    present = _defaults(*(spec.get(key) is not None for key in ("ingress", "egress")))
    return _Types(filled & present, filled ^ present)


def _defaults(ingress: bool, egress: bool) -> frozenset[Direction]:  # noqa: FBT001 - whether a section counts
    if not egress:
        return frozenset({Direction.INGRESS})
    return frozenset(Direction) if ingress else frozenset({Direction.EGRESS})

"""`subject`: the pods that a policy is about."""

from webhook.families.admin.shapes import one_of, only
from webhook.model.expression import All, Expression, Not, Space, Term, Test
from webhook.model.foreign import Foreign
from webhook.model.labels import EVERYTHING, Operator, Selector
from webhook.wire.selectors import KEYS, selector
from webhook.wire.shapes import Malformed, Raw, mapping

PODS = frozenset({"namespaceSelector", "podSelector"})


def subject_of(spec: Raw) -> tuple[Expression | None, Selector]:
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


def scope_of(policy: Foreign) -> Expression | None:
    """Return whom a policy may be about that cannot be read otherwise; None: anybody."""
    try:
        subject = mapping(mapping(policy.spec, "spec", ""), "subject", "spec")
        namespaces, pods = selectors(subject, "spec.subject")
    except Malformed:
        return None
    parts = [part for part in (among(namespaces, Space.NAMESPACE), among(pods, Space.POD)) if part is not None]
    return All(tuple(parts)) if parts else None


def among(found: Selector, space: Space) -> Expression | None:
    """Return a selector as a condition on the labels of `space`; None for one that selects everything."""
    parts: list[Expression] = []
    for requirement in found.requirements:
        match requirement.operator:
            case Operator.IN:
                parts.append(Term(space, requirement.key, Test.IN, requirement.values))
            case Operator.NOT_IN:
                parts.append(Term(space, requirement.key, Test.NOT_IN, requirement.values))
            case Operator.EXISTS:
                parts.append(Term(space, requirement.key, Test.HAS))
            case Operator.DOES_NOT_EXIST:
                parts.append(Not(Term(space, requirement.key, Test.HAS)))
    return All(tuple(parts)) if parts else None

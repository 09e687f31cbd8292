"""The labels that Calico gives its endpoints, and selectors on them as conditions on pods.

Source: `projectcalico/calico` libcalico-go/lib/backend/k8s/conversion. A pod has its own labels, those of its
namespace behind `pcns.` and those of its ServiceAccount behind `pcsa.`, and a few that say what it is.
"""

from typing import Final

from webhook.families.calico.selector import PLAIN, Reading, conjunction, disjunction, negation, parse
from webhook.model.expression import ALWAYS, NEVER, All, Expression, Not, Some, Space, Term, Test, holds
from webhook.model.labels import EVERYTHING, Operator, Requirement, Selector
from webhook.model.tier import EndpointPeer, Match, PodMatch
from webhook.wire.shapes import Raw, fail, string

NAMESPACE: Final = "projectcalico.org/namespace"
ACCOUNT: Final = "projectcalico.org/serviceaccount"
ORCHESTRATOR: Final = "projectcalico.org/orchestrator"
NAME: Final = "projectcalico.org/name"  # of a namespace or a ServiceAccount, as a label of it
OF_NAMESPACE: Final = "pcns."
OF_ACCOUNT: Final = "pcsa."
_NAMESPACED: Final = Term(Space.POD, NAMESPACE, Test.HAS)
OF_SPACES: Final = Reading(OF_NAMESPACE, everything=_NAMESPACED, globally=Not(_NAMESPACED))
OF_SUBJECTS: Final = Reading(OF_NAMESPACE, everything=_NAMESPACED)  # there, global() is no more than all()
OF_ACCOUNTS: Final = Reading(OF_ACCOUNT)
_FIELDS: Final = {
    NAMESPACE: "namespace",
    OF_NAMESPACE + NAME: "namespace",
    ACCOUNT: "account",
    OF_ACCOUNT + NAME: "account",
}
_OPERATORS: Final = {Test.IN: Operator.IN, Test.NOT_IN: Operator.NOT_IN, Test.HAS: Operator.EXISTS}


def selecting(raw: Raw, key: str, path: str, reading: Reading = PLAIN) -> Expression | None:
    """Read the selector at `key`; None where there is none. Raises Malformed."""
    text = string(raw, key, path)
    if not text:
        return None
    try:
        return parse(text, reading)
    except ValueError as error:
        fail(f"{path}.{key}", str(error))


def within(namespace: str) -> Expression:
    """Return what holds in one namespace."""
    return Term(Space.POD, NAMESPACE, Test.IN, frozenset((namespace,)))


def of_pods(expression: Expression) -> Expression:
    """Return a condition on labels as they are written, as a condition on pods."""
    match expression:
        case Term():
            return _of_pods(expression)
        case All(parts):
            return conjunction(map(of_pods, parts))
        case Some(parts):
            return disjunction(map(of_pods, parts))
        case Not(part):
            return negation(of_pods(part))


def _of_pods(term: Term) -> Expression:
    key = term.key
    if key == ORCHESTRATOR:
        return ALWAYS if holds(term, lambda _space, _key: "k8s") else NEVER
    if (field := _FIELDS.get(key)) is not None:
        return ALWAYS if term.test is Test.HAS else Term(Space.FIELD, field, term.test, term.values)
    for prefix, space in ((OF_NAMESPACE, Space.NAMESPACE), (OF_ACCOUNT, Space.ACCOUNT)):
        if key.startswith(prefix):
            return Term(space, key.removeprefix(prefix), term.test, term.values)
    return term


def endpoints(expression: Expression, *, own: bool = False) -> tuple[Match, ...]:
    """Return the pods that a condition on labels selects. `own`: the namespace in it is the policy's, unsaid."""
    test = of_pods(expression)
    if test == NEVER:
        return ()
    pods, namespaces, rest = _sorted(test)
    names = [_name(part) for part in rest]
    if not rest:
        return (PodMatch(None, namespaces, pods),)
    if len(names) == 1 and names[0] is not None and not namespaces.requirements:
        return (PodMatch(names[0], pods=pods, own=own),)
    return (EndpointPeer(test),)


def subjects(expression: Expression) -> tuple[Selector, Expression | None]:
    """Return the same condition as a selector of labels, and what is left of it (None: nothing)."""
    pods, namespaces, rest = _sorted(of_pods(expression))
    if not rest and not namespaces.requirements:
        return pods, None
    parts = _parts(of_pods(expression))
    return pods, conjunction(part for part in parts if _requirement(part, Space.POD) is None)


def _sorted(test: Expression) -> tuple[Selector, Selector, list[Expression]]:
    """Sort what must all hold into labels of the pod, labels of its namespace, and the rest."""
    found: dict[Space, list[Requirement]] = {Space.POD: [], Space.NAMESPACE: []}
    rest: list[Expression] = []
    for part in _parts(test):
        for space, requirements in found.items():
            if (requirement := _requirement(part, space)) is not None:
                requirements.append(requirement)
                break
        else:
            rest.append(part)
    pods, namespaces = (Selector(tuple(each)) if each else EVERYTHING for each in found.values())
    return pods, namespaces, rest


def _parts(test: Expression) -> tuple[Expression, ...]:
    return test.parts if isinstance(test, All) else (test,)


def _requirement(part: Expression, space: Space) -> Requirement | None:
    """Return a part as `metav1.LabelSelector` has it; None where it has no such thing."""
    match part:
        case Not(Term(found, key, Test.HAS)) if found is space:
            return Requirement(key, Operator.DOES_NOT_EXIST)
        case Term(found, key, test, values) if found is space and test in _OPERATORS:
            return Requirement(key, _OPERATORS[test], values)
        case _:
            return None


def _name(part: Expression) -> str | None:
    """Return the one namespace that a part asks for; None where it asks for anything else."""
    match part:
        case Term(Space.FIELD, "namespace", Test.IN, values) if len(values) == 1:
            return next(iter(values))
        case _:
            return None

"""The labels that Calico gives its endpoints, and selectors on them as conditions on pods.

Source: `projectcalico/calico` libcalico-go/lib/backend/k8s/conversion. A pod has its own labels, those of its
namespace behind `pcns.` and those of its ServiceAccount behind `pcsa.`, and a few that say what it is.
"""

from typing import Final

from msgspec import structs

from webhook.families.calico.selector import PLAIN, Reading, conjunction, disjunction, negation, parse
from webhook.model.labels import (
    ALWAYS,
    EVERYTHING,
    NEVER,
    OF_SELECTORS,
    AllOf,
    AnyOf,
    NoneOf,
    Operator,
    Predicate,
    Requirement,
    Selector,
    Space,
    holds,
)
from webhook.model.peers import EndpointPeer, Peer, PodMatch
from webhook.wire.shapes import Raw, fail, string

NAMESPACE: Final = "projectcalico.org/namespace"
ACCOUNT: Final = "projectcalico.org/serviceaccount"
ORCHESTRATOR: Final = "projectcalico.org/orchestrator"
NAME: Final = "projectcalico.org/name"  # of a namespace or a ServiceAccount, as a label of it
OF_NAMESPACE: Final = "pcns."
OF_ACCOUNT: Final = "pcsa."
_NAMESPACED: Final = Requirement(NAMESPACE, Operator.EXISTS)
OF_SPACES: Final = Reading(OF_NAMESPACE, everything=_NAMESPACED, globally=NoneOf((_NAMESPACED,)))
OF_SUBJECTS: Final = Reading(OF_NAMESPACE, everything=_NAMESPACED)  # there, global() is no more than all()
OF_ACCOUNTS: Final = Reading(OF_ACCOUNT)
_FIELDS: Final = {
    NAMESPACE: "namespace",
    OF_NAMESPACE + NAME: "namespace",
    ACCOUNT: "account",
    OF_ACCOUNT + NAME: "account",
}


def selecting(raw: Raw, key: str, path: str, reading: Reading = PLAIN) -> Predicate | None:
    """Read the selector at `key`; None where there is none. Raises Malformed."""
    text = string(raw, key, path)
    if not text:
        return None
    try:
        return parse(text, reading)
    except ValueError as error:
        fail(f"{path}.{key}", str(error))


def within(namespace: str) -> Predicate:
    """Return what holds in one namespace."""
    return Requirement(NAMESPACE, Operator.IN, frozenset((namespace,)))


def of_pods(expression: Predicate) -> Predicate:
    """Return a condition on labels as they are written, as a condition on pods."""
    match expression:
        case Requirement():
            return _of_pods(expression)
        case AllOf(parts):
            return conjunction(map(of_pods, parts))
        case AnyOf(parts):
            return disjunction(map(of_pods, parts))
        case NoneOf(parts):
            return negation(disjunction(map(of_pods, parts)))


def _of_pods(term: Requirement) -> Predicate:
    key = term.key
    if key == ORCHESTRATOR:
        return ALWAYS if holds(term, lambda _space, _key: "k8s") else NEVER
    if (field := _FIELDS.get(key)) is not None:
        return ALWAYS if term.operator is Operator.EXISTS else structs.replace(term, key=field, space=Space.FIELD)
    for prefix, space in ((OF_NAMESPACE, Space.NAMESPACE), (OF_ACCOUNT, Space.ACCOUNT)):
        if key.startswith(prefix):
            return structs.replace(term, key=key.removeprefix(prefix), space=space)
    return term


def endpoints(expression: Predicate, *, own: bool = False) -> tuple[Peer, ...]:
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


def subjects(expression: Predicate) -> tuple[Selector, Predicate | None]:
    """Return the same condition as a selector of labels, and what is left of it (None: nothing)."""
    pods, namespaces, rest = _sorted(of_pods(expression))
    if not rest and not namespaces.requirements:
        return pods, None
    parts = _parts(of_pods(expression))
    return pods, conjunction(part for part in parts if _requirement(part, Space.POD) is None)


def _sorted(test: Predicate) -> tuple[Selector, Selector, list[Predicate]]:
    """Sort what must all hold into labels of the pod, labels of its namespace, and the rest."""
    found: dict[Space, list[Requirement]] = {Space.POD: [], Space.NAMESPACE: []}
    rest: list[Predicate] = []
    for part in _parts(test):
        for space, requirements in found.items():
            if (requirement := _requirement(part, space)) is not None:
                requirements.append(requirement)
                break
        else:
            rest.append(part)
    pods, namespaces = (Selector(tuple(each)) if each else EVERYTHING for each in found.values())
    return pods, namespaces, rest


def _parts(test: Predicate) -> tuple[Predicate, ...]:
    return test.parts if isinstance(test, AllOf) else (test,)


def _requirement(part: Predicate, space: Space) -> Requirement | None:
    """Return a part as `metav1.LabelSelector` has it; None where it has no such thing."""
    match part:
        case NoneOf((Requirement(key, Operator.EXISTS, space=found),)) if found is space:
            return Requirement(key, Operator.DOES_NOT_EXIST)
        case Requirement(operator=operator, space=found) if found is space and operator in OF_SELECTORS:
            return structs.replace(part, space=Space.POD)
        case _:
            return None


def _name(part: Predicate) -> str | None:
    """Return the one namespace that a part asks for; None where it asks for anything else."""
    match part:
        case Requirement("namespace", Operator.IN, values, Space.FIELD) if len(values) == 1:
            return next(iter(values))
        case _:
            return None

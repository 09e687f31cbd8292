"""`metav1.LabelSelector` -> Selector."""

from webhook.model.labels import Operator, Requirement, Selector
from webhook.wire.shapes import Raw, fail, mappings, shown, string, string_map, strings

_OPERATORS = {o.value: o for o in Operator}
KEYS = frozenset({"matchLabels", "matchExpressions"})


def selector(raw: Raw, path: str) -> Selector:
    """Read a selector as `metav1.LabelSelectorAsSelector` does, with the checks of API validation."""
    if strange := sorted(str(key) for key in raw if key not in KEYS):
        fail(path, f"expected matchLabels and matchExpressions, not {shown(strange[0])}")
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

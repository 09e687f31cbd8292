"""For whom a condition holds, for all classes at once."""

from collections.abc import Iterable

from webhook.matrix.bits import Bits
from webhook.matrix.classes import Classes
from webhook.model.expression import All, Expression, Not, Some, Space, Term, holds
from webhook.model.objects import Shape
from webhook.model.truth import Truth
from webhook.world.asking import labels_of

Pair = tuple[Bits, Bits]  # surely, possibly


class Conditions:
    """Answers by class for what `model.expression.holds` answers by pod. Equal questions are answered once."""

    def __init__(self, classes: Classes) -> None:
        """Ask about `classes`."""
        self._classes = classes
        self._found: dict[Expression, Pair] = {}

    def holding(self, expression: Expression) -> Pair:
        """Return the classes for which `expression` holds."""
        found = self._found.get(expression)
        if found is None:
            found = self._found[expression] = self._holding(expression)
        return found

    def _holding(self, expression: Expression) -> Pair:
        sure = possible = self._classes.pods
        match expression:
            case Term():
                return self._own(expression) if expression.space is Space.POD else self._around(expression)
            case All(parts):
                for yes, maybe in map(self.holding, parts):
                    sure &= yes
                    possible &= maybe
                return sure, possible
            case Some(parts):
                sure = possible = 0
                for yes, maybe in map(self.holding, parts):
                    sure |= yes
                    possible |= maybe
                return sure, possible
            case Not(part):
                yes, maybe = self.holding(part)
                return sure & ~maybe, possible & ~yes

    def _own(self, term: Term) -> Pair:
        """Ask the pods' own labels; one that is not there may still be added to a pod to come."""
        classes = self._classes
        absent = classes.pods & ~classes.by_key.get(term.key, 0)
        unsure = classes.templates & absent if term.key in classes.view.settings.pending_labels else 0
        sure = absent & ~unsure if _is_met(term, None) else 0
        for value in classes.values.get(term.key, ()):
            sure |= classes.by_label[term.key, value] if _is_met(term, value) else 0
        return sure, sure | unsure

    def _around(self, term: Term) -> Pair:
        """Ask the labels of namespaces and accounts, which are the same for all pods of one."""
        classes = self._classes
        if term.space is Space.NAMESPACE:
            groups: Iterable[tuple[Shape, Bits]] = ((Shape(name), bits) for name, bits in classes.by_namespace.items())
        else:
            groups = ((Shape(name, account=account), bits) for (name, account), bits in classes.by_account.items())
        sure = possible = 0
        for shape, bits in groups:
            truth = holds(term, labels_of(classes.view, shape))
            sure |= bits if truth is Truth.YES else 0
            possible |= bits if truth is not Truth.NO else 0
        return sure, possible


def _is_met(term: Term, value: str | None) -> bool:
    return holds(term, lambda _space, _key: value) is Truth.YES

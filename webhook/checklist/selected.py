"""NP405 for policies of every family but NetworkPolicy: one that selects no pod that is here."""

from collections.abc import Iterator

from webhook.checklist.rules import nearest
from webhook.families import compile_foreign
from webhook.model.expression import All, Space, holds, terms
from webhook.model.finding import DEFAULT_SEVERITY, Finding
from webhook.model.foreign import Foreign
from webhook.model.labels import NO_KEYS, Selector
from webhook.model.objects import Shape
from webhook.model.tier import Isolation
from webhook.model.truth import Truth
from webhook.world import View
from webhook.world.asking import labels_of


def check_selects(view: View, policy: Foreign) -> Iterator[Finding]:
    """Yield NP405 where no piece of a policy may select anybody, and it asks for labels of pods."""
    pieces = [one for one in compile_foreign(policy, view.compile_context).pieces if one.unclear is None]
    if not pieces or not all(map(_asks_pods, pieces)) or any(_selects(view, one) for one in pieces):
        return
    subject = next((one.subject for one in pieces if one.subject is not None and one.subject.requirements), None)
    of_pods = [str(term) for term in terms(pieces[0].scope or All()) if term.space is Space.POD]
    said = str(subject) if subject is not None else ",".join(of_pods)
    hint = nearest(view, policy.namespace or "", subject) if subject is not None else ()
    facts = (("policy", policy.ref.titled), ("selector", said), *hint)
    severity = DEFAULT_SEVERITY["NP405"]
    yield Finding("NP405", severity, None, source="policy", policies=(policy.ref,), facts=facts)


def _asks_pods(piece: Isolation) -> bool:
    """Say whether a piece asks for labels of pods: one of all pods of a namespace is for those to come."""
    if piece.subject is None:
        return False
    scope = piece.scope is not None and any(term.space is Space.POD for term in terms(piece.scope))
    return bool(piece.subject.requirements) or scope


def _selects(view: View, piece: Isolation) -> bool:
    for namespace in (piece.namespace,) if piece.namespace else view.namespaces():
        for group in view.groups(namespace):
            view.budget.spend()
            shapes = [group.template.template.shape] if group.template else dict.fromkeys(p.shape for p in group.pods)
            if any(_may(view, piece, shape) for shape in shapes):
                return True
    return False


def _may(view: View, piece: Isolation, shape: Shape) -> bool:
    keys = view.settings.pending_labels if shape.template else NO_KEYS
    subject = piece.subject or Selector()
    scope = Truth.YES if piece.scope is None else holds(piece.scope, labels_of(view, shape))
    return min(subject.matches(shape.labels, keys), scope) is not Truth.NO

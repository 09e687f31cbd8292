"""Policies of other families, kinds that may not be read, and what an enforcer is known to do differently."""

from collections.abc import Iterable, Iterator
from typing import Final

from webhook.model.doubt import Doubt
from webhook.model.foreign import Foreign, Gap, in_force
from webhook.model.labels import NO_KEYS, LabelKeys
from webhook.model.objects import Shape
from webhook.model.policy import Direction
from webhook.model.refs import PolicyRef
from webhook.model.truth import Truth
from webhook.world.view import View

NETWORKING: Final = "networking.k8s.io"
IGNORES_TYPES: Final = frozenset({"cilium", "gke-dataplane-v2"})  # a section isolates even where policyTypes omits it
_ANY_KEY: Final = LabelKeys(prefixes=("",))


class Doubts:
    """An index of what is known only by name."""

    def __init__(self) -> None:
        """Start empty."""
        self.foreign: dict[tuple[str, str, str], Foreign] = {}
        self.gaps: dict[tuple[str, str], Gap] = {}

    def put(self, value: Foreign | Gap) -> None:
        """Add or replace."""
        if isinstance(value, Gap):
            self.gaps[value.kind, value.group] = value
        else:
            self.foreign[f"{value.ref.kind}.{value.group}", value.ref.namespace or "", value.ref.name] = value

    def drop(self, kind: str, namespace: str, name: str) -> bool:
        """Remove, if it is here; True then. A gap is named by its group (`namespace`) and kind (`name`)."""
        if kind == "Gap":
            return self.gaps.pop((name, namespace), None) is not None
        return self.foreign.pop((kind, namespace, name), None) is not None

    def about(self, view: View, shape: Shape, direction: Direction) -> Doubt | None:
        """Return why answers on this side of `shape` cannot be trusted."""
        enforcer = view.enforcer.name
        found = sorted(
            {f.ref for f in self.foreign.values() if in_force(f.group, enforcer) and _selects(view, f, shape)}
        )
        if found:
            return Doubt(tuple(found), f"{found[0].kind} {found[0]} may apply here, and its kind is not evaluated")
        for gap in sorted(self.gaps.values(), key=lambda g: (g.group, g.kind)):
            if gap.group == NETWORKING or in_force(gap.group, enforcer):
                return Doubt((), f"{gap.kind}.{gap.group} may not be read ({gap.reason}), so that one may apply here")
        if enforcer in IGNORES_TYPES and (idle := sorted(_idle(view, shape, direction))):
            reason = f"{enforcer} honours {direction.lower()} rules that policyTypes leaves out: {idle[0]} has some"
            return Doubt(tuple(idle), reason)
        return None


def _selects(view: View, policy: Foreign, shape: Shape) -> bool:
    """Say whether a policy may select pods of `shape`."""
    keys = view.settings.pending_labels if shape.template else NO_KEYS
    if policy.pods is not None and policy.pods.matches(shape.labels, keys) is Truth.NO:
        return False
    if policy.namespace is not None:
        return policy.namespace == shape.namespace
    namespace = view.namespace(shape.namespace)
    known = _ANY_KEY if namespace.synthetic else NO_KEYS
    return policy.namespaces.matches(namespace.labels, known) is not Truth.NO


def _idle(view: View, shape: Shape, direction: Direction) -> Iterator[PolicyRef]:
    keys = view.settings.pending_labels if shape.template else NO_KEYS
    for policy in view.policies(shape.namespace).values():
        section, subject = dict(policy.idle).get(direction), policy.subject
        rules = section.rules if section is not None else ()
        if rules and subject is not None and subject.matches(shape.labels, keys) is not Truth.NO:
            yield policy.ref


def named(gaps: Iterable[Gap]) -> list[str]:
    """Return `kind.group` of each gap, sorted."""
    return sorted(f"{gap.kind}.{gap.group}" for gap in gaps)

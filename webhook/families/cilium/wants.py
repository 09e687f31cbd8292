"""Selectors with keys of a source: `k8s:app`, `reserved:host` (`pkg/labels`, `pkg/policy/api/selector.go`)."""

from typing import Final

from msgspec import Struct

from webhook.model.labels import Operator
from webhook.wire.selectors import selector
from webhook.wire.shapes import Raw, fail, mapping

ANY: Final = "any"
K8S: Final = "k8s"
RESERVED: Final = "reserved"
NODE: Final = "node"
NAMESPACE: Final = "io.kubernetes.pod.namespace"
NAMESPACE_LABELS: Final = "io.cilium.k8s.namespace.labels."
ACCOUNT: Final = "io.cilium.k8s.policy.serviceaccount"
CLUSTER: Final = "io.cilium.k8s.policy.cluster"
POD_SOURCES: Final = frozenset({ANY, K8S})
_ABSENT: Final = frozenset({Operator.NOT_IN, Operator.DOES_NOT_EXIST})


class Want(Struct, frozen=True):
    """One requirement, on a label of `source` (`any`: of whatever source)."""

    source: str
    key: str
    operator: Operator
    values: frozenset[str] = frozenset()

    @property
    def of_pod(self) -> bool:
        """Whether a label of a pod can meet it."""
        return self.source in POD_SOURCES

    @property
    def negative(self) -> bool:
        """Whether it holds where the label is absent."""
        return self.operator in _ABSENT

    def holds(self, value: str | None) -> bool:
        """Say whether it holds for a label's value; None: absent."""
        if value is None:
            return self.negative
        match self.operator:
            case Operator.IN:
                return value in self.values
            case Operator.NOT_IN:
                return value not in self.values
            case Operator.EXISTS:
                return True
            case Operator.DOES_NOT_EXIST:
                return False


Wants = tuple[Want, ...]


def wants_of(raw: Raw, path: str) -> Wants:
    """Read a selector. Raises Malformed."""
    found = selector(raw, path)
    return tuple(_want(r.key, r.operator, r.values, path) for r in found.requirements)


def _want(text: str, operator: Operator, values: frozenset[str], path: str) -> Want:
    source, key = _split(text)
    if not key:
        fail(path, "expected a label's key after its source")
    return Want(source, key, operator, values)


def _split(text: str) -> tuple[str, str]:
    """Split a key as `parseSource` does; what stands after `=` is no part of it."""
    source, colon, key = text.partition(":")
    if not colon:
        source, key = (RESERVED, text[1:]) if text.startswith("$") else (ANY, text)
        if text.startswith(f"{RESERVED}."):
            source, key = RESERVED, text.removeprefix(f"{RESERVED}.")
    return source or ANY, key.partition("=")[0]


def one(source: str, key: str, value: str) -> Want:
    """Return the requirement that a label has a value."""
    return Want(source, key, Operator.IN, frozenset((value,)))


def exists(source: str, key: str) -> Want:
    """Return the requirement that a label is there."""
    return Want(source, key, Operator.EXISTS)


def subject_of(spec: Raw, path: str, namespace: str | None) -> Wants:
    """Read `endpointSelector`: in a namespaced policy the policy's own namespace takes the place of any other."""
    raw = mapping(spec, "endpointSelector", path)
    labels = mapping(raw, "matchLabels", f"{path}.endpointSelector")
    if namespace is not None and labels:
        kept = {key: value for key, value in labels.items() if key != f"{K8S}:{NAMESPACE}"}
        raw = {**raw, "matchLabels": kept}
    found = wants_of(raw, f"{path}.endpointSelector")
    return found if namespace is None else (*found, one(K8S, NAMESPACE, namespace))

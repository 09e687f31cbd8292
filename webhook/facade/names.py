"""`W`: a workload as a person names it."""

from collections.abc import Iterable

from webhook.config import nearest
from webhook.facade.usage import UsageError
from webhook.model.objects import Workload
from webhook.model.refs import KIND_OF_WORD, SHORT_KINDS, WorkloadRef
from webhook.report.safe import clean


def find(text: str, workloads: Iterable[Workload], namespace: str) -> Workload:
    """Return the workload that `text` names, of those that no controller made. Raises UsageError."""
    every = {w.ref: w for w in workloads if w.owner is None}
    return every[find_ref(text, every, namespace)]


def find_ref(text: str, refs: Iterable[WorkloadRef], namespace: str) -> WorkloadRef:
    """Return the one that `text` names: `kind/name`, `name`, either with `.namespace` behind it.

    Without a namespace, one in `namespace` comes first, then one that is unique. Raises UsageError.
    """
    kind, _, rest = text.rpartition("/")
    there = list(refs)
    known = {ref.kind.lower(): ref.kind for ref in there} | KIND_OF_WORD
    if kind and kind.lower() not in known:
        raise UsageError(f"unknown kind `{clean(kind)}`{nearest(kind.lower(), known)}: expected {', '.join(_SHORT)}")
    every = [ref for ref in there if not kind or ref.kind == known[kind.lower()]]
    found = [ref for ref in every if rest in {ref.name, f"{ref.name}.{ref.namespace}"}]
    local = [ref for ref in found if ref.namespace == namespace]
    match local or found:
        case [one]:
            return one
        case []:
            raise UsageError(f"no workload `{clean(text)}`{nearest(rest, sorted({ref.name for ref in every}))}")
        case several:
            names = ", ".join(sorted(f"{SHORT_KINDS.get(r.kind, r.kind)}/{r.name}.{r.namespace}" for r in several))
            raise UsageError(f"`{clean(text)}` names several workloads: expected one of {clean(names)}")


_SHORT = tuple(SHORT_KINDS.values())

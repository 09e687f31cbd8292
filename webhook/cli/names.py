"""`W`: a workload as a person names it."""

from collections.abc import Iterable

from webhook.cli.usage import UsageError
from webhook.config import nearest
from webhook.model.objects import Workload
from webhook.model.refs import KIND_OF_WORD, SHORT_KINDS
from webhook.report.safe import clean


def find(text: str, workloads: Iterable[Workload], namespace: str) -> Workload:
    """Return the workload that `text` names: `kind/name`, `name`, either with `.namespace` behind it.

    Without a namespace, one in `namespace` comes first, then one that is unique. Raises UsageError.
    """
    kind, _, rest = text.rpartition("/")
    if kind and kind.lower() not in KIND_OF_WORD:
        raise UsageError(
            f"unknown kind `{clean(kind)}`{nearest(kind.lower(), KIND_OF_WORD)}: expected {', '.join(_SHORT)}"
        )
    every = [w for w in workloads if w.owner is None and (not kind or w.ref.kind == KIND_OF_WORD[kind.lower()])]
    found = [w for w in every if rest in {w.ref.name, f"{w.ref.name}.{w.ref.namespace}"}]
    local = [w for w in found if w.ref.namespace == namespace]
    match local or found:
        case [one]:
            return one
        case []:
            raise UsageError(f"no workload `{clean(text)}`{nearest(rest, sorted({w.ref.name for w in every}))}")
        case several:
            names = ", ".join(sorted(f"{SHORT_KINDS[w.ref.kind]}/{w.ref.name}.{w.ref.namespace}" for w in several))
            raise UsageError(f"`{clean(text)}` names several workloads: expected one of {clean(names)}")


_SHORT = tuple(SHORT_KINDS.values())

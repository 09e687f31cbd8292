"""Objects of policy families -> Foreign, as they came: their family reads them when it compiles them.

Whoever compiles them must take them as untrusted input.
"""

from typing import Final

from webhook.model.foreign import Foreign
from webhook.model.refs import PolicyRef
from webhook.wire import meta
from webhook.wire.shapes import Malformed, Raw, mapping, mappings, string

_NOT_SPEC: Final = frozenset({"apiVersion", "kind", "metadata", "status"})
AUTOMOUNT: Final = "automountServiceAccountToken"
KUBERNETES: Final = "networking.k8s.io"


def foreign(raw: Raw, namespace: str | None) -> Foreign:
    """Read an object. Its `spec` holds `spec` and what stands beside it (`specs`); of a ServiceAccount AUTOMOUNT.

    Of one nothing else is looked at: Secrets are named there.
    """
    group, _, version = string(raw, "apiVersion", "").rpartition("/")
    kind = string(raw, "kind", "")
    return Foreign(
        PolicyRef(namespace, meta.name(raw), kind, group=group),
        group,
        namespace,
        {key: value for key, value in raw.items() if (key not in _NOT_SPEC if group else key == AUTOMOUNT)},
        meta.labels(raw),
        version,
        _refused(raw),
    )


def _refused(raw: Raw) -> str:
    """Return why the enforcer does not take the object: its condition `Valid` is False (Cilium)."""
    try:
        for condition in mappings(mapping(raw, "status", ""), "conditions", "status"):
            if condition.get("type") == "Valid" and condition.get("status") == "False":
                return string(condition, "message", "status.conditions") or "its status says that it is not valid"
    except Malformed:
        return ""
    return ""

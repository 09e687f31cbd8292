"""`metadata` of any object."""

from collections.abc import Mapping

from webhook.model.labels import Labels
from webhook.model.objects import Owner
from webhook.model.refs import makes
from webhook.wire.shapes import Raw, fail, mapping, mappings, string, string_map

INJECT = "linkerd.io/inject"
_INJECT = {"enabled": True, "ingress": True, "disabled": False}
LONGEST_NAME = 253  # a DNS subdomain, the longest name that Kubernetes takes


def name(raw: Raw) -> str:
    """Return `metadata.name`; of an object that is to be given one, how it begins: `load-*`."""
    metadata = mapping(raw, "metadata", "")
    found = string(metadata, "name", "metadata")
    if not found and (beginning := string(metadata, "generateName", "metadata")):
        found = f"{beginning}*"
    if not found:
        fail("metadata.name", "expected a name")
    if len(found) > LONGEST_NAME:
        fail("metadata.name", f"expected at most {LONGEST_NAME} characters")
    return found


def namespace(raw: Raw, default: str) -> str:
    """Return `metadata.namespace`, or `default`."""
    found = string(mapping(raw, "metadata", ""), "namespace", "metadata") or default
    if len(found) > LONGEST_NAME:
        fail("metadata.namespace", f"expected at most {LONGEST_NAME} characters")
    return found


def labels(raw: Raw, path: str = "") -> Labels:
    """Return the labels of `raw`, which has `metadata`. `path` is the path of `raw`."""
    return Labels(string_map(*_metadata(raw, "labels", path)))


def annotations(raw: Raw, path: str = "") -> Mapping[str, str]:
    """Return the annotations of `raw`, which has `metadata`. `path` is the path of `raw`."""
    return string_map(*_metadata(raw, "annotations", path))


def _metadata(raw: Raw, key: str, path: str) -> tuple[Raw, str, str]:
    return mapping(raw, "metadata", path), key, f"{path}.metadata" if path else "metadata"


def injected(notes: Mapping[str, str]) -> bool | None:
    """Say whether annotations ask for Linkerd's proxy, or for none; None: they do not say."""
    return _INJECT.get(notes.get(INJECT, ""))


_OWNERS = "metadata.ownerReferences"


def controller(raw: Raw) -> Owner | None:
    """Return the ownerReference that has `controller: true` (`metav1.GetControllerOf`)."""
    entry = _controller(raw)
    return Owner(string(entry, "kind", _OWNERS), string(entry, "name", _OWNERS)) if entry else None


def maker(raw: Raw, kind: str) -> Owner | None:
    """Return the controller of an object of `kind` where it is a workload whose own controller makes such objects."""
    entry = _controller(raw)
    if not entry or not makes(string(entry, "kind", _OWNERS), string(entry, "apiVersion", _OWNERS), kind):
        return None
    return controller(raw)


def controller_uid(raw: Raw) -> str:
    """Return the uid of the controller that an object names; empty without one."""
    entry = _controller(raw)
    return string(entry, "uid", _OWNERS) if entry else ""


def _controller(raw: Raw) -> Raw | None:
    entries = mappings(mapping(raw, "metadata", ""), "ownerReferences", "metadata")
    return next((entry for entry in entries if entry.get("controller") is True), None)


def uid(raw: Raw) -> str:
    """Return `metadata.uid`, which only objects of a cluster have."""
    return string(mapping(raw, "metadata", ""), "uid", "metadata")


def deleting(raw: Raw) -> bool:
    """Say whether the object is being deleted."""
    return mapping(raw, "metadata", "").get("deletionTimestamp") is not None

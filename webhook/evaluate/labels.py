"""Peers that name pods by labels: do they match pods of a shape."""

from webhook.model.labels import NO_KEYS, LabelKeys
from webhook.model.objects import Shape
from webhook.model.tier import PodMatch
from webhook.model.truth import Truth
from webhook.world import View

ANY_KEY = LabelKeys(prefixes=("",))


def pods_match(view: View, match: PodMatch, shape: Shape) -> Truth:
    """Say whether a pod of `shape` is among the pods of `match`."""
    if match.namespace is not None:
        if match.namespace != shape.namespace:
            return Truth.NO
        here = Truth.YES
    else:
        here = namespace_matches(view, match, shape.namespace)
        if here is Truth.NO:
            return Truth.NO
    keys = view.settings.pending_labels if shape.template else NO_KEYS
    return min(here, match.pods.matches(shape.labels, keys))


def namespace_matches(view: View, match: PodMatch, name: str) -> Truth:
    """Say whether the namespace selector of `match` selects `name`; labels of a namespace nobody gave are not known."""
    namespace = view.namespace(name)
    return match.namespaces.matches(namespace.labels, ANY_KEY if namespace.synthetic else NO_KEYS)

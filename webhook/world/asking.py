"""What conditions of a policy may ask of a pod: its own labels, those of its namespace and of its ServiceAccount."""

from webhook.model.expression import Lookup, Space, Value
from webhook.model.objects import UNKNOWN_ACCOUNT, Shape
from webhook.model.truth import Truth
from webhook.world.view import View


def labels_of(view: View, shape: Shape) -> Lookup:
    """Return what is known of pods of a shape: a value, None where it is absent, MAYBE where it is not known."""
    known = shape.account != UNKNOWN_ACCOUNT

    def lookup(space: Space, key: str) -> Value:
        match space:
            case Space.POD:
                value = shape.labels.get(key)
                unsure = shape.template and key in view.settings.pending_labels
            case Space.NAMESPACE:
                namespace = view.namespace(shape.namespace)
                value, unsure = namespace.labels.get(key), namespace.synthetic
            case Space.ACCOUNT:
                account = view.account(shape.namespace, shape.account) if known else None
                value, unsure = (None, True) if account is None else (account.labels.get(key), False)
            case _ if key == "namespace":  # Space.FIELD
                value, unsure = shape.namespace, False
            case _:
                value, unsure = (shape.account, False) if known else (None, True)
        return Truth.MAYBE if value is None and unsure else value

    return lookup

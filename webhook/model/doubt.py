"""Why a side's answer cannot be trusted, whatever NetworkPolicy says."""

from msgspec import Struct

from webhook.model.refs import PolicyRef


class Doubt(Struct, frozen=True):
    """Policies that may change the answer and are not evaluated, and the sentence that says so."""

    policies: tuple[PolicyRef, ...]
    reason: str

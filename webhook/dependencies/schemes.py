"""URL schemes, where declarations look them up."""

from webhook.model.schemes import SCHEMES

__all__ = ["SCHEMES"]

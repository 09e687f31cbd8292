"""What the evaluator may look at: model values with their indexes, one writer, read through `view.View`."""

from webhook.world.changes import Change, Drop, Put
from webhook.world.overlay import Overlay
from webhook.world.view import Group, View
from webhook.world.world import World

__all__ = ["Change", "Drop", "Group", "Overlay", "Put", "View", "World"]

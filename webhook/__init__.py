"""Says at `kubectl apply` time which NetworkPolicy will drop a workload's declared traffic.

Here are the version, and `World` for other programs, imported when it is asked for: `--help` passes by. A module's
place is its layer in pyproject.toml: `model` up to `report` are the pure core (no I/O, no clock, no logging), the rest
is the shell that feeds it and carries its answers out.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from webhook.facade.world import World

__all__ = ["World", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module's attribute
    if name != "World":
        raise AttributeError(f"module `webhook` has no attribute `{name}`")
    from webhook.facade.world import World  # noqa: PLC0415 - see above

    return World

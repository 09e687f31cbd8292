"""Which Calico it is, as far as its DaemonSet tells."""

import re
from collections.abc import Iterator
from typing import Final

from webhook.model.compile_context import CompileContext

Version = tuple[int, int]
NEWEST: Final[Version] = (1000, 0)  # what is not told is read as the newest reads it
SINCE_FIRST_API: Final[Version] = (3, 29)  # AdminNetworkPolicy and BaselineAdminNetworkPolicy
SINCE_SECOND_API: Final[Version] = (3, 32)  # ClusterNetworkPolicy instead
NAMES_WITHOUT_PROTOCOL: Final[Version] = (3, 32)
TIES_BY_NAME: Final[Version] = (3, 32)  # before, by the name under which an object is stored
DAEMON_SETS: Final = ("calico-node", "canal", "rke2-canal")
_IMAGE: Final = re.compile(r"image=\S*?calico[^:\s]*:v?(\d{1,3})\.(\d{1,3})\.")
TO_HOST: Final = "FELIX_DEFAULTENDPOINTTOHOSTACTION="


def flags(compile_context: CompileContext) -> Iterator[str]:
    """Yield the flags of Calico's DaemonSets."""
    for name in DAEMON_SETS:
        yield from compile_context.flags.get(name, ())


def version(compile_context: CompileContext) -> Version:
    """Return the oldest version that runs; NEWEST where none is told."""
    found = [(int(m[1]), int(m[2])) for flag in flags(compile_context) if (m := _IMAGE.match(flag))]
    return min(found, default=NEWEST)

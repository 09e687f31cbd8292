"""What the parts of one policy are read in."""

from msgspec import Struct

from webhook.families.cilium.settings import Config
from webhook.model.foreign import Foreign


class Context(Struct, frozen=True):
    """The policy's namespace (None: cluster-wide), the settings, and the CiliumCIDRGroups that are there."""

    namespace: str | None
    config: Config
    groups: tuple[Foreign, ...] = ()

"""What the parts of one policy are read in."""

from msgspec import Struct

from webhook.families.cilium.settings import Config
from webhook.model.foreign import Foreign


class Context(Struct, frozen=True):
    """The policy's namespace (None: cluster-wide), the settings, and the CiliumCIDRGroups that are there.

    `unlabelled`: the policy's subject asks for `reserved:init`, the label of pods that have no others yet.
    `learns_names`: it sends look-ups through a proxy, without which names are never known.
    """

    namespace: str | None
    config: Config
    groups: tuple[Foreign, ...] = ()
    unlabelled: bool = False
    learns_names: bool = False

"""What a container's settings say about whom it talks to: hosts and ports, never the text that they stood in."""

import re
from typing import Final, Literal, get_args

from msgspec import Struct

from webhook.model.labels import NO_LABELS, Labels
from webhook.model.ports import Protocol

Cut = Literal["annotation", "config-map", "container"]  # what of an object was read in part only, for its length
CUTS: Final[tuple[Cut, ...]] = get_args(Cut)
_FULL_NAME: Final = re.compile(r"[a-z0-9-]++(?:\.[a-z0-9-]++){1,2}\.svc(?:\.[a-z0-9.-]*+)?")


class Mention(Struct, frozen=True, gc=False):
    """A place in the network that some text names. `port` None: the text names only the host.

    Host and port may be `$(NAME)`: a variable whose value is elsewhere. Any other text is the name of a Service's port.
    A host may be an IPv4 address.
    """

    host: str
    port: int | str | None = None
    protocol: Protocol = "TCP"

    @property
    def full(self) -> bool:
        """Whether the host can be nothing but a Service, or a pod behind one: `db.data.svc`, with a domain or not."""
        return _FULL_NAME.fullmatch(self.host) is not None


class Hint(Struct, frozen=True, gc=False):
    """What is known of one variable, or of one key of a ConfigMap. `number`: it holds a port and nothing else."""

    name: str
    mentions: tuple[Mention, ...] = ()
    number: int | None = None


class MapUse(Struct, frozen=True, gc=False):
    """A ConfigMap that a container is given. `keys` None: all of them.

    `variable` names the variable that one key becomes; `prefix` stands before the names of those that all become.
    `mounted`: its keys are files.
    """

    name: str
    keys: tuple[str, ...] | None = None
    variable: str = ""
    prefix: str = ""
    mounted: bool = False


class ContainerHints(Struct, frozen=True, gc=False):
    """What a container is told: `given` as variables and files, where a later one wins, `said` on its command line."""

    given: tuple[Hint | MapUse, ...] = ()
    said: tuple[Mention, ...] = ()


class ConfigMap(Struct, frozen=True, gc=False):
    """A ConfigMap's hints, one for each key that has any. `settings`: where it is an agent's, those about policy."""

    namespace: str
    name: str
    entries: tuple[Hint, ...] = ()
    settings: Labels = NO_LABELS
    cut: tuple[Cut, ...] = ()

"""What policies of any family compile to: allow lists that isolate the pods they select, one direction each."""

from msgspec import Struct

from webhook.model.labels import EVERYTHING, Selector
from webhook.model.policy import BlockPeer, Direction, UnclearPeer
from webhook.model.ports import PortMatch
from webhook.model.refs import PolicyRef


class PodMatch(Struct, frozen=True, gc=False):
    """Pods of namespace `namespace`, or of the namespaces that `namespaces` selects, whose labels `pods` selects.

    `own`: the rule names no namespace, and so means the policy's.
    """

    namespace: str | None
    namespaces: Selector = EVERYTHING
    pods: Selector = EVERYTHING
    own: bool = False


Match = PodMatch | BlockPeer | UnclearPeer


class Entry(Struct, frozen=True, gc=False):
    """One allow rule. `matches` None: any peer; `ports` None: any port. An empty tuple matches nothing."""

    ref: PolicyRef
    matches: tuple[Match, ...] | None = None
    ports: tuple[PortMatch, ...] | None = None
    unclear: str | None = None


class Isolation(Struct, frozen=True, gc=False):
    """One direction of one policy: the pods it selects are closed but for its entries.

    `subject` None: any pod of the namespace may be selected. `by_address`: an entry looks at addresses.
    `unclear`: whether it isolates at all, and what it lets through, cannot be told.
    """

    ref: PolicyRef
    namespace: str
    direction: Direction
    subject: Selector | None
    entries: tuple[Entry, ...] = ()
    by_address: bool = False
    unclear: str | None = None

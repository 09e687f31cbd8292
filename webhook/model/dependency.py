"""What a workload says it connects to, as declared and before anything is looked up."""

from typing import Literal

from msgspec import Struct

from webhook.model.addresses import Address, Block, Protocol

Source = Literal["annotation", "inferred", "config", "inbound", "policy"]


class NameTarget(Struct, frozen=True):
    """A DNS name: its parts without `svc` and the cluster domain. `namespace` None: the workload's own.

    `absolute`: written with `.svc`, so that it can be nothing but a name in the cluster.
    `scheme`: it stood in a URL. `host`: the whole name as written, for when it is external after all.
    """

    host: str
    scheme: bool = False


class WorkloadTarget(Struct, frozen=True):
    """A workload itself: `deploy/api.shop`. `namespace` None: the workload's own."""

    kind: str
    name: str
    namespace: str | None = None


Target = NameTarget | WorkloadTarget | Address | Block


class Dependency(Struct, frozen=True):
    """One declared item. `port` None: every port of the Service; a str: a port by name."""

    target: Target
    port: int | str | None = None
    protocol: Protocol = "TCP"
    source: Source = "annotation"


class Malformed(Struct, frozen=True):
    """An item that cannot be read. `position` counts items from 1; `item` is already safe to print.

    `place`: which annotation it stands in, the workload's own (`metadata`) or its `template`'s.
    """

    position: int
    item: str
    expected: str
    source: Source = "annotation"
    place: str = "metadata"


Declared = Dependency | Malformed

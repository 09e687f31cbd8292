"""Names that a pod finds in its own /etc/hosts: `localhost`, and those of `hostAliases`. Nobody is asked for them."""

from typing import Final

from webhook.dependencies.addresses import at_address
from webhook.dependencies.targets import Found
from webhook.model.addresses import parse_address
from webhook.model.dependency import NameTarget
from webhook.model.objects import Workload
from webhook.model.ports import Protocol
from webhook.world import View

Port = int | str | None
LOCALHOST: Final = "localhost"
LOOPBACK_ADDRESS: Final = parse_address("127.0.0.1")


def is_localhost(host: str) -> bool:
    """Say whether a name means the pod itself (RFC 6761, 6.3)."""
    bare = host.rstrip(".").lower()
    return bare == LOCALHOST or bare.endswith((f".{LOCALHOST}", f"{LOCALHOST}.localdomain"))


def in_hosts_file(view: View, workload: Workload, target: NameTarget, port: Port, protocol: Protocol) -> Found | None:
    """Return the flows to a name that stands in the pod's own file; None: it does not."""
    name = target.host.rstrip(".")
    addresses = [alias.address for alias in workload.template.aliases if name in alias.names]
    if not addresses:
        addresses = [LOOPBACK_ADDRESS] if is_localhost(name) else []
    if not addresses:
        return None
    several = [at_address(view, workload, address, port, protocol) for address in dict.fromkeys(addresses)]
    flows = tuple(flow for found in several for flow in found.flows)
    missing = tuple(lost for found in several for lost in found.missing)
    unsure = next((found.unsure for found in several if found.unsure), None)
    notes = tuple(note for found in several for note in found.assumptions)
    return Found(name, flows, several[0].port, missing, unsure, notes)

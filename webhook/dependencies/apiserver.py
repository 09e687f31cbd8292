"""The API server as what a workload needs: told by roles that its account is bound to, or a token that it asks for.

Nothing is sure of who only mounts the token that every pod is given. Where the Service default/kubernetes is not
here, control-plane nodes are taken for it; without those it may be any address outside, on either usual port.
"""

from collections.abc import Iterator
from typing import Final

from msgspec import structs

from webhook.dependencies.resolve import Resolved
from webhook.dependencies.services import Found, through_service
from webhook.evaluate import Flow
from webhook.model.addresses import Block
from webhook.model.answers import Host
from webhook.model.objects import Workload
from webhook.world import View

CONTROL_PLANE: Final = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")
PORT: Final = 443  # of the Service
LISTENED: Final = (6443, PORT)  # on which API servers listen
_NAME: Final = "kubernetes.default"
_NODES: Final = "the API server is assumed on the control plane's nodes, port 6443"
_ANYWHERE: Final = "the API server's address is not given, and nobody outside is let out to on port 443 or 6443"


def known_api_server(view: View, workload: Workload) -> Resolved | None:
    """Return the API server at its endpoints, where a workload needs it and they are here."""
    service = view.services.get("default", "kubernetes")
    if service is None or (why := needs_api_server(view, workload)) is None:
        return None
    found = through_service(view, service, PORT, "TCP", workload.ref)
    if not found.flows:
        return None
    return _resolved(structs.replace(found, assumptions=(*found.assumptions, why)))


def assumed_api_server(view: View, workload: Workload) -> Resolved | None:
    """Return where the API server may be, where a workload needs it: it is one of these, on one of these ports."""
    if (why := needs_api_server(view, workload)) is None or known_api_server(view, workload) is not None:
        return None
    nodes = sorted(set(control_plane_nodes(view)))
    flows = [Flow(to, "TCP", port) for port in LISTENED for to in nodes or (Host(_NAME),)]
    notes = (why, _NODES if nodes else _ANYWHERE)
    return _resolved(Found(_NAME, tuple(flows), f"{PORT}/TCP", assumptions=notes))


def control_plane_nodes(view: View) -> Iterator[Block]:
    """Yield the addresses of the nodes that are labelled as the control plane's."""
    for node in view.nodes.every():
        if any(node.labels.get(key) is not None for key in CONTROL_PLANE):
            yield from (address.block for address in node.addresses)


def _resolved(found: Found) -> Resolved:
    """Clients are told the Service's address in their environment, so that they look no name up."""
    return Resolved(f"{found.name}:{found.port}", "inferred", found, by_name=False)


def needs_api_server(view: View, workload: Workload) -> str | None:
    """Say what tells that a workload asks the API server; None: nothing does."""
    template, namespace = workload.template, workload.ref.namespace
    if template.token:
        return "a volume of its pods asks for a token for the API server"
    account = view.accounts.get(namespace, template.pod_class.account)
    mounted = account is None or account.mounts if template.mounts is None else template.mounts
    bound = view.inbound.bindings_of(namespace, template.pod_class.account) if mounted else []
    if not bound:
        return None
    more = f" and {len(bound) - 1} more" if len(bound) > 1 else ""
    by = f"{bound[0].kind} {bound[0].name}{more}"
    return f"its ServiceAccount {template.pod_class.account} is bound by {by}, and may ask the API server"

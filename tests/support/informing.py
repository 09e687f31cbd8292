"""Objects and kinds as a watch brings them."""

from tests.support.fakes import pod
from webhook.cluster.kinds import Kind, Raw

CILIUM = Kind("cilium.io/v2", "CiliumNetworkPolicy", "ciliumnetworkpolicies")


def named(name: str, version: str = "1", **labels: str) -> Raw:
    return {"apiVersion": "v1", "kind": "Pod", **pod(name, version, **labels)}

"""What a client gets to by a name or an address, and what AWS makes of port names: raw dicts, nothing clever.

Read off the comments of `core/v1` (`PodSpec.hostAliases`, `ContainerPort.hostPort`), hosts(5), RFC 6761, and AWS'
controller (pkg/resolvers/endpoints.go, getIngressRulesPorts).
"""

from copy import deepcopy
from ipaddress import ip_address
from typing import Any

from tests.spec import netpol

Raw = dict[str, Any]


def addresses_of(client: Raw, host: str) -> list[str] | None:
    """Return the addresses behind a host that needs no look-up; None: it has to be looked up."""
    name = host.rstrip(".").lower()
    if is_address(host):
        return [host]
    if name == "localhost":
        return ["127.0.0.1"]
    lines = client["spec"].get("hostAliases") or []
    return [line["ip"] for line in lines if name in map(str.lower, line["hostnames"])] or None


def is_address(host: str) -> bool:
    try:
        return bool(ip_address(host))
    except ValueError:
        return False


def passes(objects: list[Raw], client: Raw, address: str, protocol: str, port: int) -> bool:
    """Say whether the first packet gets to an address: the client itself, whichever pod has it, or somebody outside."""
    found = ip_address(address)
    if found.is_loopback or found.is_unspecified:
        return True
    pods = [o for o in objects if o["kind"] == "Pod"]
    target = next((p for p in pods if found in netpol.addresses(p)), address)
    answer = netpol.decide(objects, client, client if target is client else target, found.version, protocol, port)
    return bool(answer["egress"] and answer["ingress"])


def led_to(objects: list[Raw], node: str, protocol: str, port: int) -> list[tuple[Raw, int]]:
    """Return the pods, with their own port, that a port of a node's address leads to."""
    return [
        (pod, one["containerPort"])
        for pod in objects
        if pod["kind"] == "Pod" and pod["spec"].get("nodeName") == node and not pod["spec"].get("hostNetwork")
        for container in pod["spec"]["containers"]
        for one in container.get("ports") or []
        if (one.get("hostPort"), one.get("protocol") or "TCP") == (port, protocol)
    ]


def pooled(objects: list[Raw]) -> list[Raw]:
    """Return a world with numbers in place of the port names of ingress rules: those of all pods that are selected."""
    found = deepcopy(objects)
    for policy in (o for o in found if o["kind"] == "NetworkPolicy"):
        selected = [o for o in objects if o["kind"] == "Pod" and netpol.isolates(policy, o, "ingress")]
        for rule in policy["spec"].get("ingress") or []:
            if rule.get("ports"):
                rule["ports"] = [number for entry in rule["ports"] for number in numbers(entry, selected)]
                rule["ports"] = rule["ports"] or [{"port": "called so by nobody"}]
    return found


def numbers(entry: Raw, pods: list[Raw]) -> list[Raw]:
    if not isinstance(entry.get("port"), str):
        return [entry]
    protocol = entry.get("protocol") or "TCP"
    return [{**entry, "port": n} for pod in pods if (n := netpol.named_port(pod, entry["port"], protocol)) is not None]

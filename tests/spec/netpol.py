"""`networking.k8s.io/v1` NetworkPolicy, read off the API's own comments: raw dicts, no index, nothing clever.

An end of a connection is a pod, as `kubectl get -o json` prints it, or an address. The judge knows no `unknown`.
"""

from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

Raw = dict[str, Any]


def decide(objects: list[Raw], source: Raw | str, target: Raw | str, family: int, protocol: str, port: int) -> Raw:
    """Say for each side whether it lets the first packet pass, and which policies isolate the pod there."""
    policies = [o for o in objects if o["kind"] == "NetworkPolicy"]
    labels = {o["metadata"]["name"]: o["metadata"].get("labels") or {} for o in objects if o["kind"] == "Namespace"}
    answer: Raw = {}
    for side, key, subject, other in (("egress", "to", source, target), ("ingress", "from", target, source)):
        isolating = [p for p in policies if source != target and isolates(p, subject, side)]
        answer[side] = not isolating or any(
            any(is_port(entry, target, protocol, port) for entry in rule.get("ports") or [{"protocol": protocol}])
            and any(is_peer(peer, other, p, labels, family) for peer in rule.get(key) or [{"anyone": True}])
            for p in isolating
            for rule in p["spec"].get(side) or []
        )
        answer[side + " isolated by"] = sorted("{namespace}/{name}".format(**p["metadata"]) for p in isolating)
    return answer


def isolates(policy: Raw, end: Raw | str, side: str) -> bool:
    spec = policy["spec"]
    types = spec.get("policyTypes") or (["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])
    if isinstance(end, str) or end["spec"].get("hostNetwork") or side.capitalize() not in types:
        return False
    return end["metadata"]["namespace"] == policy["metadata"]["namespace"] and selects(spec.get("podSelector"), end)


def is_peer(peer: Raw, end: Raw | str, policy: Raw, labels: dict[str, Raw], family: int) -> bool:
    if "anyone" in peer:
        return True
    if "ipBlock" in peer:
        block, *holes = blocks(peer["ipBlock"]["cidr"], *(peer["ipBlock"].get("except") or ())) or (None,)
        mine = [a for a in addresses(end) if a.version == family and block is not None and a in block]
        return any(not any(address in hole for hole in holes) for address in mine)
    if isinstance(end, str) or end["spec"].get("hostNetwork"):
        return False
    name, beyond = end["metadata"]["namespace"], peer.get("namespaceSelector")
    there = {"metadata": {"labels": {**labels.get(name, {}), "kubernetes.io/metadata.name": name}}}
    near = name == policy["metadata"]["namespace"] if beyond is None else selects(beyond, there)
    return near and selects(peer.get("podSelector"), end)


def is_port(entry: Raw, target: Raw | str, protocol: str, port: int) -> bool:
    first, last = entry.get("port"), entry.get("endPort")
    if (entry.get("protocol") or "TCP") != protocol or (last is not None and (type(first) is not int or last < first)):
        return False
    if isinstance(first, str):
        return not isinstance(target, str) and named_port(target, first, protocol) == port
    return first is None or first <= port <= (last or first)


def named_port(pod: Raw, name: str, protocol: str) -> int | None:
    sidecars = [c for c in pod["spec"].get("initContainers") or [] if c.get("restartPolicy") == "Always"]
    ports = [p for c in pod["spec"]["containers"] + sidecars for p in c.get("ports") or []]
    fits = (p["containerPort"] for p in ports if (p.get("name"), p.get("protocol") or "TCP") == (name, protocol))
    return next(fits, None)


def selects(selector: Raw | None, labelled: Raw) -> bool:
    labels, conditions = labelled["metadata"].get("labels") or {}, selector or {}
    equal = all(labels.get(key) == value for key, value in (conditions.get("matchLabels") or {}).items())
    return equal and all(holds(condition, labels) for condition in conditions.get("matchExpressions") or [])


def holds(condition: Raw, labels: dict[str, str]) -> bool:
    there, found = condition["key"] in labels, labels.get(condition["key"]) in (condition.get("values") or [])
    return {"In": found, "NotIn": not found, "Exists": there, "DoesNotExist": not there}[condition["operator"]]


def addresses(end: Raw | str) -> list[IPv4Address | IPv6Address]:
    status: Raw = {"podIP": end} if isinstance(end, str) else end.get("status") or {}
    found = [ip_address(ip["ip"]) for ip in status.get("podIPs") or [{"ip": status["podIP"]}] if status.get("podIP")]
    return [getattr(address, "ipv4_mapped", None) or address for address in found]


@cache
def blocks(*cidrs: str) -> list[IPv4Network | IPv6Network] | None:
    """Read an ipBlock's `cidr` and `except`; None where the API server would refuse it."""
    try:
        block, *holes = [network(*cidr.split("/")) for cidr in cidrs]
    except (ValueError, TypeError):
        return None
    inside = (hole.version == block.version and block.supernet_of(hole) and hole != block for hole in holes)  # type: ignore[arg-type]
    return [block, *holes] if all(inside) else None


def network(address: str, prefix: str) -> IPv4Network | IPv6Network:
    mapped = getattr(ip_address(address), "ipv4_mapped", None)
    return ip_network(f"{mapped}/{int(prefix) - 96}" if mapped else f"{address}/{prefix}", strict=False)

"""Cluster-wide policies around NetworkPolicy, read off the API types' own comments, with the judge of NetworkPolicy.

Where the API leaves it open what becomes of a packet (policies of one priority that differ; both APIs, that differ)
the answer is None. `domainNames` are not judged.
"""

from ipaddress import ip_address
from typing import Any, NamedTuple

from tests.spec import netpol

Raw = dict[str, Any]
OLD = {"AdminNetworkPolicy": "Admin", "BaselineAdminNetworkPolicy": "Baseline"}
NEW = "ClusterNetworkPolicy"


class Packet(NamedTuple):
    """One side of a connection: `subject` is asked about `other`; `target` is the one that is dialled."""

    side: str
    subject: Raw
    other: Raw | str
    target: Raw | str
    family: int
    protocol: str
    port: int


def decide(objects: list[Raw], source: Raw | str, target: Raw | str, family: int, protocol: str, port: int) -> Raw:
    """Say for each side whether it lets the first packet pass, and which NetworkPolicies isolate the pod there."""
    answer = netpol.decide(objects, source, target, family, protocol, port)
    for side, subject, other in (("egress", source, target), ("ingress", target, source)):
        if source == target or isinstance(subject, str) or subject["spec"].get("hostNetwork"):
            continue
        packet = Packet(side, subject, other, target, family, protocol, port)
        later = {action != "Deny" for action in actions(objects, "Baseline", packet)}
        if answer[side + " isolated by"]:
            later = {answer[side]}
        passes: set[bool] = set()
        for action in actions(objects, "Admin", packet):
            passes |= later if action in ("Pass", None) else {action != "Deny"}
        answer[side] = passes.pop() if len(passes) == 1 else None
    return answer


def actions(objects: list[Raw], tier: str, packet: Packet) -> set[str | None]:
    """Return what the policies of a tier may do; {None}: no rule matches."""
    old = [o for o in objects if OLD.get(o["kind"]) == tier]
    new = [o for o in objects if o["kind"] == NEW and o["spec"]["tier"] == tier]
    return (first_of(old, objects, packet) | first_of(new, objects, packet)) or {None}


def first_of(policies: list[Raw], objects: list[Raw], packet: Packet) -> set[str | None]:
    """Return what the first priority says that says anything; those of one priority have no order."""
    for priority in sorted({p["spec"].get("priority", 0) for p in policies}):
        equal = [p for p in policies if p["spec"].get("priority", 0) == priority]
        if found := {first_rule(p, objects, packet) for p in equal} - {None}:
            return found
    return set()


def first_rule(policy: Raw, objects: list[Raw], packet: Packet) -> str | None:
    """Return what the first rule that matches says; None: none does."""
    spec = policy["spec"]
    if not is_pod(spec["subject"], packet.subject, objects):
        return None
    for rule in spec.get(packet.side) or []:
        peers = rule["to" if packet.side == "egress" else "from"]
        ports = rule.get("protocols" if policy["kind"] == NEW else "ports")
        action = str(rule["action"]).replace("Accept", "Allow")
        if {} in peers and action != "Allow":  # a field that nobody here knows: the rule fails closed
            return "Deny"
        near = {} not in peers and any(is_peer(peer, packet, objects) for peer in peers)
        if near and (ports is None or any(is_port(entry, packet) for entry in ports)):
            return action
    return None


def is_peer(peer: Raw, packet: Packet, objects: list[Raw]) -> bool:
    mine = [a for a in netpol.addresses(packet.other) if a.version == packet.family]
    if "networks" in peer:
        return any(a in netpol.network(*cidr.split("/")) for a in mine for cidr in peer["networks"])
    if "nodes" in peer:
        nodes = [o for o in objects if o["kind"] == "Node" and netpol.selects(peer["nodes"], o)]
        return any(ip_address(a["address"]) in mine for node in nodes for a in node["status"]["addresses"])
    return not isinstance(packet.other, str) and is_pod(peer, packet.other, objects)


def is_pod(peer: Raw, pod: Raw, objects: list[Raw]) -> bool:
    """Say whether a subject, or a peer, is about a pod by its namespace, and by its labels."""
    name = pod["metadata"]["namespace"]
    spaces = {o["metadata"]["name"]: o["metadata"].get("labels") or {} for o in objects if o["kind"] == "Namespace"}
    there = {"metadata": {"labels": {**spaces.get(name, {}), "kubernetes.io/metadata.name": name}}}
    if pod["spec"].get("hostNetwork"):
        return False
    if "namespaces" in peer:
        return netpol.selects(peer["namespaces"], there)
    return netpol.selects(peer["pods"]["namespaceSelector"], there) and netpol.selects(peer["pods"]["podSelector"], pod)


def is_port(entry: Raw, packet: Packet) -> bool:
    """Say whether an entry of `ports`, or of `protocols`, is about a packet."""
    target, protocol, port = packet.target, packet.protocol, packet.port
    name = entry.get("namedPort") or entry.get("destinationNamedPort")
    if name is not None:
        return not isinstance(target, str) and netpol.named_port(target, name, protocol) == port
    for key in ("portNumber", "portRange"):
        if key in entry:
            first = entry[key].get("port") or entry[key]["start"]
            return (entry[key].get("protocol") or "TCP") == protocol and first <= port <= entry[key].get("end", first)
    if protocol.lower() not in entry:
        return False
    where = entry[protocol.lower()].get("destinationPort") or {"range": {"start": 1, "end": 65535}}
    ends = where.get("range") or {"start": where["number"], "end": where["number"]}
    return bool(ends["start"] <= port <= ends["end"])

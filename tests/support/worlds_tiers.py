"""Worlds with cluster-wide policies: every small one of a kind (`enumerated`), and random ones aimed at the traps."""

from collections.abc import Iterator
from itertools import product
from typing import Any, Final

from hypothesis import strategies as st

from tests.support.worlds import (
    CAST,
    DIALLED,
    NAMESPACES,
    SELECTORS,
    Question,
    Raw,
    label_maps,
    namespace,
    near,
    pods,
    policies,
    policy,
    questions,
)

GROUP: Final = "policy.networking.k8s.io"
VERSIONS: Final = {"AdminNetworkPolicy": "v1alpha1", "BaselineAdminNetworkPolicy": "v1alpha1"}
OLD: Final = {"Admin": "AdminNetworkPolicy", "Baseline": "BaselineAdminNetworkPolicy"}
NEW: Final = "ClusterNetworkPolicy"
EVERYBODY: Final[Raw] = {"namespaces": {}}
TIERS: Final = ("Admin", "Baseline")


def wide(kind: str, name: str, **spec: Any) -> Raw:  # noqa: ANN401 - any field of such a policy's spec
    version = f"{GROUP}/{VERSIONS.get(kind, 'v1alpha2')}"
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": {"subject": EVERYBODY, **spec}}


def node(number: int, *addresses: str) -> Raw:
    labels = {"role": "host" if number == 6 else "worker", **({"pool": "a"} if number % 2 else {})}
    listed = [{"type": "InternalIP", "address": address} for address in addresses]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": f"n{number}", "labels": labels},
        "status": {"addresses": listed},
    }


# The nodes of the cast; a pod on the network of its host has its node's addresses.
NODES: Final = tuple(
    node(n, f"10.0.{n}.{n}", f"fd00::{n}:{n}") if n == 6 else node(n, f"192.168.0.{n}") for n in range(1, 7)
)
ALL: Final = (*CAST, *NODES)
ACTIONS: Final = {False: ("Accept", "Deny", "Pass"), True: ("Allow", "Deny", "Pass")}  # by: is it v1alpha1


def made(name: str, tier: str, priority: int, *, old: bool, **rules: list[Raw]) -> Raw:
    """Return a policy of either API: a baseline of v1alpha1 has one name, no priority and no Pass."""
    if not old:
        return wide(NEW, name, tier=tier, priority=priority, **rules)
    return (
        wide(OLD[tier], "default") | {"spec": {"subject": EVERYBODY, **rules}}
        if tier == "Baseline"
        else wide(OLD[tier], name, priority=priority, **rules)
    )


def rule(
    side: str, action: str, *peers: Raw, old: bool = False, ports: list[Raw] | None = None
) -> dict[str, list[Raw]]:
    """Return one section with one rule."""
    said = {False: action, True: action.replace("Accept", "Allow")}[old]
    named = {} if ports is None else {"ports" if old else "protocols": ports}
    return {side: [{"action": said, "to" if side == "egress" else "from": list(peers) or [EVERYBODY], **named}]}


PODS: Final[tuple[Raw, ...]] = (
    *({"namespaces": s} for s in NAMESPACES),
    *({"pods": {"namespaceSelector": {}, "podSelector": s}} for s in SELECTORS),
    *({"pods": {"namespaceSelector": s, "podSelector": SELECTORS[1]}} for s in NAMESPACES[1:]),
)
ADDRESSED: Final[tuple[Raw, ...]] = (
    *(
        {"networks": [*cidrs]}
        for cidrs in (
            ("10.0.0.0/16",),
            ("10.0.3.3/32", "10.0.4.0/24"),
            ("0.0.0.0/0",),
            ("::/0",),
            ("fd00::2:0/112",),
            ("203.0.113.0/24",),
            ("10.0.6.6/32",),
            ("192.168.0.0/16",),
            ("0.0.0.0/0", "::/0"),
        )
    ),
    {"nodes": {}},
    {"nodes": {"matchLabels": {"role": "host"}}},
    {"nodes": {"matchLabels": {"role": "worker"}}},
    {"nodes": {"matchExpressions": [{"key": "pool", "operator": "DoesNotExist"}]}},
)
PORTS: Final[dict[bool, tuple[list[Raw], ...]]] = {
    False: (
        [{"tcp": {"destinationPort": {"number": 80}}}],
        [{"udp": {"destinationPort": {"number": 81}}}, {"sctp": {"destinationPort": {"number": 80}}}],
        [{"tcp": {"destinationPort": {"range": {"start": 80, "end": 81}}}}],
        [{"udp": {"destinationPort": {"range": {"start": 1, "end": 80}}}}],
        [{"tcp": {}}],
        [{"destinationNamedPort": "web"}],
        [{"destinationNamedPort": "dns"}],
        [{"destinationNamedPort": "nobody"}],
    ),
    True: (
        [{"portNumber": {"port": 80}}],
        [{"portNumber": {"port": 80, "protocol": "UDP"}}, {"portNumber": {"port": 81, "protocol": "SCTP"}}],
        [{"portRange": {"start": 80, "end": 81}}],
        [{"portRange": {"start": 1, "end": 80, "protocol": "UDP"}}],
        [{"namedPort": "web"}],
        [{"namedPort": "dns"}],
    ),
}
WALL: Final[dict[str, Raw | None]] = {
    "open": None,
    "closed": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
    "80": {"podSelector": {}, "ingress": [{"ports": [{"port": 80}]}], "egress": [{"ports": [{"port": 80}]}]},
    "egress": {"podSelector": {}, "policyTypes": ["Egress"]},
}


def packets(objects: list[Raw]) -> list[Question]:
    """Return every packet that could tell two readings apart, those to a node's address included."""
    near_node = "192.168.0.1"
    names = ["{namespace}/{name}".format(**o["metadata"]) for o in objects if o["kind"] == "Pod" and four(o)]
    return [*questions(objects), *(Question(name, near_node, 4, *dialled) for name, dialled in product(names, DIALLED))]


def four(raw: Raw) -> bool:
    return any(":" not in ip["ip"] for ip in raw["status"]["podIPs"]) and not raw["spec"].get("hostNetwork")


def enumerated() -> Iterator[list[Raw]]:
    """Yield the small worlds: each turns one thing at a time."""
    for side, peer in product(("ingress", "egress"), PODS):
        yield [*ALL, made("one", "Admin", 5, old=False, **rule(side, "Deny", peer))]
    for action, peer, old in product(("Accept", "Deny"), ADDRESSED, (False, True)):
        wall = policy("x/wall", **(WALL["closed"] or {}))
        yield [*ALL, wall, made("one", "Admin", 5, old=old, **rule("egress", action, peer, old=old))]
    for side, old in product(("ingress", "egress"), (False, True)):
        for ports in PORTS[old]:
            yield [*ALL, made("one", "Admin", 5, old=old, **rule(side, "Deny", old=old, ports=ports))]
    for subject in PODS:
        yield [*ALL, wide(NEW, "one", tier="Baseline", priority=5, **{**rule("egress", "Deny"), "subject": subject})]
    for action, walls in product(("Accept", "Deny", "Pass"), ((), (policy("x/wall", **(WALL["closed"] or {})),))):
        yield [*ALL, *walls, made("one", "Admin", 5, old=False, **rule("ingress", action, {}, EVERYBODY))]
    yield from stacked()
    yield from ranked()


def stacked() -> Iterator[list[Raw]]:
    """Yield what tiers do to each other: no, or any, policy in each."""
    for (name, wall), old in product(WALL.items(), (False, True)):
        for admin, baseline in product((None, "Accept", "Deny", "Pass"), (None, "Accept", "Deny", "Pass")):
            if old and baseline == "Pass":
                continue
            side = "egress" if name == "egress" else "ingress"
            made_up = [] if wall is None else [policy("x/wall", **wall), policy("y/wall", **wall)]
            for tier, action in zip(TIERS, (admin, baseline), strict=True):
                if action is not None:
                    made_up.append(made(tier.lower(), tier, 5, old=old, **rule(side, action, old=old)))
            yield [*ALL, *made_up]


def ranked() -> Iterator[list[Raw]]:
    """Yield two rules that differ: in one policy, by priority, of one priority, and of both APIs."""
    closed = policy("x/wall", **(WALL["closed"] or {}))
    for tier, first, second in product(TIERS, ("Accept", "Deny", "Pass"), ("Accept", "Deny", "Pass")):
        one, other = rule("egress", first, NAMED), rule("egress", second)
        both = {"egress": one["egress"] + other["egress"]}
        yield [*ALL, closed, made("one", tier, 5, old=False, **both)]
        for low, high in ((3, 7), (7, 3), (5, 5)):
            yield [*ALL, closed, made("a", tier, low, old=False, **one), made("b", tier, high, old=False, **other)]
        if tier == "Admin" or first != "Pass":
            old = rule("egress", first, NAMED, old=True)
            yield [*ALL, closed, made("a", tier, 3, old=True, **old), made("b", tier, 7, old=False, **other)]
            yield [*ALL, closed, made("a", tier, 7, old=True, **old), made("b", tier, 3, old=False, **other)]


NAMED: Final[Raw] = {"namespaces": NAMESPACES[1]}

# -- random worlds, aimed ---------------------------------------------------------------------------------------------


@st.composite
def ends(draw: st.DrawFn, objects: list[Raw]) -> Raw:
    """Draw a subject, or a peer that is pods, aimed at somebody who is there."""
    spaces = [o["metadata"] for o in objects if o["kind"] == "Namespace"]
    cast = [o for o in objects if o["kind"] == "Pod"]
    one = draw(st.sampled_from(spaces))
    space = draw(near({**one["labels"], "kubernetes.io/metadata.name": one["name"]}))
    if draw(st.booleans()):
        return {"namespaces": space}
    pod_labels = draw(st.sampled_from(cast))["metadata"]["labels"]
    return {"pods": {"namespaceSelector": draw(st.sampled_from(({}, space))), "podSelector": draw(near(pod_labels))}}


@st.composite
def destinations(draw: st.DrawFn, objects: list[Raw]) -> Raw:
    """Draw a peer of an egress rule."""
    kind = draw(st.sampled_from(("ends", "ends", "networks", "nodes")))
    if kind == "ends":
        return draw(ends(objects))
    if kind == "nodes":
        return {"nodes": draw(st.sampled_from([peer["nodes"] for peer in ADDRESSED if "nodes" in peer]))}
    ips = [i["ip"] for o in objects if o["kind"] == "Pod" for i in o["status"]["podIPs"]]
    found = []
    for ip in draw(st.lists(st.sampled_from(ips), min_size=1, max_size=2, unique=True)):
        wide_one, exact, every = ("16", "128", "::/0") if ":" in ip else ("8", "32", "0.0.0.0/0")
        found.append(draw(st.sampled_from((f"{ip}/{wide_one}", f"{ip}/{exact}", every, "203.0.113.0/24"))))
    return {"networks": sorted(set(found))}


@st.composite
def wide_rules(draw: st.DrawFn, objects: list[Raw], side: str, *, old: bool, tier: str) -> Raw:
    peer = ends(objects) if side == "ingress" else destinations(objects)
    peers = draw(st.lists(peer, min_size=1, max_size=2))
    if draw(st.integers(0, 15)) == 0:
        peers.append({})
    actions = ACTIONS[old][:2] if old and tier == "Baseline" else ACTIONS[old]
    found: Raw = {"action": draw(st.sampled_from(actions)), "to" if side == "egress" else "from": peers}
    named = all("pods" in one or "namespaces" in one for one in peers)
    fit = [p for p in PORTS[old] if named or not any("amed" in key for entry in p for key in entry)]
    if draw(st.booleans()):
        found["ports" if old else "protocols"] = draw(st.sampled_from(fit))
    return found


@st.composite
def wide_policies(draw: st.DrawFn, objects: list[Raw], name: str) -> Raw:
    old, tier = draw(st.booleans()), draw(st.sampled_from(TIERS))
    spec: Raw = {"subject": draw(ends(objects))}
    if not old:
        spec["tier"] = tier
    if not old or tier == "Admin":
        spec["priority"] = draw(st.sampled_from((0, 5, 5, 10)))
    for side in ("ingress", "egress"):
        if draw(st.integers(0, 2)):
            spec[side] = draw(st.lists(wide_rules(objects, side, old=old, tier=tier), max_size=3))
    return wide(OLD[tier] if old else NEW, "default" if old and tier == "Baseline" else name, **spec)


@st.composite
def tiered_worlds(draw: st.DrawFn) -> list[Raw]:
    """Draw a world of up to three namespaces, five pods, two NetworkPolicies and four cluster-wide ones."""
    spaces = ["x", "y", "z"][: draw(st.integers(1, 3))]
    cast = [*(namespace(s, draw(label_maps)) for s in spaces), *draw(pods(spaces))]
    hosts = {
        o["spec"]["nodeName"]: o["status"]["podIPs"]
        for o in cast
        if o["kind"] == "Pod" and o["spec"].get("hostNetwork")
    }
    listed = [node(n, *(ip["ip"] for ip in hosts.get(f"n{n}", ())), f"192.168.0.{n}") for n in range(1, 6)]
    usual = [draw(policies(cast, f"np{n}")) for n in range(draw(st.integers(0, 2)))]
    drawn = [draw(wide_policies(cast, f"w{n}")) for n in range(draw(st.integers(1, 4)))]
    unique = {(o["kind"], o["metadata"]["name"]): o for o in drawn}
    return [*cast, *listed, *usual, *unique.values()]


def tiers_of(objects: list[Raw]) -> list[Raw]:
    return [o for o in objects if o["kind"] in (NEW, *OLD.values())]

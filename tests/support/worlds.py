"""Small worlds: every one of a kind (`enumerated`), and random ones aimed at what people and engines get wrong."""

from collections.abc import Iterator
from copy import deepcopy
from itertools import product
from typing import Any, Final, NamedTuple

from hypothesis import strategies as st

Raw = dict[str, Any]


class Question(NamedTuple):
    """One packet: `source` and `target` are `namespace/pod` or an address."""

    source: str
    target: str
    family: int
    protocol: str
    port: int


def namespace(name: str, labels: dict[str, str] | None = None) -> Raw:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels or {}}}


def pod(name: str, number: int, labels: Raw, ports: list[Raw], **spec: Any) -> Raw:  # noqa: ANN401 - any field of a pod
    """Return a running dual-stack pod on a node of its own: no node is spared, no two pods share one."""
    space, _, own = name.partition("/")
    ips = [{"ip": f"10.0.{number}.{number}"}, {"ip": f"fd00::{number}:{number}"}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": space, "name": own, "labels": labels},
        "spec": {"nodeName": f"n{number}", "containers": [{"name": "c", "image": "c", "ports": ports}], **spec},
        "status": {"phase": "Running", "podIP": ips[0]["ip"], "podIPs": ips},
    }


def port(name: str, number: int, protocol: str = "TCP") -> Raw:
    return {"name": name, "containerPort": number, "protocol": protocol}


def policy(name: str, **spec: Any) -> Raw:  # noqa: ANN401 - any field of a NetworkPolicy's spec
    space, _, own = name.partition("/")
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"namespace": space, "name": own},
        "spec": spec,
    }


# The cast. Namespace z has no labels, and y claims a name that is not its own. Labels with empty values, port names
# that differ by pod and protocol, a sidecar's port, an init container's, and a pod on its host's network.
CAST: Final = (
    namespace("x", {"team": "a", "env": ""}),
    namespace("y", {"team": "b", "kubernetes.io/metadata.name": "x"}),
    namespace("z"),
    pod("x/a", 1, {"app": "a"}, [port("web", 80)]),
    pod("x/b", 2, {"app": "b", "debug": ""}, [port("web", 8080), port("dns", 81, "UDP")]),
    pod("y/a", 3, {"app": "a", "debug": "on"}, [port("web", 80, "UDP"), port("dns", 81)]),
    pod(
        "y/b",
        4,
        {"app": "b"},
        [port("dns", 81, "SCTP")],
        initContainers=[
            {"name": "proxy", "restartPolicy": "Always", "ports": [port("web", 8080)]},
            {"name": "setup", "ports": [port("dns", 80)]},
        ],
    ),
    pod("z/a", 5, {}, []),
    pod("x/host", 6, {"app": "a"}, [port("web", 80)], hostNetwork=True),
)
OUTSIDE: Final = {4: "203.0.113.9", 6: "2001:db8::9"}
DIALLED: Final = tuple(product(("TCP", "UDP", "SCTP"), (80, 81, 8080)))


def questions(objects: list[Raw]) -> list[Question]:
    """Return every packet between two pods, or a pod and the outside, that could tell two readings apart."""
    cast = {"{namespace}/{name}".format(**o["metadata"]): o["status"]["podIPs"] for o in objects if o["kind"] == "Pod"}
    found = []
    for family, outside in OUTSIDE.items():
        pods = [name for name, ips in cast.items() if any((":" in ip["ip"]) == (family == 6) for ip in ips)]
        pairs = [*product(pods, pods), *((p, outside) for p in pods), *((outside, p) for p in pods)]
        found += [Question(*pair, family, *dialled) for pair, dialled in product(pairs, DIALLED)]
    return found


def _labels(**labels: str) -> Raw:
    return {"matchLabels": labels}


def _where(key: str, operator: str, *values: str) -> Raw:
    return {"matchExpressions": [{"key": key, "operator": operator, **({"values": [*values]} if values else {})}]}


SELECTORS: Final[tuple[Raw, ...]] = (
    {},
    _labels(app="a"),
    _labels(app="b"),
    _labels(debug=""),
    _labels(app="nobody"),
    _where("app", "In", "a", "b"),
    _where("debug", "In", "on", "off"),
    _where("debug", "In", ""),
    _where("debug", "NotIn", "on"),
    _where("debug", "NotIn", "off", ""),
    _where("debug", "Exists"),
    _where("debug", "DoesNotExist"),
    {**_labels(app="b"), **_where("debug", "Exists")},
    {
        "matchExpressions": [
            *_where("debug", "Exists")["matchExpressions"],
            *_where("debug", "NotIn", "on")["matchExpressions"],
        ]
    },
)
NAMESPACES: Final[tuple[Raw, ...]] = (
    {},
    _labels(team="a"),
    _labels(env=""),
    _labels(**{"kubernetes.io/metadata.name": "x"}),
    _where("team", "NotIn", "a"),
    _where("team", "DoesNotExist"),
    _where("kubernetes.io/metadata.name", "NotIn", "x"),
    _where("kubernetes.io/metadata.name", "In", "y", "z"),
)
BLOCKS: Final = (
    {"cidr": "10.0.0.0/8"},
    {"cidr": "10.0.0.0/16", "except": ["10.0.2.0/24", "10.0.4.4/32"]},
    {"cidr": "10.0.3.3/32"},
    {"cidr": "0.0.0.0/0"},
    {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]},
    {"cidr": "::/0"},
    {"cidr": "fd00::/16", "except": ["fd00::2:0/112"]},
    {"cidr": "::ffff:10.0.0.0/112"},
    {"cidr": "203.0.113.0/24"},
    {"cidr": "10.0.6.6/32"},  # the host's
    {"cidr": "10.0.0.0/8", "except": ["192.0.2.0/24"]},  # refused by the API server, as the next two
    {"cidr": "10.0.0.0/33"},
    {"cidr": "10.0.0.0"},
)
PEERS: Final[tuple[list[Raw], ...]] = (
    [],
    *([{"podSelector": s}] for s in SELECTORS),
    *([{"namespaceSelector": s}] for s in NAMESPACES),
    *([{"ipBlock": b}] for b in BLOCKS),
    [{"namespaceSelector": _labels(team="a"), "podSelector": _labels(app="b")}],
    [{"namespaceSelector": _labels(team="a")}, {"podSelector": _labels(app="b")}],
    [{"namespaceSelector": {}, "podSelector": _labels(app="a")}],
    [{"namespaceSelector": {}, "podSelector": {}}],
    [{"ipBlock": BLOCKS[1]}, {"podSelector": _labels(app="b")}],
    [{"ipBlock": BLOCKS[1]}, {"ipBlock": {"cidr": "10.0.2.2/32"}}],
)
PORTS: Final[tuple[list[Raw], ...]] = (
    [],
    [{}],
    [{"protocol": "UDP"}],
    [{"port": 80}],
    [{"protocol": "UDP", "port": 80}],
    [{"protocol": "SCTP", "port": 81}],
    [{"port": 80, "endPort": 80}],
    [{"port": 80, "endPort": 81}],
    [{"port": 81, "endPort": 80}],
    [{"port": "web"}],
    [{"port": "web", "endPort": 8080}],
    [{"protocol": "UDP", "port": "web"}],
    [{"port": "dns"}],
    [{"protocol": "UDP", "port": "dns"}, {"protocol": "SCTP", "port": "dns"}],
    [{"port": "nobody"}],
    [{"port": "80"}],
    [{"port": 8080}, {"protocol": "UDP", "port": 81}],
)
TYPES: Final[tuple[list[str] | None, ...]] = (
    None,
    [],
    ["Ingress"],
    ["Egress"],
    ["Ingress", "Egress"],
    ["Egress", "Ingress"],
)
SECTIONS: Final[tuple[list[Raw] | None, ...]] = (None, [], [{}], [{"ports": [{"port": 80}]}])


def sided(side: str, rule: Raw) -> Raw:
    """Return a policy spec with one rule on one side; `peers` stands for `from` or `to`."""
    key = "from" if side == "ingress" else "to"
    return {"policyTypes": [side.capitalize()], side: [{key if k == "peers" else k: v for k, v in rule.items()}]}


def enumerated() -> Iterator[list[Raw]]:
    """Yield the small worlds: each turns one thing at a time, on both sides."""
    for side, peers in product(("ingress", "egress"), PEERS):
        yield [*CAST, policy("x/one", podSelector={}, **sided(side, {"peers": peers}))]
    for side, ports in product(("ingress", "egress"), PORTS):
        yield [*CAST, policy("x/one", podSelector={}, **sided(side, {"ports": ports}))]
        yield [
            *CAST,
            policy("y/one", podSelector={}, **sided(side, {"ports": ports, "peers": [{"ipBlock": BLOCKS[0]}]})),
        ]
    for side, selector in product(("ingress", "egress"), SELECTORS):
        yield [*CAST, policy("y/one", podSelector=selector, policyTypes=[side.capitalize()])]
    for types, ingress, egress in product(TYPES, SECTIONS, SECTIONS):
        spec = {"policyTypes": types, "ingress": ingress, "egress": egress}
        yield [*CAST, policy("x/one", podSelector={}, **{k: v for k, v in spec.items() if v is not None})]
    for side in ("ingress", "egress"):
        yield from pairs(side)


def pairs(side: str) -> Iterator[list[Raw]]:
    """Two rules, in one policy or in two: a union either way, and their halves do not mix."""
    one, two = ({"peers": [{"podSelector": _labels(app="b")}], "ports": [{"port": 80}]}, {"ports": [{"port": 81}]})
    closed: Raw = {"policyTypes": [side.capitalize()]}
    yield [
        *CAST,
        policy("x/one", podSelector={}, **sided(side, one)),
        policy("x/two", podSelector={}, **sided(side, two)),
    ]
    yield [
        *CAST,
        policy("x/one", podSelector={}, **{**sided(side, one), side: sided(side, one)[side] + sided(side, two)[side]}),
    ]
    yield [*CAST, policy("x/a", podSelector={}, **closed), policy("x/b", podSelector={}, **sided(side, two))]
    yield [*CAST, policy("x/a", podSelector={}, **sided(side, two)), policy("x/b", podSelector={}, **closed)]
    yield [
        *CAST,
        policy("x/a", podSelector=_labels(app="a"), **closed),
        policy("x/b", podSelector={}, **sided(side, two)),
    ]
    yield [*CAST, policy("x/a", podSelector={}, **closed), policy("y/a", podSelector={}, **closed)]


# -- random worlds, aimed ---------------------------------------------------------------------------------------------

KEYS: Final = ("app", "tier", "debug")
VALUES: Final = ("a", "b", "")
label_maps = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES), max_size=3)


@st.composite
def near(draw: st.DrawFn, labels: Raw) -> Raw:
    """Draw a selector aimed at `labels`: all of them, some, one value off, or an expression about a key of theirs."""
    some = dict(draw(st.lists(st.sampled_from(sorted(labels.items()) or [("app", "a")]), max_size=2)))
    if some and draw(st.integers(0, 3)) == 0:
        some[draw(st.sampled_from(sorted(some)))] = draw(st.sampled_from(VALUES))
    selector: Raw = {}
    explicit = draw(st.booleans())
    if some or explicit:
        selector["matchLabels"] = some
    if draw(st.integers(0, 2)) == 0:
        operator = draw(st.sampled_from(("In", "NotIn", "Exists", "DoesNotExist")))
        expression: Raw = {"key": draw(st.sampled_from(KEYS)), "operator": operator}
        if operator in ("In", "NotIn"):
            expression["values"] = draw(st.lists(st.sampled_from(VALUES), min_size=1, max_size=2, unique=True))
        selector["matchExpressions"] = [expression]
    return selector


@st.composite
def containers(draw: st.DrawFn) -> Raw:
    """Draw the ports of a pod: one number for each (name, protocol), as Kubernetes wants it."""
    names = st.tuples(st.sampled_from(("web", "dns")), st.sampled_from(("TCP", "UDP", "SCTP")))
    ports = [
        {"name": name, "protocol": protocol, "containerPort": draw(st.sampled_from((80, 81, 8080)))}
        for name, protocol in draw(st.lists(names, max_size=3, unique=True))
    ]
    side = [p for p in ports if draw(st.integers(0, 4)) == 0]
    spec: Raw = {"containers": [{"name": "c", "image": "c", "ports": [p for p in ports if p not in side]}]}
    if side:
        spec["initContainers"] = [{"name": "s", "image": "s", "restartPolicy": "Always", "ports": side}]
    return spec


@st.composite
def pods(draw: st.DrawFn, spaces: list[str]) -> list[Raw]:
    found = []
    for number in range(1, draw(st.integers(2, 5)) + 1):
        raw = pod(f"{draw(st.sampled_from(spaces))}/p{number}", number, draw(label_maps), [])
        raw["spec"] |= draw(containers())
        if draw(st.integers(0, 5)) == 0:
            raw["spec"]["hostNetwork"] = True
        if draw(st.integers(0, 3)) == 0:
            raw["status"]["podIPs"] = [draw(st.sampled_from(raw["status"]["podIPs"]))]
            raw["status"]["podIP"] = raw["status"]["podIPs"][0]["ip"]
        found.append(raw)
    return found


@st.composite
def blocks(draw: st.DrawFn, cast: list[Raw]) -> Raw:
    """Draw an ipBlock around, beside or with a hole at the address of one of the pods."""
    ip = draw(st.sampled_from([i["ip"] for p in cast for i in p["status"]["podIPs"]]))
    wide, exact = ("16", "128") if ":" in ip else ("8", "32")
    everything = "::/0" if ":" in ip else "0.0.0.0/0"
    block: Raw = {"cidr": draw(st.sampled_from((f"{ip}/{wide}", f"{ip}/{exact}", everything, "203.0.113.0/24")))}
    if block["cidr"] not in (f"{ip}/{exact}", "203.0.113.0/24") and draw(st.booleans()):
        block["except"] = [f"{ip}/{exact}"]
    return block


@st.composite
def peers(draw: st.DrawFn, objects: list[Raw]) -> Raw:
    cast = [o for o in objects if o["kind"] == "Pod"]
    spaces = [o for o in objects if o["kind"] == "Namespace"]
    kind = draw(st.sampled_from(("pods", "spaces", "both", "block")))
    if kind == "block":
        return {"ipBlock": draw(blocks(cast))}
    peer: Raw = {}
    if kind in ("spaces", "both"):
        one = draw(st.sampled_from(spaces))["metadata"]
        peer["namespaceSelector"] = draw(near({**one["labels"], "kubernetes.io/metadata.name": one["name"]}))
    if kind in ("pods", "both"):
        peer["podSelector"] = draw(near(draw(st.sampled_from(cast))["metadata"]["labels"]))
    return peer


@st.composite
def port_entries(draw: st.DrawFn) -> Raw:
    entry: Raw = {}
    if draw(st.booleans()):
        entry["protocol"] = draw(st.sampled_from(("TCP", "UDP", "SCTP")))
    port_or_none = draw(st.sampled_from((None, 79, 80, 81, 8080, "web", "dns")))
    if port_or_none is not None:
        entry["port"] = port_or_none
    if isinstance(port_or_none, int) and draw(st.booleans()):
        entry["endPort"] = draw(st.sampled_from((79, 80, 81, 8080)))
    return entry


@st.composite
def rules(draw: st.DrawFn, objects: list[Raw], side: str) -> Raw:
    rule: Raw = {}
    if draw(st.integers(0, 3)):
        rule["from" if side == "ingress" else "to"] = draw(st.lists(peers(objects), max_size=2))
    if draw(st.booleans()):
        rule["ports"] = draw(st.lists(port_entries(), max_size=2))
    return rule


@st.composite
def policies(draw: st.DrawFn, objects: list[Raw], name: str) -> Raw:
    target = draw(st.sampled_from([o for o in objects if o["kind"] == "Pod"]))["metadata"]
    spec: Raw = {"podSelector": draw(near(target["labels"]))}
    types = draw(st.sampled_from(TYPES))
    if types is not None:
        spec["policyTypes"] = types
    for side in ("ingress", "egress"):
        if draw(st.integers(0, 2)):
            spec[side] = draw(st.lists(rules(objects, side), max_size=2))
    return policy(f"{target['namespace']}/{name}", **spec)


@st.composite
def worlds(draw: st.DrawFn) -> list[Raw]:
    """Draw a world of up to three namespaces, five pods and four policies."""
    spaces = ["x", "y", "z"][: draw(st.integers(1, 3))]
    cast = [*(namespace(s, draw(label_maps)) for s in spaces), *draw(pods(spaces))]
    return [*cast, *(draw(policies(cast, f"np{n}")) for n in range(draw(st.integers(1, 4))))]


@st.composite
def rollouts(draw: st.DrawFn) -> list[Raw]:
    """Draw a world in which each namespace has a Deployment, whose pods may differ, or be missing."""
    spaces = ["x", "y"][: draw(st.integers(1, 2))]
    cast = [namespace(s, draw(label_maps)) for s in spaces]
    bare = draw(pods(spaces))
    for number, space in enumerate(spaces):
        template = {"metadata": {"labels": {"own": "w", **draw(label_maps)}}, "spec": draw(containers())}
        selector = {"matchLabels": {"own": "w"}}
        meta = {"namespace": space, "name": "w"}
        spec = {"replicas": 2, "selector": selector, "template": template}
        cast.append({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec})
        for index in range(draw(st.integers(0, 3))):
            raw = pod(f"{space}/w-h{index}-{index}", 10 + 5 * number + index, {"own": "w", **draw(label_maps)}, [])
            raw["spec"] |= draw(containers())
            raw["metadata"]["labels"]["pod-template-hash"] = f"h{index}"
            owner = {
                "apiVersion": "apps/v1",
                "kind": "ReplicaSet",
                "name": f"w-h{index}",
                "uid": "u",
                "controller": True,
            }
            raw["metadata"]["ownerReferences"] = [owner]
            cast.append(raw)
    cast += bare
    return [*cast, *(draw(policies(cast, f"np{n}")) for n in range(draw(st.integers(1, 4))))]


def policies_of(objects: list[Raw]) -> list[Raw]:
    return [o for o in objects if o["kind"] == "NetworkPolicy"]


def replaced(objects: list[Raw], old: Raw, *new: Raw) -> list[Raw]:
    """Return a deep copy in which `new` stands where `old` stood."""
    return deepcopy([n for o in objects for n in (new if o is old else (o,))])


class Unsettled(NamedTuple):
    """A world with things still open around Deployment x/w, and some of the ways it may turn out.

    Each outcome is a world in which everything is known; there the Deployment's pod is x/w-h1.
    """

    objects: list[Raw]
    outcomes: list[list[Raw]]


HASH: Final = "pod-template-hash"
LATER: Final = ((20, "h1"), (20, "h2"), (21, "h1"), (250, "h2"))  # the address and the hash that a new pod may get
READINGS: Final[tuple[tuple[Raw, ...], ...]] = (
    (),
    ({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},),
    ({"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [{}], "egress": [{}]},),
)  # what stands behind a policy that cannot be read: nothing that concerns us, a wall, or a door


@st.composite
def unsettled(draw: st.DrawFn) -> Unsettled:
    """Draw a world with a template: its pod's address and hash are open, maybe a namespace and a policy too."""
    spaces = ["x", "y"][: draw(st.integers(1, 2))]
    settled = [namespace(s, draw(label_maps)) for s in spaces]
    cast, labels = draw(pods(spaces)), draw(label_maps)
    stand_in = pod("x/w-h1", 20, {**labels, HASH: "h1"}, [])
    template = {"metadata": {"labels": labels}, "spec": stand_in["spec"]}
    meta = {"namespace": "x", "name": "w"}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": {"template": template}}
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "n1"},
        "spec": {"podCIDRs": ["10.0.0.0/16", "fd00::/64"]},
    }
    rest = [draw(policies([*settled, *cast, stand_in], f"np{n}")) for n in range(draw(st.integers(1, 3)))]
    open_space, broken = draw(st.booleans()), draw(st.sampled_from([None, None, *spaces]))
    shown = [*(o for o in settled if not (open_space and o is settled[-1])), node, deployment, *cast, *rest]
    if broken:
        shown.append({**policy(f"{broken}/broken"), "spec": "deny all"})
    outcomes = []
    for (number, value), reading in product(LATER, READINGS if broken else READINGS[:1]):
        namespaces = [*settled[:-1], namespace(spaces[-1], draw(label_maps))] if open_space else settled
        new = pod("x/w-h1", number, {**labels, HASH: value}, [])
        read = [policy(f"{broken}/broken", **spec) for spec in reading]
        outcomes.append([*namespaces, *cast, new, *rest, *read])
    return Unsettled(shown, outcomes)

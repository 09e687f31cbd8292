"""One law: matrix, explain and judge agree on every flow. And what does not depend on names, order or how rules lie."""

from collections.abc import Iterator
from copy import deepcopy
from itertools import pairwise, product
from typing import Final

from hypothesis import assume, event, given
from hypothesis import strategies as st

from tests.arena import Raw, world_of
from tests.test_laws import renamed, reverse_lists, types_of
from tests.worlds import enumerated, policies_of, policy, replaced, worlds
from webhook.evaluate import Outside, PodEnd, ends_of_pod, judge_outside, judge_pair, judge_side, template_end
from webhook.evaluate.flow import common_families
from webhook.evaluate.portset import PortSet, holds
from webhook.evaluate.reach import Alike, End, Layer, Matrix, focused, fold, matrix
from webhook.evaluate.reach.bits import listed
from webhook.explain import explain
from webhook.model.addresses import BITS, FAMILIES, Address, Block, Family
from webhook.model.policy import BlockPeer, Direction, Policy
from webhook.model.ports import FIRST_PORT, LAST_PORT, PROTOCOLS, PortRange, Protocol
from webhook.model.refs import WorkloadRef
from webhook.model.settings import Enforcer, Settings
from webhook.model.truth import Truth
from webhook.model.verdict import Verdict
from webhook.world import Group, View

TRUTH: Final = {Verdict.ALLOWED: Truth.YES, Verdict.DENIED: Truth.NO, Verdict.UNKNOWN: Truth.MAYBE}
Port = tuple[Protocol, int]


# -- the judge's answer: one pair of pods, one family, one port at a time ----------------------------------------------


def ends(view: View, group: Group) -> tuple[PodEnd, ...]:
    return (template_end(view, group.template),) if group.template else tuple(map(ends_of_pod, group.pods))


def pairs(view: View, source: Group, target: Group) -> Iterator[tuple[PodEnd, PodEnd]]:
    """Every pod of one with every pod of the other, but none with itself unless it stands for others too."""
    here, there = ends(view, source), ends(view, target)
    written = view.workload(source.ref)
    grows = source.ref.kind != "Pod" and (written is None or written.replicas != 1)
    for (i, one), (j, other) in product(enumerate(here), enumerate(there)):
        if source.ref != target.ref or i != j or (len(here) == 1 and grows):
            yield one, other


def judged(view: View, source: PodEnd, target: PodEnd, port: Port) -> Truth:
    """What one pod may send to another, on every family that both have."""
    whole = TRUTH.get(judge_pair(view, source, target, *port)[0], Truth.NO)
    if whole is not Truth.MAYBE:
        return whole
    answers = [judge_pair(view, source, target, *port, (f,))[0] for f in common_families(view, source, target, ())]
    return min((TRUTH[answer] for answer in answers), default=Truth.MAYBE)


def between(view: View, source: Group, target: Group, port: Port) -> Truth:
    return min((judged(view, one, other, port) for one, other in pairs(view, source, target)), default=Truth.NO)


def beyond(view: View, direction: Direction, group: Group, address: Address, port: Port) -> Truth:
    """What every pod of a workload may send to an address outside, or get from it."""
    block = address.block
    if direction is Direction.EGRESS:
        return min(TRUTH[judge_outside(view, end, block, *port)[0]] for end in ends(view, group))
    each = (judge_side(view, direction, end, Outside(block), block.family, *port) for end in ends(view, group))
    return min(TRUTH[side.verdict] for side in each)


def everybody(view: View) -> list[Group]:
    return [group for namespace in view.namespaces() for group in view.groups(namespace)]


def boundaries(view: View) -> list[Port]:
    """Return the ports around every one that a rule or a container names, of all protocols."""
    named = {FIRST_PORT, LAST_PORT}
    for namespace in view.namespaces():
        for value in view.policies(namespace).values():
            named |= set(_numbers(value))
        for group in view.groups(namespace):
            named |= {p.number for end in ends(view, group) for p in end.shape.ports}
    around = {n for number in named for n in (number - 1, number, number + 1) if FIRST_PORT <= n <= LAST_PORT}
    return list(product(PROTOCOLS, sorted(around)))


def _numbers(value: Policy) -> Iterator[int]:
    for section in filter(None, (value.ingress, value.egress)):
        for rule in section.rules:
            for port in rule.ports or ():
                if isinstance(port, PortRange):
                    yield from (port.first, port.last)


def edges(view: View, family: Family) -> list[Address]:
    """Return the addresses on both sides of every edge of every block that a rule names, and around nodes."""
    found = {0, (1 << BITS[family]) - 1}
    nodes = (a.value for node in view.nodes() for a in node.addresses if a.family == family)
    found |= {n for value in nodes for n in (value - 1, value, value + 1)}
    for namespace, direction in product(view.namespaces(), Direction):
        for isolation in view.isolations(namespace, direction):
            for match in (m for entry in isolation.entries for m in entry.matches or ()):
                for block in (match.block, *match.excepts) if isinstance(match, BlockPeer) else ():
                    if block.family == family:
                        found |= {n for e in (block.first, block.last) for n in (e - 1, e, e + 1)}
    return [Address(family, n) for n in sorted(found) if 0 <= n < 1 << BITS[family]]


# -- the matrix, asked the same ----------------------------------------------------------------------------------------


class Table:
    """A matrix as a look-up; no row may stand twice."""

    def __init__(self, whole: Matrix) -> None:
        self._pods: dict[tuple[End, End], tuple[PortSet, Truth]] = {}
        self._ranges: dict[tuple[Direction, End], list[tuple[Block, PortSet, Truth]]] = {}
        self._unknown: dict[tuple[End, End], PortSet] = {}
        for layer, truth in ((whole.sure, Truth.YES), (whole.unknown, Truth.MAYBE)):
            assert layer is not None
            self._take(whole, layer, truth)

    def _take(self, whole: Matrix, layer: Layer, truth: Truth) -> None:
        seen: dict[tuple[End, End], PortSet] = {}
        for source, target, ports in ((c.source, c.target, c.ports) for c in whole.connections(layer)):
            assert ports, "a pair with nothing open"
            assert all(a[1] + 1 < b[0] or a[1] // 65536 < b[0] // 65536 for a, b in pairwise(ports))
            assert (source, target) not in seen, "a row that stands twice"
            seen[source, target] = ports
            if isinstance(source, tuple):
                assert not isinstance(target, tuple)
                self._put(Direction.INGRESS, target, source, ports, truth)
            elif isinstance(target, tuple):
                self._put(Direction.EGRESS, source, target, ports, truth)
        if truth is Truth.YES:
            self._sure = seen
        else:
            self._unknown = seen

    def _put(self, direction: Direction, end: End, blocks: tuple[Block, ...], ports: PortSet, truth: Truth) -> None:
        self._ranges.setdefault((direction, end), []).extend((block, ports, truth) for block in blocks)

    def between(self, source: WorkloadRef, target: WorkloadRef, port: Port) -> Truth:
        if holds(self._sure.get((source, target), ()), *port):
            return Truth.YES
        return Truth.MAYBE if holds(self._unknown.get((source, target), ()), *port) else Truth.NO

    def beyond(self, direction: Direction, end: WorkloadRef, address: Address, port: Port) -> Truth:
        rows = self._ranges.get((direction, end), ())
        found = [truth for block, ports, truth in rows if block.holds(address) and holds(ports, *port)]
        assert len(found) < 2, "an address that stands in two rows"
        return found[0] if found else Truth.NO


def disagreements(view: View) -> Iterator[object]:
    """Yield every flow on which matrix and judge differ."""
    table = Table(matrix(view, unknown=True))
    ports = boundaries(view)
    for source, target in product(everybody(view), repeat=2):
        for port in ports:
            expected, found = between(view, source, target, port), table.between(source.ref, target.ref, port)
            if expected is not found:
                yield str(source.ref), str(target.ref), port, expected, found
    for family, group in product(FAMILIES, everybody(view)):
        for direction, address, port in product(Direction, edges(view, family), ports):
            pod = view.pod_at(address)
            expected = beyond(view, direction, group, address, port)
            found = table.beyond(direction, group.ref, address, port)
            if expected is not found and not (pod is not None and found is Truth.NO):
                yield direction, str(group.ref), str(address), port, expected, found


def test_matrix_and_judge_agree_on_every_flow_of_every_small_world() -> None:
    count = 0
    for objects in enumerated():
        assert list(disagreements(world_of(objects)))[:5] == []
        count += 1
    assert count > 250


@st.composite
def populated(draw: st.DrawFn) -> list[Raw]:
    """Draw a world with workloads of several pods, templates without pods, hosts, and things that cannot be told."""
    objects = deepcopy(draw(worlds()))
    if draw(st.integers(0, 2)) == 0:
        objects = [o for o in objects if o["kind"] != "Namespace"]  # their labels are not known
    for raw in [o for o in objects if o["kind"] == "Pod"]:
        _change(draw, raw, objects)
    for raw in policies_of(objects):
        _cloud(draw, raw)
    return [*objects, *(thing for thing in THINGS if draw(st.integers(0, 4)) == 0)]


THINGS: Final[tuple[Raw, ...]] = (
    {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "n1"},
        "spec": {"podCIDRs": ["10.0.0.0/16"]},
        "status": {"addresses": [{"type": "InternalIP", "address": "203.0.113.7"}]},
    },
    {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumNetworkPolicy",
        "metadata": {"namespace": "x", "name": "other"},
        "spec": {"endpointSelector": {"matchLabels": {"tier": "a"}}},
    },
    {
        "apiVersion": "policy.networking.k8s.io/v1alpha2",
        "kind": "ClusterNetworkPolicy",
        "metadata": {"name": "all"},
        "spec": {"subject": {"namespaces": {"matchLabels": {"app": "a"}}}},
    },
)


def _change(draw: st.DrawFn, raw: Raw, objects: list[Raw]) -> None:
    """Give a pod company, a controller, a node that it shares, no address, or take it back to a template."""
    meta = raw["metadata"]
    raw["spec"]["nodeName"] = draw(st.sampled_from(("n1", "n1", "n2", "")))
    if draw(st.integers(0, 4)) == 0:
        raw["status"] = {"phase": "Pending"}
    if draw(st.integers(0, 3)) == 0:
        meta["labels"] = {**meta["labels"], "pod-template-hash": "5d4f8c7b9"}
    kind = draw(st.sampled_from(("bare", "owned", "twice", "template")))
    if kind == "bare":
        return
    owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": f"s-{meta['name']}", "controller": True}
    if kind == "template":
        spec: Raw = {"template": {"metadata": {"labels": meta["labels"]}, "spec": raw["spec"]}}
        if draw(st.booleans()):
            spec["replicas"] = draw(st.integers(0, 2))
        raw |= {"apiVersion": "apps/v1", "kind": "StatefulSet", "spec": spec}
        raw.pop("status")
        return
    meta["ownerReferences"] = [owner]
    if kind == "twice":
        objects.append(_company(draw, raw))
    elif draw(st.booleans()):
        spec = {"replicas": 1, "template": {"metadata": {"labels": meta["labels"]}, "spec": raw["spec"]}}
        metadata = {"namespace": meta["namespace"], "name": owner["name"]}
        objects.append({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata, "spec": spec})


def _company(draw: st.DrawFn, raw: Raw) -> Raw:
    """Return a second pod of the same controller, that may differ in its labels and its node."""
    other = deepcopy(raw)
    other["metadata"]["name"] += "-1"
    other["spec"]["nodeName"] = draw(st.sampled_from(("n1", "n2", "")))
    for ip in other["status"].get("podIPs", ()):
        ip["ip"] += "9"
    if other["status"].get("podIPs"):
        other["status"]["podIP"] = other["status"]["podIPs"][0]["ip"]
    if draw(st.booleans()):
        other["metadata"]["labels"] = {**raw["metadata"]["labels"], "app": draw(st.sampled_from(("a", "b", "")))}
    return other


UNCLEAR: Final[tuple[Raw, ...]] = (
    {"podSelector": {"matchExpressions": [{"key": "pod-template-hash", "operator": "Exists"}]}},
    {"podSelector": {"matchExpressions": [{"key": "pod-template-hash", "operator": "NotIn", "values": ["x"]}]}},
    {"ipBlock": {"cidr": "010.0.0.0/8"}},
    {},
)


def _cloud(draw: st.DrawFn, raw: Raw) -> None:
    """Make a policy unclear in one of the ways that there are; most stay clear."""
    what = draw(st.integers(0, 9))
    side = draw(st.sampled_from(("ingress", "egress")))
    rules = [rule for rule in raw["spec"].get(side) or () if rule.get("from") or rule.get("to")]
    if what == 0:
        raw["spec"]["policyTypes"] = ["Sideways"]
    elif what == 1:
        raw["spec"]["podSelector"] = {"matchLabels": {"pod-template-hash": "5d4f8c7b9"}}
    elif what == 2:
        raw["spec"]["podSelector"] = {"matchExpressions": [{"key": "app", "operator": "Is"}]}
    elif what in (3, 4) and rules:
        rule = draw(st.sampled_from(rules))
        rule["from" if "from" in rule else "to"].append(draw(st.sampled_from(UNCLEAR)))
    elif what == 5 and rules:
        draw(st.sampled_from(rules))["port"] = 80


ENFORCERS: Final = ("generic", "generic", "calico", "cilium", "aws", "kube-router")


@given(populated(), st.sampled_from(ENFORCERS))
def test_matrix_and_judge_agree_on_every_flow_of_any_world(objects: list[Raw], enforcer: str) -> None:
    view = world_of(objects, complete=False, settings=Settings(enforcer=Enforcer(enforcer)))
    layer = matrix(view, unknown=True).unknown
    assert layer is not None
    event(f"unknown {any(layer.pods)}")
    assert list(disagreements(view))[:5] == []


@given(populated(), st.data())
def test_matrix_and_explain_agree_on_every_flow(objects: list[Raw], data: st.DataObject) -> None:
    view = world_of(objects, complete=False)
    table = Table(matrix(view, unknown=True))
    bare = [workload for workload in view.workloads() if workload.ref.kind == "Pod" and view.pods_of(workload.ref)]
    for source, target in product(bare, everybody(view)):
        if source.ref == target.ref:
            continue  # a pod always reaches itself, and that is no connection
        protocol, number = data.draw(st.sampled_from(boundaries(view)))
        word = f"{target.ref.kind.lower()}/{target.ref.name}.{target.ref.namespace}:{number}/{protocol}"
        explained = explain(view, source, word)
        found = table.between(source.ref, target.ref, (protocol, number))
        event(f"{explained.verdict}")
        assert (found is Truth.YES) == (explained.verdict is Verdict.ALLOWED), (word, explained)
        assert (found is not Truth.MAYBE) or (explained.verdict is Verdict.UNKNOWN), (word, explained)


# -- what changes nothing ----------------------------------------------------------------------------------------------


def rows(objects: list[Raw]) -> dict[tuple[End, End, bool], PortSet]:
    whole = matrix(world_of(objects, complete=False), unknown=True)
    assert whole.unknown is not None
    return {
        (c.source, c.target, sure): c.ports
        for layer, sure in ((whole.sure, True), (whole.unknown, False))
        for c in whole.connections(layer)
    }


@given(populated(), st.data())
def test_order_changes_no_row(objects: list[Raw], data: st.DataObject) -> None:
    other = deepcopy(data.draw(st.permutations(objects)))
    for raw in policies_of(other):
        reverse_lists(raw["spec"])
    assert rows(objects) == rows(other)


@given(worlds())
def test_names_change_no_row(objects: list[Raw]) -> None:
    def other(end: End) -> End:
        return WorkloadRef(end.kind, f"new-{end.namespace}", f"new-{end.name}") if isinstance(end, WorkloadRef) else end

    before = {(other(source), other(target), sure): ports for (source, target, sure), ports in rows(objects).items()}
    assert before == rows([renamed(raw) for raw in objects])


@given(populated(), st.data())
def test_splitting_a_policy_by_its_rules_changes_no_row(objects: list[Raw], data: st.DataObject) -> None:
    clear = [raw for raw in policies_of(objects) if _is_clear(raw["spec"])]
    assume(clear)
    old = data.draw(st.sampled_from(clear))
    parts: list[Raw] = []
    for direction in types_of(old["spec"]):
        side = direction.lower()
        for rule in old["spec"].get(side) or [None]:
            spec = {"podSelector": old["spec"]["podSelector"], "policyTypes": [direction]}
            spec[side] = [] if rule is None else [rule]
            parts.append(policy(f"{old['metadata']['namespace']}/part{len(parts)}", **spec))
    assert rows(objects) == rows(replaced(objects, old, *parts))


def _is_clear(spec: Raw) -> bool:
    """Say whether it is known whom a policy selects: the halves of a doubtful one may each select, or not."""
    selector = str(spec["podSelector"])
    return spec.get("policyTypes") != ["Sideways"] and "'Is'" not in selector and "pod-template-hash" not in selector


@given(populated())
def test_groups_say_what_their_members_rows_say(objects: list[Raw]) -> None:
    whole = matrix(world_of(objects, complete=False), unknown=True)
    folded = fold(whole)
    event(f"folded {len(folded.parties) < len(whole.parties)}")
    for layer, other in ((whole.sure, folded.sure), (whole.unknown, folded.unknown)):
        assert layer is not None
        assert other is not None
        expected = {(c.source, c.target): c.ports for c in whole.connections(layer)}
        own = {whole.parties[number] for number in listed(whole.own)}
        found = {
            (source, target): c.ports
            for c in folded.connections(other)
            for source, target in product(_each(c.source), _each(c.target))
            if source != target or source in own
        }
        assert found == expected


def _each(end: End) -> tuple[End, ...]:
    return end.members if isinstance(end, Alike) else (end,)


@given(populated(), st.data())
def test_a_focus_shows_exactly_the_rows_that_touch_it(objects: list[Raw], data: st.DataObject) -> None:
    whole = matrix(world_of(objects, complete=False), unknown=True)
    number = data.draw(st.integers(0, len(whole.parties) - 1))
    focus, seen = whole.parties[number], focused(whole, number)
    for layer, other in ((whole.sure, seen.sure), (whole.unknown, seen.unknown)):
        assert layer is not None
        assert other is not None
        expected = [c for c in whole.connections(layer) if focus in (c.source, c.target)]
        assert sorted(seen.connections(other), key=repr) == sorted(expected, key=repr)

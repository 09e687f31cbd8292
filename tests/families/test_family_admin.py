"""Cluster-wide policies that cannot be read, or only in part: never an error, never an answer surer than it is."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st

from tests.support.arena import Arena, Raw
from tests.support.worlds_tiers import NEW, TIERS, made, packets, tiered_worlds, tiers_of, wide
from webhook.cli.main import main
from webhook.families import Compiled, compile_crd_policy, dialect_of, project
from webhook.model.answers import Verdict
from webhook.model.crd_policies import CompileContext, CrdPolicy
from webhook.model.dialect import BlockReading, Dialect, PeerReading, TierOrder
from webhook.model.labels import EVERYTHING
from webhook.model.peers import PodMatch
from webhook.model.policy import BlockPeer, Direction
from webhook.model.settings import Enforcer
from webhook.model.tier import Action
from webhook.model.truth import Truth

KINDS = ("AdminNetworkPolicy", "BaselineAdminNetworkPolicy", NEW)
SAMPLES = 40  # packets asked of each world, out of some hundreds


def compiled(raw: Raw, dialect: Dialect | None = None) -> Compiled:
    value = project(raw)
    assert isinstance(value, CrdPolicy)
    around = CompileContext(Enforcer())
    return compile_crd_policy(value, CompileContext(around.enforcer, dialect=dialect or dialect_of(around)))


def one(*peers: Raw, action: str = "Deny", **rule: Any) -> Raw:  # noqa: ANN401 - any field of a rule
    return wide(NEW, "one", tier="Admin", priority=7, egress=[{"action": action, "to": [*peers], **rule}])


# -- what a policy comes to -------------------------------------------------------------------------------------------


def test_a_policy_comes_to_a_piece_a_direction_that_has_rules() -> None:
    (piece,) = compiled(one({"namespaces": {}})).policies
    assert (piece.tier.name, piece.precedence, piece.default_deny, piece.namespace) == ("Admin", (7,), False, "")
    assert (piece.subject, piece.scope, piece.position) == (EVERYTHING, None, "Admin tier, priority 7")
    (entry,) = piece.rules
    assert (entry.action, entry.peers, entry.ports) == (Action.DENY, (PodMatch(None),), None)
    assert (str(entry.ref), entry.ref.rule, entry.ref.kind) == ("one", 0, NEW)


@pytest.mark.parametrize(("tier", "old", "words"), [
    ("Admin", False, "Admin tier, priority 3"),
    ("Admin", True, "Admin tier, priority 3"),
    ("Baseline", False, "Baseline tier, priority 3"),
    ("Baseline", True, "Baseline tier"),
])  # fmt: skip
def test_a_policy_says_where_it_stands(tier: str, old: bool, words: str) -> None:
    rules = {"ingress": [{"action": "Deny", "from": [{"namespaces": {}}]}]}
    (piece,) = compiled(made("one", tier, 3, old=old, **rules)).policies
    assert piece.position == words


def test_the_successor_of_the_version_is_read_alike() -> None:
    raw = one({"networks": ["10.0.0.0/8"]})
    assert compiled({**raw, "apiVersion": "policy.networking.k8s.io/v1beta1"}).policies == compiled(raw).policies


def test_where_denials_go_first_each_rule_stands_at_a_place_of_its_own() -> None:
    raw = one({"namespaces": {}})
    raw["spec"]["egress"] += [{"action": word, "to": [{"namespaces": {}}]} for word in ("Accept", "Pass")]
    ranks = [
        piece.precedence
        for piece in compiled(raw, Dialect(evaluated=dialect().evaluated, tiers=TierOrder(deny_first=True))).policies
    ]
    assert ranks == [(7, 0, 0), (7, 1, 1), (7, 2, 2)]


def test_where_names_order_them_the_name_is_a_part_of_the_place() -> None:
    (piece,) = compiled(
        one({"namespaces": {}}), Dialect(evaluated=dialect().evaluated, tiers=TierOrder(by_name=True))
    ).policies
    assert piece.precedence == (7, "one")


def test_networks_hold_what_the_enforcer_s_blocks_hold() -> None:
    said = Dialect(evaluated=dialect().evaluated, blocks=BlockReading(pods=Truth.NO, nodes=Truth.MAYBE))
    (piece,) = compiled(one({"networks": ["10.0.0.0/8"]}), said).policies
    (block,) = piece.rules[0].peers or ()
    assert isinstance(block, BlockPeer)
    assert (block.pods, block.nodes) == (Truth.NO, Truth.MAYBE)


@pytest.mark.parametrize(("action", "actions"), [("Accept", []), ("Deny", [Action.DENY]), ("Pass", [Action.DENY])])
def test_a_peer_that_the_enforcer_has_not_fails_closed(action: str, actions: list[Action]) -> None:
    said = Dialect(evaluated=dialect().evaluated, peers=PeerReading(closed=frozenset({"nodes"})))
    found = compiled(one({"nodes": {}}, action=action), said)
    assert [entry.action for piece in found.policies for entry in piece.rules] == actions
    assert found.problems


def test_a_peer_that_the_enforcer_refuses_refuses_the_policy() -> None:
    said = Dialect(evaluated=dialect().evaluated, peers=PeerReading(refused=frozenset({"nodes"})))
    found = compiled(one({"nodes": {}}), said)
    assert (found.policies, found.problems) == ((), ("spec.egress[0].to: expected no nodes here",))


def dialect() -> Dialect:
    return dialect_of(CompileContext(Enforcer()))


# -- what is wrong is said, and where ---------------------------------------------------------------------------------

WRONG: dict[str, tuple[Raw, str]] = {
    "two fields": (one({"namespaces": {}, "pods": {}}), "spec.egress[0].to[0]: expected one of"),
    "an operator": (
        one({"namespaces": {"matchExpressions": [{"key": "a", "operator": "Is"}]}}),
        "spec.egress[0].to[0].namespaces.matchExpressions[0].operator: expected In",
    ),
    "a network": (one({"networks": ["10.0.0.0/33"]}), "spec.egress[0].to[0].networks: expected an address block"),
    "no network": (one({"networks": []}), "spec.egress[0].to[0].networks: expected at least one entry"),
    "no peers": (one(), "spec.egress[0].to: expected at least one peer"),
    "a field of the other API": (one({"namespaces": {}}, ports=[]), "spec.egress[0]: expected action, name"),
    "no port": (
        one({"namespaces": {}}, protocols=[{"tcp": {"destinationPort": {"number": 0}}}]),
        "spec.egress[0].protocols[0].tcp.destinationPort.number: expected a port from 1",
    ),
    "no protocol": (one({"namespaces": {}}, protocols=[{"icmp": {}}]), "spec.egress[0].protocols[0]: expected"),
    "no name": (
        one({"namespaces": {}}, protocols=[{"destinationNamedPort": ""}]),
        "spec.egress[0].protocols[0].destinationNamedPort: expected a port's name",
    ),
    "no list": (wide(NEW, "one", tier="Admin", priority=1, egress={}), "spec.egress: expected a list"),
    "no subject": (
        wide(NEW, "one", tier="Admin", priority=1) | {"spec": {"tier": "Admin", "priority": 1}},
        "spec.subj",
    ),
    "a field": (wide(NEW, "one", tier="Admin", priority=1, egres=[]), "spec: expected egress, ingress"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_with_its_path(name: str) -> None:
    raw, problem = WRONG[name]
    assert [found[: len(problem)] for found in compiled(raw).problems] == [problem]


def test_what_is_refused_in_a_version_that_is_known_may_mean_something_in_another() -> None:
    raw = wide(NEW, "one", tier="Lower", priority=1, egress=[{"action": "Deny", "to": [{"namespaces": {}}]}])
    assert compiled(raw).policies == ()
    assert {piece.direction for piece in compiled({**raw, "apiVersion": "policy.networking.k8s.io/v2"}).policies} == {
        *Direction
    }


def test_what_is_wrong_in_a_file_is_said_with_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.yaml").write_text(
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\n"
        "apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {name: odd}\n"
        "spec: {tier: Lower, priority: 1, subject: {namespaces: {}}}\n"
    )
    assert main(["check", "-f", str(tmp_path)]) == 2
    said = "a.yaml:5: ClusterNetworkPolicy `odd`: spec.tier: expected Admin or Baseline, not `'Lower'`"
    assert said in capsys.readouterr().err
    assert main(["check", "-f", str(tmp_path), "--cni", "weave"]) == 0  # who enforces it there? nobody


# -- whatever is written there ----------------------------------------------------------------------------------------

WORDS = st.sampled_from(
    ("Admin", "Accept", "Deny", "Pass", "Allow", "10.0.0.0/8", "web", "", "namespaces", "0.0.0.0/0", "In", "Exists")
)
FIELDS = st.sampled_from(
    [
        *("tier", "priority", "subject", "ingress", "egress", "from", "to", "action", "name", "ports", "protocols"),
        *("namespaces", "pods", "namespaceSelector", "podSelector", "matchLabels", "matchExpressions", "networks"),
        *("nodes", "domainNames", "tcp", "udp", "destinationPort", "number", "range", "start", "end", "protocol"),
        *("destinationNamedPort", "portNumber", "portRange", "namedPort", "port", "key", "operator", "values", ""),
    ]
)
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-1, 70_000), WORDS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(FIELDS, inner, max_size=4)),
    max_leaves=20,
)


@given(st.sampled_from(KINDS), st.sampled_from(("default", "other")), ANYTHING, st.data())
def test_no_policy_is_an_error(kind: str, name: str, spec: Any, draw: st.DataObject) -> None:  # noqa: ANN401 - any JSON
    raw = wide(kind, name)
    if isinstance(spec, dict) and draw.draw(st.booleans()):
        spec = {"tier": "Admin", "priority": 1, "subject": {"namespaces": {}}, **spec}
    raw["spec"] = spec
    found = compiled(raw)
    event(f"pieces {len(found.policies)}, problems {bool(found.problems)}")
    assert found.policies or found.problems or not (spec.get("ingress") or spec.get("egress"))


@given(tiered_worlds(), st.data())
def test_a_part_of_a_policy_that_is_mangled_changes_nothing_for_whom_it_is_not_about(
    objects: list[Raw], draw: st.DataObject
) -> None:
    """Whatever stands in the rules of a policy that selects nobody, every answer stays."""
    broken = wide(NEW, "broken", tier=draw.draw(st.sampled_from(TIERS)), priority=5)
    broken["spec"] |= {"subject": {"namespaces": {"matchLabels": {"nobody": "here"}}}, "egress": draw.draw(ANYTHING)}
    ask = sample(objects, draw)
    before, after = Arena(objects), Arena([*objects, broken])
    assert [before.evaluate(*q) for q in ask] == [after.evaluate(*q) for q in ask]


# -- what is not understood may mean anything -------------------------------------------------------------------------

NOBODY = {"namespaces": {"matchLabels": {"nobody": "here"}}}
EVERYBODY = {"networks": ["0.0.0.0/0", "::/0"]}


@given(tiered_worlds(), st.data())
def test_a_sure_answer_holds_whatever_a_field_that_is_not_known_means(objects: list[Raw], draw: st.DataObject) -> None:
    rules = [
        (policy, side, index)
        for policy in tiers_of(objects)
        for side in ("ingress", "egress")
        for index in range(len(policy["spec"].get(side, ())))
    ]
    assume(rules)
    policy, side, index = draw.draw(st.sampled_from(rules), "rule")
    key = "to" if side == "egress" else "from"
    every: list[Raw] = [EVERYBODY if side == "egress" else {"namespaces": {}}]

    def reading(*peers: Raw, action: str | None = None) -> Arena:
        """Return the world in which the rule has these peers, and no ports where it denies all."""
        changed = deepcopy(objects)
        rule = changed[objects.index(policy)]["spec"][side][index]
        rule[key] = [*peers]
        if action is not None:
            rule["action"] = action
            rule.pop("ports", None)
            rule.pop("protocols", None)
        return Arena(changed)

    said = policy["spec"][side][index]["action"]
    closed = [] if said in ("Accept", "Allow") else [reading({}, action="Deny")]
    outcomes = [reading(NOBODY), reading(*every), reading({"namespaces": {}}), *closed]
    unclear = reading({"newer": {}}, *every[:1])
    for question in sample(objects, draw):
        found = unclear.evaluate(*question)
        truth = [arena.judge_tiers(*question) for arena in outcomes]
        for part in (1, 2):
            event(f"{found[part]}")
            if found[part] is not Verdict.UNKNOWN:
                assert {answer[part] for answer in truth} == {found[part] is Verdict.ALLOWED}, (question, part)


def sample(objects: list[Raw], draw: st.DataObject) -> list[Any]:
    every = packets(objects)
    step = max(1, len(every) // SAMPLES)
    return every[draw.draw(st.integers(0, step - 1), "first") :: step]

"""What is wrong with Calico's policies, and what becomes of them: tests/families/calico/invalid.yaml."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from webhook.families import Compiled, compile_crd_policy, dialect_of, project
from webhook.model.crd_policies import CompileContext, CrdPolicy
from webhook.model.settings import Enforcer
from webhook.model.tier import CompiledPolicy

CASES: Final[list[dict[str, Any]]] = yaml.safe_load(
    (Path(__file__).parent / "calico" / "invalid.yaml").read_text(encoding="utf-8")
)
AROUND: Final = CompileContext(Enforcer("calico"))
CALICO: Final = structs.replace(AROUND, dialect=dialect_of(AROUND))
Sort = Callable[[Compiled], bool]


def anything(found: Compiled) -> bool:
    return all(entry.unclear for piece in found.policies for entry in piece.rules) and len(found.policies) == 2


BECOMES: Final[dict[str, Sort]] = {
    "absent": lambda found: not found.policies and bool(found.problems),
    "unclear": lambda found: anything(found) and bool(found.problems),
    "lenient": lambda found: bool(found.policies) and not anything(found) and bool(found.problems),
    "fine": lambda found: bool(found.policies) and not anything(found) and not found.problems,
}


def compiled(spec: Any, kind: str = "NetworkPolicy") -> Compiled:  # noqa: ANN401 - what somebody wrote
    raw = {
        "apiVersion": "projectcalico.org/v3",
        "kind": kind,
        "metadata": {"name": "p", "namespace": "data"},
        "spec": spec,
    }
    value = project(raw)
    assert isinstance(value, CrdPolicy)
    return compile_crd_policy(value, CALICO)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['becomes']} {case['spec']}"[:90])
def test_of_a_policy_becomes_what_calico_makes_of_it(case: dict[str, Any]) -> None:
    found = compiled(case["spec"], case.get("kind", "NetworkPolicy"))
    assert BECOMES[case["becomes"]](found), found
    assert case.get("says", "") in " ".join(found.problems)


def test_a_policy_that_cannot_be_read_may_do_anything_to_those_it_selects_and_nobody_else() -> None:
    found = compiled({"selector": "app == 'a'", "tier": "unknown"})
    assert {str(piece.scope) for piece in found.policies} == {"app=a"}
    assert {piece.namespace for piece in found.policies} == {"data"}


def test_too_many_rules_are_refused() -> None:
    assert compiled({"ingress": [{"action": "Allow"}] * 1024}).problems == ()
    assert "at most 1024 rules" in compiled({"ingress": [{"action": "Allow"}] * 1025}).problems[0]


LEAVES: Final = [
    None,
    True,
    7,
    6.5,
    "Allow",
    "Deny",
    "TCP",
    "x",
    "10.0.0.0/8",
    "a == 'b'",
    "80:90",
    "Ingress",
    "global()",
]
OF_POLICIES: Final = ("tier", "order", "selector", "types", "serviceAccountSelector", "doNotTrack", "other")
OF_RULES: Final = ("action", "protocol", "notProtocol", "icmp", "notICMP", "http", "ipVersion", "metadata", "other")
OF_SIDES: Final = (
    *("nets", "notNets", "selector", "notSelector", "namespaceSelector", "serviceAccounts", "services", "ports"),
    *("notPorts", "names", "name", "namespace", "domains", "other"),
)
ANY: Final = st.recursive(
    st.sampled_from(LEAVES),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from((*OF_POLICIES, *OF_SIDES)), inner, max_size=3)
    ),
    max_leaves=6,
)


def some(keys: tuple[str, ...], **more: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({}, optional={**dict.fromkeys(keys, ANY), **more}) | ANY


SIDE: Final = some(OF_SIDES)
RULES: Final = st.lists(some(OF_RULES, source=SIDE, destination=SIDE), max_size=3) | ANY
JSON: Final = some((*OF_POLICIES, "nets", "defaultAction", "profiles"), ingress=RULES, egress=RULES)


@given(JSON, st.sampled_from(["NetworkPolicy", "GlobalNetworkPolicy"]))
def test_any_spec_ends_in_pieces_or_in_problems(spec: Any, kind: str) -> None:  # noqa: ANN401 - any JSON
    found = compiled(spec, kind)
    assert found.policies or found.problems
    assert all(isinstance(piece, CompiledPolicy) for piece in found.policies)
    assert all(problem.isprintable() for problem in found.problems)


@given(JSON)
def test_any_set_tier_or_setting_leaves_a_policy_one_that_can_be_read(spec: Any) -> None:  # noqa: ANN401 - any JSON
    kinds = ("Tier", "NetworkSet", "GlobalNetworkSet", "HostEndpoint", "FelixConfiguration")
    objects = {}
    for kind in kinds:
        raw = {"apiVersion": "projectcalico.org/v3", "kind": kind, "metadata": {"name": "default"}, "spec": spec}
        value = project(raw)
        assert isinstance(value, CrdPolicy)
        objects["projectcalico.org", kind] = (value,)
    around = CompileContext(Enforcer("calico"), objects)
    around = structs.replace(around, dialect=dialect_of(around))
    raw = {
        "apiVersion": "projectcalico.org/v3",
        "kind": "GlobalNetworkPolicy",
        "metadata": {"name": "p"},
        "spec": {"ingress": [{"action": "Allow", "source": {"selector": "all()"}}]},
    }
    value = project(raw)
    assert isinstance(value, CrdPolicy)
    assert compile_crd_policy(value, around).policies

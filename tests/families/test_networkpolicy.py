"""NetworkPolicy as the API's documentation has it: one statement, which knows no enforcer."""

from pathlib import Path
from typing import Any, Final, cast

import pytest
from hypothesis import given

from tests.support.making import isolating
from tests.support.values import policies
from tests.support.worlds import policy
from webhook.families import compile_policy, networkpolicy, project
from webhook.families.networkpolicy import isolates, policy_types
from webhook.model.dialect import Dialect
from webhook.model.labels import EVERYTHING
from webhook.model.policy import Direction, Policy, Rule
from webhook.model.refs import PolicyRef

STATEMENT: Final = Path(networkpolicy.__file__).read_text(encoding="utf-8")


def test_the_statement_is_short_and_knows_neither_dialects_nor_enforcers() -> None:
    assert len(STATEMENT.splitlines()) < 150
    imported = {line.split()[1] for line in STATEMENT.splitlines() if line.startswith(("from ", "import "))}
    assert imported == {"webhook.model.peers", "webhook.model.policy", "webhook.model.tier"}


@pytest.mark.parametrize(
    ("spec", "types"),
    [
        ({}, {"Ingress"}),
        ({"policyTypes": []}, {"Ingress"}),
        ({"egress": []}, {"Ingress"}),
        ({"egress": [{}]}, {"Ingress", "Egress"}),
        ({"policyTypes": ["Ingress"], "egress": [{}]}, {"Ingress"}),
        ({"policyTypes": ["Egress"]}, {"Egress"}),
        ({"policyTypes": ["Egress"], "ingress": [{}]}, {"Egress"}),
        ({"policyTypes": ["Sideways"]}, set()),
    ],
)
def test_a_policy_isolates_in_the_directions_of_its_policy_types(spec: dict[str, Any], types: set[str]) -> None:
    found = cast("Policy", project(policy("x/p", podSelector={}, **spec)))
    assert policy_types(found) == types
    assert {one.direction for one in compile_policy(found)} == (types or {"Ingress", "Egress"})


def test_a_direction_that_policy_types_leaves_out_is_not_isolated_whatever_rules_it_has() -> None:
    found = isolating(PolicyRef("x", "p"), EVERYTHING, ingress=(Rule(0),))
    assert isolates(found, Direction.INGRESS)
    assert not isolates(found, Direction.EGRESS)


@given(policies())
def test_an_enforcer_that_departs_in_nothing_takes_a_policy_as_it_is_stated(found: Policy) -> None:
    assert compile_policy(found, Dialect("any")) == networkpolicy.compile_policy(found)

"""Calico's selector language: tests/families/calico/selectors.yaml, and texts that are made to be hard."""

from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from webhook.families.calico.labels import OF_SPACES, OF_SUBJECTS, endpoints, of_pods, subjects
from webhook.families.calico.selector import LONGEST, SelectorError, parse
from webhook.model.labels import (
    ALWAYS,
    EVERYTHING,
    NEVER,
    AllOf,
    Operator,
    Predicate,
    Requirement,
    Selector,
    Space,
    holds,
    requirements_of,
)
from webhook.model.labels import Operator as Asked
from webhook.model.peers import EndpointPeer, PodMatch
from webhook.model.truth import Truth

FILE: Final[dict[str, list[Any]]] = yaml.safe_load(
    (Path(__file__).parent / "calico" / "selectors.yaml").read_text(encoding="utf-8")
)


def met(expression: Predicate, labels: dict[str, str]) -> bool:
    return holds(expression, lambda _, key: labels.get(key)) is Truth.YES


@pytest.mark.parametrize("case", FILE["valid"], ids=lambda case: case["text"])
def test_a_selector_holds_for_these_labels_and_not_for_those(case: dict[str, Any]) -> None:
    found = parse(case["text"])
    assert [labels for labels in case["holds"] if not met(found, labels)] == []
    assert [labels for labels in case["fails"] if met(found, labels)] == []


@pytest.mark.parametrize("case", FILE["refused"], ids=lambda case: case["text"])
def test_what_is_no_selector_is_refused_with_what_was_expected(case: dict[str, str]) -> None:
    with pytest.raises(SelectorError) as error:
        parse(case["text"])
    assert case["says"] in str(error.value)
    assert "Token" not in str(error.value)


def test_parentheses_may_be_as_deep_as_a_text_is_long() -> None:
    deep = "(" * 509 + "all()" + ")" * 509
    assert len(deep) < LONGEST
    assert parse(deep) == ALWAYS
    nested = "!(has(a)&&" * 92 + "has(b)" + ")" * 92
    assert met(parse(nested), {"a": "x", "b": "x"})
    with pytest.raises(SelectorError, match="expected &&, \\|\\| or \\), not the end"):
        parse("(" * 509 + "all()" + ")" * 508)


def test_a_text_may_have_1024_characters_and_no_more() -> None:
    text = "a == '" + "x" * (LONGEST - 7) + "'"
    assert isinstance(parse(text), Requirement)
    with pytest.raises(SelectorError, match="at most 1024 characters"):
        parse(text + " ")
    assert isinstance(parse("a" * 512 + " == 'x'"), Requirement)
    with pytest.raises(SelectorError, match="at most 512 characters"):
        parse("a" * 513 + " == 'x'")


WORDS: Final = [
    *("a", "b", "has(a)", "all()", "global()", "==", "!=", "in", "not in", "notin", "contains", "starts with"),
    *("ends with", "'x'", '""', "{", "}", "(", ")", "&&", "||", "!", "&", "has(", " ", "\t", "=", ",", "{'x','y'}"),
]


@given(st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join))
def test_any_text_is_a_selector_or_refused_by_name(text: str) -> None:
    with suppress(SelectorError):
        found = parse(text)
        assert holds(found, lambda _, __: None) in (Truth.YES, Truth.NO)
        assert holds(found, lambda _, __: Truth.MAYBE) in Truth


def test_labels_of_namespaces_and_accounts_are_told_by_their_prefix() -> None:
    text = (
        "pcns.team == 'a' && pcsa.kind == 'b' && projectcalico.org/namespace == 'n' && app == 'c'"
        " && projectcalico.org/serviceaccount == 's' && pcns.projectcalico.org/name == 'n'"
        " && pcsa.projectcalico.org/name == 's' && projectcalico.org/orchestrator == 'k8s'"
    )
    found = of_pods(parse(text))
    assert isinstance(found, AllOf)
    assert [f"{one.space} {one}" for one in requirements_of(found)] == [
        "namespace team=a",
        "account kind=b",
        "field namespace=n",
        "pod app=c",
        "field account=s",
    ]
    assert of_pods(parse("projectcalico.org/orchestrator != 'k8s'")) == NEVER
    assert of_pods(parse("has(projectcalico.org/namespace)")) == ALWAYS


def test_in_a_namespace_selector_all_means_any_namespace_and_global_none() -> None:
    here = {"projectcalico.org/namespace": "n", "pcns.team": "a"}
    assert met(parse("all()", OF_SPACES), here)
    assert not met(parse("all()", OF_SPACES), {})
    assert met(parse("global()", OF_SPACES), {})
    assert not met(parse("global()", OF_SPACES), here)
    assert met(parse("team == 'a'", OF_SPACES), here)
    assert met(parse("team != 'b'", OF_SPACES), {}), "a global network set lacks the label, too"
    assert parse("global()", OF_SUBJECTS) == ALWAYS
    assert endpoints(parse("global()", OF_SPACES)) == ()


def in_(key: str, *values: str) -> Requirement:
    return Requirement(key, Operator.IN, frozenset(values))


def test_plain_conditions_become_selectors_that_fixes_and_near_misses_know() -> None:
    plain = parse("app == 'a' && has(ver) && !has(old) && pcns.team in {'a','b'}")
    pods = Selector((in_("app", "a"), Requirement("ver", Operator.EXISTS), Requirement("old", Operator.DOES_NOT_EXIST)))
    assert endpoints(plain) == (PodMatch(None, Selector((in_("team", "a", "b"),)), pods),)
    assert endpoints(parse("projectcalico.org/namespace == 'n' && app == 'a'"), own=True) == (
        PodMatch("n", pods=Selector((in_("app", "a"),)), own=True),
    )
    assert endpoints(parse("")) == (PodMatch(None),)
    either = parse("app == 'a' || app == 'b'")
    assert endpoints(either) == (EndpointPeer(either),)
    assert subjects(plain) == (pods, Requirement("team", Asked.IN, frozenset("ab"), Space.NAMESPACE))
    assert subjects(either) == (EVERYTHING, either)
    assert subjects(parse("app == 'a'")) == (Selector((in_("app", "a"),)), None)

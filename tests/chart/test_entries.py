"""The ValidatingWebhookConfiguration: whom it asks about, and whom never."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.chart.rendering import CI, NAMESPACE, Chart, Object, Rendered
from webhook.families import POLICIES, REFERENCES, WIDE

OUT = {"kube-system", NAMESPACE}
MODE = "netpol-preflight.io/mode"
OF_WORKLOADS = ("advisory", "enforcing")
EVERY = (*OF_WORKLOADS, "changes")


def matches(selector: Object, name: str, **labels: str) -> bool:
    """Whether a namespace is selected, as the API server decides (apimachinery `labels.Requirement.Matches`)."""
    have = {"kubernetes.io/metadata.name": name, **{key.replace("_", "/"): value for key, value in labels.items()}}
    for requirement in selector.get("matchExpressions", []):
        value, listed = have.get(requirement["key"]), requirement.get("values", [])
        met = {
            "In": value in listed,
            "NotIn": value not in listed,
            "Exists": value is not None,
            "DoesNotExist": value is None,
        }
        if not met[requirement["operator"]]:
            return False
    return all(have.get(key) == value for key, value in selector.get("matchLabels", {}).items())


def asked(rendered: Rendered, name: str, mode: str | None = None, entries: Iterable[str] = OF_WORKLOADS) -> list[str]:
    """Return the entries that cover a namespace, of some."""
    labels = {} if mode is None else {MODE.replace("/", "_"): mode}
    return [one for one in entries if one in rendered.webhooks if matches(selector(rendered, one), name, **labels)]


def selector(rendered: Rendered, entry: str) -> Object:
    found: Object = rendered.webhooks[entry]["namespaceSelector"]
    return found


def of_workloads(rendered: Rendered) -> list[Object]:
    return [rendered.webhooks[name] for name in OF_WORKLOADS]


@pytest.mark.parametrize("values", CI, ids=lambda path: path.stem)
@pytest.mark.parametrize("mode", [None, "warn", "enforce", "anything"])
def test_kube_system_and_the_own_namespace_are_never_covered(chart: Chart, values: Path, mode: str | None) -> None:
    rendered = chart.render(values)
    assert [asked(rendered, name, mode, EVERY) for name in sorted(OUT)] == [[], []]


@pytest.mark.parametrize(
    "given",
    [
        {"matchExpressions": []},
        {"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "In", "values": sorted(OUT)}]},
        {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
    ],
)
def test_no_selector_that_is_given_takes_them_in(chart: Chart, given: Any) -> None:  # noqa: ANN401 any values
    rendered = chart.render({"webhook": {"namespaceSelector": given, "excludedNamespaces": []}})
    assert [asked(rendered, name, mode, EVERY) for name in sorted(OUT) for mode in (None, "enforce")] == [[]] * 4


@pytest.mark.parametrize(
    ("default", "label", "expected"),
    [
        ("warn", None, "advisory"),
        ("warn", "warn", "advisory"),
        ("warn", "audit", "advisory"),
        ("warn", "typo", "advisory"),
        ("warn", "enforce", "enforcing"),
        ("warn", "off", None),
        ("enforce", None, "enforcing"),
        ("enforce", "typo", "enforcing"),
        ("enforce", "enforce", "enforcing"),
        ("enforce", "warn", "advisory"),
        ("enforce", "audit", "advisory"),
        ("enforce", "off", None),
        ("audit", None, "advisory"),
        ("audit", "typo", "advisory"),
        ("audit", "enforce", "enforcing"),
        ("off", None, None),
        ("off", "typo", None),
        ("off", "warn", "advisory"),
        ("off", "enforce", "enforcing"),
    ],
)
def test_a_namespace_is_covered_by_the_entry_of_its_mode_and_no_other(
    chart: Chart, default: str, label: str | None, expected: str | None
) -> None:
    rendered = chart.render({"mode": default})
    assert asked(rendered, "shop", label) == ([expected] if expected else [])


def test_where_the_program_gives_namespaces_their_modes_all_are_asked_about(chart: Chart) -> None:
    rendered = chart.render({"mode": "off", "config": {"modes": {"prod-*": "warn"}}})
    assert (asked(rendered, "shop"), asked(rendered, "shop", "off")) == (["advisory"], [])


@pytest.mark.parametrize("default", ["off", "audit", "warn", "enforce"])
def test_without_the_second_entry_the_first_covers_all(chart: Chart, default: str) -> None:
    rendered = chart.render({"mode": default, "webhook": {"enforcing": {"enabled": False}}})
    assert all(asked(rendered, "shop", label) == ["advisory"] for label in ("audit", "warn", "enforce"))
    assert asked(rendered, "shop", "off") == []
    assert asked(rendered, "shop") == asked(rendered, "shop", "typo") == ([] if default == "off" else ["advisory"])


def test_given_conditions_are_added_to_ours(chart: Chart) -> None:
    more = {"key": "team", "operator": "Exists"}
    condition = {"name": "not-by-ci", "expression": "request.userInfo.username != 'ci'"}
    values = {
        "namespaceSelector": {"matchLabels": {"a": "b"}, "matchExpressions": [more]},
        "matchConditions": [condition],
        "objectSelector": {"matchLabels": {"opted": "in"}},
        "excludedNamespaces": ["calico-system"],
    }
    for entry in of_workloads(chart.render({"webhook": values})):
        assert entry["namespaceSelector"]["matchLabels"] == {"a": "b"}
        assert more in entry["namespaceSelector"]["matchExpressions"]
        assert {"calico-system", *OUT} <= set(entry["namespaceSelector"]["matchExpressions"][0]["values"])
        assert [one["name"] for one in entry["matchConditions"]][1:] == ["not-by-ci"]
        assert entry["objectSelector"] == {"matchLabels": {"opted": "in"}}


def test_nothing_is_left_out_for_what_its_author_wrote_alone(default: Rendered) -> None:
    for entry in of_workloads(default):
        conditions = {one["name"]: one["expression"] for one in entry["matchConditions"]}
        made = conditions.pop("not-made-of-a-cronjob-by-the-control-plane")
        assert made.startswith("!(request.userInfo.username in [")
        assert ")) ||" not in made
        assert conditions.keys() == {"not-in-an-excluded-namespace"}
        assert "object." not in conditions["not-in-an-excluded-namespace"]


def test_where_only_some_namespaces_are_watched_only_those_are_covered(chart: Chart) -> None:
    rendered = chart.render({"namespaces": ["shop", "kube-system"]})
    assert [asked(rendered, name) for name in ("shop", "other", "kube-system")] == [["advisory"], [], []]


def test_workload_kinds_are_named_and_nothing_else(default: Rendered) -> None:
    for entry in of_workloads(default):
        named = {
            f"{group}/{kind}" for rule in entry["rules"] for group in rule["apiGroups"] for kind in rule["resources"]
        }
        assert named == {
            *("apps/deployments", "apps/statefulsets", "apps/daemonsets"),
            *("batch/jobs", "batch/cronjobs", "/replicationcontrollers"),
        }
        assert all(rule["operations"] == ["CREATE", "UPDATE"] for rule in entry["rules"])
        assert all(rule["scope"] == "Namespaced" for rule in entry["rules"])


# -- changes of policies, of labels and of Services --------------------------------------------------------------------


def test_changes_are_an_entry_of_their_own_that_fails_open_within_three_seconds(chart: Chart) -> None:
    values = {"failurePolicy": "Fail", "enforcing": {"failurePolicy": "Fail"}, "timeoutSeconds": 10}
    entry = chart.render({"webhook": values}).webhooks["changes"]
    assert (entry["failurePolicy"], entry["timeoutSeconds"]) == ("Ignore", 3)
    assert (
        "objectSelector"
        not in chart.render({"webhook": {"objectSelector": {"matchLabels": {"a": "b"}}}}).webhooks["changes"]
    )


def test_changes_can_be_left_out(chart: Chart) -> None:
    assert list(chart.render({"webhook": {"changes": {"enabled": False}}}).webhooks) == list(OF_WORKLOADS)


@pytest.mark.parametrize(
    ("default", "label", "covered"),
    [
        ("warn", None, True),
        ("warn", "enforce", True),
        ("warn", "off", False),
        ("off", None, False),
        ("off", "warn", True),
    ],
)
def test_changes_are_asked_about_wherever_workloads_are(
    chart: Chart, default: str, label: str | None, covered: bool
) -> None:
    assert bool(asked(chart.render({"mode": default}), "shop", label, ["changes"])) is covered


def test_a_namespace_that_wants_to_hear_nothing_of_changes_is_left_out(default: Rendered) -> None:
    quiet = {"netpol-preflight.io_policy-mode": "off"}
    assert not matches(selector(default, "changes"), "shop", **quiet)
    assert asked(default, "calico-system", None, ["changes"]) == []


def test_every_kind_that_may_cut_somebody_is_named(default: Rendered) -> None:
    named = {
        (group, kind): rule["scope"]
        for rule in default.webhooks["changes"]["rules"]
        for group in rule["apiGroups"]
        for kind in rule["resources"]
    }
    wanted = {kind for kind, family in POLICIES.items() if family != "opaque"} | REFERENCES
    plural = {(group, _plural(kind)): (group, kind) for group, kind in wanted}
    assert named.keys() == {*plural, ("networking.k8s.io", "networkpolicies"), ("", "services"), ("", "namespaces")}
    assert ("", "serviceaccounts") in plural
    for place, kind in plural.items():
        assert named[place] == ("Cluster" if kind in WIDE else "Namespaced")


def _plural(kind: str) -> str:
    word = kind.lower()
    return f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"


def test_what_is_new_or_gone_and_takes_nothing_away_is_not_asked_about(default: Rendered) -> None:
    operations = {
        kind: set(rule["operations"]) for rule in default.webhooks["changes"]["rules"] for kind in rule["resources"]
    }
    assert operations.pop("services") == operations.pop("serviceaccounts") == {"UPDATE", "DELETE"}
    assert operations.pop("namespaces") == {"UPDATE"}
    assert all(some == {"CREATE", "UPDATE", "DELETE"} for some in operations.values())


def test_what_is_cluster_wide_has_no_namespace_to_be_excluded_by(chart: Chart) -> None:
    mine = {"name": "not-by-ci", "expression": "request.userInfo.username != 'ci'"}
    values = {"excludedNamespaces": ["gke-*", "x"], "changes": {"matchConditions": [mine]}}
    conditions = {
        one["name"]: one["expression"]
        for one in chart.render({"webhook": values}).webhooks["changes"]["matchConditions"]
    }
    assert conditions["not-in-an-excluded-namespace"] == (
        "!has(request.namespace) || (!request.namespace.startsWith('gke-'))"
    )
    assert conditions["not-by-ci"] == mine["expression"]
    assert "object." not in "".join(conditions.values())
    plain = chart.render({"webhook": {"excludedNamespaces": []}}).webhooks["changes"]["matchConditions"]
    assert [one["name"] for one in plain] == ["not-by-the-control-plane"]


@pytest.mark.parametrize("values", CI, ids=lambda path: path.stem)
def test_the_fields_that_keep_a_cluster_safe(chart: Chart, values: Path) -> None:
    for entry in chart.render(values).webhooks.values():
        assert entry["sideEffects"] == "None"
        assert entry["matchPolicy"] == "Equivalent"
        assert entry["admissionReviewVersions"] == ["v1"]
        assert entry["timeoutSeconds"] <= 3
        assert entry["clientConfig"]["service"]["path"] == "/validate"


def test_by_default_nothing_fails_closed(default: Rendered) -> None:
    assert {entry["failurePolicy"] for entry in default.webhooks.values()} == {"Ignore"}


def test_only_the_enforcing_entry_fails_closed_where_that_is_asked_for(chart: Chart) -> None:
    entries = chart.render({"webhook": {"enforcing": {"failurePolicy": "Fail"}}}).webhooks
    assert {name: entry["failurePolicy"] for name, entry in entries.items()} == {
        "advisory": "Ignore",
        "enforcing": "Fail",
        "changes": "Ignore",
    }


def test_the_bundle_is_the_products_or_yours_or_cert_managers(chart: Chart) -> None:
    ours = chart.render()
    assert all("caBundle" not in entry["clientConfig"] for entry in ours.webhooks.values())
    given = chart.render(next(path for path in CI if path.stem.startswith("provided")))
    assert all(entry["clientConfig"]["caBundle"] for entry in given.webhooks.values())
    injected = chart.render({"certificates": {"mode": "cert-manager"}}).one("ValidatingWebhookConfiguration")
    certificate = chart.render({"certificates": {"mode": "cert-manager"}}).one("Certificate", "preflight")["metadata"]
    assert injected["metadata"]["annotations"] == {
        "cert-manager.io/inject-ca-from": f"{certificate['namespace']}/{certificate['name']}"
    }


def test_two_releases_of_one_name_in_two_namespaces_share_nothing_that_is_cluster_wide(chart: Chart) -> None:
    here, there = chart.render(), chart.render(None, "--namespace", "elsewhere")
    wide = [
        {(one["kind"], one["metadata"]["name"]) for one in each.objects if "namespace" not in one["metadata"]}
        for each in (here, there)
    ]
    assert len(wide[0]) >= 3
    assert not wide[0] & wide[1]

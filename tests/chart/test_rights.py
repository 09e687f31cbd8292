"""What the product may do: read what verdicts rest on, and write its own Secret and the caBundle of its own entry."""

from pathlib import Path

import pytest

from tests.chart.rendering import CI, NAMESPACE, RELEASE, Chart, Object, Rendered
from webhook.cluster.kinds import KINDS
from webhook.wire.objects import DECLARING
from webhook.wiring.cluster_snapshot import FAMILIES

READ = ["get", "list", "watch"]
CONFIGURATION = f"{RELEASE}-{NAMESPACE}"
WRITES: list[Object] = [
    {
        "apiGroups": ["admissionregistration.k8s.io"],
        "resources": ["validatingwebhookconfigurations"],
        "resourceNames": [CONFIGURATION],
        "verbs": ["get", "patch"],
    },
    {"apiGroups": [""], "resources": ["secrets"], "resourceNames": [f"{RELEASE}-tls"], "verbs": ["get", "update"]},
    {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]},
]


def granted(rules: list[Object]) -> set[tuple[str, str]]:
    """Return what may be read: API group and resource."""
    reading = [rule for rule in rules if rule["verbs"] == READ]
    return {(group, kind) for rule in reading for group in rule["apiGroups"] for kind in rule["resources"]}


def test_what_is_not_reading_is_these_three_rules(default: Rendered) -> None:
    assert [rule for rule in default.rules if rule["verbs"] != READ] == WRITES


@pytest.mark.parametrize("values", CI, ids=lambda path: path.stem)
def test_no_right_is_wide(chart: Chart, values: Path) -> None:
    rendered = chart.render(values)
    for rule in rendered.rules:
        assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
        assert "nonResourceURLs" not in rule
        if "secrets" in rule["resources"]:
            assert rule["verbs"] == ["create"] or rule["resourceNames"]
    for role in rendered.of("ClusterRole"):
        assert not any("secrets" in rule["resources"] for rule in role["rules"])


AUDIT: list[Object] = [
    {
        "apiGroups": ["coordination.k8s.io"],
        "resources": ["leases"],
        "resourceNames": [f"{RELEASE}-audit"],
        "verbs": ["get", "update"],
    },
    {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]},
]
REPORTS: list[Object] = [
    {"apiGroups": [group], "resources": [kind], "verbs": ["get", "list", "create", "update", "delete"]}
    for group, kind in (("openreports.io", "reports"), ("wgpolicyk8s.io", "policyreports"))
]
EVENTS: Object = {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create"]}


@pytest.mark.parametrize(
    ("audit", "more"),
    [
        ({}, [*REPORTS, EVENTS]),
        ({"reports": False}, [EVENTS]),
        ({"events": False}, REPORTS),
        ({"reports": False, "events": False}, []),
    ],
)
@pytest.mark.parametrize("namespaces", [[], ["shop", "pay"]])
def test_the_audit_may_write_what_it_writes_and_only_where_it_is_on(
    chart: Chart, audit: Object, more: list[Object], namespaces: list[str]
) -> None:
    rendered = chart.render({"audit": {"enabled": True, **audit}, "namespaces": namespaces})
    wanted = [*WRITES, *AUDIT, *more * max(1, len(namespaces))]
    written = [rule for rule in rendered.rules if rule["verbs"] != READ]
    assert sorted(written, key=repr) == sorted(wanted, key=repr)
    if namespaces and more:
        wide = [rule for role in rendered.of("ClusterRole") for rule in role["rules"]]
        assert not any(rule in wide for rule in more)
        homes = {role["metadata"]["namespace"] for role in rendered.of("Role") if more[0] in role["rules"]}
        assert homes == set(namespaces)
    (lease,) = [role for role in rendered.of("Role") if AUDIT[0] in role["rules"]]
    assert lease["metadata"]["namespace"] == NAMESPACE
    arguments = rendered.pod["spec"]["containers"][0]["args"]
    assert f"--audit-lease={NAMESPACE}/{RELEASE}-audit" in arguments


def test_an_audit_without_its_rights_is_refused(chart: Chart) -> None:
    assert "config.audit: expected it in `audit`" in chart.refused({"config": {"audit": {"enabled": True}}})


def test_who_asks_for_the_report_may_be_asked_about_only_where_it_is_on(chart: Chart) -> None:
    rendered = chart.render({"report": {"enabled": True}})
    asked = [
        {"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]},
        {"apiGroups": ["authorization.k8s.io"], "resources": ["subjectaccessreviews"], "verbs": ["create"]},
    ]
    written = [rule for rule in rendered.rules if rule["verbs"] != READ]
    assert sorted(written, key=repr) == sorted([*WRITES, *asked], key=repr)


def test_secrets_are_written_in_the_own_namespace_only(default: Rendered) -> None:
    (role,) = [one for one in default.of("Role") if any("secrets" in rule["resources"] for rule in one["rules"])]
    assert role["metadata"]["namespace"] == NAMESPACE


@pytest.mark.parametrize("mode", ["cert-manager", "provided"])
def test_with_certificates_of_others_nothing_is_written(chart: Chart, mode: str) -> None:
    values = {"mode": mode, "secretName": "mine", "caBundle": "-----BEGIN CERTIFICATE-----"}
    rendered = chart.render({"certificates": values})
    assert [rule for rule in rendered.rules if rule["verbs"] != READ] == []
    assert rendered.of("Secret") == []


def test_every_kind_that_the_program_reads_may_be_read(default: Rendered) -> None:
    rights = granted(default.rules)
    assert {(kind.group, kind.plural) for kind in KINDS} <= rights
    assert {(group, _plural(kind)) for group, kind in FAMILIES} <= rights
    assert {(group, _plural(kind)) for group, kind in DECLARING} <= rights


def _plural(kind: str) -> str:
    word = kind.lower()
    if word.endswith("s"):
        return f"{word}es"
    return f"{word.removesuffix('y')}ies" if word.endswith("y") and not word.endswith("ay") else f"{word}s"


def test_config_maps_are_read_only_where_that_is_wanted(chart: Chart) -> None:
    assert ("", "configmaps") in granted(chart.render().rules)
    without = chart.render({"rbac": {"configMaps": False}})
    assert ("", "configmaps") not in granted(without.rules)
    assert "--no-config-maps" in without.pod["spec"]["containers"][0]["args"]
    assert "--no-config-maps" not in chart.render().pod["spec"]["containers"][0]["args"]


def test_bindings_are_read_only_where_that_is_wanted_and_never_by_whoever_may_view(chart: Chart) -> None:
    both = {("rbac.authorization.k8s.io", kind) for kind in ("rolebindings", "clusterrolebindings")}
    assert both <= granted(chart.render().rules)
    without = chart.render({"rbac": {"bindings": False}})
    assert not both & granted(without.rules)
    assert "--no-bindings" in without.pod["spec"]["containers"][0]["args"], "what may not be read is not asked for"
    assert "--no-bindings" not in chart.render().pod["spec"]["containers"][0]["args"]
    for role in chart.render({"rbac": {"aggregateToView": True}}).of("ClusterRole"):
        label = "rbac.authorization.k8s.io/aggregate-to-view"
        assert label not in role["metadata"]["labels"] or not both & granted(role["rules"])
    some = chart.render({"namespaces": ["shop"]})
    wide = granted([rule for role in some.of("ClusterRole") for rule in role["rules"]])
    assert both & wide == {("rbac.authorization.k8s.io", "clusterrolebindings")}
    assert both <= granted(some.rules)


def test_where_some_namespaces_are_watched_only_those_are_read(chart: Chart) -> None:
    rendered = chart.render({"namespaces": ["shop", "kube-system"]})
    wide = granted([rule for role in rendered.of("ClusterRole") for rule in role["rules"]])
    assert {("", "namespaces"), ("", "nodes")} <= wide
    namespaced = {(kind.group, kind.plural) for kind in KINDS if kind.namespaced}
    assert not wide & namespaced
    for namespace in ("shop", "kube-system"):
        roles = [role for role in rendered.of("Role") if role["metadata"]["namespace"] == namespace]
        assert namespaced <= granted([rule for role in roles for rule in role["rules"]])
    arguments = rendered.pod["spec"]["containers"][0]["args"]
    assert arguments[-2:] == ["--watch-namespace=shop", "--watch-namespace=kube-system"]


def test_what_people_may_be_given_is_the_reading_alone(chart: Chart) -> None:
    label = "rbac.authorization.k8s.io/aggregate-to-view"
    rendered = chart.render({"rbac": {"aggregateToView": True}})
    (role,) = [one for one in rendered.of("ClusterRole") if label in one["metadata"]["labels"]]
    assert {tuple(rule["verbs"]) for rule in role["rules"]} == {tuple(READ)}
    assert not [one for one in chart.render().of("ClusterRole") if label in one["metadata"]["labels"]]


@pytest.mark.parametrize("create", [True, False])
def test_the_bindings_name_the_account_that_the_pods_use(chart: Chart, *, create: bool) -> None:
    rendered = chart.render({"serviceAccount": {"create": create, "name": "mine"}})
    assert bool(rendered.of("ServiceAccount")) is create
    assert rendered.pod["spec"]["serviceAccountName"] == "mine"
    bindings = rendered.of("ClusterRoleBinding") + rendered.of("RoleBinding")
    assert len(bindings) == 4
    expected = [{"kind": "ServiceAccount", "name": "mine", "namespace": NAMESPACE}]
    assert all(binding["subjects"] == expected for binding in bindings)
    roles = {(one["kind"], one["metadata"]["name"]) for one in rendered.of("ClusterRole") + rendered.of("Role")}
    assert {(one["roleRef"]["kind"], one["roleRef"]["name"]) for one in bindings} == roles


def test_without_rbac_there_is_no_role(chart: Chart) -> None:
    kinds = {one["kind"] for one in chart.render({"rbac": {"create": False}}).objects}
    assert not kinds & {"ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}

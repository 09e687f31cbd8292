"""What clouds, meshes, mirrors and other operators ask of the chart."""

import shutil
from pathlib import Path

import pytest

from tests.chart.rendering import CHART, NAMESPACE, Chart, Object, Rendered
from webhook.enforcers import NAMESPACES

OPENSHIFT = {"podSecurityContext": {"runAsUser": None, "runAsGroup": None, "fsGroup": None}}
HOST_NETWORK = {"hostNetwork": True, "webhook": {"port": 9443}, "service": {"healthPort": 9080}}
REPOSITORY = "netpol-preflight/netpol-preflight"


def pods(rendered: Rendered) -> list[Object]:
    """Return each pod that the chart makes, as metadata and spec."""
    return [rendered.pod, *rendered.of("Pod")]


# Priority classes


def test_by_default_no_pod_is_of_a_class_that_a_cloud_gives_to_some_namespaces_only(default: Rendered) -> None:
    assert "priorityClassName" not in default.pod["spec"]
    assert default.of("ResourceQuota") == []


@pytest.mark.parametrize("name", ["system-cluster-critical", "system-node-critical"])
def test_a_class_of_the_system_comes_with_the_quota_that_lets_it_in(chart: Chart, name: str) -> None:
    rendered = chart.render({"priorityClassName": name})
    assert rendered.pod["spec"]["priorityClassName"] == name
    quota = rendered.one("ResourceQuota")
    assert quota["metadata"]["namespace"] == NAMESPACE
    (scope,) = quota["spec"]["scopeSelector"]["matchExpressions"]
    assert scope == {"scopeName": "PriorityClass", "operator": "In", "values": [name]}
    assert int(quota["spec"]["hard"]["pods"]) > 2 * 5


def test_a_class_of_ones_own_needs_no_quota(chart: Chart) -> None:
    assert chart.render({"priorityClassName": "important"}).of("ResourceQuota") == []


# Rolling out


def test_on_the_nodes_network_a_pod_goes_before_the_next_comes_for_both_want_one_port(chart: Chart) -> None:
    strategy = chart.render(HOST_NETWORK).one("Deployment")["spec"]["strategy"]
    assert strategy == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}


@pytest.mark.parametrize("least", [1, 3])
def test_an_autoscaler_takes_the_place_of_the_number_of_replicas(chart: Chart, least: int) -> None:
    rendered = chart.render({"replicaCount": 9, "autoscaling": {"enabled": True, "minReplicas": least}})
    deployment, scaler = rendered.one("Deployment"), rendered.one("HorizontalPodAutoscaler")["spec"]
    assert "replicas" not in deployment["spec"]
    assert scaler["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (least, 5)
    assert len(rendered.of("PodDisruptionBudget")) == (least > 1)  # with one pod it would hold up a drain


def test_by_default_there_is_no_autoscaler(default: Rendered) -> None:
    assert default.of("HorizontalPodAutoscaler") == []


# OpenShift


def test_user_and_groups_can_be_left_to_the_platform(chart: Chart) -> None:
    for pod in pods(chart.render(OPENSHIFT)):
        assert pod["spec"]["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}


def test_a_whole_context_can_be_left_out_key_by_key(chart: Chart) -> None:
    none = dict.fromkeys(("runAsNonRoot", "runAsUser", "runAsGroup", "fsGroup", "seccompProfile"))
    assert [pod["spec"]["securityContext"] for pod in pods(chart.render({"podSecurityContext": none}))] == [{}, {}]


@pytest.mark.parametrize("account", [{}, {"name": "mine"}, {"create": False, "name": "theirs"}])
def test_what_the_account_may_run_as_counts_for_the_test_pod_too(chart: Chart, account: Object) -> None:
    spec, test = (pod["spec"] for pod in pods(chart.render({"serviceAccount": account})))
    assert test["serviceAccountName"] == spec["serviceAccountName"]
    assert test["automountServiceAccountToken"] is False


# Meshes


def test_every_pod_stays_out_of_meshes(default: Rendered) -> None:
    for pod in pods(default):
        labels, annotations = pod["metadata"]["labels"], pod["metadata"]["annotations"]
        assert labels["sidecar.istio.io/inject"] == "false"
        assert labels["istio.io/dataplane-mode"] == "none"
        assert annotations["linkerd.io/inject"] == "disabled"


def test_who_wants_the_webhook_in_a_mesh_says_so(chart: Chart) -> None:
    given = {"podLabels": {"istio.io/dataplane-mode": "ambient"}, "podAnnotations": {"linkerd.io/inject": "enabled"}}
    metadata = chart.render(given).pod["metadata"]
    assert metadata["labels"]["istio.io/dataplane-mode"] == "ambient"
    assert metadata["annotations"]["linkerd.io/inject"] == "enabled"


# Namespaces


def outside(rendered: Rendered) -> set[str]:
    """Return the names and, with a star, the beginnings of names of the namespaces that no entry covers."""
    entry = rendered.webhooks["advisory"]
    (names,) = [
        one["values"]
        for one in entry["namespaceSelector"]["matchExpressions"]
        if (one["key"], one["operator"]) == ("kubernetes.io/metadata.name", "NotIn")
    ]
    conditions = {one["name"]: one["expression"] for one in entry["matchConditions"]}
    terms = conditions.get("not-in-an-excluded-namespace", "").split(" && ")
    calls = [term.removeprefix("!request.namespace.startsWith('").removesuffix("')") for term in terms if term]
    return {*names, *(f"{call}*" for call in calls)}


def test_where_an_enforcer_is_looked_for_nothing_is_reviewed(default: Rendered) -> None:
    found = outside(default)
    for namespace in NAMESPACES:
        assert namespace in found or any(one.endswith("*") and namespace.startswith(one[:-1]) for one in found)


def test_names_are_in_the_selector_and_beginnings_of_names_in_a_condition(chart: Chart) -> None:
    given = ["team-a", "openshift-*", "gke-managed-*"]
    rendered = chart.render({"webhook": {"excludedNamespaces": given}})
    assert outside(rendered) == {"kube-system", NAMESPACE, *given}
    assert "not-in-an-excluded-namespace" not in str(chart.render({"webhook": {"excludedNamespaces": []}}).webhooks)


# Mirrors


@pytest.mark.parametrize(
    ("repository", "expected"),
    [
        (f"ghcr.io/{REPOSITORY}", f"mirror.example.com:5000/hub/{REPOSITORY}"),
        (f"localhost/{REPOSITORY}", f"mirror.example.com:5000/hub/{REPOSITORY}"),
        (f"registry:5000/{REPOSITORY}", f"mirror.example.com:5000/hub/{REPOSITORY}"),
        (REPOSITORY, f"mirror.example.com:5000/hub/{REPOSITORY}"),
    ],
)
def test_a_mirror_takes_the_registrys_place_in_every_image(chart: Chart, repository: str, expected: str) -> None:
    values = {"global": {"imageRegistry": "mirror.example.com:5000/hub"}, "image": {"repository": repository}}
    images = {one["image"] for pod in pods(chart.render(values)) for one in pod["spec"]["containers"]}
    assert {image.rpartition(":")[0] for image in images} == {expected}


def test_pull_secrets_of_both_kinds_are_in_every_pod(chart: Chart) -> None:
    values = {"global": {"imagePullSecrets": ["all", "mine"]}, "imagePullSecrets": ["mine"]}
    for pod in pods(chart.render(values)):
        assert pod["spec"]["imagePullSecrets"] == [{"name": "mine"}, {"name": "all"}]


# cert-manager


def test_cert_managers_leaf_hangs_on_a_ca_that_outlives_it_and_keeps_its_key(chart: Chart) -> None:
    rendered = chart.render({"certificates": {"mode": "cert-manager"}})
    issuers = {one["metadata"]["name"]: one["spec"] for one in rendered.of("Issuer")}
    ca, leaf = (rendered.one("Certificate", suffix)["spec"] for suffix in ("-ca", "preflight"))
    assert issuers[ca["issuerRef"]["name"]] == {"selfSigned": {}}
    assert issuers[leaf["issuerRef"]["name"]] == {"ca": {"secretName": ca["secretName"]}}
    assert (ca["isCA"], ca["privateKey"]["rotationPolicy"]) == (True, "Never")
    assert "isCA" not in leaf
    assert ca["secretName"] != leaf["secretName"]
    assert (ca["duration"], leaf["duration"]) == ("43800h", "2160h")


def test_an_issuer_of_ones_own_is_asked_directly(chart: Chart) -> None:
    given = {"name": "internal", "kind": "ClusterIssuer", "group": "cert-manager.io"}
    rendered = chart.render({"certificates": {"mode": "cert-manager", "issuerRef": given}})
    assert rendered.of("Issuer") == []
    assert rendered.one("Certificate")["spec"]["issuerRef"] == given


# Upgrades


RELEASED = sorted((CHART.parents[1] / "tests/chart/released").iterdir())


@pytest.mark.parametrize("released", RELEASED, ids=lambda path: path.stem)
def test_values_of_a_chart_that_people_run_are_taken(chart: Chart, released: Path) -> None:
    assert chart.render(released).of("Deployment")


@pytest.mark.parametrize("released", RELEASED, ids=lambda path: path.stem)
def test_an_upgrade_that_reuses_the_old_defaults_is_told_how_to_upgrade(
    chart: Chart, released: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(CHART, tmp_path / "chart"))  # what `helm upgrade --reuse-values` makes of the two
    shutil.copy(released, copy / "values.yaml")
    done = chart.helm("template", "netpol-preflight", str(copy), "--namespace", NAMESPACE)
    assert done.returncode != 0
    assert "upgrade with --reset-then-reuse-values" in done.stderr

"""The pods and what is around them."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.chart.rendering import CHART, CI, NAMESPACE, Chart, Object, Rendered
from webhook.cli.main import parser

SELECTOR = "app.kubernetes.io/component"


@pytest.mark.parametrize("values", [one for one in CI if "extras" not in one.stem], ids=lambda path: path.stem)
def test_every_pod_is_within_pod_securitys_restricted(chart: Chart, values: Path) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted, field by field."""
    rendered = chart.render(values)
    for spec in (rendered.pod["spec"], rendered.one("Pod")["spec"]):
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"].get("runAsUser", 65532) == 65532  # absent: the platform's, which is not 0 either
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        assert {kind for volume in spec.get("volumes", []) for kind in volume} <= {
            *("name", "configMap", "secret", "emptyDir"),
        }
        for container in spec["containers"]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is context["privileged"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert context["readOnlyRootFilesystem"] is True
            assert not any("hostPort" in port for port in container.get("ports", []))


def test_the_arguments_are_ones_that_the_program_takes(chart: Chart) -> None:
    for values in CI:
        arguments = chart.render(values).pod["spec"]["containers"][0]["args"]
        assert parser().parse_args(arguments).command == "serve"


def test_two_replicas_spread_and_never_fewer_while_rolling(default: Rendered) -> None:
    spec = default.one("Deployment")["spec"]
    assert spec["replicas"] == 2
    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    spread = spec["template"]["spec"]["topologySpreadConstraints"]
    assert {one["topologyKey"] for one in spread} == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
    assert {one["whenUnsatisfiable"] for one in spread} == {"ScheduleAnyway"}
    assert default.one("PodDisruptionBudget")["spec"]["maxUnavailable"] == 1


def test_one_replica_has_no_budget_that_would_hold_up_a_drain(chart: Chart) -> None:
    assert chart.render({"replicaCount": 1}).of("PodDisruptionBudget") == []


def test_memory_is_limited_and_cpu_is_not(default: Rendered) -> None:
    (container,) = default.pod["spec"]["containers"]
    assert container["resources"]["limits"].keys() == {"memory"}
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}


def test_a_pod_sleeps_where_the_api_can_and_drains_everywhere(chart: Chart) -> None:
    new, old = (chart.render(None, "--kube-version", version) for version in ("1.30.0", "1.29.9"))
    (slept,), (not_slept,) = new.pod["spec"]["containers"], old.pod["spec"]["containers"]
    assert slept["lifecycle"] == {"preStop": {"sleep": {"seconds": 3}}}
    assert "lifecycle" not in not_slept
    assert {"--drain=10"} <= {*slept["args"]} & {*not_slept["args"]}
    # What it takes, and the 15 s that requests have to end (webhook.api.server.Timing.finish).
    assert new.pod["spec"]["terminationGracePeriodSeconds"] > 3 + 10 + 15


def test_a_kubernetes_that_is_too_old_is_refused(chart: Chart) -> None:
    assert "incompatible with Kubernetes" in chart.refused({}, "--kube-version", "1.27.9")


def test_probes_ask_the_port_of_probes(default: Rendered) -> None:
    (container,) = default.pod["spec"]["containers"]
    paths = {name: container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {get["port"] for get in paths.values()} == {"health"}
    assert paths["readinessProbe"]["path"] == "/readyz"
    assert paths["livenessProbe"]["path"] == "/livez"
    assert {port["name"]: port["containerPort"] for port in container["ports"]} == {
        "https": 10250,
        "health": 8080,
        "metrics": 8081,
    }


def test_metrics_are_on_a_port_of_their_own(default: Rendered) -> None:
    (container,) = default.pod["spec"]["containers"]
    listen = {one.partition("=")[0]: one.rpartition(":")[2] for one in container["args"] if "-listen=" in one}
    assert listen == {"--listen": "10250", "--health-listen": "8080", "--metrics-listen": "8081"}
    ports = {port["name"]: port["port"] for port in default.one("Service")["spec"]["ports"]}
    assert ports == {"https": 443, "health": 8080, "metrics": 8081}


def test_a_digest_wins_over_a_tag(chart: Chart) -> None:
    digest = f"sha256:{'0' * 64}"
    rendered = chart.render({"image": {"tag": "1.2.3", "digest": digest}})
    assert {one["image"].partition("@")[2] for one in _containers(rendered)} == {digest}
    assert {one["image"].rpartition(":")[2] for one in _containers(chart.render({"image": {"tag": "1.2"}}))} == {"1.2"}


def _containers(rendered: Rendered) -> list[Object]:
    return [*rendered.pod["spec"]["containers"], *rendered.one("Pod")["spec"]["containers"]]


@pytest.mark.parametrize("values", CI, ids=lambda path: path.stem)
def test_one_image_is_enough(chart: Chart, values: Path) -> None:
    images = {one["image"] for one in _containers(chart.render(values)) if one["name"] != "sidecar"}
    assert len(images) == 1


def test_a_changed_configuration_rolls_the_pods_and_a_new_chart_version_alone_does_not(chart: Chart) -> None:
    assert chart.render().pod != chart.render({"mode": "audit"}).pod
    assert "0.1.0" not in str(chart.render({"image": {"tag": "same"}}).pod)


def test_only_the_webhooks_pods_are_selected(default: Rendered) -> None:
    labels = default.pod["metadata"]["labels"]
    for selector in _selectors(default):
        assert selector.items() <= labels.items()
        assert not selector.items() <= default.one("Pod")["metadata"]["labels"].items()


def test_labels_that_are_given_do_not_change_what_is_selected(chart: Chart) -> None:
    name = {"app.kubernetes.io/name": "mine", SELECTOR: "mine", "tier": "admission"}
    rendered = chart.render({"commonLabels": name, "podLabels": name})
    assert rendered.pod["metadata"]["labels"]["tier"] == "admission"
    assert all(one["metadata"]["labels"]["tier"] == "admission" for one in rendered.objects if one["kind"] != "Pod")
    assert all(selector.items() <= rendered.pod["metadata"]["labels"].items() for selector in _selectors(rendered))
    assert _selectors(rendered) == _selectors(chart.render())


def _selectors(rendered: Rendered) -> list[dict[str, str]]:
    budget, service = rendered.one("PodDisruptionBudget")["spec"], rendered.one("Service")["spec"]
    policy = next(one for one in rendered.of("NetworkPolicy") if not one["metadata"]["name"].endswith("-test"))
    return [
        rendered.one("Deployment")["spec"]["selector"]["matchLabels"],
        budget["selector"]["matchLabels"],
        service["selector"],
        policy["spec"]["podSelector"]["matchLabels"],
    ]


def own_policy(rendered: Rendered) -> Object:
    """Return the spec of the NetworkPolicy of the webhook's pods."""
    (policy,) = [one for one in rendered.of("NetworkPolicy") if not one["metadata"]["name"].endswith("-test")]
    spec: Object = policy["spec"]
    return spec


def ways_in(rendered: Rendered) -> dict[str, object]:
    """Return who gets in, by port; None: anybody."""
    return {rule["ports"][0]["port"]: rule.get("from") for rule in own_policy(rendered)["ingress"]}


def test_the_own_policy_lets_the_api_server_in_by_port_and_the_product_out_to_it(default: Rendered) -> None:
    policy = own_policy(default)
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert ways_in(default) == {"https": None, "health": None}
    out = [(port["protocol"], port["port"]) for rule in policy["egress"] for port in rule["ports"]]
    assert out == [("UDP", 53), ("TCP", 53), ("TCP", 443), ("TCP", 6443)]


def test_metrics_are_only_for_whom_they_are_opened_to(chart: Chart) -> None:
    peers = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    rendered = chart.render({"networkPolicy": {"metricsFrom": peers}})
    assert ways_in(rendered) == {"https": None, "health": None, "metrics": peers}


def test_the_report_has_a_port_of_its_own_and_only_where_it_is_on(chart: Chart, default: Rendered) -> None:
    peers = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}]
    assert not any("report" in argument for argument in default.pod["spec"]["containers"][0]["args"])
    assert "report" not in {port["name"] for port in default.one("Service")["spec"]["ports"]}
    rendered = chart.render({"report": {"enabled": True, "port": 9999}, "networkPolicy": {"reportFrom": peers}})
    assert ways_in(rendered) == {"https": None, "health": None, "report": peers}
    container = rendered.pod["spec"]["containers"][0]
    assert "--report-listen=[::]:9999" in container["args"]
    assert {"name": "report", "containerPort": 9999, "protocol": "TCP"} in container["ports"]
    (port,) = [one for one in rendered.one("Service")["spec"]["ports"] if one["name"] == "report"]
    assert (port["port"], port["targetPort"]) == (9999, "report")
    assert "report" not in ways_in(chart.render({"report": {"enabled": True}})), "nobody, where nobody is named"


def test_who_may_call_the_webhook_can_be_narrowed_and_helm_test_still_may(chart: Chart) -> None:
    peers = [{"ipBlock": {"cidr": "192.0.2.0/28"}}]
    rendered = chart.render({"networkPolicy": {"webhookFrom": peers}})
    tester = {
        "podSelector": {"matchLabels": rendered.one("NetworkPolicy", "-test")["spec"]["podSelector"]["matchLabels"]}
    }
    assert ways_in(rendered) == {"https": [tester, *peers], "health": None}


@pytest.mark.parametrize(
    ("kind", "volume"),
    [
        ("configMap", {"configMap": {"name": "clients", "items": [{"key": "ca.pem", "path": "ca.crt"}]}}),
        (
            "secret",
            {"secret": {"secretName": "clients", "items": [{"key": "ca.pem", "path": "ca.crt"}], "defaultMode": 0o440}},
        ),
    ],
)
def test_the_ca_of_clients_is_mounted_and_helm_test_expects_to_be_refused(
    chart: Chart, kind: str, volume: Object
) -> None:
    rendered = chart.render({"clientCA": {kind: "clients", "key": "ca.pem", "names": ["a", "b"]}})
    (container,) = rendered.pod["spec"]["containers"]
    assert [one for one in container["args"] if "client" in one] == [
        *("--client-ca=/client-ca/ca.crt", "--client-name=a", "--client-name=b"),
    ]
    assert {"name": "client-ca", "mountPath": "/client-ca", "readOnly": True} in container["volumeMounts"]
    assert {"name": "client-ca", **volume} in rendered.pod["spec"]["volumes"]
    assert environment_of_the_tester(rendered) == {"ONLY_THE_API_SERVER": "1"}
    assert environment_of_the_tester(chart.render()) == {"ONLY_THE_API_SERVER": ""}
    assert "client" not in str(chart.render().pod["spec"])


def environment_of_the_tester(rendered: Rendered) -> dict[str, str]:
    (container,) = rendered.one("Pod")["spec"]["containers"]
    return {one["name"]: one["value"] for one in container["env"]}


@pytest.mark.parametrize("values", CI, ids=lambda path: path.stem)
def test_every_object_is_labelled_and_placed(chart: Chart, values: Path) -> None:
    cluster_wide = {"ClusterRole", "ClusterRoleBinding", "ValidatingWebhookConfiguration"}
    for one in chart.render(values).objects:
        if one["metadata"]["name"].endswith("-extra"):
            continue
        assert one["metadata"]["labels"]["app.kubernetes.io/instance"]
        assert ("namespace" in one["metadata"]) is (one["kind"] not in cluster_wide), one["kind"]


def test_the_secret_is_the_charts_so_that_uninstalling_removes_it_and_empty_so_that_upgrading_keeps_it(
    default: Rendered,
) -> None:
    secret = default.one("Secret")
    assert secret["metadata"]["name"].endswith("-tls")
    assert secret.keys() == {"apiVersion", "kind", "metadata"}


def test_the_only_hook_is_the_test_and_it_leaves_nothing(default: Rendered) -> None:
    hooks = [one for one in default.objects if "helm.sh/hook" in one["metadata"].get("annotations", {})]
    assert [(one["kind"], one["metadata"]["annotations"]["helm.sh/hook"]) for one in hooks] == [("Pod", "test")]
    policy = hooks[0]["metadata"]["annotations"]["helm.sh/hook-delete-policy"]
    assert set(policy.split(",")) == {"before-hook-creation", "hook-succeeded", "hook-failed"}


def test_the_test_pod_sees_no_key(default: Rendered) -> None:
    spec = default.one("Pod")["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert [volume["secret"]["items"] for volume in spec["volumes"]] == [[{"key": "ca.crt", "path": "ca.crt"}]]


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"replicaCount": 1}, "WARNING: one replica"),
        ({"webhook": {"failurePolicy": "Fail"}}, "WARNING: webhook.failurePolicy is Fail"),
        ({"webhook": {"enforcing": {"failurePolicy": "Fail"}}}, "WARNING: webhook.enforcing.failurePolicy is Fail"),
        ({"webhook": {"timeoutSeconds": 20}}, "WARNING: webhook.timeoutSeconds is 20"),
        ({"hostNetwork": True, "webhook": {"port": 9443}}, "WARNING: hostNetwork"),
        ({"mode": "enforce"}, "NOTE: cni is auto"),
        ({"priorityClassName": "system-cluster-critical"}, "NOTE: priorityClassName is system-cluster-critical"),
    ],
)
def test_the_notes_warn_of_what_may_hurt(chart: Chart, values: Any, word: str) -> None:  # noqa: ANN401 any values
    assert word in notes(chart, values)


def test_the_notes_of_the_defaults_warn_of_nothing_and_say_how_to_stop(chart: Chart) -> None:
    said = notes(chart, {})
    assert "WARNING" not in said
    assert f"kubectl delete validatingwebhookconfiguration netpol-preflight-{NAMESPACE}" in said


def notes(chart: Chart, values: Object) -> str:
    """Return what NOTES.txt says: helm prints it only when it installs, so it is rendered by a dry run of that."""
    flags = [f"--set-json={key}={json.dumps(value)}" for key, value in values.items()]
    arguments = ("install", "netpol-preflight", str(CHART), "--namespace", NAMESPACE, "--dry-run=client")
    done = chart.helm(*arguments, *flags)
    assert done.returncode == 0, done.stderr
    return done.stdout.partition("NOTES:")[2]

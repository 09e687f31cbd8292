"""Alerts, dashboard and scraping name only what there is."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.chart.rendering import CHART, Chart, Object
from webhook.api.backend import ENDS, NOT_JUDGED, PREFIX, Metrics
from webhook.certificates.shared_certificate import utc
from webhook.cluster.client_configuration import Access
from webhook.cluster.lease import LeaseRef
from webhook.model.answers import Verdict
from webhook.model.settings import DEFAULTS
from webhook.wiring.audit_writer import OUTCOMES
from webhook.wiring.background_audit import Auditing, BackgroundAudit
from webhook.wiring.cluster_source import Cluster

DASHBOARD: Object = json.loads((CHART / "files/dashboard.json").read_text(encoding="utf-8"))
OF_THE_API_SERVER = {
    "apiserver_admission_webhook_admission_duration_seconds_bucket",
    "apiserver_admission_webhook_fail_open_count",
}
OF_EVERY_PROCESS = {"process_resident_memory_bytes", "process_cpu_seconds_total", "up"}
THE_API_SERVERS = ("FailsOpen", "Slow")
OF_THE_AUDIT = ("DependenciesDenied", "AuditStalls", "AuditWritesFail")
ON: Object = {"enabled": True}
NAME = re.compile(r"\b(?:netpol_preflight|apiserver|process)_[a-z_0-9]+\b|\bup\b")


PROMTOOL = Path.home() / ".cache/netpol-preflight/promtool/usr/bin"  # where scripts/lib.sh puts it
LABELS = 'namespace="preflight", service="netpol-preflight", pod="a"'


def series(name: str, values: str, more: str = "") -> Object:
    return {"series": f"{PREFIX}{name}{{{LABELS}{more}}}", "values": values}


def firing(alert: str, minutes: int, *expected: Object) -> Object:
    return {"alertname": f"NetpolPreflight{alert}", "eval_time": f"{minutes}m", "exp_alerts": list(expected)}


def healthy(minutes: int) -> list[Object]:
    """Return what an audit exposes that works."""
    passes = " ".join(str(60 * (minute - minute % 30)) for minute in range(minutes + 1))
    return [series("audit_leading", f"1x{minutes}"), series("audit_last_pass_timestamp_seconds", passes)]


STALLED: Object = {
    "exp_labels": {"severity": "warning", "namespace": "preflight"},
    "exp_annotations": {
        "summary": "Nobody audits the cluster",
        "description": "No replica has judged everybody for three times as long as it should take. "
        "See /readyz?verbose of the replicas.",
    },
}
DENIED: Object = {
    "exp_labels": {"severity": "warning", "namespace": "preflight"},
    "exp_annotations": {
        "summary": "Workloads cannot reach what they declare",
        "description": "3 dependencies are denied by policies. The reports of their namespaces and the Events on the "
        "workloads say which; so does netpol-preflight audit.",
    },
}
SERIES: list[Object] = [  # what promtool plays
    {
        "interval": "1m",
        "input_series": [*healthy(240), series("dependencies", "0x240", ', verdict="denied"')],
        "alert_rule_test": [firing(one, 240) for one in OF_THE_AUDIT],
    },
    {
        "interval": "1m",
        "input_series": [*healthy(60), series("dependencies", "0x10 3x50", ', verdict="denied"')],
        "alert_rule_test": [firing("DependenciesDenied", 20), firing("DependenciesDenied", 60, DENIED)],
    },
    {
        "interval": "1m",
        "input_series": [series("audit_leading", "1x10 0x50")],
        "alert_rule_test": [firing("AuditStalls", 20), firing("AuditStalls", 60, STALLED)],
    },
]


@pytest.fixture(scope="module")
def exposed() -> set[str]:
    """Return the names of the samples that the program exposes, those of labels that have not come up yet included."""
    metrics = Metrics()
    cluster = Cluster(Access(), DEFAULTS)
    audit = BackgroundAudit(cluster, Auditing(Access(), LeaseRef("ns", "audit"), "pod"), utc)
    for collector in (*cluster.collectors(), audit):
        metrics.registry.register(collector)
    found = set()
    for family in metrics.registry.collect():
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(family.type, [""])
        found |= {family.name + suffix for suffix in suffixes}
    return found


def alerts(chart: Chart) -> list[Object]:
    rendered = chart.render({"prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}}, "audit": ON})
    (group,) = rendered.one("PrometheusRule")["spec"]["groups"]
    rules: list[Object] = group["rules"]
    return rules


def test_the_alerts_and_the_dashboard_ask_for_metrics_that_there_are(chart: Chart, exposed: set[str]) -> None:
    expressions = [rule["expr"] for rule in alerts(chart)]
    expressions += [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    asked = {name for expression in expressions for name in NAME.findall(expression)}
    assert asked <= exposed | OF_THE_API_SERVER | OF_EVERY_PROCESS
    assert len({name for name in asked if name.startswith(PREFIX)}) >= 8


def test_prometheus_takes_the_alerts(chart: Chart, tmp_path: Path) -> None:
    promtool = shutil.which("promtool", path=f"{os.environ.get('PATH', '')}{os.pathsep}{PROMTOOL}")
    if promtool is None:
        pytest.skip("no promtool; to get one, scripts/testbed, or as root: apt-get install prometheus")
    rules = tmp_path / "rules.yaml"
    rules.write_text(yaml.safe_dump({"groups": [{"name": "netpol-preflight", "rules": alerts(chart)}]}))
    tests = tmp_path / "tests.yaml"
    tests.write_text(yaml.safe_dump({"rule_files": [str(rules)], "evaluation_interval": "1m", "tests": SERIES}))
    for arguments in (("check", "rules", rules), ("test", "rules", tests)):
        done = subprocess.run([promtool, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_there_is_an_alert_for_each_way_to_be_of_no_use(chart: Chart) -> None:
    assert {rule["alert"].removeprefix("NetpolPreflight") for rule in alerts(chart)} == {
        *("CertificateExpires", "WatchStale", "NotReady", "Away", "Sheds", "Errors", "NotEvaluated", "BudgetExhausted"),
        *("HeadsCut", "ConnectionsShed", "BodiesShed", *THE_API_SERVERS, *OF_THE_AUDIT),
    }
    without = chart.render({"prometheusRule": {"enabled": True}}).one("PrometheusRule")["spec"]["groups"][0]["rules"]
    assert not {rule["alert"].removeprefix("NetpolPreflight") for rule in without} & set(OF_THE_AUDIT)
    for rule in alerts(chart):
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["for"]
        assert rule["annotations"].keys() == {"summary", "description"}
        ours = 'name=~"(advisory|changes|enforcing)[.]netpol-preflight[.]io"'
        its = rule["alert"].removeprefix("NetpolPreflight") in THE_API_SERVERS
        assert (ours if its else 'namespace="preflight", service="netpol-preflight"') in rule["expr"]


def test_the_alerts_ask_for_labels_that_there_are(chart: Chart) -> None:
    text = " ".join(rule["expr"] for rule in alerts(chart))
    asked = [one for found in re.findall(r'reason=~?"([^"]+)"', text) for one in found.split("|")]
    known = {*ENDS, *NOT_JUDGED}
    assert asked
    words = [one for found in re.findall(r'(?:verdict|outcome)=~?"([^"]+)"', text) for one in found.split("|")]
    assert set(words) <= {*Verdict, *OUTCOMES, "error"}
    assert [one for one in asked if not any(re.fullmatch(one, reason) for reason in known)] == []
    names = re.compile(re.findall(r'name=~"([^"]+)"', text)[0])
    assert {names.fullmatch(entry["name"]) is not None for entry in chart.render().webhooks.values()} == {True}


def test_the_alert_on_latency_is_about_half_of_the_time_out(chart: Chart) -> None:
    rules = chart.render({"prometheusRule": {"enabled": True}, "webhook": {"timeoutSeconds": 5}}).one("PrometheusRule")
    (slow,) = [rule for rule in rules["spec"]["groups"][0]["rules"] if rule.get("alert") == "NetpolPreflightSlow"]
    assert slow["expr"].endswith(" > 2.5")


def test_the_templates_of_prometheus_come_out_as_they_are(chart: Chart) -> None:
    text = json.dumps(alerts(chart))
    assert "{{ $labels.kind }}" in text
    assert "{{ $value | humanizeDuration }}" in text


def test_rules_of_your_own_are_added(chart: Chart) -> None:
    mine = {"record": "a:b", "expr": "vector(1)"}
    rendered = chart.render({"prometheusRule": {"enabled": True, "additionalRules": [mine]}})
    assert rendered.one("PrometheusRule")["spec"]["groups"][0]["rules"][-1] == mine


def test_the_service_monitor_scrapes_the_port_that_has_metrics(chart: Chart) -> None:
    monitored = {"serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}}}
    rendered = chart.render({**monitored, "networkPolicy": {"metricsFrom": [{"namespaceSelector": {}}]}})
    monitor, service = rendered.one("ServiceMonitor"), rendered.one("Service")
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    (endpoint,) = monitor["spec"]["endpoints"]
    assert (endpoint["port"], endpoint["path"]) == ("metrics", "/metrics")
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}


def test_the_dashboard_is_whole(chart: Chart) -> None:
    found = chart.render({"dashboard": {"enabled": True}}).one("ConfigMap", "-dashboard")
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    (text,) = found["data"].values()
    assert json.loads(text) == DASHBOARD
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(panel["description"] and panel["targets"] for panel in panels)
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert len(set(places)) == len(places)
    known = {variable["name"] for variable in DASHBOARD["templating"]["list"]} | {"__rate_interval"}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps([DASHBOARD["panels"]])))
    assert used <= known


def test_nothing_of_monitoring_is_there_by_default(chart: Chart) -> None:
    kinds = {one["kind"] for one in chart.render().objects}
    assert not kinds & {"ServiceMonitor", "PrometheusRule"}

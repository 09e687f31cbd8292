"""`/report` of a real cluster: each caller sees what its own rights let it, by its token."""

import http.client
import json
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.chart.rendering import Chart
from tests.e2e import story
from tests.e2e.registration import USER
from tests.e2e.scene import Scene
from tests.e2e.serve import Serve
from tests.support.patience import PATIENCE
from tests.testbed.binaries import Binaries
from tests.testbed.control_plane import ControlPlane
from tests.testbed.fixtures import MakeNamespace
from tests.testbed.processes import free_port

RBAC = "rbac.authorization.k8s.io"


class Served(NamedTuple):
    """A server of reports."""

    serve: Serve
    port: int

    def get(self, token: str, query: str = "") -> tuple[int, str]:
        context = ssl.create_default_context(cafile=str(self.serve.tls / "ca.crt"))
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=PATIENCE, context=context)
        connection.request("GET", f"/report{query}", headers={"Authorization": f"Bearer {token}"} if token else {})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text

    def page(self, token: str, query: str = "") -> dict[str, Any]:
        """Return the data of the page."""
        status, text = self.get(token, query)
        assert status == 200, text
        data: dict[str, Any] = json.loads(text.partition('id="data">')[2].partition("</script>")[0])
        return data


@pytest.fixture
def served(
    control_plane: ControlPlane, granted: None, cluster_dns: None, testbed_binaries: Binaries, tmp_path: Path
) -> Iterator[Served]:
    """Yield a server with the rights that the chart gives it for this, and no other."""
    assert granted is cluster_dns is None
    chart = Chart(testbed_binaries.paths["helm"], tmp_path)
    rules = [rule for rule in chart.render({"report": {"enabled": True}}).rules if rule["verbs"] == ["create"]]
    rules = [rule for rule in rules if rule["apiGroups"] != [""]]
    role = {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": "reports"}, "rules": rules}
    binding = bound("reports", {"kind": "User", "name": USER, "apiGroup": RBAC})
    control_plane.apply({"apiVersion": "v1", "kind": "List", "items": [role, binding]})
    port = free_port()
    serve = Serve(tmp_path / "serve", control_plane.kubeconfig(USER), "--report-listen", f"127.0.0.1:{port}")
    try:
        serve.start()
        serve.wait_ready()
        yield Served(serve, port)
    finally:
        serve.close()
        control_plane.kubectl("delete", "clusterrole,clusterrolebinding", "reports", "--ignore-not-found")


def bound(role: str, subject: dict[str, str], kind: str = "ClusterRole", namespace: str = "") -> dict[str, Any]:
    where = {"namespace": namespace} if namespace else {}
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding" if namespace else "ClusterRoleBinding",
        "metadata": {"name": f"{role}-{subject['name']}".lower(), **where},
        "subjects": [subject],
        "roleRef": {"apiGroup": RBAC, "kind": kind, "name": role},
    }


@pytest.fixture
def account(control_plane: ControlPlane, make_namespace: MakeNamespace) -> Iterator[Callable[..., str]]:
    """Yield what makes a ServiceAccount that may view these namespaces, or with none of them all, and its token."""
    home = make_namespace("people")
    names: list[str] = []

    def make(name: str, *namespaces: str, everything: bool = False) -> str:
        control_plane.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}, home)
        subject = {"kind": "ServiceAccount", "name": name, "namespace": home}
        for namespace in namespaces:
            control_plane.apply(bound("view", subject, namespace=namespace))
        if everything:
            names.append(f"view-{name}")
            control_plane.apply(bound("view", subject))
        return control_plane.kubectl("create", "token", name, namespace=home).stdout.strip()

    yield make
    for name in names:
        control_plane.kubectl("delete", "clusterrolebinding", name, "--ignore-not-found")


def places(data: dict[str, Any]) -> set[str]:
    return {end["ns"] for end in data["ends"] if end["ns"]}


def test_each_caller_sees_what_its_own_rights_let_it(
    control_plane: ControlPlane, served: Served, account: Callable[..., str], make_namespace: MakeNamespace
) -> None:
    mine, other = (Scene(control_plane, make_namespace(name)) for name in ("mine", "other"))
    for scene in (mine, other):
        to = f"postgres:5432, postgres.{other.namespace}:5432"
        scene.set_up([*story.production(scene.namespace), story.web_api(scene.namespace, connects_to=to)])
    all_of_it, some, none = account("admin", everything=True), account("dev", mine.namespace), account("nobody")
    control_plane.wait_for(
        lambda: {mine.namespace, other.namespace} <= places(served.page(all_of_it)), what="both namespaces to be seen"
    )

    data = served.page(all_of_it)
    verdicts = {(data["ends"][one["from"]]["ns"], one["text"]): one["verdict"] for one in data["connections"]}
    assert verdicts[mine.namespace, f"postgres.{other.namespace}:5432/TCP"] == "denied"

    status, text = served.get(some)
    assert status == 200
    assert other.namespace not in text.replace(f"postgres.{other.namespace}", ""), "but as it is declared"
    data = served.page(some)
    assert places(data) == {mine.namespace}
    verdicts = {(data["ends"][one["from"]]["ns"], one["text"]): one["verdict"] for one in data["connections"]}
    assert verdicts[mine.namespace, f"postgres.{mine.namespace}:5432/TCP"] == "denied"
    assert verdicts[mine.namespace, f"postgres.{other.namespace}:5432/TCP"] == "unknown"
    assert places(served.page(all_of_it, f"?namespace={mine.namespace}")) == {mine.namespace}

    assert served.get(none) == (403, "you may not list NetworkPolicies of any of these namespaces")
    assert served.get(some, f"?namespace={other.namespace}")[0] == 403
    assert served.get("a.made-up.token")[0] == 401
    assert served.get("")[0] == 401
    connection = served.serve.keep_open()
    connection.request("GET", "/report", headers={"Authorization": f"Bearer {all_of_it}"})
    assert connection.getresponse().status == 404, "never on the webhook's port"
    connection.close()
    log = served.serve.log.read_text(encoding="utf-8")
    assert not any(token in log for token in (all_of_it, some, none))

"""The command line as a person and a CI job meet it: output, errors, exit codes."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from functools import partial
from http.client import HTTPConnection
from pathlib import Path

import pytest
import yaml

from tests.support.making import deployment
from tests.support.patience import PATIENCE
from tests.support.running import PROGRAM, STORY, Done, Run, eventually, served, spawn
from tests.support.worlds import policy
from tests.testbed.processes import free_port
from webhook import __version__, config
from webhook.cli.demo import review_of
from webhook.cli.main import COMMANDS
from webhook.facade import UsageError
from webhook.facade.sources import find
from webhook.model.objects import PodClass, Template, Workload
from webhook.model.refs import WorkloadRef
from webhook.model.settings import CONNECTS_TO, Mode

BROKEN = "apiVersion: v1\nkind: LimitRange\nmetadata: {name: a}\n---\napiVersion: v1\nkind: [\n"
BAD_POLICY = """\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: odd, namespace: production}
spec:
  podSelector: {}
  policyTypes: [Ingress]
  ingress:
  - from:
    - ipBlock: {cidr: 10.0.0.300/24}
"""


# -- the program ---------------------------------------------------------------------------------------------------


def test_help_names_every_command(run: Run) -> None:
    done = run("--help")
    assert done.code == 0
    assert all(name in done.out for name in COMMANDS)


def test_help_loads_nothing_that_only_a_command_needs() -> None:
    code = "import sys; import webhook.cli.main as m; m.parser(); print(*sorted(sys.modules))"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout.split()
    )
    assert not loaded & {"yaml", "msgspec", "fastapi", "uvicorn", "kubernetes", "cryptography", "rich", "asyncio"}


def test_check_does_not_load_the_server() -> None:
    code = "import sys; from webhook.cli.main import main; main(['check', '-f', sys.argv[1]]); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, str(STORY)], capture_output=True, check=True, text=True)
    assert not set(done.stdout.split()) & {"fastapi", "uvicorn", "kubernetes", "cryptography", "asyncio"}


def test_serve_loads_what_is_not_turned_on_for_nobody() -> None:
    code = "import sys; import webhook.cli.serve; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    unused = (
        "wiring.background_audit",
        "wiring.report_server",
        "report.audit",
        "report.policy_report",
        "wire.flowlogs",
    )
    assert not set(done.stdout.split()) & {*(f"webhook.{name}" for name in unused), "kubernetes", "rich", "yaml"}


def test_version_is_the_packages(run: Run) -> None:
    assert run("--version") == Done(0, f"netpol-preflight {__version__}\n", "")


def test_an_unknown_command_is_told_the_nearest_one(run: Run) -> None:
    done = run("chekc")
    assert done.code == 2
    assert done.err.startswith("netpol-preflight: error: unknown command `chekc`, did you mean `check`?\n")


def test_as_a_kubectl_plugin_it_is_called_by_two_words() -> None:
    code = "import sys; from webhook.cli.main import main; sys.argv[0] = 'kubectl-netpol_preflight'; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", code, "check"], capture_output=True, check=False, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("kubectl netpol-preflight: error: nothing to read")


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    with subprocess.Popen(
        [*PROGRAM, "check", "-f", str(STORY)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        err = process.stderr.read()
        assert process.wait() == 1
    assert err == b""


# -- check ---------------------------------------------------------------------------------------------------------


def test_the_story_is_found_from_both_ends(run: Run) -> None:
    done = run("check", "-f", STORY, "--format", "json")
    assert done.code == 1
    *about_workloads, about_policy = done.json["findings"]
    found = {(f["id"], f["workload"]["name"], f["dependency"]) for f in about_workloads}
    assert found == {
        ("NP101", "web-api", "postgres.production:5432/TCP"),
        ("NP102", "web-api", "postgres.production:5432/TCP"),
    }
    named = {f["id"]: [p["name"] for p in f["policies"]] for f in about_workloads}
    assert named == {"NP101": ["web-api-egress"], "NP102": ["default-deny-ingress"]}
    assert done.json["summary"] == {"error": 2, "warning": 0, "info": 1, "checked": 3, "skipped": 0}
    assert {f["location"]["file"] for f in about_workloads} == {str(STORY / "web-api.yaml")}
    assert (about_policy["id"], about_policy["source"], about_policy["workload"]) == ("NP306", "policy", None)
    assert about_policy["location"]["file"] == str(STORY / "production.yaml")


def test_text_shows_where_and_sums_up(run: Run) -> None:
    done = run("check", "-f", STORY)
    lines = done.out.rstrip("\n").split("\n")
    assert lines[0] == f"{STORY}/production.yaml:42: netpol/production/default-deny-ingress"
    assert lines[1].startswith("  info NP306 production/default-deny-ingress denies")
    assert lines[4] == f"{STORY}/web-api.yaml:2: deploy/production/web-api"
    assert lines[5].startswith("  error NP101 production/web-api -> production/postgres:5432/TCP")
    assert lines[7].startswith("  error NP102 production/web-api -> production/postgres:5432/TCP")
    assert lines[-1] == "2 errors, 1 info; 3 workloads checked"
    assert done.err == ""


def test_only_what_is_under_f_is_judged(run: Run) -> None:
    quiet = run("check", "-f", STORY / "kube-system.yaml", "--against", STORY)
    assert (quiet.code, quiet.out) == (0, "no findings; 1 workload checked\n")
    loud = run("check", "-f", STORY / "web-api.yaml", "--against", STORY, "--format", "json")
    assert loud.json["summary"]["error"] == 2


def test_a_file_wins_over_what_is_there_already(run: Run, story: Path) -> None:
    opened = (
        (story / "production.yaml")
        .read_text()
        .replace("policyTypes: [Ingress]", "policyTypes: [Ingress]\n  ingress: [{}]")
    )
    (story / "opened.yaml").write_text(opened)
    done = run(
        "check", "-f", story / "web-api.yaml", "-f", story / "opened.yaml", "--against", STORY, "--format", "json"
    )
    assert {f["id"] for f in done.json["findings"]} == {"NP101"}


def test_a_broken_document_is_named_and_the_rest_still_answered(run: Run, story: Path) -> None:
    (story / "broken.yaml").write_text(BROKEN)
    done = run("check", "-f", story, "--format", "json")
    assert done.code == 2
    assert [f["id"] for f in done.json["findings"]] == ["NP101", "NP102", "NP306"]
    (error,) = done.json["errors"]
    assert error["file"] == str(story / "broken.yaml")
    assert error["line"] >= 5
    assert done.err == f"{error['file']}:{error['line']}: {error['message']}\n"
    assert done.json["summary"]["skipped"] == 1


def test_an_object_that_cannot_be_read_is_named_with_its_field(run: Run, story: Path) -> None:
    (story / "odd.yaml").write_text("apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: 80}\n")
    done = run("check", "-f", story, "--format", "json")
    assert done.code == 2
    assert done.json["errors"] == [
        {"file": str(story / "odd.yaml"), "line": 1, "message": "Service `s`: spec.ports: expected a list"}
    ]


def test_a_policy_with_a_flaw_is_an_error_and_still_counts(run: Run, story: Path) -> None:
    (story / "odd.yaml").write_text(BAD_POLICY)
    done = run("check", "-f", story, "--format", "json")
    assert done.code == 2
    (error,) = done.json["errors"]
    assert error["message"].startswith("NetworkPolicy `odd`: ")
    assert "10.0.0.300/24" in error["message"]


def test_values_files_and_unknown_kinds_are_skipped_and_counted(run: Run, story: Path) -> None:
    (story / "values.yaml").write_text("replicas: 3\n")
    (story / "crd.yaml").write_text("apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w}\n")
    done = run("check", "-f", story)
    assert done.out.endswith("2 errors, 1 info; 3 workloads checked, 2 documents skipped\n")


def test_a_list_is_its_items(run: Run, story: Path) -> None:
    items = [d for f in sorted(story.glob("*.yaml")) for d in yaml.safe_load_all(f.read_text())]
    (story / "all.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    done = run("check", "-f", story / "all.json", "--format", "json")
    assert done.json["summary"] == {"error": 2, "warning": 0, "info": 1, "checked": 3, "skipped": 0}


def test_standard_input_is_a_dash() -> None:
    everything = b"\n---\n".join(f.read_bytes() for f in sorted(STORY.glob("*.yaml")))
    done = spawn("check", "-f", "-", stdin=everything)
    assert done.code == 1
    assert "-:" in done.out


@pytest.mark.parametrize(
    ("kind", "owner", "code"),
    [
        ("Deployment", {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout"}, 1),
        ("Deployment", {"apiVersion": "v1", "kind": "ConfigMap"}, 1),
        ("ReplicaSet", {"apiVersion": "apps/v1", "kind": "Deployment"}, 0),
        ("ReplicaSet", {"apiVersion": "apps/v1", "kind": "Deployment", "name": "made-up"}, 1),
    ],
)
def test_only_what_a_workload_made_that_is_there_is_not_judged_beside_it(
    run: Run, story: Path, kind: str, owner: dict[str, str], code: int
) -> None:
    web_api = yaml.safe_load((story / "web-api.yaml").read_text())
    made = json.loads(json.dumps(web_api)) | {"kind": kind}
    made["metadata"]["ownerReferences"] = [{"name": "boss", "uid": "u", "controller": True} | owner]
    boss = json.loads(json.dumps(web_api))
    boss["metadata"] = {"name": "boss", "namespace": web_api["metadata"]["namespace"]}
    (story / "web-api.yaml").write_text(yaml.safe_dump_all([made, boss]))
    assert run("check", "-f", story).code == code


@pytest.mark.parametrize(("threshold", "code"), [("error", 1), ("warning", 1), ("info", 1), ("never", 0)])
def test_fail_on_decides_the_exit_code(run: Run, threshold: str, code: int) -> None:
    assert run("check", "-f", STORY, "--fail-on", threshold).code == code


def test_who_only_claims_to_need_a_server_is_named_and_admitted_by_a_flag(run: Run, tmp_path: Path) -> None:
    there, mine = tmp_path / "there.yaml", tmp_path / "db.yaml"
    web = deployment("evil/web", annotations={CONNECTS_TO: "deploy/db.data:5432"})
    closed = policy("data/closed", podSelector={})
    there.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": [web, closed]}))
    mine.write_text(json.dumps(deployment("data/db")))
    said = run("fix", "-f", mine, "--against", there)
    assert (said.code, said.out.strip(), said.err) == (0, "", "note: not let in without `--admit evil`: evil/web\n")
    assert run("fix", "-f", mine, "--against", there, "--format", "json").json == {
        "policies": [],
        "unfixable": [],
        "errors": [],
        "notes": ["not let in without `--admit evil`: evil/web"],
    }
    (found,) = run("check", "-f", mine, "--against", there, "--format", "json").json["findings"]
    assert (found["id"], found["fix"]) == ("NP109", [])
    assert "--admit evil" in found["message"]
    (found,) = run("check", "-f", mine, "--against", there, "--admit", "evil", "--format", "json").json["findings"]
    assert [one["metadata"]["namespace"] for one in found["fix"]] == ["data"]
    assert "kind: NetworkPolicy" in run("fix", "-f", mine, "--against", there, "--admit", "evil").out


def test_a_warning_fails_only_where_that_is_asked_for(run: Run, story: Path) -> None:
    text = (story / "web-api.yaml").read_text().replace("postgres:5432", "postgres:5432:oops")
    (story / "web-api.yaml").write_text(text)
    assert run("check", "-f", story).code == 0
    done = run("check", "-f", story, "--fail-on", "warning", "--format", "json")
    assert done.code == 1
    assert [f["id"] for f in done.json["findings"]] == ["NP303", "NP306"]


def test_github_annotations_name_file_line_and_id(run: Run) -> None:
    done = run("check", "-f", STORY, "--format", "github")
    assert done.code == 1
    first = done.out.split("\n")[0]
    assert first.startswith(f"::error file={STORY}/web-api.yaml,line=2,title=NP101 postgres.production%3A5432/TCP::")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "nothing to read"),
        (("-f", "/nonexistent"), "/nonexistent"),
        (("-f", STORY, "--cni", "calicoo"), "did you mean `calico`?"),
        (("-f", STORY, "--config", "/nonexistent"), "--config"),
        (("-f", STORY, "--against", "cluster", "--kubeconfig", "/nonexistent"), "--against cluster: no kubeconfig"),
        (("-f", "-", "--against", "-"), "standard input"),
        (("-f", STORY, "--format", "xml"), "invalid choice"),
    ],
)
def test_bad_usage_says_what_was_expected(run: Run, arguments: tuple[object, ...], said: str) -> None:
    done = run("check", *arguments)
    assert done.code == 2
    assert said in done.err
    assert done.out == ""


def test_an_unknown_setting_is_told_the_nearest_one(run: Run, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("clusterDomian: example.org\n")
    done = run("check", "-f", STORY, "--config", tmp_path / "c.yaml")
    assert done.code == 2
    assert "unknown setting `clusterDomian`, did you mean `clusterDomain`?" in done.err


# -- settings ------------------------------------------------------------------------------------------------------


def test_a_flag_wins_over_the_file_and_the_file_over_the_default() -> None:
    file = config.read_file({"mode": "enforce", "cni": "calico", "clusterDomain": "example.org"})
    assert config.settings("audit", None, file=file).mode is Mode.AUDIT
    assert config.settings(None, None, file=file).mode is Mode.ENFORCE
    assert config.settings(None, None, file=file).enforcer.name == "calico"
    assert config.settings(None, None, file=file).cluster_domain == "example.org"
    assert config.settings().mode is Mode.WARN


def test_nothing_recognised_on_a_cluster_never_rejects() -> None:
    assert not config.settings(live=True).enforcer.decisive
    assert config.settings(live=False).enforcer.decisive
    assert config.settings(cni="generic", live=True).enforcer.decisive


@pytest.mark.parametrize("raw", [{"mode": 3}, [1], "x", {"dns": {"nmae": "x"}}])
def test_a_configuration_of_the_wrong_shape_is_one_error(raw: object) -> None:
    with pytest.raises(config.Invalid, match=r"[Ee]xpected|unknown"):
        config.read_file(raw)


# -- fix -----------------------------------------------------------------------------------------------------------


def test_the_printed_fix_makes_the_same_check_clean(run: Run, story: Path) -> None:
    fixed = run("fix", "-f", story)
    assert fixed.code == 0
    documents = list(yaml.safe_load_all(fixed.out))
    assert {d["kind"] for d in documents} == {"NetworkPolicy"}
    assert {d["metadata"]["namespace"] for d in documents} == {"production"}
    assert "# namespace production" in fixed.out
    (story / "fix.yaml").write_text(fixed.out)
    assert run("check", "-f", story, "--fail-on", "info").out == "no findings; 3 workloads checked\n"


def test_fix_as_json_holds_the_same_policies(run: Run) -> None:
    done = run("fix", "-f", STORY, "--format", "json")
    assert done.json["policies"] == list(yaml.safe_load_all(run("fix", "-f", STORY).out))
    assert done.json["unfixable"] == []


def test_nothing_to_fix_prints_no_yaml(run: Run) -> None:
    assert run("fix", "-f", STORY / "kube-system.yaml") == Done(0, "", "nothing to fix\n")


# -- explain -------------------------------------------------------------------------------------------------------


def test_explain_names_both_policies_and_exits_1(run: Run) -> None:
    done = run("explain", "-f", STORY, "--from", "deploy/web-api.production", "--to", "postgres:5432")
    assert done.code == 1
    assert "default-deny-ingress" in done.out
    assert "web-api-egress" in done.out


def test_explain_as_json_has_the_shape_of_the_contract(run: Run) -> None:
    done = run("explain", "-f", STORY, "--from", "web-api", "--to", "postgres:5432", "--format", "json")
    assert list(done.json)[:7] == ["from", "dependency", "verdict", "assumptions", "reason", "fix", "flows"]
    assert done.json["verdict"] == "denied"
    assert done.json["from"] == {"kind": "Deployment", "namespace": "production", "name": "web-api"}
    (flow,) = done.json["flows"]
    assert done.json["dns"]["verdict"] == "allowed"
    assert flow["egress"]["verdict"] == flow["ingress"]["verdict"] == "denied"


def workload(kind: str, namespace: str, name: str) -> Workload:
    return Workload(WorkloadRef(kind, namespace, name), Template(PodClass(namespace)))


SOME = [workload("Deployment", "a", "web"), workload("StatefulSet", "a", "db"), workload("Deployment", "b", "db")]


@pytest.mark.parametrize(
    ("text", "namespace", "found"),
    [
        ("web", "default", "deploy/a/web"),
        ("sts/db", "default", "sts/a/db"),
        ("StatefulSet/db", "default", "sts/a/db"),
        ("deployments/db", "default", "deploy/b/db"),
        ("db.b", "default", "deploy/b/db"),
        ("db", "a", "sts/a/db"),
    ],
)
def test_a_workload_is_found_by_kubectls_words_or_a_unique_name(text: str, namespace: str, found: str) -> None:
    assert str(find(text, SOME, namespace).ref) == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("db", "names several workloads: expected one of deploy/db.b, sts/db.a"),
        ("wbe", "no workload `wbe`, did you mean `web`?"),
        ("deplyo/web", "unknown kind `deplyo`, did you mean `deploy`?"),
    ],
)
def test_a_name_that_means_nothing_or_too_much_is_told_so(text: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        find(text, SOME, "default")
    assert said in str(error.value)


# -- serve and demo ------------------------------------------------------------------------------------------------


def test_the_served_story_warns_and_a_term_signal_ends_it_with_0(story: Path) -> None:
    with served(story, story.parent / "tls") as webhook:
        reply = review_of(webhook.address, story / "web-api.yaml", webhook.ca)
        assert reply.allowed
        assert ["NP101" in reply.warnings[0], "NP102" in reply.warnings[1]] == [True, True]
        webhook.process.send_signal(signal.SIGTERM)
        assert webhook.process.wait(PATIENCE) == 0


@pytest.mark.parametrize(
    ("flags", "telling"), [((), None), (("--health-listen",), 0), (("--health-listen", "--metrics-listen"), 1)]
)
def test_metrics_and_reasons_are_told_on_one_port_alone(
    story: Path, flags: tuple[str, ...], telling: int | None
) -> None:
    places = {flag: f"127.0.0.1:{free_port()}" for flag in flags}
    with served(story, story.parent / "tls", *(word for pair in places.items() for word in pair)) as webhook:
        asked: list[Callable[[str], str]] = [webhook.get, *(partial(plainly, place) for place in places.values())]
        told = [
            (get("/readyz"), get("/readyz?verbose").startswith("[+]"), "netpol_preflight_" in get("/metrics"))
            for get in asked
        ]
    at = 0 if telling is None else telling + 1
    assert told == [("ok", number == at, number == at) for number in range(len(asked))]


def plainly(place: str, path: str) -> str:
    with closing(HTTPConnection(place, timeout=PATIENCE)) as connection:
        connection.request("GET", path)
        return connection.getresponse().read().decode()


def test_enforce_denies_with_the_whole_fix_and_no_warning(story: Path) -> None:
    with served(story, story.parent / "tls", "--mode", "enforce") as webhook:
        reply = review_of(webhook.address, story / "web-api.yaml", webhook.ca)
        assert not reply.allowed
        assert reply.warnings == ()
        head, _, manifests = reply.message.partition("\n---\n")
        assert "NP101" in head
        assert "NP102" in head
        (story / "fix.yaml").write_text(manifests)
        assert {d["kind"] for d in yaml.safe_load_all(manifests)} == {"NetworkPolicy"}
        eventually(lambda: review_of(webhook.address, story / "web-api.yaml", webhook.ca).allowed)
        assert review_of(webhook.address, story / "web-api.yaml", webhook.ca).warnings == ()


def test_a_broken_file_keeps_the_old_world_and_readyz_says_so(story: Path) -> None:
    with served(story, story.parent / "tls") as webhook:
        (story / "broken.yaml").write_text(BROKEN)
        eventually(lambda: "broken.yaml" in webhook.get("/readyz?verbose"))
        assert "[+]source ok" in webhook.get("/readyz?verbose")
        assert len(review_of(webhook.address, story / "web-api.yaml", webhook.ca).warnings) == 2
        (story / "broken.yaml").unlink()
        eventually(lambda: "broken.yaml" not in webhook.get("/readyz?verbose"))


def test_a_source_that_cannot_be_read_at_all_is_bad_usage(story: Path) -> None:
    (story / "broken.yaml").write_text(BROKEN)
    done = spawn("serve", "--source", story, "--listen", "127.0.0.1:0", "--log-level", "error")
    assert done.code == 2
    assert "broken.yaml" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ((), "--source"),
        (("--source", STORY, "--tls-cert", "x"), "--tls-key"),
        (("--source", STORY, "--listen", "nowhere"), "expected HOST:PORT"),
        (("--source", STORY, "--listen", "127.0.0.1:99999"), "is no port"),
        (("--source", STORY, "--mode", "enforcing"), "did you mean `enforce`?"),
        (("--source", STORY, "--tls-san", "a b"), "--tls-san"),
        (("--source", "/nonexistent"), "/nonexistent"),
    ],
)
def test_serve_that_cannot_begin_says_why(flags: tuple[object, ...], said: str) -> None:
    done = spawn("serve", *flags)
    assert done.code == 2
    assert said in done.err
    assert "Traceback" not in done.err


def test_the_demo_warns_fixes_and_falls_silent_in_both_acts() -> None:
    done = spawn("demo")
    assert done.code == 0, done.err
    first, _, second = done.out.partition("How did it come to that?")
    for act, ids in ((first, ["NP101", "NP102"]), (second, ["NP501"])):
        before, _, after = act.partition("Applied")
        assert [one for one in ("NP101", "NP102", "NP501") if one in before] == ids
        assert "NP1" not in after
        assert "NP5" not in after
        assert "no warnings" in after
    assert "production/default-deny-ingress cuts production/web-api -> production/postgres:5432/TCP" in second
    assert "kind: NetworkPolicy" in second

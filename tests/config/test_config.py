"""The configuration file: what may stand in it, what is said about what may not, and what each setting changes."""

import io
import json
from datetime import date
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.support.arena import Raw, world_of
from tests.support.making import deployment
from tests.support.reviews import OUT, TO_DB, TODAY, annotated, request
from tests.support.running import STORY, eventually, served
from tests.support.worlds import namespace, policy, port
from webhook import config
from webhook.cli.demo import review_of
from webhook.cli.main import main
from webhook.config.file import File
from webhook.config.read import wrong
from webhook.manifests import read
from webhook.manifests.files import Document
from webhook.model.answers import Severity
from webhook.model.settings import DECLARE_LABEL, MODE_LABEL, AuditSettings, Mode
from webhook.report import admission
from webhook.review.audit import audit_workload, review_policies
from webhook.review.decide import decide
from webhook.review.drafts import Decision

TOP = Path(__file__).parents[2]
PAGE = (TOP / "docs/configuration.md").read_text(encoding="utf-8")


# -- what may stand in it ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"mod": "warn"}, "unknown setting `mod`, did you mean `mode`?"),
        ({"zzz": 1}, "unknown setting `zzz`: expected mode, modes, cni"),
        ({"dns": {"servce": "x"}}, "dns: unknown setting `servce`, did you mean `service`?"),
        (
            {"exemptions": [{"id": "NP102", "reson": "x"}]},
            "exemptions[0]: unknown setting `reson`, did you mean `reason`?",
        ),
        (
            {"dependencies": ["a:1", {"to": "b:1", "namespaceSelector": {"matchLabel": {}}}]},
            "dependencies[1].namespaceSelector: unknown setting `matchLabel`, did you mean `matchLabels`?",
        ),
        ({"dns": 3}, "dns: expected a mapping, got a number"),
        ({"inbound": {"scrap": True}}, "inbound: unknown setting `scrap`, did you mean `scrape`?"),
        ({"inbound": {"ingress": 1}}, "inbound.ingress: expected true or false, got a number"),
        ({"inbound": {"scrapers": ["prometheus"]}}, "inbound.scrapers[0]: expected KIND/NAME.NAMESPACE"),
        ({"inbound": {"scrapers": ["sts/a.b", "sts/prometheus"]}}, "inbound.scrapers[1]: expected KIND/NAME"),
        ({"infer": "yes"}, "infer: expected true or false, got text"),
        ({"ignoredNamespaces": "kube-system"}, "ignoredNamespaces: expected a list, got text"),
        ({"dependencies": [3]}, "dependencies[0]: expected text or a mapping, got a number"),
        ([], "expected a mapping, got a list"),
        ({"mode": "warm"}, "mode: `warm` is unknown, did you mean `warn`?: expected off, audit, warn, enforce"),
        ({"modes": {"a": "warn", "b": "enforced"}}, "modes.b: `enforced` is unknown, did you mean `enforce`?"),
        ({"modes": {"A B": "warn"}}, "modes: key `A B`: expected text like"),
        ({"severities": {"NP305": "warn"}}, "severities.NP305: `warn` is unknown, did you mean `warning`?"),
        ({"severities": {"NP999": "off"}}, "severities: unknown finding `NP999`"),
        ({"exemptions": [{"id": "NP102"}]}, "exemptions[0]: missing `reason`"),
        ({"exemptions": [{"id": "NP102", "reason": " "}]}, "exemptions[0].reason: expected text like"),
        ({"exemptions": [{"id": "NP102", "reason": "a", "until": "soon"}]}, "exemptions[0].until: expected a day"),
        ({"exemptions": [{"id": "NP998", "reason": "a"}]}, "exemptions[0].id: unknown finding `NP998`"),
        ({"requiredLabels": "std"}, "requiredLabels: `std` is unknown: expected standard, a list"),
        (
            {"requiredLabels": [{"key": "a", "pattern": "("}]},
            "requiredLabels[0].pattern: expected a regular expression",
        ),
        ({"dependencies": ["db:0"]}, "dependencies[0]: expected a port"),
        ({"dependencies": ["a:1, b:2"]}, "dependencies[0]: expected one dependency, not 2"),
        (
            {
                "dependencies": [
                    {"to": "a:1", "namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}
                ]
            },
            "dependencies[0].namespaceSelector.matchExpressions[0].values: expected at least one value for In",
        ),
    ],
)
def test_what_may_not_stand_in_it_is_named_by_its_path(raw: object, said: str) -> None:
    with pytest.raises(config.Invalid) as caught:
        config.read_file(raw)
    assert str(caught.value).startswith(said)


WORDS = st.sampled_from(
    ("", "a", "A B", "warn", "off", "standard", "NP102", "In", "TCP", "2027-06-30", "2027-02-30", "x\n")
)
LEAVES = st.one_of(WORDS, st.none(), st.booleans(), st.integers(-1, 70_000), st.just(1.0), st.just(date(2027, 6, 30)))
KEYS = sorted({name for shape in config.schema()["$defs"].values() for name in shape["properties"]})
NAMES = st.one_of(st.sampled_from(KEYS), st.sampled_from(KEYS), WORDS, st.integers(0, 1))
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=4)),
    max_leaves=12,
)


def shaped(hint: Any) -> st.SearchStrategy[Any]:  # noqa: ANN401 - a type of config.file
    """Return values that are mostly as a type asks, so that what is deep in them is reached."""
    if get_origin(hint) is Annotated:
        return shaped(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        return st.one_of(ANYTHING, *map(shaped, get_args(hint)))
    if get_origin(hint) is Literal:
        return st.sampled_from(get_args(hint)) | ANYTHING
    if get_origin(hint) is tuple:
        return st.lists(shaped(get_args(hint)[0]), max_size=2)
    if get_origin(hint) is dict:
        return st.dictionaries(WORDS | st.integers(0, 1), shaped(get_args(hint)[1]), max_size=2)
    if hint in (int, str, bool, date, NoneType):
        return {int: st.integers(-1, 65_537), bool: st.booleans(), NoneType: st.none()}.get(hint, WORDS) | LEAVES
    fields = {field.encode_name: shaped(field.type) for field in msgspec.structs.fields(hint)}
    return st.fixed_dictionaries({}, optional={**fields, "x": WORDS})


@given(st.one_of(ANYTHING, shaped(File)))
def test_what_is_complained_of_is_what_the_types_refuse(raw: object) -> None:
    """A complaint is there for whatever `msgspec` refuses, and for nothing else; it is of one line, and printable."""
    found = list(wrong(raw, File))
    try:
        msgspec.convert(raw, File)
    except msgspec.ValidationError:
        assert found
    else:
        assert found == []
    assert [one for one in found if not one.isprintable()] == []


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"dns": {"service": 3}, "mode": "warm"}, "mode: `warm` is unknown"),
        ({"mode": 3}, "mode: expected off, audit, warn, enforce, got a number"),
        ({"modes": {"a": None}}, "modes.a: expected off, audit, warn, enforce, got null"),
        ({"severities": {"NP102": ["error"]}}, "severities.NP102: expected error, warning, info, off, got a list"),
        ({"severities": {"102": "error"}}, "severities: key `102`: expected text like `^NP[0-9]{3}$`"),
        ({1: "warn"}, "unknown setting `1`"),
        ({"modes": {1: "warn"}}, "modes: key `1`: expected text, got a number"),
        ({"exemptions": [{}]}, "exemptions[0]: missing `id`"),
        ({"exemptions": [{"id": "NP101", "reason": "a", "until": 20270630}]}, "exemptions[0].until: expected a day"),
        (
            {"exemptions": [{"id": "NP101", "reason": "a", "workload": ""}]},
            "exemptions[0].workload: expected text that",
        ),
        ({"mutatorLabels": [None]}, "mutatorLabels[0]: expected text, got null"),
        ({"clusterDomain": "a_b"}, "clusterDomain: expected text like"),
        (
            {"dependencies": [{"to": "a:1", "namespaceSelector": {"matchLabels": {"a.io/b": 1}}}]},
            "dependencies[0].namespaceSelector.matchLabels[a.io/b]: expected text, got a number",
        ),
    ],
)
def test_the_path_leads_to_the_very_entry(raw: object, said: str) -> None:
    with pytest.raises(config.Invalid) as caught:
        config.read_file(raw)
    assert str(caught.value).startswith(said)


def test_off_may_be_written_as_yaml_reads_it() -> None:
    file = config.read_file(yaml.safe_load("mode: off\nmodes: {a: off}\nseverities: {NP305: off}\n"))
    made = config.settings(file=file)
    assert (made.mode, made.modes, made.severities) == (Mode.OFF, (("a", Mode.OFF),), (("NP305", 0),))


def test_the_audit_in_the_cluster_is_off_unless_it_is_turned_on() -> None:
    assert config.settings().audit == AuditSettings(enabled=False)
    file = config.read_file({"audit": {"enabled": True, "everyMinutes": 5, "events": False}})
    assert config.settings(file=file).audit == AuditSettings(enabled=True, minutes=5, events=False)
    for bad in ({"everyMinutes": 0}, {"everyMinutes": "5"}, {"interval": 5}):
        with pytest.raises(config.Invalid, match="audit"):
            config.read_file({"audit": bad})


@pytest.mark.parametrize(
    ("source", "says"), [("cluster", "`--audit-lease NAMESPACE/NAME` with it"), (".", "`--source cluster` with it")]
)
def test_an_audit_that_cannot_be_done_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str, says: str
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("audit: {enabled: true}\n", encoding="utf-8")
    assert main(["serve", "--source", source, "--config", str(file)]) == 2
    assert says in capsys.readouterr().err.replace("\n", " ")


def test_the_schema_that_editors_use_is_that_of_the_program() -> None:
    written = json.loads((TOP / "docs/config.schema.json").read_text(encoding="utf-8"))
    assert written == json.loads(json.dumps(config.schema()))


def test_the_page_names_every_setting_and_its_example_is_one() -> None:
    example = PAGE.split("```yaml\n", 1)[1].split("```")[0]
    raw = yaml.load(example, Loader=yaml.BaseLoader)  # noqa: S506 - text alone, as to which keys there are
    every = set(config.schema()["$defs"]["File"]["properties"])
    assert set(raw) == every
    assert [name for name in every if f"`{name}`" not in PAGE] == []
    (document,) = read(["-"], io.BytesIO(example.encode()))
    assert isinstance(document, Document)
    said = config.read_file(document.raw)
    assert [one.until for one in config.settings(file=said).exemptions] == [date(2027, 6, 30)]


# -- what each setting changes ----------------------------------------------------------------------------------------


def decided(raw: dict[str, Any], obj: Raw, *objects: Raw, label: str | None = None, asks: bool = False) -> Decision:
    """Ask about `obj` in a namespace whose egress is closed, in enforce unless `raw` says otherwise."""
    made = config.settings(cni="generic", file=config.read_file({"mode": "enforce", **raw}))
    labels = {**({MODE_LABEL: label} if label else {}), **({DECLARE_LABEL: "required"} if asks else {}), "team": "a"}
    cast = [namespace("shop", labels), namespace("data"), deployment("data/db", [port("pg", 5432)]), OUT, *objects]
    return decide(request(obj), world_of(cast, settings=made), TODAY)


def ids(decision: Decision) -> list[tuple[str, str]]:
    return [(one.id, one.severity.word) for one in decision.findings]


BAD = annotated(TO_DB)
REASON = {"reason": "moves next week"}


@pytest.mark.parametrize(
    ("about", "raw", "allowed", "expected"),
    [
        ("nothing", {}, False, [("NP101", "error")]),
        ("a lower severity rejects nothing", {"severities": {"NP101": "warning"}}, True, [("NP101", "warning")]),
        ("off", {"severities": {"NP101": "off"}}, True, []),
        ("another id", {"severities": {"NP102": "off"}}, False, [("NP101", "error")]),
        ("exempt", {"exemptions": [{"id": "NP101", **REASON}]}, True, []),
        ("exempt today still", {"exemptions": [{"id": "NP101", "until": str(TODAY), **REASON}]}, True, []),
        ("no more", {"exemptions": [{"id": "NP101", "until": "2026-11-19", **REASON}]}, False, [("NP101", "error")]),
        ("of this namespace", {"exemptions": [{"id": "NP101", "namespace": "sh*", **REASON}]}, True, []),
        ("of another", {"exemptions": [{"id": "NP101", "namespace": "data", **REASON}]}, False, [("NP101", "error")]),
        ("of this workload", {"exemptions": [{"id": "NP101", "workload": "deploy/we*", **REASON}]}, True, []),
        ("kind", {"exemptions": [{"id": "NP101", "workload": "sts/web", **REASON}]}, False, [("NP101", "error")]),
        ("of this dependency", {"exemptions": [{"id": "NP101", "dependency": TO_DB, **REASON}]}, True, []),
        ("or not", {"exemptions": [{"id": "NP101", "dependency": "x:1", **REASON}]}, False, [("NP101", "error")]),
        ("ignored", {"ignoredNamespaces": ["sh?p"]}, True, []),
        ("others are", {"ignoredNamespaces": ["kube-*"]}, False, [("NP101", "error")]),
        ("the mode of the namespace", {"modes": {"shop": "warn"}}, True, [("NP101", "error")]),
        ("the longest pattern", {"modes": {"s*": "enforce", "sho*": "warn", "*": "off"}}, True, [("NP101", "error")]),
        ("mutators", {"mutatorLabels": ["x/*"]}, False, [("NP101", "error")]),
    ],
)
def test_a_setting_changes_what_a_finding_costs(
    about: str, raw: dict[str, Any], allowed: bool, expected: list[tuple[str, str]]
) -> None:
    decision = decided(raw, BAD)
    assert (decision.allowed, ids(decision)) == (allowed, expected), about


def test_the_label_of_a_namespace_wins_over_the_configuration() -> None:
    assert decided({"modes": {"shop": "enforce"}}, BAD, label="warn").mode is Mode.WARN


def test_annotations_that_exempt_can_be_ignored_where_it_is_enforced() -> None:
    obj = annotated(TO_DB, "NP101: moves next week")
    ignoring = {"ignoreExemptionAnnotationsInEnforce": True}
    assert decided({}, obj).allowed
    assert not decided(ignoring, obj).allowed
    assert ids(decided(ignoring | {"mode": "warn"}, obj)) == []
    made = config.settings(file=config.read_file(ignoring | {"modes": {"shop": "enforce"}}))
    world = world_of([deployment("data/db", [port("pg", 5432)]), OUT, obj], settings=made)
    (web,) = world.workloads.every("shop")
    assert [one.id for one in audit_workload(world, web, TODAY, ()).findings] == ["NP101"]


@pytest.mark.parametrize(
    ("name", "raw", "asks", "obj"),
    [
        ("NP301", {"requiredLabels": "standard"}, False, deployment("shop/web")),
        ("NP302", {}, True, deployment("shop/web")),
        ("NP303", {}, False, annotated("db:0")),
    ],
)
def test_what_is_required_rejects_only_where_it_is_raised_to(
    name: str, raw: dict[str, Any], asks: bool, obj: Raw
) -> None:
    usual = decided(raw, obj, asks=asks)
    assert usual.allowed
    assert [one.id for one in usual.findings] == [name]
    raised = decided(raw | {"severities": {name: "error"}}, obj, asks=asks)
    assert [one.id for one in raised.rejected] == [name]
    assert "time out" not in admission.denial(raised.rejected, lambda _: "")
    assert decided(raw | {"severities": {name: "error"}, "mode": "warn"}, obj, asks=asks).allowed


@pytest.mark.parametrize(
    ("about", "one", "found"),
    [
        ("everywhere", TO_DB, True),
        ("by name", {"to": TO_DB, "namespaces": ["sh*"]}, True),
        ("by another name", {"to": TO_DB, "namespaces": ["data"]}, False),
        ("by label", {"to": TO_DB, "namespaceSelector": {"matchLabels": {"team": "a"}}}, True),
        ("by another label", {"to": TO_DB, "namespaceSelector": {"matchLabels": {"team": "b"}}}, False),
        (
            "by expression",
            {"to": TO_DB, "namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "Exists"}]}},
            True,
        ),
    ],
)
def test_what_every_workload_connects_to_is_judged_as_if_it_were_declared(about: str, one: object, found: bool) -> None:
    decision = decided({"dependencies": [one]}, deployment("shop/web"))
    assert [(f.id, f.source) for f in decision.findings] == ([("NP101", "config")] if found else []), about
    assert decision.allowed is not found


def test_what_a_workload_declares_itself_is_told_as_its_own() -> None:
    decision = decided({"dependencies": [TO_DB]}, BAD)
    assert [(f.id, f.source) for f in decision.findings] == [("NP101", "annotation")]


def test_inference_can_be_switched_off() -> None:
    env = [{"name": "DB_ADDR", "value": "web.shop:80"}]
    obj = annotated("")
    obj["spec"]["template"]["spec"]["containers"][0]["env"] = env
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": "shop", "name": "api"}}
    api = service | {"spec": {"selector": {"app": "api"}, "ports": [{"port": 80}]}}
    env[0]["value"] = "api.shop:80"
    cast = (api, deployment("shop/api", [port("http", 80)]))
    assert "NP101" in [one.id for one in decided({}, obj, *cast).findings]
    assert decided({"infer": False}, obj, *cast).findings == ()


def test_what_is_inferred_is_a_warning_at_most() -> None:
    obj = deployment("shop/web")
    obj["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "API_URL", "value": "http://api.shop:80"}]
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": "shop", "name": "api"}}
    api = service | {"spec": {"selector": {"app": "api"}, "ports": [{"port": 80}]}}
    decision = decided({"severities": {"NP101": "error"}}, obj, api, deployment("shop/api", [port("http", 80)]))
    assert decision.allowed
    assert max(one.severity for one in decision.findings) is Severity.WARNING


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        ({}, ["NP306"]),
        ({"severities": {"NP306": "off"}}, []),
        ({"exemptions": [{"id": "NP306", "namespace": "shop", "workload": "wall", **REASON}]}, []),
        ({"exemptions": [{"id": "NP306", "workload": "other", **REASON}]}, ["NP306"]),
        ({"ignoredNamespaces": ["shop"]}, []),
    ],
)
def test_findings_about_policies_heed_the_configuration(raw: dict[str, Any], found: list[str]) -> None:
    wall = policy("shop/wall", podSelector={}, policyTypes=["Ingress"])
    world = world_of([namespace("shop"), wall], settings=config.settings(file=config.read_file(raw)))
    findings = review_policies(world, world.policies.named("shop").values(), date(2026, 11, 20))
    assert [one.id for one in findings] == found


def test_a_world_that_is_configured_anew_answers_as_one_that_was_made_so() -> None:
    added = policy(
        "shop/meshed",
        podSelector={"matchExpressions": [{"key": "mesh.example.com/on", "operator": "Exists"}]},
        policyTypes=["Egress"],
    )
    cast = [namespace("shop"), deployment("data/db", [port("pg", 5432)]), added]
    before = config.settings(file=config.read_file({"mutatorLabels": []}))
    after = config.settings(file=config.read_file({"mutatorLabels": ["mesh.example.com/*"], "mode": "enforce"}))
    world = world_of(cast, settings=before)
    assert decide(request(BAD), world, TODAY).findings == ()
    world.configure(after)
    assert [one.id for one in decide(request(BAD), world, TODAY).findings] == ["NP106"]
    assert decide(request(BAD), world, TODAY) == decide(request(BAD), world_of(cast, settings=after), TODAY)


# -- while it serves --------------------------------------------------------------------------------------------------


def test_a_changed_file_counts_at_once_and_a_broken_one_leaves_the_settings_as_they_were(tmp_path: Path) -> None:
    story = tmp_path / "story"
    story.mkdir()
    for file in STORY.glob("*.yaml"):
        (story / file.name).write_text(file.read_text())
    file = tmp_path / "config.yaml"
    file.write_text("mode: enforce\n")
    gauge = "netpol_preflight_config_last_reload_successful"
    with served(story, tmp_path / "tls", "--config", str(file)) as webhook:

        def allowed() -> bool:
            return review_of(webhook.address, story / "web-api.yaml", webhook.ca).allowed

        assert not allowed()
        assert f"{gauge} 1.0" in webhook.get("/metrics")
        file.write_text("mode: enforce\nsevereties: {}\n")
        eventually(lambda: f"{gauge} 0.0" in webhook.get("/metrics"))
        assert "[+]configuration ok: the settings stay as they were:" in webhook.get("/readyz?verbose")
        assert "did you mean `severities`?" in webhook.get("/readyz?verbose")
        assert not allowed()
        file.unlink()
        eventually(lambda: "no such file" in webhook.get("/readyz?verbose").lower())
        assert not allowed()
        file.write_text(
            'mode: enforce\nexemptions: [{id: NP305, reason: a, until: "2020-01-01"}]\nmodes: {prod*: warn}\n'
        )
        eventually(allowed)
        assert f"{gauge} 1.0" in webhook.get("/metrics")
        assert "exemption of NP305 for */* ended on 2020-01-01" in webhook.get("/readyz?verbose")

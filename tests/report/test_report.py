"""Findings in, words out: what is promised about warnings, denials, text, JSON and GitHub annotations."""

import json
import unicodedata

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.findings import ALLOW_DB, DENY, FIX, NAMES, WRONG_LABEL, denied, finding, flow, hostile, ran
from webhook.cli.terminal import coloured
from webhook.model.addresses import parse_block
from webhook.model.answers import OPEN, Finding, FlowVerdict, Host, Location, NearMiss, Severity, Verdict
from webhook.model.refs import PolicyRef, WorkloadRef
from webhook.report import json_, text
from webhook.report.admission import LONGEST, MOST_CHARACTERS, MOST_LINES, WANTED, line, order, warnings
from webhook.report.safe import clean, clip, lines
from webhook.report.text import Failure, Summary
from webhook.report.words import message, near_misses, sentence

EGRESS = PolicyRef("production", "web-api-egress")


def test_an_ingress_denial_names_both_ends_the_port_and_the_policy() -> None:
    assert sentence(finding()) == (
        "production/web-api -> production/postgres:5432/TCP will time out: "
        "ingress isolated by production/default-deny-ingress, no rule admits it"
    )


def test_an_egress_denial_names_the_senders_policy() -> None:
    found = finding("NP101", policies=(EGRESS,), flows=(flow(egress=denied(EGRESS), ingress=denied(DENY)),))
    assert "egress isolated by production/web-api-egress" in sentence(found)
    assert "default-deny-ingress" not in sentence(found)


def test_what_has_no_fix_says_why() -> None:
    assert line(finding(fix=(), no_fix="its pods have no labels")).endswith("(NP102); no fix: its pods have no labels")


def test_the_port_is_the_one_that_the_packet_arrives_on() -> None:
    found = finding(flows=(flow(port=8080, service_port=80, ingress=denied(DENY)),))
    assert "production/postgres:8080/TCP" in sentence(found)
    assert "port 80 is the Service's" in message(found)


def test_a_dns_denial_says_that_names_do_not_resolve() -> None:
    dns = WorkloadRef("Deployment", "kube-system", "coredns")
    flows = tuple(
        FlowVerdict(dns, 2, protocol, 53, 53, Verdict.DENIED, denied(EGRESS), OPEN, purpose="dns")
        for protocol in ("UDP", "TCP")
    )
    found = finding("NP103", dependency=None, policies=(EGRESS,), flows=flows)
    assert sentence(found) == (
        "production/web-api cannot resolve names: -> kube-system/coredns:53/UDP,TCP will time out: "
        "egress isolated by production/web-api-egress, no rule admits it"
    )


def test_an_address_block_and_an_outside_name_are_shown_as_declared() -> None:
    block = msgspec.structs.replace(flow(egress=denied(EGRESS)), to=parse_block("10.0.0.0/24"))
    v6 = msgspec.structs.replace(flow(egress=denied(EGRESS)), to=parse_block("2001:db8::5/128"))
    host = msgspec.structs.replace(flow(egress=denied(EGRESS)), to=Host("api.example.com"))
    shown = [sentence(finding("NP101", policies=(EGRESS,), flows=(one,))) for one in (block, v6, host)]
    assert "-> 10.0.0.0/24:5432/TCP will" in shown[0]
    assert "-> [2001:db8::5]:5432/TCP will" in shown[1]
    assert "-> api.example.com:5432/TCP will" in shown[2]


def test_a_near_miss_says_what_the_rule_wants_and_what_it_meets() -> None:
    closed = denied(ALLOW_DB.at(None), DENY, near=(WRONG_LABEL,))
    found = finding(flows=(flow(ingress=closed),), near_misses=(WRONG_LABEL,))
    assert near_misses(found) == ("allow-db-access admits app=web-api; this workload has app=webapi",)


def test_a_policy_that_selects_other_pods_is_told_so() -> None:
    miss = NearMiss(ALLOW_DB, "podLabels", "app=pg", "app=postgres")
    found = finding(flows=(flow(ingress=denied(DENY, near=(miss,))),), near_misses=(miss,))
    assert near_misses(found) == ("allow-db-access selects app=pg; the destination has app=postgres",)


def test_a_near_miss_of_an_egress_rule_is_about_the_other_end() -> None:
    miss = NearMiss(EGRESS.at(0), "podLabels", "app=pg", "app=postgres")
    found = finding("NP101", flows=(flow(egress=denied(EGRESS, near=(miss,))),), near_misses=(miss,))
    assert near_misses(found) == ("web-api-egress lets out to app=pg; the destination has app=postgres",)


def test_a_rule_with_the_services_port_is_told_so() -> None:
    miss = NearMiss(ALLOW_DB, "port", "80", "8080")
    found = finding(flows=(flow(8080, 80, ingress=denied(DENY, near=(miss,))),), near_misses=(miss,))
    assert near_misses(found) == ("allow-db-access opens 80, the Service's port; the packet arrives on 8080",)


@pytest.mark.parametrize(
    "field", ["podLabels", "namespaceLabels", "namespace", "cidr", "port", "protocol", "policyTypes"]
)
def test_every_kind_of_near_miss_names_policy_wish_and_fact(field: str) -> None:
    miss = NearMiss(ALLOW_DB, field, "wanted", "given")
    (told,) = near_misses(finding(near_misses=(miss,)))
    assert all(word in told for word in ("allow-db-access", "wanted", "given"))


def test_a_warning_has_prefix_ends_policy_id_and_remedy() -> None:
    assert line(finding()) == (
        "netpol-preflight: production/web-api -> production/postgres:5432/TCP will time out: ingress isolated by "
        "production/default-deny-ingress (NP102); run `netpol-preflight fix`"
    )


def test_a_short_warning_keeps_to_what_kubernetes_asks_for() -> None:
    a, b = WorkloadRef("Deployment", "a", "a"), PolicyRef("a", "p")
    one = finding(workload=a, policies=(b,), flows=(msgspec.structs.replace(flow(ingress=denied(b)), to=a),))
    assert len(line(one)) <= WANTED
    assert line(one).startswith("netpol-preflight: a/a -> a/a:5432/TCP will time out: ingress isolated by a/p")


def test_a_near_miss_stands_in_the_warning_where_there_is_room() -> None:
    assert "allow-db-access admits app=web-api; this workload has app=webapi" in line(
        finding(near_misses=(WRONG_LABEL,))
    )


def test_errors_come_before_warnings_and_information_is_no_warning_line() -> None:
    ids = ("NP106", "NP105", "NP201", "NP102", "NP101")
    said = warnings(finding(number) for number in ids)
    assert [text.split("(NP")[1][:3] for text in said] == ["101", "102", "105", "201"]


def test_too_many_warnings_are_summed_up_in_the_last_line() -> None:
    said = warnings(finding(dependency=f"db-{n}.production:5432/TCP", flows=()) for n in range(30))
    assert len(said) == MOST_LINES
    assert said[-1] == "netpol-preflight: and 23 more: run `netpol-preflight check`"


def test_notes_are_warnings_after_the_findings() -> None:
    said = warnings([finding()], ["mode label `strict` is unknown, `warn` is used"])
    assert said[1] == "netpol-preflight: mode label `strict` is unknown, `warn` is used"


def unprintable(said: str) -> set[str]:
    return {c for c in said if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"}}


@given(st.lists(hostile(), max_size=12), st.lists(NAMES, max_size=3))
def test_warnings_keep_every_limit_whatever_the_names(findings: list[Finding], notes: list[str]) -> None:
    said = warnings(findings, notes)
    assert len(said) <= MOST_LINES
    assert sum(map(len, said)) <= MOST_CHARACTERS
    for one in said:
        assert one.startswith("netpol-preflight: ")
        assert len(one) <= LONGEST
        assert not unprintable(one)
        one.encode("utf-8")


@given(hostile())
def test_a_warning_never_loses_its_id_and_remedy(found: Finding) -> None:
    end = line(found).rpartition(f"({found.id}); ")
    assert end[1]
    assert end[2]


@given(st.lists(hostile(), max_size=6), st.randoms(use_true_random=False))
def test_warnings_do_not_depend_on_the_order_of_findings(findings: list[Finding], random: object) -> None:
    shuffled = list(findings)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    unique = {f.identity for f in findings}
    if len(unique) == len(findings):
        assert warnings(shuffled) == warnings(findings)


@given(st.lists(hostile(), max_size=4))
def test_every_format_prints_any_finding(findings: list[Finding]) -> None:
    summary = Summary.of(findings, checked=1, skipped=0)
    failures = [Failure(f.workload.name, 1, f.workload.namespace) for f in findings if f.workload]
    printed = text.check(ran(findings, failures, summary))
    assert not unprintable(printed.replace("\n", ""))
    commands = text.annotations(findings, failures).split("\n")
    assert all(command.startswith("::") for command in commands if command)
    assert len(json.loads(json_.check(ran(findings, failures, summary)))["findings"]) == len(findings)


@given(NAMES)
def test_clean_text_is_one_printable_line(name: str) -> None:
    assert not unprintable(clean(name))
    assert clean(clean(name)) == clean(name)


@given(NAMES, st.integers(1, 40))
def test_clipped_text_is_as_long_as_was_asked_and_keeps_its_ends(name: str, limit: int) -> None:
    short = clip(name, limit)
    assert len(short) <= limit
    assert short == name or short[: limit // 2] == name[: limit // 2]


def test_bidirectional_marks_are_spelled_out() -> None:
    assert clean("web\u202eipa") == "web\\u202eipa"
    assert lines("a\x1b[31m\nb") == "a\\u001b[31m\nb"


def test_json_has_the_shape_of_the_contract() -> None:
    record = json.loads(
        json_.check(ran([finding(near_misses=(WRONG_LABEL,))], [Failure("x.yaml", 3, "bad")], Summary(1, 0, 0, 1, 2)))
    )
    assert record["summary"] == {"error": 1, "warning": 0, "info": 0, "checked": 1, "skipped": 2}
    assert record["errors"] == [{"file": "x.yaml", "line": 3, "message": "bad"}]
    (found,) = record["findings"]
    assert list(found) == [
        "id", "severity", "verdict", "workload", "dependency", "source", "policies", "nearMisses", "message",
        "fix", "assumptions", "location",
    ]  # fmt: skip
    assert found["severity"] == "error"
    assert found["verdict"] == "denied"
    assert found["workload"] == {"kind": "Deployment", "namespace": "production", "name": "web-api"}
    assert found["policies"] == [
        {"kind": "NetworkPolicy", "namespace": "production", "name": "default-deny-ingress", "rule": None}
    ]
    assert found["nearMisses"][0] | {"policy": None} == {
        "policy": None, "field": "podLabels", "want": "app=web-api", "have": "app=webapi",
    }  # fmt: skip
    assert found["fix"] == [FIX]
    assert found["location"] == {"file": "deploy/web-api.yaml", "line": 12}


def test_a_flow_in_json_says_where_to() -> None:
    one = flow(8080, 80, ingress=denied(DENY))
    record = json.loads(json_.render(json_.flow(one)))
    assert record["to"] == {"kind": "StatefulSet", "namespace": "production", "name": "postgres"}
    assert (record["port"], record["servicePort"]) == (8080, 80)
    assert record["ingress"]["isolated"] is True
    assert json_.destination(parse_block("10.0.0.0/8")) == {"cidr": "10.0.0.0/8"}
    assert json_.destination(Host("example.com")) == {"host": "example.com"}


def test_github_escapes_what_its_parser_would_read() -> None:
    broken = Failure("a,b:c.yaml", 7, "50% of\nit")
    (command,) = text.annotations([], [broken]).split("\n")
    assert command == "::error file=a%2Cb%3Ac.yaml,line=7,title=netpol-preflight%3A unreadable::50%25 of it"


def test_github_levels_follow_the_severity() -> None:
    levels = [text.annotations([finding(n)], []).partition(" ")[0] for n in ("NP102", "NP201", "NP106")]
    assert levels == ["::error", "::warning", "::notice"]
    assert text.annotations([finding()], []).startswith(
        "::error file=deploy/web-api.yaml,line=12,title=NP102 postgres.production%3A5432/TCP::production/web-api"
    )


def test_text_shows_place_severity_id_and_indented_evidence() -> None:
    printed = text.check(ran([finding(near_misses=(WRONG_LABEL,))], summary=Summary(1, 0, 0, 3, 1))).split("\n")
    assert printed[0] == "deploy/web-api.yaml:12: deploy/production/web-api"
    assert printed[1].startswith("  error NP102 production/web-api -> production/postgres:5432/TCP")
    assert printed[2] == "    near miss: allow-db-access admits app=web-api; this workload has app=webapi"
    assert (
        printed[3] == "    help: add 1 NetworkPolicy production/allow-web-api-to-postgres; run `netpol-preflight fix`"
    )
    assert printed[-1] == "1 error; 3 workloads checked, 1 document skipped"


def test_text_stands_under_the_workload_or_the_policy_that_it_is_about() -> None:
    other = msgspec.structs.replace(finding("NP306", workload=None), location=Location("deploy/a.yaml", 1))
    again = finding("NP101")
    printed = text.check(ran([finding(), other, again])).split("\n")
    assert [line for line in printed if line and not line.startswith(" ")] == [
        "deploy/a.yaml:1: netpol/production/default-deny-ingress",
        "deploy/web-api.yaml:12: deploy/production/web-api",
        "2 errors, 1 info; 1 workload checked",
    ]
    assert [line.split()[1] for line in printed if line.startswith(("  error", "  info"))] == [
        "NP306",
        "NP101",
        "NP102",
    ]


@pytest.mark.parametrize("place", [Location("-", 7, "shop/web.yaml"), Location("charts/shop", 7, "shop/web.yaml")])
def test_what_was_rendered_stands_in_its_template(place: Location) -> None:
    found = finding(location=place)
    assert text.check(ran([found])).startswith("shop/web.yaml: deploy/production/web-api\n")
    assert text.annotations([found], []).startswith("::error file=shop/web.yaml,line=1,")
    assert json_.finding(found)["location"]["template"] == "shop/web.yaml"


@pytest.mark.parametrize(
    ("summary", "broken", "said"),
    [
        (Summary(2, 1, 0, 3, 1), 0, "2 errors, 1 warning; 3 workloads checked, 1 document skipped"),
        (Summary(0, 0, 2, 1, 0), 0, "2 info; 1 workload checked"),
        (Summary(0, 0, 0, 1, 2), 1, "no findings; 1 workload checked, 2 documents skipped, 1 document unreadable"),
    ],
)
def test_the_last_line_sums_up(summary: Summary, broken: int, said: str) -> None:
    assert text.total(summary, broken) == said


def test_colour_is_codes_around_the_same_text() -> None:
    summary = Summary(1, 0, 0, 1, 0)
    painted = text.check(ran([finding()], summary=summary), coloured)
    assert "\x1b[1;31merror\x1b[0m" in painted


def test_findings_are_ordered_worst_first() -> None:
    assert [f.id for f in order([finding("NP105"), finding("NP102"), finding("NP101")])] == ["NP101", "NP102", "NP105"]
    assert order([finding("NP102", severity=Severity.INFO), finding("NP105")])[0].id == "NP105"

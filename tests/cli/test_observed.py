"""`--observed`: what a flow log is evidence of, in every format; and logs that are broken, long or packed."""

import gzip
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.support.arena import world_of
from tests.support.counting import calls
from tests.support.running import PROGRAM, Done, Run, shown
from webhook.report.json_ import Record
from webhook.review.observed import Tally
from webhook.wire.flowlogs import LONGEST_LINE, FlowLog
from webhook.world import World

SHOP: Final = Path(__file__).with_name("observed.yaml")
HEAD: Final = "time,src_namespace,src_pod,src,dst_namespace,dst_pod,dst,dport,proto,verdict"
WEB, DB, REPORT = "shop,web-7d9c8b5f6-x2x4z,", "shop,db-0,", "finance,report-5bc-x2x4z,"


def log(folder: Path, *rows: str) -> Path:
    place = folder / "flows.csv"
    place.write_text("\n".join([HEAD, *rows]))
    return place


def audited(run: Run, place: Path, *more: object) -> Record:
    found: Record = run("audit", "-f", SHOP, "--observed", place, "--format", "json", *more).json["observed"]
    return found


def flows(found: Record) -> dict[tuple[str, str, int], dict[str, Any]]:
    """Return the flows by who dialled whom on which port."""

    def name(end: dict[str, str] | None) -> str:
        return "outside" if end is None else end.get("name") or end.get("cidr") or end["host"]

    return {(name(one["from"]), name(one["to"]), one["port"]): one for one in found["flows"]}


# -- what it says ------------------------------------------------------------------------------------------------------


def test_a_flow_is_its_workloads_whatever_the_log_tells_of_them(run: Run, tmp_path: Path) -> None:
    place = log(
        tmp_path,
        f",{WEB},{DB},5432,tcp,allow",  # by its name
        ",,,10.0.1.1,,,10.0.1.2,5432,tcp,allow",  # by its address
        ",,,10.0.1.1,,,10.96.0.9,5432,tcp,allow",  # by the address of the Service before it
        f",shop,web-7d9c8b5f6-gone1,,{DB},5432,tcp,allow",  # by what such names look like
        f",shop,web-66666-*,,{DB},5432,tcp,allow",
        ",shop,web-66666-*,,shop,db-*,,5432,tcp,allow",
    )
    found = audited(run, place)
    assert {key: one["lines"] for key, one in flows(found).items()} == {("web", "db", 5432): 6}
    assert found["leftOut"] == {}


def test_what_nobody_declares_and_what_is_never_seen_are_told(run: Run, tmp_path: Path) -> None:
    found = audited(run, log(tmp_path, f",{WEB},{DB},5432,tcp,allow", ",shop,db-0,,shop,queue-abcde,,5672,tcp,allow"))
    declared = {key: one["declared"] for key, one in flows(found).items()}
    assert declared == {("web", "db", 5432): "db.shop:5432/TCP", ("db", "queue", 5672): None}
    assert {one["dependency"]: one["reason"] for one in found["unseen"]} == {
        "queue.shop:5672/TCP": None,
        "api.example.com:443/TCP": None,
    }


def test_an_address_may_be_the_name_that_is_declared(run: Run, tmp_path: Path) -> None:
    found = audited(run, log(tmp_path, ",,,10.0.1.1,,,203.0.113.7,443,tcp,allow"))
    (one,) = [one for one in found["unseen"] if one["dependency"].startswith("api")]
    assert "which name they were looked up by" in one["reason"]


def test_a_name_that_hubble_knows_is_the_one_that_is_declared(run: Run, tmp_path: Path) -> None:
    flow = {
        "time": "2999-01-01T00:00:00Z",
        "verdict": "FORWARDED",
        "is_reply": False,
        "IP": {"source": "10.0.1.1", "destination": "203.0.113.7"},
        "l4": {"TCP": {"destination_port": 443, "flags": {"SYN": True}}},
        "source": {"namespace": "shop", "pod_name": "x", "labels": ["k8s:app=web"]},
        "destination": {"labels": ["reserved:world"]},
        "destination_names": ["api.example.com"],
    }
    place = tmp_path / "flows.jsonl"
    place.write_text(json.dumps({"flow": flow}))
    found = audited(run, place)
    assert flows(found)["web", "api.example.com", 443]["declared"] == "api.example.com:443/TCP"
    assert [one["dependency"] for one in found["unseen"]] == ["db.shop:5432/TCP", "queue.shop:5672/TCP"]


@pytest.mark.parametrize(
    ("row", "standing"),
    [
        (f",{WEB},{DB},5432,tcp,allow", "agreed"),
        (f",{WEB},{DB},5432,tcp,drop", "dropped"),
        (f",{REPORT},{DB},5432,tcp,drop", "agreed"),
        (f",{REPORT},{DB},5432,tcp,allow", "passed"),
        (",,,198.51.100.7,shop,db-0,,5432,tcp,drop", "agreed"),
        (",,,198.51.100.7,shop,db-0,,5432,tcp,allow", "passed"),
    ],
)
def test_what_was_dropped_is_held_against_the_evaluator(run: Run, tmp_path: Path, row: str, standing: str) -> None:
    (one,) = audited(run, log(tmp_path, row))["flows"]
    assert one["standing"] == standing


def test_what_one_end_lets_out_the_other_may_drop(run: Run, tmp_path: Path) -> None:
    early, late = "2999-01-01T00:00:00Z", "2999-01-02T00:00:00Z"
    both = [f"{early},{REPORT},{DB},5432,tcp,allow", f"{late},{REPORT},{DB},5432,tcp,drop"]
    (one,) = audited(run, log(tmp_path, *both))["flows"]
    assert (one["dropped"], one["lines"], one["standing"]) == (True, 2, "agreed")
    mended = [f"{early},{WEB},{DB},5432,tcp,drop", f"{late},{WEB},{DB},5432,tcp,allow"]
    (one,) = audited(run, log(tmp_path, *mended))["flows"]
    assert (one["dropped"], one["standing"]) == (False, "agreed")


OUT: Final = """\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: out, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Egress]
  egress: [{to: [{ipBlock: {cidr: 10.0.1.2/32}}], ports: [{port: 5432}]}]
"""


@pytest.mark.parametrize(
    ("cni", "dialled", "service", "standing"),
    [
        ("aws", "10.96.0.9", {"address": "10.96.0.9", "port": 5432}, "agreed"),
        ("aws", "10.0.1.2", None, "dropped"),
        ("generic", "10.96.0.9", None, "dropped"),
    ],
)
def test_what_policy_sees_of_a_service_is_the_enforcers(
    run: Run, tmp_path: Path, cni: str, dialled: str, service: object, standing: str
) -> None:
    (tmp_path / "out.yaml").write_text(OUT)
    place = log(tmp_path, f",{WEB},,,{dialled},5432,tcp,drop")
    (one,) = audited(run, place, "-f", tmp_path / "out.yaml", "--cni", cni)["flows"]
    assert (one["to"]["name"], one["service"], one["standing"]) == ("db", service, standing)


def test_who_dials_are_the_pods_that_run_and_not_what_they_will_be(run: Run, tmp_path: Path) -> None:
    older = SHOP.read_text().replace("labels: {app: web, pod", "labels: {app: old-web, pod")
    (tmp_path / "older.yaml").write_text(older)
    place = log(tmp_path, f",{WEB},{DB},5432,tcp,drop")
    found = run("audit", "-f", tmp_path / "older.yaml", "--observed", place, "--format", "json").json["observed"]
    assert [one["standing"] for one in found["flows"]] == ["agreed"]


def test_old_and_foreign_records_are_counted_and_left_out(run: Run, tmp_path: Path) -> None:
    place = log(
        tmp_path,
        f"2020-01-01T00:00:00Z,{WEB},{DB},5432,tcp,allow",
        f",elsewhere,x-1,,{DB},5432,tcp,allow",
        f",shop,stranger,,{DB},5432,tcp,allow",
        ",,,203.0.113.1,,,203.0.113.2,5432,tcp,allow",
        f",,,192.168.0.1,{DB},5432,tcp,allow",
    )
    found = audited(run, place)
    assert found["leftOut"] == {"old": 1, "foreign": 3, "nodes": 1}
    assert found["flows"] == []
    assert audited(run, place, "--since", "0")["leftOut"] == {"foreign": 3, "nodes": 1}


def test_a_namespace_is_told_how_far_it_is_from_being_closed(run: Run, tmp_path: Path) -> None:
    place = log(
        tmp_path,
        f",{WEB},{DB},5432,tcp,allow",
        f",{REPORT},{DB},9187,tcp,allow",
        f",{REPORT},{DB},5432,tcp,drop",
    )
    found = audited(run, place)
    assert found["readiness"] == [
        {"namespace": "finance", "declared": 0, "seen": 0, "admitted": 0, "wouldBreak": 1},
        {"namespace": "shop", "declared": 3, "seen": 1, "admitted": 3, "wouldBreak": 1},
    ]
    text = run("audit", "-f", SHOP, "--observed", place).out
    assert "finance/report  shop/db  9187/TCP  1      passed   denied (shop/db)\n" in text
    assert "readiness shop: 3 declared, 1 seen, 3 admitted, 1 would break\n" in text
    assert "\x1b" not in text
    page = run("audit", "-f", SHOP, "--observed", place, "--format", "markdown").out
    assert "| `shop` | 3 | 1 | 3 | 1 |\n" in page


def test_without_a_log_an_audit_is_what_it_was(run: Run) -> None:
    assert "observed" not in run("audit", "-f", SHOP, "--format", "json").json
    assert "observed" not in run("audit", "-f", SHOP).out


# -- lockdown and annotate ---------------------------------------------------------------------------------------------

QUEUE: Final = ",shop,queue-abcde,"
SEEN: Final = (
    f",{WEB},{QUEUE[1:]},15672,tcp,allow",
    f",{WEB},,,203.0.113.7,443,tcp,allow",
    f",{WEB},,,2001:db8::7,443,udp,allow",
    f",{REPORT},{DB},5432,tcp,allow",
    f",{DB}{QUEUE},5672,tcp,allow",
    f",{DB},{WEB},8080,tcp,drop",
    f",,,198.51.100.7,{WEB},8080,tcp,allow",
    f",,,198.51.100.8,{WEB},8080,tcp,allow",
)


def locked(run: Run, place: Path, *more: object) -> tuple[list[str], str]:
    """Return what a lockdown asks, and its policies as text."""
    found = run("lockdown", "shop", "-f", SHOP, "--observed", place, "--format", "json", *more).json
    return [one["about"] for one in found["questions"]], json.dumps(found["policies"])


def test_what_was_seen_is_a_question_and_opens_nothing(run: Run, tmp_path: Path) -> None:
    place = log(tmp_path, *SEEN)
    bare = run("lockdown", "shop", "-f", SHOP, "--format", "json").json
    asked, policies = locked(run, place)
    assert policies == json.dumps(bare["policies"])
    assert sorted({*asked} - {two["about"] for two in bare["questions"]}) == sorted(
        [
            "shop/web -> 2001:db8::7 on 443/UDP",
            "finance/report -> shop/db on 5432/TCP",
            "shop/web -> 203.0.113.7 on 443/TCP",
            "shop/web -> shop/queue on 15672/TCP",
            "shop/db -> shop/queue on 5672/TCP",
            "198.51.100.7 and 1 more -> shop/web on 8080/TCP",
        ]
    )


def test_what_was_seen_passes_where_somebody_says_so_and_only_whose_namespace_is_admitted(
    run: Run, tmp_path: Path
) -> None:
    place = log(tmp_path, *SEEN)
    asked, policies = locked(run, place, "--admit-observed")
    assert all(text in policies for text in ("203.0.113.7/32", "2001:db8::7/128", "15672"))
    assert "finance" not in policies
    assert "8080" not in policies
    assert "finance/report -> db.shop:5432/TCP" in asked
    assert "198.51.100.7 and 1 more -> shop/web on 8080/TCP" in asked
    _, policies = locked(run, place, "--admit-observed", "--admit", "finance")
    assert "finance" in policies
    done = run("lockdown", "shop", "-f", SHOP, "--admit-observed")
    assert (done.code, "expected a flow log" in done.err) == (2, True)


def test_what_was_seen_is_written_as_declarations_once(run: Run, tmp_path: Path) -> None:
    place, file = log(tmp_path, *SEEN), tmp_path / "shop.yaml"
    file.write_text(SHOP.read_text())
    done = run("annotate", "-f", file, "--observed", place, "--write")
    assert (done.code, done.err) == (0, "wrote 5 dependencies into 1 file\n")
    text = file.read_text()
    assert (
        '"db:5432, queue:5672, https://api.example.com, [2001:db8::7]:443/UDP, 203.0.113.7:443, ds/queue:15672"' in text
    )
    assert 'name: db, namespace: shop, annotations: {netpol-preflight.io/connects-to: "queue:5672"}' in text
    assert 'name: report, namespace: finance, annotations: {netpol-preflight.io/connects-to: "db.shop:5432"}' in text
    assert run("annotate", "-f", file, "--observed", place).err == "nothing to annotate\n"
    found = run("audit", "-f", file, "--observed", place, "--format", "json").json["observed"]
    assert {one["declared"] is None for one in found["flows"] if not one["dropped"] and one["from"].get("name")} == {
        False
    }


def test_a_look_up_goes_without_saying_where_a_name_is_declared(run: Run, tmp_path: Path) -> None:
    dns = tmp_path / "dns.yaml"
    dns.write_text(DNS)
    ask = f",{REPORT},kube-system,coredns-5d-abcde,,53,udp,allow"
    for rows, items in (
        ((ask,), "kube-dns.kube-system:53/UDP"),
        ((ask, f",{REPORT},{DB},5432,tcp,allow"), "db.shop:5432"),
        ((ask, f",{REPORT},,,203.0.113.7,443,tcp,allow"), "203.0.113.7:443, kube-dns.kube-system:53/UDP"),
    ):
        done = run("annotate", "-f", SHOP, "--against", dns, "--observed", log(tmp_path, *rows))
        assert f'connects-to: "{items}"' in done.out, done


DNS: Final = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: coredns, namespace: kube-system}
spec:
  selector: {matchLabels: {k8s-app: kube-dns}}
  template: {metadata: {labels: {k8s-app: kube-dns}}, spec: {containers: [{name: c, image: i}]}}
---
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system}
spec: {selector: {k8s-app: kube-dns}, ports: [{name: dns, port: 53, protocol: UDP}, {name: t, port: 53, protocol: TCP}]}
"""


# -- bad input ---------------------------------------------------------------------------------------------------------


def test_garbage_is_counted_and_the_first_lines_are_named(run: Run, tmp_path: Path) -> None:
    place = log(
        tmp_path, *(f"what is this {n}" for n in range(5)), f",{WEB},{DB},5432,tcp,allow", '{"a":', "x" * 70_000
    )
    found = audited(run, place)
    assert found["unreadable"]["lines"] == 7
    assert [one["line"] for one in found["unreadable"]["first"]] == [2, 3, 4]
    assert found["lines"] == 9
    assert len(found["flows"]) == 1
    assert f"{place}:2: expected" in run("audit", "-f", SHOP, "--observed", place).out


def test_a_packed_log_is_read_as_it_is_even_where_it_breaks_off(run: Run, tmp_path: Path) -> None:
    whole = gzip.compress("\n".join([HEAD, *[f",{WEB},{DB},5432,tcp,allow"] * 1000]).encode())
    place = tmp_path / "flows.csv.gz"
    place.write_bytes(whole)
    assert audited(run, place)["lines"] == 1001
    place.write_bytes(whole[:-9])
    found = audited(run, place)
    assert "compressed file ends here" in found["unreadable"]["first"][0]["message"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--observed", "/nowhere/x.log"], "cannot read `/nowhere/x.log`: no such file"),
        (["--observed", "/"], "cannot read `/`: is a directory"),
        (["--observed", "-", "--against", "-"], "standard input can be read once"),
        (["--observed", "x", "--observed-format", "pcap"], "choose from"),
        (["--observed", "x", "--since", "yesterday"], "`yesterday` is no age"),
        (["--observed", "x", "--since=-1d"], "is no age"),
    ],
)
def test_what_cannot_be_read_is_said(run: Run, arguments: list[str], says: str) -> None:
    done = run("audit", "-f", SHOP, *arguments)
    assert done.code == 2
    assert says in done.err


def test_a_log_may_come_through_a_pipe(tmp_path: Path) -> None:
    place = log(tmp_path, f",{WEB},{DB},5432,tcp,allow")
    command = [*PROGRAM, "audit", "-f", str(SHOP), "--observed", "-", "--format", "json"]
    with place.open("rb") as stdin:
        done = subprocess.run(command, stdin=stdin, capture_output=True, check=False)
    assert len(json.loads(done.stdout)["observed"]["flows"]) == 1
    assert done.stderr == b""


def test_a_person_sees_how_far_it_is(tmp_path: Path) -> None:
    place = log(tmp_path, *[f",{WEB},{DB},5432,tcp,allow"] * 30_000)
    code, out, screen = shown("audit", "-f", SHOP, "--observed", place)
    assert code == 0
    assert "reading flows.csv, MiB" in screen
    assert b"30,001 lines" in out
    assert b"reading" not in out


def shop() -> World:
    return world_of(yaml.safe_load_all(SHOP.read_text()))


# -- what a long log costs ---------------------------------------------------------------------------------------------


def tallied(lines: int, *, different: bool) -> tuple[Tally, int]:
    tally, log = Tally(shop()), FlowLog()
    rows = [HEAD, *(f",{WEB},,,203.0.{n // 250 if different else 0}.{n % 250},443,tcp,allow" for n in range(lines))]
    encoded = [row.encode() for row in rows]

    def read() -> None:
        for number, line in enumerate(encoded, 1):
            tally.read(log, line, "x", number)

    return tally, calls(read)


@pytest.mark.parametrize("different", [True, False])
def test_twice_the_lines_cost_twice_as_much(*, different: bool) -> None:
    costs = [tallied(lines, different=different)[1] for lines in (1_000, 2_000, 4_000)]
    assert (costs[2] - costs[1]) / (costs[1] - costs[0]) < 2.4, costs  # addresses seen before cost less


def held(tally: Tally) -> int:
    """Return how many values a tally holds on to."""
    return len(tally.flows) + len(tally._ends._known) + len(tally.first)  # noqa: SLF001 - what is to be bounded


def test_what_is_kept_is_bounded_by_what_is_different_and_that_by_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    few, _ = tallied(2_000, different=False)
    assert held(few) < 600
    for name in ("MOST", "MOST_OUTSIDE", "REMEMBERED"):
        monkeypatch.setattr(f"webhook.review.observed.{name}", 100)
    many, _ = tallied(2_000, different=True)
    assert held(many) <= 203
    assert many.left_out["beyond what is kept"] == 1_900  # type: ignore[index]  # a StrEnum's member is its value


def test_whoever_finds_an_open_door_takes_no_place_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webhook.review.observed.MOST_OUTSIDE", 5)
    tally, log = Tally(shop()), FlowLog()
    rows = [HEAD, *(f",,,203.0.113.{n},{WEB},8080,tcp,allow" for n in range(200)), f",{WEB},{DB},5432,tcp,allow"]
    for number, row in enumerate(rows, 1):
        tally.read(log, row.encode(), "x", number)
    assert len(tally.flows) == 7  # five addresses, all the others together, and who is in the shop


def test_a_line_without_an_end_is_never_held_whole(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    class Raw(io.RawIOBase):
        left = 50 * LONGEST_LINE

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - whatever can be written into
            asked.append(len(buffer))
            size = min(len(buffer), self.left)
            buffer[:size] = b"x" * size
            self.left -= size
            return size

    class Stdin:
        buffer = Raw()

    monkeypatch.setattr(sys, "stdin", Stdin())
    done: Done = run("audit", "-f", SHOP, "--observed", "-", "--format", "json")
    assert done.json["observed"]["unreadable"]["lines"] == 1
    assert max(asked) <= 2 * LONGEST_LINE

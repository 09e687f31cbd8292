"""An audit as a page to look at: what is broken first, by whom and for whom, and the graph of who depends on whom.

What the page's programs get is data alone: sentences, made here, and numbers that refer to each other. Equal things
stand there once: ends, the answers of one side, and fixes.
"""

import hashlib
from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from typing import Final

from webhook.judge import Judged
from webhook.model.answers import Finding, FlowVerdict, Severity, Side, Source, Verdict
from webhook.model.policy import Direction
from webhook.model.refs import SHORT_KINDS, WorkloadRef
from webhook.model.settings import PRODUCT
from webhook.report import explain_text, flows
from webhook.report.admission import DumpYaml, combined, order
from webhook.report.audit import Audit, namespace_of, world
from webhook.report.json_ import Record
from webhook.report.observed import text as seen
from webhook.report.page import Parts, page
from webhook.report.safe import clean
from webhook.report.text import Row, failure, where
from webhook.report.words import WHOLE, details, mark, near_misses, remedy, sentence
from webhook.review.evidence import Evidence

TITLE: Final = "Network policy audit"
_ID: Final = 10  # characters of a link's id: of 2,000 connections none meets another
_WORST: Final = (Verdict.DENIED, Verdict.PARTIAL, Verdict.UNKNOWN, Verdict.ALLOWED)


def render(audit: Audit, parts: Parts, dump_yaml: DumpYaml) -> str:
    """Return the page. `parts`: its files; `dump_yaml` writes the fixes."""
    return page(parts, f"{TITLE} - {PRODUCT}", data(audit, dump_yaml))


def data(audit: Audit, dump_yaml: DumpYaml) -> Record:
    """Return what the page shows: see `assets/audit.js`, which is the only reader."""
    tables = _Tables(dump_yaml)
    findings = order(audit.findings)
    about: dict[tuple[WorkloadRef | None, str | None], list[int]] = {}
    for number, finding in enumerate(findings):
        about.setdefault((finding.workload, finding.dependency), []).append(number)
    connections = [
        _declared(tables, row, findings, about.get((row.workload, row.dependency), [])) for row in audit.rows
    ]
    rows = {(row.workload, row.dependency) for row in audit.rows}
    for key, numbers in about.items():
        if key not in rows and (found := _undeclared(tables, findings, numbers)):
            connections.append(found)
    _number(connections)
    summary = audit.summary
    return {
        "title": TITLE,
        "world": world(audit),
        "counts": {"error": summary.error, "warning": summary.warning, "info": summary.info, "exempt": audit.exempt},
        "workloads": sorted({clean(str(row.workload)) for row in audit.rows}),
        "checked": summary.checked,
        "ends": tables.ends.values,
        "sides": tables.sides.values,
        "fixes": tables.fixes.values,
        "connections": connections,
        "findings": [_finding(tables, one) for one in findings],
        "everyFix": dump_yaml(fixes) if (fixes := combined(findings)) else "",
        "errors": [failure(one) for one in audit.errors],
        "observed": _observed(audit.evidence) if audit.evidence else [],
    }


def _observed(evidence: Evidence) -> list[Record]:
    """Return what a log tells: titles, tables and sentences, in the order in which the text has them."""
    found: list[Record] = []

    def tabulate(
        head: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Collection[int] = (), least: int = 0
    ) -> str:
        del numbers, least  # the page lays out its tables itself
        found.append({"head": list(head), "rows": [list(row) for row in rows]})
        return ""

    def title(_style: str, text: str) -> str:
        found.append({"title": text})
        return ""

    for line in seen(evidence, tabulate, title):
        found += [{"text": line}] if line else []
    return found


class _Table:
    """Values in the order in which they were first met, each once."""

    def __init__(self) -> None:
        self.values: list[Record | str] = []
        self._numbers: dict[Hashable, int] = {}

    def number(self, key: Hashable, value: Record | str) -> int:
        """Return the place of the value that `key` stands for."""
        if key not in self._numbers:
            self._numbers[key] = len(self.values)
            self.values.append(value)
        return self._numbers[key]


class _Tables:
    """What several connections and findings have in common."""

    def __init__(self, dump_yaml: DumpYaml) -> None:
        self.ends, self.sides, self.fixes = _Table(), _Table(), _Table()
        self._dump_yaml = dump_yaml

    def end(self, kind: str, space: str, name: str, short: str = "") -> int:
        """Return the number of one end; `space`: the namespace, empty for what has none."""
        record = {"kind": clean(kind), "ns": clean(space), "name": clean(name), "short": short}
        return self.ends.number((kind, space, name), record)

    def workload(self, ref: WorkloadRef) -> int:
        return self.end(ref.kind, ref.namespace, ref.name, clean(SHORT_KINDS.get(ref.kind, ref.kind.lower())))

    def side(self, direction: Direction, side: Side, flow: FlowVerdict) -> int:
        """Return the number of one direction's answer in words."""
        why = explain_text.because(direction, side)
        more = [*explain_text.tiers(direction, side)]
        more += [f"near miss: {miss}" for miss in explain_text.near_misses(direction, side, flow)]
        key = (direction, side.verdict, why, *more)
        value = {"direction": direction.value.lower(), "verdict": side.verdict, "why": why, "more": more}
        return self.sides.number(key, value)

    def fix(self, finding: Finding) -> int | None:
        """Return the number of the policies that a finding is fixed by."""
        if not finding.fix:
            return None
        text = self._dump_yaml(finding.fix)
        return self.fixes.number(text, text)


def _declared(tables: _Tables, row: Row, findings: list[Finding], numbers: list[int]) -> Record:
    """Return a row as a connection. Where nothing is found to connect to, its other end is what was declared."""
    judged = row.judged
    ends = _ends(tables, judged.flows) if judged else []
    if not ends:
        name = row.dependency.rpartition(":")[0] or row.dependency
        ends = [[tables.end("missing", "", name), row.verdict]]
    every = [findings[number] for number in numbers]
    return {
        **_connection(tables, row.workload, row.dependency, row.source, row.verdict),
        "ends": ends,
        "reason": clean(judged.reason) if judged and judged.reason else "",
        "steps": _steps(tables, judged.flows) if judged else [],
        "notes": [clean(note) for note in judged.assumptions] if judged else [],
        "findings": numbers,
        "by": _policies(every) or _deciding(judged),
    }


def _undeclared(tables: _Tables, findings: list[Finding], numbers: list[int]) -> Record | None:
    """Return as a connection what findings tell of one that is no row: a look-up, or a way in."""
    every = [findings[number] for number in numbers]
    first = next((one for one in every if one.flows and one.workload), None)
    if first is None or first.workload is None:
        return None
    look_up = all(flow.purpose == "dns" for flow in first.flows)
    if not look_up and first.source != "inbound":
        return None
    verdict = first.verdict or Verdict.UNKNOWN
    text = first.dependency or flows.end(first, first.flows, WHOLE)
    found = _connection(tables, first.workload, text, first.source, verdict)
    if not look_up:
        found["from"] = tables.end("way in", "", dict(first.facts).get("from", "outside"))
        found["text"] = clean(f"{first.workload.short} ({text})" if first.dependency else text)
    ends = [[tables.workload(first.workload), verdict]] if not look_up else _ends(tables, first.flows)
    steps, notes = _steps(tables, first.flows), [clean(note) for note in first.assumptions]
    more = {"reason": "", "steps": steps, "notes": notes, "findings": numbers, "by": _policies(every)}
    return {**found, "ends": ends, **more}


def _connection(tables: _Tables, ref: WorkloadRef, text: str, source: Source, verdict: Verdict) -> Record:
    return {
        "key": f"{ref}|{text}",
        "from": tables.workload(ref),
        "text": clean(text),
        "source": source,
        "verdict": verdict,
        "ask": _command(ref, text),
    }


def _command(ref: WorkloadRef, text: str) -> str:
    """Return what shows the same again on a terminal; names that a shell would read otherwise are left out."""
    words = (SHORT_KINDS.get(ref.kind, ref.kind.lower()), ref.name, ref.namespace, text)
    if not all(word.isascii() and word.replace("-", "").isalnum() for word in words[:3]):
        return ""
    plain = set(text) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-/:")
    return f"{PRODUCT} explain -n {words[2]} --from {words[0]}/{words[1]} --to {text}" if plain else ""


def _number(connections: list[Record]) -> None:
    """Give each connection an id that stays when the audit is made again, and put the worst first."""
    taken: set[str] = set()
    for one in connections:
        key = one.pop("key")
        digest = hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()
        name = next(
            name for size in range(_ID, len(digest) + 1) if (name := digest[:size]) not in taken or size == len(digest)
        )
        taken.add(name)
        one["id"] = name
    connections.sort(key=lambda one: (_WORST.index(one["verdict"]), one["source"] == "inferred"))


def _ends(tables: _Tables, several: Iterable[FlowVerdict]) -> list[list[int | str]]:
    """Return whom a dependency leads to, each with the worst that happens on the way there."""
    found: dict[int, Verdict] = {}
    for flow in several:
        if isinstance(flow.to, WorkloadRef):
            number = tables.workload(flow.to)
        else:
            number = tables.end(clean(flow.holder) or "outside", "", flows.destination(flow.to, WHOLE))
        found[number] = min(found.get(number, flow.verdict), flow.verdict, key=_WORST.index)
    return [[number, verdict] for number, verdict in found.items()]


def _steps(tables: _Tables, several: Iterable[FlowVerdict]) -> list[Record]:
    """Return the way of the packets; those that are decided alike are one."""
    return [
        {
            "to": explain_text.where_to(same[0], kind=True) + explain_text.pods(same[0]),
            "ports": flows.ports(same),
            "service": explain_text.translation(same) if same[0].service_port is not None else "",
            "verdict": same[0].verdict,
            "sides": list(_sides(tables, same[0])),
            "notes": [clean(note) for note in same[0].notes],
        }
        for same in explain_text.alike(several)
    ]


def _sides(tables: _Tables, flow: FlowVerdict) -> Iterator[int]:
    yield tables.side(Direction.EGRESS, flow.egress, flow)
    if isinstance(flow.to, WorkloadRef):  # outside nobody's policies but the sender's count
        yield tables.side(Direction.INGRESS, flow.ingress, flow)


def _policies(findings: Iterable[Finding]) -> list[str]:
    """Return who stops it: the policies that isolate or deny, worst finding first."""
    return list(dict.fromkeys(clean(ref.at(None).titled) for one in findings for ref in one.policies))


def _deciding(judged: Judged | None) -> list[str]:
    """Return the policies of what does not pass, where no finding names them."""
    several = judged.flows if judged else ()
    sides = (side for flow in several for side in (flow.egress, flow.ingress) if side.verdict is not Verdict.ALLOWED)
    return list(dict.fromkeys(clean(ref.at(None).titled) for side in sides for ref in side.policies))


def _finding(tables: _Tables, one: Finding) -> Record:
    return {
        "id": one.id,
        "severity": one.severity.word,
        "what": sentence(one) + mark(one),
        "more": [*details(one), *(f"near miss: {miss}" for miss in near_misses(one))],
        "todo": remedy(one),
        "fix": tables.fix(one),
        "ns": clean(namespace_of(one)),
        "by": _policies([one]),
        "where": where(one.location).removesuffix(": "),
        "warns": one.severity > Severity.INFO,
    }

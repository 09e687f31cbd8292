"""The cases of the semantics table that enforcers answer differently, each asked of every enforcer.

Run as a program it prints the table: `python -m tests.cases.test_cases_cni`.
"""

import sys
from collections.abc import Iterator
from typing import Final

import pytest
import yaml

from tests.support.arena import Raw, world_of
from tests.support.cases import CASES, key_of, network_policy, objects_of, reasons, told, workload_ref
from tests.support.making import agent
from webhook.config.settings_from_file import settings
from webhook.enforcers import ENFORCERS
from webhook.judge import Explanation, explain
from webhook.model.answers import Verdict

FILE: Final = yaml.safe_load((CASES / "cni.yaml").read_text(encoding="utf-8"))
IDLE: Final = frozenset(name for name, known in ENFORCERS.items() if not known.enforces)
KEYS: Final = {"case", "about", "from", "to", "objects", "policies", "answers"}
KEYS_OF_AN_ANSWER: Final = {"cni", "when", "settings", "objects", "policies", "auto", "agent", "verdict", "reason"}
Asked = tuple[Raw, Raw, str]  # the case, the answer, the enforcer


def asked() -> Iterator[Asked]:
    for case in FILE["cases"]:
        named = {cni for answer in case["answers"] if "when" not in answer for cni in answer["cni"].split()}
        for answer in case["answers"]:
            rest = [name for name in ENFORCERS if name not in named | IDLE]
            yield from ((case, answer, name) for name in (rest if answer["cni"] == "rest" else answer["cni"].split()))
        yield from ((case, {"verdict": "allowed"}, name) for name in sorted(IDLE))


ALL: Final = list(asked())


def title(one: Asked) -> str:
    case, answer, cni = one
    return f"{case['case']} {cni}" + (f", {answer['when']}" if "when" in answer else "")


def answered(case: Raw, answer: Raw, cni: str) -> Explanation:
    """Ask as `explain --cni NAME` does, of a whole cluster."""
    found = {key_of(raw): raw for raw in objects_of({"world": FILE["world"], **case})}
    more = [*answer.get("objects", ()), *map(network_policy, answer.get("policies", ()))]
    if "settings" in answer:
        metadata = {"namespace": "kube-system", "name": "cilium-config"}
        more.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": answer["settings"]})
    if "agent" in answer:
        more.append(agent(answer["agent"]))
    found |= {key_of(raw): raw for raw in more}
    auto = "auto" in answer
    known = [raw for raw in found.values() if not raw["kind"].startswith("Staged")]  # of which nothing is read
    world = world_of(known, settings=settings(cni="auto" if auto else cni, live=auto))
    if auto:
        assert world.enforcer.name == answer["auto"]
    workload = world.workloads.get(workload_ref(case.get("from", "deploy/shop/web")))
    assert workload is not None
    return explain(world, workload, case.get("to", "db.data:5432"))


def test_every_case_of_the_table_is_there() -> None:
    assert {case["case"].split()[0] for case in FILE["cases"]} == {f"T{number:02}" for number in range(1, 41)}


def test_no_case_says_what_nobody_checks() -> None:
    for case in FILE["cases"]:
        assert set(case) <= KEYS, case["case"]
        assert sum(answer["cni"] == "rest" for answer in case["answers"]) == 1, case["case"]
        for answer in case["answers"]:
            assert set(answer) <= KEYS_OF_AN_ANSWER, case["case"]
            assert answer["cni"] == "rest" or set(answer["cni"].split()) <= set(ENFORCERS), case["case"]


def test_every_enforcer_answers_every_case_once() -> None:
    plain = [(case["case"], cni) for case, answer, cni in ALL if "when" not in answer]
    assert sorted(plain) == sorted((case["case"], cni) for case in FILE["cases"] for cni in ENFORCERS)


@pytest.mark.parametrize("one", ALL, ids=title)
def test_the_enforcer_answers_as_the_table_says(one: Asked) -> None:
    case, answer, cni = one
    found = answered(case, answer, cni)
    assert found.verdict == answer["verdict"], told(found)
    assert answer.get("reason", "") in reasons(found)
    if cni in IDLE and found.judged is not None and found.judged.verdict is Verdict.DENIED:
        assert "nothing enforces" in reasons(found)


def table() -> str:
    """Return the answers as a table of Markdown, cases by enforcers, and the variants below it."""
    names = sorted(ENFORCERS)
    marks = {Verdict.ALLOWED: "A", Verdict.DENIED: "D", Verdict.PARTIAL: "P", Verdict.UNKNOWN: "U"}
    cells = {(c["case"], cni): marks[answered(c, a, cni).verdict] for c, a, cni in ALL if "when" not in a}
    lines = [f"| case | about | {' | '.join(names)} |", f"|---|---|{'---|' * len(names)}"]
    for case in FILE["cases"]:
        row = " | ".join(cells[case["case"], name] for name in names)
        lines.append(f"| {case['case']} | {case['about']} | {row} |")
    lines += ["", "| case | enforcer | when | answer |", "|---|---|---|---|"]
    for case, answer, cni in ALL:
        if "when" in answer:
            mark = marks[answered(case, answer, cni).verdict]
            lines.append(f"| {case['case']} | {cni} | {answer['when']} | {mark} |")
    return "\n".join(["A allowed, D denied, P partial, U unknown", "", *lines, ""])


if __name__ == "__main__":
    sys.stdout.write(table())

"""`judge`: one verdict step by step, an error that somebody pasted, or what a finding means."""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import webhook
from webhook.cli.flags import NEVER
from webhook.cli.gather import gather
from webhook.cli.terminal import emit, folded, paint
from webhook.config import nearest
from webhook.diagnose.diagnose import diagnose
from webhook.diagnose.diagnosis import Cause, Diagnosis, may_be_meant
from webhook.diagnose.error_kinds import LOOKUPS
from webhook.diagnose.error_patterns import SPOKEN
from webhook.diagnose.errors import ConnectionFailure, read_error
from webhook.facade import UsageError
from webhook.facade.sources import Gathered, find
from webhook.facade.world import fix_declared
from webhook.fix import Fixes, fix, fix_dependency
from webhook.judge import explain
from webhook.manifests import STDIN, dump
from webhook.model.answers import CLOSED, Verdict
from webhook.model.objects import Workload
from webhook.report import diagnosis as diagnosed
from webhook.report import explain_text, json_
from webhook.report.explain_text import Remedy
from webhook.report.safe import clean
from webhook.world import World

_ID: Final = re.compile(r"NP[0-9]{3}", re.IGNORECASE)
_USAGE: Final = "expected `--from W --to DEP`, `--from W --error TEXT`, or a finding such as NP102"


def run(arguments: argparse.Namespace) -> int:
    """Print one verdict; 1 where it is denied or partial, 2 where something could not be read.

    `explain NP102` prints the page of that finding; 0.
    """
    if arguments.topic is not None and _ID.fullmatch(arguments.topic):
        emit(page(arguments.topic.upper()))
        return 0
    _check(arguments)
    pasted = None if arguments.error is None else _pasted(arguments)
    failure = None if pasted is None else _read(pasted)
    gathered = gather(arguments, judging=False)
    workload = find(arguments.source, gathered.world.workloads.every(), arguments.namespace)
    if pasted is not None:
        failure = read_error(pasted, lambda place: may_be_meant(gathered.world, workload, place.name)) or failure
    answer = _explain if failure is None else _diagnose
    verdict = answer(arguments, gathered, workload, failure)
    if gathered.failures:
        return 2
    return int(verdict in CLOSED and arguments.fail_on != NEVER)


def _check(arguments: argparse.Namespace) -> None:
    topic = arguments.topic
    if topic is not None:
        raise UsageError(f"unexpected `{clean(topic)}`: {_USAGE}")
    if arguments.source is None or (arguments.target is None and arguments.error is None):
        raise UsageError(_USAGE)


def _pasted(arguments: argparse.Namespace) -> str:
    """Return the pasted text. Raises UsageError."""
    pasted: str = arguments.error
    if pasted == STDIN:
        if STDIN in (*arguments.files, *arguments.against):
            raise UsageError("standard input can be read once: expected `-` in one of `--error`, `-f` and `--against`")
        pasted = sys.stdin.buffer.read().decode(errors="replace")
    return pasted


def _read(pasted: str) -> ConnectionFailure:
    """Read the pasted text. Raises UsageError; the text itself, which may hold secrets, is never repeated."""
    failure = read_error(pasted)
    if failure is None:
        raise UsageError(f"--error: no failed connection is told in it: expected what {SPOKEN} print")
    return failure


def _explain(
    arguments: argparse.Namespace, gathered: Gathered, workload: Workload, _: ConnectionFailure | None
) -> Verdict:
    explanation = explain(gathered.world, workload, arguments.target)
    if explanation.malformed:
        raise UsageError(f"--to: expected {explanation.malformed.expected}")
    fixes = fix_declared(gathered.world, workload, arguments.target) if explanation.verdict in CLOSED else Fixes()
    if arguments.format == "json":
        emit(json_.explain(explanation, fixes.policies, gathered.failures))
    else:
        emit(folded(explain_text.explain(explanation, _remedy(fixes), paint())))
    return explanation.verdict


def _diagnose(
    arguments: argparse.Namespace, gathered: Gathered, workload: Workload, failure: ConnectionFailure | None
) -> Verdict:
    if failure is None:
        raise UsageError(_USAGE)
    found = diagnose(gathered.world, workload, failure, arguments.target)
    if found.explanation and found.explanation.malformed:
        raise UsageError(f"--to: expected {found.explanation.malformed.expected}")
    if why := diagnosed.unnamed(found):
        raise UsageError(f"--error: {why}")
    fixes = _fixes_of(gathered.world, workload, found)
    if arguments.format == "json":
        emit(diagnosed.record(found, fixes.policies, gathered.failures))
    else:
        emit(folded(diagnosed.text(found, _remedy(fixes), paint())))
    return found.verdict


def _fixes_of(world: World, workload: Workload, found: Diagnosis) -> Fixes:
    """Open what failed: the look-up alone, or the connection with the look-up before it."""
    if not found.fixable:
        return Fixes()
    if found.suspects:
        return fix(world, [workload])
    if found.failure.kind in LOOKUPS or found.target.text is None or found.cause is Cause.DNS_POLICY:
        fixed = fix_dependency(world, workload, found.dns) if found.dns else None
        return Fixes(fixed.policies, notes=fixed.notes) if fixed else Fixes()
    return fix_declared(world, workload, found.target.text)


def _remedy(fixes: Fixes) -> Remedy:
    reasons: Sequence[str] = [one.reason for one in fixes.unfixable]
    yaml = dump(fixes.policies) if fixes.policies else ""
    return Remedy(yaml, "; ".join(dict.fromkeys(reasons)) or None, fixes.notes)


# -- the pages of findings ---------------------------------------------------------------------------------------------


_HERE: Final = Path(webhook.__file__).parent
_FOLDERS: Final = (_HERE / "pages", _HERE.parent / "docs/findings")  # in a wheel; in a checkout


def page(name: str) -> str:
    """Return the page of a finding, Markdown. Raises UsageError."""
    known = pages()
    if name not in known:
        raise UsageError(f"no finding `{name}`{nearest(name, known)}: expected {', '.join(sorted(known))}")
    return known[name].read_text(encoding="utf-8").rstrip("\n")


def pages() -> dict[str, Path]:
    """Return the file of each page, by finding."""
    folder = next((one for one in _FOLDERS if one.is_dir()), None)
    return {file.stem: file for file in sorted(folder.glob("NP*.md"))} if folder else {}

"""`explain`: one verdict step by step."""

import argparse

import msgspec

from webhook.cli.flags import NEVER
from webhook.cli.gather import gather
from webhook.cli.names import find
from webhook.cli.terminal import colour, emit
from webhook.cli.usage import UsageError
from webhook.explain import explain
from webhook.fix import fix
from webhook.manifests import dump
from webhook.model.objects import Declaration
from webhook.model.verdict import Verdict
from webhook.report import json_, path, text

_BAD = (Verdict.DENIED, Verdict.PARTIAL)


def run(arguments: argparse.Namespace) -> int:
    """Print one verdict; 1 where it is denied or partial, 2 where something could not be read."""
    gathered = gather(arguments, judging=False)
    workload = find(arguments.source, gathered.world.workloads(), arguments.namespace)
    explanation = explain(gathered.world, workload, arguments.target)
    if explanation.malformed:
        raise UsageError(f"--to: expected {explanation.malformed.expected}")
    declaring = msgspec.structs.replace(workload, connects_to=(Declaration(arguments.target, "metadata"),))
    fixes = fix(gathered.world, [declaring]).policies if explanation.verdict in _BAD else ()
    if arguments.format == "json":
        emit(json_.explain(explanation, fixes, gathered.failures))
    else:
        emit(path.explain(explanation, dump(fixes) if fixes else "", text.coloured if colour() else text.plain))
    if gathered.failures:
        return 2
    return int(explanation.verdict in _BAD and arguments.fail_on != NEVER)

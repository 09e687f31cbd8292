"""`fix`: only the policies to apply."""

import argparse
from itertools import groupby

from webhook.cli.flags import NEVER
from webhook.cli.gather import gather
from webhook.cli.terminal import emit, say
from webhook.fix import Fixes, fix_all
from webhook.manifests import dump
from webhook.model.finding import Manifest
from webhook.report import json_
from webhook.report.safe import clean


def run(arguments: argparse.Namespace) -> int:
    """Print policies; 1 where something has no fix, 2 where something could not be read."""
    gathered = gather(arguments)
    fixes = fix_all(gathered.world, [subject.workload for subject in gathered.subjects])
    if arguments.format == "json":
        unfixable = [(one.workload, one.dependency, one.reason) for one in fixes.unfixable]
        emit(json_.fix(fixes.policies, unfixable, gathered.failures, fixes.notes))
    else:
        emit(yaml(fixes.policies))
        _comment(fixes)
    if gathered.failures:
        return 2
    return int(bool(fixes.unfixable) and arguments.fail_on != NEVER)


def yaml(policies: tuple[Manifest, ...]) -> str:
    """Return the policies as YAML, by namespace, each group under a comment that says whose it is."""
    groups = groupby(sorted(policies, key=_namespace), key=_namespace)
    return "---\n".join(f"# namespace {clean(name)}\n{dump(list(members))}" for name, members in groups)


def _namespace(manifest: Manifest) -> str:
    return str(manifest["metadata"].get("namespace", "default"))


def _comment(fixes: Fixes) -> None:
    for note in fixes.notes:
        say(f"note: {clean(note)}")
    for one in fixes.unfixable:
        say(f"no fix: {clean(one.workload.short)} -> {clean(one.dependency)}: {clean(one.reason)}")
    if not (fixes.policies or fixes.unfixable or fixes.notes):
        say("nothing to fix")

"""`fix`: only the policies to apply."""

import argparse
from collections.abc import Iterable
from itertools import groupby

from webhook.cli.check import changes
from webhook.cli.flags import NEVER
from webhook.cli.gather import gather
from webhook.cli.terminal import emit, say
from webhook.fix import Fixes, Unfixable, fix_all
from webhook.manifests import dump
from webhook.model.finding import Finding, Manifest
from webhook.report import json_
from webhook.report.safe import clean


def run(arguments: argparse.Namespace) -> int:
    """Print policies; 1 where something has no fix, 2 where something could not be read."""
    gathered = gather(arguments)
    fixes = _with_changes(
        fix_all(gathered.world, [subject.workload for subject in gathered.subjects]),
        changes(gathered, arguments.clock().date()),
    )
    if arguments.format == "json":
        unfixable = [(one.workload, one.dependency, one.reason) for one in fixes.unfixable]
        emit(json_.fix(fixes.policies, unfixable, gathered.failures, fixes.notes))
    else:
        emit(yaml(fixes.policies))
        _comment(fixes)
    if gathered.failures:
        return 2
    return int(bool(fixes.unfixable) and arguments.fail_on != NEVER)


def _with_changes(fixes: Fixes, lost: Iterable[Finding]) -> Fixes:
    """Add what has to be applied first so that a change of policies or labels takes nothing from others."""
    policies, unfixable, notes = dict.fromkeys(map(_key, fixes.policies)), list(fixes.unfixable), list(fixes.notes)
    every = list(fixes.policies)
    for one in lost:
        notes += one.assumptions
        for policy in one.fix:
            if _key(policy) not in policies:
                policies[_key(policy)] = None
                every.append(policy)
        if not one.fix and one.workload is not None:
            unfixable.append(Unfixable(one.workload, one.dependency or "", one.no_fix or "no policy opens it"))
    return Fixes(tuple(every), tuple(dict.fromkeys(unfixable)), tuple(dict.fromkeys(notes)))


def _key(policy: Manifest) -> tuple[str, str]:
    return _namespace(policy), str(policy["metadata"]["name"])


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

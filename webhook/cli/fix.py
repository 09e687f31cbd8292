"""`fix`: only the policies to apply."""

import argparse
from itertools import groupby

from webhook.cli.flags import NEVER
from webhook.cli.gather import gather
from webhook.cli.terminal import emit, progress, say
from webhook.facade.world import every_fix
from webhook.fix import Fixes
from webhook.manifests import dump
from webhook.model.answers import Manifest
from webhook.report import json_
from webhook.report.safe import clean


def run(arguments: argparse.Namespace) -> int:
    """Print policies; 1 where something has no fix, 2 where something could not be read."""
    gathered = gather(arguments)
    with progress("finding what opens it", counted=False):
        fixes = every_fix(gathered, arguments.clock().date())
    if arguments.format == "json":
        emit(json_.render(json_.fixed(fixes, gathered.failures)))
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

"""`lockdown`: the whole allow set of namespaces plus a default deny, in the order to apply."""

import argparse
from collections.abc import Iterator
from typing import Any, Final

from msgspec import structs

from webhook.cli.flags import NEVER
from webhook.cli.gather import gather
from webhook.cli.observed import observed
from webhook.cli.terminal import emit, say
from webhook.enforcers import ENFORCERS
from webhook.facade import UsageError
from webhook.facade.sources import CLUSTER, Gathered
from webhook.fix.lockdown import Lockdown, lockdown
from webhook.fix.lockdown_policies import MANAGED_BY
from webhook.manifests import dump
from webhook.model.finding import Manifest
from webhook.model.objects import Declaration
from webhook.report import json_
from webhook.report.observed import seen_questions
from webhook.report.safe import clean
from webhook.review.evidence import Evidence
from webhook.review.evidence import evidence as compare
from webhook.review.suggest import suggested
from webhook.world import Drop, Put

_STAGED: Final = next(one.staged for one in ENFORCERS.values() if one.staged)


def run(arguments: argparse.Namespace) -> int:
    """Print policies; 1 where something declared cannot be allowed, 2 where something could not be read."""
    if not arguments.files and not arguments.against:
        arguments.against = [CLUSTER]
    gathered = gather(arguments, judging=False)
    namespaces = _namespaces(arguments, gathered)
    _without_earlier(gathered, namespaces)
    evidence = observed(arguments, gathered)
    if arguments.admit_observed and evidence is None:
        raise UsageError("--admit-observed: expected a flow log: `--observed FILE`")
    if evidence is not None and arguments.admit_observed:
        _admit(gathered, evidence)
        evidence = compare(gathered.world, evidence.tally)
    found = lockdown(gathered.world, namespaces)
    if evidence is not None:
        found = structs.replace(found, questions=(*found.questions, *seen_questions(evidence, frozenset(namespaces))))
    policies = [_staged(one) for one in found.policies] if arguments.staged else list(found.policies)
    if arguments.format == "json":
        emit(_record(gathered, found, policies))
    else:
        emit("\n".join([*_plan(found, namespaces, staged=arguments.staged), dump(policies)]))
        for note in found.notes:
            say(f"note: {clean(note)}")
    if gathered.failures:
        return 2
    return int(bool(found.unfixable) and arguments.fail_on != NEVER)


def _namespaces(arguments: argparse.Namespace, gathered: Gathered) -> list[str]:
    """Return the namespaces that are asked about, sorted. Raises UsageError."""
    there = {workload.ref.namespace for workload in gathered.world.workloads()}
    if arguments.all == bool(arguments.namespaces):
        raise UsageError("expected the names of namespaces, or --all")
    if strange := sorted(set(arguments.namespaces) - {*there, *gathered.world.namespaces()}):
        raise UsageError(f"no namespace `{clean(strange[0])}`: expected one of {', '.join(sorted(there))}")
    return sorted(there if arguments.all else set(arguments.namespaces))


def _without_earlier(gathered: Gathered, namespaces: list[str]) -> None:
    """Take away what an earlier run wrote: it is written anew, so that a second run changes nothing."""
    own = [ref for name in namespaces for ref, policy in gathered.world.policies(name).items() if policy.of_lockdown]
    gathered.world.apply(Drop(ref.kind, ref.namespace or "", ref.name) for ref in own)


def _admit(gathered: Gathered, evidence: Evidence) -> None:
    """Take what was seen to pass as declared by who dialled."""
    world = gathered.world
    for ref, one in suggested(world, evidence).items():
        workload = world.workload(ref)
        if workload is not None and one.items:
            seen = Declaration("\n".join(one.items), "metadata")
            world.apply([Put(structs.replace(workload, connects_to=(*workload.connects_to, seen)))])


def _staged(policy: Manifest) -> Manifest:
    """Return a policy as the kind that is evaluated and logged and drops nothing."""
    kind = {"apiVersion": _STAGED.api_version, "kind": _STAGED.kind}
    return {**policy, **kind, "spec": {"stagedAction": "Set", **policy["spec"]}}


def _plan(found: Lockdown, namespaces: list[str], *, staged: bool) -> Iterator[str]:
    """Yield comments: the steps, how to go back, and what is for a person to decide."""
    kind = _STAGED.plural if staged else "networkpolicy"
    label = ",".join(f"{key}={value}" for key, value in MANAGED_BY.items())
    yield "# 1. apply the allow policies (all but the last of each namespace), and look at your error rates"
    yield "# 2. apply the default deny, the last"
    for name in namespaces:
        yield f"# back to where it was: kubectl delete {kind} -n {clean(name)} -l {label}"
    for one in found.questions:
        whose = f"{clean(one.workload.short)}: " if one.workload else ""
        yield f"# question: {whose}{clean(one.about)}: {clean(one.reason)}"
    for bad in found.unfixable:
        yield f"# not allowed: {clean(bad.workload.short)} -> {clean(bad.dependency)}: {clean(bad.reason)}"
    yield "---"


def _record(gathered: Gathered, found: Lockdown, policies: list[Manifest]) -> str:
    questions: list[dict[str, Any]] = [
        {
            "workload": json_.workload(one.workload) if one.workload else None,
            "about": one.about,
            "reason": one.reason,
        }
        for one in found.questions
    ]
    unfixable = [
        {"workload": json_.workload(one.workload), "dependency": one.dependency, "reason": one.reason}
        for one in found.unfixable
    ]
    errors = [json_.failure(one) for one in gathered.failures]
    return json_.render({"policies": policies, "questions": questions, "unfixable": unfixable, "errors": errors})

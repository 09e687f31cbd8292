"""`lockdown`: the whole allow set of namespaces plus a default deny, in the order to apply."""

import argparse
from collections.abc import Iterator
from typing import Any, Final

from msgspec import structs

from webhook.cli.flags import NEVER
from webhook.cli.gather import gather, observed
from webhook.cli.terminal import emit, progress, say
from webhook.facade import UsageError
from webhook.facade.sources import CLUSTER, Gathered
from webhook.families import support_of
from webhook.families.own_kinds import FORMS, Form, staged
from webhook.fix.lockdown import Lockdown, lockdown
from webhook.fix.lockdown_policies import MANAGED_BY
from webhook.manifests import dump
from webhook.model.answers import Manifest
from webhook.model.dialect import Support
from webhook.model.objects import Declaration
from webhook.model.refs import PolicyRef
from webhook.report import json_
from webhook.report.observed import seen_questions
from webhook.report.safe import clean
from webhook.review.evidence import Evidence
from webhook.review.evidence import evidence as compare
from webhook.review.suggest import suggested
from webhook.world import Drop, Put

_KUBERNETES: Final = FORMS["networkpolicy"].kind[0]


def run(arguments: argparse.Namespace) -> int:
    """Print policies; 1 where something declared cannot be allowed, 2 where something could not be read."""
    if not arguments.files and not arguments.against:
        arguments.against = [CLUSTER]
    gathered = gather(arguments, judging=False)
    namespaces = _namespaces(arguments, gathered)
    form = _form(arguments, gathered)
    earlier = _without_earlier(gathered, namespaces)
    evidence = observed(arguments, gathered)
    if arguments.admit_observed and evidence is None:
        raise UsageError("--admit-observed: expected a flow log: `--observed FILE`")
    if evidence is not None and arguments.admit_observed:
        _admit(gathered, evidence)
        evidence = compare(gathered.world, evidence.tally)
    with progress("finding what is needed", counted=False):
        found = lockdown(gathered.world, namespaces, arguments.family)
    if evidence is not None:
        found = structs.replace(found, questions=(*found.questions, *seen_questions(evidence, frozenset(namespaces))))
    kind = form.staged if arguments.staged else None
    policies = [staged(one, kind) for one in found.policies] if kind else list(found.policies)
    gone = [] if kind else sorted(set(earlier) - {_ref(one) for one in policies})
    if arguments.format == "json":
        emit(_record(gathered, found, policies, gone))
    else:
        plan = _plan(found, namespaces, kind.plural if kind else form.plural, gone, staged=arguments.staged)
        emit("\n".join([*plan, dump(policies)]))
        for note in found.notes:
            say(f"note: {clean(note)}")
    if gathered.failures:
        return 2
    return int(bool(found.unfixable) and arguments.fail_on != NEVER)


def _namespaces(arguments: argparse.Namespace, gathered: Gathered) -> list[str]:
    """Return the namespaces that are asked about, sorted. Raises UsageError."""
    there = {workload.ref.namespace for workload in gathered.world.workloads.every()}
    if arguments.all == bool(arguments.namespaces):
        raise UsageError("expected the names of namespaces, or --all")
    if strange := sorted(set(arguments.namespaces) - {*there, *gathered.world.namespaces.names()}):
        raise UsageError(f"no namespace `{clean(strange[0])}`: expected one of {', '.join(sorted(there))}")
    return sorted(there if arguments.all else set(arguments.namespaces))


def _form(arguments: argparse.Namespace, gathered: Gathered) -> Form:
    """Return the kind of policy to write. Raises UsageError where nobody is there who enforces it, or stages it."""
    form, enforcer = FORMS[arguments.family], gathered.world.enforcer.name
    support = support_of(form.kind, gathered.world.compile_context)
    if arguments.family != "networkpolicy" and support is not Support.EVALUATED:
        raise UsageError(f"--family {arguments.family}: `{enforcer}` does not enforce it: say who does by `--cni`")
    if arguments.staged and form.staged is None:
        raise UsageError(f"--staged: {arguments.family} has no staged kind")
    return form


def _without_earlier(gathered: Gathered, namespaces: list[str]) -> list[PolicyRef]:
    """Take away what an earlier run wrote, of any family: it is written anew, so that a second run changes nothing."""
    world, kinds = gathered.world, {form.kind for form in FORMS.values()}
    found: list[PolicyRef] = []
    for name in namespaces:
        found += (ref for ref, policy in world.policies.named(name).items() if policy.of_lockdown)
        some = (one for one in world.policies.crd_policies(name).values() if (one.group, one.ref.kind) in kinds)
        found += (one.ref for one in some if all(one.labels.get(key) == value for key, value in MANAGED_BY.items()))
    drops = [Drop(f"{r.kind}.{r.group}" if r.group else r.kind, r.namespace or "", r.name) for r in found]
    world.apply(drops)
    return found


def _ref(policy: Manifest) -> PolicyRef:
    group = policy["apiVersion"].partition("/")[0]
    own = "" if (group, policy["kind"]) == FORMS["networkpolicy"].kind else group
    return PolicyRef(policy["metadata"]["namespace"], policy["metadata"]["name"], policy["kind"], group=own)


def _admit(gathered: Gathered, evidence: Evidence) -> None:
    """Take what was seen to pass as declared by who dialled."""
    world = gathered.world
    for ref, one in suggested(world, evidence).items():
        workload = world.workloads.get(ref)
        if workload is not None and one.items:
            seen = Declaration("\n".join(one.items), "metadata")
            world.apply([Put(structs.replace(workload, connects_to=(*workload.connects_to, seen)))])


def _plan(found: Lockdown, namespaces: list[str], kind: str, gone: list[PolicyRef], *, staged: bool) -> Iterator[str]:
    """Yield comments: the steps, how to go back, and what is for a person to decide."""
    label = ",".join(f"{key}={value}" for key, value in MANAGED_BY.items())
    if staged:
        yield "# 1. apply all of it: nothing is dropped, and the flow logs say what would be"
        yield "# 2. once they name nothing that is needed: the same without --staged"
    else:
        yield "# 1. apply the allow policies (all but the last of each namespace), and look at your error rates"
        yield "# 2. apply the default deny, the last"
    for ref in gone:
        what = next(form.plural for form in FORMS.values() if form.kind == (ref.group or _KUBERNETES, ref.kind))
        where = f"{what} -n {ref.namespace} {clean(ref.name)}"
        yield f"# 3. of an earlier lockdown, and no longer needed: kubectl delete {where}"
    for name in namespaces:
        yield f"# back to where it was: kubectl delete {kind} -n {clean(name)} -l {label}"
    for one in found.questions:
        whose = f"{clean(one.workload.short)}: " if one.workload else ""
        yield f"# question: {whose}{clean(one.about)}: {clean(one.reason)}"
    for bad in found.unfixable:
        yield f"# not allowed: {clean(bad.workload.short)} -> {clean(bad.dependency)}: {clean(bad.reason)}"
    yield "---"


def _record(gathered: Gathered, found: Lockdown, policies: list[Manifest], gone: list[PolicyRef]) -> str:
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
    obsolete = [json_.policy(ref) for ref in gone]
    whole = {"policies": policies, "questions": questions, "unfixable": unfixable, "errors": errors}
    return json_.render(whole | {"obsolete": obsolete})

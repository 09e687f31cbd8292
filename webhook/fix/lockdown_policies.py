"""The policies of a lockdown: one for each workload with all that it needs, and a default deny that says so."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from msgspec import Struct

from webhook.fix.fix import Unfixable
from webhook.fix.needs import Need
from webhook.fix.selectors import Unwritable
from webhook.fix.write import write
from webhook.judge import Judged
from webhook.model.answers import Manifest
from webhook.model.objects import Workload
from webhook.model.policy import Direction
from webhook.model.refs import WorkloadRef
from webhook.model.settings import ALLOW_PATH, LOCKDOWN, PRODUCT
from webhook.world import View

DENY: Final = "default-deny"
MANAGED_BY: Final = {"app.kubernetes.io/managed-by": PRODUCT}
_LONGEST: Final = 1_000  # characters of the annotation that lists what is allowed


class Wanted(Struct, frozen=True):
    """One answer of one client, and what it needs of the namespaces in question."""

    client: Workload
    part: Judged
    needs: tuple[Need, ...]


def default_deny(view: View, namespace: str) -> Manifest:
    """Return the policy that selects every pod of a namespace and lets nothing in or out."""
    name = DENY
    while _taken(view, namespace, name):
        name += "-all"
    spec = {"podSelector": {}, "policyTypes": [Direction.INGRESS.value, Direction.EGRESS.value]}
    return _policy(namespace, name, spec, "deny")


def _taken(view: View, namespace: str, name: str) -> bool:
    """Say whether a policy of any family is called so: applying must not replace it."""
    return any(
        ref.name == name
        for some in (view.policies.named(namespace), view.policies.crd_policies(namespace))
        for ref in some
    )


def _policy(namespace: str, name: str, spec: dict[str, Any], does: str) -> Manifest:
    metadata = {"name": name, "namespace": namespace, "labels": {**MANAGED_BY}, "annotations": {LOCKDOWN: does}}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}


def documented(deny: Manifest, allows: Iterable[Manifest]) -> Manifest:
    """Say on the default deny what gets past it."""
    metadata = deny["metadata"]
    names = [one["metadata"]["name"] for one in allows if one["metadata"]["namespace"] == metadata["namespace"]]
    text = f"allowed by {', '.join(names)}" if names else "nothing is allowed: nothing is declared"
    path = text if len(text) <= _LONGEST else f"allowed by {len(names)} policies annotated {LOCKDOWN}: allow"
    return {**deny, "metadata": {**metadata, "annotations": {**metadata["annotations"], ALLOW_PATH: path}}}


def written(closed: View, wanted: Sequence[Wanted]) -> tuple[list[Manifest], list[Unfixable], list[str]]:
    """Return one policy for each workload, what cannot be written, and whom else the selectors reach."""
    by_subject: dict[WorkloadRef, dict[Need, tuple[Wanted, Workload]]] = {}
    for one in wanted:
        for need in one.needs:
            by_subject.setdefault(need.subject, {})[need] = (one, one.client)
    policies: list[Manifest] = []
    unfixable: list[Unfixable] = []
    notes: list[str] = []
    names = _names(by_subject)
    for subject in sorted(by_subject, key=lambda ref: (ref.namespace, ref.name, ref.kind)):
        found, said, bad = _together(closed, subject, by_subject[subject])
        notes += said
        unfixable += bad
        if found:
            policies.append(_merged(closed, subject.namespace, names[subject], found))
    return policies, unfixable, notes


def _together(
    closed: View, subject: WorkloadRef, some: dict[Need, tuple[Wanted, Workload]]
) -> tuple[list[Manifest], list[str], list[Unfixable]]:
    """Write all needs of one workload; where that is not possible, those that can be written."""
    workload = closed.workloads.get(subject) or next(iter(some.values()))[1]
    try:
        return *write(closed, workload, some), []
    except Unwritable:
        pass
    good: list[Need] = []
    bad: list[Unfixable] = []
    for need, (one, _) in some.items():
        try:
            write(closed, workload, [need])
            good.append(need)
        except Unwritable as error:
            bad.append(Unfixable(one.client.ref, one.part.text, str(error)))
    try:
        manifests, notes = write(closed, workload, good) if good else ([], [])
    except Unwritable as error:
        return [], [], [*bad, *(Unfixable(some[n][0].client.ref, some[n][0].part.text, str(error)) for n in good)]
    return manifests, notes, bad


def _names(subjects: Iterable[WorkloadRef]) -> dict[WorkloadRef, str]:
    """Return the name of each workload's policy: with the kind where the name alone may be another's."""
    every = list(subjects)
    taken: dict[tuple[str, str], int] = {}
    for ref in every:
        taken[ref.namespace, ref.name] = taken.get((ref.namespace, ref.name), 0) + 1
    return {
        ref: f"allow-{ref.name}" if taken[ref.namespace, ref.name] == 1 else f"allow-{ref.kind.lower()}-{ref.name}"
        for ref in every
    }


def _merged(view: View, namespace: str, name: str, some: Sequence[Manifest]) -> Manifest:
    """Join the policies of a workload's two directions, which have one selector."""
    while _taken(view, namespace, name):
        name += "-lockdown"
    spec: dict[str, Any] = {"podSelector": some[0]["spec"]["podSelector"]}
    spec["policyTypes"] = [d.value for d in (Direction.INGRESS, Direction.EGRESS) if any(_has(one, d) for one in some)]
    for one in some:
        for key in ("ingress", "egress"):
            if rules := one["spec"].get(key):
                spec.setdefault(key, []).extend(rules)
    return _policy(namespace, name, spec, "allow")


def _has(manifest: Manifest, direction: Direction) -> bool:
    return direction.value in manifest["spec"]["policyTypes"]

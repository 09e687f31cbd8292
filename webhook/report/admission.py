"""Decision -> AdmissionReview response bytes (`k8s.io/api/admission/v1`)."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec

from webhook.model.finding import RAISED, Finding, Manifest, Severity
from webhook.model.settings import PRODUCT, Mode
from webhook.report.flows import fate
from webhook.report.safe import clean, clip
from webhook.report.warnings import order, warnings
from webhook.report.words import near_misses, remedy, sentence
from webhook.review import Decision

DumpYaml = Callable[[Sequence[Manifest]], str]
_API_VERSION: Final = "admission.k8s.io/v1"
_FORBIDDEN: Final = {"code": 403, "reason": "Forbidden"}  # what Gatekeeper answers too; below 400 becomes 400
_LONGEST_KEY: Final = 63
_LONGEST_ANNOTATION: Final = 1_024
_MOST_REJECTED: Final = 20
_STOPPED: Final = "declared dependencies would {}"
_MISSING: Final = "labels or declarations that this cluster requires are not as they should be"
_SAYS_SO: Final = frozenset({Mode.WARN, Mode.ENFORCE})


def encode(decision: Decision, dump_yaml: DumpYaml) -> bytes:
    """Return the body of the answer; the HTTP status is always 200, for a denial too.

    A denial has no warnings: its message says all that they would, and whole.
    """
    response: dict[str, Any] = {"uid": decision.uid, "allowed": decision.allowed}
    if not decision.allowed:
        response["status"] = {**_FORBIDDEN, "message": denial(decision.rejected, dump_yaml)}
    else:
        response["warnings"] = warnings(decision.findings if decision.mode in _SAYS_SO else (), decision.notes)
    return _review(response, decision.audit)


def outcome(decision: Decision) -> str:
    """Return `denied`, `warned` or `allowed`: what the person who applies gets to see."""
    if not decision.allowed:
        return "denied"
    heard = decision.mode in _SAYS_SO and any(finding.severity > Severity.INFO for finding in decision.findings)
    return "warned" if heard or decision.notes else "allowed"


def not_evaluated(uid: str, reason: str) -> bytes:
    """Return an answer that allows because nothing could be judged, and says so in the audit log alone."""
    return _review({"uid": uid, "allowed": True}, (("not-evaluated", reason),))


def denial(rejected: Iterable[Finding], dump_yaml: DumpYaml) -> str:
    """Return the message of a denial: each finding with its near misses, then the complete fix as YAML.

    The YAML comes last, so that everything from the first `---` on can be piped into kubectl.
    """
    findings = order(rejected)
    stopped = _STOPPED.format(fate(flow for one in findings for flow in one.flows))
    text = [f"{PRODUCT}: {_MISSING if all(one.id in RAISED for one in findings) else stopped}", ""]
    for finding in findings[:_MOST_REJECTED]:
        text.append(f"{finding.id} {sentence(finding)}")
        text += [f"    near miss: {miss}" for miss in near_misses(finding)]
        if not finding.fix:
            text.append(f"    {remedy(finding)}")
    if len(findings) > _MOST_REJECTED:
        text.append(f"and {len(findings) - _MOST_REJECTED} more")
    fixes = combined(findings)
    if fixes:
        text += ["", "apply this first (`kubectl apply -f -`), then apply again (if a policy in what you apply already"]
        text += ["allows it, put that before the workload):", "---", dump_yaml(fixes)]
    return "\n".join(text).rstrip("\n") + "\n"


def combined(findings: Iterable[Finding]) -> list[Manifest]:
    """Return the fixes of `findings`, each policy once; two of one name become one with the rules of both."""
    every: dict[tuple[str, str], Manifest] = {}
    for manifest in (manifest for finding in findings for manifest in finding.fix):
        key = (manifest["metadata"]["namespace"], manifest["metadata"]["name"])
        every[key] = _merged(every[key], manifest) if key in every else manifest
    return list(every.values())


def _merged(first: Manifest, second: Manifest) -> Manifest:
    spec = dict(first["spec"])
    for key in ("ingress", "egress"):
        rules = second["spec"].get(key, [])
        if rules:
            known = spec.get(key, [])
            spec[key] = [*known, *(rule for rule in rules if rule not in known)]
    return {**first, "spec": spec}


def _review(response: dict[str, Any], audit: Iterable[tuple[str, str]]) -> bytes:
    response["auditAnnotations"] = {_key(k): clip(clean(v), _LONGEST_ANNOTATION) for k, v in audit}
    return msgspec.json.encode({"apiVersion": _API_VERSION, "kind": "AdmissionReview", "response": response})


def _key(key: str) -> str:
    """Return an audit key that the API server keeps: it puts `<webhook>/` before it, and wants one slash in all."""
    return key.replace("/", "-")[:_LONGEST_KEY]

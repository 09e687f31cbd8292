"""Decision -> AdmissionReview response bytes (`k8s.io/api/admission/v1`), with few warnings in a stable order.

Limits: Kubernetes asks for 120 characters and may cut at 256 (`k8s.io/api/admission/v1` AdmissionResponse.warnings);
all webhooks of one request share 4,096 (`k8s.io/apiserver/pkg/endpoints/filters/warning.go`), of which half is taken.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec

from webhook.model.answers import RAISED, Finding, Manifest, Severity
from webhook.model.budget import OTHERS
from webhook.model.settings import PRODUCT, Mode
from webhook.report.flows import fate
from webhook.report.safe import clean, clip
from webhook.report.words import FIX, FIXABLE, UNADMITTED, mark, near_misses, remedy, sentence
from webhook.review.drafts import MOST_WARNINGS, Decision, rank

MOST_LINES: Final = MOST_WARNINGS
MOST_CHARACTERS: Final = 2_048
LONGEST: Final = 256
WANTED: Final = 120
_SUMMARY: Final = 120  # room kept for the line that sums up what is left out
_OF_CHANGES: Final = frozenset({"NP501", "NP502", "NP503"})
_NAME_LIMITS: Final = (None, 40, 24, 16)  # characters left of one name, tried in turn


def order(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings worst first, then by id, workload and dependency."""
    return sorted(findings, key=rank)


def line(finding: Finding) -> str:
    """Return one finding as one warning: what, near miss where there is room, id and remedy always."""
    end = f"{mark(finding)} ({finding.id}); {clip(remedy(finding), LONGEST // 3)}"
    room = LONGEST - len(PRODUCT) - len(": ") - len(end)
    body = ""
    for limit in _NAME_LIMITS:
        body = sentence(finding, limit)
        if len(body) > room - (LONGEST - WANTED):
            body = body.removesuffix(UNADMITTED)
        if len(body) <= room:
            break
    body = clip(body, room)
    for miss in near_misses(finding)[:1]:
        if len(body) + len("; ") + len(miss) <= room:
            body = f"{body}; {miss}"
    return f"{PRODUCT}: {body}{end}"


def warnings(findings: Iterable[Finding], notes: Iterable[str] = (), *, partly: bool = False) -> list[str]:
    """Return the lines of one response; information is never one, notes come last. `partly`: there may be more."""
    every: dict[str, Finding | None] = {line(f): f for f in order(findings) if f.severity > Severity.INFO}
    every |= {clip(f"{PRODUCT}: {clean(note)}", LONGEST): None for note in notes}
    return _within_budget(every, "at least " if partly else "")


def _within_budget(every: dict[str, Finding | None], least: str) -> list[str]:
    if len(every) <= MOST_LINES and sum(map(len, every)) <= MOST_CHARACTERS:
        return list(every)
    kept: list[str] = []
    for text in list(every)[: MOST_LINES - 1]:
        if sum(map(len, kept)) + len(text) > MOST_CHARACTERS - _SUMMARY:
            break
        kept.append(text)
    return [
        *kept,
        f"{PRODUCT}: and {least}{_left_out([every[text] for text in kept], list(every.values())[len(kept) :])}",
    ]


def _left_out(shown: Iterable[Finding | None], rest: list[Finding | None]) -> str:
    """Sum up what has no room: of a change that others lose by, how many more of them there are, and where."""
    who = {one.workload for one in rest if one is not None and one.id in _OF_CHANGES and one.workload is not None}
    more = who - {one.workload for one in shown if one is not None}
    if not more:
        return f"{len(rest)} more: run `{PRODUCT} check`"
    spaces = len({ref.namespace for ref in more})
    workloads = f"{len(more)} more {'workload' if len(more) == 1 else 'workloads'}"
    where = f"{spaces} {'namespace' if spaces == 1 else 'namespaces'}"
    return f"{workloads} in {where}; run `{PRODUCT} check -f FILE --against cluster`"


DumpYaml = Callable[[Sequence[Manifest]], str]
_API_VERSION: Final = "admission.k8s.io/v1"
_FORBIDDEN: Final = {"code": 403, "reason": "Forbidden"}  # what Gatekeeper answers too; below 400 becomes 400
_LONGEST_KEY: Final = 63
_LONGEST_ANNOTATION: Final = 1_024
_MOST_REJECTED: Final = 20
_LONGEST_LINE: Final = 512
_LONGEST_DENIAL: Final = 16_384  # bytes; the API server hands it to a person as it is
_LONGEST_FINDINGS: Final = 10_240  # of them: what is left is for the fix
_HOW_MANY_MORE: Final = 160  # kept for the line that says how much is left out
_NEXT: Final = "---\n"  # between two documents
_APPLY: Final = (
    "\napply this first (`kubectl apply -f -`), then apply again (if a policy in what you apply already\n"
    "allows it, put that before the workload):\n---\n"
)
_STOPPED: Final = "declared dependencies would {}"
_MISSING: Final = "labels or declarations that this cluster requires are not as they should be"
_SAYS_SO: Final = frozenset({Mode.WARN, Mode.ENFORCE})


def encode(decision: Decision, dump_yaml: DumpYaml) -> bytes:
    """Return the body of the answer; the HTTP status is always 200, for a denial too.

    A denial has no warnings: its message says all that they would, and whole.
    """
    response: dict[str, Any] = {"uid": decision.uid, "allowed": decision.allowed}
    if not decision.allowed:
        response["status"] = {**_FORBIDDEN, "message": denial(_said(decision, decision.rejected), dump_yaml)}
    else:
        said = _said(decision, decision.findings) if decision.mode in _SAYS_SO else ()
        partly = OTHERS in decision.left_out
        response["warnings"] = warnings(said, decision.notes, partly=partly) if said or decision.notes else []
    return _review(response, decision.audit)


class _Reply(msgspec.Struct, rename="camel"):
    api_version: str
    kind: str
    response: dict[str, msgspec.Raw]


_REPLIES: Final = msgspec.json.Decoder(_Reply)


def addressed(body: bytes, uid: str) -> bytes:
    """Return an answer as one to another request, whose uid it has to echo."""
    reply = _REPLIES.decode(body)
    reply.response["uid"] = msgspec.Raw(msgspec.json.encode(uid))
    return msgspec.json.encode(reply)


def _said(decision: Decision, found: tuple[Finding, ...]) -> tuple[Finding, ...]:
    return found if decision.shown is None else decision.shown


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
    """Return the message of a denial: each finding with its near misses, then as much of the fix as it has room for.

    The YAML comes last, so that everything from the first `---` on can be piped into kubectl.
    """
    findings = order(rejected)
    stopped = _STOPPED.format(fate(flow for one in findings for flow in one.flows))
    text = f"{PRODUCT}: {_MISSING if all(one.id in RAISED for one in findings) else stopped}\n\n"
    size, parts = _size(text), [text]
    for finding in findings[:_MOST_REJECTED]:
        more = "".join([f"{clip(line, _LONGEST_LINE)}\n" for line in _lines(finding)])
        size += _size(more)
        if size > _LONGEST_FINDINGS:
            break
        parts.append(more)
    if (told := len(parts) - 1) < len(findings):
        parts.append(f"and {len(findings) - told} more\n")
    text = "".join(parts)
    return text + _fixes(findings, dump_yaml, _LONGEST_DENIAL - _size(text))


def _lines(finding: Finding) -> Iterator[str]:
    yield f"{finding.id} {sentence(finding)}"
    yield from (f"    near miss: {miss}" for miss in near_misses(finding))
    if not finding.fix:
        yield f"    {FIX if _unwritten(finding) else remedy(finding)}"


def _unwritten(finding: Finding) -> bool:
    """Say whether there may be a fix that nobody has written: where it has no room, nobody does."""
    return finding.id in FIXABLE and not finding.fix and finding.no_fix is None


def _fixes(findings: Iterable[Finding], dump_yaml: DumpYaml, room: int) -> str:
    """Return the first policies whole, how many more there are, and the command that prints them."""
    every = list(findings)
    fixes, unwritten = combined(every), sum(map(_unwritten, every))
    if not fixes:
        return ""
    room -= _size(_APPLY) + _HOW_MANY_MORE
    shown: list[str] = []
    for manifest in fixes:
        document = dump_yaml([manifest])
        room -= _size(document) + len(_NEXT)
        if room < 0:
            break
        shown.append(document)
    count = len(fixes) - len(shown)
    left = [f"{count} more {'policy' if count == 1 else 'policies'}"] if count else []
    left += [f"those of {unwritten} more {'finding' if unwritten == 1 else 'findings'}"] if unwritten else []
    rest = f"{'# ' if shown else ''}and {' and '.join(left)}: {FIX}" if left else ""
    return "".join((*((_APPLY, _NEXT.join(shown)) if shown else ("\n",)), *((rest, "\n") if rest else ())))


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def combined(findings: Iterable[Finding]) -> list[Manifest]:
    """Return the fixes of `findings`, each policy once; two of one name become one with the rules of both."""
    every: dict[tuple[str, str], Manifest] = {}
    for manifest in (manifest for finding in findings for manifest in finding.fix):
        key = (manifest["metadata"]["namespace"], manifest["metadata"]["name"])
        known = every.setdefault(key, manifest)
        if known is not manifest:  # the findings about the two ends of a connection share theirs
            every[key] = _merged(known, manifest)
    return list(every.values())


def _merged(first: Manifest, second: Manifest) -> Manifest:
    spec = dict(first["spec"])
    for key in ("ingress", "egress"):
        rules = second["spec"].get(key, [])
        if rules:
            known = spec.get(key, [])
            spec[key] = [*known, *(rule for rule in rules if rule not in known)]
    return {**first, "spec": spec}


@lru_cache(maxsize=64)
def _annotations(audit: tuple[tuple[str, str], ...]) -> msgspec.Raw:
    """Return what the audit log gets to see, which mostly is the same."""
    every = {_key(k): clip(clean(v), _LONGEST_ANNOTATION) for k, v in audit}
    return msgspec.Raw(msgspec.json.encode(every))


def _review(response: dict[str, Any], audit: tuple[tuple[str, str], ...]) -> bytes:
    response["auditAnnotations"] = _annotations(audit)
    return msgspec.json.encode({"apiVersion": _API_VERSION, "kind": "AdmissionReview", "response": response})


def _key(key: str) -> str:
    """Return an audit key that the API server keeps: it puts `<webhook>/` before it, and wants one slash in all."""
    return key.replace("/", "-")[:_LONGEST_KEY]

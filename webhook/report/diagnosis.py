"""A failed connection, diagnosed: the checklist as a person reads it, and as JSON."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from webhook.diagnose.diagnosis import Cause, Diagnosis, State, Step, Whose
from webhook.diagnose.error_kinds import REFUSALS
from webhook.diagnose.errors import ConnectionFailure
from webhook.enforcers import REJECTING
from webhook.judge.explanation import Explanation
from webhook.model.addresses import IPV6
from webhook.model.answers import CLOSED, FlowVerdict, Verdict
from webhook.model.policy import Direction
from webhook.report import explain_text, json_
from webhook.report.advice import (
    CAUSES,
    CLEARED,
    CLIENTS,
    INNOCENT,
    REJECTS,
    STATES,
    STEPS,
    TAKEN,
    WORDS,
    advice,
)
from webhook.report.explain_text import NO_REMEDY, Remedy
from webhook.report.flows import deciders, side_of
from webhook.report.json_ import Record
from webhook.report.safe import clean
from webhook.report.text import Failure, Paint, plain
from webhook.report.words import WHOLE


def text(diagnosis: Diagnosis, remedy: Remedy = NO_REMEDY, paint: Paint = plain) -> str:
    """Return what failed and what that means, the checklist, what explains it, where to look, and the remedy."""
    seen, meaning = WORDS[diagnosis.failure.kind]
    client = CLIENTS.get(diagnosis.failure.caller) or clean(str(diagnosis.source))
    head = f"{client} -> {clean(target(diagnosis.failure) or 'a target that is not named')}"
    lines = [f"{paint('bold', head)}: {seen}", f"  {meaning}", ""]
    for number, step in enumerate(diagnosis.steps, 1):
        word, style = STATES[step.state]
        lines += _wrapped(f"  {number}. {step.name:<8} {paint(style, f'{word:<8}')}", told(diagnosis, step))
    lines += ["", f"{paint('bold', 'cause')}: {cause(diagnosis)}"]
    look = [*advice(diagnosis)]
    if look:
        lines += ["", f"{paint('bold', 'where to look')}:"]
        for one in look:
            lines += [f"  - {clean(one.what)}", *([f"      {clean(one.command)}"] if one.command else [])]
    return "\n".join([*lines, *explain_text.ending(_assumed(diagnosis), remedy, paint)])


def record(diagnosis: Diagnosis, fix: Sequence[Record] = (), errors: Iterable[Failure] = ()) -> str:
    """Return explain's object with `error`, `steps`, `cause` and `look`. Without a target `flows` is empty."""
    found = diagnosis.explanation or Explanation(diagnosis.source, target(diagnosis.failure), diagnosis.verdict, ())
    whole = json_.explained(found, fix, errors)
    whole["verdict"] = diagnosis.verdict
    whole["dns"] = json_.look_up(diagnosis.dns)
    whole["error"] = _failure(diagnosis)
    whole["steps"] = [
        {"step": step.name, "state": step.state, "message": "; ".join(told(diagnosis, step))}
        for step in diagnosis.steps
    ]
    whole["cause"] = {"id": diagnosis.cause, "message": cause(diagnosis)}
    whole["denied"] = [{"dependency": one.text, "verdict": one.verdict} for one in diagnosis.suspects]
    whole["look"] = [{"what": clean(one.what), "command": one.command} for one in advice(diagnosis)]
    return json_.render(whole)


def target(failure: ConnectionFailure) -> str:
    """Return where the client was going to, as the text had it: nothing where it names nobody."""
    address = str(failure.address) if failure.address else ""
    if failure.address and failure.address.family == IPV6 and failure.port:
        address = f"[{address}]"
    host = failure.name or address
    behind = f" ({address})" if failure.name and address else ""
    return f"{host}:{failure.port}/{failure.protocol}{behind}" if failure.port and host else f"{host}{behind}"


def cause(diagnosis: Diagnosis) -> str:
    """Return what explains the error best, in one sentence."""
    reason = diagnosis.explanation.reason if diagnosis.explanation else None
    words = CAUSES[diagnosis.cause].format(
        what=_whose(diagnosis),
        sides=_stopping(diagnosis),
        cni=diagnosis.enforcer,
        reason=clean(reason or "the target is not known"),
        several=", ".join(clean(one.text) for one in diagnosis.suspects),
    )
    return "; ".join([words, *_cleared(diagnosis)])


def _cleared(diagnosis: Diagnosis) -> Iterator[str]:
    """Yield what the answer says of policy. An unknown verdict clears nobody, unless packets went both ways."""
    known = diagnosis.verdict is not Verdict.UNKNOWN or diagnosis.cause is Cause.CONNECTED
    if diagnosis.cause in CLEARED and known:
        yield INNOCENT
    elif diagnosis.failure.kind in REFUSALS and not known and diagnosis.enforcer in REJECTING:
        yield REJECTS.format(cni=diagnosis.enforcer)


def told(diagnosis: Diagnosis, step: Step) -> list[str]:
    """Return what a step found, most telling first."""
    facts = {key: clean(value) for key, value in step.facts}
    match step.name, step.says:
        case (name, "side"):
            direction = Direction.EGRESS if name == "egress" else Direction.INGRESS
            return [*_told_sides(direction, diagnosis.explanation.flows if diagnosis.explanation else ())]
        case ("needs", "denied"):
            return [*_told_need(diagnosis, dict(step.facts)["dependency"])]
        case ("dns", "lookup"):
            return [*_told_dns(diagnosis)]
        case ("target", "assumed"):
            return [TAKEN[facts["how"]].format_map(facts)]
        case ("pods", "template"):
            judged = "" if step.state is State.NOT_OK else ": judged by its template"
            return [f"no pod of {facts['workloads']} is here{judged}"]
        case ("pods", _) if "pods" in facts:
            facts["pods"] += " pod" if facts["pods"] == "1" else " pods"
        case _:
            pass
    words = [STEPS[step.name, step.says].format_map(facts)]
    if hint := facts.get("hint"):
        words.append(hint)
    if step.says == "nobody" and diagnosis.target.candidates:
        words.append(f"with that port there are {', '.join(map(clean, diagnosis.target.candidates))}")
    return words


def _told_sides(direction: Direction, several: Iterable[FlowVerdict]) -> Iterator[str]:
    """Yield what decides, worst first, and the near misses of it."""
    seen: dict[str, None] = {}
    for flow in sorted(several, key=lambda f: _WORST.index(side_of(f, direction).verdict)):
        side = side_of(flow, direction)
        seen[explain_text.because(direction, side)] = None
        seen |= dict.fromkeys(explain_text.tiers(direction, side))
        seen |= dict.fromkeys(f"near miss: {miss}" for miss in explain_text.near_misses(direction, side, flow))
    yield from seen


_WORST: Final = (Verdict.DENIED, Verdict.PARTIAL, Verdict.UNKNOWN, Verdict.ALLOWED)


def _told_need(diagnosis: Diagnosis, dependency: str) -> Iterator[str]:
    """Yield what the workload needs, and who denies it."""
    for one in diagnosis.suspects:
        if one.text == dependency:
            yield f"{clean(one.text)}: {one.verdict}"
            yield from dict.fromkeys(_isolated(one.flows))


def _told_dns(diagnosis: Diagnosis) -> Iterator[str]:
    dns = diagnosis.dns
    if dns is None:
        return
    where = clean(dns.text.rpartition("/")[0])
    yield f"look-ups go to {where}: {dns.verdict}"
    if not dns.flows and dns.reason:
        yield clean(dns.reason)
    for direction in Direction:
        for words in _told_sides(direction, dns.flows):
            yield f"{direction.value.lower()} {words}"


def _stopping(diagnosis: Diagnosis) -> str:
    """Return the sides that deny, each with who isolates."""
    return ", ".join(dict.fromkeys(_isolated(_in_question(diagnosis))))


def _whose(diagnosis: Diagnosis) -> str:
    """Return what drops packets, as the cause names it: NetworkPolicy, unless another kind may be in it."""
    sides = [side_of(flow, direction) for flow in _in_question(diagnosis) for direction in Direction]
    others = any(ref.kind_word for side in sides if side.verdict in CLOSED for ref in side.policies)
    return "policy" if others else "NetworkPolicy"


def _in_question(diagnosis: Diagnosis) -> tuple[FlowVerdict, ...]:
    if diagnosis.cause is Cause.DNS_POLICY and diagnosis.dns:
        return diagnosis.dns.flows
    return diagnosis.explanation.flows if diagnosis.explanation else ()


def _isolated(several: Iterable[FlowVerdict]) -> Iterator[str]:
    for direction in Direction:
        shut = [side for flow in several if (side := side_of(flow, direction)).verdict in CLOSED]
        if shut:
            yield f"{direction.value.lower()} {deciders(shut, direction, WHOLE)}"


def _assumed(diagnosis: Diagnosis) -> tuple[str, ...]:
    found = diagnosis.explanation.assumptions if diagnosis.explanation else ()
    return (*found, *(diagnosis.dns.assumptions if diagnosis.dns else ()))


def _failure(diagnosis: Diagnosis) -> dict[str, Any]:
    failure, whose = diagnosis.failure, diagnosis.target
    return {
        "kind": failure.kind,
        "target": target(failure) or None,
        "name": failure.name,
        "address": str(failure.address) if failure.address else None,
        "port": failure.port,
        "protocol": failure.protocol,
        "caller": failure.caller,
        "resolver": str(failure.resolver) if failure.resolver else None,
        "whose": whose.whose,
        "candidates": list(whose.candidates),
    }


def unnamed(diagnosis: Diagnosis) -> str | None:
    """Return why nothing can be asked, None where something can."""
    if diagnosis.suspects or diagnosis.cause is Cause.PROBE:
        return None
    if diagnosis.target.text is not None or diagnosis.target.whose is Whose.LOOPBACK or diagnosis.dns is not None:
        return None
    candidates = diagnosis.target.candidates
    declared = f"; it declares {', '.join(map(clean, candidates))}" if candidates else ""
    what = target(diagnosis.failure)
    lacks = f"names {clean(what)} without a port" if what else "names no target"
    return f"`{WORDS[diagnosis.failure.kind][0]}`, but the text {lacks}: add `--to NAME:PORT`{declared}"


def _wrapped(head: str, several: list[str]) -> list[str]:
    first, *rest = several or [""]
    return [f"{head} {first}", *(f"{'':<23}{one}" for one in rest)]

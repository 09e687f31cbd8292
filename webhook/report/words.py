"""What a finding says: one table from id to the sentence made of its evidence.

A sentence names the workload, the other end, the port that policy sees and the policy that decides. It starts
lower-case (a name does), ends without a full stop, and never holds an unprintable character.
"""

from collections.abc import Callable
from typing import Final

from webhook.model.answers import CLOSED, UNDISCLOSED, Finding, FlowVerdict, Side, Verdict
from webhook.model.policy import Direction
from webhook.model.settings import PRODUCT
from webhook.report import flows, slips
from webhook.report.flows import Cut, Facts, pair, who
from webhook.report.safe import clean, clip

Builder = Callable[[Finding, Facts, Cut], str]
INFERRED: Final = " (inferred)"
UNADMITTED: Final = ", no rule admits it"  # worth saying where there is room
FIX: Final = f"run `{PRODUCT} fix`"


def cut_at(limit: int | None) -> Cut:
    """Return what makes a name printable and at most `limit` characters long."""
    return clean if limit is None else lambda text: clip(clean(text), limit)


WHOLE: Final = cut_at(None)
_MOST_DELETED: Final = 3  # policies that one finding names


def sentence(finding: Finding, limit: int | None = None) -> str:
    """Return what is wrong, without id and remedy; names longer than `limit` are shortened in the middle."""
    builder = _SENTENCES.get(finding.id, _plain)
    return builder(finding, dict(finding.facts), cut_at(limit))


def mark(finding: Finding) -> str:
    """Return what is behind the sentence of a finding that nobody declared."""
    return INFERRED if finding.source == "inferred" else ""


def remedy(finding: Finding) -> str:
    """Return what to do about it."""
    if finding.id in FIXABLE or finding.fix:
        if finding.fix and finding.hits:
            return f"correct {flows.policy(finding.policies[0], WHOLE)}, or {FIX}: {len(finding.fix)} NetworkPolicies"
        if finding.fix:
            return FIX
        if admit := dict(finding.facts).get("admit"):
            return f"`{PRODUCT} fix --admit {clean(admit)}` lets it in"
        return f"no fix: {clean(finding.no_fix)}" if finding.no_fix else f"see `{PRODUCT} explain`"
    if finding.id in slips.IDS:
        return slips.remedy(finding, WHOLE)
    if finding.id == "NP107" and finding.workload is None:
        return next((told for fact, told in _OF_POLICY.items() if fact in dict(finding.facts)), _UNENFORCED)
    if finding.id == "NP204" and dict(finding.facts).get("complete") == "False":
        return _NOBODY_READ
    if finding.id == "NP203" and "headless" in dict(finding.facts):
        return "correct the port in the annotation"
    return _REMEDIES.get(finding.id, f"see `{PRODUCT} explain {finding.id}`")


def near_misses(finding: Finding, limit: int | None = None) -> tuple[str, ...]:
    """Return the near misses as sentences, nearest first."""
    return flows.near_misses(finding, cut_at(limit))


def message(finding: Finding) -> str:
    """Return the whole of it in one line: what is wrong, where the packet arrives, near misses, what to do."""
    parts = (sentence(finding) + mark(finding), *details(finding), *near_misses(finding), remedy(finding))
    return "; ".join(part for part in parts if part)


def details(finding: Finding) -> tuple[str, ...]:
    """Return what else is worth knowing: Service ports, who else is selected, assumptions."""
    translated = (f for f in finding.flows if not (f.fronted and finding.id == "NP101"))
    moved = flows.service_ports(translated) if finding.id in FIXABLE or finding.id == "NP104" else None
    return (
        *((f"port {moved} is the Service's, policy sees the pod's",) if moved else ()),
        *(f"note: {clean(assumption)}" for assumption in finding.assumptions),
    )


def _isolated(finding: Finding, _: Facts, cut: Cut, direction: Direction) -> str:
    stopped, sides = flows.stopped(finding, direction)
    by = flows.deciders(sides, direction, cut, finding.policies)
    return (
        f"{who(finding, cut)} -> {flows.end(finding, stopped, cut)} will {flows.fate(stopped)}: "
        f"{direction.value.lower()} {by}{UNADMITTED if flows.isolates(sides) else ''}"
    )


def _stopping(stopped: tuple[FlowVerdict, ...], finding: Finding, cut: Cut, *, final: bool | None = None) -> str:
    """Return what stops packets, egress first. `final`: only what no NetworkPolicy can change, or only the rest."""
    told = []
    for direction in Direction:
        shut = [side for f in stopped if (side := flows.side_of(f, direction)).verdict in CLOSED]
        if some := [side for side in shut if final in (None, side.final)]:
            by = flows.deciders(some, direction, cut, finding.policies)
            told.append(f"{direction.value.lower()} {by}")
    return " and ".join(told)


def _unadmitted(stopped: tuple[FlowVerdict, ...]) -> str:
    """Say that no rule admits it, where that is all there is to say."""
    sides = (flows.side_of(flow, direction) for flow in stopped for direction in Direction)
    shut = (side for side in sides if side.verdict in CLOSED and not side.final)
    return UNADMITTED if flows.isolates(shut) else ""


def _dns(finding: Finding, facts: Facts, cut: Cut) -> str:
    if "undisclosed" in facts:
        return f"{who(finding, cut)} cannot resolve names: the look-up is closed to it"
    closed = tuple(f for f in finding.flows if f.verdict in CLOSED) or finding.flows
    stopped = tuple(f for f in closed if any(_is_openable(flows.side_of(f, d)) for d in Direction)) or closed
    why = _stopping(stopped, finding, cut, final=False) or _stopping(stopped, finding, cut)
    where = flows.end(finding, stopped, cut)
    return (
        f"{who(finding, cut)} cannot resolve names: -> {where} will {flows.fate(stopped)}: {why}{_unadmitted(stopped)}"
    )


def _is_openable(side: Side) -> bool:
    """Say whether a NetworkPolicy can open what stops packets on a side; the rest is another finding's (NP104)."""
    return side.verdict in CLOSED and not side.final


def _final(finding: Finding, _: Facts, cut: Cut) -> str:
    """Say what is denied before any NetworkPolicy is asked: a look-up, or a connection."""
    stopped = tuple(f for f in finding.flows if any(flows.side_of(f, d).final for d in Direction)) or finding.flows
    what = " cannot resolve names:" if finding.flows and all(f.purpose == "dns" for f in finding.flows) else ""
    end = flows.end(finding, stopped, cut)
    why = _stopping(stopped, finding, cut, final=True)
    return f"{who(finding, cut)}{what} -> {end} will {flows.fate(stopped)}: {why}"


def _partial(finding: Finding, facts: Facts, cut: Cut) -> str:
    stopped = tuple(f for f in finding.flows if f.verdict in CLOSED) or finding.flows
    why = _stopping(stopped, finding, cut)
    which = f" ({cut(facts['reason'])})" if "reason" in facts else ""
    end = flows.end(finding, stopped, cut)
    return f"{who(finding, cut)} -> {end} will {flows.fate(stopped)} on some paths{which}" + (f": {why}" if why else "")


def _kept_out(finding: Finding, facts: Facts, cut: Cut) -> str:
    """Say who does not get to the workload by a way that somebody declares."""
    stopped = tuple(f for f in finding.flows if f.verdict in CLOSED) or finding.flows
    return (
        f"{_by(facts, cut)}: {cut(facts.get('from', 'the controller'))} -> {flows.end(finding, stopped, cut)} "
        f"will {flows.fate(stopped)}{_somewhere(finding)}: {_stopping(stopped, finding, cut)}{_unadmitted(stopped)}"
    )


def _dependants(finding: Finding, facts: Facts, cut: Cut) -> str:
    """Say whose declared connections to the workload do not get through."""
    stopped = tuple(f for f in finding.flows if f.verdict in CLOSED) or finding.flows
    more = int(facts.get("more", "0"))
    named = [cut(name) for name in facts.get("clients", "?").split(", ")]
    clients = ", ".join(named) + (f" and {more} more" if more else "")
    word = "client" if len(named) + more == 1 else "clients"
    rest = f" ({cut(facts['left'])} more were not looked at)" if facts.get("left", "0") != "0" else ""
    return (
        f"existing {word} {clients} -> {flows.end(finding, stopped, cut)} will {flows.fate(stopped)}"
        f"{_somewhere(finding)}: {_stopping(stopped, finding, cut)}{_unadmitted(stopped)}{rest}"
    )


def _cuts(finding: Finding, facts: Facts, cut: Cut) -> str:
    """Say what a change takes from whom."""
    stopped = tuple(f for f in finding.flows if f.verdict in CLOSED) or finding.flows
    way = f" ({cut(facts['declared'])})" if "declared" in facts else ""
    why = cut(facts.get("why", "")) or f"{_stopping(stopped, finding, cut)}{_unadmitted(stopped)}"
    return (
        f"{cut(facts.get('by', 'the change'))} cuts {who(finding, cut)} -> {flows.end(finding, stopped, cut)}{way}"
        f"{_somewhere(finding)}: {why}"
    )


def _opens(finding: Finding, facts: Facts, cut: Cut) -> str:
    """Say what deleting a policy opens and closes."""
    told = [f"{word} {cut(facts[word])}" for word in ("opens", "closes") if word in facts]
    free = [f"leaves {cut(facts['free'])} without a policy that isolates it"] if "free" in facts else []
    who = ", ".join(cut(ref.titled) for ref in finding.policies[:_MOST_DELETED]) or "it"
    more = len(finding.policies) - _MOST_DELETED
    return f"deleting {who}{f' and {more} more' if more > 0 else ''} {' and '.join((*told, *free))}"


def _by(facts: Facts, cut: Cut) -> str:
    more = int(facts.get("more", "0"))
    return cut(facts.get("by", "a declaration")) + (f" and {more} more" if more else "")


def _somewhere(finding: Finding) -> str:
    return " on some paths" if finding.verdict is Verdict.PARTIAL else ""


def _unknown(finding: Finding, facts: Facts, cut: Cut) -> str:
    if finding.source == "inbound":
        why = cut(facts.get("reason", "it cannot be told"))
        sender = cut(facts.get("from", "the controller"))
        return f"{_by(facts, cut)}: {sender} -> {flows.end(finding, finding.flows, cut)} cannot be decided: {why}"
    why = cut(facts["reason"]) if "reason" in facts else "; ".join(map(cut, flows.reasons(finding.flows)))
    end = cut(finding.dependency or "") or flows.end(finding, finding.flows, cut)
    return f"{who(finding, cut)} -> {end} cannot be decided" + (f": {why}" if why else "")


def _plain(finding: Finding, facts: Facts, cut: Cut) -> str:
    """Say what a finding says whose facts are sentences already."""
    return f"{pair(finding, cut)}: " + "; ".join(cut(value) for value in facts.values())


def _egress(finding: Finding, facts: Facts, cut: Cut) -> str:
    return _isolated(finding, facts, cut, Direction.EGRESS)


def _ingress(finding: Finding, facts: Facts, cut: Cut) -> str:
    return _isolated(finding, facts, cut, Direction.INGRESS)


def _undisclosed(finding: Finding, _: Facts, cut: Cut) -> str:
    """Say that a connection is not sure to work, and nothing of why."""
    return f"{pair(finding, cut)} is closed, or is not there"


_SENTENCES: Final[dict[str, Builder]] = {
    UNDISCLOSED: _undisclosed,
    "NP101": _egress,
    "NP102": _ingress,
    "NP103": _dns,
    "NP104": _final,
    "NP105": _partial,
    "NP106": _unknown,
    "NP107": slips.not_enforced,
    "NP108": _kept_out,
    "NP109": _dependants,
    "NP201": slips.absent,
    "NP202": slips.no_such_port,
    "NP203": slips.undeclared,
    "NP204": slips.no_backends,
    "NP303": slips.malformed,
    **dict.fromkeys(("NP501", "NP502", "NP503"), _cuts),
    "NP504": _opens,
    **dict.fromkeys(slips.IDS, slips.sentence),
}
FIXABLE: Final = frozenset({"NP101", "NP102", "NP103", "NP105", "NP108", "NP109", "NP501", "NP502", "NP503"})
_OF_POLICY: Final = {  # by what is known of why it is not in force
    "unserved": "write apiVersion: networking.k8s.io/v1, which says the same",
    "problem": "correct the policy",
}
_NOBODY_READ: Final = (
    "if no operator makes them, correct the Service's selector; if one does, say so by `expected` in the configuration"
)
_UNENFORCED: Final = "write it as a kind that is enforced here, or delete it"
_REMEDIES: Final = {
    UNDISCLOSED: "correct its name, or ask whoever owns it",
    "NP104": "no NetworkPolicy can open it: an administrator must change that policy",
    "NP106": "check this connection by hand",
    "NP107": "install a CNI that enforces NetworkPolicy",
    "NP201": "create it, or correct the annotation",
    "NP202": "correct the port in the annotation",
    "NP203": "correct the Service's target port, or declare the container's",
    "NP204": "correct the Service's selector, or start its pods",
    "NP303": "correct the annotation",
    "NP504": "make sure that this is meant, or keep it",
}

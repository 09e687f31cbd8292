"""What a flow log is evidence of: what nobody declared, what was never seen, where enforcer and evaluator differ."""

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from webhook.fix.lockdown import Question
from webhook.model.addresses import Block
from webhook.model.answers import Host, Verdict
from webhook.model.refs import WorkloadRef
from webhook.report import json_
from webhook.report.json_ import Record
from webhook.report.safe import clean, code, escaped
from webhook.report.safe import table as markdown_table
from webhook.report.text import Paint, Tabulate, count
from webhook.review.evidence import Compared, Evidence, Readiness, Standing, Unseen
from webhook.review.observed import LeftOut, Tally

End = WorkloadRef | Block | Host | None
_MOST_POLICIES: Final = 3  # that a row names
_MOST: Final = 20  # rows of a table; JSON has all
_DIFFERENT: Final = (Standing.DROPPED, Standing.PASSED)
_OUTSIDE: Final = "outside"
_HEAD: Final = ("FROM", "TO", "PORT", "LINES", "SEEN", "POLICY SAYS")


def text(found: Evidence, tabulate: Tabulate, paint: Paint) -> Iterator[str]:
    """Yield the lines of an audit's part about a log."""
    yield paint("bold", f"observed: {read(found.tally)}")
    yield from (f"    {clean(file)}:{number}: {clean(why)}" for file, number, why in found.tally.first)
    for title, some in (("seen, and declared by nobody", found.undeclared), (_DIFFER, _different(found))):
        if some:
            yield from (
                "",
                paint("bold", f"{title}: {len(some)}"),
                tabulate(_HEAD, [_row(one) for one in some[:_MOST]]),
            )
            yield from _more(some)
    if found.unseen:
        rows = [(clean(one.workload.short), clean(one.dependency), one.reason or "") for one in found.unseen[:_MOST]]
        yield from ("", paint("bold", f"declared, and never seen: {len(found.unseen)}"))
        yield tabulate(("WORKLOAD", "DEPENDENCY", "BUT"), rows)
        yield from _more(found.unseen)
    yield from ("", agreed(found), *map(ready, found.readiness), "")


_DIFFER: Final = "the enforcer did otherwise than policy says, or policy has changed since"


def _more(some: Sequence[Compared | Unseen]) -> Iterator[str]:
    if len(some) > _MOST:
        yield f"and {len(some) - _MOST} more; `--format json` has all"


def _different(found: Evidence) -> tuple[Compared, ...]:
    return tuple(one for standing in _DIFFERENT for one in found.of(standing))


def _row(one: Compared) -> tuple[str, ...]:
    flow = one.flow
    seen = "dropped" if one.dropped else "passed"
    by = f" ({end(flow.cluster_ip[0])}:{flow.cluster_ip[1]})" if flow.cluster_ip is not None else ""
    return (
        end(flow.source),
        f"{end(flow.target)}{by}",
        f"{flow.port}/{flow.protocol}",
        str(one.lines),
        seen,
        _says(one),
    )


def _says(one: Compared) -> str:
    """Return `denied (shop/db)`, with the policies where they deny."""
    by = ", ".join(ref.titled for ref in one.policies[:_MOST_POLICIES]) if one.verdict is Verdict.DENIED else ""
    return f"{one.verdict} ({clean(by)})" if by else one.verdict.value


def end(one: End) -> str:
    """Return one end of a flow as messages show it."""
    match one:
        case WorkloadRef():
            return clean(one.short)
        case Host():
            return clean(one.name)
        case Block():
            return str(one).removesuffix("/32").removesuffix("/128")
        case None:
            return _OUTSIDE


def read(tally: Tally) -> str:
    """Return `1,200 lines, 40 different flows; left out: 3 too old (before 2026-11-21); 2 lines unreadable`."""
    parts = [f"{tally.lines:,} lines, {count(len(tally.flows), 'different flow')}"]
    left = [f"{number:,} {_why(reason, tally)}" for reason, number in sorted(tally.left_out.items())]
    parts += [f"left out: {', '.join(left)}"] if left else []
    skipped = [f"{number:,} {reason.value}" for reason, number in sorted(tally.skipped.items())]
    parts += [f"not counted: {', '.join(skipped)}"] if skipped else []
    parts += [f"{count(tally.garbage, 'line')} unreadable"] if tally.garbage else []
    return "; ".join(parts)


def _why(reason: LeftOut, tally: Tally) -> str:
    if reason is LeftOut.OLD and tally.since is not None:
        return f"{reason.value} (before {datetime.fromtimestamp(tally.since, UTC):%Y-%m-%dT%H:%MZ}, see --since)"
    return reason.value


def agreed(found: Evidence) -> str:
    """Return how often what the enforcer did is what policy says, counted in different flows."""
    same = found.of(Standing.AGREED)
    dropped = sum(one.dropped for one in same)
    parts = [f"{len(same) - dropped} passed and allowed", f"{dropped} dropped and denied"]
    parts += [f"{len(some)} {one.value}" for one in _DIFFERENT if (some := found.of(one))]
    unsure = len(found.of(Standing.UNDECIDED))
    return f"enforcer and policy: {', '.join(parts)}" + (f"; {unsure} undecided" if unsure else "")


def ready(one: Readiness) -> str:
    """Return `readiness shop: 12 declared, 10 seen, 11 admitted, 2 would break`."""
    numbers = f"{one.declared} declared, {one.seen} seen, {one.admitted} admitted, {one.would_break} would break"
    return f"readiness {clean(one.namespace)}: {numbers}"


def seen_questions(found: Evidence, namespaces: Collection[str]) -> Iterator[Question]:
    """Yield what a lockdown of `namespaces` would close although it was seen to pass; callers from outside together."""
    callers: dict[tuple[WorkloadRef, str], list[Compared]] = {}
    for one in found.undeclared:
        source, target = one.flow.source, one.flow.target
        ends = [ref for ref in (source, target) if isinstance(ref, WorkloadRef) and ref.namespace in namespaces]
        port = f"{one.flow.port}/{one.flow.protocol}"
        if one.dropped or not ends:
            continue
        if isinstance(source, WorkloadRef):
            about = f"{source.short} -> {end(target)} on {port}"
            yield Question(ends[0], about, f"seen ({count(one.lines, 'line')}), and declared by nobody: {_HOW}")
        elif isinstance(target, WorkloadRef):
            callers.setdefault((target, port), []).append(one)
    for (target, port), some in callers.items():
        more = f" and {len(some) - 1} more" if some[1:] else ""
        why = "seen, and from outside the cluster: no workload can declare it; add an ipBlock where it is wanted"
        yield Question(target, f"{end(some[0].flow.source)}{more} -> {target.short} on {port}", why)


_HOW: Final = "declare it, or `--admit-observed` lets it pass"


# -- markdown ----------------------------------------------------------------------------------------------------------


def markdown(found: Evidence) -> Iterator[str]:
    """Yield the lines of a page's part about a log."""
    yield from ("## Observed flows", "", f"{escaped(read(found.tally))}.", "")
    numbers = ((code(r.namespace), *map(str, (r.declared, r.seen, r.admitted, r.would_break))) for r in found.readiness)
    yield from markdown_table(("Namespace", "Declared", "Seen", "Admitted", "Would break"), numbers)
    yield ""
    for title, some in (("Seen, and declared by nobody", found.undeclared), (_DIFFER.capitalize(), _different(found))):
        if some:
            rows = (tuple(map(escaped, _row(one))) for one in some[:_MOST])
            heads = tuple(head.capitalize() for head in _HEAD)
            yield from (f"### {title}", "", *markdown_table(heads, rows), *_more(some), "")
    if found.unseen:
        told = ((code(one.workload.short), code(one.dependency), escaped(one.reason or "")) for one in found.unseen)
        yield from ("### Declared, and never seen", "", *markdown_table(("Workload", "Dependency", "But"), told), "")
    yield from (f"{escaped(agreed(found))}.", "")


# -- JSON --------------------------------------------------------------------------------------------------------------


def record(found: Evidence) -> Record:
    """Return what is under `observed` in an audit's object."""
    tally = found.tally
    return {
        "lines": tally.lines,
        "skipped": {reason.name.lower(): number for reason, number in sorted(tally.skipped.items())},
        "leftOut": {reason.name.lower(): number for reason, number in sorted(tally.left_out.items())},
        "unreadable": {
            "lines": tally.garbage,
            "first": [{"file": file, "line": number, "message": why} for file, number, why in tally.first],
        },
        "flows": [_flow(one) for one in found.flows],
        "unseen": [
            {"workload": json_.workload(one.workload), "dependency": one.dependency, "reason": one.reason}
            for one in found.unseen
        ],
        "readiness": [_readiness(one) for one in found.readiness],
    }


def _flow(one: Compared) -> Record:
    """Return a flow; `standing` is one of agreed, dropped (but allowed), passed (but denied) and undecided."""
    source, target = one.flow.source, one.flow.target
    return {
        "from": json_.destination(source) if source is not None else None,
        "to": json_.destination(target) if target is not None else None,
        "protocol": one.flow.protocol,
        "port": one.flow.port,
        "service": {"address": end(one.flow.cluster_ip[0]), "port": one.flow.cluster_ip[1]}
        if one.flow.cluster_ip
        else None,
        "lines": one.lines,
        "dropped": one.dropped,
        "declared": one.declared,
        "verdict": one.verdict,
        "standing": one.standing.name.lower(),
        "reason": one.reason,
        "policies": [json_.policy(ref) for ref in one.policies],
    }


def _readiness(one: Readiness) -> Record:
    return {
        "namespace": one.namespace,
        "declared": one.declared,
        "seen": one.seen,
        "admitted": one.admitted,
        "wouldBreak": one.would_break,
    }

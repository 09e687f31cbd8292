"""What was found before beside what is found now: a baseline's findings, and dependencies of two worlds.

A baseline says by names what was there when it was written, one entry for each finding and workload that it hits:

```
{"format": "netpol-preflight-baseline/1",
 "findings": [{"id": "NP102", "of": "deploy/shop/web", "about": "db.shop:5432/TCP", "count": 1}, ...]}
```
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from webhook.model.answers import Finding, Source, Verdict
from webhook.model.refs import WorkloadRef

FORMAT: Final = "netpol-preflight-baseline/1"
LARGEST: Final = 64 << 20  # bytes; 5,000 workloads with ten findings each take a tenth
_SHOWN: Final = 80  # characters of a foreign file that a message repeats
# What a finding is about where no dependency says so. Left out is what moves with other lines (a rule's or an item's
# number), what follows from the rest of the world (hints, counts, remedies), and words.
_TELLING: Final = (
    *("annotation", "item", "kind", "unserved", "problem", "namespace", "direction", "slip", "text", "block"),
    *("service", "port", "ports", "selector", "pods", "namespaces", "workload", "number", "target"),
)
_BY_FACTS: Final = frozenset({"NP203", "NP303"})  # a server's slip, whoever dials; an item, whatever its place


class Entry(Struct, frozen=True, order=True):
    """One thing that was found: which finding, of which workload or policies, and about what."""

    id: str
    of: str
    about: str = ""


def entries(finding: Finding) -> tuple[Entry, ...]:
    """Return what a finding says, an entry for each workload that it hits: others may come to be hit later."""
    facts = dict(finding.facts)
    told = "; ".join(facts[name] for name in _TELLING if facts.get(name))
    about = told if finding.dependency is None or (finding.id in _BY_FACTS and told) else finding.dependency
    policies = ", ".join(sorted({ref.titled for ref in finding.policies}))
    whose = [*map(str, finding.hits)] or [str(finding.workload or policies)]
    return tuple(Entry(finding.id, _encodable(one), _encodable(about)) for one in whose)


def _encodable(text: str) -> str:
    return text.encode(errors="replace").decode()


def fingerprints(findings: Sequence[Finding]) -> list[str]:
    """Return a name for each finding that stays when lines and files move: 64 hexadecimal digits, no two the same.

    Of several that say the same the first has the first name, and so on.
    """
    seen = Counter[tuple[Entry, ...]]()
    found = []
    for finding in findings:
        said = entries(finding)
        found.append(digest(*(part for one in said for part in (one.id, one.of, one.about)), str(seen[said])))
        seen[said] += 1
    return found


def digest(*parts: str) -> str:
    """Return a name for texts in this order."""
    return hashlib.sha256("\0".join(parts).encode(errors="replace")).hexdigest()


# -- the file ----------------------------------------------------------------------------------------------------------


class NotABaseline(Exception):  # noqa: N818 - what the file is
    """The file is no baseline that can be read; str() says why."""


class _Line(Struct):
    id: str
    of: str
    about: str = ""
    count: Annotated[int, Meta(ge=1)] = 1


class _File(Struct):
    format: str
    findings: list[_Line]


class _Head(Struct):
    format: str = ""


class Baseline(Struct, frozen=True):
    """How often each thing is accepted."""

    accepted: Counter[Entry]


def of(findings: Iterable[Finding]) -> Baseline:
    """Return the baseline that accepts all of `findings`."""
    return Baseline(Counter(entry for finding in findings for entry in entries(finding)))


def written(baseline: Baseline) -> bytes:
    """Return the file: sorted, an entry a line, so that two versions of it compare and merge well."""
    lines = (_Line(one.id, one.of, one.about, number) for one, number in sorted(baseline.accepted.items()))
    rows = ",\n".join(msgspec.json.format(msgspec.json.encode(line), indent=0).decode() for line in lines)
    return f'{{"format": "{FORMAT}",\n"findings": [\n{rows}\n]}}\n'.encode()


def read(data: bytes) -> Baseline:
    """Read a file's content. Raises NotABaseline."""
    if len(data) > LARGEST:
        raise NotABaseline(f"larger than {LARGEST >> 20} MiB")
    try:
        head = msgspec.json.decode(data, type=_Head)
        if head.format != FORMAT:
            raise NotABaseline(f"its format is `{_shown(head.format)}`: expected `{FORMAT}`, write it anew")
        file = msgspec.json.decode(data, type=_File)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotABaseline(_shown(str(error)[:1].lower() + str(error)[1:])) from error
    except RecursionError as error:
        raise NotABaseline("nested too deep") from error
    found = Counter[Entry]()
    for line in file.findings:
        found[Entry(line.id, line.of, line.about)] += line.count
    return Baseline(found)


def _shown(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text[:_SHOWN])


# -- what it makes of findings -----------------------------------------------------------------------------------------


class Sifted(Struct, frozen=True):
    """Findings beside a baseline: `new` ones, how many are `accepted`, and what it accepts that is not there."""

    new: tuple[Finding, ...]
    accepted: int = 0
    unmet: tuple[Entry, ...] = ()


def sift(findings: Iterable[Finding], baseline: Baseline) -> Sifted:
    """Take away what is accepted. A finding that hits several workloads is new where one of them is."""
    left = Counter(baseline.accepted)
    new, accepted = list[Finding](), 0
    for finding in findings:
        said = entries(finding)
        met = [entry for entry in said if left[entry] > 0]
        left.subtract(met)
        if len(met) == len(said):
            accepted += 1
        else:
            new.append(finding)
    return Sifted(tuple(new), accepted, tuple(_rest(left)))


def _rest(left: Counter[Entry]) -> Iterator[Entry]:
    return (entry for entry in sorted(left) if left[entry] > 0)


_ORDER: Final = {
    Verdict.ALLOWED: 0,
    Verdict.PARTIAL: 1,
    Verdict.DENIED: 2,
}  # what is unknown is neither better nor worse


class DependencyChange(Struct, frozen=True):
    """One dependency whose verdict changes. None: it is not declared in that world."""

    workload: WorkloadRef
    dependency: str
    source: Source
    before: Verdict | None
    after: Verdict | None

    @property
    def worsens(self) -> bool:
        """Whether something that passed before is surely dropped after, of what is declared, not inferred."""
        return self.source != "inferred" and self._drops

    @property
    def may_worsen(self) -> bool:
        """Whether that is so of what is inferred."""
        return self.source == "inferred" and self._drops

    @property
    def _drops(self) -> bool:
        if self.before not in _ORDER or self.after not in _ORDER:
            return False
        return _ORDER[self.after] > _ORDER[self.before]


Answer = tuple[WorkloadRef, str, Source, Verdict]


def dependency_changes(before: Iterable[Answer], after: Iterable[Answer]) -> tuple[DependencyChange, ...]:
    """Return the dependencies whose verdict is not the same in both, sorted: those that worsen first."""
    there, here = _worst(before), _worst(after)
    found = [
        DependencyChange(*key, source, *verdicts)
        for key, source, verdicts in _joined(there, here)
        if verdicts[0] is not verdicts[1]
    ]
    return tuple(sorted(found, key=lambda one: (not one.worsens, not one.may_worsen, one.workload, one.dependency)))


_Known = dict[tuple[WorkloadRef, str], tuple[Source, Verdict]]


def _worst(answers: Iterable[Answer]) -> _Known:
    """Return one answer for each dependency: what is written twice counts once, as its worst."""
    found: _Known = {}
    for workload, dependency, source, verdict in answers:
        known = found.get((workload, dependency))
        if known is None or _ORDER.get(verdict, 0) > _ORDER.get(known[1], 0):
            found[workload, dependency] = (source, verdict)
    return found


def _joined(
    there: _Known, here: _Known
) -> Iterator[tuple[tuple[WorkloadRef, str], Source, tuple[Verdict | None, Verdict | None]]]:
    for key in there.keys() | here.keys():
        old, new = there.get(key), here.get(key)
        source = (new or old or ("annotation", None))[0]
        yield key, source, (old[1] if old else None, new[1] if new else None)


def finding_changes(
    before: Iterable[Finding], after: Iterable[Finding]
) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
    """Return the findings that are new, and those that are gone."""
    there, here = ({_about(one): one for one in some} for some in (before, after))
    return (
        tuple(one for key, one in here.items() if key not in there),
        tuple(one for key, one in there.items() if key not in here),
    )


def _about(finding: Finding) -> tuple[object, ...]:
    """Return what stays the same when the same thing is found in another world; a policy's slip is its policy's."""
    return (*finding.identity, *(() if finding.workload else (finding.policies, finding.facts)))

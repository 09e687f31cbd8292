"""What a change does to declared dependencies: those of the world before beside those of the world after."""

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct

from webhook.model.answers import Finding, Source, Verdict
from webhook.model.refs import WorkloadRef

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

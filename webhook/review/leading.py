"""What of running workloads' declarations leads to what a change touches, read once for all of a namespace."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from webhook.dependencies import is_localhost, parse, resolve
from webhook.dependencies.grammar import MOST_ITEMS, items
from webhook.judge import Judged
from webhook.judge.remembered import Remembered
from webhook.judge.workload import declared, everybodys, judge_item, judge_look_up, may_lead
from webhook.model.answers import Declared, Dependency, NameTarget
from webhook.model.objects import Workload
from webhook.world import View
from webhook.world.workloads import Name, addressed

_FEW: Final = 50  # items of one workload, and words, that are looked for in its text before that is read


class Leading:
    """The dependencies of workloads that lead to one of `names`, in one view, judged without near misses."""

    def __init__(self, view: View, names: frozenset[Name]) -> None:
        """Start with nothing read."""
        self._view, self._names = view, names
        self._words = {name for _, name in names}
        self._read: dict[str, tuple[Dependency, ...]] = {}  # items of declarations, by their text
        self._found: dict[tuple[str, str], tuple[Dependency, ...]] = {}  # what of them leads there, by namespace
        self._named: dict[str, bool] = {}  # whether an item names anything

    def judged(self, workload: Workload, *, look_up: bool) -> Iterator[Judged]:
        """Yield the answer to each. `look_up`: to the look-up of workloads that declare a name, too."""
        remembered = Remembered(self._view, workload, often=True)
        for item in self._items(workload):
            yield judge_item(remembered, item)
        if look_up and self.looks_up(workload) and (dns := judge_look_up(remembered)) is not None:
            yield dns

    def looks_up(self, workload: Workload) -> bool:
        """Say whether a workload declares, or the configuration for it, what it looks up by a name."""
        view, known = self._view, self._named
        texts = () if workload.template.aliases else (note.text for note in workload.connects_to)
        for piece in islice((piece.strip() for text in texts for piece in _pieces(text)), MOST_ITEMS):
            view.budget.spend()
            if piece not in known:
                known[piece] = any(map(_is_name, parse(piece)))
            if known[piece]:
                return True
        every = (*(declared(workload) if workload.template.aliases else ()), *everybodys(view, workload))
        return any(
            _is_name(one) and resolve(view, workload, one).by_name for one in every if isinstance(one, Dependency)
        )

    def _items(self, workload: Workload) -> Iterator[Dependency]:
        """Yield what a workload declares that may lead to a name."""
        view = self._view
        texts = [note.text for note in workload.connects_to]
        if len(self._words) > _FEW or sum(text.count(",") + text.count("\n") for text in texts) >= _FEW:
            view.budget.spend(len(texts))
            yield from self._some(workload, (one for one in declared(workload) if isinstance(one, Dependency)))
        else:
            for text in texts:
                for piece in _pieces(text):
                    view.budget.spend()
                    yield from self._of_item(workload, piece.strip())
        if view.settings.everywhere:
            yield from self._some(workload, everybodys(view, workload))

    def _some(self, workload: Workload, every: Iterable[Dependency]) -> Iterator[Dependency]:
        return (one for one in every if may_lead(self._view, workload, one, self._names))

    def _of_item(self, workload: Workload, text: str) -> tuple[Dependency, ...]:
        """Return what one item says: nothing where it holds neither a word of a name nor an address."""
        read = self._read.get(text)
        if read is None:
            low = text.lower()
            wanted = addressed(low) or any(word in low for word in self._words)
            read = tuple(one for one in parse(text) if isinstance(one, Dependency)) if wanted else ()
            self._read[text] = read
        if not read:
            return ()
        key = workload.ref.namespace, text
        known = self._found.get(key)
        if known is None:
            known = self._found[key] = tuple(self._some(workload, read))
        return known


def _pieces(text: str) -> Iterable[str]:
    """Return the items of a declaration; where no URL is in it, they are what commas and lines part."""
    return items(text) if ":/" in text or "jdbc" in text.lower() else text.replace("\n", ",").split(",")


def _is_name(item: Declared) -> bool:
    target = item.target if isinstance(item, Dependency) else None
    return isinstance(target, NameTarget) and not is_localhost(target.host)

"""What a command found to where it is wanted: one format on standard output, others in files; pages; a baseline."""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from pathlib import Path, PurePath
from typing import Final

from msgspec import structs

import webhook
from webhook.cli.terminal import emit, folded, paint, say
from webhook.facade import UsageError
from webhook.manifests import STDIN, dump
from webhook.manifests.files import SUFFIXES
from webhook.model.answers import Location, Severity
from webhook.report import ci, text
from webhook.report.page import Parts
from webhook.report.safe import clean
from webhook.report.text import Paint, Run, Summary, plain
from webhook.review import compare

Renderers = Mapping[str, Callable[[Paint], str]]  # format -> what makes it
_THRESHOLD: Final = {"error": Severity.ERROR, "warning": Severity.WARNING, "info": Severity.INFO}
_MOST_UNMET: Final = 5  # that are named


def fails_from(word: str) -> Severity | None:
    """Return the least severity that `--fail-on` lets fail; None: none does."""
    return _THRESHOLD.get(word)


def deliver(arguments: argparse.Namespace, renderers: Renderers) -> None:
    """Write every output: those of `--output`, and `--format` on standard output. Raises UsageError."""
    wanted: list[tuple[str, str]] = [*arguments.output]
    files = [file for _, file in wanted]
    if arguments.format is not None or STDIN not in files:
        wanted.append((arguments.format or "text", STDIN))
        files.append(STDIN)
    if twice := next((file for file in files if files.count(file) > 1), None):
        where = "standard output" if twice == STDIN else f"`{clean(twice)}`"
        raise UsageError(f"two outputs go to {where}: expected another FILE for one of them")
    for name, file in wanted:
        if file == STDIN:
            emit(folded(renderers[name](paint())) if name == "text" else renderers[name](plain))
        else:
            _write(file, renderers[name](plain))


def _write(file: str, content: str) -> None:
    whole = content if not content or content.endswith("\n") else f"{content}\n"
    try:
        Path(file).write_text(whole, encoding="utf-8", errors="backslashreplace", newline="\n")
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot write `{clean(file)}`: {getattr(error, 'strerror', None) or error}") from error


def machine(run: Run) -> Renderers:
    """Return the formats of CI, which are the same for every command; their paths are those of the repository."""
    here = _relative(run)
    return {
        "github": lambda _: text.annotations(run.findings, run.failures),  # its runner finds any path's file
        "gitlab": lambda _: ci.code_quality(here),
        "junit": lambda _: ci.junit(here, dump),
        "markdown": lambda _: ci.comment(here, dump),
        "sarif": lambda _: _sarif(here),
    }


def _sarif(run: Run) -> str:
    from webhook.cli.explain import pages
    from webhook.report.sarif import sarif

    known = pages()

    def page(name: str) -> str:
        return known[name].read_text(encoding="utf-8") if name in known else ""

    return sarif(structs.replace(run, version=webhook.__version__), page, dump, insert_at)


def insert_at(location: Location) -> int | None:
    """Return before which line of a file another document fits: above the comments of the one that is there."""
    if not location.file.endswith(SUFFIXES[:-1]):
        return None
    try:
        lines = Path(location.file).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return None
    line = location.line
    if not 0 < line <= len(lines) or lines[line - 1].startswith(("---", "%")):
        return None
    while line > 1 and lines[line - 2].startswith("#"):
        line -= 1
    above = lines[line - 2].strip() if line > 1 else ""
    return line if not above or above.startswith("---") else None


def _relative(run: Run) -> Run:
    """Return a run whose paths begin where the command runs, as far as they lead below it."""
    top = Path.cwd()

    def short(file: str) -> str:
        path = PurePath(file)
        return (
            str(path.relative_to(top)) if path.is_absolute() and path.is_relative_to(top) else file.removeprefix("./")
        )

    def moved(place: Location) -> Location:
        return structs.replace(place, file=short(place.file), template=short(place.template))

    return structs.replace(
        run,
        findings=tuple(structs.replace(f, location=moved(f.location)) if f.location else f for f in run.findings),
        failures=tuple(structs.replace(one, file=short(one.file)) for one in run.failures),
        places={ref: moved(place) for ref, place in run.places.items()},
    )


# -- baselines ---------------------------------------------------------------------------------------------------------


def sifted(arguments: argparse.Namespace, run: Run) -> Run:
    """Return the run without what the baseline accepts; one that is written accepts all of it. Raises UsageError."""
    old = None if arguments.baseline is None else _read(arguments.baseline)
    if arguments.write_baseline is not None:
        known = compare.of(run.findings)
        _write(arguments.write_baseline, compare.written(known).decode())
        say(f"wrote a baseline of {text.count(len(run.findings), 'finding')} to {clean(arguments.write_baseline)}")
        old = known if old is None else compare.Baseline(known.accepted | old.accepted)
    if old is None:
        return run
    found = compare.sift(run.findings, old)
    say(f"note: the baseline accepts {text.count(found.accepted, 'finding')}")
    if found.unmet and arguments.write_baseline is None:
        say(f"note: {_unmet(found.unmet)}")
    summary = Summary.of(found.new, run.summary.checked, run.summary.skipped)
    return structs.replace(
        run, findings=found.new, summary=summary, compared=True, accepted=found.accepted, unmet=found.unmet
    )


def _unmet(entries: Sequence[compare.Entry]) -> str:
    named = ", ".join(clean(f"{one.id} of {one.of} ({one.about})") for one in entries[:_MOST_UNMET])
    more = f" and {len(entries) - _MOST_UNMET} more" if len(entries) > _MOST_UNMET else ""
    return f"no longer met, so that the baseline may be written anew: {named}{more}"


def _read(file: str) -> compare.Baseline:
    try:
        with sys.stdin.buffer if file == STDIN else Path(file).open("rb") as opened:
            return compare.read(opened.read(compare.LARGEST + 1))
    except (OSError, ValueError) as error:
        raise UsageError(f"--baseline {clean(file)}: {getattr(error, 'strerror', None) or error}") from error
    except compare.NotABaseline as error:
        raise UsageError(f"--baseline {clean(file)}: not a baseline that can be read: {error}") from error


_LAYOUT: Final = ("dagre.min.js", *(f"d3-{name}.min.js" for name in ("dispatch", "quadtree", "timer", "force")))
_PROGRAMS: Final = {  # page -> what runs in it, in this order
    "audit": (*_LAYOUT, "dom.js", "graph.js", "audit.js"),
    "matrix": ("dom.js", "matrix.js"),
}
_LICENCES: Final = {"audit": ("dagre", "d3"), "matrix": ()}  # of what is not our own


def parts(name: str) -> Parts:
    """Return the files of the page `name`, `audit` or `matrix`."""
    files = resources.files("webhook.report") / "assets"
    programs = _PROGRAMS[name]
    return Parts(
        body=(files / f"{name}.html").read_text(encoding="utf-8"),
        style="".join((files / style).read_text(encoding="utf-8") for style in ("page.css", f"{name}.css")),
        scripts=tuple((files / program).read_text(encoding="utf-8") for program in programs),
        licences=tuple((files / f"{name}.LICENSE").read_text(encoding="utf-8") for name in _LICENCES[name]),
    )

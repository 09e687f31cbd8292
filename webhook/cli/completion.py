"""`completion`: a script for the shell, and what may come next when the shell, or kubectl, asks for it.

The scripts are argcomplete's: at each Tab they run the program with `_ARGCOMPLETE` set, so that flags and values are
always those of the program that is installed.
"""

import argparse
import io
import os
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Final

import argcomplete
from argcomplete.completers import DirectoriesCompleter, FilesCompleter, SuppressCompleter
from argcomplete.shell_integration import shellcode

from webhook.cli.main import ASKED, PLUGIN, parser
from webhook.cli.terminal import emit

_PROGRAMS: Final = ("netpol-preflight", PLUGIN)
_NO_FILES: Final = 4  # cobra's ShellCompDirectiveNoFileComp, the contract of `kubectl_complete-*` programs


def run(arguments: argparse.Namespace) -> int:
    """Print the script."""
    emit(shellcode(_PROGRAMS, use_defaults=False, shell=arguments.shell))
    return 0


def answer() -> None:
    """Tell the shell what may come next, and end the process."""
    argcomplete.autocomplete(
        _completed(parser()), always_complete_options="long", default_completer=SuppressCompleter()
    )


def kubectl() -> int:
    """Tell kubectl what may come after its words, the last of which is being typed.

    kubectl's own completion asks whatever is called `kubectl_complete-netpol_preflight` on PATH.
    """
    words = sys.argv[1:]
    line = " ".join([_PROGRAMS[0], *map(shlex.quote, words[:-1]), *words[-1:]])
    os.environ |= {ASKED: "1", "COMP_LINE": line, "COMP_POINT": str(len(line))}
    os.environ |= {"_ARGCOMPLETE_SHELL": "fish", "_ARGCOMPLETE_IFS": "\n", "_ARGCOMPLETE_DFS": "\t"}
    os.environ["_ARGCOMPLETE_SUPPRESS_SPACE"] = "1"
    found = io.StringIO()
    argcomplete.autocomplete(
        _completed(parser()),
        always_complete_options="long",
        exit_method=_go_on,
        output_stream=found,
        default_completer=SuppressCompleter(),
    )
    emit(f"{found.getvalue()}\n:{_NO_FILES}".lstrip("\n"))
    return 0


def _go_on(_: int = 0) -> None:
    """Let the program end as others do."""


# -- what a flag takes -------------------------------------------------------------------------------------------------


_Completer = Callable[..., list[str] | Mapping[str, str]]


def _completed(whole: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Give every flag of every command what completes its value."""
    for action in _actions(whole):
        if action.choices is None and action.metavar is not None:
            action.completer = _completer(action)  # type: ignore[attr-defined]  # where argcomplete looks for it
    return whole


def _actions(whole: argparse.ArgumentParser) -> list[argparse.Action]:
    found: list[argparse.Action] = []
    for action in whole._actions:  # noqa: SLF001 - argparse names no other way to what it was given
        found.append(action)
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            found += [one for command in action.choices.values() for one in _actions(command)]
    return found


def _completer(action: argparse.Action) -> _Completer:
    """Return what completes a value, by what its flag calls it: `FILE|DIR|-`, `PATH|SNAPSHOT|cluster`, `NPxxx`."""
    if action.dest in _VALUES:
        return _VALUES[action.dest]
    if action.metavar == "W":
        return _workloads
    if isinstance(action.type, partial) and "formats" in action.type.keywords:
        return partial(_format_and_file, action.type.keywords["formats"])
    words = str(action.metavar).split("|")
    literal = [word for word in words if word.islower()]
    if words == ["DIR"]:
        return lambda prefix, **_: [*DirectoriesCompleter()(prefix)]
    if {"FILE", "DIR", "PATH"} & set(words):
        return lambda prefix, **_: [*literal, *FilesCompleter()(prefix)]
    return _nothing


def _format_and_file(formats: Iterable[str], prefix: str, **_: object) -> list[str]:
    """Return `sarif=` and its like, or with one of them typed the files behind it."""
    name, told, path = prefix.partition("=")
    return [f"{name}={one}" for one in FilesCompleter()(path)] if told else [f"{one}=" for one in formats]


def _nothing(**_: object) -> list[str]:
    return []


def _workloads(parsed_args: argparse.Namespace, **_: object) -> list[str]:
    """Return `deploy/web.shop` for each workload in the files that the line names. A cluster is not asked."""
    from webhook.facade import UsageError
    from webhook.facade.sources import CLUSTER, Sources, read_sources
    from webhook.manifests import STDIN
    from webhook.model.refs import SHORT_KINDS

    files, against = (
        [path for path in getattr(parsed_args, name, ()) if path not in {CLUSTER, STDIN}]
        for name in ("files", "against")
    )
    try:
        found = read_sources(Sources(files=files, against=against), datetime.now(UTC), judging=False)
    except UsageError:
        return []
    refs = (workload.ref for workload in found.world.workloads.every() if workload.owner is None)
    return sorted(f"{SHORT_KINDS.get(ref.kind, ref.kind)}/{ref.name}.{ref.namespace}" for ref in refs)


def _enforcers(**_: object) -> list[str]:
    from webhook.config.settings_from_file import CNIS

    return sorted(CNIS)


def _findings(**_: object) -> list[str]:
    from webhook.model.answers import DEFAULT_SEVERITY

    return sorted(DEFAULT_SEVERITY)


def _modes(**_: object) -> list[str]:
    from webhook.model.settings import Mode

    return [mode.value for mode in Mode]


_VALUES: Final[dict[str, _Completer]] = {"cni": _enforcers, "topic": _findings, "mode": _modes}

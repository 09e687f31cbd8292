"""From the command line to an exit code: 0 clean, 1 findings, 2 bad usage or unreadable input, 130 interrupted."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from importlib import import_module
from pathlib import PurePath
from typing import Any, Final, NoReturn

from webhook import __version__
from webhook.cli.commands import COMMANDS, examples
from webhook.cli.flags import add
from webhook.cli.terminal import say
from webhook.facade import UsageError

PLUGIN: Final = "kubectl-netpol_preflight"
BAD_USAGE: Final = 2
ASKED: Final = "_ARGCOMPLETE"  # set by a shell that asks what may come next, and by nobody else
_INTERRUPTED: Final = 130


class _Parser(argparse.ArgumentParser):
    def __init__(self, **keywords: Any) -> None:  # noqa: ANN401 - argparse's own
        super().__init__(**keywords, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_USAGE, f"{self.prog}: error: {_with_hint(message)}\nTry `{self.prog} --help`.\n")


def _utcnow() -> datetime:
    return datetime.now(UTC)


def main(arguments: Sequence[str] | None = None, clock: Callable[[], datetime] = _utcnow) -> int:
    """Run one command and return its exit code; argparse exits by itself for `--help` and bad usage.

    `clock` returns the time of day with its zone: by it exemptions end and snapshots age.
    """
    if ASKED in os.environ:
        import_module("webhook.cli.completion").answer()
    words = sys.argv[1:] if arguments is None else arguments
    if not words:
        parser().print_help(sys.stderr)
        return BAD_USAGE
    parsed = parser().parse_args(words)
    parsed.clock = clock
    try:
        code: int = import_module(f"webhook.cli.{parsed.command}").run(parsed)
    except UsageError as error:
        say(f"{program()}: error: {error}")
        return BAD_USAGE
    except KeyboardInterrupt:
        return _INTERRUPTED
    return code


def program() -> str:
    """Return what the user typed: a kubectl plugin is called by two words."""
    name = PurePath(sys.argv[0]).name
    return "kubectl netpol-preflight" if name == PLUGIN else "netpol-preflight"


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    made = _Parser(prog=program(), description="Says which NetworkPolicy will drop a workload's declared traffic.")
    made.add_argument("--version", action="version", version=f"netpol-preflight {__version__}")
    commands = made.add_subparsers(
        dest="command", metavar="COMMAND", required=True, title="commands", parser_class=_Parser
    )
    for name, purpose in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=purpose,
            description=f"{purpose[:1].upper()}{purpose[1:]}.",
            epilog=examples(name, program()),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        add(name, command)
    return made


def _with_hint(message: str) -> str:
    """Add the nearest command to argparse's complaint about an unknown one."""
    marker = "invalid choice: "
    if marker not in message or "COMMAND" not in message:
        return message
    word = message.partition(marker)[2].split("'")[1]
    close = get_close_matches(word, COMMANDS, n=1)
    return f"unknown command `{word}`" + (
        f", did you mean `{close[0]}`?" if close else f": expected {', '.join(COMMANDS)}"
    )

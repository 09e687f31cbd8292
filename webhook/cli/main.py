"""From the command line to an exit code: 0 clean, 1 findings, 2 bad usage or unreadable input, 130 interrupted.

What every command does, with examples of its use, is data, as `--help` and the pages print it.
"""

import argparse
import gc
import os
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from importlib import import_module
from pathlib import PurePath
from typing import Any, Final, NoReturn

from webhook import __version__
from webhook.cli.flags import add
from webhook.cli.terminal import say
from webhook.facade import UsageError

COMMANDS: Final = {  # name -> what it does
    "serve": "answer AdmissionReviews: the webhook",
    "check": "review manifests as the webhook would, policies included",
    "explain": "show one verdict step by step, or what a finding means: explain NP102",
    "fix": "print the policies to apply, as YAML for `kubectl apply -f -`",
    "audit": "judge every declared dependency of a cluster, of a snapshot or of files",
    "snapshot": "write what the evaluator needs of a cluster into a file, for use without it; never a Secret",
    "annotate": "write inferred dependencies into manifests as annotations; comments and order stay",
    "matrix": "show every connection that is open, between workloads and to addresses outside",
    "lockdown": "print all that namespaces need to be allowed, and a default deny, in the order to apply",
    "diff": "show what a change opens and closes, and which declared dependencies it loses",
    "bench": "measure the evaluator on this machine, in a world that is given or a made-up one",
    "demo": "play the story: a new service, two policies, a timeout, the fix",
    "completion": "print a script that completes commands, flags and values in bash, zsh or fish",
}

EXAMPLES: Final = {  # name -> what is wanted, and the line that does it
    "serve": (
        ("on this machine, against manifests in a folder", "netpol-preflight serve --source k8s/ --tls-dir certs/"),
        (
            "in a pod, for its cluster, rejecting where no namespace says otherwise",
            "netpol-preflight serve --source cluster --mode enforce --listen 0.0.0.0:10250 --tls-dir /certs",
        ),
    ),
    "check": (
        ("manifests in a folder", "netpol-preflight check -f k8s/"),
        ("against what is there already", "netpol-preflight check -f k8s/ --against cluster"),
        (
            "what is new since a baseline, for GitLab's merge request, too",
            "netpol-preflight check -f k8s/ --baseline netpol.json --output gitlab=gl-code-quality-report.json",
        ),
        ("what Kustomize makes, in a pull request", "netpol-preflight check -k overlays/prod --format github"),
        ("what Helm makes", "helm template web charts/web | netpol-preflight check -f -"),
        ("what deleting a policy takes", "netpol-preflight check --deleted -f old-policy.yaml --against cluster"),
    ),
    "explain": (
        (
            "one dependency",
            "netpol-preflight explain -f k8s/ --from deploy/web-api --to postgres:5432",
        ),
        (
            "what a client printed",
            "netpol-preflight explain --against cluster --from web-api --error 'dial tcp 10.0.1.5:5432: i/o timeout'",
        ),
        ("a finding", "netpol-preflight explain NP102"),
    ),
    "fix": (
        ("look at it first", "netpol-preflight fix -f k8s/"),
        ("and then apply it", "netpol-preflight fix -f k8s/ --against cluster | kubectl apply -f -"),
        (
            "let in clients of another namespace that name this server",
            "netpol-preflight fix -f db.yaml --against cluster --admit payments",
        ),
    ),
    "audit": (
        ("the cluster of the kubeconfig", "netpol-preflight audit"),
        ("a page to look at", "netpol-preflight audit --format html > audit.html"),
        ("a snapshot, without its cluster", "netpol-preflight audit --against cluster.json.gz"),
        ("with what was really seen", "netpol-preflight audit --observed flows.jsonl --since 36h"),
    ),
    "snapshot": (
        ("the whole cluster", "netpol-preflight snapshot -o cluster.json.gz"),
        (
            "two namespaces of another context",
            "netpol-preflight snapshot -o shop.json.gz -n shop -n data --context prod",
        ),
    ),
    "annotate": (
        ("show what would be written", "netpol-preflight annotate -f k8s/"),
        ("write it, with what a flow log shows", "netpol-preflight annotate -f k8s/ --observed flows.jsonl --write"),
    ),
    "matrix": (
        ("everything in a folder", "netpol-preflight matrix -f k8s/"),
        ("who reaches one workload", "netpol-preflight matrix --against cluster -n shop --focus deploy/web-api"),
        ("a picture", "netpol-preflight matrix -f k8s/ --group --format dot | dot -Tsvg"),
    ),
    "lockdown": (
        ("one namespace of the cluster", "netpol-preflight lockdown shop"),
        ("every one, as Calico's staged policies first", "netpol-preflight lockdown --all --family calico --staged"),
    ),
    "diff": (
        ("a branch and what it leaves", "netpol-preflight diff --before git:origin/main:k8s --after k8s/"),
        (
            "a folder laid over the cluster",
            "netpol-preflight diff --before cluster --after cluster --after k8s/ --format markdown",
        ),
    ),
    "bench": (
        ("a made-up world", "netpol-preflight bench"),
        ("a world of one's own", "netpol-preflight bench --against cluster.json.gz"),
    ),
    "demo": (("all of it, in half a minute", "netpol-preflight demo"),),
    "completion": (
        ("bash, from now on", 'eval "$(netpol-preflight completion bash)"'),
        ("zsh, in ~/.zshrc after compinit", 'eval "$(netpol-preflight completion zsh)"'),
        ("fish, for good", "netpol-preflight completion fish > ~/.config/fish/completions/netpol-preflight.fish"),
    ),
}


def examples(name: str, program: str) -> str:
    """Return the examples of a command as its `--help` ends with them."""
    lines = (f"  # {what}\n  {line.replace('netpol-preflight', program)}" for what, line in EXAMPLES[name])
    return "examples:\n" + "\n".join(lines)


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
    if parsed.command != "serve":
        gc.set_threshold(500_000, 20, 20)  # what is read and answered is there to the end: little of it is garbage
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

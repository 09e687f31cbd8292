"""From flags to a world, and what is to be judged in it."""

import argparse
import gc
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from typing import Final

from webhook.cli.terminal import progress, say
from webhook.facade import UsageError
from webhook.facade.sources import CLUSTER, Gathered, Sources, read_sources
from webhook.manifests import Content
from webhook.report import text
from webhook.report.safe import clean, clip


def gather(arguments: argparse.Namespace, *, judging: bool = True) -> Gathered:
    """Read all that the flags name; what cannot be read is said on standard error. Raises UsageError.

    `judging`: there has to be something to judge, not just a world to ask.
    """
    judged = arguments.files or arguments.kustomize or arguments.helm
    if not judged and (judging or not arguments.against):
        raise UsageError("nothing to read: expected `-f FILE`, `-f DIR`, `-f -` or `-k DIR`")
    sources = Sources(
        files=arguments.files,
        made=built(arguments),
        against=arguments.against,
        namespace=arguments.namespace,
        exclude=arguments.exclude,
        config=arguments.config,
        cni=arguments.cni,
        dns=arguments.dns,
        admit=arguments.admit,
        kubeconfig=arguments.kubeconfig,
        context=arguments.context,
        deleted=getattr(arguments, "deleted", False),
    )
    if CLUSTER in sources.against:
        with progress("reading the cluster") as told:
            found = read_sources(sources, arguments.clock(), told, judging=judging)
    else:
        found = read_sources(sources, arguments.clock(), judging=judging)
    _spare_gc()
    for note in found.notes:
        say(f"note: {note}")
    for failure in found.failures:
        say(text.failure(failure))
    return found


def _spare_gc() -> None:
    """Take what was read out of the garbage collector's sight: it is there to the end.

    Looking through it again and again takes a fifth of the time of an audit of a large cluster.
    """
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)  # answers are not garbage, either: it looks after as many new ones


# -- what Kustomize and Helm make of a folder, where their programs are on PATH ----------------------------------------


_SECONDS: Final = 120  # a base may be on another machine
_SHOWN: Final = 500  # characters of what a program complains about
_BUILDERS: Final = (("kustomize", "build"), ("kubectl", "kustomize"))


def built(arguments: argparse.Namespace) -> Iterator[Content]:
    """Yield what `-k` and `--helm` name, as made; a program is run when its turn comes. Raises UsageError."""
    yield from (_run(_kustomize(folder), folder) for folder in arguments.kustomize)
    yield from (_run(_helm(folder, arguments.namespace), folder) for folder in arguments.helm)


def _kustomize(folder: str) -> Sequence[str]:
    for program, word in _BUILDERS:
        if found := shutil.which(program):
            return (found, word, folder)
    raise UsageError("-k: expected `kustomize` or `kubectl` on PATH")


def _helm(folder: str, namespace: str) -> Sequence[str]:
    found = shutil.which("helm")
    if found is None:
        raise UsageError("--helm: expected `helm` on PATH")
    return (found, "template", "release-name", folder, "--namespace", namespace)


def _run(command: Sequence[str], folder: str) -> Content:
    """Return what a program prints; what it complains about is the reason for there being nothing."""
    if not os.path.isdir(folder):  # noqa: PTH112 - a path is shown as it was typed
        raise UsageError(f"cannot read `{clean(folder)}`: it is no folder")
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and the folder is the person's own
            command, capture_output=True, check=False, timeout=_SECONDS, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(f"{_shown(command)}: {clean(str(error))}") from error
    if done.returncode != 0:
        why = clip(clean(" ".join(done.stderr.decode(errors="replace").split())), _SHOWN)
        raise UsageError(f"{_shown(command)}: {why or f'ended with {done.returncode}'}")
    return Content(folder, done.stdout)


def _shown(command: Sequence[str]) -> str:
    return clean(" ".join((os.path.basename(command[0]), *command[1:])))  # noqa: PTH119 - as PATH has it

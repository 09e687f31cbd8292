"""From flags to a world and what is to be judged in it."""

import argparse
import sys
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from webhook import config
from webhook.cli.terminal import say
from webhook.cli.usage import UsageError
from webhook.manifests import STDIN, Broken, NoSuchPath, read
from webhook.model.settings import Settings
from webhook.report import text
from webhook.report.run import Failure
from webhook.wiring.inputs import Inputs, Subject, read_inputs, subjects
from webhook.world import Put, World

CLUSTER: Final = "cluster"


class Gathered(Struct, frozen=True):
    """A world and what to judge in it."""

    world: World
    subjects: tuple[Subject, ...]
    failures: tuple[Failure, ...]
    skipped: int


def gather(arguments: argparse.Namespace, *, judging: bool = True) -> Gathered:
    """Read all that the flags name; what cannot be read is said on standard error. Raises UsageError.

    `judging`: there has to be something to judge, not just a world to ask.
    """
    if not arguments.files and (judging or not arguments.against):
        raise UsageError("nothing to read: expected `-f FILE`, `-f DIR` or `-f -`")
    if STDIN in arguments.files and STDIN in arguments.against:
        raise UsageError("standard input can be read once: expected `-` in one of `-f` and `--against`")
    settings = read_settings(arguments.config, arguments.cni, live=CLUSTER in arguments.against)
    there = _inputs([path for path in arguments.against if path != CLUSTER], arguments.namespace)
    judged = _inputs(arguments.files, arguments.namespace)
    world = _cluster(arguments, settings) if CLUSTER in arguments.against else World(settings, complete=False)
    world.apply(Put(value) for value, _ in (*there.values, *judged.values))
    failures = tuple(sorted((*there.failures, *there.problems, *judged.failures, *judged.problems)))
    for failure in failures:
        say(text.failure(failure))
    return Gathered(world, subjects(judged.values), failures, judged.skipped)


def _cluster(arguments: argparse.Namespace, settings: Settings) -> World:
    """Read the cluster that the flags name. Without one of the kinds that decide there is no answer."""
    import asyncio

    from webhook.cluster.errors import ClusterError
    from webhook.wiring.live import OPTIONAL, Access, read_cluster

    try:
        world, missing = asyncio.run(read_cluster(Access(arguments.kubeconfig, arguments.context), settings))
    except ClusterError as error:
        raise UsageError(f"--against cluster: {error}") from error
    for kind, reason in missing.items():
        if kind.name not in OPTIONAL:
            raise UsageError(f"--against cluster: {kind} cannot be read: {reason}")
        say(f"note: {kind} cannot be read: {reason}")
    return world


def read_settings(path: str | None, cni: str | None, mode: str | None = None, *, live: bool = False) -> Settings:
    """Return the settings of the flags over those of the configuration file `path`. Raises UsageError."""
    try:
        file = config.read_file(_content(path)) if path else config.NO_FILE
    except config.Invalid as error:
        raise UsageError(f"{path}: {error}") from error
    try:
        return config.settings(mode, cni, live=live, file=file)
    except config.Invalid as error:
        raise UsageError(str(error)) from error


def _content(path: str) -> object:
    try:
        documents = list(read([path], sys.stdin.buffer))
    except NoSuchPath as error:
        raise UsageError(f"--config: {error}") from error
    if len(documents) > 1:
        raise UsageError(f"{path}: expected one document, not {len(documents)}")
    for document in documents:
        if isinstance(document, Broken):
            raise UsageError(str(document))
        return document.raw
    return None


def _inputs(paths: Sequence[str], namespace: str) -> Inputs:
    try:
        return read_inputs(paths, sys.stdin.buffer, namespace) if paths else Inputs()
    except NoSuchPath as error:
        raise UsageError(str(error)) from error

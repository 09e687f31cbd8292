"""From flags to a world, and what is to be judged in it."""

import argparse

from webhook.cli.build import built
from webhook.cli.progress import progress
from webhook.cli.terminal import say
from webhook.facade.sources import CLUSTER, Gathered, Sources, read_sources
from webhook.facade.usage import UsageError
from webhook.report import text


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
    )
    if CLUSTER in sources.against:
        with progress("reading the cluster") as told:
            found = read_sources(sources, arguments.clock(), told, judging=judging)
    else:
        found = read_sources(sources, arguments.clock(), judging=judging)
    for note in found.notes:
        say(f"note: {note}")
    for failure in found.failures:
        say(text.failure(failure))
    return found

"""`matrix`: every connection that is open."""

import argparse

from msgspec import structs

from webhook.cli.gather import gather
from webhook.cli.terminal import colour, emit, progress, tabulate
from webhook.facade.sources import asked
from webhook.matrix import Matrix, matrix
from webhook.report import json_, matrix_text


def run(arguments: argparse.Namespace) -> int:
    """Print connections; 2 where something could not be read."""
    gathered = gather(arguments, judging=False)
    counted = arguments.unknown or arguments.format in {"text", "html"}  # whose last line says how many there are
    with progress("finding connections", counted=False):
        found = matrix(gathered.world, unknown=counted)
        every = asked(found, arguments.focus, arguments.namespace, group=arguments.group)
    whole = every if arguments.unknown else structs.replace(every, unknown=None)
    match arguments.format:
        case "json":
            emit(json_.matrix(whole, gathered.failures, gathered.skipped))
        case "dot":
            emit(matrix_text.dot(whole))
        case "markdown":
            emit(matrix_text.markdown(whole))
        case "html":
            from webhook.cli.outputs import parts
            from webhook.report import matrix_picture

            emit(matrix_picture.html(whole, parts("matrix"), gathered.failures, _hidden(every, whole)))
        case "svg":
            from webhook.report import matrix_picture

            emit(matrix_picture.svg(whole))
        case _:
            drawn = tabulate if colour() else None
            hidden = _hidden(every, whole)
            emit(matrix_text.text(whole, gathered.failures, gathered.skipped, tabulate=drawn, hidden=hidden))
    return 2 if gathered.failures else 0


def _hidden(every: Matrix, whole: Matrix) -> int:
    """Return how many connections that cannot be told are left out."""
    return 0 if whole.unknown is not None or every.unknown is None else sum(1 for _ in every.rows(every.unknown))

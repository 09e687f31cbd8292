"""`matrix`: every connection that is open."""

import argparse

from webhook.cli.gather import gather
from webhook.cli.names import find_ref
from webhook.cli.terminal import colour, emit
from webhook.matrix import Matrix, focused, fold, matrix
from webhook.model.refs import WorkloadRef
from webhook.report import matrix_dot, matrix_json, matrix_table, text


def run(arguments: argparse.Namespace) -> int:
    """Print connections; 2 where something could not be read."""
    gathered = gather(arguments, judging=False)
    whole = _asked(matrix(gathered.world, unknown=arguments.unknown), arguments)
    match arguments.format:
        case "json":
            emit(matrix_json.matrix(whole, gathered.failures, gathered.skipped))
        case "dot":
            emit(matrix_dot.dot(whole))
        case "markdown":
            emit(matrix_table.markdown(whole))
        case _:
            paint = text.coloured if colour() else text.plain
            emit(matrix_table.text(whole, gathered.failures, gathered.skipped, paint))
    return 2 if gathered.failures else 0


def _asked(whole: Matrix, arguments: argparse.Namespace) -> Matrix:
    """Return the rows that the flags ask for. Raises UsageError."""
    if arguments.focus is not None:
        refs = [one for one in whole.parties if isinstance(one, WorkloadRef)]
        whole = focused(whole, refs.index(find_ref(arguments.focus, refs, arguments.namespace)))
    return fold(whole) if arguments.group else whole

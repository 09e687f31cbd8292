"""Kills process groups when its standard input ends, that is when the interpreter that wrote to it has ended.

A program of its own, so that a test run that is killed leaves no control plane behind. A line `+GROUP` adds a group,
`-GROUP` removes it.
"""

import contextlib
import os
import signal
import sys


def main() -> None:
    """Read to the end, then kill."""
    groups: set[int] = set()
    for line in sys.stdin:
        (groups.add if line.startswith("+") else groups.discard)(int(line[1:]))
    for group in groups:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()

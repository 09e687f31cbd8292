"""The control plane's processes: each in a process group of its own, none of which outlives this interpreter."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.support.patience import PATIENCE

STOP_TIMEOUT = 5.0  # seconds between asking and killing
# Below what kernels give to outgoing connections, so that a stopped server's port stays free for its restart.
PORTS = range(20000, 32000)


def free_port() -> int:
    """Return a loopback port that nothing listens on."""
    for port in random.sample(PORTS, 200):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"no free port in {PORTS.start}-{PORTS.stop - 1}")


class Leash:
    """A process that kills the groups it was told of when this interpreter ends, however it ends."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(Path(__file__).with_name("leash.py"))],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def hold(self, group: int) -> None:
        """Kill this group in the end."""
        self._tell(f"+{group}")

    def release(self, group: int) -> None:
        """Forget this group: it is gone, and its number may come to belong to somebody else."""
        self._tell(f"-{group}")

    def close(self) -> None:
        """Kill what is still held, and end."""
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait(PATIENCE)

    def _tell(self, line: str) -> None:
        if self._process.stdin:
            self._process.stdin.write(f"{line}\n".encode())
            self._process.stdin.flush()


class Process:
    """A program with its log file; it can be started again after it was stopped."""

    def __init__(self, arguments: Sequence[str | Path], log: Path, leash: Leash) -> None:
        self.name = Path(arguments[0]).name
        self.log = log
        self._arguments = arguments
        self._leash = leash
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process's id, which is its group's too, while it was started and not stopped."""
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended by itself."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it; its output is appended to the log."""
        if self._process:
            raise RuntimeError(f"{self.name} is already started")
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self._arguments,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env={"PATH": os.environ.get("PATH", ""), "HOME": str(self.log.parent)},
            )
        self._leash.hold(self._process.pid)

    def stop(self, *, gently: bool = True) -> None:
        """Stop it and its group: by SIGTERM first if `gently`, and return when it is gone."""
        if not self._process:
            return
        if gently and self.running:
            os.killpg(self._process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_TIMEOUT)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(PATIENCE)
        self._leash.release(self._process.pid)
        self._process = None

    def tail(self, lines: int = 15) -> str:
        """Return the end of its log."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])

"""The program in this process, in one of its own, and as a server."""

import json
import os
import pty
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import webhook
from tests.support.patience import PATIENCE

STORY = Path(webhook.__file__).parent / "story"


PROGRAM = (sys.executable, "-m", "webhook")


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        decoded: dict[str, Any] = json.loads(self.out)
        return decoded


Run = Callable[..., Done]


def spawn(*arguments: object, stdin: bytes = b"", **environment: str) -> Done:
    """Run a command in a process of its own."""
    done = subprocess.run(
        [*PROGRAM, *map(str, arguments)],
        input=stdin,
        capture_output=True,
        check=False,
        env={**os.environ, **environment},
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


def shown(*arguments: object, **environment: str) -> tuple[int, bytes, str]:
    """Run a command whose standard error is a terminal; return its code, its output, and what the terminal got."""
    master, slave = pty.openpty()
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "100", **environment}
    command = [*PROGRAM, *map(str, arguments)]
    with (
        tempfile.TemporaryFile() as out,  # a pipe that nobody reads meanwhile would hold up the command
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=slave, env=env) as process,
    ):
        os.close(slave)
        screen = b"".join(_read(master))
        code = process.wait()
        out.seek(0)
        said = out.read()
    os.close(master)
    return code, said, screen.decode()


def drawn(*arguments: object, **environment: str) -> str:
    """Run a command at a terminal of 60 columns; return what the terminal got of its output."""
    master, slave = pty.openpty()
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "60", **environment}
    env.pop("NO_COLOR", None) if "NO_COLOR" not in environment else None
    command = [*PROGRAM, *map(str, arguments)]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=slave, stderr=subprocess.DEVNULL, env=env
    ) as process:
        os.close(slave)
        screen = b"".join(_read(master))
        process.wait()
    os.close(master)
    return screen.decode().replace("\r\n", "\n")


def _read(master: int) -> list[bytes]:
    """Read until nobody has the other end open any more."""
    parts: list[bytes] = []
    while True:
        try:
            part = os.read(master, 65_536)
        except OSError:  # EIO: how Linux says so
            return parts
        if not part:
            return parts
        parts.append(part)


class Served(NamedTuple):
    """A webhook that runs."""

    process: subprocess.Popen[str]
    address: str
    ca: Path

    def get(self, path: str) -> str:
        place = urlsplit(self.address)
        context = ssl.create_default_context(cafile=str(self.ca))
        connection = HTTPSConnection(place.hostname or "", place.port, context=context, timeout=PATIENCE)
        with closing(connection):
            connection.request("GET", path)
            return connection.getresponse().read().decode()


@contextmanager
def served(source: object, tls: Path, *flags: str) -> Generator[Served]:
    command = [*PROGRAM, "serve", "--source", str(source), "--listen", "127.0.0.1:0", "--tls-dir", str(tls), *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            line = process.stdout.readline()
            assert line.startswith("ready https://127.0.0.1:"), process.stderr and process.stderr.read()
            yield Served(process, line.split()[1], tls / "ca.crt")
        finally:
            process.kill()


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)

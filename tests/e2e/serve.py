"""`netpol-preflight serve` as a process, and what can be asked of it from outside."""

import base64
import http.client
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.patience import PATIENCE
from tests.testbed.processes import Leash, free_port

READY_TIMEOUT = PATIENCE  # it takes 2 s on an idle machine
STOP_TIMEOUT = PATIENCE


class Serve:
    """One process; its world is the cluster of the kubeconfig, its certificate one of its own making."""

    def __init__(self, directory: Path, kubeconfig: Path, *arguments: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.output = directory / "serve.out"
        self.log = directory / "serve.log"
        self.tls = directory / "tls"
        # A free port that is known beforehand: probes are asked also of a process that never says it is ready.
        self.health = free_port()
        self._command = [
            *(sys.executable, "-m", "webhook", "serve", "--source", "cluster", "--kubeconfig", str(kubeconfig)),
            *("--cni", "generic", "--tls-dir", str(self.tls), "--listen", "127.0.0.1:0"),
            *("--health-listen", f"127.0.0.1:{self.health}", *arguments),
        ]
        self._leash = Leash()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and return at once."""
        # The minimum of an environment: nothing of the person who runs the tests leads to a cluster of theirs.
        environment = {"PATH": os.environ.get("PATH", ""), "HOME": str(self.log.parent), "PYTHONUNBUFFERED": "1"}
        with self.output.open("wb") as output, self.log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=log,
                env=environment,
                start_new_session=True,
                cwd=Path(__file__).parents[2],
            )
        self._leash.hold(self._process.pid)

    def wait_ready(self) -> None:
        """Return when it has said that it is ready; raises AssertionError with its log."""
        self._await(lambda: bool(self._said()), "say that it is ready")

    def wait_answering(self) -> None:
        """Return when its probes answer, ready or not; raises AssertionError with its log."""
        self._await(lambda: self.get("/livez") is not None, "answer probes")

    @property
    def url(self) -> str:
        """Where it serves, `https://HOST:PORT`, as it said itself."""
        return self._said().removeprefix("ready ")

    @property
    def port(self) -> int:
        """The port of `url`."""
        return int(self.url.rpartition(":")[2])

    @property
    def ca_bundle(self) -> str:
        """What an API server needs to trust it."""
        return base64.b64encode((self.tls / "ca.crt").read_bytes()).decode()

    def get(self, path: str) -> tuple[int, str] | None:
        """Ask a probe; None where nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.health, timeout=PATIENCE)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        except ConnectionError:
            return None
        finally:
            connection.close()

    def keep_open(self) -> http.client.HTTPSConnection:
        """Return a connection over TLS that has had an answer and stays open, as an API server's does."""
        context = ssl.create_default_context(cafile=str(self.tls / "ca.crt"))
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=PATIENCE, context=context)
        connection.request("GET", "/livez")
        assert connection.getresponse().read() == b"ok"
        return connection

    def terminate(self) -> int:
        """Ask it to stop as a kubelet does, and return its exit code."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGTERM)
        try:
            return self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still runs {STOP_TIMEOUT:g} s after SIGTERM; its log:\n{self.tail()}") from None

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Keep it from running, as a machine that hangs does."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._process.pid, signal.SIGCONT)

    def close(self) -> None:
        """End it if it still runs, by force."""
        if self._process and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(STOP_TIMEOUT)
        self._leash.close()

    def tail(self) -> str:
        """Return the end of its log."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-40:])

    def _said(self) -> str:
        text = self.output.read_text(encoding="utf-8")
        return text.partition("\n")[0] if "\n" in text else ""

    def _await(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + READY_TIMEOUT
        while not condition():
            assert self._process is not None
            code = self._process.poll()
            if code is not None or time.monotonic() > deadline:
                ended = "waited in vain for it" if code is None else f"it ended with {code} instead"
                raise AssertionError(f"serve did not {what}: {ended}; its log:\n{self.tail()}")
            time.sleep(0.05)

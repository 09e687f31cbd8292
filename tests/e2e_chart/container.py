"""One pod's first container as a process on loopback: started, probed, told to stop, as its spec says."""

import http.client
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.e2e_chart.volumes import Object, kubeconfig, mounts, rewritten
from tests.testbed.control_plane import ControlPlane
from tests.testbed.processes import Leash, free_port

PROBE_SECONDS = 0.5  # faster than the chart's periods: a test waits for nothing else
_PROGRAM = Path(sys.executable).with_name("netpol-preflight")  # the image's entry point


class Container:
    """The process; its ports are free ones, `ports[containerPort]`."""

    def __init__(self, control_plane: ControlPlane, pod: Object, directory: Path, resolver: Path) -> None:
        """`resolver` is a directory whose sitecustomize.py plays the cluster's DNS. Raises NotYetError."""
        directory.mkdir(parents=True, exist_ok=True)
        self.pod = pod
        self.spec: Object = pod["spec"]["containers"][0]
        self.log = directory / "log"
        self.output = directory / "out"
        self.ports = {one["containerPort"]: free_port() for one in self.spec.get("ports", [])}
        self.ready = False
        self._probed = self._failures = 0.0
        self._asked_to_stop: float | None = None
        self._signalled = False
        places = mounts(control_plane, pod, directory)
        token = kubeconfig(control_plane, pod, directory)
        program = sys.executable if "command" in self.spec else str(_PROGRAM)
        words = [*self.spec.get("command", [])[1:], *self.spec.get("args", [])]
        self._command = [program, *(rewritten(word, places, self.ports) for word in words)]
        self._environment = {
            # Nothing of the person who runs the tests; the rest is what the image and the spec set.
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(places.get("/tmp", directory)),  # noqa: S108 - the mount path
            "TMPDIR": str(places.get("/tmp", directory)),  # noqa: S108 - the mount path
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": str(resolver),
            **({"KUBECONFIG": str(token)} if token else {}),
            **{one["name"]: _value(one, pod) for one in self.spec.get("env", [])},
        }
        self._directory = directory
        self._leash = Leash()
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        with self.output.open("ab") as output, self.log.open("ab") as log:
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=log,
                env=self._environment,
                start_new_session=True,
                cwd=self._directory,
            )
        self._leash.hold(process.pid)
        return process

    @property
    def code(self) -> int | None:
        """How it ended; None while it runs."""
        return self._process.poll()

    def probe(self) -> bool:
        """Ask the readiness probe, if it is time; returns whether `ready` changed."""
        path = self.spec.get("readinessProbe", {}).get("httpGet", {}).get("path")
        if not path or time.monotonic() - self._probed < PROBE_SECONDS:
            return False
        self._probed = time.monotonic()
        status = self.get(path)
        self._failures = 0 if status and status[0] < 400 else self._failures + 1
        threshold = self.spec["readinessProbe"].get("failureThreshold", 3)
        before, self.ready = self.ready, self._failures == 0 or (self.ready and self._failures < threshold)
        return before != self.ready

    def get(self, path: str) -> tuple[int, str] | None:
        """Ask the port named health; None where nobody answers."""
        (port,) = [one["containerPort"] for one in self.spec["ports"] if one["name"] == "health"]
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[port], timeout=5)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        except OSError:
            return None
        finally:
            connection.close()

    def stop(self) -> bool:
        """Do what is due of a graceful end: the preStop sleep, SIGTERM, in the end SIGKILL. True when it has ended."""
        now = time.monotonic()
        if self._asked_to_stop is None:
            self._asked_to_stop = now
        sleep = self.spec.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        if self.code is None and not self._signalled and now - self._asked_to_stop >= sleep:
            self._signalled = True
            os.kill(self._process.pid, signal.SIGTERM)
        if self.code is None and now - self._asked_to_stop > self.pod["spec"]["terminationGracePeriodSeconds"]:
            self.kill()
        return self.code is not None

    def kill(self) -> None:
        """End it by force, as a node's failure does."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(5)

    def close(self) -> None:
        """Leave nothing behind."""
        self.kill()
        self._leash.close()

    def tail(self) -> str:
        """Return the end of its log."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-40:])


def _value(variable: Object, pod: Object) -> str:
    if "valueFrom" not in variable:
        return str(variable.get("value", ""))
    value: Any = pod
    for key in variable["valueFrom"]["fieldRef"]["fieldPath"].split("."):
        value = value[key]
    return str(value)

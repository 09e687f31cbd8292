"""Whole processes as a person waits for them: `check` on a folder of 20 documents, and `--help`."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from tests.benchmarks.results import Result, timed
from tests.benchmarks.synthetic import Raw
from webhook.manifests import dump

CHECK_SECONDS: Final = 0.5
HELP_SECONDS: Final = 0.2
APPS: Final = 6
DOCUMENTS: Final = 20
ROOT: Final = Path(__file__).resolve().parents[2]
_PROGRAM: Final = (sys.executable, "-m", "webhook")


def folder() -> list[Raw]:
    """Return what a repository's folder holds: a namespace, a default deny, six applications with all they need."""
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
    deny = _policy("default-deny", {"podSelector": {}, "policyTypes": ["Ingress"]})
    documents = [space, deny]
    for index in range(APPS):
        labels, before = {"app": f"app-{index}"}, f"app-{index - 1}"
        notes = {"netpol-preflight.io/connects-to": f"{before}:80"} if index else {}
        container = {"name": "main", "image": "app:1", "ports": [{"name": "http", "containerPort": 8080}]}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
        rule = {"from": [{"podSelector": {"matchLabels": {"app": f"app-{index + 1}"}}}], "ports": [{"port": "http"}]}
        documents += [
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": f"app-{index}", "namespace": "shop", "annotations": notes},
                "spec": {"selector": {"matchLabels": labels}, "template": template},
            },
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": f"app-{index}", "namespace": "shop"},
                "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": "http"}]},
            },
            _policy(f"app-{index}", {"podSelector": {"matchLabels": labels}, "ingress": [rule]}),
        ]
    return documents


def _policy(name: str, spec: Raw) -> Raw:
    metadata = {"name": name, "namespace": "shop"}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}


def measure(names: Sequence[str], times: int) -> list[Result]:
    """Run each command `times` times, taking turns, with a Python that does nothing beside them."""
    with tempfile.TemporaryDirectory(prefix="netpol-preflight-benchmark-") as place:
        for number, document in enumerate(folder()):
            Path(place, f"{number:02}.yaml").write_text(dump([document]), encoding="utf-8")
        commands = {
            "check": (*_PROGRAM, "check", "-f", place),
            "help": (*_PROGRAM, "--help"),
            "python": (sys.executable, "-c", "pass"),
        }
        chosen = {name: commands[name] for name in ("python", *names)}
        _right(commands["check"])
        wall: dict[str, list[float]] = {name: [] for name in chosen}
        cpu: dict[str, list[float]] = {name: [] for name in chosen}
        for _ in range(times):
            for name, command in chosen.items():
                seconds, used = _run(command)
                wall[name].append(seconds)
                cpu[name].append(used)
    return [_row(name, wall[name], cpu[name]) for name in chosen]


def _right(check: Sequence[str]) -> None:
    """Refuse to time a `check` that did not judge what it was given."""
    done = subprocess.run((*check, "--format", "json"), stdout=subprocess.PIPE, cwd=ROOT, check=True)
    summary = msgspec.json.decode(done.stdout)["summary"]
    if summary["checked"] != APPS or summary["error"] or len(folder()) != DOCUMENTS:
        raise RuntimeError(f"check did something else: {summary}")


def _run(command: Sequence[str]) -> tuple[float, float]:
    """Return (seconds, processor seconds) of one process from its start to its end."""
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=ROOT) as process:
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command[1:]} ended with exit code {process.returncode}")
    return seconds, usage.ru_utime + usage.ru_stime


_NAMES: Final = {
    "check": f"check: {DOCUMENTS} documents",
    "help": "help: --help",
    "python": "an interpreter that does nothing",
}
_TARGETS: Final = {"check": CHECK_SECONDS, "help": HELP_SECONDS}


def _row(name: str, wall: Sequence[float], cpu: Sequence[float]) -> Result:
    row = timed(_NAMES[name], "ms", wall, 1e3)
    row.cpu_ms = sorted(cpu)[len(cpu) // 2] * 1e3
    if name in _TARGETS:
        row.target, row.met = f"p50 under {_TARGETS[name] * 1e3:g} ms", row.p50 < _TARGETS[name] * 1e3
    return row

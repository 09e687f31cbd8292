"""`demo`: the story in two acts, played by the real programs: a webhook is started for each, asked twice, and stopped.

In the first the one who deploys into a closed namespace is told what will not get through; in the second the one who
closes it is told who loses by it.
"""

import argparse
import http.client
import json
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from msgspec import Struct

from webhook.cli.terminal import emit, paint
from webhook.facade import UsageError
from webhook.manifests import Document, dump, read
from webhook.report.text import Paint

# -- asks the webhook for a review, as the API server would ------------------------------------------------------------


_REVIEW_SECONDS = 10


class Reply(Struct, frozen=True):
    """What the webhook said about `what`."""

    what: str
    allowed: bool
    warnings: tuple[str, ...]
    message: str


def review_of(address: str, manifest: Path, ca: Path) -> Reply:
    """Send the one object of `manifest` as a CREATE to `address`/validate, trusting `ca`. Raises UsageError."""
    raw = _object(manifest)
    group, _, version = raw["apiVersion"].rpartition("/")
    word = raw["kind"].lower()
    resource = f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"
    metadata = raw["metadata"]
    request = {
        "uid": "00000000-0000-4000-8000-000000000001",
        "kind": {"group": group, "version": version, "kind": raw["kind"]},
        "resource": {"group": group, "version": version, "resource": resource},
        "operation": "CREATE",
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "object": raw,
        "dryRun": False,
    }
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    response = _post(address, json.dumps(review).encode(), ca)["response"]
    return Reply(
        what=f"{raw['kind'].lower()}.{group}/{metadata['name']}",
        allowed=response["allowed"],
        warnings=tuple(response.get("warnings", ())),
        message=response.get("status", {}).get("message", ""),
    )


def _object(manifest: Path) -> dict[str, Any]:
    with manifest.open("rb") as unused:
        (document,) = read([str(manifest)], unused)
    if not isinstance(document, Document):
        raise UsageError(f"{manifest}: expected one object")
    return document.raw


def _post(address: str, body: bytes, ca: Path) -> dict[str, Any]:
    place = urlsplit(address)
    context = ssl.create_default_context(cafile=str(ca))
    connection = http.client.HTTPSConnection(place.hostname or "", place.port, context=context, timeout=_REVIEW_SECONDS)
    try:
        connection.request("POST", "/validate?timeout=10s", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != http.client.OK:
            raise UsageError(f"{address} answered {answer.status}: {content.decode(errors='replace').strip()}")
        decoded: dict[str, Any] = json.loads(content)
        return decoded
    finally:
        connection.close()


# -- the story ---------------------------------------------------------------------------------------------------------


SERVICE: Final = "web-api.yaml"  # the newcomer; every other file of the story was there before
CAUSE: Final = "default-deny-ingress"  # the policy that began it
_SECONDS: Final = 20.0  # how long the webhook may take to start, or to see a change


def run(arguments: argparse.Namespace) -> int:
    """Play the story; 0 where it ended as it should."""
    tell = _Teller(paint())
    with tempfile.TemporaryDirectory(prefix="netpol-preflight-demo-") as name:
        place = Path(name)
        cluster, service = _story(place)
        ca = place / "tls" / "ca.crt"
        with _webhook(cluster, place / "tls", arguments.port) as address:
            ended = _who_deploys(tell, address, cluster, service, ca)
        if ended:
            before, policy = _day_before(place)
            with _webhook(before, place / "tls", arguments.port) as address:
                ended = _who_closes(tell, address, before, policy, ca)
    if ended:
        tell.step("No timeout to debug. Next: `netpol-preflight check -f YOUR-MANIFESTS`", "")
        return 0
    tell.step("The story did not end as it should.", "")
    return 1


def _who_deploys(tell: "_Teller", address: str, cluster: Path, service: Path, ca: Path) -> bool:
    """Play the first act; whether it ended as it should."""
    tell.step(
        "A namespace was locked down by `default-deny-ingress`. The webhook runs:",
        f"$ netpol-preflight serve --source {cluster}",
    )
    tell.out(f"ready {address}")

    tell.step(
        "A new service comes. It says what it needs; the webhook, asked as the API server asks, says what will happen:",
        "$ kubectl apply -f web-api.yaml",
    )
    before = review_of(address, service, ca)
    tell.reply(before)

    tell.step(
        "What to apply first? Exactly this, and nothing that opens or closes anything else:",
        "$ netpol-preflight fix -f web-api.yaml --against cluster | tee fix.yaml",
    )
    fix = _program("fix", "-f", str(service), "--against", str(cluster))
    tell.out(fix)

    tell.step("Applied, and the service once more:", "$ kubectl apply -f fix.yaml && kubectl apply -f web-api.yaml")
    (cluster / "fix.yaml").write_text(fix, encoding="utf-8")
    after = _until_silent(address, service, ca)
    tell.reply(after)
    return bool(before.warnings) and not after.warnings


def _who_closes(tell: "_Teller", address: str, cluster: Path, policy: Path, ca: Path) -> bool:
    """Play the second act; whether it ended as it should."""
    tell.step(
        f"How did it come to that? The day before web-api runs, and nothing is closed. Somebody writes `{CAUSE}`,\n"
        "and would not know who depends on what it ends; the webhook does:",
        f"$ kubectl apply -f {policy.name}",
    )
    before = review_of(address, policy, ca)
    tell.reply(before)

    tell.step(
        "What to apply first, so that nobody loses anything:",
        f"$ netpol-preflight fix -f {policy.name} --against cluster | tee fix.yaml",
    )
    fix = _program("fix", "-f", str(policy), "--against", str(cluster))
    tell.out(fix)

    tell.step("Applied, and the policy once more:", f"$ kubectl apply -f fix.yaml && kubectl apply -f {policy.name}")
    (cluster / "fix.yaml").write_text(fix, encoding="utf-8")
    after = _until_silent(address, policy, ca)
    tell.reply(after)
    return bool(before.warnings) and not after.warnings


def _until_silent(address: str, service: Path, ca: Path) -> Reply:
    """Ask until the webhook has seen the fix; its folder is polled every second."""
    deadline = time.monotonic() + _SECONDS
    while (reply := review_of(address, service, ca)).warnings and time.monotonic() < deadline:
        time.sleep(0.2)
    return reply


def _story(place: Path) -> tuple[Path, Path]:
    """Unpack the story: the folder that plays the cluster, and the newcomer's manifest."""
    cluster = place / "cluster"
    cluster.mkdir()
    with resources.as_file(resources.files("webhook") / "story") as packaged:
        for file in sorted(packaged.glob("*.yaml")):
            shutil.copy(file, place if file.name == SERVICE else cluster)
    return cluster, place / SERVICE


def _day_before(place: Path) -> tuple[Path, Path]:
    """Make the cluster of the second act, in which the newcomer runs and no policy is; and the policy that began it."""
    before = place / "before"
    before.mkdir()
    shutil.copy(place / SERVICE, before)
    policy = place / f"{CAUSE}.yaml"
    for file in sorted((place / "cluster").glob("*.yaml")):
        with file.open("rb") as unused:
            found = [one.raw for one in read([str(file)], unused) if isinstance(one, Document)]
        policies = [raw for raw in found if raw["kind"] == "NetworkPolicy"]
        (before / file.name).write_text(dump([raw for raw in found if raw not in policies]), encoding="utf-8")
        for raw in policies:
            if raw["metadata"]["name"] == CAUSE:
                policy.write_text(dump([raw]), encoding="utf-8")
    return before, policy


@contextmanager
def _webhook(cluster: Path, tls: Path, port: int) -> Generator[str]:
    """Run the webhook and yield its address; it is stopped whatever happens."""
    command = [*_PROGRAM, "serve", "--source", str(cluster), "--listen", f"127.0.0.1:{port}", "--tls-dir", str(tls)]
    with subprocess.Popen(  # noqa: S603 - this very program
        [*command, "--log-level", "warning"], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line.startswith("ready "):
                raise UsageError("the webhook did not start, see above")
            yield line.removeprefix("ready ").strip()
        finally:
            process.terminate()
            process.wait(_SECONDS)


def _program(*arguments: str) -> str:
    done = subprocess.run(  # noqa: S603 - this very program
        [*_PROGRAM, *arguments], stdout=subprocess.PIPE, text=True, check=False, timeout=_SECONDS
    )
    if done.returncode:
        raise UsageError(f"`{arguments[0]}` ended with exit code {done.returncode}, see above")
    return done.stdout


_PROGRAM: Final = (sys.executable, "-m", "webhook")


class _Teller:
    """Prints the steps as a terminal session."""

    def __init__(self, paint: Paint) -> None:
        self._paint = paint

    def step(self, text: str, command: str) -> None:
        emit(f"\n{self._paint('bold', text)}" + (f"\n{self._paint('info', command)}" if command else ""))

    def out(self, text: str) -> None:
        emit("\n".join(f"  {line}" for line in text.rstrip("\n").split("\n")))

    def reply(self, reply: Reply) -> None:
        """Print an answer as kubectl does."""
        for warning in reply.warnings:
            self.out(f"{self._paint('warning', 'Warning:')} {warning}")
        self.out(
            f"{reply.what} {'created' if reply.allowed else 'denied'}"
            + ("" if reply.warnings else self._paint("good", "  (no warnings)"))
        )

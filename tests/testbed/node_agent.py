"""The one thing of a kubelet that a cluster cannot do without: a deleted pod that is on a node goes away.

Nothing else is played: a test says itself which pods run and what addresses they have. A pod that must stay in
Terminating is given a finalizer.
"""

import threading
from typing import Any

from tests.testbed.client import UNREACHABLE, ApiError, Client

RETRY = 0.2  # seconds
GONE, CONFLICT = 404, 409


class NodeAgent:
    """Ends the graceful deletion of pods on nodes, in a thread of its own, for as long as the API server answers."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="node-agent", daemon=True)

    def start(self) -> None:
        """Start watching."""
        self._thread.start()

    def stop(self) -> None:
        """Return when the thread is gone; its watch ends with the API server, which is to be stopped first."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(10 * RETRY)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                # Without a resourceVersion a watch begins with every object there is.
                for event in self._client.watch("/api/v1/pods?watch=1&fieldSelector=spec.nodeName!="):
                    self._observe(event["type"], event["object"]["metadata"])
            except (*UNREACHABLE, ApiError, ValueError):
                self._stopping.wait(RETRY)

    def _observe(self, event: str, metadata: dict[str, Any]) -> None:
        if event == "DELETED" or "deletionTimestamp" not in metadata or metadata.get("deletionGracePeriodSeconds") == 0:
            return
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
        try:
            options = {"gracePeriodSeconds": 0, "preconditions": {"uid": metadata["uid"]}}
            self._client.request("DELETE", path, options)
        except ApiError as error:
            if error.status not in {GONE, CONFLICT}:
                raise

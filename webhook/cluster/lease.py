"""Which of the replicas does what one alone may do: whoever holds a Lease (`coordination.k8s.io/v1`).

As client-go's `tools/leaderelection`: clocks of others are never compared with ours, only whether a Lease has changed
since we saw it last. A holder stops on its own before anybody else may begin. The client's own election
(`kubernetes.aio.leaderelection`) is not used: a connection that breaks ends it, a request that hangs holds on to what
was lost, and what is written in between cannot ask whether it still leads.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from msgspec import Struct

from webhook.cluster.client import ObjectRef, Requests
from webhook.cluster.errors import (
    CONFLICT,
    UNREADABLE,
    ClusterError,
    GarbledError,
    NotServedError,
    RefusedError,
)
from webhook.cluster.reflector import jittered

_log: Final = logging.getLogger(__name__)
_API_VERSION: Final = "coordination.k8s.io/v1"
_LONGEST_TERM: Final = 3600  # seconds that somebody else's Lease may ask us to wait


class LeaseRef(ObjectRef, frozen=True):
    """Where a Lease is."""

    @property
    def folder(self) -> str:
        """The path of the namespace's Leases."""
        return f"/apis/{_API_VERSION}/namespaces/{self.namespace}/leases"


class Term(Struct, frozen=True):
    """How long it is held, in seconds.

    `duration`: that others wait for a holder of whom nothing is heard. `deadline`: after which a holder that could not
    renew it stops by itself; less than `duration`. `retry`: between two attempts.
    """

    duration: float = 30.0
    deadline: float = 20.0
    retry: float = 5.0


class _Spec(Struct, rename="camel"):
    """`coordination.k8s.io/v1 LeaseSpec`, as far as it is read."""

    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None


class _Lease(Struct):
    spec: _Spec = msgspec.field(default_factory=_Spec)


class Election:
    """One candidate's part."""

    def __init__(
        self,
        api: Requests,
        ref: LeaseRef,
        identity: str,
        clock: Callable[[], float],
        *,
        term: Term = Term(),  # noqa: B008 - frozen
    ) -> None:
        """Nothing is sent yet. `identity`: nobody else's, and of one life of a process. `clock`: seconds that grow."""
        self._api, self._ref, self._identity, self._clock, self._term = api, ref, identity, clock, term
        self._seen: tuple[str | None, str | None] | None = None
        self._seen_at = 0.0
        self._renewed: float | None = None
        self.trouble = ""
        """Why the last attempt failed, where that was nobody's right; empty: it did not."""

    def holds(self) -> bool:
        """Say whether nobody else can hold it at this moment."""
        return self._renewed is not None and self._clock() - self._renewed < self._term.deadline

    async def run(self) -> None:
        """Try again and again until cancelled."""
        while True:
            try:
                async with asyncio.timeout(self._term.deadline):
                    await self.attempt()
                self._say("")
            except TimeoutError:
                self._say(f"Lease `{self._ref}`: no answer in time")
            except ClusterError as error:
                self._say(f"Lease `{self._ref}`: {error}")
            except Exception:  # noqa: BLE001 - logged and told; nothing else may end with it
                _log.exception("Lease `%s`", self._ref)
                self.trouble = f"Lease `{self._ref}`: internal error, see the log"
            await asyncio.sleep(jittered(self._term.retry))

    async def attempt(self) -> bool:
        """Take it or renew it, if nobody else holds it. Raises ClusterError; then it is held as long as it was."""
        began = self._clock()
        raw = await self._read()
        if raw is not None and not self._free(raw):
            self._renewed = None
            return False
        try:
            await self._write(raw)
        except RefusedError as error:
            if error.status != CONFLICT and not isinstance(error, NotServedError):
                raise
            self._renewed = None  # somebody else was first, or took it away: the next attempt tells
            return False
        self._renewed = began
        return True

    async def release(self) -> None:
        """Let others have it at once. Whatever goes wrong is left to time."""
        if not self.holds():
            return
        self._renewed = None
        try:
            raw = await self._read()
            if raw is not None and _spec(raw).holder_identity == self._identity:
                spec = {**raw["spec"], "holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": _now()}
                await self._api.send("PUT", f"{self._ref.folder}/{self._ref.name}", {**raw, "spec": spec})
        except ClusterError as error:
            _log.info("Lease `%s` is not released, others wait for it: %s", self._ref, error)

    def _free(self, raw: dict[str, Any]) -> bool:
        """Say whether it is ours, nobody's, or was not renewed for as long as its holder asked others to wait."""
        spec = _spec(raw)
        if not spec.holder_identity or spec.holder_identity == self._identity:
            return True
        if self._seen != (spec.holder_identity, spec.renew_time):
            self._seen, self._seen_at = (spec.holder_identity, spec.renew_time), self._clock()
        asked = min(spec.lease_duration_seconds or 0, _LONGEST_TERM)
        return self._clock() - self._seen_at > max(asked, self._term.duration)

    async def _read(self) -> dict[str, Any] | None:
        try:
            body = await self._api.get(f"{self._ref.folder}/{self._ref.name}", {})
        except NotServedError:
            return None
        try:
            raw: dict[str, Any] = msgspec.json.decode(body, type=dict[str, Any])
        except UNREADABLE as error:
            raise GarbledError(f"Lease `{self._ref}` cannot be read: {error}") from error
        return raw

    async def _write(self, raw: dict[str, Any] | None) -> None:
        old = _spec(raw) if raw else _Spec()
        mine = old.holder_identity == self._identity
        spec = {
            **((raw or {}).get("spec") or {}),
            "holderIdentity": self._identity,
            "leaseDurationSeconds": round(self._term.duration),
            "acquireTime": old.acquire_time if mine and old.acquire_time else _now(),
            "renewTime": _now(),
            "leaseTransitions": (old.lease_transitions or 0) + (raw is not None and not mine),
        }
        if raw is None:
            metadata = {"name": self._ref.name, "namespace": self._ref.namespace}
            lease = {"apiVersion": _API_VERSION, "kind": "Lease", "metadata": metadata, "spec": spec}
            await self._api.send("POST", self._ref.folder, lease)
        else:  # with the resourceVersion that was read: whoever else wrote it in between has it
            await self._api.send("PUT", f"{self._ref.folder}/{self._ref.name}", {**raw, "spec": spec})

    def _say(self, trouble: str) -> None:
        if trouble and trouble != self.trouble:
            _log.warning("%s", trouble)
        self.trouble = trouble


def _spec(raw: dict[str, Any]) -> _Spec:
    try:
        return msgspec.convert(raw, _Lease).spec
    except msgspec.ValidationError as error:
        raise GarbledError(f"a Lease that cannot be read: {error}") from error


def _now() -> str:
    """Return a `metav1.MicroTime`, for people: nobody compares it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

"""`/report`: the page of the world as it is, for whoever may list NetworkPolicies, as far as they may."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection, Generator
from contextlib import asynccontextmanager
from datetime import date, datetime
from typing import Final

from msgspec import Struct, structs

from webhook.api.backend import NOT_SYNCED, Told
from webhook.cluster.audit_requests import Caller, caller_of, may_list_policies
from webhook.cluster.client import Connection, connect
from webhook.cluster.client_configuration import Access
from webhook.cluster.errors import ClusterError
from webhook.manifests import dump
from webhook.model.answers import Finding
from webhook.model.objects import Workload
from webhook.model.refs import WorkloadRef
from webhook.report import audit_page
from webhook.report.audit import Audit, rows
from webhook.report.page import Parts
from webhook.report.text import Origin, Summary
from webhook.review.audit import (
    Audited,
    audit_readable,
    audit_workload,
    review_crd_policies,
    review_namespaces,
    review_policies,
)
from webhook.wiring.source import Source
from webhook.world import View
from webhook.world.seen import Seen

_log: Final = logging.getLogger(__name__)
_WAITING: Final = 4  # callers whose turn has not come; more are told to come later
_SECONDS: Final = 50.0  # for one page, less than a listener gives an answer
_AT_ONCE: Final = 16  # questions to the API server, of all callers together
_MOST_ASKED: Final = 1_000  # namespaces of which one caller's right is asked; with more it has to name them
_REST: Final = 0.002  # seconds between two workloads: reviews come first


class Reporting(Struct, frozen=True):
    """Where `/report` is served, which cluster is asked who may see it, and the files of its page."""

    listen: tuple[str, int]
    access: Access
    parts: Parts


class ReportServer:
    """The backend of `webhook.api.app.build_report`. One page is made at a time, in short steps."""

    def __init__(self, source: Source, reporting: Reporting, now: Callable[[], datetime]) -> None:
        """Show what is in `source`."""
        self._source, self._access, self._parts, self._now = source, reporting.access, reporting.parts, now
        self.listen = reporting.listen
        self.connection: Connection | None = None
        """To the API server, while `run` holds it."""
        self._asking = asyncio.Semaphore(_AT_ONCE)
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def run(self) -> None:
        """Hold the connection, until cancelled. Raises BadConfigError."""
        async with connect(self._access.kubeconfig, self._access.context) as self.connection:
            await asyncio.Event().wait()

    async def report(self, token: str, namespaces: tuple[str, ...]) -> Told:
        """Return the page of what the token's owner may see; of `namespaces` alone, where some are named."""
        view, connection = self._source.view(), self.connection
        if view is None or connection is None:
            return Told(503, NOT_SYNCED.encode())
        try:
            async with asyncio.timeout(_SECONDS):
                return await self._answer(connection, view, token, namespaces)
        except ClusterError as error:
            _log.warning("who asks for the report cannot be told: %s", error)
            return Told(503, b"the API server cannot be asked who you are")
        except (TimeoutError, asyncio.QueueFull):
            return Told(503, b"too much to do: try again, or name namespaces: /report?namespace=shop")

    async def _answer(self, connection: Connection, view: View, token: str, namespaces: tuple[str, ...]) -> Told:
        async with self._asking:
            caller = await caller_of(connection, token)
        if caller is None:
            return Told(401, b"the API server does not know this token")
        readable = await self._readable(connection, caller, namespaces, view)
        if isinstance(readable, Told):
            return readable
        async with self._my_turn():
            return Told(200, await self._page(view, readable))

    async def _readable(
        self, connection: Connection, caller: Caller, asked: tuple[str, ...], view: View
    ) -> frozenset[str] | Told | None:
        """Return the namespaces that are shown; None: all of them, and what belongs to none."""

        async def one(name: str | None) -> bool:
            async with self._asking:
                return await may_list_policies(connection, caller, name)

        if not asked and await one(None):
            return None
        names = asked or tuple(view.namespaces.names())
        if len(names) > _MOST_ASKED:
            return Told(400, b"there are many namespaces: name some of yours, /report?namespace=shop")
        allowed = await asyncio.gather(*map(one, names))
        found = frozenset(name for name, may in zip(names, allowed, strict=True) if may)
        return found or Told(403, b"you may not list NetworkPolicies of any of these namespaces")

    @asynccontextmanager
    async def _my_turn(self) -> AsyncIterator[None]:
        if self._waiting >= _WAITING:
            raise asyncio.QueueFull
        self._waiting += 1
        try:
            async with self._turn:
                yield
        finally:
            self._waiting -= 1

    async def _page(self, view: View, readable: frozenset[str] | None) -> bytes:
        steps = _steps(view, readable, self._now().date())
        while True:
            try:
                next(steps)
            except StopIteration as ended:
                audit: Audit = ended.value
                break
            await asyncio.sleep(_REST)
        taken = self._now().isoformat(timespec="seconds").replace("+00:00", "Z")
        cluster = self.connection.server if self.connection else ""
        part = _part(readable, self._source.stale())
        audit = structs.replace(audit, origin=Origin(taken, cluster, part=part))
        # Beside the event loop: by now it is nothing but values that never change.
        return (await asyncio.to_thread(audit_page.render, audit, self._parts, dump)).encode()


def _part(readable: frozenset[str] | None, stale: str | None) -> str:
    number = "" if readable is None else f"in the namespaces whose NetworkPolicies you may list ({len(readable)})"
    return ", ".join(filter(None, (number, stale and f"which may be out of date: {stale}")))


def _steps(view: View, readable: frozenset[str] | None, today: date) -> Generator[None, None, Audit]:
    """Judge what may be seen, a workload a step; between two the world may change. None: all of it."""
    names = [name for name in view.namespaces.names() if readable is None or name in readable]
    every = [one.ref for name in names for one in view.workloads.every(name) if one.owner is None]
    reviewed = frozenset(every)
    audited: list[Audited] = []
    for ref in sorted(every, key=lambda ref: (ref.namespace, ref.kind, ref.name)):
        yield
        workload = view.workloads.get(ref)
        if workload is not None:
            audited.append(_audited(view, readable, workload, today, reviewed))
    found = [finding for one in audited for finding in one.findings]
    for name in ("", *names) if readable is None else names:
        yield
        found += _of_namespace(view if readable is None else Seen(view, readable.__contains__), name, today)
    summary = Summary.of(found, checked=len(audited), skipped=0)
    exempt = sum(one.exempt for one in audited)
    return Audit(Origin(), view.enforcer.name, tuple(rows(audited)), tuple(found), (), summary, exempt)


def _audited(
    view: View, readable: frozenset[str] | None, workload: Workload, today: date, reviewed: Collection[WorkloadRef]
) -> Audited:
    if readable is None:
        return audit_workload(view, workload, today, reviewed, asked=False)
    return audit_readable(view, readable, workload, today, reviewed)


def _of_namespace(view: View, name: str, today: date) -> list[Finding]:
    """Return what is found about a namespace and its policies; an empty name: about those of the cluster."""
    own = [policy for _, policy in sorted(view.policies.named(name).items())] if name else []
    others = [policy for _, policy in sorted(view.policies.crd_policies(name).items())]
    found = [*review_policies(view, own, today), *review_crd_policies(view, others, today)]
    return [*found, *(review_namespaces(view, [name], today) if name and own + others else ())]

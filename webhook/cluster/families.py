"""Policy families come and go with their CRDs: a reflector for each kind that is served at the moment."""

import asyncio
from collections.abc import Iterable

from webhook.cluster.discovery import Family, Served, served, unread
from webhook.cluster.errors import ClusterError, ForbiddenError
from webhook.cluster.kinds import DISCOVERY, Collection, Kind, collections
from webhook.cluster.reflector import Reads, Reflector, jittered
from webhook.cluster.state import Phase, Standing


class Families:
    """Keeps what is served of `wanted` up to date."""

    def __init__(self, reads: Reads, wanted: Iterable[Family], namespaces: tuple[str, ...]) -> None:
        self._reads = reads
        self._wanted = frozenset(wanted)
        self._namespaces = namespaces
        self._failures = 0
        self._where = Collection(DISCOVERY)
        self.discovery = Standing(self._where)
        self._troubles: dict[Collection, Standing] = {}
        self._kinds: dict[Family, Kind] = {}
        self._running: dict[Collection, tuple[Reflector, asyncio.Task[None]]] = {}
        self._asked = asyncio.Event()

    @property
    def standings(self) -> tuple[Standing, ...]:
        """How far the question is answered, then what is served, sorted."""
        of_kinds = [reflector.standing for reflector, _ in self._running.values()]
        return (self.discovery, *sorted((*of_kinds, *self._troubles.values()), key=lambda one: one.where))

    def ask(self) -> None:
        """Ask again soon: something that was served is not."""
        self._asked.set()

    async def run(self, group: asyncio.TaskGroup) -> None:
        """Ask, start, end, wait; until cancelled."""
        while True:
            self._asked.clear()
            try:
                found = await served(self._reads.connection, self._wanted)
            except ClusterError as error:
                self._fail(error)
                await asyncio.sleep(self._reads.pace.after(self._failures, self._reads.pace.most))
                continue
            self._failures = 0
            self._follow(found, group)
            self._stand(Standing(self._where, Phase.LIVE, "", self._reads.clock()))
            await self._pause()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(jittered(self._reads.pace.discover)):
                await self._asked.wait()
        except TimeoutError:
            return
        await asyncio.sleep(jittered(self._reads.pace.first))  # many kinds may vanish together

    def _follow(self, found: Served, group: asyncio.TaskGroup) -> None:
        """Start and end reflectors. What a group in trouble had is kept; what it may have is not known."""
        for family, kind in tuple(self._kinds.items()):
            if found.kinds.get(family) != kind and family[0] not in found.troubles:
                self._end(family, kind)
        for family, kind in found.kinds.items():
            if family not in self._kinds:
                self._start(family, kind, group)
        troubles = {
            Collection(unread(family)): reason
            for family in self._wanted
            if family not in self._kinds and (reason := found.trouble_of(family))
        }
        for where in [where for where in self._troubles if where not in troubles]:
            del self._troubles[where]
            self._reads.sink.forget(where)
        for where, reason in troubles.items():
            standing = Standing(where, Phase.FORBIDDEN, reason)
            if self._troubles.get(where) != standing:
                self._troubles[where] = standing
                self._reads.sink.trouble(where, reason)
                self._reads.sink.moved(standing)

    def _start(self, family: Family, kind: Kind, group: asyncio.TaskGroup) -> None:
        self._kinds[family] = kind
        for where in collections(kind, self._namespaces):
            reflector = Reflector(self._reads, where)
            self._running[where] = (reflector, group.create_task(reflector.run(), name=f"watch {where}"))
            self._reads.sink.moved(reflector.standing)

    def _end(self, family: Family, kind: Kind) -> None:
        del self._kinds[family]
        for where in collections(kind, self._namespaces):
            _, task = self._running.pop(where)
            task.cancel()
            self._reads.sink.forget(where)

    def _fail(self, error: ClusterError) -> None:
        self._failures += 1
        self._reads.sink.trouble(self._where, str(error))
        phase = self.discovery.phase
        if isinstance(error, ForbiddenError) and not phase.listed:
            phase = Phase.FORBIDDEN
        elif phase.listed:
            phase = Phase.BEHIND
        self._stand(Standing(self._where, phase, str(error), self.discovery.heard))

    def _stand(self, standing: Standing) -> None:
        before, self.discovery = self.discovery, standing
        if standing.phase is not before.phase:
            self._reads.sink.moved(standing)
        self._reads.moved()

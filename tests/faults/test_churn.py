"""Many pods come and go while reviews run: afterwards the world is that of a fresh list, object by object."""

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable
from typing import Self

import aiohttp

from tests.faults.asking import answer
from tests.faults.following import PATIENT, Follower, synced
from tests.support.patience import PATIENCE
from tests.testbed.configuration import PERSON
from tests.testbed.control_plane import ControlPlane

# They take from half a minute to two, of which the API server takes most; NETPOL_FAULT_PODS=3000 is quicker.
PODS = int(os.environ.get("NETPOL_FAULT_PODS", "10000"))
AT_ONCE = 16
NOW = {"gracePeriodSeconds": 0}


class Writer:
    """Creates and deletes pods, several at a time."""

    def __init__(self, control_plane: ControlPlane, namespace: str) -> None:
        self._control_plane = control_plane
        self._path = f"{control_plane.server}/api/v1/namespaces/{namespace}/pods"

    async def __aenter__(self) -> Self:
        tls = ssl.create_default_context(cafile=str(self._control_plane.ca_file))
        headers = {"Authorization": f"Bearer {self._control_plane.tokens[PERSON]}"}
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=AT_ONCE, ssl=tls), headers=headers)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def create(self, numbers: range) -> None:
        await self._each(numbers, self._create)

    async def delete(self, numbers: range) -> None:
        await self._each(numbers, self._delete)

    async def relabel(self, numbers: range) -> None:
        await self._each(numbers, self._relabel)

    async def delete_all(self) -> None:
        async with self._session.delete(self._path, json=NOW) as response:
            assert response.status == 200, await response.text()

    async def _each(self, numbers: range, action: Callable[[int], Awaitable[None]]) -> None:
        waiting = iter(numbers)

        async def work() -> None:
            for number in waiting:
                await action(number)

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(work())

    async def _create(self, number: int) -> None:
        body = {
            "metadata": {"name": f"p{number}", "labels": {"app": f"a{number % 7}"}},
            "spec": {"containers": [{"name": "c", "image": "i"}]},
        }
        async with self._session.post(self._path, json=body) as response:
            assert response.status == 201, await response.text()

    async def _delete(self, number: int) -> None:
        async with self._session.delete(f"{self._path}/p{number}", json=NOW) as response:
            assert response.status == 200, await response.text()

    async def _relabel(self, number: int) -> None:
        change = {"metadata": {"labels": {"app": "new"}}}
        headers = {"Content-Type": "application/merge-patch+json"}
        async with self._session.patch(f"{self._path}/p{number}", json=change, headers=headers) as response:
            assert response.status == 200, await response.text()


def pods_of(it: Follower, namespace: str) -> int:
    """Return how many pods of a namespace the world holds."""
    return sum(len(one.pods) for one in it.world.pods.groups(namespace))


async def reviews(it: Follower, namespace: str, done: asyncio.Event) -> int:
    """Review until `done`; return how often."""
    count = 0
    while not done.is_set():
        assert answer(it, namespace).startswith(("allowed", "warned"))
        count += 1
        await asyncio.sleep(0.005)
    return count


def test_pods_that_come_and_go_while_reviews_run_leave_the_world_of_a_fresh_list(
    control_plane: ControlPlane, namespace: str
) -> None:
    async def scenario() -> None:
        done = asyncio.Event()
        async with synced(control_plane.kubeconfig(), pace=PATIENT) as it, Writer(control_plane, namespace) as writer:
            task = asyncio.create_task(reviews(it, namespace, done))
            first, second = range(PODS // 2), range(PODS // 2, PODS)
            await writer.create(first)
            async with asyncio.TaskGroup() as group:
                group.create_task(writer.create(second))
                group.create_task(writer.delete(first[::2]))
                group.create_task(writer.relabel(first[1::2]))
            await it.converged()
            assert pods_of(it, namespace) == PODS - len(first[::2])
            await writer.delete_all()
            # Those of this namespace only: of an earlier test's, the controller manager still deletes some meanwhile.
            await it.until(lambda: pods_of(it, namespace) == 0, "the end of all pods", 4 * PATIENCE)
            await it.converged()
            done.set()
            assert await task > 0
            assert it.measure("watch_lists_total", "pods") == 1  # nothing was ever listed again

    asyncio.run(scenario())

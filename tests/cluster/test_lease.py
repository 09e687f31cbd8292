"""One of several holds a Lease, never two, whatever goes wrong in between."""

import asyncio
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.object_store import ObjectStore, said
from tests.support.patience import PATIENCE
from tests.testbed.control_plane import ControlPlane
from webhook.cluster.client import connect
from webhook.cluster.errors import ClusterError, UnreachableError
from webhook.cluster.lease import Election, LeaseRef, Term

REF = LeaseRef("preflight", "audit")
PATH = f"{REF.folder}/{REF.name}"
TERM = Term(duration=30.0, deadline=20.0, retry=5.0)


@dataclass
class Time:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def candidates(store: ObjectStore, time: Time, count: int = 2) -> list[Election]:
    return [Election(store, REF, f"pod-{number}", time, term=TERM) for number in range(count)]


def attempt(one: Election) -> bool:
    return asyncio.run(one.attempt())


def test_whoever_comes_first_holds_it_and_renews_it() -> None:
    store, time = ObjectStore(), Time()
    first, second = candidates(store, time)
    assert attempt(first)
    assert not attempt(second)
    acquired = store.objects[PATH]["spec"]["acquireTime"]
    for _ in range(10):
        time.now += 5
        assert attempt(first)
        assert not attempt(second)
    assert (first.holds(), second.holds()) == (True, False)
    spec = store.objects[PATH]["spec"]
    assert (spec["holderIdentity"], spec["acquireTime"], spec["leaseTransitions"]) == ("pod-0", acquired, 0)


def test_a_holder_that_is_silent_stops_before_another_begins() -> None:
    store, time = ObjectStore(), Time()
    first, second = candidates(store, time)
    assert attempt(first)
    assert not attempt(second)
    time.now += TERM.deadline
    assert not first.holds()
    assert not attempt(second)
    time.now += TERM.duration - TERM.deadline + 1
    assert attempt(second)
    assert store.objects[PATH]["spec"]["leaseTransitions"] == 1
    assert not attempt(first)


def test_what_is_released_is_free_at_once() -> None:
    store, time = ObjectStore(), Time()
    first, second = candidates(store, time)
    assert attempt(first)
    asyncio.run(first.release())
    assert not first.holds()
    assert attempt(second)
    asyncio.run(first.release())
    assert store.objects[PATH]["spec"]["holderIdentity"] == "pod-1", "what is another's is not released"


@pytest.mark.parametrize("error", [said(500), said(403), said(429), UnreachableError("cut")])
def test_a_holder_that_cannot_renew_goes_on_until_its_deadline(error: ClusterError) -> None:
    store, time = ObjectStore(), Time()
    first, _ = candidates(store, time)
    assert attempt(first)
    store.fault = lambda method, _: error if method == "PUT" else None
    time.now += TERM.deadline - 1
    with pytest.raises(ClusterError):
        attempt(first)
    assert first.holds()
    time.now += 1
    assert not first.holds()


def test_a_write_that_somebody_else_overtook_holds_nothing() -> None:
    store, time = ObjectStore(), Time()
    first, _ = candidates(store, time)
    assert attempt(first)
    store.before = lambda method, path: store.touch(path) if method == "PUT" else None
    assert not attempt(first)
    assert not first.holds()


def test_two_that_create_it_at_once_are_one() -> None:
    store, time = ObjectStore(), Time()
    first, second = candidates(store, time)

    async def both() -> list[bool]:
        return list(await asyncio.gather(first.attempt(), second.attempt()))

    assert sorted(asyncio.run(both())) == [False, True]


def test_a_lease_of_others_that_cannot_be_read_is_no_reason_to_go_on() -> None:
    store, time = ObjectStore(), Time()
    first, _ = candidates(store, time)
    assert attempt(first)
    store.objects[PATH]["spec"]["holderIdentity"] = ["?"]
    with pytest.raises(ClusterError):
        attempt(first)
    time.now += TERM.deadline
    assert not first.holds()


def test_whatever_goes_wrong_is_told_and_tried_again() -> None:
    store, time = ObjectStore(), Time()
    one = Election(store, REF, "pod-0", time, term=Term(retry=0.001))
    mistakes = [True, True]

    def before(_method: str, _path: str) -> None:
        if mistakes:
            mistakes.pop()
            assert not one.holds()
            raise RuntimeError("a mistake of ours")

    store.before = before

    async def scenario() -> None:
        task = asyncio.create_task(one.run())
        while not one.holds():
            assert one.trouble == "" or "internal error" in one.trouble
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(asyncio.wait_for(scenario(), PATIENCE))
    assert one.trouble == ""


Step = tuple[int, float, bool]


def _broken(method: str, _: str) -> ClusterError | None:
    return said(500) if method == "PUT" else None


@given(st.lists(st.tuples(st.integers(0, 2), st.floats(0, 12), st.booleans()), max_size=40))
def test_no_two_ever_hold_it(steps: list[Step]) -> None:
    store, time = ObjectStore(), Time()
    every = candidates(store, time, 3)
    for who, seconds, broken in steps:
        time.now += seconds
        store.fault = _broken if broken else lambda _method, _path: None
        try:
            attempt(every[who])
        except ClusterError:
            assert broken
        assert sum(one.holds() for one in every) <= 1


def test_a_real_lease_is_taken_renewed_and_handed_on(control_plane: ControlPlane, namespace: str) -> None:
    ref = LeaseRef(namespace, "netpol-preflight-audit")

    async def scenario() -> None:
        async with connect(str(control_plane.kubeconfig())) as connection:
            time = Time()
            first, second = (Election(connection, ref, f"pod-{n}", time, term=TERM) for n in range(2))
            assert await first.attempt()
            assert not await second.attempt()
            assert await first.attempt()
            await first.release()
            assert await second.attempt()
            assert not await first.attempt()

    asyncio.run(asyncio.wait_for(scenario(), PATIENCE))
    lease = control_plane.kubectl("get", "lease", ref.name, "--output", "jsonpath={.spec}", namespace=namespace)
    assert '"holderIdentity":"pod-1"' in lease.stdout

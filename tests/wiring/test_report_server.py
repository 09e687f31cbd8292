"""Who is told what of the report where the API server, or too many at once, stand in the way."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, cast

import msgspec
import pytest

from tests.support.arena import world_of
from tests.support.making import deployment
from tests.support.worlds import namespace
from webhook.api.backend import Told
from webhook.cli.outputs import parts
from webhook.cluster.audit_requests import Caller, caller_of, may_list_policies
from webhook.cluster.client import Connection
from webhook.cluster.client_configuration import Access
from webhook.cluster.errors import GarbledError, UnreachableError
from webhook.wiring.report_server import Reporting, ReportServer
from webhook.wiring.source import Folder
from webhook.world import View, World

SHOP: Final = world_of([namespace("shop"), namespace("data"), deployment("shop/web"), deployment("data/db")])
Asked = dict[str, Any]


class ApiServer:
    """Knows who has the token `good`, and lets it list policies of these namespaces."""

    server = "https://api"

    def __init__(self, *namespaces: str, error: Exception | None = None) -> None:
        self.asked: list[Asked] = []
        self._namespaces, self._error = namespaces, error
        self.hold = asyncio.Event()
        self.hold.set()

    async def send(self, method: str, path: str, value: Asked) -> bytes:
        assert method == "POST"
        self.asked.append(value)
        await self.hold.wait()
        if self._error:
            raise self._error
        if path.endswith("/tokenreviews"):
            known = value["spec"]["token"] == "good"
            return msgspec.json.encode(
                {"status": {"authenticated": known, "user": {"username": "me", "groups": ["a"]}}}
            )
        assert (value["spec"]["user"], value["spec"]["groups"]) == ("me", ("a",))
        allowed = value["spec"]["resourceAttributes"]["namespace"] in self._namespaces
        return msgspec.json.encode({"status": {"allowed": allowed}})


class Fixed(Folder):
    """A world that is what it is."""

    def __init__(self, world: World | None) -> None:
        self._fixed = world

    def view(self) -> View | None:
        return self._fixed

    def stale(self) -> str | None:
        return "pods not heard of for 130 s"


def server(api: ApiServer, world: World | None = SHOP) -> ReportServer:
    made = ReportServer(
        Fixed(world),
        Reporting(("127.0.0.1", 0), Access(), parts("audit")),
        lambda: datetime(2026, 11, 28, 13, tzinfo=UTC),
    )
    made.connection = cast("Connection", api)
    return made


def told(api: ApiServer, whose: str = "good", *namespaces: str, world: World | None = SHOP) -> Told:
    return asyncio.run(server(api, world).report(whose, namespaces))


def test_the_page_says_whose_namespaces_it_shows_and_that_they_may_have_changed() -> None:
    answer = told(ApiServer("shop"))
    assert answer.status == 200
    page = answer.body.decode()
    assert "in the namespaces whose NetworkPolicies you may list (1)" in page
    assert "which may be out of date: pods not heard of for 130 s" in page
    assert "as of 2026-11-28T13:00:00Z" in page
    assert "data" not in page.partition('id="data">')[2].partition("</script>")[0]


def test_who_may_list_all_is_asked_about_none_of_them() -> None:
    api = ApiServer("")
    assert told(api).status == 200
    assert len(api.asked) == 2


@pytest.mark.parametrize(
    ("api", "token", "world", "status"),
    [
        (lambda: ApiServer("shop"), "bad", SHOP, 401),
        (ApiServer, "good", SHOP, 403),
        (lambda: ApiServer("shop"), "good", None, 503),
        (lambda: ApiServer(error=UnreachableError("no")), "good", SHOP, 503),
        (lambda: ApiServer("n1"), "good", world_of([namespace(f"n{number}") for number in range(1_001)]), 400),
    ],
    ids=["unknown", "nothing", "not synced", "no API server", "many namespaces"],
)
def test_who_gets_no_page_gets_a_reason(
    api: Callable[[], ApiServer], token: str, world: World | None, status: int
) -> None:
    answer = told(api(), token, world=world)
    assert answer.status == status
    assert b"<" not in answer.body


def test_named_namespaces_are_asked_about_and_nothing_else() -> None:
    api = ApiServer("", "shop")
    assert told(api, "good", "shop", "not-there").status == 200
    asked = [one["spec"]["resourceAttributes"]["namespace"] for one in api.asked[1:]]
    assert sorted(asked) == ["not-there", "shop"]


def test_a_page_is_made_at_a_time_and_few_wait() -> None:
    async def crowd() -> list[int]:
        one = server(ApiServer(""))
        return [answer.status for answer in await asyncio.gather(*(one.report("good", ()) for _ in range(12)))]

    found = asyncio.run(crowd())
    assert sorted(set(found)) == [200, 503]
    assert found.count(200) == 4


def test_so_many_callers_ask_the_api_server_no_more_at_once_than_it_can_bear() -> None:
    async def crowd() -> int:
        api = ApiServer("")
        api.hold.clear()
        one = server(api)
        tasks = [asyncio.create_task(one.report("bad", ())) for _ in range(100)]
        await asyncio.sleep(0.05)
        asked = len(api.asked)
        api.hold.set()
        assert {answer.status for answer in await asyncio.gather(*tasks)} == {401}
        return asked

    assert asyncio.run(crowd()) == 16


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"status":{"authenticated":"yes"}}', b'{"status":{"user":{"extra":3}}}']
)
def test_an_answer_that_cannot_be_read_lets_nobody_in_and_quotes_nothing(body: bytes) -> None:
    class Garbling(ApiServer):
        async def get(self, *_: object) -> bytes:
            return body

        async def send(self, *_: object) -> bytes:
            return body

    with pytest.raises(GarbledError, match=r"cannot be read$"):
        asyncio.run(caller_of(Garbling(), "a-token"))


@pytest.mark.parametrize(
    ("status", "allowed"),
    [({"allowed": True}, True), ({"allowed": False}, False), ({}, False), ({"allowed": True, "denied": True}, False)],
)
def test_only_a_plain_yes_is_one(status: Asked, *, allowed: bool) -> None:
    class Saying(ApiServer):
        async def get(self, *_: object) -> bytes:
            return b""

        async def send(self, *_: object) -> bytes:
            return msgspec.json.encode({"status": status})

    assert asyncio.run(may_list_policies(Saying(), Caller("me"), "shop")) is allowed

"""`GET /report`: who asks is known by a bearer token and by nothing else, and what is answered is kept by nobody."""

import pytest
from starlette.testclient import TestClient

from webhook.api.app import build_report
from webhook.api.backend import Told


class Reports:
    """Knows one token, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, tuple[str, ...]]] = []

    async def report(self, token: str, namespaces: tuple[str, ...]) -> Told:
        self.asked.append((token, namespaces))
        if token == "broken":
            raise RuntimeError("secret detail")
        return Told(200, b"<!doctype html>") if token == "good" else Told(401, b"the API server does not know it")


@pytest.fixture
def reports() -> Reports:
    return Reports()


@pytest.fixture
def client(reports: Reports) -> TestClient:
    return TestClient(build_report(reports), raise_server_exceptions=False)


def test_a_page_is_answered_to_whoever_is_known(client: TestClient, reports: Reports) -> None:
    answer = client.get(
        "/report?namespace=shop&namespace=data&namespace=shop", headers={"Authorization": "bearer good"}
    )
    assert (answer.status_code, answer.text) == (200, "<!doctype html>")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-security-policy"] == "frame-ancestors 'none'"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert reports.asked == [("good", ("shop", "data"))]


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Authorization", "")],
        [("Authorization", "Bearer")],
        [("Authorization", "Bearer  ")],
        [("Authorization", "Basic Z29vZDpnb29k")],
        [("Authorization", "Bearer good"), ("Authorization", "Bearer other")],
        [("Authorization", b"Bearer g\xf6\xf6d")],
        [("Cookie", "token=good")],
    ],
)
def test_without_one_token_nobody_is_asked(
    client: TestClient, reports: Reports, headers: list[tuple[str, str | bytes]]
) -> None:
    raw = [(name.encode(), value.encode() if isinstance(value, str) else value) for name, value in headers]
    answer = client.get("/report?access_token=good", headers=raw)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="netpol-preflight"'
    assert reports.asked == []


def test_a_token_that_nobody_knows_is_401_again(client: TestClient) -> None:
    answer = client.get("/report", headers={"Authorization": "Bearer bad"})
    assert (answer.status_code, "www-authenticate" in answer.headers) == (401, True)


def test_a_mistake_of_ours_tells_nothing(client: TestClient) -> None:
    answer = client.get("/report", headers={"Authorization": "Bearer broken"})
    assert (answer.status_code, answer.text) == (500, "internal error")


def test_too_many_namespaces_are_refused(client: TestClient, reports: Reports) -> None:
    query = "&".join(f"namespace=n{number}" for number in range(101))
    assert client.get(f"/report?{query}", headers={"Authorization": "Bearer good"}).status_code == 400
    assert reports.asked == []


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/report"), ("GET", "/validate"), ("GET", "/metrics"), ("GET", "/")]
)
def test_nothing_else_is_on_its_port(client: TestClient, method: str, path: str) -> None:
    assert client.request(method, path, headers={"Authorization": "Bearer good"}).status_code in {404, 405}

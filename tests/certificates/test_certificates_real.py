"""Certificates on a real API server: two replicas under load, while certificates that live for seconds are renewed.

"No call fails" is said of API calls that the webhook must answer: its failurePolicy is Fail.
"""

import asyncio
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from tests.support.fleet import ACCOUNT, CONFIGURATIONS, JSON_PATCH, SECRET, SERVICE, Home, Load, Replica, normal
from tests.support.patience import PATIENCE
from tests.support.rotating import is_trusted
from tests.testbed.control_plane import ControlPlane
from tests.testbed.fixtures import REMARKS
from webhook.certificates.certificate_controller import CertificateController, bundle, same
from webhook.certificates.directory import TlsFiles
from webhook.certificates.issue import general_names
from webhook.certificates.material import Material, from_data, to_data
from webhook.certificates.rotation import Lives, Situation, advance
from webhook.certificates.shared_certificate import ApiServerStore, Managed, ServerClock, SharedCertificate, utc
from webhook.cluster.certificate_objects import SecretRef
from webhook.cluster.client import connect
from webhook.cluster.client_configuration import Access

LEAF, CA = "8s", "20s"
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def home(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    home = Home(control_plane, tmp_path_factory.mktemp("home"))
    yield home
    home.close()


@pytest.fixture(scope="module")
def replicas(
    request: pytest.FixtureRequest, home: Home, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Replica]]:
    """Yield two replicas that were started at the same time, before there was a configuration."""
    directory = tmp_path_factory.mktemp("replicas")
    replicas = [Replica(home, directory / str(number), LEAF, CA) for number in range(2)]
    failed_before = request.session.testsfailed
    try:
        for replica in replicas:
            replica.start()
        for replica in replicas:
            replica.wait_ready()
        yield replicas
    finally:
        for replica in replicas:
            replica.close()
        if request.session.testsfailed > failed_before:
            request.config.stash[REMARKS].append(f"the replicas' logs are in {directory}")


@pytest.fixture(scope="module")
def load(home: Home, replicas: list[Replica]) -> Iterator[Load]:
    """Yield calls that never cease; they have begun to succeed."""
    home.configure()
    with Load(home, [replica.port for replica in replicas]) as load:
        yield load


def test_replicas_that_start_together_share_one_certificate(home: Home, replicas: list[Replica]) -> None:
    secret = home.secret()
    assert secret["type"] == "Opaque"
    assert set(home.data()) >= {"tls.crt", "tls.key", "ca.crt", "ca.key"}
    (owner,) = secret["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"]) == ("ServiceAccount", ACCOUNT)

    def shared() -> bool:
        return {replica.served() for replica in replicas} == {normal(home.data()["tls.crt"])}

    home.control_plane.wait_for(shared, what="one certificate")
    for replica in replicas:
        status, text = replica.get("/readyz?verbose") or (0, "")
        assert status == 200, text
        assert "\n[+]certificate ok: " in text
        assert "expires " in text


def test_no_call_fails_while_leaves_and_cas_are_renewed(home: Home, load: Load) -> None:
    leaves: set[bytes] = set()
    cas: set[bytes] = set()
    renames = load.renames
    with load.none_fails():
        deadline = time.monotonic() + 2 * PATIENCE
        while len(cas) < 3 or len(leaves) < 6:
            assert time.monotonic() < deadline, (len(cas), len(leaves))
            data = home.data()
            leaves.add(data["tls.crt"])
            cas.add(data["ca.crt"])
            time.sleep(0.3)
    assert load.renames > renames + 5
    assert len(from_data(home.data()).authorities) <= 3


def test_the_metric_says_when_what_is_served_ends(home: Home, replicas: list[Replica]) -> None:
    def told() -> bool:
        text = (replicas[0].get("/metrics") or (0, ""))[1]
        (line,) = [one for one in text.splitlines() if one.startswith("netpol_preflight_certificate_expiry")]
        ends = x509.load_pem_x509_certificate(home.data()["tls.crt"]).not_valid_after_utc
        return float(line.split()[1]) == ends.timestamp()

    home.control_plane.wait_for(told, what="the metric")


HARMS: dict[str, Callable[[Home], None]] = {
    "deleted": lambda home: home.control_plane.client.request("DELETE", home.secret_path),
    "emptied": lambda home: home.patch(home.secret_path, {"data": {"tls.crt": "", "tls.key": "", "ca.crt": ""}}),
    "garbled": lambda home: home.patch(home.secret_path, {"data": {"tls.crt": "Z2FyYmFnZQ==", "ca.key": "AAAA"}}),
    "robbed of its key": lambda home: home.patch(home.secret_path, {"data": {"ca.key": None}}),
    "given another's key": lambda home: home.patch(
        home.secret_path, {"data": {"tls.key": home.secret()["data"]["ca.key"]}}
    ),
}


@pytest.mark.parametrize("harm", HARMS)
def test_no_call_fails_when_the_secret_is_harmed(home: Home, load: Load, harm: str) -> None:
    ca = home.data()["ca.crt"]
    known = {ca, home.data().get("next-ca.crt", b"")}
    with load.none_fails():
        HARMS[harm](home)

        def repaired() -> bool:
            material = from_data(home.data())
            return material.ca.cert in known and is_whole(material, home)

        home.control_plane.wait_for(repaired, what="the same CA in the Secret")


def is_whole(material: Material, home: Home) -> bool:
    now = datetime.now(UTC)
    situation = Situation(now, general_names([f"{SERVICE}.{home.namespace}.svc"]), Lives())
    return advance(material, situation).material.ca == material.ca and is_trusted(
        material.leaf.cert, bundle(material, now), now, f"{SERVICE}.{home.namespace}.svc"
    )


@pytest.mark.parametrize("wiped", ["both", "one"])
def test_a_ca_bundle_that_is_wiped_is_put_back_and_calls_succeed_again(home: Home, load: Load, wiped: str) -> None:
    home.patch(f"{CONFIGURATIONS}/{home.name}", removal(2 if wiped == "both" else 1), JSON_PATCH)

    def back() -> bool:
        wanted = bundle(from_data(home.data()), datetime.now(UTC))
        return all(same(each, wanted) for each in home.bundles())

    home.control_plane.wait_for(back, what="the caBundle")
    home.control_plane.wait_for(load.works, what="a call to succeed")
    time.sleep(1)  # the API server hears of it a moment later
    with load.none_fails():
        time.sleep(1)


def test_without_its_rights_a_replica_serves_on_and_says_what_it_lacks(
    home: Home, replicas: list[Replica], load: Load
) -> None:
    with load.none_fails():

        def told() -> bool:
            status, text = replicas[0].get("/readyz?verbose") or (0, "")
            assert status == 200, text
            (line,) = [line for line in text.splitlines() if line.startswith("[+]certificate ok: ")]
            return f'secrets "{SECRET}" is forbidden' in line

        assert not told()
        done = home.control_plane.kubectl("delete", "rolebinding", ACCOUNT, namespace=home.namespace)
        assert done.returncode == 0, done.stderr
        home.control_plane.wait_for(told, what="the complaint")
        home.grant()
        home.control_plane.wait_for(lambda: not told(), what="the end of the complaint")


def test_no_key_was_logged(home: Home, replicas: list[Replica], load: Load) -> None:
    assert load.calls
    for replica in replicas:
        text = replica.log.read_text(encoding="utf-8")
        assert "certificate written to the Secret" in text
        assert "PRIVATE" not in text
        assert "Traceback" not in text
        assert "internal error" not in text
    keys = [home.secret()["data"][key] for key in ("tls.key", "ca.key")]
    assert not any(key[:60] in replica.log.read_text(encoding="utf-8") for key in keys for replica in replicas)


# One replica, without a server: what it makes of what it finds


def managed(home: Home, secret: str) -> Managed:
    access = Access(str(home.kubeconfig))
    return Managed(access, SecretRef(home.namespace, secret), home.name, (f"{SERVICE}.{home.namespace}.svc",))


@pytest.fixture(scope="module")
def quiet(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """Yield a home of its own, with a configuration and without replicas."""
    home = Home(control_plane, tmp_path_factory.mktemp("quiet"))
    home.configure()
    yield home
    home.close()


def old(now: datetime) -> dict[str, bytes]:
    """Return what was made at `now`, for another name."""
    return to_data(advance(None, Situation(now, general_names(["another.svc"]), Lives())).material, {})


FOUND: dict[str, tuple[str, Callable[[], dict[str, bytes]]]] = {
    "nothing": ("kubernetes.io/tls", lambda: {"tls.crt": b"", "tls.key": b""}),
    "what expired years ago": ("kubernetes.io/tls", lambda: old(datetime.now(UTC) - 4000 * DAY)),
    "what a clock ahead made": ("kubernetes.io/tls", lambda: old(datetime.now(UTC) + 4000 * DAY)),
    "a certificate for another name": ("kubernetes.io/tls", lambda: old(datetime.now(UTC))),
    "somebody else's kind of Secret": ("Opaque", lambda: {"password": b"secret"}),
}


@pytest.mark.parametrize("found", FOUND)
def test_what_is_found_is_made_right(quiet: Home, found: str) -> None:
    kind, make = FOUND[found]
    data = make()
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": kind,
        "metadata": {"name": SECRET, "labels": {"mine": "yes"}},
        "data": {key: b64encode(value).decode() for key, value in data.items()},
    }
    quiet.control_plane.client.request("POST", quiet.secret_path.rpartition("/")[0], body)
    try:
        controller = look(quiet)
        assert (controller.serving is not None, controller.troubles) == (True, ())
        assert is_whole(from_data(quiet.data()), quiet)
        assert quiet.secret()["metadata"]["labels"] == {"mine": "yes"}
        assert quiet.data().get("password", b"secret") == b"secret"
        wanted = bundle(from_data(quiet.data()), datetime.now(UTC))
        assert quiet.bundles() == [wanted, wanted]
    finally:
        forget(quiet)


def forget(home: Home) -> None:
    """Leave it as a chart installs it."""
    home.control_plane.client.request("DELETE", home.secret_path)
    home.patch(f"{CONFIGURATIONS}/{home.name}", removal(2), JSON_PATCH)


def removal(count: int) -> list[dict[str, str]]:
    """Return the patch that removes the caBundle of the first few webhooks."""
    return [{"op": "remove", "path": f"/webhooks/{index}/clientConfig/caBundle"} for index in range(count)]


def look(home: Home) -> CertificateController:
    """Let a replica that knows nothing look once."""

    async def once() -> CertificateController:
        settings = managed(home, SECRET)
        async with connect(settings.access.kubeconfig) as connection:
            store = ApiServerStore(connection, settings, ServerClock(utc))
            controller = CertificateController(store, settings.names, settings.lives, lambda _: None, time.monotonic)
            await controller.reconcile()
            return controller

    return asyncio.run(once())


@pytest.mark.parametrize("days", [400, -400])
def test_a_machine_whose_clock_jumps_changes_nothing_and_says_so(quiet: Home, tmp_path: Path, days: int) -> None:
    ahead = timedelta()
    files = TlsFiles(tmp_path / "ca.crt", tmp_path / "tls.crt", tmp_path / "tls.key")
    certificates = SharedCertificate(managed(quiet, SECRET), files, clock=lambda: datetime.now(UTC) + ahead, pause=0.05)

    async def jumped() -> None:
        nonlocal ahead
        running = asyncio.create_task(certificates.run(lambda: None))
        await asyncio.wait_for(certificates.ready(), PATIENCE)
        before = quiet.secret()
        assert certificates.troubles() == ()
        ahead = timedelta(days=days)
        async with asyncio.timeout(PATIENCE):
            while not certificates.troubles():  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
        assert quiet.secret() == before
        assert abs(certificates.now() - datetime.now(UTC)) < timedelta(minutes=1)
        side = "ahead of" if days > 0 else "behind"
        assert certificates.troubles() == (
            f"this machine's clock is {abs(days) - (days < 0)} days {side} the API server's",
        )
        running.cancel()
        await asyncio.wait([running])

    try:
        asyncio.run(jumped())
    finally:
        forget(quiet)


def test_of_the_configuration_nothing_but_the_ca_bundles_is_written(quiet: Home) -> None:
    before = quiet.configuration()
    assert look(quiet).serving
    after = quiet.configuration()
    (ours,) = [one for one in after["metadata"]["managedFields"] if one["manager"] == "netpol-preflight"]
    fields = ours["fieldsV1"]["f:webhooks"].values()
    assert [each["f:clientConfig"] for each in fields] == [{"f:caBundle": {}}] * 2
    for webhook in after["webhooks"]:
        assert webhook["clientConfig"].pop("caBundle")
    assert after["webhooks"] == before["webhooks"]
    assert after["metadata"].get("annotations") == before["metadata"].get("annotations")
    forget(quiet)


# The end


def test_the_secret_goes_with_the_service_account(quiet: Home) -> None:
    assert look(quiet).serving
    assert quiet.secret()
    done = quiet.control_plane.kubectl("delete", "serviceaccount", ACCOUNT, namespace=quiet.namespace)
    assert done.returncode == 0, done.stderr
    quiet.control_plane.wait_for(lambda: quiet.secret() is None, what="the Secret to go")

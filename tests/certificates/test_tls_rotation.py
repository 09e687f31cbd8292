"""Rotation: a CA is trusted before it signs and for as long as what it signed lives, whatever happens to the Secret."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from msgspec.structs import replace

from tests.support.rotating import NAME, NOW, WEBHOOKS, ApiServers, Replica, is_trusted
from webhook.certificates.certificate_controller import bundle, same
from webhook.certificates.issue import Pair, fingerprint, general_names, names_of, new_ca, read_all, sign
from webhook.certificates.material import KEYS, Material, from_data, to_data
from webhook.certificates.rotation import Advance, Lives, Situation, advance, damage

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
NAMES = general_names([NAME])
LIVES = Lives(leaf=90 * DAY, ca=1800 * DAY)
NOBODY_SETTLED: frozenset[bytes] = frozenset()


def at(now: datetime = NOW, **more: object) -> Situation:
    """Return a situation in which no new CA has been heard of yet."""
    values: dict[str, object] = {"names": NAMES, "lives": LIVES, "settled": NOBODY_SETTLED, **more}
    return Situation(now, **values)  # type: ignore[arg-type] # a test's shorthand


def made(now: datetime = NOW) -> Material:
    return advance(None, at(now)).material


def print_of(pair: Pair) -> bytes:
    return fingerprint(x509.load_pem_x509_certificate(pair.cert))


def ends(pair: Pair) -> datetime:
    return x509.load_pem_x509_certificate(pair.cert).not_valid_after_utc


# From nothing


def test_from_nothing_a_ca_and_a_leaf_are_made_that_verify_by_the_bundle() -> None:
    step = advance(None, at())
    assert step.reasons == ("there is no certificate yet",)
    assert damage(step.material, NOW) is None
    assert is_trusted(step.material.leaf.cert, bundle(step.material, NOW), NOW)
    assert ends(step.material.leaf) == NOW + 90 * DAY
    assert ends(step.material.ca) == NOW + 1800 * DAY


def test_what_is_whole_is_left_alone() -> None:
    material = made()
    assert advance(material, at(NOW + 59 * DAY)) == Advance(material, ())


def test_from_nothing_what_api_servers_trust_already_stays_trusted_for_a_leafs_life() -> None:
    old = made()
    stranger = somebody_elses()
    step = advance(None, at(live=old.ca.cert + stranger.cert))
    assert is_trusted(old.leaf.cert, bundle(step.material, NOW), NOW)
    assert stranger.cert not in bundle(step.material, NOW)
    assert step.material.previous_until == NOW + 90 * DAY
    assert advance(step.material, at(NOW + 90 * DAY)).material.previous == b""


# Renewal


def test_a_leaf_is_renewed_at_two_thirds_of_its_life_by_the_same_ca() -> None:
    material = made()
    assert advance(material, at(NOW + 60 * DAY - 2 * SECOND)).reasons == ()
    step = advance(material, at(NOW + 60 * DAY))
    assert step.reasons == ("the certificate is old",)
    assert step.material.ca == material.ca
    assert step.material.leaf.key != material.leaf.key
    assert ends(step.material.leaf) == NOW + 150 * DAY


def test_a_leaf_never_outlives_its_ca() -> None:
    ca = new_ca(NOW, 10 * DAY)
    assert ends(sign(ca, NAMES, NOW + 9 * DAY, 90 * DAY)) == NOW + 10 * DAY


def test_a_leaf_that_ends_with_its_ca_is_not_signed_again_and_again() -> None:
    late = NOW + 1790 * DAY
    material = replace(made(), leaf=sign(made().ca, NAMES, NOW, DAY))
    ca = new_ca(NOW, 1800 * DAY)
    material = replace(material, ca=ca, leaf=sign(ca, NAMES, late, LIVES.leaf), next_ca=new_ca(late, LIVES.ca))
    assert advance(material, at(late + 9 * DAY)).reasons == ()


def at_two_thirds() -> tuple[Material, datetime]:
    """Return a CA of 1200 of its 1800 days, with a new leaf and the next CA beside it."""
    now = NOW + 1200 * DAY
    material = made()
    material = replace(material, leaf=sign(material.ca, NAMES, now, LIVES.leaf))
    step = advance(material, at(now))
    assert step.reasons == ("the CA is old: the next one is made",)
    assert (step.material.ca, step.material.leaf) == (material.ca, material.leaf)
    return step.material, now


def test_the_next_ca_is_trusted_before_it_signs() -> None:
    material, now = at_two_thirds()
    future = sign(material.next_ca, NAMES, now, DAY)
    assert is_trusted(material.leaf.cert, bundle(material, now), now)
    assert is_trusted(future.cert, bundle(material, now), now)
    assert advance(material, at(now + DAY)) == Advance(material, ())


@pytest.mark.parametrize("settled", ["heard of", "nobody to hear"])
def test_the_next_ca_signs_when_every_api_server_has_heard_of_it(settled: str) -> None:
    material, now = at_two_thirds()
    heard = frozenset({print_of(material.next_ca)}) if settled == "heard of" else None
    step = advance(material, at(now, settled=heard))
    assert step.reasons == ("every API server has heard of the next CA",)
    assert (step.material.ca, step.material.next_ca) == (material.next_ca, Pair())
    assert damage(step.material, now) is None
    for leaf in (material.leaf, step.material.leaf):
        assert is_trusted(leaf.cert, bundle(step.material, now), now)


def test_the_ca_before_is_forgotten_when_its_last_leaf_has_ended_and_not_sooner() -> None:
    material, now = at_two_thirds()
    material = advance(material, at(now, settled=None)).material
    assert material.previous_until == now + 90 * DAY
    before = advance(material, at(now + 90 * DAY - SECOND)).material
    assert len(before.authorities) == 2
    after = advance(before, at(now + 90 * DAY))
    assert after.reasons == ("the certificates of the CA before have ended",)
    assert after.material.authorities == tuple(read_all(material.ca.cert))


def test_a_ca_that_expired_unheard_of_gives_way_to_the_next() -> None:
    material, now = at_two_thirds()
    step = advance(material, at(now + 601 * DAY))
    assert step.material.ca == material.next_ca
    assert damage(step.material, now + 601 * DAY) is None


# Damage


def somebody_elses() -> Pair:
    """Return a CA that is none of ours."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "somebody else's CA")])
    cert = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, NOW - DAY, NOW + 3000 * DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Pair(cert.public_bytes(Encoding.PEM), key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


OTHER = made()
FOREIGN = somebody_elses()
Harm = Callable[[Material], Material]
HARMS: dict[str, Harm] = {
    "no leaf": lambda m: replace(m, leaf=Pair()),
    "garbage for a leaf": lambda m: replace(m, leaf=Pair(b"garbage", m.leaf.key)),
    "garbage in PEM for a leaf": lambda m: replace(
        m, leaf=Pair(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", m.leaf.key)
    ),
    "garbage for the leaf's key": lambda m: replace(m, leaf=Pair(m.leaf.cert, b"garbage")),
    "another leaf's key": lambda m: replace(m, leaf=Pair(m.leaf.cert, OTHER.leaf.key)),
    "another CA's leaf": lambda m: replace(m, leaf=OTHER.leaf),
    "no CA": lambda m: replace(m, ca=Pair()),
    "another CA with its key": lambda m: replace(m, ca=OTHER.ca),
    "somebody else's CA": lambda m: replace(m, ca=FOREIGN),
    "a leaf for a CA": lambda m: replace(m, ca=m.leaf),
    "no key of the CA": lambda m: replace(m, ca=Pair(m.ca.cert)),
    "another CA's key": lambda m: replace(m, ca=Pair(m.ca.cert, OTHER.ca.key)),
    "a leaf that ended": lambda m: replace(m, leaf=sign(m.ca, NAMES, NOW - 2 * DAY, DAY)),
    "a leaf of tomorrow": lambda m: replace(m, leaf=sign(m.ca, NAMES, NOW + DAY, DAY)),
    "everything ended": lambda _: made(NOW - 1801 * DAY),
    "everything of next year": lambda _: made(NOW + 365 * DAY),
    "nothing at all": lambda _: Material(Pair(), Pair()),
}
LOST_KEY = ("no key of the CA", "another CA's key")


@pytest.mark.parametrize("harm", HARMS)
def test_who_remembers_what_was_there_puts_it_back(harm: str) -> None:
    material = made()
    step = advance(HARMS[harm](material), at(known=material))
    (reason,) = step.reasons
    assert reason.endswith(": restored")
    assert step.material == material


@pytest.mark.parametrize("harm", HARMS)
def test_who_remembers_nothing_makes_it_anew_and_keeps_what_is_trusted(harm: str) -> None:
    material = made()
    step = advance(HARMS[harm](material), at(live=material.ca.cert))
    assert step.reasons
    after = advance(step.material, at(live=material.ca.cert)).material if harm in LOST_KEY else step.material
    assert after == step.material
    assert is_trusted(after.leaf.cert, bundle(after, NOW), NOW)
    assert is_trusted(material.leaf.cert, bundle(after, NOW), NOW)  # another replica may serve it
    if harm not in LOST_KEY:
        assert damage(after, NOW) is None


@pytest.mark.parametrize("harm", LOST_KEY)
def test_a_ca_whose_key_is_lost_is_replaced_without_haste(harm: str) -> None:
    material = made()
    staged = advance(HARMS[harm](material), at()).material
    assert (staged.leaf, staged.ca.cert) == (material.leaf, material.ca.cert)
    heard = frozenset({print_of(staged.next_ca)})
    done = advance(staged, at(settled=heard)).material
    assert damage(done, NOW) is None
    assert is_trusted(material.leaf.cert, bundle(done, NOW), NOW)


def test_a_ca_that_cannot_sign_waits_even_for_an_old_leaf_as_nothing_better_can_be_had() -> None:
    material = made()
    lost = replace(material, ca=Pair(material.ca.cert))
    step = advance(lost, at(NOW + 80 * DAY))
    assert step.material.leaf == material.leaf
    assert step.material.next_ca.key


@pytest.mark.parametrize("next_ca", [Pair(b"garbage", b"garbage"), FOREIGN, new_ca(NOW - 9 * DAY, DAY)])
def test_a_next_ca_that_cannot_be_used_is_dropped_or_made_again(next_ca: Pair) -> None:
    step = advance(replace(made(), next_ca=next_ca), at(settled=None))
    assert step.material.next_ca == Pair()
    material, now = at_two_thirds()
    again = advance(replace(material, next_ca=next_ca), at(now)).material
    assert is_trusted(sign(again.next_ca, NAMES, now, DAY).cert, bundle(again, now), now)


def test_a_missing_name_is_added_to_those_that_are_there() -> None:
    material = made()
    names = general_names(["other.svc"])
    step = advance(material, at(names=names))
    assert step.reasons == ("the certificate lacks a name",)
    (leaf,) = read_all(step.material.leaf.cert)
    assert set(names_of(leaf)) == {*names, *NAMES}
    for each in (names, NAMES):  # two releases at a time do not take turns at it
        assert advance(step.material, at(names=each)).reasons == ()


def test_cas_that_somebody_took_out_too_early_come_back() -> None:
    material, now = at_two_thirds()
    known = advance(material, at(now, settled=None)).material
    for previous in (b"garbage", b"", known.previous):
        for until in (known.previous_until, None, now - DAY, now + 9000 * DAY):
            harmed = replace(known, previous=previous, previous_until=until)
            step = advance(harmed, at(now, known=known))
            assert same(step.material.previous, known.previous)
            assert advance(step.material, at(now, known=step.material)).reasons == ()


def test_the_ca_of_what_is_served_is_put_back_into_what_another_replica_began() -> None:
    mine, other = made(), OTHER
    step = advance(other, at(serving=mine, live=mine.ca.cert + other.ca.cert))
    assert step.reasons == ("a CA whose certificate may be in use was left out",)
    assert is_trusted(mine.leaf.cert, bundle(step.material, NOW), NOW)
    assert step.material.previous_until == ends(mine.leaf)
    assert advance(other, at(serving=mine, live=other.ca.cert)).reasons == ()  # nobody trusts it any more


@pytest.mark.parametrize("days", [-4000, -30, -1, 1, 61, 91, 1201, 1801, 4000])
def test_after_a_jump_of_the_api_servers_clock_there_is_a_leaf_that_is_valid_by_it(days: int) -> None:
    material, now = made(), NOW + days * DAY
    there = advance(material, at(now, known=material, serving=material, live=bundle(material, NOW))).material
    assert is_trusted(there.leaf.cert, bundle(there, now), now)
    back = advance(there, at(NOW, known=there, serving=there, live=bundle(there, now))).material
    assert is_trusted(back.leaf.cert, bundle(back, NOW), NOW)


# As data


def test_material_survives_the_secret_and_leaves_other_keys_alone() -> None:
    material, now = at_two_thirds()
    material = advance(material, at(now, settled=None)).material
    data = to_data(material, {"ca.crt": b"old", "next-ca.crt": b"old", "note": b"mine"})
    assert from_data(data) == material
    assert data["note"] == b"mine"
    assert set(data) <= {*KEYS, "note"}
    assert "next-ca.crt" not in data


@pytest.mark.parametrize("text", [b"", b"garbage", b"\xff", b"2026-13-01T00:00:00+00:00"])
def test_an_end_that_cannot_be_read_is_not_known(text: bytes) -> None:
    assert from_data({"previous-ca.until": text}).previous_until is None


def test_no_key_is_in_what_is_printed() -> None:
    material, now = at_two_thirds()
    for value in (material, material.ca, at(now, known=material, serving=material), advance(material, at(now))):
        assert "PRIVATE" not in repr(value)
        assert "BEGIN" not in repr(value)


# Replicas together, in time that is turned on by hand

QUICK = Lives(leaf=timedelta(seconds=100), ca=timedelta(seconds=300))


def looked(*replicas: Replica) -> None:
    async def together() -> None:
        await asyncio.gather(*(replica.controller.reconcile() for replica in replicas))

    asyncio.run(together())


def served(replica: Replica) -> Material:
    assert replica.serving is not None
    return replica.serving


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("configured", [True, False])
def test_replicas_that_start_together_serve_by_one_ca(seed: int, *, configured: bool) -> None:
    api = ApiServers(seed, configured=configured)
    replicas = [Replica(api, LIVES) for _ in range(3)]
    looked(*replicas)
    assert len({served(replica).leaf for replica in replicas}) == 1
    assert api.writes.count("create secret") == 1
    assert api.writes.count("update secret") == 0
    if configured:
        assert api.bundles is not None
        assert all(is_trusted(served(replicas[0]).leaf.cert, each, NOW) for each in api.bundles.values())


def test_a_configuration_that_comes_later_is_filled_in() -> None:
    api = ApiServers(configured=False)
    replica = Replica(api, LIVES)
    looked(replica)
    assert replica.controller.troubles == ()
    api.configure(dict.fromkeys(WEBHOOKS, b""))
    looked(replica)
    assert api.bundles == dict.fromkeys(WEBHOOKS, bundle(served(replica), NOW))


def test_nothing_is_written_where_nothing_is_to_be_done() -> None:
    api = ApiServers()
    replicas = [Replica(api, LIVES) for _ in range(2)]
    for _ in range(20):
        looked(*replicas)
        api.passed += 3600
    assert sorted(api.writes) == ["create secret", "patch configuration"]


@pytest.mark.parametrize("wiped", [b"", b"garbage", FOREIGN.cert, "added", "one of two"])
def test_a_ca_bundle_that_somebody_edited_is_put_right_at_the_next_look(wiped: bytes | str) -> None:
    api = ApiServers()
    replica = Replica(api, LIVES)
    looked(replica)
    right = bundle(served(replica), NOW)
    every: dict[str, bytes] = dict.fromkeys(WEBHOOKS, right)
    if isinstance(wiped, bytes):
        api.configure(dict.fromkeys(WEBHOOKS, wiped))
    else:
        api.configure(
            dict.fromkeys(WEBHOOKS, right + FOREIGN.cert) if wiped == "added" else {**every, WEBHOOKS[0]: b""}
        )
    looked(replica)
    assert api.bundles == every


def test_what_the_api_server_refuses_is_told_and_the_certificate_at_hand_is_served_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    api = ApiServers()
    replica = Replica(api, QUICK)
    looked(replica)
    before = served(replica)
    for refused in ("read configuration", "read secret", "update secret"):
        replica.door.refuses = frozenset({refused})
        api.passed += 70 if refused == "update secret" else 1
        looked(replica)
        looked(replica)
        assert replica.controller.troubles == (f"HTTP 403: {refused}: forbidden",)
        assert served(replica) == before
    assert caplog.messages.count("certificate: HTTP 403: read secret: forbidden") == 1
    replica.door.refuses = frozenset({"patch configuration"})
    api.configure(dict.fromkeys(WEBHOOKS, b""))
    looked(replica)
    assert "HTTP 403: patch configuration: forbidden" in replica.controller.troubles
    assert served(replica).leaf != before.leaf
    assert "PRIVATE" not in caplog.text


def test_an_older_leaf_that_cannot_be_renewed_does_not_replace_a_newer_one() -> None:
    api = ApiServers()
    replica, fresh = Replica(api, QUICK), Replica(api, QUICK)
    looked(replica)
    api.passed += 70
    looked(replica)
    mine = served(replica)
    assert len(api.backups) == 1
    api.set(api.backups[0])
    for each in (replica, fresh):
        each.door.refuses = frozenset({"update secret"})
    looked(replica, fresh)
    assert served(replica).leaf == mine.leaf
    assert served(fresh).leaf == from_data(api.backups[0]).leaf  # old, and better than nothing


@pytest.mark.parametrize("refused", ["read configuration", "read secret", "create secret"])
def test_without_its_rights_a_replica_has_no_certificate_and_says_why(refused: str) -> None:
    replica = Replica(ApiServers(), LIVES)
    replica.door.refuses = frozenset({refused})
    looked(replica)
    assert replica.serving is None
    assert replica.controller.troubles == (f"HTTP 403: {refused}: forbidden",)


def test_a_ca_is_not_promoted_while_the_ca_bundle_cannot_be_written() -> None:
    api = ApiServers()
    replica = Replica(api, QUICK)
    looked(replica)
    before = served(replica)
    replica.door.refuses = frozenset({"patch configuration"})
    while api.passed < 290:
        api.passed += 5
        looked(replica)
    assert served(replica).ca == before.ca
    assert api.bundles is not None
    assert is_trusted(served(replica).leaf.cert, api.bundles[WEBHOOKS[0]], api.now)
    api.passed += 15  # it has ended: nobody trusts it any more
    looked(replica)
    assert served(replica).ca != before.ca


def test_a_replica_that_had_to_begin_anew_waits_until_it_is_trusted_while_others_serve() -> None:
    api = ApiServers()
    old, fresh = Replica(api, LIVES), Replica(api, LIVES)
    looked(old)
    api.set(None)
    looked(fresh)
    assert fresh.serving is None
    assert fresh.controller.troubles == ("waiting until every API server has heard of its new CA",)
    looked(old)
    assert served(old).ca != from_data(api.data or {}).ca  # still what API servers have trusted all along
    api.passed += 11
    looked(fresh, old)
    assert served(fresh).ca == from_data(api.data or {}).ca
    api.passed += 300
    looked(old)
    assert served(old).leaf == served(fresh).leaf


# Failures, harm, restarts and API servers that hear late, all at once: whoever serves is trusted, by every API server

LAG = 8.0  # seconds; less than `Lives.heard`
ROUNDS = 200


class Turmoil:
    """Three replicas, one of which may be starting."""

    def __init__(self, seed: int, failing: float) -> None:
        self.api = ApiServers(seed, lag=LAG, count=3)
        self.api.configure(dict.fromkeys(WEBHOOKS, b""))
        self.failing = failing
        self.replicas = [self.fresh() for _ in range(3)]
        self.deeds: list[str] = []
        self.cas: set[bytes] = set()
        self.leaves: set[bytes] = set()

    def fresh(self) -> Replica:
        return Replica(self.api, QUICK, failing=self.failing)

    def pass_by(self) -> None:
        looked(*(replica for replica in self.replicas if self.api.chance.random() < 0.8))
        self.api.passed += self.api.chance.uniform(0, 2.5)

    def disturb(self) -> None:
        match self.api.chance.randrange(40):
            case 0:
                self.deeds.append(f"{self.api.passed:.0f}: {self.api.harm()}")
            case 1 if all(replica.serving for replica in self.replicas):
                self.deeds.append(f"{self.api.passed:.0f}: restart")
                self.replicas[self.api.chance.randrange(3)] = self.fresh()
            case _:
                pass

    def check(self) -> None:
        serving = [replica.serving for replica in self.replicas if replica.serving]
        assert serving, self.deeds
        for material in set(serving):
            self.cas.add(material.ca.cert)
            self.leaves.add(material.leaf.cert)
            for view in self.api.views():
                assert is_trusted(material.leaf.cert, view, self.api.now), (self.api.passed, self.deeds)


@pytest.mark.parametrize("seed", range(3))
def test_whoever_serves_is_trusted_whatever_happens(seed: int) -> None:
    logging.getLogger("webhook.certificates.certificate_controller").setLevel(logging.ERROR)
    turmoil = Turmoil(seed, failing=0.03)
    while turmoil.api.passed < 2 * LAG:  # once all have heard for the first time
        turmoil.pass_by()
    for _ in range(ROUNDS):
        turmoil.pass_by()
        turmoil.check()
        turmoil.disturb()
    assert len(turmoil.leaves) > 3
    assert len(turmoil.cas) > 1
    assert turmoil.deeds


@pytest.mark.parametrize("seed", range(3))
def test_after_the_turmoil_all_serve_the_same_and_nothing_is_written(seed: int) -> None:
    turmoil = Turmoil(seed, failing=0.0)
    for _ in range(30):
        turmoil.pass_by()
        turmoil.api.harm()
    for _ in range(3):
        looked(*turmoil.replicas)
        turmoil.api.passed += 31
    looked(*turmoil.replicas)
    before = len(turmoil.api.writes)
    looked(*turmoil.replicas)
    assert len({served(replica).leaf for replica in turmoil.replicas}) == 1
    assert len(turmoil.api.writes) == before

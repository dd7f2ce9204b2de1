"""`dairi keys rotate request`: bridges follow the request key by themselves."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlmodel import select

from assurance.database import Database
from assurance.sealed import Vault
from assurance.wards import Ward
from card.bridge.enrolment import Enrolment, Pin
from card.container import SigningPurpose, prepare
from card.jose import unverified_header
from card.request import CardRequest, RequestRefused, sign_request
from card.successors import GRACE, MOST
from idp.card_requests import answer_uri_of
from idp.keys import KeyPurpose, KeyRing, load_keys, rotate
from idp.tables import SigningKeyRow
from tests.idp.bridges.conftest import Dairi


def today() -> datetime:
    """A command has no clock to set."""
    return datetime.now(UTC)


def started(database: Database, vault: Vault, ward: Ward) -> KeyRing:
    """The keys of a process that starts now."""
    return load_keys(database, vault, ward.code, today())


def pinned(keys: KeyRing, ward: Ward) -> Enrolment:
    return Enrolment([Pin(ward.issuer, answer_uri_of(ward), keys.signer(KeyPurpose.REQUEST).public_jwk())])


def asked(keys: KeyRing, ward: Ward, now: datetime | None = None) -> str:
    """A request as `idp.card_requests.ask` makes it."""
    address, now = answer_uri_of(ward), now or today()
    made = prepare(SigningPurpose.LOGIN, issuer=ward.issuer, audience=address, nonce=b"n" * 16, issued_at=now)
    request = CardRequest(
        issuer=ward.issuer,
        issuer_name={"ja": "渋谷区"},
        response_uri=address,
        cancel_uri=f"{ward.issuer}/login?i=1",
        purpose=SigningPurpose.LOGIN,
        state="s",
        to_be_signed=made,
        issued_at=now,
        expires_at=now + timedelta(minutes=5),
        request_id="one",
    )
    return sign_request(request, keys.signer(KeyPurpose.REQUEST), keys.successors)


def test_a_bridge_that_was_off_for_some_rotations_obeys_the_newest_key(
    dairi: Dairi, database: Database, vault: Vault, ward: Ward
) -> None:
    rings = [started(database, vault, ward)]
    assert not rings[0].successors
    for _ in range(MOST + 1):
        run = dairi("keys", "rotate", "request")
        rings.append(started(database, vault, ward))
        jws = asked(rings[-1], ward)
        assert (run.exit_code, "within one hour" in run.output) == (0, True), run.output
        assert str(unverified_header(jws)["kid"]) in run.output
        assert all(pinned(ring, ward).read_request(jws, today()) is not None for ring in rings[-MOST - 1 :])
    with pytest.raises(RequestRefused, match=r"bridge\.unknown_key"):
        pinned(rings[0], ward).read_request(jws, today())
    assert len(jws) < 3000


def test_requests_of_a_process_that_has_not_started_anew_count_for_an_hour(
    dairi: Dairi, database: Database, vault: Vault, ward: Ward
) -> None:
    old = started(database, vault, ward)
    bridge = pinned(old, ward)
    dairi("keys", "rotate", "request")
    new = started(database, vault, ward)
    for keys in (new, old):
        assert bridge.read_request(asked(keys, ward), today()) is not None
    late = today() + GRACE
    with pytest.raises(RequestRefused, match=r"bridge\.unknown_key"):
        bridge.read_request(asked(old, ward, late), late)


def test_a_key_of_another_purpose_names_no_successor(dairi: Dairi, database: Database) -> None:
    for purpose in ("token", "archive"):
        run = dairi("keys", "rotate", purpose)
        assert (run.exit_code, "one hour" in run.output) == (0, False)
    assert dairi("keys", "rotate", "log").exit_code == 1
    with database.reading() as session:
        assert {row.certified for row in session.exec(select(SigningKeyRow)).all()} == {None}


def test_the_newest_key_signs_whatever_the_clocks_of_two_machines_say(
    database: Database, vault: Vault, ward: Ward
) -> None:
    first = started(database, vault, ward)
    for behind in (timedelta(minutes=1), timedelta(minutes=2)):
        with database.writing(ward.code) as unit:
            made = rotate(unit, vault, ward, KeyPurpose.REQUEST, today() - behind)
        assert started(database, vault, ward).signer(KeyPurpose.REQUEST).kid == made.kid
    keys = started(database, vault, ward)
    assert pinned(first, ward).read_request(asked(keys, ward), today()) is not None

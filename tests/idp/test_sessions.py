"""Logins: what they rest on, and what becomes of them and of their tokens when that is gone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import pytest
from sqlmodel import col, delete, select
from starlette.requests import Request
from starlette.testclient import TestClient

from assurance import identifiers
from assurance.evidence import Authentication, CardAuthentication, EmailCode, Passkey
from assurance.identifiers import IdentifierKind
from assurance.person import PersonId, new_id
from assurance.tables import IdentifierRow, PasskeyRow
from card.jose import unverified_claims
from idp import sessions
from idp.services import Services
from idp.tables import LoginSessionRow
from tests.conftest import FixedClock
from tests.idp.conftest import KeptMail, LogIn, WardSystem, authorize, keep, redeem, returned
from tests.idp.test_browsers import post

MINUTE = timedelta(minutes=1)


@dataclass
class Hanako:
    """A proven person at a browser."""

    person: PersonId
    http: TestClient
    services: Services

    def passkey(self) -> Passkey:
        """A registered one."""
        id_, now = new_id(), self.services.clock.now()
        with self.services.database.writing(self.services.ward.code) as unit:
            cipher = self.services.vault.cipher_for(unit.session, unit.ward, self.person)
            unit.session.add(
                PasskeyRow(
                    ward=unit.ward,
                    credential_id=new_id(),
                    id=id_,
                    person=self.person,
                    public_key=b"",
                    sign_count=0,
                    synced=True,
                    label=cipher.seal("", table="credential", column="label", row=id_),
                    added_at=now,
                )
            )
        return Passkey(now, user_verified=True, synced=True, credential=id_)

    def card(self) -> CardAuthentication:
        """A linked one."""
        services, kind = self.services, IdentifierKind.CARD_AUTHENTICATION
        with services.database.writing(services.ward.code) as unit:
            identifiers.bind(unit, services.vault, self.person, kind, b"card", services.clock.now())
        mac = identifiers.mac_of(services.vault, services.ward.code, kind, b"card")
        return CardAuthentication(services.clock.now(), revocation_checked=True, credential=mac)

    def remove(self, piece: Passkey | CardAuthentication) -> None:
        rows = (
            delete(PasskeyRow).where(col(PasskeyRow.id) == piece.credential)
            if isinstance(piece, Passkey)
            else delete(IdentifierRow).where(col(IdentifierRow.mac) == piece.credential)
        )
        with self.services.database.writing(self.services.ward.code) as unit:
            unit.session.exec(rows)

    def shows(self, *pieces: Authentication) -> None:
        for piece in pieces:
            cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.http.cookies.jar)
            request = Request({"type": "http", "headers": [(b"cookie", cookies.encode())]})
            with self.services.database.writing(self.services.ward.code) as unit:
                _, cookie = sessions.begin(unit, self.services, request, self.person, piece)
            self.http.cookies.clear()
            keep(self.http, cookie, self.services)

    def rows(self) -> Sequence[LoginSessionRow]:
        with self.services.database.reading() as session:
            statement = select(LoginSessionRow).where(LoginSessionRow.person == self.person)
            return session.exec(statement.order_by(col(LoginSessionRow.started_at))).all()


@pytest.fixture
def hanako(browser: TestClient, services: Services, log_in: LogIn) -> Hanako:
    person = log_in()
    browser.cookies.clear()
    with services.database.writing(services.ward.code) as unit:
        unit.session.exec(delete(LoginSessionRow))
    return Hanako(person, browser, services)


@pytest.mark.parametrize("means", ["passkey", "card"])
def test_what_rested_on_a_removed_credential_ends_at_once(
    hanako: Hanako, portal: WardSystem, means: str
) -> None:
    shown = hanako.passkey() if means == "passkey" else hanako.card()
    hanako.shows(shown)
    tokens = redeem(portal, returned(authorize(hanako.http, portal))["code"]).json()
    bearer = {"authorization": f"Bearer {tokens['access_token']}"}
    asked = {"token": tokens["access_token"]}
    code = returned(authorize(hanako.http, portal))["code"]
    assert portal.post("/introspect", asked).json()["active"] is True
    hanako.remove(shown)
    assert portal.post("/introspect", asked).json() == {"active": False}
    assert hanako.http.get("/userinfo", headers=bearer).status_code == 401
    refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    assert portal.post("/token", refresh).json()["error"] == "invalid_grant"
    assert redeem(portal, code).json()["error"] == "invalid_grant"
    assert hanako.http.get("/account").headers["location"].startswith("/login?i=")
    assert returned(authorize(hanako.http, portal, prompt="none"))["error"] == "login_required"


def test_what_is_left_of_a_login_goes_on_at_its_own_level(hanako: Hanako, portal: WardSystem) -> None:
    passkey = hanako.passkey()
    hanako.shows(EmailCode(hanako.services.clock.now(), "mac"), passkey)
    tokens = redeem(portal, returned(authorize(hanako.http, portal))["code"]).json()
    assert unverified_claims(tokens["id_token"])["acr"] == "urn:dairi:acr:ial3:aal2"
    hanako.remove(passkey)
    refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    refreshed = portal.post("/token", refresh).json()["access_token"]
    assert unverified_claims(refreshed)["acr"] == "urn:dairi:acr:ial3:aal0"
    told = hanako.http.get("/userinfo", headers={"authorization": f"Bearer {tokens['access_token']}"})
    assert told.json().keys() == {"sub"}
    assert "花子" not in hanako.http.get("/account").text


def test_a_login_of_which_nothing_is_left_does_not_come_back_to_life(
    hanako: Hanako, portal: WardSystem
) -> None:
    passkey = hanako.passkey()
    hanako.shows(passkey)
    token = redeem(portal, returned(authorize(hanako.http, portal))["code"]).json()["access_token"]
    hanako.remove(passkey)
    hanako.shows(hanako.passkey())
    assert portal.post("/introspect", {"token": token}).json() == {"active": False}
    over, current = sorted(hanako.rows(), key=lambda row: row.ended_at is None)
    assert (over.ended_at is not None, current.ended_at) == (True, None)


def test_another_passkey_of_the_person_is_not_the_removed_one(hanako: Hanako) -> None:
    used, other = hanako.passkey(), hanako.passkey()
    hanako.shows(used)
    hanako.remove(other)
    assert hanako.http.get("/account").status_code == 200
    hanako.remove(used)
    assert hanako.http.get("/account").status_code == 303


def log_in_by_mail(hanako: Hanako, mail: KeptMail, login: str) -> str:
    """From the login page by mail to where it leads."""
    i = login.rpartition("=")[2]
    post(hanako.http, hanako.services, "/login/email", {"i": i, "address": "hanako@example.jp"})
    answer = post(hanako.http, hanako.services, "/login/email/code", {"i": i, "code": mail.code()})
    assert answer.status_code == 303
    return str(answer.headers["location"])


@pytest.mark.parametrize("asking", [{"prompt": "login"}, {"max_age": "60"}])
def test_oidc_core_3_1_2_1_a_weaker_login_than_before_meets_prompt_login_and_max_age(
    hanako: Hanako, portal: WardSystem, mail: KeptMail, clock: FixedClock, asking: dict[str, str]
) -> None:
    with hanako.services.database.writing(hanako.services.ward.code) as unit:
        kind, vault = IdentifierKind.EMAIL, hanako.services.vault
        identifiers.bind(unit, vault, hanako.person, kind, "hanako@example.jp", clock.now())
    hanako.shows(hanako.card())
    clock.advance(30 * MINUTE)
    sent_to = authorize(hanako.http, portal, **asking).headers["location"]
    back = hanako.http.get(log_in_by_mail(hanako, mail, sent_to))
    identity = unverified_claims(redeem(portal, returned(back)["code"]).json()["id_token"])
    assert identity["acr"] == "urn:dairi:acr:ial3:aal0"
    assert identity["auth_time"] == int(clock.now().timestamp())
    assert identity["amr"] == ["otp"]


def test_a_step_up_without_such_a_wish_drops_nothing(hanako: Hanako, clock: FixedClock) -> None:
    hanako.shows(hanako.card())
    clock.advance(30 * MINUTE)
    hanako.shows(hanako.passkey())
    (row,) = hanako.rows()
    assert [name in row.evidence for name in ("CardAuthentication", "Passkey")] == [True, True]


def test_evidence_of_another_person_ends_the_login(hanako: Hanako, log_in: LogIn) -> None:
    hanako.shows(hanako.card())
    yuki = Hanako(log_in(name="田中\u3000由紀"), hanako.http, hanako.services)
    hanako.shows(hanako.passkey())
    (row,) = yuki.rows()
    assert row.ended_at is not None
    assert len(hanako.rows()) == 2

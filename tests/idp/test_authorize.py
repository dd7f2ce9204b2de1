"""The way from an authorization request through a login to the client, and what leads nowhere else."""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlmodel import select
from starlette.testclient import TestClient

from assurance.database import Database
from assurance.evidence import CardAuthentication, EmailCode
from assurance.levels import AAL, IAL, Level, Requirement
from assurance.person import PersonId, new_id
from assurance.wards import Ward
from idp import interactions
from idp.app import create_app
from idp.interactions import ACCOUNT, LOGOUT
from idp.keys import KeyPurpose, load_keys
from idp.services import Services
from idp.subjects import sub_for
from idp.tables import InteractionRow, SigningKeyRow
from tests.conftest import NOW, FixedClock
from tests.delegation.conftest import Town, authority, cards, linked, staff, thresholds, town
from tests.idp.conftest import (
    CALLBACK,
    KeptMail,
    LogIn,
    WardSystem,
    authorize,
    challenge,
    keep,
    redeem,
    returned,
)
from tests.idp.steps import asked_of_card, begun, by_mail, complete_by, follow, identity

__all__ = ["authority", "cards", "linked", "staff", "thresholds", "town"]
Browser = TestClient


# Discovery.


@pytest.mark.parametrize("issuer", ["https://shibuya.id.example", "https://id.example/131130"])
def test_rfc8414_3_1_the_well_known_part_stands_before_the_issuers_path(
    services: Services, issuer: str
) -> None:
    ward = Ward(services.ward.code, issuer)
    http = TestClient(create_app([replace(services, ward=ward)]), base_url=ward.origin)
    found = http.get(f"/.well-known/oauth-authorization-server{ward.path}").json()
    assert found["issuer"] == issuer
    assert http.get(f"{ward.path}/.well-known/openid-configuration").json() == found
    decisions = http.get(f"/.well-known/authzen-configuration{ward.path}").json()
    assert decisions["policy_decision_point"] == issuer
    for address in (found["jwks_uri"], found["end_session_endpoint"], issuer):
        assert http.get(address).status_code == 200


def test_rfc8414_2_methods_that_use_a_signature_name_its_algorithms(browser: Browser) -> None:
    found = browser.get("/.well-known/oauth-authorization-server").json()
    for endpoint in ("token", "introspection", "revocation"):
        assert "private_key_jwt" in found[f"{endpoint}_endpoint_auth_methods_supported"]
        assert "ES256" in found[f"{endpoint}_endpoint_auth_signing_alg_values_supported"]


# Authenticating again.


@pytest.mark.parametrize(
    ("asked", "age"),
    [
        ({"prompt": "login"}, 1),
        ({"prompt": "select_account"}, 1),
        ({"max_age": "60"}, 61),
        ({"max_age": "0"}, 1),
    ],
)
def test_oidc_core_3_1_2_1_who_logs_in_anew_comes_back_with_a_new_auth_time(
    browser: Browser,
    portal: WardSystem,
    services: Services,
    mail: KeptMail,
    clock: FixedClock,
    asked: dict[str, str],
    age: int,
) -> None:
    first = identity(
        portal, by_mail(browser, services, mail, begun(authorize(browser, portal)), "a@example.jp")
    )
    clock.advance(timedelta(seconds=age))
    i = begun(authorize(browser, portal, **asked))
    assert "あらためてのログイン" in browser.get(f"/login?i={i}").text
    clock.advance(timedelta(seconds=5))
    again = identity(portal, by_mail(browser, services, mail, i, "a@example.jp"))
    assert (again["sub"], again["auth_time"]) == (first["sub"], int(clock.now().timestamp()))


def test_oidc_core_3_1_2_1_a_stronger_login_of_long_ago_does_not_answer_for_a_weaker_one_now(
    browser: Browser, portal: WardSystem, services: Services, log_in: LogIn, clock: FixedClock
) -> None:
    person = log_in()
    assert identity(portal, authorize(browser, portal))["acr"] == "urn:dairi:acr:ial3:aal3"
    clock.advance(timedelta(minutes=30))
    i = begun(authorize(browser, portal, prompt="login"))
    complete_by(browser, services, i, person, EmailCode(clock.now(), "mac"))
    told = identity(portal, follow(browser, browser.get(f"/login?i={i}")))
    assert told["acr"] == "urn:dairi:acr:ial3:aal0"
    assert told["auth_time"] == int(clock.now().timestamp())


def test_rfc9470_5_a_login_that_was_raised_by_the_card_comes_back_with_what_was_asked(
    town: Town, portal: WardSystem
) -> None:
    town.hanako.log_in(EmailCode(town.services.clock.now(), "mac"))
    i = begun(authorize(town.hanako.http, portal, acr_values="urn:dairi:acr:ial3:aal3"))
    page = town.hanako.get(f"/login?i={i}")
    assert "より確かな本人確認" in page.text
    told = identity(portal, follow(town.hanako.http, town.hanako.answer(asked_of_card(town.hanako, i))))
    assert told["acr"] == "urn:dairi:acr:ial3:aal3"


def test_oidc_core_3_1_2_1_consent_that_cannot_be_obtained_is_said(
    browser: Browser, portal: WardSystem, log_in: LogIn
) -> None:
    log_in()
    assert returned(authorize(browser, portal, prompt="consent"))["error"] == "consent_required"


def test_oidc_core_3_1_2_1_select_account_lets_another_person_log_in(
    browser: Browser, portal: WardSystem, services: Services, mail: KeptMail
) -> None:
    first = identity(
        portal, by_mail(browser, services, mail, begun(authorize(browser, portal)), "a@example.jp")
    )
    i = begun(authorize(browser, portal, prompt="select_account"))
    assert identity(portal, by_mail(browser, services, mail, i, "b@example.jp"))["sub"] != first["sub"]


# id_token_hint.


@pytest.fixture
def hint(browser: Browser, portal: WardSystem, services: Services, mail: KeptMail) -> str:
    """An ID token about a@example.jp, who is logged in."""
    answer = by_mail(browser, services, mail, begun(authorize(browser, portal)), "a@example.jp")
    token: str = redeem(portal, returned(answer)["code"]).json()["id_token"]
    return token


def test_oidc_core_3_1_2_1_a_hint_about_the_person_at_the_browser_changes_nothing(
    browser: Browser, portal: WardSystem, hint: str, clock: FixedClock
) -> None:
    clock.advance(timedelta(hours=7))
    assert "code" in returned(authorize(browser, portal, prompt="none", id_token_hint=hint))


def test_oidc_core_3_1_2_1_a_hint_about_someone_else_is_login_required_or_asks(
    browser: Browser,
    portal: WardSystem,
    services: Services,
    mail: KeptMail,
    hint: str,
    clock: FixedClock,
) -> None:
    browser.cookies.clear()
    by_mail(browser, services, mail, begun(authorize(browser, portal)), "b@example.jp")
    asked = {"id_token_hint": hint}
    clock.advance(timedelta(seconds=1))
    assert returned(authorize(browser, portal, prompt="none", **asked))["error"] == "login_required"
    i = begun(authorize(browser, portal, **asked))
    assert "code" in returned(by_mail(browser, services, mail, i, "a@example.jp"))
    browser.cookies.clear()
    i = begun(authorize(browser, portal, **asked))
    refused = returned(by_mail(browser, services, mail, i, "b@example.jp"))
    assert (refused["error"], refused["state"]) == ("login_required", "s1")


def test_oidc_core_3_1_2_1_a_hint_that_is_no_token_of_ours_for_this_client_is_refused(
    browser: Browser, portal: WardSystem, new_system: Any, hint: str
) -> None:
    asked = {"prompt": "none", "id_token_hint": hint}
    for system, wrong in ((portal, hint[:-8] + "AAAAAAAA"), (portal, "x.y.z"), (new_system("other"), hint)):
        assert (
            returned(authorize(browser, system, **asked | {"id_token_hint": wrong}))["error"]
            == "invalid_request"
        )


# Interactions.


def request_form() -> dict[str, str]:
    return {
        "response_type": "code", "client_id": "portal", "redirect_uri": CALLBACK, "scope": "openid",
        "code_challenge": challenge(), "code_challenge_method": "S256",
    }  # fmt: skip


def test_oidc_core_3_1_2_1_a_request_comes_by_post_too_and_is_capped_while_it_is_read(
    browser: Browser, portal: WardSystem
) -> None:
    assert portal.client.redirect_uris == (CALLBACK,)
    assert browser.post("/authorize", data=request_form()).headers["location"].startswith("/login?i=")
    read = 0

    def body() -> Any:
        nonlocal read
        for _ in range(100):
            read += 1
            yield b"x" * 16_384

    kind = {"content-type": "application/x-www-form-urlencoded"}
    assert browser.post("/authorize", content=body(), headers=kind).status_code == 413


def test_an_interaction_of_another_kind_is_none(browser: Browser, services: Services) -> None:
    account = begun(browser.get("/account"))
    with services.database.writing(services.ward.code) as unit:
        logout, cookie = interactions.open_interaction(
            unit, services, LOGOUT, return_to="/account", requirement=Requirement()
        )
    keep(browser, cookie, services)
    own = {"origin": services.ward.origin}
    for answer in (
        browser.get(f"/authorize/resume?i={account}"),
        browser.post("/authorize/act", data={"i": account, "acting": "self"}, headers=own),
        browser.get(f"/login?i={logout}"),
        browser.get(f"/end-session/confirm?i={account}"),
    ):
        assert answer.status_code == 400
        assert "有効時間が過ぎました" in answer.text


def test_an_interaction_that_expired_leads_back_to_the_client(
    browser: Browser, portal: WardSystem, clock: FixedClock
) -> None:
    i = begun(authorize(browser, portal))
    clock.advance(timedelta(hours=2))
    page = browser.get(f"/login?i={i}")
    found = re.search(r'href="([^"]+)">サービスに戻る', page.text)
    assert (page.status_code, found is not None) == (400, True)
    assert found is not None
    told = parse_qs(urlsplit(found[1].replace("&amp;", "&")).query)
    assert found[1].startswith(CALLBACK)
    assert (told["error"], told["state"]) == (["access_denied"], ["s1"])
    browser.cookies.clear()
    assert "サービスに戻る" not in browser.get(f"/login?i={i}").text


def test_an_interaction_of_the_account_that_expired_begins_anew(browser: Browser, clock: FixedClock) -> None:
    i = begun(browser.get("/account"))
    clock.advance(timedelta(hours=2))
    assert re.search(r'href="/account">もう一度はじめる', browser.get(f"/login?i={i}").text)


def test_an_interaction_that_is_over_leads_to_the_account_and_loses_its_cookies(
    browser: Browser, portal: WardSystem, services: Services, mail: KeptMail
) -> None:
    i = begun(authorize(browser, portal))
    name = f"__Host-dairi-{services.ward.code}-i-{i}"
    assert name in browser.cookies
    assert "code" in returned(by_mail(browser, services, mail, i, "a@example.jp"))
    assert name not in browser.cookies
    again = browser.get(f"/authorize/resume?i={i}")
    assert (again.status_code, 'href="/account"' in again.text) == (400, True)


def test_a_second_tab_goes_on_where_the_first_one_logged_in(
    browser: Browser, services: Services, mail: KeptMail
) -> None:
    first, second = begun(browser.get("/account")), begun(browser.get("/account"))
    assert by_mail(browser, services, mail, first, "a@example.jp").status_code == 200
    assert browser.get(f"/login?i={second}").headers["location"] == "/account"


def test_an_interaction_keeps_every_condition_of_its_requirement(
    browser: Browser, services: Services, log_in: LogIn
) -> None:
    asked = Requirement(
        Level(IAL.NONE, AAL.MULTI), phishing_resistant=True, fresh_within=timedelta(minutes=20)
    )
    log_in()
    with services.database.writing(services.ward.code) as unit:
        id_, cookie = interactions.open_interaction(
            unit, services, ACCOUNT, return_to="/account", requirement=asked
        )
    keep(browser, cookie, services)
    assert browser.get(f"/login?i={id_}").status_code == 200
    with services.database.reading() as session:
        row = session.exec(select(InteractionRow)).one()
        assert interactions.read(services, row).needed.requirement == asked


def test_a_login_too_old_to_add_a_passkey_is_raised_and_comes_back(
    browser: Browser, services: Services, log_in: LogIn, clock: FixedClock
) -> None:
    person = log_in()
    clock.advance(timedelta(minutes=19))
    page = browser.get("/account/passkeys/new")
    made = re.search(r'name="challenge" value="(\w+)"', page.text)
    assert made is not None
    clock.advance(timedelta(minutes=2))
    form = {"challenge": made[1], "response": "{}"}
    assert begun(browser.post("/account/passkeys/new", data=form, headers={"origin": services.ward.origin}))
    i = begun(browser.get("/account/passkeys/new"))
    complete_by(browser, services, i, person, CardAuthentication(clock.now(), revocation_checked=True))
    assert browser.get("/account/passkeys/new").status_code == 200


# Subjects and keys.


def test_of_two_first_authorizations_at_once_both_get_the_one_sub(services: Services) -> None:
    person = PersonId(new_id())

    def first(_: int) -> str:
        with services.database.writing(services.ward.code) as unit:
            return sub_for(unit, "kaigo", person)

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(first, range(8)))) == 1


def test_two_processes_at_their_first_start_end_with_one_ring(
    database: Database, vault: Any, ward: Ward
) -> None:
    def start(_: int) -> str:
        return load_keys(database, vault, ward.code, NOW).signer(KeyPurpose.TOKEN).kid

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(start, range(4)))) == 1
    with database.reading() as session:
        assert len(session.exec(select(SigningKeyRow)).all()) == len(KeyPurpose)

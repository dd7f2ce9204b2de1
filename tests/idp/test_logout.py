"""RP-initiated logout: who is asked, who is not, and where it leads."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from idp.registration import register_client
from idp.services import Services
from tests.conftest import FixedClock
from tests.idp.conftest import AFTER_LOGOUT, CALLBACK, LogIn, WardSystem, authorize, redeem, returned


@pytest.fixture
def hint(browser: TestClient, portal: WardSystem, log_in: LogIn) -> str:
    """An ID token of the portal about the person at the browser."""
    log_in()
    token: str = redeem(portal, returned(authorize(browser, portal))["code"]).json()["id_token"]
    return token


def is_logged_in(browser: TestClient) -> bool:
    return browser.get("/account").status_code == 200


def confirm(browser: TestClient, services: Services, page: Any) -> Any:
    assert "ログアウトしますか" in page.text
    found = re.search(
        r'action="/end-session/confirm">\s*<input type="hidden" name="i" value="(\w+)"', page.text
    )
    assert found is not None
    return browser.post(
        "/end-session/confirm", data={"i": found[1]}, headers={"origin": services.ward.origin}
    )


def test_rp_initiated_logout_2_a_good_hint_ends_the_login_and_returns(
    browser: TestClient, hint: str, clock: FixedClock
) -> None:
    clock.advance(timedelta(hours=7))
    asked = {"id_token_hint": hint, "post_logout_redirect_uri": AFTER_LOGOUT, "state": "x"}
    assert browser.get("/end-session", params=asked).headers["location"] == f"{AFTER_LOGOUT}?state=x"
    assert not is_logged_in(browser)


@pytest.mark.parametrize("uri", ["https://evil.example", f"{AFTER_LOGOUT}?x=1", f"{AFTER_LOGOUT}/"])
def test_rp_initiated_logout_3_it_returns_to_a_registered_address_alone(
    browser: TestClient, hint: str, uri: str
) -> None:
    wrong = browser.get("/end-session", params={"id_token_hint": hint, "post_logout_redirect_uri": uri})
    assert (wrong.status_code, "location" in wrong.headers) == (400, False)
    assert is_logged_in(browser)


def test_rp_initiated_logout_3_state_joins_a_query_that_is_there(
    browser: TestClient, portal: WardSystem, services: Services, hint: str
) -> None:

    with_query = f"{AFTER_LOGOUT}?lang=ja"
    with services.database.writing(services.ward.code) as unit:
        changed = replace(portal.client, post_logout_redirect_uris=(with_query,))
        register_client(unit, changed, services.procedures, services.clock.now())
    asked = {"id_token_hint": hint, "post_logout_redirect_uri": with_query, "state": "x y"}
    assert browser.get("/end-session", params=asked).headers["location"] == f"{with_query}&state=x+y"


def test_rp_initiated_logout_2_a_client_id_other_than_the_hints_is_refused(
    browser: TestClient, new_system: Callable[[str], WardSystem], hint: str
) -> None:
    new_system("other")
    asked = {"id_token_hint": hint, "client_id": "other", "post_logout_redirect_uri": AFTER_LOGOUT}
    refused = browser.get("/end-session", params=asked)
    assert refused.status_code == 400
    assert "確かめられませんでした" in refused.text
    assert is_logged_in(browser)
    assert browser.get("/end-session", params=asked | {"client_id": "portal"}).status_code == 303


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"state": "x"},
        {"client_id": "portal", "post_logout_redirect_uri": AFTER_LOGOUT},
        {"id_token_hint": "x.y.z"},
    ],
)
def test_rp_initiated_logout_2_without_a_good_hint_the_person_is_asked(
    browser: TestClient, portal: WardSystem, services: Services, log_in: LogIn, asked: dict[str, str]
) -> None:
    assert portal.client.redirect_uris == (CALLBACK,)
    log_in()
    page = browser.get("/end-session", params=asked)
    assert is_logged_in(browser)
    done = confirm(browser, services, page)
    assert not is_logged_in(browser)
    if "post_logout_redirect_uri" in asked:
        assert done.headers["location"] == AFTER_LOGOUT
    else:
        assert "ログアウトしました" in done.text


def test_rp_initiated_logout_2_a_hint_about_someone_else_asks_and_then_returns(
    browser: TestClient, services: Services, log_in: LogIn, hint: str
) -> None:
    log_in(name="佐藤\u3000一")
    asked = {"id_token_hint": hint, "post_logout_redirect_uri": AFTER_LOGOUT, "state": "x"}
    page = browser.get("/end-session", params=asked)
    assert is_logged_in(browser)
    assert confirm(browser, services, page).headers["location"] == f"{AFTER_LOGOUT}?state=x"
    assert not is_logged_in(browser)


@pytest.mark.parametrize("known", [True, False])
def test_rp_initiated_logout_2_a_post_of_the_client_acts_as_a_get(
    browser: TestClient, services: Services, log_in: LogIn, hint: str, known: bool
) -> None:
    """A form of another site: our `Lax` cookie is not sent with it, but with the GET that follows."""
    if not known:
        log_in(name="佐藤\u3000一")
    name = f"__Host-dairi-{services.ward.code}-login"
    login = next(value for cookie, value in browser.cookies.items() if cookie.startswith(name))
    cookie = next(cookie for cookie in browser.cookies if cookie.startswith(name))
    browser.cookies.delete(cookie)
    form = {"id_token_hint": hint, "post_logout_redirect_uri": AFTER_LOGOUT, "state": "x"}
    foreign = {"origin": "https://portal.example", "sec-fetch-site": "cross-site"}
    begun = browser.post("/end-session", data=form, headers=foreign)
    browser.cookies.set(cookie, login, domain=services.ward.rp_id)
    assert begun.headers["location"].startswith("/end-session/confirm?i=")
    done = browser.get(begun.headers["location"])
    if not known:
        done = confirm(browser, services, done)
    assert done.headers["location"] == f"{AFTER_LOGOUT}?state=x"
    assert not is_logged_in(browser)
    assert browser.get(begun.headers["location"]).status_code == 400


def test_fetch_metadata_another_site_cannot_confirm(browser: TestClient, log_in: LogIn) -> None:
    log_in()
    page = browser.get("/end-session")
    found = re.search(r'name="i" value="(\w+)"', page.text)
    assert found is not None
    foreign = browser.post(
        "/end-session/confirm", data={"i": found[1]}, headers={"sec-fetch-site": "cross-site"}
    )
    assert foreign.status_code == 403
    assert is_logged_in(browser)


def test_rp_initiated_logout_2_who_is_not_logged_in_goes_straight_on(
    browser: TestClient, portal: WardSystem
) -> None:
    asked = {"client_id": portal.client.client_id, "post_logout_redirect_uri": AFTER_LOGOUT}
    assert browser.get("/end-session", params=asked).headers["location"] == AFTER_LOGOUT

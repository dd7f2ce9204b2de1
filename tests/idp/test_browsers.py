"""What browsers may and may not do with the pages."""

import re
from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from idp.services import Services
from tests.conftest import FixedClock
from tests.idp.conftest import KeptMail, LogIn


def begin_login(browser: TestClient) -> str:
    location = browser.get("/account").headers["location"]
    found = re.fullmatch(r"/login\?i=([0-9a-f]{32})", location)
    assert found is not None
    return found[1]


def post(browser: TestClient, services: Services, path: str, form: dict[str, str]) -> Any:
    return browser.post(path, data=form, headers={"origin": services.ward.origin})


@pytest.mark.parametrize(
    "headers",
    [{}, {"sec-fetch-site": "same-site"}, {"sec-fetch-site": "cross-site"}, {"origin": "null"}],
)
def test_fetch_metadata_a_form_of_another_page_is_refused(
    browser: TestClient, log_in: LogIn, headers: dict[str, str]
) -> None:
    log_in()
    assert browser.post("/logout", headers=headers).status_code == 403
    assert browser.get("/account").status_code == 200


def test_asvs_6_3_8_known_and_unknown_addresses_are_answered_alike(
    browser: TestClient, services: Services, mail: KeptMail
) -> None:
    pages = []
    for address in ("known@example.jp", "unknown@example.jp"):
        i = begin_login(browser)
        answer = post(browser, services, "/login/email", {"i": i, "address": address})
        page = browser.get(answer.headers["location"])
        pages.append((answer.status_code, page.status_code, page.text.replace(i, "")))
        code = mail.code()
        assert post(browser, services, "/login/email/code", {"i": i, "code": code}).status_code == 303
        browser.cookies.clear()
        if address == "known@example.jp":
            mail.sent.clear()
    assert pages[0] == pages[1]


def test_asvs_6_6_3_wrong_codes_run_out(browser: TestClient, services: Services, mail: KeptMail) -> None:
    i = begin_login(browser)
    post(browser, services, "/login/email", {"i": i, "address": "a@example.jp"})
    right = mail.code()
    wrong = "000000" if right != "000000" else "111111"
    answers = [post(browser, services, "/login/email/code", {"i": i, "code": wrong}) for _ in range(10)]
    assert all(answer.status_code == 400 for answer in answers)
    assert "あと4回" in answers[0].text
    assert "使えなくなりました" in answers[-1].text
    assert post(browser, services, "/login/email/code", {"i": i, "code": right}).status_code == 400


def test_an_interaction_belongs_to_its_browser_and_lapses(
    browser: TestClient, services: Services, clock: FixedClock
) -> None:
    i = begin_login(browser)
    kept = dict(browser.cookies.items())
    browser.cookies.clear()
    assert "ログインを始めたブラウザーと違う" in browser.get(f"/login?i={i}").text
    for name, value in kept.items():
        browser.cookies.set(name, value, domain=services.ward.rp_id)
    clock.advance(timedelta(hours=1))
    assert "有効時間が過ぎました" in browser.get(f"/login?i={i}").text
    for odd in ("", "x" * 32, "\x00", "a" * 5000):
        assert browser.get("/login", params={"i": odd}).status_code == 400


def test_a_bridges_answer_is_taken_once_and_only_for_what_was_asked(
    browser: TestClient, services: Services
) -> None:
    for form in ({}, {"state": "x", "container": "y"}, {"state": "\x00", "container": ""}):
        assert browser.post("/card/answer", data=form).status_code in {400, 413}


def test_csp_pages_carry_no_inline_script_and_stay_out_of_frames(browser: TestClient) -> None:
    page = browser.get(f"/login?i={begin_login(browser)}")
    policy = page.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert page.headers["referrer-policy"] == "same-origin"


def test_an_unknown_page_is_told_in_words(browser: TestClient) -> None:
    answer = browser.get("/nothing")
    assert answer.status_code == 404
    assert "このページはありません" in answer.text


def test_rfc6265bis_4_1_3_2_cookies_are_host_bound(browser: TestClient, services: Services) -> None:
    set_cookie = browser.get("/account").headers["set-cookie"]
    assert set_cookie.startswith(f"__Host-dairi-{services.ward.code}-i-")
    for attribute in ("HttpOnly", "Secure", "Path=/", "SameSite=lax"):
        assert attribute in set_cookie

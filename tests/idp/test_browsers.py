"""What browsers may and may not do with the pages."""

import re
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import col, select
from starlette.testclient import TestClient

from assurance import identifiers
from assurance.identifiers import IdentifierKind
from assurance.tables import ProtectionRow
from idp.services import Services
from idp.tables import LoginSessionRow
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


def log_in_by_mail(browser: TestClient, services: Services, mail: KeptMail, address: str) -> Any:
    i = begin_login(browser)
    post(browser, services, "/login/email", {"i": i, "address": address})
    return post(browser, services, "/login/email/code", {"i": i, "code": mail.code()})


def person_of(services: Services, address: str) -> str:
    with services.database.reading() as session:
        kind = IdentifierKind.EMAIL
        person = identifiers.find_person(session, services.vault, services.ward.code, kind, address)
    assert person is not None
    return person


RANDOM = re.compile(r"(?<==)[0-9a-f]{8}:[0-9a-f]{64}(?=;)|(?<==)[A-Za-z0-9_-]{43}(?=;)|[0-9a-f]{32}")
"""A known browser, a cookie's secret, an id."""


def seen(answer: Any) -> tuple[int, list[tuple[str, str]], str]:
    """All that a browser sees of an answer, but for random values."""
    headers = [(name, RANDOM.sub("…", value)) for name, value in answer.headers.multi_items()]
    return answer.status_code, sorted(headers), RANDOM.sub("…", answer.text)


def asked(browser: TestClient, services: Services, address: str) -> list[Any]:
    """What is seen from the address to a first wrong code."""
    browser.cookies.clear()
    start = browser.get("/account")
    i = start.headers["location"].rpartition("=")[2]
    sent = post(browser, services, "/login/email", {"i": i, "address": address})
    page = browser.get(sent.headers["location"])
    wrong = post(browser, services, "/login/email/code", {"i": i, "code": "no code"})
    return [seen(answer) for answer in (start, sent, page, wrong)]


def test_asvs_6_3_8_every_address_is_answered_alike(
    browser: TestClient, services: Services, mail: KeptMail
) -> None:
    known, protected, flooded = (f"{name}@example.jp" for name in ("known", "protected", "flooded"))
    for address in (known, protected):
        log_in_by_mail(browser, services, mail, address)
        browser.cookies.clear()
    with services.database.writing(services.ward.code) as unit:
        person = person_of(services, protected)
        unit.session.add(ProtectionRow(ward=unit.ward, person=person, since=services.clock.now()))
    for _ in range(5):
        asked(browser, services, flooded)
    mail.sent.clear()
    unknown = asked(browser, services, "unknown@example.jp")
    assert [status for status, _, _ in unknown] == [303, 303, 200, 400]
    assert any(name == "set-cookie" for name, _ in unknown[0][1])
    for address in (known, protected, flooded, "Known@example.jp", "x@example.jp"):
        assert asked(browser, services, address) == unknown
    assert flooded not in {sent.to for sent in mail.sent}


def test_a_protected_person_is_seen_like_an_unknown_one_at_every_login(
    browser: TestClient, services: Services, mail: KeptMail
) -> None:
    log_in_by_mail(browser, services, mail, "protected@example.jp")
    with services.database.writing(services.ward.code) as unit:
        person = person_of(services, "protected@example.jp")
        unit.session.add(ProtectionRow(ward=unit.ward, person=person, since=services.clock.now()))
    logins = []
    for address in ("protected@example.jp", "unknown@example.jp") * 2:
        browser.cookies.clear()
        back = log_in_by_mail(browser, services, mail, address)
        logins.append((seen(back), seen(browser.get("/account"))))
    assert logins[0] == logins[1] == logins[2] == logins[3]
    with services.database.reading() as session:
        found = session.exec(select(LoginSessionRow.person).order_by(col(LoginSessionRow.id))).all()
    assert len(found) == 5
    assert sorted(found.count(one) for one in set(found)) == [1, 2, 2]


def test_a_flood_keeps_nobody_out_who_was_in_by_this_browser(
    browser: TestClient, services: Services, mail: KeptMail
) -> None:
    log_in_by_mail(browser, services, mail, "hanako@example.jp")
    ours = dict(browser.cookies.items())
    for _ in range(5):
        asked(browser, services, "hanako@example.jp")
    mail.sent.clear()
    asked(browser, services, "hanako@example.jp")
    assert not mail.sent
    browser.cookies.clear()
    name = f"__Host-dairi-{services.ward.code}-mail"
    browser.cookies.set(name, ours[name], domain=services.ward.rp_id)
    assert log_in_by_mail(browser, services, mail, "hanako@example.jp").status_code == 303
    assert browser.get("/account").status_code == 200


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

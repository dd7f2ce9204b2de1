"""Attacks on logins: cookies that are fixed, kept or borrowed, steps left out, floods, and mail."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select
from starlette.requests import Request
from starlette.testclient import TestClient

from assurance import counter, identifiers, people
from assurance.evidence import CardAuthentication, EmailCode
from assurance.identifiers import IdentifierKind
from assurance.linking import LinkedCard
from assurance.mail import Mail, MailFailed, SmtpMailer
from assurance.person import PersonId
from assurance.tables import Person
from card.clock import SystemClock
from card.faults import Fault
from idp import sessions
from idp.services import Services
from tests.assurance.authenticator import Authenticator
from tests.conftest import FixedClock
from tests.delegation.conftest import Town
from tests.delegation.test_ending import Order
from tests.idp.conftest import KeptMail, LogIn, WardSystem, authorize, keep, redeem, returned
from tests.idp.steps import asked_of_card, begun, by_mail, complete_by, follow
from tests.idp.wall.routes import routes_of

ADDRESS = "hanako@example.jp"


def own(services: Services) -> dict[str, str]:
    return {"origin": services.ward.origin}


def login_cookie(services: Services) -> str:
    return f"__Host-dairi-{services.ward.code}-login"


def login_of(browser: TestClient, services: Services) -> str:
    return next(value for name, value in browser.cookies.items() if name == login_cookie(services))


def is_logged_in(browser: TestClient) -> bool:
    return browser.get("/account").status_code == 200


# Cookies.


def test_asvs_7_2_4_every_login_and_step_up_has_a_cookie_of_its_own(
    browser: TestClient, services: Services, mail: KeptMail
) -> None:
    name, seen = login_cookie(services), ["planted"]
    browser.cookies.set(name, "planted", domain=services.ward.rp_id)
    by_mail(browser, services, mail, begun(browser.get("/account")), ADDRESS)
    seen.append(login_of(browser, services))
    with services.database.reading() as session:
        person = PersonId(session.exec(select(Person.id)).one())
    i = begun(browser.get("/account/raise"))
    complete_by(
        browser, services, i, person, CardAuthentication(services.clock.now(), revocation_checked=True)
    )
    seen.append(login_of(browser, services))
    assert len(set(seen)) == 3
    for old in seen[:-1]:
        browser.cookies.clear()
        browser.cookies.set(name, old, domain=services.ward.rp_id)
        assert not is_logged_in(browser)
    browser.cookies.set(name, seen[-1], domain=services.ward.rp_id)
    assert is_logged_in(browser)


def test_asvs_7_4_1_a_cookie_that_was_kept_is_worth_nothing_after_a_logout(
    browser: TestClient, services: Services, log_in: LogIn
) -> None:
    log_in()
    kept = login_of(browser, services)
    browser.post("/logout", headers=own(services))
    browser.cookies.set(login_cookie(services), kept, domain=services.ward.rp_id)
    assert not is_logged_in(browser)


def test_asvs_7_3_2_a_login_ends_after_eight_hours_whatever_the_browser_keeps(
    browser: TestClient, portal: WardSystem, services: Services, log_in: LogIn, clock: FixedClock
) -> None:
    log_in()
    tokens = redeem(portal, returned(authorize(browser, portal))["code"]).json()
    kept = login_of(browser, services)
    clock.advance(timedelta(hours=7, minutes=59, seconds=59))
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    fresh = portal.post("/token", form).json()
    clock.advance(timedelta(seconds=1))
    browser.cookies.set(login_cookie(services), kept, domain=services.ward.rp_id)
    assert not is_logged_in(browser)
    form["refresh_token"] = fresh["refresh_token"]
    assert portal.post("/token", form).json()["error"] == "invalid_grant"
    assert portal.post("/introspect", {"token": fresh["access_token"]}).json() == {"active": False}


def test_asvs_3_3_1_every_cookie_is_host_bound_and_no_page_repeats_one(
    browser: TestClient, portal: WardSystem, services: Services, mail: KeptMail
) -> None:
    answers = [browser.get("/account?lang=en"), browser.get("/authorize")]
    i = begun(answers[0])
    answers.append(browser.get(f"/login?i={i}&lang=ja"))
    answers.append(browser.post("/login/email", data={"i": i, "address": ADDRESS}, headers=own(services)))
    answers.append(
        browser.post("/login/email/code", data={"i": i, "code": mail.code()}, headers=own(services))
    )
    answers += [browser.get("/account"), authorize(browser, portal), browser.get("/grants/new")]
    values = {value for value in browser.cookies.values() if len(value) > 8}
    answers.append(browser.post("/logout", headers=own(services)))
    set_ = [line for answer in answers for line in answer.headers.get_list("set-cookie")]
    assert {line.partition("=")[0].rpartition("-")[2][:4] for line in set_} >= {"lang", "login"[:4], "mail"}
    for line in set_:
        assert line.startswith("__Host-dairi-")
        for attribute in ("HttpOnly", "Secure", "Path=/", "SameSite=lax"):
            assert attribute.lower() in line.lower(), line
        assert "domain=" not in line.lower()
    assert values
    for answer in answers:
        assert not [value for value in values if value in answer.text]


# Steps.


def test_asvs_2_3_1_no_step_of_a_login_is_left_out(
    browser: TestClient, portal: WardSystem, services: Services, mail: KeptMail
) -> None:
    i = begun(authorize(browser, portal, acr_values="urn:dairi:acr:ial0:aal2"))
    to_login = f"/login?i={i}"
    assert browser.get(f"/authorize/resume?i={i}").headers["location"] == to_login
    chosen = {"i": i, "acting": "self"}
    assert browser.post("/authorize/act", data=chosen, headers=own(services)).headers["location"] == to_login
    half = by_mail(browser, services, mail, i, ADDRESS)  # one step of the two that are needed
    assert (half.status_code, half.url.path) == (200, "/login")
    assert browser.get(f"/authorize/resume?i={i}").headers["location"] == to_login
    assert browser.post("/authorize/act", data=chosen, headers=own(services)).headers["location"] == to_login
    assert browser.get(f"/card/done?i={i}").status_code == 400


def test_a_step_of_one_browsers_login_is_no_step_of_anothers(
    town: Town, portal: WardSystem, services: Services, app: Any
) -> None:
    attacker = TestClient(app, base_url=services.ward.origin, follow_redirects=False)
    theirs = begun(authorize(attacker, portal))
    town.hanako.http.cookies.clear()
    mine = begun(authorize(town.hanako.http, portal))
    town.hanako.answer(asked_of_card(town.hanako, mine))
    for path in (f"/authorize/resume?i={mine}", f"/login?i={mine}"):
        assert "ブラウザーと違う" in attacker.get(path).text
    assert attacker.get(f"/authorize/resume?i={theirs}").headers["location"] == f"/login?i={theirs}"
    assert "ブラウザーと違う" in town.hanako.get(f"/authorize/resume?i={theirs}").text
    assert "code" in returned(town.hanako.get(f"/authorize/resume?i={mine}"))


def test_a_code_by_mail_is_typed_in_the_browser_that_asked_for_it(
    browser: TestClient, services: Services, mail: KeptMail, app: Any
) -> None:
    i = begun(browser.get("/account"))
    browser.post("/login/email", data={"i": i, "address": ADDRESS}, headers=own(services))
    victim = TestClient(app, base_url=services.ward.origin, follow_redirects=False)
    form = {"i": i, "code": mail.code()}
    assert victim.post("/login/email/code", data=form, headers=own(services)).status_code == 400
    assert not is_logged_in(victim)
    assert not is_logged_in(browser)
    assert not re.search(r"https?://\S+\?", mail.sent[-1].body), "no link that logs somebody in"
    for method in ("GET", "HEAD"):
        assert browser.request(method, "/login/email/code", params=form).status_code in {200, 405}
    assert browser.post("/login/email/code", data=form, headers=own(services)).status_code == 303


def test_asvs_6_5_1_a_code_of_an_earlier_request_or_of_another_use_logs_nobody_in(
    town: Town, services: Services, mail: KeptMail
) -> None:
    yuki = town.yuki
    _, invitation = town.proposed()
    yuki.log_in()
    yuki.post(f"{invitation}/mail")
    codes = [mail.code()]
    yuki.http.cookies.clear()
    i = begun(yuki.get("/account"))
    for _ in range(2):
        yuki.post("/login/email", i=i, address=yuki.address)
        codes.append(mail.code())
    of_invitation, earlier, now = codes
    for code in {of_invitation, earlier} - {now}:
        assert yuki.post("/login/email/code", i=i, code=code).status_code == 400
    assert not is_logged_in(yuki.http)
    assert yuki.post("/login/email/code", i=i, code=now).status_code == 303
    assert yuki.post("/login/email/code", i=i, code=now).status_code == 400


# Floods and guesses.


def test_asvs_6_3_1_no_header_spelling_or_cookie_is_a_new_budget(
    browser: TestClient, services: Services, mail: KeptMail
) -> None:
    spellings = ("hanako@example.jp", "Hanako@example.jp", "HANAKO@EXAMPLE.JP", "ｈａｎａｋｏ@example.jp")
    for number in range(12):
        browser.cookies.clear()
        address = f"203.0.113.{number}" if number % 2 else f"2001:db8::{number}"
        headers = own(services) | {
            "x-forwarded-for": address, "x-real-ip": address, "forwarded": f"for={address}",
            "user-agent": str(number),
        }  # fmt: skip
        form = {"i": begun(browser.get("/account")), "address": spellings[number % 4]}
        assert browser.post("/login/email", data=form, headers=headers).status_code == 303
    assert len(mail.sent) == 5


def test_asvs_6_1_1_whoever_floods_a_persons_mail_keeps_neither_card_nor_passkey_out(
    town: Town, services: Services, ward_device: Authenticator
) -> None:
    add_passkey(town, ward_device)
    for _ in range(8):
        town.hanako.http.cookies.clear()
        i = begun(town.hanako.get("/account"))
        town.hanako.post("/login/email", i=i, address=town.hanako.address)
        for _ in range(6):
            town.hanako.post("/login/email/code", i=i, code="0")
    i = begun(town.hanako.get("/account"))
    done = follow(town.hanako.http, town.hanako.answer(asked_of_card(town.hanako, i)))
    assert (done.status_code, "花子" in done.text) == (200, True)
    town.hanako.http.cookies.clear()
    i = begun(town.hanako.get("/account"))
    page = town.hanako.get(f"/login/passkey?i={i}").text
    done = town.hanako.post(
        "/login/passkey", i=i, challenge=hidden(page, "challenge"), response=ward_device.get(options_in(page))
    )
    assert done.headers["location"] == "/account"
    assert is_logged_in(town.hanako.http)
    assert services.ward.code


def test_asvs_6_3_8_a_passkey_login_names_nobodys_credentials(browser: TestClient) -> None:
    page = browser.get(f"/login/passkey?i={begun(browser.get('/account'))}").text
    assert not json.loads(options_in(page)).get("allowCredentials")


def test_asvs_6_3_8_a_mail_goes_out_after_the_answer(
    browser: TestClient, services: Services, mail: KeptMail, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = list[str]()
    order = Order(browser.app, notes)
    i = begun(browser.get("/account"))
    monkeypatch.setattr(browser._transport, "app", order)
    monkeypatch.setattr(mail, "send", order.send)
    browser.post("/login/email", data={"i": i, "address": ADDRESS}, headers=own(services))
    assert notes == ["answered", ADDRESS]


# Addresses.


@pytest.mark.parametrize(
    "typed",
    [
        "a@b.cd\r\nBcc: x@evil.example", "a@b.cd%0aBcc:x@evil.example", "a@b.cd,x@evil.example",
        "a@b.cd;x@evil.example", "a@b.cd x@evil.example", "<a@b.cd>", "Hanako <a@b.cd>", "a@b.cd/../x",
        '"a@victim"@evil.example', '"a"@b.cd', "a@victim.example(comment)", "a(comment)@b.cd", "a@b.c:25",
        "@x,@y:a@b.cd", "a@[127.0.0.1]", "=?utf-8?q?x=40evil.example=3e?=@victim.example", "a@b..cd",
        "=?utf-8?q?=68anako?=@example.jp", "a@.cd", "a@b@c.de", "ａ＠ｂ．ｃｄ，ｘ＠ｅ．ｆｇ", "a@xn--",
        "a@\u0131.cd", "hanako\u200b@example.jp", "h\u0430nako@example.jp", "x" * 65 + "@b.cd",
        "a@" + "b." * 130 + "cd",
    ],
)  # fmt: skip
def test_rfc5321_4_1_2_what_a_mail_server_might_read_as_another_address_is_none(
    browser: TestClient, services: Services, mail: KeptMail, typed: str
) -> None:
    form = {"i": begun(browser.get("/account")), "address": typed}
    assert browser.post("/login/email", data=form, headers=own(services)).status_code == 400
    assert not mail.sent


@pytest.mark.parametrize(
    ("to", "subject"),
    [
        ("a@b.cd\nBcc: x@evil.example", "s"),
        ("a@b.cd", "s\r\nBcc: x@evil.example"),
        ("a@b.cd\r\n\r\nbody", "s"),
    ],
)
def test_rfc5322_2_2_a_line_break_never_becomes_a_header(to: str, subject: str) -> None:
    mailer = SmtpMailer("127.0.0.1", 1, "noreply@ward.example", SystemClock())
    with pytest.raises(MailFailed) as failed:
        mailer.send(Mail(to, subject, "body"))
    assert isinstance(failed.value.__cause__, ValueError), "before any server was asked"


# Accounts made beforehand.


def test_asvs_6_8_1_an_account_that_was_made_by_mail_never_becomes_the_proven_persons(
    town: Town, services: Services, mail: KeptMail, staff: tuple[PersonId, ...],
    linked: Callable[[str], LinkedCard], app: Any, ward_device: Authenticator,
) -> None:  # fmt: skip
    """Somebody who read the mailbox once has an account, a login and a passkey before the person comes."""
    address, early = (
        "saburo@example.jp",
        TestClient(app, base_url=services.ward.origin, follow_redirects=False),
    )
    by_mail(early, services, mail, begun(early.get("/account")), address)
    page = early.get("/account/passkeys/new").text
    form = {"challenge": hidden(page, "challenge"), "response": ward_device.create(options_in(page))}
    early.post("/account/passkeys/new", data=form, headers=own(services))
    taken = {"staff": (staff[0], staff[1]), "now": services.clock.now()}
    with services.database.reading() as session:
        kind, ward = IdentifierKind.EMAIL, services.ward.code
        thief = identifiers.find_person(session, services.vault, ward, kind, address)
    unit_of = services.database.writing
    with pytest.raises(Fault, match=r"counter\.taken"), unit_of(ward) as unit:
        counter.register(
            unit, services.vault, services.thresholds, linked("職員三郎"), address_read_back=address, **taken
        )  # type: ignore[arg-type] # as the function has them
    with services.database.reading() as session:
        proofs = people.proofs_of(session, ward, PersonId(str(thief)))
    assert (thief not in {None, *staff}, proofs) == (True, [])
    assert "三郎" not in early.get("/account").text


def test_nothing_of_an_account_is_set_by_a_request_of_its_own_making(
    browser: TestClient, services: Services, portal: WardSystem, log_in: LogIn, app: Any
) -> None:
    person = log_in(EmailCode(services.clock.now(), "mac"))
    methods = {route.split()[0] for route in routes_of(app, services.ward.origin.partition("://")[2])}
    assert methods <= {"GET", "POST"}
    claims = {"email_verified": "true", "ial": "3", "aal": "3", "role": "admin", "person": "0" * 32}
    for path in ("/account", "/me", "/userinfo", "/account/passkeys/remove", "/logout"):
        for method in ("PATCH", "PUT", "POST"):
            answer = browser.request(method, path, data=claims, headers=own(services))
            assert answer.status_code in {200, 303, 400, 401, 403, 404, 405}
    with services.database.writing(services.ward.code) as unit:
        request = Request({"type": "http", "headers": []})
        held = EmailCode(services.clock.now(), "mac")
        _, cookie = sessions.begin(unit, services, request, person, held)
    keep(browser, cookie, services)
    token = redeem(portal, returned(authorize(browser, portal, scope="openid email"))["code"]).json()
    told = browser.get("/userinfo", headers={"authorization": f"Bearer {token['access_token']}"}).json()
    assert told.keys() == {"sub"}


# Passkeys, at the pages.


@pytest.fixture
def ward_device(services: Services) -> Authenticator:
    return Authenticator(services.ward.origin)


def hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found is not None, page
    return found[1]


def options_in(page: str) -> str:
    found = re.search(r'data-options="([^"]+)"', page)
    assert found is not None, page
    return found[1].replace("&#34;", '"').replace("&quot;", '"').replace("&amp;", "&")


def add_passkey(town: Town, device: Authenticator) -> Any:
    page = town.hanako.get("/account/passkeys/new").text
    made = device.create(options_in(page))
    return town.hanako.post("/account/passkeys/new", challenge=hidden(page, "challenge"), response=made)


def test_asvs_6_3_7_who_gains_or_loses_a_passkey_is_told_by_mail(
    town: Town, mail: KeptMail, ward_device: Authenticator
) -> None:
    mail.sent.clear()
    assert add_passkey(town, ward_device).status_code == 303
    id_ = hidden(town.hanako.get("/account").text, "id")
    assert town.hanako.post("/account/passkeys/remove", id=id_).status_code == 303
    assert [(sent.to, "パスキー" in sent.subject) for sent in mail.sent] == [(town.hanako.address, True)] * 2

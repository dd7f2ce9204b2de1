"""Attacks on the way through the browser: addresses to return to, modes, hints, forms, and pages."""

import json
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.testclient import TestClient

from assurance.mail import Mail
from idp.services import Services
from tests.delegation.conftest import Town
from tests.delegation.test_acting import SCOPE, act, by_passkey
from tests.idp.conftest import CALLBACK, KeptMail, LogIn, WardSystem, authorize, returned
from tests.idp.steps import begun, by_mail, follow

HOST = "portal.example"


@pytest.mark.parametrize(
    "address",
    [
        f"https://{HOST}@evil.example/callback", f"https://{HOST}:443@@evil.example/callback",
        f"https://evil.example\\@{HOST}/callback", f"https://{HOST}.evil.example/callback",
        f"https://evil.example#{HOST}/callback", f"https://evil.example?{CALLBACK}",
        f"https://{HOST}:443/callback", f"https://{HOST.upper()}/callback", f"https://{HOST}./callback",
        f"https://{HOST}/callback/..;/evil", f"https://{HOST}/%63allback", f"https://{HOST}/x/%2e%2e/callback",
        f"https://{HOST}/callback/", f"https://{HOST}/CALLBACK", f"{CALLBACK}?x=1", f"{CALLBACK}#x",
        f"{CALLBACK}%00", f"{CALLBACK} ", f" {CALLBACK}", f"{CALLBACK}\n", "http://portal.example/callback",
        "http://localhost/callback", "http://127.0.0.1:1234/callback", "http://[::1]/callback",
        "http://localhost:80@evil.example/callback", "//portal.example/callback", "/callback", "callback",
        "JaVaScRiPt:alert(1)", "data:text/html,x", "https://*.example/callback", "", "portal:/callback",
    ],
)  # fmt: skip
def test_rfc9700_2_1_nobody_is_sent_to_an_address_that_is_not_octet_by_octet_the_registered_one(
    browser: TestClient, portal: WardSystem, log_in: LogIn, address: str
) -> None:
    log_in()
    for changes in ({}, {"response_type": "token"}, {"prompt": "none"}):
        answer = authorize(browser, portal, redirect_uri=address, **changes)
        assert (answer.status_code, "location" in answer.headers) == (400, False)
        leads_to = re.findall(r'(?:href|action|src)="([^"]*)"', answer.text)
        assert all(re.match("[?#]|/(?!/)", link) for link in leads_to)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        *(
            ({"response_mode": mode}, "invalid_request")
            for mode in ("fragment", "form_post", "web_message", "jwt")
        ),
        *(
            ({"response_type": kind}, "unsupported_response_type")
            for kind in ("token", "code token", "id_token token", "id_token", "code id_token", "none", "CODE")
        ),
        ({"request_uri": "https://evil.example/request"}, "request_uri_not_supported"),
        ({"request_uri": "urn:ietf:params:oauth:request_uri:x"}, "request_uri_not_supported"),
        ({"request": "e30.e30.e30"}, "request_not_supported"),
        ({"registration": "{}"}, "registration_not_supported"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
    ],
)  # fmt: skip
def test_rfc9207_2_every_refusal_says_which_issuer_it_is_of(
    browser: TestClient,
    portal: WardSystem,
    log_in: LogIn,
    services: Services,
    changes: dict[str, str | None],
    error: str,
) -> None:
    log_in()
    answer = authorize(browser, portal, **changes)
    told = returned(answer)
    assert (told["error"], told["iss"], told["state"]) == (error, services.ward.issuer, "s1")
    assert not urlsplit(answer.headers["location"]).fragment
    assert not {"code", "access_token", "id_token"} & told.keys()


def test_rfc9207_2_every_way_back_says_which_issuer_it_is_of(
    browser: TestClient, portal: WardSystem, services: Services, log_in: LogIn
) -> None:
    assert returned(authorize(browser, portal, prompt="none"))["iss"] == services.ward.issuer
    begun(authorize(browser, portal))
    log_in()
    told = returned(authorize(browser, portal))
    assert (told["iss"], "code" in told) == (services.ward.issuer, True)


@pytest.mark.parametrize(
    "name", ["client_id", "redirect_uri", "scope", "response_type", "state", "code_challenge", "prompt"]
)
def test_rfc6749_3_1_a_parameter_twice_leads_nowhere(
    browser: TestClient, portal: WardSystem, log_in: LogIn, name: str
) -> None:
    log_in()
    asked = {
        "client_id": "portal", "redirect_uri": CALLBACK, "scope": "openid", "response_type": "code",
        "state": "s", "code_challenge": "x" * 43, "code_challenge_method": "S256", "prompt": "none",
    }  # fmt: skip
    pairs = [*asked.items(), (name, asked[name])]
    sent = "&".join(f"{key}={value}" for key, value in pairs)
    kind = {"content-type": "application/x-www-form-urlencoded"}
    for answer in (browser.get(f"/authorize?{sent}"), browser.post("/authorize", content=sent, headers=kind)):
        assert (answer.status_code, "location" in answer.headers) == (400, False)


def test_oidc_core_3_1_2_1_no_hint_logs_anybody_in(
    browser: TestClient, portal: WardSystem, services: Services, mail: KeptMail
) -> None:
    answer = by_mail(browser, services, mail, begun(authorize(browser, portal)), "a@example.jp")
    assert "code" in returned(answer)
    browser.cookies.clear()
    for hint in ("a@example.jp", "hanako", "0" * 32):
        assert begun(authorize(browser, portal, login_hint=hint))
        assert (
            returned(authorize(browser, portal, login_hint=hint, prompt="none"))["error"] == "login_required"
        )


# Forms and frames.


@pytest.mark.parametrize(
    "headers",
    [{}, {"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"},
     {"sec-fetch-site": "same-site", "origin": "https://shibuya.id.example"}],
)  # fmt: skip
def test_rfc9700_4_7_nobody_elses_page_picks_for_whom_a_person_acts(
    town: Town, portal: WardSystem, headers: dict[str, str]
) -> None:
    grant = town.active()
    page = authorize(town.yuki.http, portal, scope=SCOPE)
    form = {"i": page.text.partition('name="i" value="')[2][:32], "acting": grant}
    assert town.yuki.http.post("/authorize/act", data=form, headers=headers).status_code == 403
    assert town.yuki.http.get("/authorize/act", params=form).status_code == 405
    policy = page.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert page.headers["cross-origin-opener-policy"] == "same-origin"


def test_what_was_picked_once_is_no_answer_for_another_grant(town: Town, portal: WardSystem) -> None:
    first, second = town.active(), town.active()
    by_passkey(town)
    handles = {}
    for grant in (first, second):
        handles[grant] = act(town, portal, grant)["authorization_details"][0]["grant"]
        if grant == first:
            details = json.dumps([{"type": "jp_ward_delegation", "grant": handles[first]}])
            answer = authorize(town.yuki.http, portal, scope=SCOPE, authorization_details=details)
            assert "code" in returned(answer)
            assert authorize(town.yuki.http, portal, scope=SCOPE).status_code == 200
    third = town.active()
    by_passkey(town)
    forged = json.dumps([{"type": "jp_ward_delegation", "grant": third}])
    answer = authorize(town.yuki.http, portal, scope=SCOPE, authorization_details=forged)
    assert returned(answer)["error"] == "access_denied"
    assert handles[first] != handles[second]


def test_rfc9700_4_12_a_form_with_a_secret_is_never_sent_on(
    browser: TestClient, portal: WardSystem, services: Services, mail: KeptMail
) -> None:
    own = {"origin": services.ward.origin}
    i = begun(authorize(browser, portal))
    answers = [browser.post("/login/email", data={"i": i, "address": "a@example.jp"}, headers=own)]
    answers.append(browser.post("/login/email/code", data={"i": i, "code": mail.code()}, headers=own))
    answers.append(browser.get(answers[-1].headers["location"]))
    answers.append(browser.post("/logout", headers=own))
    assert [answer.status_code for answer in answers] == [303, 303, 303, 200]


# What pages repeat.

SCRIPT = '"><script>alert(1)</script>{{7*7}}'


def test_what_somebody_put_into_an_address_or_a_field_is_never_markup(
    browser: TestClient, portal: WardSystem, services: Services, log_in: LogIn
) -> None:
    own = {"origin": services.ward.origin}
    i = begun(browser.get("/account"))
    odd = {
        "error_description": SCRIPT, "error": SCRIPT, "ui_locales": SCRIPT, "lang": SCRIPT, "state": SCRIPT,
        "client_name": SCRIPT, "i": SCRIPT, "kept": SCRIPT, "before": SCRIPT, "t": SCRIPT, "display": SCRIPT,
    }  # fmt: skip
    pages = [
        browser.post("/login/email", data={"i": i, "address": SCRIPT}, headers=own),
        browser.get(f"/login?i={i}", headers={"referer": SCRIPT, "accept-language": SCRIPT}),
        *(browser.get(path, params=odd) for path in ("/authorize", "/login", "/login/email", "/end-session")),
        browser.get(f"/nothing/{SCRIPT}"),
        browser.get("/account", headers={"x-request-id": SCRIPT}),
    ]
    log_in()
    pages += [browser.get(path, params=odd) for path in ("/grants/new", "/records", "/grants", "/account")]
    pages.append(authorize(browser, portal, redirect_uri=SCRIPT))
    for page in pages:
        assert "<script>alert" not in page.text
        assert "49" not in re.sub(r"[0-9a-f]{32}|[\w-]{43}", "", page.text)
    texts = [page for page in pages if page.headers.get("content-type", "").startswith("text/html")]
    assert len(texts) > 8
    for page in texts:
        assert "script-src 'self'" in page.headers["content-security-policy"]


def test_a_name_that_a_principal_typed_is_never_markup(town: Town) -> None:
    grant, _ = town.proposed(name=f"<b>{SCRIPT}")
    for path in ("/grants", f"/grants/{grant}"):
        page = town.hanako.get(path).text
        assert "<b>" not in page
        assert "<script>alert" not in page


def test_pages_load_nothing_from_elsewhere_and_tell_nobody_their_address(
    browser: TestClient, portal: WardSystem, log_in: LogIn
) -> None:
    pages = [browser.get(f"/login?i={begun(authorize(browser, portal))}")]
    log_in()
    pages += [browser.get(path) for path in ("/account", "/account/passkeys/new", "/grants/new", "/records")]
    for page in pages:
        assert page.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
        assert page.headers["referrer-policy"] == "same-origin"
        sources = re.findall(r'(?:src|href|action)="([^"]+)"', page.text)
        assert sources
        assert all(source.startswith(("/", "?", "#")) and not source.startswith("//") for source in sources)


def test_no_page_or_answer_is_shared_with_another_origin(
    browser: TestClient, portal: WardSystem, log_in: LogIn
) -> None:
    log_in()
    foreign = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    for method, path in (
        ("GET", "/account"), ("GET", "/userinfo"), ("POST", "/token"), ("OPTIONS", "/token"),
        ("OPTIONS", "/account"), ("OPTIONS", "/access/v1/evaluation"), ("GET", "/jwks.json"),
        ("GET", "/records"), ("OPTIONS", "/introspect"), ("GET", "/.well-known/openid-configuration"),
    ):  # fmt: skip
        answer = browser.request(method, path, headers=foreign)
        assert not [name for name in answer.headers if name.startswith("access-control-")], path


@pytest.mark.parametrize(
    "elsewhere",
    ["//evil.example", "/\\evil.example", "https:evil.example", "/%2f%2fevil.example", "https://evil.example",
     "javascript:alert(1)", "\\\\evil.example", "/\t/evil.example"],
)  # fmt: skip
def test_no_parameter_leads_a_browser_elsewhere(
    browser: TestClient, services: Services, mail: KeptMail, elsewhere: str
) -> None:
    names = (
        "next",
        "return_to",
        "returnTo",
        "redirect",
        "redirect_uri",
        "url",
        "back",
        "continue",
        "kept",
        "rd",
    )
    where = dict.fromkeys(names, elsewhere)
    asked = browser.get("/account", params=where)
    i = begun(asked)
    browser.get(f"/login?i={i}", params=where)
    own = {"origin": services.ward.origin, "referer": elsewhere}
    browser.post("/login/email", data=where | {"i": i, "address": "a@example.jp"}, headers=own)
    done = browser.post("/login/email/code", data=where | {"i": i, "code": mail.code()}, headers=own)
    assert done.headers["location"] == "/account"
    out = browser.get("/end-session", params={"post_logout_redirect_uri": elsewhere, "client_id": "portal"})
    assert (out.status_code, "location" in out.headers) == (400, False)
    refused = browser.post("/login/email", data={"i": "x"}, headers=own)
    assert "evil" not in refused.text


def mailed(sent: list[Mail]) -> set[str]:
    return {mail.to for mail in sent}


def test_a_page_that_leads_back_to_a_client_leads_to_a_registered_address(
    browser: TestClient, portal: WardSystem, services: Services, mail: KeptMail
) -> None:
    answer: Any = by_mail(browser, services, mail, begun(authorize(browser, portal)), "a@example.jp")
    assert follow(browser, answer).headers["location"].startswith(f"{CALLBACK}?")
    assert parse_qs(urlsplit(answer.headers["location"]).query).keys() == {"code", "state", "iss"}
    assert mailed(mail.sent) == {"a@example.jp"}

"""The provider's protocol, by the clauses it keeps."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from assurance.evidence import EmailCode
from card.jose import KeySet, sign_compact, unverified_claims, verify_compact
from idp.keys import KeyPurpose
from idp.services import Services
from tests.conftest import FixedClock
from tests.idp.conftest import (
    ASSERTION,
    LogIn,
    WardSystem,
    authorize,
    redeem,
    returned,
)


def test_oidc_core_3_1_a_code_gives_tokens_about_the_person(
    browser: TestClient, portal: WardSystem, log_in: LogIn, services: Services, clock: FixedClock
) -> None:
    log_in()
    answer = returned(authorize(browser, portal))
    assert (answer["state"], answer["iss"]) == ("s1", services.ward.issuer)
    tokens = redeem(portal, answer["code"]).json()
    keys = KeySet.from_jwks(browser.get("/jwks.json").json(), ["ES256"])
    common: dict[str, Any] = {"issuer": services.ward.issuer, "now": clock.now()}
    identity = verify_compact(tokens["id_token"], keys, typ="JWT", audience="portal", **common)
    assert (identity["nonce"], identity["acr"]) == ("n1", "urn:dairi:acr:ial3:aal3")
    access = verify_compact(
        tokens["access_token"], keys, typ="at+jwt", audience="https://portal.example", **common
    )
    assert access["sub"] == identity["sub"]
    assert "act" not in access
    told = browser.get("/userinfo", headers={"authorization": f"Bearer {tokens['access_token']}"}).json()
    assert told == {"sub": identity["sub"], "name": "田中\u3000花子", "birthdate": "1948-05-03"}


def test_oidc_discovery_3_the_metadata_says_what_is_offered(browser: TestClient, services: Services) -> None:
    found = browser.get("/.well-known/openid-configuration").json()
    assert found["issuer"] == services.ward.issuer
    assert found["code_challenge_methods_supported"] == ["S256"]
    assert found["prompt_values_supported"] == ["none", "login", "select_account"]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "openid delegated:kaigo"}, "invalid_scope"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"request": "x.y.z"}, "request_not_supported"),
        ({"authorization_details": "[]"}, "invalid_authorization_details"),
        ({"authorization_details": "[" * 3000}, "invalid_authorization_details"),
    ],
)
def test_rfc6749_4_1_2_1_a_bad_request_is_answered_at_the_redirect_uri(
    browser: TestClient, portal: WardSystem, log_in: LogIn, changes: dict[str, str | None], error: str
) -> None:
    log_in()
    answer = returned(authorize(browser, portal, **changes))
    assert (answer["error"], answer["state"]) == (error, "s1")
    assert "code" not in answer


@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uri": "https://portal.example/callback/"},
        {"redirect_uri": "https://evil.example/"},
        {"client_id": "nobody"},
        {"client_id": "a\x00b"},
    ],
)
def test_rfc6749_4_1_2_1_a_wrong_client_or_redirect_uri_leads_nowhere(
    browser: TestClient, portal: WardSystem, log_in: LogIn, changes: dict[str, str]
) -> None:
    log_in()
    answer = authorize(browser, portal, **changes)
    assert answer.status_code == 400
    assert "location" not in answer.headers


def test_rfc6749_3_1_a_repeated_parameter_is_refused(browser: TestClient, portal: WardSystem) -> None:
    assert browser.get("/authorize?client_id=portal&client_id=other").status_code == 400
    assert (
        portal.http.post("/token", content="grant_type=a&grant_type=b").json()["error"] == "invalid_request"
    )


def test_oidc_core_3_1_2_6_prompt_none_without_login_is_login_required(
    browser: TestClient, portal: WardSystem
) -> None:
    assert returned(authorize(browser, portal, prompt="none"))["error"] == "login_required"


def test_oidc_core_3_1_2_1_max_age_and_prompt_login_ask_again(
    browser: TestClient, portal: WardSystem, log_in: LogIn, clock: FixedClock
) -> None:
    log_in()
    clock.advance(timedelta(minutes=10))
    assert "code" in returned(authorize(browser, portal, max_age="900", prompt="none"))
    assert authorize(browser, portal, max_age="60").headers["location"].startswith("/login?i=")
    assert authorize(browser, portal, prompt="login").headers["location"].startswith("/login?i=")


def test_rfc9470_5_a_login_too_weak_for_acr_values_is_raised(
    browser: TestClient, portal: WardSystem, log_in: LogIn, clock: FixedClock
) -> None:
    log_in(EmailCode(clock.now(), "mac"))
    asked = authorize(browser, portal, acr_values="urn:dairi:acr:ial3:aal3 urn:other")
    assert asked.headers["location"].startswith("/login?i=")
    page = browser.get(asked.headers["location"])
    assert "マイナンバーカード" in page.text
    assert "/login/email" not in page.text


def test_rfc7636_4_6_a_wrong_verifier_is_invalid_grant_and_burns_the_code(
    browser: TestClient, portal: WardSystem, log_in: LogIn
) -> None:
    log_in()
    code = returned(authorize(browser, portal))["code"]
    assert redeem(portal, code, code_verifier="w" * 50).json()["error"] == "invalid_grant"
    assert redeem(portal, code).json()["error"] == "invalid_grant"


def test_rfc6749_4_1_3_another_redirect_uri_at_the_token_endpoint_is_invalid_grant(
    browser: TestClient, portal: WardSystem, log_in: LogIn
) -> None:
    log_in()
    code = returned(authorize(browser, portal))["code"]
    answer = redeem(portal, code, redirect_uri="https://portal.example/other")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_rfc6749_4_1_2_a_reused_code_ends_what_it_gave(
    browser: TestClient, portal: WardSystem, log_in: LogIn
) -> None:
    log_in()
    code = returned(authorize(browser, portal))["code"]
    tokens = redeem(portal, code).json()
    assert portal.post("/introspect", {"token": tokens["access_token"]}).json()["active"] is True
    assert redeem(portal, code).json()["error"] == "invalid_grant"
    assert portal.post("/introspect", {"token": tokens["access_token"]}).json() == {"active": False}
    refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    assert portal.post("/token", refresh).json()["error"] == "invalid_grant"


def test_rfc6749_10_5_of_two_redemptions_at_once_one_wins_and_its_tokens_are_dead(
    browser: TestClient, portal: WardSystem, log_in: LogIn
) -> None:
    log_in()
    code = returned(authorize(browser, portal))["code"]
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: redeem(portal, code), range(2)))
    assert sorted(answer.status_code for answer in answers) == [200, 400]
    token = next(answer.json()["access_token"] for answer in answers if answer.status_code == 200)
    assert portal.post("/introspect", {"token": token}).json() == {"active": False}


def test_rfc6749_5_2_another_clients_code_is_invalid_grant_and_stays_good_for_its_own(
    browser: TestClient, portal: WardSystem, new_system: Callable[[str], WardSystem], log_in: LogIn
) -> None:
    log_in()
    code = returned(authorize(browser, portal))["code"]
    assert redeem(new_system("other"), code).json()["error"] == "invalid_grant"
    assert redeem(portal, code).status_code == 200


def test_rfc6749_4_1_2_a_code_lapses(
    browser: TestClient, portal: WardSystem, log_in: LogIn, clock: FixedClock
) -> None:
    log_in()
    code = returned(authorize(browser, portal))["code"]
    clock.advance(timedelta(seconds=61))
    assert redeem(portal, code).json()["error"] == "invalid_grant"


def test_rfc9700_4_14_2_a_refresh_token_rotates_and_its_reuse_ends_the_family(
    browser: TestClient, portal: WardSystem, log_in: LogIn
) -> None:
    log_in()
    first = redeem(portal, returned(authorize(browser, portal))["code"]).json()
    refresh = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    second = portal.post("/token", refresh).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert portal.post("/token", refresh).json()["error"] == "invalid_grant"
    assert portal.post("/introspect", {"token": second["access_token"]}).json() == {"active": False}


def test_tokens_end_with_the_login_they_came_from(
    browser: TestClient, portal: WardSystem, log_in: LogIn, services: Services
) -> None:
    log_in()
    tokens = redeem(portal, returned(authorize(browser, portal))["code"]).json()
    browser.post("/logout", headers={"origin": services.ward.origin})
    assert portal.post("/introspect", {"token": tokens["access_token"]}).json() == {"active": False}
    answer = browser.get("/userinfo", headers={"authorization": f"Bearer {tokens['access_token']}"})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")


def test_rfc7662_4_a_token_for_another_audience_is_not_active_to_a_caller(
    browser: TestClient, portal: WardSystem, new_system: Callable[[str], WardSystem], log_in: LogIn
) -> None:
    log_in()
    tokens = redeem(portal, returned(authorize(browser, portal))["code"]).json()
    other = new_system("other")
    assert other.post("/introspect", {"token": tokens["access_token"]}).json() == {"active": False}


def test_rfc7009_2_1_revoking_a_refresh_token_ends_its_access_tokens(
    browser: TestClient, portal: WardSystem, log_in: LogIn
) -> None:
    log_in()
    tokens = redeem(portal, returned(authorize(browser, portal))["code"]).json()
    assert portal.post("/revoke", {"token": tokens["refresh_token"]}).status_code == 200
    assert portal.post("/introspect", {"token": tokens["access_token"]}).json() == {"active": False}
    assert portal.post("/revoke", {"token": "unknown"}).status_code == 200


def test_rfc7523_3_an_assertion_works_once_and_only_for_us(portal: WardSystem) -> None:
    form = {"grant_type": "client_credentials", "scope": "decide", "client_assertion_type": ASSERTION}
    once = form | {"client_assertion": portal.assertion()}
    assert portal.http.post("/token", data=once).status_code == 200
    for bad in (
        once["client_assertion"],
        portal.assertion(aud="https://other.example"),
        portal.assertion(exp=1),
        portal.assertion(iss="other"),
        "x.y.z",
        "",
    ):
        refused = portal.http.post("/token", data=form | {"client_assertion": bad})
        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")


def test_rfc6749_4_4_a_client_token_has_its_own_scopes_alone(portal: WardSystem, services: Services) -> None:
    form = {"grant_type": "client_credentials", "scope": "decide"}
    token = portal.post("/token", form).json()["access_token"]
    assert unverified_claims(token)["aud"] == services.ward.issuer
    for scope in ("openid", "delegated:kaigo", "unknown", ""):
        refused = portal.post("/token", form | {"scope": scope})
        assert refused.json()["error"] == "invalid_scope"


def test_oidc_core_8_1_two_systems_know_a_person_by_different_subs(
    browser: TestClient, portal: WardSystem, new_system: Callable[[str], WardSystem], log_in: LogIn
) -> None:
    log_in()
    subs = set()
    for system in (portal, new_system("other")):
        tokens = redeem(system, returned(authorize(browser, system))["code"]).json()
        subs.add(unverified_claims(tokens["id_token"])["sub"])
    assert len(subs) == 2


@pytest.mark.parametrize("typ", ["JWT", "dairi-login+jws"])
def test_rfc9068_4_only_an_access_token_opens_userinfo(
    browser: TestClient, services: Services, clock: FixedClock, typ: str
) -> None:
    now = int(clock.now().timestamp())
    claims = {
        "iss": services.ward.issuer, "aud": "a", "sub": "b", "client_id": "c", "scope": "openid",
        "jti": "d", "iat": now, "exp": now + 60,
    }  # fmt: skip
    forged = sign_compact(claims, services.keys.signer(KeyPurpose.TOKEN), typ=typ)
    for token in (forged, "", "x.y.z", "é"):
        headers = {"authorization": f"Bearer {token}".encode("latin-1")}
        assert browser.get("/userinfo", headers=headers).status_code == 401

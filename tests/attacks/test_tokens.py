"""Attacks on the token endpoint, on what it gave, and on how systems say who they are."""

import base64
import hashlib
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import col, update
from starlette.testclient import TestClient

from assurance.batch import Batch, Outcome, Writing
from assurance.database import Database
from assurance.sealed import Vault
from card.jose import SoftwareSigner, unverified_claims
from delegation.audit.recorder import AuditRecorder
from idp.app import create_app
from idp.keys import KeyPurpose, load_keys
from idp.registration import register_client
from idp.services import Services
from idp.tables import SigningKeyRow
from idp.token.lookups import Lookups
from idp.token.presented import AccessTokens
from tests.conftest import NOW, FixedClock
from tests.idp.conftest import ASSERTION, CALLBACK, VERIFIER, LogIn, WardSystem, authorize, redeem, returned

CLIENT_TOKEN = {"grant_type": "client_credentials", "scope": "decide"}
ENDPOINTS = ("/token", "/introspect", "/revoke")


@pytest.fixture
def tokens(browser: TestClient, portal: WardSystem, log_in: LogIn) -> dict[str, Any]:
    """What the portal got of a person who logged in."""
    log_in()
    got: dict[str, Any] = redeem(portal, returned(authorize(browser, portal))["code"]).json()
    return got


def refresh(token: str) -> dict[str, str]:
    return {"grant_type": "refresh_token", "refresh_token": token}


@pytest.fixture
def workers(services: Services, vault: Vault) -> Iterator[list[TestClient]]:
    """Two processes' worth of the service: nothing in common but the database and the master key."""
    with ExitStack() as stack:
        made = []
        for _ in range(2):
            database = Database(services.database.url, AuditRecorder(vault))
            stack.callback(database.close)
            batch, keys = Batch(database), load_keys(database, vault, services.ward.code, NOW)
            worker = replace(
                services,
                database=database,
                batch=batch,
                keys=keys,
                lookups=Lookups(services.ward.code, batch, services.clock, vault),
                tokens=AccessTokens(services.ward.issuer, keys.key_set(KeyPurpose.TOKEN), services.clock),
            )
            client = TestClient(create_app([worker]), base_url=services.ward.origin, follow_redirects=False)
            made.append(stack.enter_context(client))
        yield made


def over(workers: list[TestClient], portal: WardSystem, form: dict[str, str], times: int) -> list[int]:
    """Post one form many times at once, to both workers in turn, each with a new proof unless it has one."""
    proof = {"client_assertion_type": ASSERTION}

    def post(number: int) -> int:
        shown = proof | {"client_assertion": portal.assertion()} | form
        return workers[number % 2].post("/token", data=shown).status_code

    with ThreadPoolExecutor(8) as pool:
        return sorted(pool.map(post, range(times)))


# What is used once, whichever worker sees it.


def test_rfc7523_3_of_thirty_uses_of_one_assertion_over_two_workers_one_counts(
    portal: WardSystem, workers: list[TestClient]
) -> None:
    told = over(workers, portal, CLIENT_TOKEN | {"client_assertion": portal.assertion()}, 30)
    assert told == [200] + [401] * 29


def test_rfc6749_10_5_of_twenty_redemptions_of_one_code_over_two_workers_one_counts(
    browser: TestClient, portal: WardSystem, log_in: LogIn, workers: list[TestClient]
) -> None:
    log_in()
    form = {
        "grant_type": "authorization_code",
        "code": returned(authorize(browser, portal))["code"],
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
    }
    assert over(workers, portal, form, 20) == [200] + [400] * 19


def test_rfc9700_4_14_2_of_twenty_uses_of_one_refresh_token_over_two_workers_one_counts(
    portal: WardSystem, tokens: dict[str, Any], workers: list[TestClient]
) -> None:
    assert over(workers, portal, refresh(tokens["refresh_token"]), 20) == [200] + [400] * 19
    introspected = portal.post("/introspect", {"token": tokens["access_token"]}).json()
    assert introspected == {"active": False}


def test_rfc7009_2_1_what_a_refresh_that_raced_a_revocation_brought_is_dead(
    portal: WardSystem, tokens: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, revoked = Lookups.commit, list[int]()

    async def revoke_first(self: Lookups, writing: Writing) -> Outcome:
        """The revocation is answered while the refresh, all judged, waits for its commit."""
        if writing.claims and not revoked:
            with ThreadPoolExecutor(1) as other:
                asked = {"token": tokens["refresh_token"]}
                revoked.append(other.submit(portal.post, "/revoke", asked).result().status_code)
        return await commit(self, writing)

    monkeypatch.setattr(Lookups, "commit", revoke_first)
    answer = portal.post("/token", refresh(tokens["refresh_token"]))
    assert revoked == [200]
    if answer.status_code == 200:
        fresh = answer.json()
        asked = {"token": fresh["access_token"]}
        assert portal.post("/introspect", asked).json() == {"active": False}
        again = portal.post("/token", refresh(fresh["refresh_token"]))
        assert again.json()["error"] == "invalid_grant"


# One secret for another.


def test_a_code_is_no_refresh_token_and_nothing_else_is_a_code(
    browser: TestClient, portal: WardSystem, tokens: dict[str, Any]
) -> None:
    code = returned(authorize(browser, portal))["code"]
    assert portal.post("/token", refresh(code)).json()["error"] == "invalid_grant"
    interaction = authorize(browser, portal, prompt="login").headers["location"].rpartition("=")[2]
    login = next(iter(browser.cookies.values()))
    for secret in (
        tokens["refresh_token"],
        tokens["access_token"],
        interaction,
        login,
        code[:-1],
        code + "A",
    ):
        assert redeem(portal, secret).json()["error"] == "invalid_grant"
    assert redeem(portal, code).status_code == 200


def bent(token: str) -> list[str]:
    """Tokens that a reader who is not strict takes for this one."""
    return [
        token[:-1],
        token[1:],
        token + "A",
        token + "=",
        token + " ",
        f" {token}",
        token.swapcase(),
        token * 2,
    ]


def test_rfc6750_3_1_a_token_that_was_cut_or_grown_is_none(
    browser: TestClient, portal: WardSystem, tokens: dict[str, Any]
) -> None:
    access = tokens["access_token"]
    assert browser.get("/userinfo", headers={"authorization": f"Bearer {access}"}).status_code == 200
    for token in bent(access):
        assert portal.post("/introspect", {"token": token}).json() == {"active": False}
        if token.strip() != access:
            answer = browser.get("/userinfo", headers={"authorization": f"Bearer {token}"})
            assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
    for token in bent(tokens["refresh_token"]):
        assert portal.post("/token", refresh(token)).json()["error"] == "invalid_grant"
    assert portal.post("/token", refresh(tokens["refresh_token"])).status_code == 200


def test_rfc9700_4_3_2_an_access_token_in_an_address_or_a_form_is_not_looked_at(
    browser: TestClient, tokens: dict[str, Any], decider: Callable[..., Any]
) -> None:
    shown = {"access_token": tokens["access_token"]}
    for answer in (browser.get("/userinfo", params=shown), browser.post("/userinfo", data=shown)):
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert decider({}, authorization="").status_code == 401


# What is asked for beyond what was given.


@pytest.mark.parametrize(
    "more",
    [
        {"resource": "https://evil.example"}, {"audience": "https://evil.example"}, {"resource": "/relative"},
        {"authorization_details": '[{"type":"jp_ward_delegation","grant":"x"}]'}, {"sub": "x", "act": "x"},
        {"acr": "urn:dairi:acr:ial3:aal3", "iss": "https://evil.example", "aud": "https://evil.example"},
    ],
)  # fmt: skip
def test_no_parameter_gives_a_token_another_audience_person_or_grant(
    browser: TestClient, portal: WardSystem, tokens: dict[str, Any], more: dict[str, str]
) -> None:
    names = {"aud", "sub", "iss", "scope", "acr", "client_id"}
    before = {name: unverified_claims(tokens["access_token"])[name] for name in names}
    asked = {name: value for name, value in more.items() if name != "authorization_details"}
    code = returned(authorize(browser, portal, **asked))["code"]
    for answer in (
        redeem(portal, code, **more),
        portal.post("/token", refresh(tokens["refresh_token"]) | more),
    ):
        claims = unverified_claims(answer.json()["access_token"])
        assert {name: claims[name] for name in names} == before
        assert not {"act", "authorization_details"} & claims.keys()


@pytest.mark.parametrize(
    "scope", ["openid email", "openid profile kaigo", "decide", "delegated:kaigo", "unknown"]
)
def test_rfc6749_6_a_refresh_widens_no_scope(portal: WardSystem, tokens: dict[str, Any], scope: str) -> None:
    form = refresh(tokens["refresh_token"])
    assert portal.post("/token", form | {"scope": scope}).json()["error"] == "invalid_scope"


@pytest.mark.parametrize(
    "grant_type",
    [
        "password", "implicit", "urn:ietf:params:oauth:grant-type:token-exchange", "CLIENT_CREDENTIALS",
        "urn:ietf:params:oauth:grant-type:device_code", "urn:openid:params:grant-type:ciba",
        "urn:ietf:params:oauth:grant-type:jwt-bearer", "client_credentials refresh_token",
    ],
)  # fmt: skip
def test_rfc6749_5_2_what_is_no_grant_type_here_is_unsupported(portal: WardSystem, grant_type: str) -> None:
    form = {"grant_type": grant_type, "scope": "decide", "username": "x", "password": "x"}
    answer = portal.post("/token", form)
    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")


def test_rfc6749_5_2_a_system_that_nobody_is_sent_back_to_redeems_nothing(
    browser: TestClient, portal: WardSystem, tokens: dict[str, Any]
) -> None:
    code, services = returned(authorize(browser, portal))["code"], portal.services
    with services.database.writing(services.ward.code) as unit:
        register_client(
            unit, replace(portal.client, redirect_uris=()), services.procedures, services.clock.now()
        )
    assert redeem(portal, code).json()["error"] == "unauthorized_client"
    assert portal.post("/token", refresh(tokens["refresh_token"])).json()["error"] == "unauthorized_client"
    assert portal.post("/token", CLIENT_TOKEN).status_code == 200


def test_rfc6749_5_1_nothing_with_a_token_in_it_is_kept_by_a_cache(
    browser: TestClient, portal: WardSystem, tokens: dict[str, Any]
) -> None:
    bearer = {"authorization": f"Bearer {tokens['access_token']}"}
    for answer in (
        portal.post("/token", refresh(tokens["refresh_token"])),
        portal.post("/token", CLIENT_TOKEN),
        portal.post("/token", refresh("x")),
        portal.http.post("/token", data=CLIENT_TOKEN),
        portal.post("/introspect", {"token": tokens["access_token"]}),
        portal.post("/introspect", {"token": "x"}),
        browser.get("/userinfo", headers=bearer),
        browser.get("/userinfo"),
    ):
        assert (answer.headers["cache-control"], answer.headers["pragma"]) == ("no-store", "no-cache")


def test_a_key_of_ours_that_was_retired_verifies_nothing_from_the_next_start_on(
    portal: WardSystem, tokens: dict[str, Any], workers: list[TestClient], vault: Vault
) -> None:
    services, kid = portal.services, portal.services.keys.signer(KeyPurpose.TOKEN).kid
    with services.database.writing(services.ward.code) as unit:
        mine = update(SigningKeyRow).where(col(SigningKeyRow.kid) == kid)
        unit.session.exec(mine.values(retired_at=services.clock.now()))
    bearer = {"authorization": f"Bearer {tokens['access_token']}"}
    assert workers[0].get("/userinfo", headers=bearer).status_code == 200  # it was started before
    keys = load_keys(services.database, vault, services.ward.code, NOW)
    next_start = replace(
        services,
        keys=keys,
        tokens=AccessTokens(services.ward.issuer, keys.key_set(KeyPurpose.TOKEN), services.clock),
    )
    http = TestClient(create_app([next_start]), base_url=services.ward.origin)
    assert http.get("/userinfo", headers=bearer).status_code == 401
    assert kid not in http.get("/jwks.json").text


# Who a system says it is.


@pytest.fixture
def by_secret(new_system: Callable[..., WardSystem]) -> tuple[WardSystem, str]:
    """Another system, which shows a secret."""
    secret, made = secrets.token_urlsafe(32), new_system("secretive")
    hash_ = hashlib.sha256(secret.encode()).hexdigest()
    client = replace(made.client, auth_method="client_secret_basic", secret_hash=hash_)
    with made.services.database.writing(made.services.ward.code) as unit:
        register_client(unit, client, made.services.procedures, made.services.clock.now())
    return replace(made, client=client), secret


def basic(client_id: str, secret: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


def refused(answer: Any) -> bool:
    return (answer.status_code, answer.json().get("error")) == (401, "invalid_client")


@pytest.mark.parametrize("path", ENDPOINTS)
def test_rfc9700_2_5_a_system_authenticates_by_its_own_method_alone_and_everywhere(
    portal: WardSystem, by_secret: tuple[WardSystem, str], path: str
) -> None:
    system, secret = by_secret
    form, http = CLIENT_TOKEN | {"token": "x"}, portal.http
    assert http.post(path, data=form, headers=basic("secretive", secret)).status_code == 200
    assert refused(system.post(path, form))  # it has a key, and is registered for its secret
    with portal.services.database.writing(portal.services.ward.code) as unit:
        both = replace(portal.client, secret_hash=system.client.secret_hash)
        register_client(unit, both, portal.services.procedures, portal.services.clock.now())
    assert refused(http.post(path, data=form, headers=basic("portal", secret)))
    for nothing in ({}, {"client_id": "portal"}, {"client_id": "portal", "client_secret": secret}):
        assert refused(http.post(path, data=form | nothing))
    assert portal.post(path, form).status_code == 200


@pytest.mark.parametrize("path", ENDPOINTS)
def test_rfc6749_5_2_an_unknown_system_is_told_what_a_wrong_secret_is_told(
    by_secret: tuple[WardSystem, str], path: str
) -> None:
    system, form = by_secret[0], CLIENT_TOKEN | {"token": "x"}
    seen = []
    for client_id in ("secretive", "nobody"):
        answer = system.http.post(path, data=form, headers=basic(client_id, "wrong"))
        seen.append((answer.status_code, answer.text, set(answer.headers) - {"x-request-id"}))
    assert seen[0] == seen[1]
    assert seen[0][0] == 401


@pytest.mark.parametrize("path", ENDPOINTS)
def test_rfc6749_5_2_two_ways_to_authenticate_at_once_are_a_bad_request(
    portal: WardSystem, by_secret: tuple[WardSystem, str], path: str
) -> None:
    form = CLIENT_TOKEN | {"token": "x"}
    assertion = {"client_assertion_type": ASSERTION, "client_assertion": portal.assertion()}
    header = basic("secretive", by_secret[1])
    for answer in (
        portal.http.post(path, data=form | assertion, headers=header),
        portal.http.post(path, data=form | assertion | {"client_secret": "x"}),
        portal.http.post(path, data=form | {"client_secret": "x"}, headers=header),
    ):
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": int((NOW + timedelta(days=365)).timestamp())}, {"jti": None}, {"jti": ""}, {"jti": 7},
        {"iss": "other"}, {"sub": "other"}, {"iss": "other", "sub": "other"}, {"aud": None},
        {"aud": ["https://shibuya.id.example"]}, {"aud": "https://shibuya.id.example/"},
        {"aud": "https://evil.example/token"},
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ENDPOINTS)
def test_rfc7523_3_an_assertion_is_this_systems_for_us_and_soon_over(
    portal: WardSystem, path: str, changes: dict[str, object]
) -> None:
    form = CLIENT_TOKEN | {"token": "x", "client_assertion_type": ASSERTION}
    assert refused(portal.http.post(path, data=form | {"client_assertion": portal.assertion(**changes)}))


def test_rfc7521_4_2_a_client_id_other_than_the_assertions_is_refused(portal: WardSystem) -> None:
    shown = {"client_assertion_type": ASSERTION, "client_assertion": portal.assertion(), "client_id": "other"}
    assert refused(portal.http.post("/token", data=CLIENT_TOKEN | shown))


@pytest.mark.parametrize(
    "header",
    [
        "x-client-cert",
        "x-ssl-client-cert",
        "x-forwarded-client-cert",
        "x-client-verify",
        "ssl-client-s-dn",
        "forwarded",
    ],
)
def test_rfc9700_4_13_no_header_of_a_proxy_authenticates_anybody(portal: WardSystem, header: str) -> None:
    headers = {header: "CN=portal", "x-client-id": "portal", "x-user": "portal"}
    for path in ENDPOINTS:
        form = CLIENT_TOKEN | {"token": "x", "client_id": "portal"}
        assert refused(portal.http.post(path, data=form, headers=headers))


def test_rfc7523_3_a_key_that_a_system_gave_up_counts_no_longer(portal: WardSystem) -> None:
    assert portal.post("/token", CLIENT_TOKEN).status_code == 200
    signer = SoftwareSigner.generate()
    with portal.services.database.writing(portal.services.ward.code) as unit:
        changed = replace(portal.client, jwks={"keys": [signer.public_jwk()]})
        register_client(unit, changed, portal.services.procedures, portal.services.clock.now())
    assert refused(portal.post("/token", CLIENT_TOKEN))
    assert replace(portal, signer=signer).post("/token", CLIENT_TOKEN).status_code == 200


def test_rfc6749_3_2_a_parameter_in_the_address_and_in_the_form_is_repeated(
    browser: TestClient, portal: WardSystem
) -> None:
    for path in ENDPOINTS:
        answer = portal.post(f"{path}?client_id=other&scope=openid", CLIENT_TOKEN | {"token": "x"})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    asked = {"client_id": "portal", "redirect_uri": CALLBACK}
    answer = browser.post("/authorize?redirect_uri=https://evil.example/", data=asked)
    assert (answer.status_code, "location" in answer.headers) == (400, False)


def test_a_clock_five_minutes_off_gives_no_token_a_longer_life(
    portal: WardSystem, tokens: dict[str, Any], clock: FixedClock
) -> None:
    told = []
    for minutes in (-5, 5, 10):
        clock.advance(timedelta(minutes=minutes))
        bearer = {"authorization": f"Bearer {tokens['access_token']}"}
        told.append(portal.http.get("/userinfo", headers=bearer).status_code)
    assert told == [401, 200, 401]

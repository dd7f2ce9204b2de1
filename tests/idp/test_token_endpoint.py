"""Client authentication, refresh and revocation, by the clauses they keep."""

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote_plus

import pytest
from joserfc import jwk as joserfc_jwk
from joserfc import jwt as joserfc_jwt
from sqlmodel import col, delete, select
from starlette.testclient import TestClient

from assurance.evidence import Passkey
from assurance.tables import PasskeyRow, ProofRow
from card.jose import b64url_encode, unverified_claims
from delegation.audit.tables import LeafRow
from idp.registration import Unregistrable, register_client
from idp.services import Services
from tests.conftest import FixedClock
from tests.idp.conftest import ASSERTION, LogIn, WardSystem, authorize, redeem, returned

CLIENT_TOKEN = {"grant_type": "client_credentials", "scope": "decide"}
SECRET = "a secret+with %odd: characters"


@pytest.fixture
def by_secret(portal: WardSystem, services: Services) -> WardSystem:
    """A system that shows a secret."""
    client = replace(
        portal.client,
        auth_method="client_secret_basic",
        jwks=None,
        secret_hash=hashlib.sha256(SECRET.encode()).hexdigest(),
    )
    with services.database.writing(services.ward.code) as unit:
        register_client(unit, client, services.procedures, services.clock.now())
    return replace(portal, client=client)


def basic(text: str | bytes) -> dict[str, str]:
    octets = text if isinstance(text, bytes) else text.encode()
    return {"authorization": "Basic " + base64.b64encode(octets).decode("ascii")}


def test_rfc6749_2_3_1_both_halves_of_basic_are_form_encoded(by_secret: WardSystem) -> None:
    shown = basic(f"portal:{quote_plus(SECRET)}")
    assert by_secret.http.post("/token", data=CLIENT_TOKEN, headers=shown).status_code == 200
    refused = by_secret.http.post("/token", data=CLIENT_TOKEN, headers=basic("portal:wrong"))
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    assert refused.headers["www-authenticate"].startswith("Basic")


@pytest.mark.parametrize(
    "header",
    [
        basic(b"\xff\xfe:\xff")["authorization"], basic("portal")["authorization"], "Basic", "Basic    ",
        "Basic =", "Basic é", "Bearer x", basic("\x00:\x00")["authorization"], basic(":")["authorization"],
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/token", "/introspect", "/revoke"])
def test_rfc6749_5_2_what_is_no_authentication_is_invalid_client(
    by_secret: WardSystem, header: str, path: str
) -> None:
    form = CLIENT_TOKEN | {"token": "x"}
    refused = by_secret.http.post(path, data=form, headers={"authorization": header.encode("utf-8")})
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")


def test_rfc6749_2_3_another_client_id_than_the_credentials_is_nobodys(by_secret: WardSystem) -> None:
    shown = basic(f"portal:{quote_plus(SECRET)}")
    other = CLIENT_TOKEN | {"client_id": "other"}
    assert by_secret.http.post("/token", data=other, headers=shown).status_code == 401


def escaped(portal: WardSystem, **changes: object) -> str:
    """An assertion whose JSON names its characters by number, lone surrogates too."""
    claims = dict(unverified_claims(portal.assertion())) | changes
    header = {"alg": portal.signer.alg, "kid": portal.signer.kid, "typ": "JWT"}
    said = ".".join(b64url_encode(json.dumps(part).encode("ascii")) for part in (header, claims))
    return f"{said}.{b64url_encode(portal.signer.sign(said.encode('ascii')))}"


@pytest.mark.parametrize("sub", ["\ud800", "a\x00b", "x" * 5000, "", 7, None])
@pytest.mark.parametrize("jti", ["\ud800", "\x00", "fine"])
def test_rfc7523_3_an_assertion_of_nobody_is_refused_and_disturbs_no_other(
    portal: WardSystem, sub: object, jti: str
) -> None:
    form = CLIENT_TOKEN | {"client_assertion_type": ASSERTION}
    shown = escaped(portal, sub=sub, iss=sub, jti=jti)
    refused = portal.http.post("/token", data=form | {"client_assertion": shown})
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    assert portal.post("/token", CLIENT_TOKEN).status_code == 200


def test_rfc7519_5_1_an_assertion_may_leave_its_type_out(portal: WardSystem) -> None:
    now = int(portal.services.clock.now().timestamp())
    claims = {
        "iss": "portal", "sub": "portal", "aud": portal.services.ward.issuer, "jti": "j", "iat": now,
        "exp": now + 3601,
    }  # fmt: skip
    key = joserfc_jwk.import_key(portal.signer.private_pem(), "EC")
    bare = joserfc_jwt.encode({"alg": "ES256", "kid": portal.signer.kid}, claims, key)
    form = CLIENT_TOKEN | {"client_assertion_type": ASSERTION, "client_assertion": bare}
    assert portal.http.post("/token", data=form).status_code == 200
    assert portal.http.post("/token", data=form).status_code == 401


@pytest.mark.parametrize(
    ("alg", "kind", "parameter"),
    [("RS256", "RSA", 2048), ("PS256", "RSA", 2048), ("EdDSA", "OKP", "Ed25519")],
)
@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
def test_oidc_core_9_clients_sign_with_their_own_kind_of_key(
    portal: WardSystem, services: Services, alg: str, kind: Any, parameter: Any
) -> None:
    key = joserfc_jwk.generate_key(kind, parameter, private=True, auto_kid=True)
    client = replace(portal.client, jwks={"keys": [key.as_dict(private=False) | {"alg": alg}]})
    with services.database.writing(services.ward.code) as unit:
        register_client(unit, client, services.procedures, services.clock.now())
    now = int(services.clock.now().timestamp())
    claims = {
        "iss": "portal", "sub": "portal", "aud": services.ward.issuer, "jti": "j", "iat": now, "exp": now + 60
    }  # fmt: skip
    made = joserfc_jwt.encode({"alg": alg, "kid": key.kid}, claims, key, algorithms=[alg])
    form = CLIENT_TOKEN | {"client_assertion_type": ASSERTION, "client_assertion": made}
    assert portal.http.post("/token", data=form).status_code == 200


def test_a_failed_authentication_is_audited(portal: WardSystem, services: Services) -> None:
    form = {"client_assertion_type": ASSERTION, "client_assertion": portal.assertion(exp=1), "token": "x"}
    for path in ("/token", "/introspect", "/revoke"):
        assert portal.http.post(path, data=CLIENT_TOKEN | form).status_code == 401
    with services.database.reading() as session:
        leaves = session.exec(select(LeafRow.content)).all()
    assert sum(b'"token:client:refused"' in leaf for leaf in leaves) == 3


def test_rfc6749_5_2_a_request_without_grant_type_is_invalid(portal: WardSystem) -> None:
    assert portal.post("/token", {}).json()["error"] == "invalid_request"
    assert portal.post("/token", {"grant_type": "password"}).json()["error"] == "unsupported_grant_type"


def test_rfc6749_6_a_scope_that_is_too_wide_costs_nothing(
    browser: TestClient, portal: WardSystem, log_in: LogIn
) -> None:
    log_in()
    tokens = redeem(portal, returned(authorize(browser, portal))["code"]).json()
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    assert portal.post("/token", form | {"scope": "openid email"}).json()["error"] == "invalid_scope"
    narrowed = portal.post("/token", form | {"scope": "openid"}).json()
    assert narrowed["scope"] == unverified_claims(narrowed["access_token"])["scope"] == "openid"


def test_rfc6749_6_another_clients_refresh_token_is_invalid_grant_and_stays_good(
    browser: TestClient, portal: WardSystem, new_system: Callable[[str], WardSystem], log_in: LogIn
) -> None:
    log_in()
    tokens = redeem(portal, returned(authorize(browser, portal))["code"]).json()
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    assert new_system("other").post("/token", form).json()["error"] == "invalid_grant"
    assert portal.post("/token", form).status_code == 200


def test_rfc6749_6_a_refresh_token_lapses(
    browser: TestClient, portal: WardSystem, log_in: LogIn, clock: FixedClock
) -> None:
    log_in()
    tokens = redeem(portal, returned(authorize(browser, portal))["code"]).json()
    clock.advance(timedelta(hours=8))
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    assert portal.post("/token", form).json()["error"] == "invalid_grant"


def test_rfc7009_2_1_a_client_revokes_its_own_tokens_alone(
    browser: TestClient, portal: WardSystem, new_system: Callable[[str], WardSystem], log_in: LogIn
) -> None:
    log_in()
    tokens = redeem(portal, returned(authorize(browser, portal))["code"]).json()
    other = new_system("other")
    for name in ("access_token", "refresh_token"):
        assert other.post("/revoke", {"token": tokens[name]}).status_code == 200
    assert portal.post("/introspect", {"token": tokens["access_token"]}).json()["active"] is True
    assert portal.post("/revoke", {"token": tokens["access_token"]}).status_code == 200
    assert portal.post("/introspect", {"token": tokens["access_token"]}).json() == {"active": False}


def test_rfc7009_2_2_1_a_clients_own_token_hangs_from_nothing(portal: WardSystem) -> None:
    token = portal.post("/token", CLIENT_TOKEN).json()["access_token"]
    assert portal.post("/revoke", {"token": token}).json()["error"] == "unsupported_token_type"


def test_rfc6750_3_1_without_a_token_no_error_is_named(browser: TestClient) -> None:
    answer = browser.get("/userinfo")
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


def test_scopes_that_the_mint_alone_writes_are_not_registered(portal: WardSystem, services: Services) -> None:
    client = replace(portal.client, scopes=portal.client.scopes | {"delegated:kaigo"})
    with (
        pytest.raises(Unregistrable, match="delegated"),
        services.database.writing(services.ward.code) as unit,
    ):
        register_client(unit, client, services.procedures, services.clock.now())


def test_a_token_that_was_verified_before_expires_all_the_same(
    browser: TestClient, portal: WardSystem, log_in: LogIn, clock: FixedClock
) -> None:
    log_in()
    token = redeem(portal, returned(authorize(browser, portal))["code"]).json()["access_token"]
    headers = {"authorization": f"Bearer {token}"}
    assert browser.get("/userinfo", headers=headers).status_code == 200
    clock.advance(timedelta(minutes=10))
    assert browser.get("/userinfo", headers=headers).status_code == 401


def test_rfc7662_2_2_introspection_says_how_strong_the_login_is_now(
    browser: TestClient, portal: WardSystem, log_in: LogIn, services: Services
) -> None:
    person = log_in(Passkey(services.clock.now(), user_verified=True, synced=True))
    tokens = redeem(portal, returned(authorize(browser, portal))["code"]).json()
    asked = {"token": tokens["access_token"]}
    assert portal.post("/introspect", asked).json()["acr"] == "urn:dairi:acr:ial3:aal2"
    with services.database.writing(services.ward.code) as unit:
        unit.session.exec(delete(ProofRow).where(col(ProofRow.person) == person))
    assert portal.post("/introspect", asked).json()["acr"] == "urn:dairi:acr:ial0:aal2"
    with services.database.writing(services.ward.code) as unit:
        unit.session.exec(delete(PasskeyRow).where(col(PasskeyRow.person) == person))
    assert portal.post("/introspect", asked).json() == {"active": False}

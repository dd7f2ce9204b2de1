"""A client that was disabled is nobody on every path, at once, also in a process that served it before."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from starlette.testclient import TestClient

from card.jose import unverified_claims
from idp.delegating import parts_of
from idp.registration import register_client
from idp.services import Services
from tests.idp.clients.conftest import Dairi
from tests.idp.conftest import AFTER_LOGOUT, LogIn, WardSystem, authorize, redeem, returned

OWN_TOKEN = {"grant_type": "client_credentials", "scope": "decide"}


def own_token(system: WardSystem) -> str:
    return str(system.post("/token", OWN_TOKEN).json()["access_token"])


def evaluate(caller: WardSystem, bearer: str, token: str) -> Any:
    claims: Any = unverified_claims(token)
    question = {
        "subject": {"type": "person", "id": claims["sub"]},
        "action": {"name": "file"},
        "resource": {
            "type": "procedure",
            "id": "kaigo.nintei.renew",
            "properties": {"principal": claims["sub"]},
        },
        "context": {"token": token},
    }
    headers = {"authorization": f"Bearer {bearer}", "content-type": "application/json"}
    return caller.http.post("/access/v1/evaluation", content=json.dumps(question), headers=headers)


@pytest.fixture
def sister(new_system: Callable[..., WardSystem], portal: WardSystem, services: Services) -> WardSystem:
    """Another client of the same ward system: one sector, one audience."""
    made = new_system("sister")
    client = replace(made.client, sector=portal.client.sector, audience=portal.client.audience)
    with services.database.writing(services.ward.code) as unit:
        register_client(unit, client, services.procedures, services.clock.now(), joins_sector=True)
    return replace(made, client=client)


def paths(portal: WardSystem, sister: WardSystem, browser: TestClient) -> dict[str, Callable[[], Any]]:
    """Every path that a client, its code or its token can take, ready to be taken."""

    def tokens() -> Any:
        return redeem(portal, returned(authorize(browser, portal))["code"]).json()

    live, code = tokens(), returned(authorize(browser, portal))["code"]
    refresh = {"grant_type": "refresh_token", "refresh_token": live["refresh_token"]}
    bearer, sisters, access = own_token(portal), own_token(sister), live["access_token"]
    parameters = {
        "response_type": "code", "client_id": "portal", "redirect_uri": portal.client.redirect_uris[0],
        "scope": "openid", "code_challenge": "c" * 43, "code_challenge_method": "S256",
    }  # fmt: skip
    under_way = browser.get("/authorize", params=parameters).headers["location"]
    out = {"id_token_hint": live["id_token"], "post_logout_redirect_uri": AFTER_LOGOUT}

    def userinfo() -> Any:
        return browser.get("/userinfo", headers={"authorization": f"Bearer {access}"}).status_code

    return {
        "authorize": lambda: authorize(browser, portal).status_code,
        "a login under way": lambda: browser.get(under_way).status_code,
        "token: code": lambda: redeem(portal, code).status_code,
        "token: client_credentials": lambda: portal.post("/token", OWN_TOKEN).status_code,
        "introspection by it": lambda: portal.post("/introspect", {"token": access}).status_code,
        "introspection of its token": lambda: sister.post("/introspect", {"token": access}).json()["active"],
        "userinfo": userinfo,
        "evaluation by it": lambda: evaluate(portal, bearer, access).status_code,
        "evaluation of its token": lambda: evaluate(sister, sisters, access).json()["decision"],
        "token: refresh": lambda: portal.post("/token", refresh).status_code,
        "revocation": lambda: portal.post("/revoke", {"token": access}).status_code,
        "logout": lambda: browser.get("/end-session", params=out).status_code,
    }


def test_a_disabled_client_is_refused_on_every_path_and_its_sister_on_none(
    portal: WardSystem, sister: WardSystem, browser: TestClient, log_in: LogIn, dairi: Dairi
) -> None:
    log_in()
    before = {name: take() for name, take in paths(portal, sister, browser).items()}
    assert before == {
        "authorize": 303,
        "a login under way": 303,
        "token: code": 200,
        "token: client_credentials": 200,
        "introspection by it": 200,
        "introspection of its token": True,
        "userinfo": 200,
        "evaluation by it": 200,
        "evaluation of its token": True,
        "token: refresh": 200,
        "revocation": 200,
        "logout": 303,
    }
    log_in()
    ready = paths(portal, sister, browser)
    assert dairi("disable", "portal").exit_code == 0
    assert {name: take() for name, take in ready.items()} == {
        "authorize": 400,
        "a login under way": 400,
        "token: code": 401,
        "token: client_credentials": 401,
        "introspection by it": 401,
        "introspection of its token": False,
        "userinfo": 401,
        "evaluation by it": 401,
        "evaluation of its token": False,
        "token: refresh": 401,
        "revocation": 401,
        "logout": 400,
    }
    assert sister.post("/token", OWN_TOKEN).status_code == 200


def test_people_still_see_by_its_name_what_a_disabled_system_did(
    portal: WardSystem, services: Services, dairi: Dairi
) -> None:
    assert dairi("disable", "portal").exit_code == 0
    with services.database.reading(services.ward.code) as session:
        callers = parts_of(services).callers
        assert callers.name(session, "portal")["en"] == "Care insurance portal"
        assert callers.name(session, "nobody") == {"ja": "nobody", "en": "nobody"}

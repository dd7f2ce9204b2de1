"""The tenant wall: whatever is of another ward answers exactly as what does not exist."""

import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.routing import BaseRoute, Host, Mount, Route, Router
from starlette.testclient import TestClient

from assurance import people
from assurance.evidence import CardAuthentication
from assurance.people import NewProof
from assurance.person import Profile, new_id
from assurance.roles import Role
from assurance.tables import RoleRow
from assurance.wards import Ward, WardCode
from card.dates import ward_day
from idp import sessions
from idp.app import create_app
from idp.keys import KeyPurpose, load_keys
from idp.services import Services
from idp.token.lookups import Lookups
from idp.token.presented import AccessTokens
from tests.conftest import NOW
from tests.idp.conftest import CALLBACK, WardSystem, authorize, redeem, returned
from tests.registered import registered

_RANDOM = re.compile(r"[A-Za-z0-9_-]{20,}(\.[A-Za-z0-9_-]+)*")


@pytest.fixture
def neighbour(services: Services) -> Services:
    """A second ward of the same deployment."""
    ward = Ward(WardCode("131121"), "https://setagaya.id.example")
    keys = load_keys(services.database, services.vault, ward.code, NOW)
    return replace(
        services,
        ward=ward,
        keys=keys,
        lookups=Lookups(ward.code, services.batch, services.clock, services.vault),
        tokens=AccessTokens(ward.issuer, keys.key_set(KeyPurpose.TOKEN), services.clock),
    )


@pytest.fixture
def app(services: Services, neighbour: Services) -> Any:
    return create_app([services, neighbour])


def logged_in(services: Services, app: Any, *roles: Role) -> TestClient:
    """A browser in which a proven person is logged in."""
    now = services.clock.now()
    with services.database.writing(services.ward.code) as unit:
        person = people.create_person(unit, services.vault, now)
        profile = Profile("田中\u3000花子", date(1948, 5, 3), "2", "東京都渋谷区１－１")
        people.record_proof(
            unit, services.vault, services.thresholds, person, NewProof("counter_card", profile), now
        )
        for role in roles:
            unit.session.add(RoleRow(ward=unit.ward, person=person, role=role, since=now))
        request = Request({"type": "http", "headers": []})
        shown = CardAuthentication(now, revocation_checked=True)
        held = registered(unit, services.vault, person, shown)
        _, cookie = sessions.begin(unit, services, request, person, held)
    browser = TestClient(app, base_url=services.ward.origin, follow_redirects=False)
    browser.cookies.set(cookie.name, cookie.value, domain=services.ward.rp_id)
    return browser


def flat(routes: list[BaseRoute]) -> Iterator[tuple[str, str]]:
    """Every method and path below some routes."""
    for route in routes:
        if isinstance(route, Host | Mount) and isinstance(route.app, FastAPI):
            for path, operations in route.app.openapi()["paths"].items():
                yield from ((method.upper(), path) for method in operations)
        elif isinstance(route, Host | Mount) and isinstance(route.app, Router):
            yield from flat(list(route.app.routes))
        elif isinstance(route, Route):
            yield from ((method, route.path) for method in (route.methods or ()) if method != "HEAD")


@pytest.fixture
def theirs(services: Services, app: Any, new_system: Callable[..., WardSystem]) -> Mapping[str, str]:
    """One identifier of each kind, of the first ward."""
    portal, browser = new_system("shibuya-portal"), logged_in(services, app)
    form = {
        "name": "田中由紀",
        "address": "yuki@example.jp",
        "procedure": ["kaigo.nintei.renew"],
        "action": ["file"],
        "last": (ward_day(services.clock.now()) + timedelta(days=30)).isoformat(),
    }
    proposed = browser.post("/grants/new", data=form, headers={"origin": services.ward.origin})
    nobody = TestClient(app, base_url=services.ward.origin, follow_redirects=False)
    begun = authorize(nobody, portal).headers["location"]
    tokens = redeem(portal, returned(authorize(browser, portal))["code"]).json()
    mail: Any = services.mailer
    return {
        "interaction": begun.rpartition("=")[2],
        "grant": proposed.headers["location"].rpartition("/")[2],
        "invitation": mail.sent[-1].body.rpartition("/invitations/")[2].split()[0],
        "code": returned(authorize(browser, portal))["code"],
        "access": tokens["access_token"],
        "refresh": tokens["refresh_token"],
        "identity": tokens["id_token"],
        "client": "shibuya-portal",
        "login": next(iter(browser.cookies.values())),
    }


NOBODYS_ID, NOBODYS_HANDLE = new_id(), secrets.token_urlsafe(32)


def unknown_like(value: str) -> str:
    """An identifier of the same shape that nobody has."""
    if value == "shibuya-portal":
        return "shibuya-nobody"
    if value.count(".") == 2:
        return f"{value[:-8]}{'A' * 8}"
    return NOBODYS_ID if re.fullmatch(r"[0-9a-f]{32}", value) else NOBODYS_HANDLE


FIELDS = (
    "i", "challenge", "response", "id", "code", "token", "state", "grant", "proposal", "digits", "acting",
    "refresh_token", "client_id", "id_token_hint", "container", "redirect_uri", "request",
)  # fmt: skip


def send(browser: TestClient, ward: Ward, method: str, path: str, value: str) -> tuple[int, str, str]:
    """Put a value wherever an identifier could stand; what is compared of the answer."""
    filled = re.sub(r"\{[^}]+\}", value, path)
    fields = dict.fromkeys(FIELDS, value) | {"redirect_uri": CALLBACK, "grant_type": "authorization_code"}
    headers = {"origin": ward.origin, "authorization": f"Bearer {value}"}
    for cookie in (f"__Host-dairi-{ward.code}-login2", f"__Host-dairi-{ward.code}-i-{value}"):
        browser.cookies.set(cookie, value, domain=ward.rp_id)
    if method == "GET":
        answer = browser.get(filled, params=fields, headers=headers)
    else:
        answer = browser.request(method, filled, data=fields, headers=headers)
    shown = [answer.headers.get("location", ""), answer.text]
    location, body = (_RANDOM.sub("…", text.replace(value, "…")) for text in shown)
    return answer.status_code, location, body


def test_an_identifier_of_another_ward_answers_as_an_unknown_one(
    app: Any, neighbour: Services, theirs: Mapping[str, str]
) -> None:
    routes = sorted(set(flat(list(app.routes))))
    assert len(routes) > 40
    browser = logged_in(neighbour, app, *Role)
    mine = dict(browser.cookies)
    for method, path in routes:
        if path in {"/logout", "/end-session", "/end-session/confirm"} or path.startswith("/health/"):
            continue  # these end the login that the others need, or belong to no ward
        unknown = [unknown_like(value) for value in theirs.values()]
        answers = {}
        for shown in {*theirs.values(), *unknown}:
            browser.cookies.clear()
            for name, cookie in mine.items():
                browser.cookies.set(name, cookie, domain=neighbour.ward.rp_id)
            answers[shown] = send(browser, neighbour.ward, method, path, shown)
        for (kind, value), nobodys in zip(theirs.items(), unknown, strict=True):
            assert answers[value] == answers[nobodys], (method, path, kind)
            assert answers[value][0] < 500, (method, path, kind)


def test_a_login_of_another_ward_is_no_login(app: Any, services: Services, neighbour: Services) -> None:
    secret = next(iter(logged_in(services, app).cookies.values()))
    name = next(iter(logged_in(neighbour, app).cookies.keys()))
    browser = TestClient(app, base_url=neighbour.ward.origin, follow_redirects=False)
    browser.cookies.set(name, secret, domain=neighbour.ward.rp_id)
    assert browser.get("/account").headers["location"].startswith("/login?i=")

"""What the logs say, and what they never say."""

import io
import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from sqlmodel import select
from starlette.testclient import TestClient

from assurance import passkeys
from assurance.database import StorageUnavailable
from delegation.grant import GrantId
from delegation.handles import handle_of
from idp import logs
from idp.logs import plain_path
from idp.services import Services
from idp.tables import SubjectRow
from tests.delegation.conftest import Town, authority, cards, linked, staff, thresholds, town
from tests.idp.conftest import KeptMail, LogIn, WardSystem, authorize, redeem, returned
from tests.idp.steps import asked_of_card, begun, by_mail, follow

__all__ = ["authority", "cards", "linked", "staff", "thresholds", "town"]


class Log:
    """What was logged since."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]

    def events(self, name: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["event"] == name]


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[Log]:
    made, root = Log(), logging.getLogger()
    handlers, level = list(root.handlers), root.level
    monkeypatch.setattr(root, "handlers", [])  # pytest's own are not to be closed
    logs.configure(made.stream)
    yield made
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


class Traffic:
    """Everything that went over the wire and looks like a secret."""

    def __init__(self, *clients: TestClient) -> None:
        self._clients = clients
        self.seen: set[str] = set()
        for client in clients:
            client.event_hooks = {"response": [self._note]}

    def _note(self, answer: Any) -> None:
        answer.read()
        parts = [str(answer.request.url), answer.request.content.decode("utf-8", "replace"), answer.text]
        for headers in (answer.request.headers, answer.headers):
            parts += [value for name, value in headers.multi_items() if name != "x-request-id"]
        found = re.findall(r"[A-Za-z0-9_-]{20,}", " ".join(parts))
        self.seen |= {word for word in found if re.search(r"[0-9]", word)}


def test_a_login_a_grant_and_what_follows_log_nothing_personal_and_no_secret(
    town: Town, portal: WardSystem, mail: KeptMail, log: Log
) -> None:
    hanako, yuki, services = town.hanako, town.yuki, town.services
    traffic = Traffic(hanako.http, yuki.http, portal.http)
    hanako.http.cookies.clear()
    i = begun(authorize(hanako.http, portal))
    signed_in = follow(hanako.http, hanako.answer(asked_of_card(hanako, i)))
    tokens = redeem(portal, returned(signed_in)["code"]).json()
    grant = town.active()
    digits = [code for sent in mail.sent for code in re.findall(r"\b\d{6}\b", sent.body)]
    yuki.http.cookies.clear()
    by_mail(yuki.http, services, mail, begun(yuki.get("/account")), yuki.address)
    digits.append(mail.code())
    hanako.get(f"/grants/{grant}/receipt")
    portal.post("/introspect", {"token": tokens["access_token"]})
    portal.http.get("/userinfo", headers={"authorization": f"Bearer {tokens['access_token']}"})
    hanako.get("/grants/田中花子/hanako@example.jp/123456789018")
    hanako.get("/end-session?id_token_hint=" + tokens["id_token"])
    assert len(log.events("request")) > 20
    with services.database.reading() as session:
        subs = {row.sub for row in session.exec(select(SubjectRow)).all()}
    secrets = traffic.seen | subs | {grant, hanako.person, yuki.person, i}
    secrets.add(handle_of(services.vault, services.ward.code, portal.client.sector, GrantId(grant)))
    assert len(secrets) > 50
    named = {"花子", "由紀", "田中", "渋谷区", "hanako@", "yuki@", "example.jp", "123456789018", *digits}
    logged = re.sub(r'"(request_id|timestamp)": "[^"]*"', "", log.text)
    assert not {secret for secret in secrets | named if secret in logged}


def test_an_error_that_nobody_handled_is_logged_once_by_type_and_place(
    browser: TestClient, log_in: LogIn, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> Any:
        raise ValueError("田中花子")

    log_in()
    monkeypatch.setattr(passkeys, "passkeys_of", fail)
    assert browser.get("/account", headers={"x-request-id": "seven"}).status_code == 500
    (line,) = log.events("unhandled")
    assert (line["error"], line["request_id"], line["level"]) == ("builtins.ValueError", "seven", "error")
    assert re.fullmatch(r"idp/account/routes\.py:\d+ show", line["place"])
    (request,) = log.events("request")
    assert request["status"] == 500
    assert "花子" not in log.text


def test_what_was_behind_a_503_is_logged_by_type(
    browser: TestClient, log_in: LogIn, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> Any:
        raise StorageUnavailable from OSError("/home/田中花子")

    log_in()
    monkeypatch.setattr(passkeys, "passkeys_of", fail)
    assert browser.get("/account").status_code == 503
    (line,) = log.events("unavailable")
    assert line["behind"] == ["assurance.database.StorageUnavailable", "builtins.OSError"]
    assert "花子" not in log.text


def test_a_library_that_logs_an_error_names_its_type_alone(log: Log) -> None:
    try:
        int("田中花子")
    except ValueError:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application")
        structlog.get_logger("ours").error("failed", exc_info=True)
    assert [line["error"] for line in log.lines] == ["builtins.ValueError"] * 2
    assert "花子" not in log.text


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/131130/access/v1/evaluation", "/131130/access/v1/evaluation"),
        ("/.well-known/openid-configuration", "/.well-known/openid-configuration"),
        ("/static/dads-tokens.css", "/static/dads-tokens.css"),
        ("/grants/0a1b2c3d4e5f/end", "/grants/…/end"),
        ("/田中花子/hanako@example.jp/123456789018", "/…/…/…"),
        ("/x/../%00", "/x/…/…"),
    ],
)
def test_of_a_path_only_our_own_words_are_logged(path: str, shown: str) -> None:
    assert plain_path(path) == shown


def test_a_request_that_is_all_right_is_one_line(browser: TestClient, services: Services, log: Log) -> None:
    browser.get("/jwks.json?secret=1", headers={"x-request-id": "a b"})
    (line,) = log.lines
    assert (line["method"], line["path"], line["status"]) == ("GET", "/jwks.json", 200)
    assert re.fullmatch(r"[0-9a-f]{32}", line["request_id"])
    assert services.ward.code not in log.text


def test_asvs_16_4_1_nothing_that_somebody_sends_breaks_or_adds_a_line(browser: TestClient, log: Log) -> None:
    forged = '{"event": "login", "status": 200}'
    hostile = ("%0d%0a" + forged, "%1b%5b2J", "%E2%80%A8x", "%E2%80%AEx", "%00", "%22%7d%0a%7b", "a%20b")
    for path in hostile:
        browser.get(f"/grants/{path}", headers={"user-agent": forged})
        browser.get(f"/login?i={path}&state={path}", headers={"referer": f"https://evil.example/{path}"})
    for value in ("x\u2028y".encode(), b'"}{"event":"login"', b"\x1b[2J", b"a" * 5000, b"\xe2\x80\xae"):
        browser.get("/jwks.json", headers={b"x-request-id": value, b"user-agent": value})
    assert len(log.lines) == len(log.text.rstrip("\n").split("\n")) == 2 * len(hostile) + 5
    assert {line["event"] for line in log.lines} == {"request"}
    assert not re.search(r"evil|2J|\\u2028|\\u202e|\x1b|[\u2028\u202e]", log.text)

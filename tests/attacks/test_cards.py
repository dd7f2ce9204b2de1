"""Attacks with cards that are genuine and not this person's, and on what the provider opens besides pages."""

import re
from typing import Any

import pytest
from sqlmodel import select
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from card.test_authority import TestAuthority
from delegation.tables import MandateRow
from idp.services import Services
from tests.card.conftest import HANAKO
from tests.conftest import NOW
from tests.delegation.conftest import Town
from tests.idp.steps import asked_of_card, begun


@pytest.fixture
def namesakes(authority: TestAuthority) -> Any:
    """A genuine card of somebody whose name, birth date, sex and address are Hanako's."""
    return authority.issue_card(HANAKO, NOW)


def test_a_namesakes_card_or_a_new_one_of_hers_logs_nobody_in(town: Town, namesakes: Any) -> None:
    """Whose card it is, the link that was made at the counter says, and nothing that is printed on it."""
    town.hanako.http.cookies.clear()
    i = begun(town.hanako.get("/account"))
    page = town.hanako.answer(asked_of_card(town.hanako, i), namesakes)
    assert (page.status_code, "登録されていません" in page.text) == (400, True), page.text
    assert town.hanako.get("/account").status_code == 303


def test_a_namesakes_card_signs_no_mandate_of_hers(town: Town, namesakes: Any) -> None:
    grant = town.compared()
    page = town.hanako.sign(grant, namesakes)
    assert (page.status_code, "本人のカードによるものではありません" in page.text) == (403, True), page.text
    assert town.row(grant).state != "active"
    with town.services.database.reading() as session:
        assert not session.exec(select(MandateRow)).all()
    assert town.hanako.sign(grant).status_code == 303


@pytest.mark.parametrize(
    "path", ["/", "/login", "/authorize", "/card/answer", "/access/v1/evaluation", "/none"]
)
def test_rfc6455_4_2_2_the_provider_opens_no_web_socket(browser: TestClient, path: str) -> None:
    for origin in ("https://evil.example", "https://shibuya.id.example"):
        with pytest.raises(WebSocketDisconnect), browser.websocket_connect(path, headers={"origin": origin}):
            pass


@pytest.mark.parametrize(
    "path",
    ["/docs", "/redoc", "/openapi.json", "/metrics", "/debug", "/admin", "/.git/config", "/.env", "/graphql",
     "/server-status", "/actuator", "/static/../dairi.db", "/static/%2e%2e/pyproject.toml", "/static/"],
)  # fmt: skip
def test_asvs_13_4_nothing_is_served_that_was_not_meant_to_be(
    browser: TestClient, services: Services, path: str
) -> None:
    for method in ("GET", "POST", "HEAD", "OPTIONS", "TRACE", "CONNECT", "DEBUG"):
        answer = browser.request(method, path, headers={"origin": services.ward.origin})
        assert answer.status_code in {403, 404, 405}, (method, answer.status_code)
        assert not re.search(r"Traceback|SQLAlchemy|\.py\b|site-packages", answer.text)

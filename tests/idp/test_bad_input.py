"""Bad input of the provider, as a table: the fault, its code and status, its sentence, and what to do next.

Pages are told in Japanese and English; what a client gets is the specification's own error, in English.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa

from card.container import SigningPurpose, prepare
from card.jose import SoftwareSigner
from idp.card_requests import answer_uri
from idp.services import Services
from tests.conftest import FixedClock
from tests.delegation.conftest import Resident, Town, authority, cards, linked, staff, thresholds, town
from tests.idp.conftest import CALLBACK, WardSystem, authorize, redeem, returned
from tests.idp.steps import answer_to, asked_of_card, begun, bring

__all__ = ["authority", "cards", "linked", "staff", "thresholds", "town"]


@dataclass
class World:
    """Where the faults happen: Hanako at her browser, the portal, another system, and the database."""

    town: Town
    portal: WardSystem
    new_system: Callable[[str], WardSystem]
    clock: FixedClock
    lock: Callable[[], Any]
    kept: dict[str, Any] = field(default_factory=dict)

    @property
    def services(self) -> Services:
        return self.town.services

    @property
    def hanako(self) -> Resident:
        return self.town.hanako

    def at_login(self, resident: Resident | None = None) -> str:
        """The interaction of a browser that is at the login page."""
        someone = resident or self.hanako
        someone.http.cookies.clear()
        return begun(someone.get("/account"))

    def code(self) -> str:
        """A code for the portal."""
        return returned(authorize(self.hanako.http, self.portal))["code"]


# The faults.


def a_container_is_brought_twice(world: World) -> Any:
    form = answer_to(world.hanako, asked_of_card(world.hanako, world.at_login()))
    assert bring(world.hanako, form).status_code == 303
    return bring(world.hanako, form)


def a_container_is_brought_by_another_browser(world: World) -> Any:
    jws = asked_of_card(world.hanako, world.at_login())
    world.at_login(world.town.yuki)
    return world.town.yuki.get(bring(world.town.yuki, answer_to(world.hanako, jws)).headers["location"])


def a_container_is_of_another_purpose(world: World) -> Any:
    mandate = prepare(
        SigningPurpose.MANDATE,
        issuer=world.services.ward.issuer,
        audience=answer_uri(world.services),
        nonce=b"n" * 16,
        issued_at=world.clock.now(),
    )
    form = answer_to(world.hanako, asked_of_card(world.hanako, world.at_login()), mandate)
    return world.hanako.get(bring(world.hanako, form).headers["location"])


def a_bridge_that_nobody_enrolled_says_that_it_is(world: World) -> Any:
    form = answer_to(
        world.hanako, asked_of_card(world.hanako, world.at_login()), key=SoftwareSigner.generate()
    )
    return world.hanako.get(bring(world.hanako, form).headers["location"])


def the_redirect_uri_is_not_registered(world: World) -> Any:
    return authorize(world.hanako.http, world.portal, redirect_uri=f"{CALLBACK}/")


def the_code_challenge_is_missing(world: World) -> Any:
    return authorize(world.hanako.http, world.portal, code_challenge=None)


def the_code_verifier_is_missing(world: World) -> Any:
    return redeem(world.portal, world.code(), code_verifier="")


def a_code_is_used_twice(world: World) -> Any:
    code = world.code()
    assert redeem(world.portal, code).status_code == 200
    return redeem(world.portal, code)


def a_code_is_another_clients(world: World) -> Any:
    return redeem(world.new_system("other"), world.code())


def passkey_form(world: World, i: str) -> dict[str, str]:
    page = world.hanako.get(f"/login/passkey?i={i}").text
    challenge = page.partition('name="challenge" value="')[2].partition('"')[0]
    return {"i": i, "challenge": challenge, "response": "{}"}


def a_passkeys_challenge_expired(world: World) -> Any:
    form = passkey_form(world, world.at_login())
    world.clock.advance(timedelta(minutes=5))
    return world.hanako.post("/login/passkey", **form)


def a_passkeys_challenge_is_another_browsers(world: World) -> Any:
    form = passkey_form(world, world.at_login())
    return world.town.yuki.post("/login/passkey", **form | {"i": world.at_login(world.town.yuki)})


def ten_codes_are_wrong(world: World) -> Any:
    i = mailed(world)
    wrong = "000000" if world.town.mail.code() != "000000" else "111111"
    answers = [world.hanako.post("/login/email/code", i=i, code=wrong) for _ in range(10)]
    assert all(answer.status_code == 400 for answer in answers)
    return answers[-1]


def mailed(world: World) -> str:
    i = world.at_login()
    world.hanako.post("/login/email", i=i, address=world.hanako.address)
    return i


def the_database_is_away_from_a_page(world: World) -> Any:
    form = {"i": mailed(world), "code": world.town.mail.code()}
    with world.lock():
        answer = world.hanako.post("/login/email/code", **form)
    again = world.hanako.post("/login/email/code", **form)
    assert again.status_code == 303, "nothing is lost: the code still works"
    return answer


def the_database_is_away_from_a_client(world: World) -> Any:
    code = world.code()
    with world.lock():
        answer = redeem(world.portal, code)
    again = redeem(world.portal, code)
    assert again.status_code == 200, "nothing is lost: the code still works"
    return answer


@dataclass(frozen=True)
class Row:
    """One line of the table.

    :param code: of a page's fault, or the OAuth error.
    :param ja: empty where a client is told.
    :param onward: what the page's link leads to.
    """

    fault: Callable[[World], Any]
    code: str
    status: int
    ja: str
    en: str
    next_ja: str = ""
    next_en: str = ""
    onward: str = ""


TABLE = [
    Row(
        a_container_is_brought_twice, "challenge.gone", 400,
        "この画面は、もう使えません。", "This page is no longer valid.",
        "はじめからもう一度お試しください。", "Please start again.",
        "/account",
    ),
    Row(
        a_container_is_brought_by_another_browser, "interaction.foreign", 400,
        "ログインを始めたブラウザーと違うため、続けられません。",
        "This is not the browser in which the login began.",
        "心当たりがないリンクを開いたときは、このまま閉じてください。",
        "If someone sent you this link, just close the page.",
        "/account",
    ),
    Row(
        a_container_is_of_another_purpose, "card.purpose", 400,
        "この確認には使えない種類の署名です。", "This kind of signature does not count here.",
        "はじめからもう一度お試しください。", "Please start again.",
        "/login?i=",
    ),
    Row(
        a_bridge_that_nobody_enrolled_says_that_it_is, "card.countersignature", 400,
        "このパソコンが区に登録されたものかどうか、確認できませんでした。",
        "We could not tell whether this computer is one that the ward registered.",
        "はじめからもう一度お試しください。窓口のパソコンで何度もこの画面が出るときは、"
        "このパソコンを管理している職員にお知らせください。",
        "Start again. If this page keeps coming at a computer of the ward, tell the staff who look after it.",
        "/login?i=",
    ),
    Row(
        the_redirect_uri_is_not_registered, "authorize.redirect_uri", 400,
        "戻り先のアドレスが登録と違うため、続けられません。",
        "The address to return to is not the registered one.",
        "リンクが古いか、偽のサイトの可能性があります。区の公式ページからお進みください。",
        "The link may be old or forged. Please start from the ward's own page.",
        "/account",
    ),
    Row(the_code_challenge_is_missing, "invalid_request", 303, "", "PKCE with S256 is required (RFC 7636)"),
    Row(the_code_verifier_is_missing, "invalid_request", 400, "", "Missing 'code_verifier'"),
    Row(a_code_is_used_twice, "invalid_grant", 400, "", "Invalid 'code' in request."),
    Row(a_code_is_another_clients, "invalid_grant", 400, "", "Invalid 'code' in request."),
    Row(
        a_passkeys_challenge_expired, "challenge.expired", 400,
        "時間が過ぎました。", "It took too long.",
        "もう一度お試しください。", "Please try again.",
        "/login?i=",
    ),
    Row(
        a_passkeys_challenge_is_another_browsers, "challenge.foreign", 400,
        "別のブラウザーで始めた手続きです。", "This was begun in another browser.",
        "このブラウザーで、はじめからお試しください。", "Start again in this browser.",
        "/login?i=",
    ),
    Row(
        ten_codes_are_wrong, "email.too_many", 400,
        "番号を何度も間違えたため、この番号は使えなくなりました。",
        "The code was wrong too often and no longer works.",
        "はじめからやり直して、新しい番号を受け取ってください。", "Start again to get a new code.",
        "/login?i=",
    ),
    Row(
        the_database_is_away_from_a_page, "storage.unavailable", 503,
        "ただいま混み合っています。", "The service is busy.",
        "入力した内容はそのままで、少し待ってからもう一度お試しください。",
        "Nothing was lost. Please wait a moment and try again.",
        "/account",
    ),
    Row(
        the_database_is_away_from_a_client, "temporarily_unavailable", 503,
        "", "nothing was lost; please try again in a few seconds",
    ),
]  # fmt: skip


@contextmanager
def locked_sqlite(url: str) -> Iterator[None]:
    """Another program's connection holds the write lock."""
    other = sqlite3.connect(sa.make_url(url).database or "", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.close()


@contextmanager
def gone_postgresql(url: str, server: str) -> Iterator[None]:
    """The database lets nobody in, and threw out who was."""
    name, engine = sa.make_url(url).database, sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false"))
        everyone = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
        connection.execute(sa.text(everyone), {"name": name})
        try:
            yield
        finally:
            connection.execute(sa.text(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true"))
    engine.dispose()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assurance.database._BUSY_TIMEOUT_S", 1.0)


@pytest.fixture
def world(
    request: pytest.FixtureRequest,
    town: Town,
    portal: WardSystem,
    new_system: Callable[[str], WardSystem],
    clock: FixedClock,
) -> World:
    url = town.services.database.url

    def lock() -> Any:
        if url.startswith("sqlite"):
            return locked_sqlite(url)
        return gone_postgresql(url, request.getfixturevalue("postgresql_url"))

    return World(town, portal, new_system, clock, lock)


def told_of(answer: Any) -> tuple[str, str]:
    """The error and its description, of whatever kind an answer to a client is."""
    if answer.status_code == 303:
        query = parse_qs(urlsplit(answer.headers["location"]).query)
        return query["error"][0], query["error_description"][0]
    body = answer.json()
    return body["error"], body.get("error_description", "")


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.fault.__name__)
def test_bad_input_is_refused_with_its_code_its_sentence_and_a_next_step(world: World, row: Row) -> None:
    answer = row.fault(world)
    assert answer.status_code == row.status, answer.text
    assert ("retry-after" in answer.headers) == (row.status == 503)
    if not row.ja:
        assert told_of(answer) == (row.code, row.en)
        return
    pages = world.services.pages
    for locale, texts in (("ja", (row.ja, row.next_ja)), ("en", (row.en, row.next_en))):
        known = [pages.text(locale, f"fault.{row.code}{part}") for part in ("", ".next")]
        assert all(text in whole for text, whole in zip(texts, known, strict=True)), known
    assert row.ja in answer.text
    assert row.next_ja in answer.text
    assert f'href="{row.onward}' in answer.text

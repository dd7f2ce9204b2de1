"""A renewed card: unknown at the login, linked at home by a passkey, and what it does until it counts."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from playwright.sync_api import Page, expect

from card.certificates import Purpose, read_certificate
from card.clock import SystemClock
from card.test_authority import TestAuthority
from card.virtual.store import load_deck
from tests.end_to_end.conftest import Sandbox, Tour, findings, running
from tests.end_to_end.test_logging_in import log_in_by_card
from tests.end_to_end.test_tour import add_a_passkey

pytestmark = pytest.mark.timeout(600)

OLD, NEW = "田中花子", "田中花子（更新後）"
DAY = r"\d{4}年\d{1,2}月\d{1,2}日 \d{1,2}時\d{2}分"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("renewal")


@pytest.fixture(scope="module")
def own_sandbox(folder: Path) -> Iterator[Sandbox]:
    """One whose Hanako loses her card: the others need it."""
    with running(folder) as started:
        yield started


@pytest.fixture
def hanako(profile: Callable[..., Page], own_sandbox: Sandbox, pictures: Path) -> Tour:
    return Tour(profile(), own_sandbox, pictures)


def hand_in(folder: Path) -> None:
    """What the municipality does with the old card, and the day's revocation lists tell."""
    authority = TestAuthority.load(folder / "state" / "authority")
    contents, now = load_deck(folder / "state" / "cards")[OLD].contents, SystemClock().now()
    for purpose, der in (
        (Purpose.AUTHENTICATION, contents.authentication_certificate),
        (Purpose.SIGNATURE, contents.signature_certificate),
    ):
        assert der is not None
        authority.revoke(purpose, read_certificate(der).serial, now, x509.ReasonFlags.superseded)


def test_a_renewed_card_is_linked_at_home(hanako: Tour, folder: Path, pictures: Path) -> None:
    page = hanako.page
    log_in_by_card(hanako, OLD)
    add_a_passkey(hanako)
    hanako.look("account-card")
    hanako.follow("新しいカードを登録する")
    expect(page.get_by_text("前に登録したカードが、まだ有効です")).to_be_visible()
    hanako.look("link-another-lives")
    page.goto(hanako.sandbox.account)
    hanako.press("ログアウト")
    hand_in(folder)

    page.goto(hanako.sandbox.account)
    hanako.press("マイナンバーカード")
    hanako.type_pin(NEW)
    expect(page.get_by_text("このカードは、まだ登録されていません")).to_be_visible()
    assert findings(page, pictures / "unknown-card") == []
    hanako.follow("ログインして、このカードを登録する")
    hanako.follow("パスキー")
    hanako.press("パスキーを使う")

    expect(page.get_by_role("heading", name="新しいマイナンバーカードを登録する")).to_be_visible()
    expect(page.get_by_text("まだ有効です")).to_have_count(0)
    hanako.look("link")
    hanako.press("カードを使って登録する")
    hanako.lay(NEW)
    hanako.look("link-secrets")
    page.get_by_label("利用者証明用の暗証番号").fill("1234")
    page.get_by_label("署名用のパスワード").fill("wrong1")
    hanako.press("このカードを登録する")
    expect(page.get_by_text("あと4回")).to_be_visible()
    hanako.look("link-secrets-wrong")
    page.get_by_label("利用者証明用の暗証番号").fill("１２３４")
    page.get_by_label("署名用のパスワード").fill("abc123")
    seen = hanako.mails()
    hanako.press("このカードを登録する")
    expect(page).to_have_url(hanako.sandbox.account)
    expect(page.get_by_text(re.compile(f"このカードは、{DAY}から、すべての手続きに使えます"))).to_be_visible()
    hanako.look("account-card-waits")
    date = hanako.new_mail(seen, "hanako@example.jp", f"このカードは、({DAY})から")
    expect(page.get_by_text(date)).to_be_visible()

    hanako.press("ログアウト")
    log_in_by_card(hanako, NEW)
    expect(page.get_by_text("2つの要素で確認")).to_be_visible()
    expect(page.get_by_text(f"このカードは、{date}から")).to_be_visible()
    hanako.press("ログアウト")
    page.goto(hanako.sandbox.account)
    hanako.press("マイナンバーカード")
    hanako.type_pin(OLD)
    expect(page.get_by_text("失効")).to_be_visible()

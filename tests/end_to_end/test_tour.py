"""The tour that `make sandbox` prints, step by step, against the processes that it starts."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from card.clock import SystemClock
from card.dates import ward_day
from tests.end_to_end.conftest import Tour

pytestmark = pytest.mark.timeout(600)


def log_in_at_the_portal(resident: Tour, card: str) -> None:
    resident.page.goto(resident.sandbox.portal)
    resident.follow("ログインする")
    resident.press("マイナンバーカード")
    resident.type_pin(card)


def add_a_passkey(resident: Tour) -> None:
    resident.page.goto(resident.sandbox.account)
    resident.follow("パスキーを登録する")
    resident.page.get_by_label("名前").fill("わたしの電話")
    resident.press("登録する")
    expect(resident.page.get_by_text("わたしの電話").first).to_be_visible()


def propose(hanako: Tour) -> str:
    """Step 3; returns the invitation's address."""
    page = hanako.page
    page.goto(hanako.sandbox.account)
    hanako.follow("委任のページへ")
    hanako.look("grants-none")
    hanako.follow("代わりの人にお願いする")
    hanako.look("grant-new")
    page.get_by_label("相手の名前").fill("田中 由紀")
    page.get_by_label("相手のメールアドレス").fill("yuki@example.jp")
    page.get_by_label("要介護・要支援認定の更新申請").check()
    page.get_by_label("介護保険被保険者証の再交付申請").check()
    today = ward_day(SystemClock().now())
    page.get_by_label("いつまで").fill((today + timedelta(days=200)).isoformat())
    hanako.press("招待のメールを送る")
    expect(page.get_by_text("そこまで長くお願いできません")).to_be_visible()
    hanako.look("grant-new-error")
    expect(page.get_by_label("相手の名前")).to_have_value("田中 由紀")
    page.get_by_label("いつまで").fill((today + timedelta(days=60)).isoformat())
    seen = hanako.mails()
    hanako.press("招待のメールを送る")
    expect(page.get_by_text("招待のメールを送りました")).to_be_visible()
    hanako.look("grant-waiting")
    return hanako.new_mail(seen, "yuki@example.jp", r"(http://\S+/invitations/\S+)")


def accept(yuki: Tour, invitation: str) -> str:
    """Step 4; returns the digits."""
    page = yuki.page
    page.goto(invitation)
    yuki.follow("メールアドレス")
    page.get_by_label("メールアドレス").fill("yuki@example.jp")
    seen = yuki.mails()
    yuki.press("数字を送る")
    page.get_by_label("6けたの数字").fill(yuki.new_mail(seen, "yuki@example.jp", r"\b(\d{6})\b"))
    yuki.press("ログイン")
    expect(page.get_by_text("引き受けることもできません")).to_be_visible()
    yuki.look("invitation-weak")
    yuki.follow("カードかパスキーで確認する")
    yuki.press("マイナンバーカード")
    yuki.type_pin("田中由紀")
    expect(page.get_by_role("heading", name="田中\u3000花子さんからのお願い")).to_be_visible()
    yuki.look("invitation")
    yuki.press("引き受ける")
    digits = page.locator(".digits").inner_text()
    yuki.look("grant-digits")
    return digits


def sign(hanako: Tour, digits: str) -> None:
    """Step 5."""
    page = hanako.page
    page.reload()
    hanako.look("grant-accepted")
    page.get_by_label("6けたの数字").fill("000000" if digits != "000000" else "111111")
    hanako.press("確かめる")
    expect(page.get_by_text("あと2回ためせます")).to_be_visible()
    hanako.look("grant-digits-wrong")
    page.get_by_label("6けたの数字").fill(digits)
    hanako.press("確かめる")
    expect(page.get_by_text("わたし、田中\u3000花子は、田中\u3000由紀さんが")).to_be_visible()
    hanako.look("grant-read-back")
    hanako.press("署名に進む")
    hanako.lay("田中花子")
    hanako.look("bridge-sign")
    page.get_by_label("パスワード").fill("abc123")
    hanako.press("署名")
    expect(page.get_by_text("あなたの代わりに次の手続きができます")).to_be_visible()
    hanako.look("grant-active")
    with page.expect_download() as receipt:
        hanako.follow("控えを受け取る")
    assert receipt.value.suggested_filename == "receipt.jwt"


def act(yuki: Tour) -> None:
    """Step 6."""
    page = yuki.page
    page.goto(yuki.sandbox.account)
    yuki.press("ログアウト")
    page.goto(yuki.sandbox.portal)
    yuki.look("portal")
    yuki.follow("ログインする")
    yuki.follow("パスキー")
    yuki.press("パスキーを使う")
    expect(page.get_by_role("heading", name="どなたの手続きですか")).to_be_visible()
    yuki.look("picker")
    page.get_by_label("田中\u3000花子さんの代理").check()
    yuki.press("進む")
    expect(page.get_by_text("田中\u3000花子さんの代理として")).to_be_visible()
    expect(page.get_by_text("urn:dairi:acr:ial3:aal2")).to_be_visible()
    yuki.look("portal-desk")
    yuki.follow("要介護・要支援認定の更新申請")
    yuki.look("portal-form")
    page.get_by_label("申請の理由").fill("有効期間が終わるため")
    yuki.press("申請する")
    expect(page.get_by_text("「要介護・要支援認定の更新申請」を受け付けました")).to_be_visible()
    yuki.look("portal-filed")
    yuki.follow("戻る")
    yuki.follow("居宅サービス計画作成依頼届出")
    page.get_by_label("申請の理由").fill("試し")
    yuki.press("申請する")
    expect(page.get_by_text("この手続きは、委任に含まれていません")).to_be_visible()
    yuki.look("portal-refused")
    yuki.follow("はじめの画面へ")
    yuki.follow("開発者向け")
    expect(page.get_by_text("act.sub").first).to_be_visible()
    yuki.look("developer-acting")
    yuki.follow("はじめの画面へ")
    yuki.follow("田中\u3000花子さんの代理")
    yuki.follow("介護保険被保険者証の再交付申請")
    page.get_by_label("申請の理由").fill("見つからないため")
    yuki.press("申請する")
    expect(page.get_by_text("より確かな本人確認が必要です")).to_be_visible()
    yuki.look("step-up-acting")
    yuki.press("マイナンバーカード")
    yuki.type_pin("田中由紀")
    expect(page.get_by_text("田中\u3000花子さんの代理として")).to_be_visible()
    expect(page.get_by_text("urn:dairi:acr:ial3:aal3")).to_be_visible()
    expect(page.get_by_label("申請の理由")).to_have_value("見つからないため")
    yuki.press("申請する")
    expect(page.get_by_text("「介護保険被保険者証の再交付申請」を受け付けました")).to_be_visible()


def test_the_tour(person: Callable[[], Tour]) -> None:
    hanako, yuki = person(), person()
    # 1. Hanako logs in at the portal.
    log_in_at_the_portal(hanako, "田中花子")
    expect(hanako.page.get_by_text("ログイン中：田中\u3000花子さん")).to_be_visible()
    expect(hanako.page.get_by_text("urn:dairi:acr:ial3:aal3")).to_be_visible()
    hanako.look("portal-own")
    # 2. She adds a passkey and logs in with it.
    add_a_passkey(hanako)
    hanako.press("ログアウト")
    hanako.follow("もう一度ログインする")
    hanako.follow("パスキー")
    hanako.press("パスキーを使う")
    expect(hanako.page.get_by_text("2つの要素で確認")).to_be_visible()
    # 3. to 5. The grant.
    invitation = propose(hanako)
    digits = accept(yuki, invitation)
    add_a_passkey(yuki)
    sign(hanako, digits)
    hanako.page.goto(re.sub("/account$", "/grants", hanako.sandbox.account))
    hanako.look("grants")
    # 6. Yuki acts.
    act(yuki)
    # 7. Hanako sees it and ends it; whatever Yuki holds is worth nothing.
    hanako.follow("田中 由紀さんへの委任")
    expect(hanako.page.get_by_text("介護保険 申請ポータル").first).to_be_visible()
    hanako.look("grant-activity")
    there = hanako.page.url
    hanako.page.goto(re.sub("/account$", "/records", hanako.sandbox.account))
    expect(hanako.page.get_by_text("代わりの人が、介護保険 申請ポータル").first).to_be_visible()
    hanako.look("records")
    hanako.page.goto(there)
    hanako.follow("委任を終わらせる")
    hanako.look("grant-end")
    hanako.press("終わらせる")
    expect(hanako.page.get_by_text("もう何もできません")).to_be_visible()
    hanako.look("grant-ended")
    yuki.follow("戻る")
    yuki.follow("要介護・要支援認定の更新申請")
    yuki.page.get_by_label("申請の理由").fill("もう一度")
    yuki.press("申請する")
    expect(yuki.page.get_by_role("heading", name="手続きはできませんでした")).to_be_visible()
    yuki.look("portal-over")
    # And Hanako leaves the portal.
    hanako.page.goto(hanako.sandbox.portal)
    hanako.press("ログアウト")
    expect(hanako.page.get_by_role("heading", name="ログアウトしました")).to_be_visible()

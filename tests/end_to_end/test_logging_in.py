"""Residents log in against the sandbox: by card through pcscd, by passkey, by mail."""

import re
from collections.abc import Callable

from playwright.sync_api import expect

from tests.end_to_end.conftest import Tour


def log_in_by_card(hanako: Tour, card: str = "田中花子") -> None:
    hanako.page.goto(hanako.sandbox.account)
    hanako.press("マイナンバーカード")
    hanako.type_pin(card)
    expect(hanako.page).to_have_url(hanako.sandbox.account)


def test_a_resident_logs_in_by_card_then_by_the_passkey_that_she_adds(person: Callable[[], Tour]) -> None:
    hanako = person()
    page = hanako.page
    page.goto(hanako.sandbox.account)
    hanako.look("login")
    hanako.press("マイナンバーカード")
    hanako.lay("田中花子")
    hanako.look("pin")
    page.get_by_label("暗証番号").fill("9999")
    hanako.press("ログイン")
    expect(page.get_by_text("あと2回")).to_be_visible()
    hanako.look("pin-wrong")
    hanako.type_pin("田中花子")
    expect(page.get_by_text("田中\u3000花子さん")).to_be_visible()
    expect(page.get_by_text("マイナンバーカードで確認")).to_be_visible()
    hanako.follow("パスキーを登録する")
    hanako.look("passkey-new")
    page.get_by_label("名前").fill("わたしの電話")
    hanako.press("登録する")
    expect(page.get_by_text("わたしの電話")).to_be_visible()
    hanako.look("account")
    hanako.press("ログアウト")
    hanako.look("bye")
    hanako.follow("もう一度ログインする")
    hanako.follow("パスキー")
    hanako.look("passkey")
    hanako.press("パスキーを使う")
    expect(page.get_by_text("2つの要素で確認")).to_be_visible()


def test_an_email_login_of_a_proven_person_shows_nothing_until_it_is_raised(
    person: Callable[[], Tour],
) -> None:
    yuki = person()
    page = yuki.page
    page.goto(yuki.sandbox.account)
    yuki.follow("メールアドレス")
    page.get_by_label("メールアドレス").fill("yuki＠example")
    yuki.press("数字を送る")
    expect(page.get_by_text("形が正しくない")).to_be_visible()
    yuki.look("email-error")
    page.get_by_label("メールアドレス").fill("ｙｕｋｉ@example.jp")
    seen = yuki.mails()
    yuki.press("数字を送る")
    yuki.look("code")
    page.get_by_label("6けたの数字").fill("000000")
    yuki.press("ログイン")
    expect(page.get_by_text("あと4回")).to_be_visible()
    code = yuki.new_mail(seen, "yuki@example.jp", r"\b(\d{6})\b")
    page.get_by_label("6けたの数字").fill(f" {code[:3]} {code[3:]}")
    yuki.press("ログイン")
    expect(page.get_by_text("メールの確認だけ")).to_be_visible()
    expect(page.get_by_text("由紀")).to_have_count(0)
    yuki.look("account-weak")
    yuki.follow("カードかパスキーで確認する")
    expect(page.get_by_role("link", name="メールアドレス")).to_have_count(0)
    yuki.look("step-up")
    yuki.press("マイナンバーカード")
    yuki.type_pin("田中由紀")
    expect(page.get_by_text("田中\u3000由紀さん")).to_be_visible()


def test_an_answer_harvested_from_a_victims_browser_is_refused_in_both(person: Callable[[], Tour]) -> None:
    """The attacker begins a login and sends the victim the genuine link to her own bridge."""
    attacker, victim = person(), person()
    attacker.page.goto(attacker.sandbox.account)
    interaction = re.search(r"i=([0-9a-f]{32})", attacker.page.url)
    assert interaction is not None
    with attacker.page.expect_request(re.compile(r"/request\?request=")) as to_bridge:
        attacker.press("マイナンバーカード")
    victim.page.goto(to_bridge.value.url)
    if "使われ" in victim.page.inner_text("main"):  # the attacker's own browser opened the page already
        victim.page.goto(attacker.page.url)
    victim.type_pin("田中花子")
    expect(victim.page.get_by_text("ログインを始めたブラウザーと違う")).to_be_visible()
    victim.look("foreign")
    done = attacker.sandbox.account.replace("/account", f"/card/done?i={interaction[1]}")
    attacker.page.goto(done)
    expect(attacker.page.get_by_text("有効時間が過ぎました")).to_be_visible()
    attacker.page.goto(attacker.sandbox.account)
    expect(attacker.page.get_by_role("heading", name="ログイン方法を選んでください")).to_be_visible()

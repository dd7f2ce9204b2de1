"""A resident adds the national app and logs in with it, in a real browser, at its stand-in in the sandbox."""

from collections.abc import Callable

from playwright.sync_api import expect

from tests.end_to_end.conftest import Tour, findings
from tests.end_to_end.test_logging_in import log_in_by_card


def answer(who: Tour, name: str, how: str) -> None:
    """Choose what someone's phone does."""
    expect(who.page.get_by_text("本物のデジタル認証アプリではありません")).to_be_visible()
    who.page.get_by_role("group", name=name).get_by_role("button", name=how, exact=True).click()


def test_a_resident_adds_the_national_app_and_logs_in_with_it(person: Callable[[], Tour]) -> None:
    hanako = person()
    page, seen = hanako.page, hanako.mails()
    log_in_by_card(hanako)
    hanako.follow("デジタル認証アプリを登録する")
    hanako.look("app-new")
    hanako.press("アプリでの確認に進む")
    hanako.look("national-app")
    answer(hanako, "田中\u3000由紀", "カードを読み取って、認証する")
    expect(page.get_by_text("あなたのものと確かめられませんでした")).to_be_visible()
    assert findings(page) == []
    hanako.follow("戻る")
    hanako.press("アプリでの確認に進む")
    answer(hanako, "田中\u3000花子", "カードを読み取って、認証する")
    expect(page.get_by_text("スマートフォンのアプリでログインできます。")).to_be_visible()
    hanako.new_mail(seen, "hanako@example.jp", r"(デジタル認証アプリが登録されました)")
    hanako.press("ログアウト")
    hanako.follow("もう一度ログインする")
    hanako.press("デジタル認証アプリ")
    answer(hanako, "田中\u3000花子", "やめる")
    expect(page.get_by_text("とりやめになりました")).to_be_visible()
    hanako.follow("戻る")
    hanako.press("デジタル認証アプリ")
    answer(hanako, "田中\u3000由紀", "カードを読み取って、認証する")
    expect(page.get_by_text("まだ登録されていません")).to_be_visible()
    assert findings(page) == []
    hanako.follow("戻る")
    hanako.press("デジタル認証アプリ")
    answer(hanako, "田中\u3000花子", "認証するが、返事が遅れる")
    expect(page.get_by_text("いま返事がありません")).to_be_visible()
    hanako.follow("もう一度試す")
    expect(page.get_by_text("田中\u3000花子さん")).to_be_visible()
    expect(page.get_by_text("2つの要素で確認")).to_be_visible()
    hanako.look("account-app")

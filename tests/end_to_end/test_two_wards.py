"""Two wards in one process: one card is a person in each, and neither ward sees the other's."""

from collections.abc import Callable

from playwright.sync_api import expect

from tests.end_to_end.conftest import Tour
from tests.end_to_end.test_logging_in import log_in_by_card


def test_the_same_card_is_another_person_in_the_ward_next_door(person: Callable[[], Tour]) -> None:
    hanako = person()
    page = hanako.page
    log_in_by_card(hanako)
    shibuya, setagaya = hanako.sandbox.account, hanako.sandbox.account.replace("131130", "131121")
    page.goto(setagaya)
    expect(page.get_by_role("heading", name="ログイン方法を選んでください")).to_be_visible()
    hanako.press("マイナンバーカード")
    expect(page.get_by_text("世田谷区").first).to_be_visible()
    hanako.type_pin("田中花子")
    expect(page).to_have_url(setagaya)
    expect(page.get_by_text("田中\u3000花子さん")).to_be_visible()
    expect(page.get_by_text("世田谷区").first).to_be_visible()
    hanako.look("account-next-door")
    hanako.press("ログアウト")
    page.goto(setagaya)
    expect(page.get_by_role("heading", name="ログイン方法を選んでください")).to_be_visible()
    page.goto(shibuya)
    expect(page.get_by_text("田中\u3000花子さん")).to_be_visible()


def test_whom_only_one_ward_knows_is_nobody_next_door(person: Callable[[], Tour]) -> None:
    yuki = person()
    yuki.page.goto(yuki.sandbox.account.replace("131130", "131121"))
    yuki.press("マイナンバーカード")
    yuki.type_pin("田中由紀")
    expect(yuki.page.get_by_text("このカードは、まだ登録されていません")).to_be_visible()

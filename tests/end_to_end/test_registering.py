"""Two staff register a resident at the counter, each at a screen of their own, and her card logs her in."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.end_to_end.conftest import Tour
from tests.end_to_end.test_logging_in import log_in_by_card

pytestmark = pytest.mark.timeout(300)

NEWCOMER, CALLED = "高橋和子", "高橋\u3000和子"


def at_the_counter(staff: Tour, card: str) -> None:
    log_in_by_card(staff, card)
    staff.page.goto(staff.sandbox.account.replace("/account", "/counter"))
    expect(staff.page.get_by_role("heading", name="窓口", exact=True)).to_be_visible()


def test_two_staff_register_a_resident_whose_card_then_logs_her_in(person: Callable[[], Tour]) -> None:
    ichiro, jiro, kazuko = person(), person(), person()
    at_the_counter(ichiro, "職員一郎")
    page = ichiro.page
    ichiro.follow("カードを登録する")
    ichiro.look("counter-card-new")
    ichiro.press("カードを読む")
    ichiro.lay(NEWCOMER)
    ichiro.look("counter-card-secrets")
    page.get_by_label("利用者証明用の暗証番号").fill("1234")
    page.get_by_label("署名用のパスワード").fill("abc123")
    ichiro.press("このカードを登録する")
    expect(page.get_by_role("heading", name="カードと台帳を比べる")).to_be_visible()
    for says in (CALLED, "1952年（昭和27年）10月8日", "女", "東京都渋谷区恵比寿３番３号"):
        expect(page.get_by_text(says, exact=True)).to_be_visible()
    ichiro.look("counter-card-compare")
    page.get_by_label("前の名前で登録がある人").first.check()
    page.get_by_role("textbox", name="登録の名前").fill("高橋花子")
    page.locator("#before_birth").fill("1952-10-08")
    ichiro.press("もう一人の職員に回す")
    expect(page.get_by_text("いないか、一人に決まりません")).to_be_visible()
    page.go_back()
    page.get_by_label("初めて登録する人").check()
    ichiro.press("もう一人の職員に回す")
    expect(page.get_by_role("heading", name="もう一人の職員の確認を待っています")).to_be_visible()
    ichiro.look("counter-card-waits")

    at_the_counter(jiro, "職員二郎")
    jiro.look("counter-with-a-card")
    jiro.follow("に読んだカード")
    expect(jiro.page.get_by_text(CALLED)).to_be_visible()
    jiro.look("counter-card-second")
    jiro.press("確認して登録する")
    expect(jiro.page.get_by_role("heading", name="カードを登録しました")).to_be_visible()
    jiro.look("counter-card-done")
    jiro.follow("窓口の画面へ")
    expect(jiro.page.get_by_text("に読んだカード")).to_have_count(0)

    log_in_by_card(kazuko, NEWCOMER)
    expect(kazuko.page.get_by_text(f"{CALLED}さん")).to_be_visible()

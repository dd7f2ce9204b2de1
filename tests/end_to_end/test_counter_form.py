"""The counter where nobody writes: a form of the ward system filled in from the card that lies there."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.end_to_end.conftest import Tour, findings

pytestmark = pytest.mark.timeout(300)


def to_card(staff: Tour) -> None:
    staff.page.goto(f"{staff.sandbox.portal}/counter")
    staff.follow("写")
    if staff.page.get_by_role("button", name="マイナンバーカード").count():
        staff.press("マイナンバーカード")
        staff.type_pin("職員一郎")
    expect(staff.page.get_by_role("heading", name="カードの内容を申請書に写します")).to_be_visible()


def test_a_visitor_s_card_fills_the_form_in_and_staff_take_it(person: Callable[[], Tour]) -> None:
    staff = person()
    page = staff.page
    page.goto(f"{staff.sandbox.portal}/counter")
    staff.look("counter-form-empty")
    to_card(staff)
    staff.lay("鈴木一郎")
    staff.look("bridge-read")
    page.get_by_label("券面事項入力補助用の暗証番号").fill("0000")
    staff.press("写してよい")
    expect(page.get_by_text("あと2回入力できます")).to_be_visible()
    staff.look("bridge-read-wrong")
    page.get_by_label("券面事項入力補助用の暗証番号").fill("１２３４")
    staff.press("写してよい")
    expect(page.get_by_role("heading", name="カードから読み取った内容を確かめてください")).to_be_visible()
    expect(page.get_by_text("鈴木\u3000一郎")).to_be_visible()
    staff.look("counter-read")
    staff.press("書き写す")
    expect(page.get_by_label("氏名")).to_have_value("鈴木\u3000一郎")
    expect(page.get_by_label("生年月日")).to_have_value("1944-02-29")
    staff.look("counter-form")
    page.get_by_label("住所").fill("")
    page.get_by_label("介護保険被保険者証の再交付申請").check()
    page.locator("form").evaluate("form => form.noValidate = true")
    staff.press("受け付ける")
    expect(page.get_by_text("ここが空いています")).to_be_visible()
    staff.look("counter-form-missing")
    expect(page.get_by_label("介護保険被保険者証の再交付申請")).to_be_checked()
    page.get_by_label("住所").fill("東京都渋谷区宇田川町１－１")
    staff.press("受け付ける")
    expect(page.get_by_text("介護保険被保険者証の再交付申請")).to_be_visible()
    expect(page.get_by_text("東京都渋谷区宇田川町１－１")).to_be_visible()
    staff.look("counter-form-taken")


def test_a_visitor_may_say_no_and_paper_works(person: Callable[[], Tour]) -> None:
    staff = person()
    to_card(staff)
    staff.follow("やめる")
    expect(staff.page.get_by_text("カードの内容は写していません")).to_be_visible()
    assert findings(staff.page) == []  # reloading it would show the answer of the provider twice
    staff.follow("窓口の画面に戻る")
    to_card(staff)
    staff.lay("鈴木一郎")
    staff.page.get_by_label("券面事項入力補助用の暗証番号").fill("1234")
    staff.press("写してよい")
    staff.follow("書き写さない")
    expect(staff.page.get_by_text("カードの内容は写していません")).to_be_visible()


def test_a_resident_fills_in_no_form_of_the_counter(person: Callable[[], Tour]) -> None:
    hanako = person()
    hanako.page.goto(f"{hanako.sandbox.portal}/counter/read")
    hanako.press("マイナンバーカード")
    hanako.type_pin("田中花子")
    expect(hanako.page.get_by_text("窓口の職員だけが写せます")).to_be_visible()
    hanako.page.goto(f"{hanako.sandbox.portal}/counter")
    expect(hanako.page.get_by_label(re.compile("氏名"))).to_have_count(0)

"""A care office, from its registration to the hand-over, in the browsers of everyone concerned."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from card.clock import SystemClock
from card.dates import ward_day
from tests.end_to_end.conftest import Tour

pytestmark = pytest.mark.timeout(600)
OFFICE = "居宅介護支援事業所さくら"


def opened(who: Tour, path: str, card: str) -> None:
    """Open a page of the ward, logging in by card where that is asked."""
    who.page.goto(re.sub("/account$", path, who.sandbox.account))
    if who.page.get_by_role("button", name="マイナンバーカード").count():
        who.press("マイナンバーカード")
        who.type_pin(card)
    who.page.wait_for_url(re.compile(f"{path}$"))


def register(staff: Tour) -> None:
    opened(staff, "/staff/offices", "職員一郎")
    page = staff.page
    page.get_by_label("事業所番号").fill("1370100017")
    page.get_by_label("事業所の名前").fill(OFFICE)
    page.get_by_label("管理者の氏名").fill("桜井 道子")
    page.get_by_label("相手のメールアドレス").fill("sakurai@example.jp")
    staff.press("登録して管理者に招待を送る")
    expect(page.get_by_text("事業所番号が正しくありません")).to_be_visible()
    staff.look("office-register-error")
    page.get_by_label("事業所番号").fill("1370100016")
    staff.press("登録して管理者に招待を送る")
    expect(page.get_by_role("heading", name=OFFICE)).to_be_visible()
    staff.look("office-ward")


def join(who: Tour, card: str, address: str, seen: int) -> None:
    link = who.new_mail(seen, address, r"(http://\S+/memberships/\S+)")
    who.page.goto(link)
    who.press("マイナンバーカード")
    who.type_pin(card)
    expect(who.page.get_by_role("heading", name=f"{OFFICE}から招待されています")).to_be_visible()
    who.look("office-join")
    who.press("承諾する")
    expect(who.page.get_by_role("heading", name="わたしの事業所")).to_be_visible()
    who.look("offices")


def invite(admin: Tour, name: str, address: str, number: str) -> int:
    """How many mails there were before."""
    opened(admin, "/offices", "桜井道子")
    admin.follow(OFFICE)
    page = admin.page
    page.get_by_label("氏名").fill(name)
    page.get_by_label("相手のメールアドレス").fill(address)
    page.get_by_label("介護支援専門員番号").fill(number)
    page.get_by_label("介護支援専門員証の有効期間の最後の日").fill(
        (ward_day(SystemClock().now()) + timedelta(days=900)).isoformat()
    )
    seen = admin.mails()
    admin.press("招待を送る")
    expect(page.get_by_text(name, exact=True)).to_be_visible()
    return seen


def check(staff: Tour, name: str) -> None:
    opened(staff, "/staff/offices", "職員一郎")
    staff.follow(OFFICE)
    expect(staff.page.get_by_role("button", name=f"{name}さんの番号を確認しました")).to_be_visible()
    staff.look("office-ward-check")
    staff.press(f"{name}さんの番号を確認しました")
    expect(staff.page.get_by_text("働いています").last).to_be_visible()


def ask(sato: Tour, name: str, birth: str) -> None:
    opened(sato, "/offices", "佐藤健")
    sato.follow(OFFICE)
    sato.follow("手続きを任せてもらうようお願いする")
    page = sato.page
    expect(page.get_by_label("本人の氏名")).to_be_visible()
    sato.look("office-ask")
    page.get_by_label("本人の氏名").fill(name)
    page.get_by_label("本人の生年月日").fill(birth)
    page.get_by_label("居宅サービス計画作成依頼届出").check()
    page.get_by_label("要介護・要支援認定の更新申請").check()
    page.get_by_label("いつまで").fill((ward_day(SystemClock().now()) + timedelta(days=300)).isoformat())
    sato.press("お願いを送る")
    expect(page.get_by_text(name).first).to_be_visible()
    sato.look("office")


def sign(who: Tour, card: str, name: str) -> None:
    """What she reads names the office, its number and who acts."""
    opened(who, "/grants", card)
    who.look("grants-asked")
    who.follow(f"{OFFICE}の佐藤\u3000健さんからのお願い")
    expect(who.page.get_by_text("1370100016")).to_be_visible()
    who.look("office-request")
    who.press("委任状を読む")
    expect(who.page.get_by_text(f"わたし、{name}は、{OFFICE}（事業所番号 1370100016）が")).to_be_visible()
    who.look("office-read-back")
    who.press("署名に進む")
    who.lay(card)
    who.page.get_by_label("パスワード").fill("abc123")
    who.press("署名")
    expect(who.page.get_by_text("あなたの代わりに次の手続きができます")).to_be_visible()
    who.look("office-grant")


def test_the_care_office(person: Callable[[], Tour]) -> None:
    staff, admin, sato, mori, hanako, suzuki = (person() for _ in range(6))
    seen = staff.mails()
    register(staff)
    join(admin, "桜井道子", "sakurai@example.jp", seen)
    for who, name, card, address, number in (
        (sato, "佐藤 健", "佐藤健", "sato@example.jp", "13000001"),
        (mori, "森 緑", "森緑", "mori@example.jp", "13000002"),
    ):
        seen = invite(admin, name, address, number)
        join(who, card, address, seen)
        check(staff, name)
    for name, birth in (("田中 花子", "1948-05-03"), ("鈴木 一郎", "1944-02-29")):
        ask(sato, name, birth)
    sign(hanako, "田中花子", "田中\u3000花子")
    sign(suzuki, "鈴木一郎", "鈴木\u3000一郎")
    hand_over(admin, mori, hanako)


def hand_over(admin: Tour, mori: Tour, hanako: Tour) -> None:
    opened(admin, "/offices", "桜井道子")
    admin.follow(OFFICE)
    page = admin.page
    expect(page.get_by_role("heading", name=OFFICE)).to_be_visible()
    admin.look("office-admin")
    page.get_by_label("田中\u3000花子さんの新しい担当者").select_option(label="森 緑")
    seen = admin.mails()
    page.locator(".card", has_text="田中\u3000花子").get_by_role("button", name="担当者を替える").click()
    expect(page.get_by_text("森\u3000緑さんが担当者になります")).to_be_visible()
    hanako.page.goto(hanako.new_mail(seen, "hanako@example.jp", r"(http://\S+/grants/\S+)"))
    expect(hanako.page.get_by_text("森\u3000緑さんが担当者になります")).to_be_visible()
    hanako.look("office-hand-over")
    hanako.press("すぐに替わってよい")
    expect(hanako.page.get_by_text("森\u3000緑")).to_be_visible()
    opened(mori, "/grants", "森緑")
    expect(mori.page.get_by_text("田中\u3000花子さん").first).to_be_visible()

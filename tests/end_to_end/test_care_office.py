"""A care office from its registration to a hold of the ward, in the browsers of everyone concerned."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

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


def pin(who: Tour, card: str, typed: str, label: str, button: str) -> None:
    """Lay a card and type what its key asks for."""
    who.lay(card)
    who.page.get_by_label(label).fill(typed)
    who.press(button)


def sign_at_the_counter(staff: Tour) -> None:
    """Suzuki has no mailbox and no telephone: his card says that he is there."""
    page = staff.page
    opened(staff, "/counter", "職員一郎")
    staff.look("counter")
    staff.press("カードを読む")
    expect(page.get_by_text("窓口に来ています")).to_be_visible()
    staff.look("bridge-attendance")
    pin(staff, "鈴木一郎", "1234", "暗証番号", "確認する")
    expect(page.get_by_text("鈴木\u3000一郎", exact=True)).to_be_visible()
    staff.look("counter-visit")
    staff.follow(f"{OFFICE}の佐藤\u3000健さんからのお願い")
    expect(page.get_by_text("1370100016")).to_be_visible()
    staff.look("counter-request")
    staff.press("委任状を読む")
    expect(page.get_by_text("わたし、鈴木\u3000一郎は、")).to_be_visible()
    staff.look("counter-sign")
    staff.press("署名に進む")
    pin(staff, "鈴木一郎", "abc123", "パスワード", "署名")
    expect(page.get_by_text("今、署名を待っているものはありません")).to_be_visible()
    staff.look("counter-signed")
    staff.press("対応を終わる")
    expect(page.get_by_role("button", name="カードを読む")).to_be_visible()


def enter_paper(staff: Tour, card: str) -> None:
    """Both staff enter the same paper, each by themselves; the desk says the same to both."""
    page = staff.page
    opened(staff, "/counter/papers/new", card)
    staff.look("counter-paper")
    page.get_by_label("書類の番号").fill("A-1")
    page.get_by_label("本人の委任状").check()
    page.get_by_label("本人の名前").fill("鈴木 一郎")
    page.get_by_label("本人の生年月日").fill("1944-02-29")
    page.get_by_label("代わりの人の名前").fill("田中 由紀")
    page.get_by_label("代わりの人の生年月日").fill("1975-09-12")
    page.get_by_label("介護保険被保険者証の再交付申請").check()
    page.get_by_label("申請する").check()
    page.get_by_label("最後の日").fill((ward_day(SystemClock().now()) + timedelta(days=30)).isoformat())
    page.get_by_label("本人確認書類").check()
    staff.press("受け付ける")
    expect(page.get_by_role("heading", name="受け付けました")).to_be_visible()
    staff.look("counter-received")


def act_for(sato: Tour, name: str) -> Page:
    """Another tab of the same browser."""
    page = sato.page.context.new_page()
    page.goto(sato.sandbox.portal)
    page.get_by_role("link", name=re.compile("ログインする|ほかの方の手続きをする")).first.click()
    page.get_by_role("heading", name="どなたの手続きですか").wait_for()
    page.get_by_label(f"{name}さんの代理").check()
    page.get_by_role("button", name="進む").click()
    expect(page.get_by_text(f"{name}さんの代理として")).to_be_visible()
    page.get_by_role("link", name="居宅サービス計画作成依頼届出").click()
    page.get_by_label("申請の理由").fill(f"{name}さんの計画のため")
    return page


def act_in_two_tabs(sato: Tour) -> Page:
    """Neither tab files for the other's principal, also not when its form names the other's context.

    :returns: the tab in which he acts for Hanako.
    """
    first, second = act_for(sato, "田中\u3000花子"), act_for(sato, "鈴木\u3000一郎")
    others = first.locator("input[name=for]").input_value()
    third = sato.page.context.new_page()
    third.goto(second.url)
    third.get_by_label("申請の理由").fill("取りちがえ")
    third.evaluate("other => { document.querySelector('input[name=for]').value = other }", others)
    third.get_by_role("button", name="申請する").click()
    expect(third.get_by_text("別の方の手続きの画面から送られたため、申請していません")).to_be_visible()
    for page, name in ((first, "田中\u3000花子"), (second, "鈴木\u3000一郎")):
        expect(page.get_by_text(f"{name}さんの代理として")).to_be_visible()
        page.get_by_role("button", name="申請する").click()
        expect(page.get_by_text("「居宅サービス計画作成依頼届出」を受け付けました")).to_be_visible()
        page.get_by_role("link", name="戻る").first.click()
        expect(page.get_by_text("取りちがえ")).to_have_count(0)
    sato.page.goto(f"{sato.sandbox.portal}/developer")
    expect(sato.page.get_by_text("1370100016").first).to_be_visible()
    return first


def hold(admin: Tour) -> str:
    """One admin stops all that Sato has.

    :returns: the address of his page.
    """
    page = admin.page
    opened(admin, "/staff", "職員二郎")
    admin.look("staff")
    admin.follow("人をさがす")
    page.get_by_label("氏名").fill("佐藤 健")
    page.get_by_label("生年月日").fill("1985-07-07")
    admin.press("さがす")
    admin.follow("佐藤\u3000健")
    expect(page.get_by_text("このページを見たことは、本人の記録に残りました")).to_be_visible()
    admin.look("staff-person")
    admin.follow("この人を停止する")
    expect(page.get_by_label("停止の理由")).to_be_visible()
    admin.look("staff-hold")
    page.get_by_label("停止の理由").fill("事業所からの届け出")
    page.get_by_role("button", name="停止する").click()
    expect(page.get_by_text("停止中")).to_be_visible()
    admin.look("staff-held")
    return page.url


def trail(admin: Tour) -> None:
    admin.page.locator("a[href*='/staff/grants/']").first.click()
    expect(admin.page.get_by_role("heading", name="委任の経緯")).to_be_visible()
    admin.look("staff-trail")


def approve(admin: Tour, card: str, *, before: str, after: str) -> None:
    expect(admin.page.get_by_text(before)).to_be_visible()
    admin.press("署名に進む")
    pin(admin, card, "abc123", "パスワード", "署名")
    expect(admin.page.get_by_text(after)).to_be_visible()


def lift(proposer: Tour, second: Tour, person: str) -> None:
    """Two admins, each with their own card."""
    proposer.page.goto(person)
    proposer.press("解除を提案する")
    approve(proposer, "職員二郎", before="まだ署名していません", after="もう1人の管理者の署名を待っ")
    proposer.look("staff-change")
    opened(second, "/staff/changes", "職員三郎")
    second.follow("佐藤\u3000健さんの停止の解除")
    approve(second, "職員三郎", before="ほかの管理者が提案しました", after="この変更は行われました")
    second.look("staff-change-done")
    opened(second, "/staff/looks", "職員三郎")
    expect(second.page.get_by_text("職員\u3000二郎さんが佐藤\u3000健さんを見ました").first).to_be_visible()
    second.look("staff-looks")


def test_the_care_office(person: Callable[[], Tour]) -> None:
    staff, admin, sato, mori, hanako, second, third = (person() for _ in range(7))
    yuki = person()
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
    sign_at_the_counter(staff)
    enter_paper(staff, "職員一郎")
    enter_paper(second, "職員二郎")
    opened(yuki, "/grants", "田中由紀")
    expect(yuki.page.get_by_text("鈴木\u3000一郎さんからの委任")).to_be_visible()
    sato.page.goto(sato.sandbox.portal)
    acting = act_in_two_tabs(sato)
    held = hold(second)
    trail(second)
    acting.reload()
    expect(acting.get_by_text("この手続きの権限が終わった")).to_be_visible()
    sato.page.goto(f"{sato.sandbox.portal}/login")
    expect(sato.page.get_by_text("ログイン中：佐藤\u3000健さん")).to_be_visible()
    expect(sato.page.get_by_text("さんの代理")).to_have_count(0)
    lift(second, third, held)
    sato.page.goto(re.sub("/account$", "/records", sato.sandbox.account))
    expect(sato.page.get_by_text("区の職員").first).to_be_visible()
    hand_over(admin, mori, hanako)

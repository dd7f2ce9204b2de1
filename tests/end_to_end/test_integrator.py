"""The developer of a ward system tries the sandbox: picks a person, and reads what came of it."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.end_to_end.conftest import Tour


def test_an_integrator_picks_a_person_and_reads_what_came_of_it(person: Callable[[], Tour]) -> None:
    integrator = person()
    page = integrator.page
    page.goto(integrator.sandbox.portal)
    integrator.look("portal-home")
    integrator.follow("開発者向け")
    integrator.look("developer-nobody")
    integrator.follow("ログインする")
    expect(page.get_by_role("heading", name="サンドボックス：次の人としてログイン")).to_be_visible()
    integrator.look("login-pick")
    nobodys_delegate = page.get_by_role("group", name=re.compile(r"桜井\s道子"))
    nobodys_delegate.get_by_role("button", name="パスキー").click()
    expect(page.get_by_text("ログイン中：桜井\u3000道子さん")).to_be_visible()
    expect(page.get_by_text("urn:dairi:acr:ial3:aal2")).to_be_visible()
    integrator.follow("はじめの画面へ")
    integrator.follow("開発者向け")
    expect(page.get_by_role("heading", name="アクセストークン：だれの手続きを、だれがするか")).to_be_visible()
    expect(page.get_by_text('"urn:dairi:acr:ial3:aal2"').first).to_be_visible()
    integrator.look("developer-own")


@pytest.mark.parametrize(
    ("strength", "reached"), [("カード", "マイナンバーカードで確認"), ("メール", "メールの確認だけ")]
)
def test_a_picked_strength_is_what_the_residents_page_says(
    person: Callable[[], Tour], strength: str, reached: str
) -> None:
    integrator = person()
    integrator.page.goto(integrator.sandbox.account)
    hanako = integrator.page.get_by_role("group", name=re.compile(r"田中\s花子"))
    hanako.get_by_role("button", name=strength).click()
    expect(integrator.page).to_have_url(integrator.sandbox.account)
    expect(integrator.page.get_by_text(reached)).to_be_visible()

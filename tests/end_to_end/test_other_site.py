"""The ward system on another site than the provider: ports of localhost are one site and share cookies."""

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.end_to_end.conftest import Tour, running
from tests.end_to_end.test_tour import log_in_at_the_portal


def test_a_resident_logs_in_files_and_logs_out_across_sites(
    profile: Callable[..., Page], tmp_path: Path, pictures: Path
) -> None:
    with running(tmp_path, "--in-process-card", portal_host="127.0.0.1") as sandbox:
        hanako = Tour(profile(), sandbox, pictures)
        page = hanako.page
        log_in_at_the_portal(hanako, "田中花子")
        expect(page.get_by_text("ログイン中：田中\u3000花子さん")).to_be_visible()
        hanako.follow("要介護・要支援認定の更新申請")
        page.get_by_label("申請の理由").fill("有効期間が終わるため")
        hanako.press("申請する")
        expect(page.get_by_role("heading", name="申請を受け付けました")).to_be_visible()
        provider = sandbox.account.rpartition("/131130")[0]
        names = {cookie["name"] for cookie in page.context.cookies(sandbox.portal)}
        assert names
        assert names.isdisjoint(cookie["name"] for cookie in page.context.cookies(provider))
        page.goto(sandbox.portal)
        hanako.press("ログアウト")
        expect(page.get_by_role("heading", name="ログアウトしました")).to_be_visible()
        page.goto(sandbox.account)
        expect(page.get_by_role("heading", name="ログイン方法を選んでください")).to_be_visible()

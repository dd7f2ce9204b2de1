"""The sample ward system beside the real provider, as its people use it, and as things go wrong."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from assurance.evidence import CardAuthentication, Passkey
from assurance.levels import AAL, IAL, Level
from tests.client.house import MAINTENANCE, PORTAL, Ward
from tests.conftest import FixedClock
from tests.delegation.test_acting import by_passkey

RENEW, REISSUE, NOTIFY = "kaigo.nintei.renew", "kaigo.card.reissue", "kaigo.plan.notify"
RECEIPT = "受付番号：1"
OVER = "この手続きの権限が終わったか、ログインの時間が過ぎました。"
UNAVAILABLE = "ただいま確認ができません。申請はされていません。"


def way_on(page: Any, text: str) -> str:
    found = re.search(rf'href="([^"]+)">{text}</a>', page.text)
    assert found is not None, page.text
    return found[1].replace("&amp;", "&")


def typed(page: Any) -> str:
    found = re.search(r'name="text" type="text" value="([^"]*)"', page.text)
    assert found is not None, page.text
    return found[1]


# Filing.


def test_a_delegate_files_and_gets_a_receipt_that_reloading_does_not_repeat(ward_town: Ward) -> None:
    yuki, grant = ward_town.town.yuki, ward_town.town.active()
    by_passkey(ward_town.town)
    desk = ward_town.log_in(yuki, grant)
    assert "田中\u3000花子さんの代理として手続きします" in desk.text
    assert "ログイン中：田中\u3000由紀さん" in desk.text
    receipt = ward_town.file(yuki, desk, RENEW)
    assert (receipt.status_code, RECEIPT in receipt.text) == (200, True)
    assert RECEIPT in ward_town.go(yuki, str(receipt.url)).text
    assert len(ward_town.portal.filed) == 1


def test_a_double_click_files_once(ward_town: Ward) -> None:
    hanako = ward_town.town.hanako
    desk = ward_town.log_in(hanako)
    form = hanako.http.get(f"{desk.url}/file/{RENEW}").text
    once = form.partition('name="once" value="')[2][:32]
    with ThreadPoolExecutor(2) as clicks:
        pages = list(clicks.map(lambda _: ward_town.file(hanako, desk, RENEW, once=once), range(2)))
    assert all(RECEIPT in page.text for page in pages)
    assert len(ward_town.portal.filed) == 1
    assert "受付番号：2" in ward_town.file(hanako, desk, RENEW, once="another").text


def test_a_procedure_outside_the_grant_is_refused_in_the_readers_language(ward_town: Ward) -> None:
    yuki, grant = ward_town.town.yuki, ward_town.town.active()
    desk = ward_town.log_in(yuki, grant)
    refused = ward_town.file(yuki, desk, NOTIFY)
    assert (refused.status_code, "委任に含まれていません" in refused.text) == (403, True)
    ward_town.go(yuki, "/?lang=en")
    assert "The mandate does not include this procedure" in ward_town.file(yuki, desk, NOTIFY).text
    assert ward_town.portal.filed == []


def test_a_delegate_sees_what_the_ward_allows_and_nothing_of_the_rest(ward_town: Ward) -> None:
    town = ward_town.town
    grant = town.active()
    desk = ward_town.log_in(town.hanako)
    for procedure in (RENEW, NOTIFY):
        assert ward_town.file(town.hanako, desk, procedure).status_code == 200
    before = ward_town.log_in(town.yuki, grant)
    assert ("受付番号：1" in before.text, "受付番号：2" in before.text) == (True, False)
    assert "委任に含まれていません" in before.text
    town.hanako.post(f"/grants/{grant}/end")
    after = ward_town.go(town.yuki, str(before.url))
    assert (OVER in after.text, "受付番号" in after.text) == (True, False)


def test_without_the_action_view_a_delegate_sees_no_filing_not_even_their_own(ward_town: Ward) -> None:
    yuki, grant = ward_town.town.yuki, ward_town.town.active(action=["draft", "file"])
    desk = ward_town.log_in(yuki, grant)
    assert RECEIPT in ward_town.file(yuki, desk, RENEW).text
    assert "受付番号" not in ward_town.go(yuki, str(desk.url)).text


def test_a_principal_sees_that_a_delegate_filed(ward_town: Ward) -> None:
    town = ward_town.town
    desk = ward_town.log_in(town.yuki, town.active())
    ward_town.file(town.yuki, desk, RENEW)
    assert "代理の方による申請" in ward_town.log_in(town.hanako).text


def test_rfc9470_a_step_up_leads_back_with_what_was_typed(ward_town: Ward) -> None:
    town = ward_town.town
    known: Any = town.services.procedures.by_id
    known[REISSUE] = replace(known[REISSUE], level=Level(IAL.SUBSTANTIAL, AAL.HARDWARE))
    grant = town.active()
    by_passkey(town)
    desk = ward_town.log_in(town.yuki, grant)
    asked = ward_town.send(town.yuki, desk, REISSUE, "見つからないため")
    assert "acr_values=urn%3Adairi%3Aacr%3Aial2%3Aaal3" in asked.headers["location"]
    ward_town.raise_login(town.yuki, CardAuthentication(town.services.clock.now(), revocation_checked=True))
    form = ward_town.go(town.yuki, asked.headers["location"])
    assert (str(form.url), typed(form)) == (f"{desk.url}/file/{REISSUE}", "見つからないため")
    assert "urn:dairi:acr:ial3:aal3" in form.text
    assert RECEIPT in ward_town.file(town.yuki, desk, REISSUE).text


def test_rfc9470_what_needs_a_stronger_login_to_be_seen_says_so_and_leads_there(ward_town: Ward) -> None:
    town = ward_town.town
    known: Any = town.services.procedures.by_id
    known[REISSUE] = replace(known[REISSUE], level=Level(IAL.SUBSTANTIAL, AAL.HARDWARE))
    filed = ward_town.file(town.hanako, ward_town.log_in(town.hanako), REISSUE)
    assert RECEIPT in filed.text
    passkey = Passkey(town.services.clock.now(), user_verified=True, synced=True)
    ward_town.raise_login(town.hanako, passkey)
    weaker = ward_town.log_in(town.hanako)
    assert "受付番号" not in weaker.text
    raising = way_on(weaker, "本人確認をして表示する")
    ward_town.raise_login(town.hanako, CardAuthentication(town.services.clock.now(), revocation_checked=True))
    assert RECEIPT in ward_town.go(town.hanako, raising).text


@pytest.mark.parametrize("text", ["", "   ", "長" * 201])
def test_a_reason_that_is_missing_or_too_long_is_asked_for_again(ward_town: Ward, text: str) -> None:
    hanako = ward_town.town.hanako
    again = ward_town.file(hanako, ward_town.log_in(hanako), RENEW, text)
    assert (again.status_code, "200文字までで" in again.text) == (400, True)
    assert typed(again) == text.strip()
    assert ward_town.portal.filed == []


# Two tabs, two people.


def test_a_form_of_one_principal_cannot_be_filed_for_another(ward_town: Ward) -> None:
    yuki, grant = ward_town.town.yuki, ward_town.town.active()
    for_hanako, for_herself = ward_town.log_in(yuki, grant), ward_town.log_in(yuki, "self")
    carried = str(for_hanako.url).rpartition("/")[2]
    mixed = ward_town.file(yuki, for_herself, RENEW, **{"for": carried})
    assert (mixed.status_code, "別の方の手続きの画面" in mixed.text) == (400, True)
    assert ward_town.portal.filed == []


def test_whoever_logs_in_next_at_a_shared_computer_finds_nothing_of_the_last_one(ward_town: Ward) -> None:
    hanako, yuki = ward_town.town.hanako, ward_town.town.yuki
    ward_town.town.active()
    desk = ward_town.log_in(hanako)
    portal_cookie = {cookie.name: cookie.value for cookie in hanako.http.cookies.jar}["__Host-kaigo-portal"]
    yuki.http.cookies.set("__Host-kaigo-portal", str(portal_cookie), domain="portal.example")
    assert ward_town.go(yuki, str(desk.url)).status_code == 200
    ward_town.log_in(yuki, "self")
    assert ward_town.go(yuki, str(desk.url)).status_code == 403
    assert ward_town.go(hanako, str(desk.url)).status_code == 403


def test_rfc9700_4_14_2_tabs_that_wake_after_the_token_ended_refresh_it_once(
    ward_town: Ward, clock: FixedClock
) -> None:
    hanako = ward_town.town.hanako
    here = str(ward_town.log_in(hanako).url)
    for _ in range(2):
        clock.advance(timedelta(minutes=11))
        with ThreadPoolExecutor(4) as tabs:
            pages = list(tabs.map(lambda _: hanako.http.get(here), range(4)))
        assert [page.status_code for page in pages] == [200] * 4
        assert not any(OVER in page.text for page in pages)


# A provider that is down.


@pytest.mark.parametrize("how", ["cut", "html"])
def test_a_provider_that_is_down_at_the_login_is_a_sentence_and_a_way_on(ward_town: Ward, how: str) -> None:
    hanako, line = ward_town.town.hanako, ward_town.line
    line.cut, line.says = how == "cut", {"/.well-known/openid-configuration": MAINTENANCE}
    page = ward_town.go(hanako, "/login")
    assert (page.status_code, UNAVAILABLE in page.text) == (503, True)
    assert "Retry-After" in page.headers
    line.cut, line.says = False, {}
    assert "ログイン中：田中" in ward_town.log_in(hanako, start=way_on(page, "もう一度試す")).text


@pytest.mark.parametrize("path", ["/token", "/userinfo", "/jwks.json"])
def test_a_provider_that_is_down_at_the_callback_is_a_sentence_and_a_way_on(
    ward_town: Ward, path: str
) -> None:
    hanako, line = ward_town.town.hanako, ward_town.line
    line.says = {path: MAINTENANCE}
    page = ward_town.go(hanako, "/login")
    assert (page.status_code, UNAVAILABLE in page.text) == (503, True)
    line.says = {}
    assert "ログイン中：田中" in ward_town.log_in(hanako, start=way_on(page, "もう一度試す")).text


def test_oidc_core_5_3_2_userinfo_about_someone_else_is_no_login(ward_town: Ward) -> None:
    ward_town.line.says = {"/userinfo": b'{"sub": "someone", "name": "else"}'}
    page = ward_town.go(ward_town.town.hanako, "/login")
    assert (page.status_code, "ログインできませんでした" in page.text) == (403, True)


@pytest.mark.parametrize("cut", [True, False])
def test_without_a_decision_nothing_is_filed_and_nothing_typed_is_lost(ward_town: Ward, cut: bool) -> None:
    hanako, line = ward_town.town.hanako, ward_town.line
    desk = ward_town.log_in(hanako)
    line.cut, line.says = cut, {"/access/v1/evaluation": MAINTENANCE}
    page = ward_town.file(hanako, desk, RENEW, "間に合わないため")
    assert (page.status_code, UNAVAILABLE in page.text) == (503, True)
    assert ward_town.go(hanako, str(desk.url)).status_code == 503
    assert ward_town.portal.filed == []
    line.cut, line.says = False, {}
    assert typed(ward_town.go(hanako, way_on(page, "もう一度試す"))) == "間に合わないため"


def test_a_no_without_a_sentence_gets_one_of_ours(ward_town: Ward) -> None:
    hanako = ward_town.town.hanako
    desk = ward_town.log_in(hanako)
    ward_town.line.says = {"/access/v1/evaluation": b'{"decision": false}'}
    for page in (ward_town.go(hanako, str(desk.url)), ward_town.file(hanako, desk, RENEW)):
        assert "この手続きは、今はできません。" in page.text


def test_a_provider_that_cannot_be_reached_to_refresh_logs_nobody_out(
    ward_town: Ward, clock: FixedClock
) -> None:
    hanako, line = ward_town.town.hanako, ward_town.line
    desk = ward_town.log_in(hanako)
    clock.advance(timedelta(minutes=11))
    line.cut = True
    assert ward_town.file(hanako, desk, RENEW).status_code == 503
    line.cut = False
    assert RECEIPT in ward_town.file(hanako, desk, RENEW).text


def test_a_logout_ends_every_context_here_before_the_provider_is_asked(ward_town: Ward) -> None:
    hanako = ward_town.town.hanako
    desk = ward_town.log_in(hanako)
    page = hanako.http.post(f"{PORTAL}/logout", headers={"origin": PORTAL})
    assert page.headers["location"].startswith("https://shibuya.id.example/end-session?id_token_hint=")
    assert ward_town.go(hanako, str(desk.url)).status_code == 403
    assert "ログアウトしました" in ward_town.go(hanako, page.headers["location"]).text
    again = hanako.http.post(f"{PORTAL}/logout", headers={"origin": PORTAL})
    assert again.headers["location"] == "/"


# A login that ended.


def test_a_hold_ends_the_login_and_the_next_one_goes_on_where_it_was(ward_town: Ward) -> None:
    town = ward_town.town
    grant = town.active()
    desk = ward_town.log_in(town.yuki, grant)
    town.hanako.post(f"/grants/{grant}/pause")
    over = ward_town.file(town.yuki, desk, RENEW, "有効期間が終わるため")
    assert (over.status_code, "入力した内容は残っています" in over.text) == (403, True)
    login = way_on(over, "もう一度ログインする")
    denied = ward_town.go(town.yuki, login)
    assert "この委任は、今は使えません" in denied.text
    town.hanako.post(f"/grants/{grant}/resume")
    form = ward_town.log_in(town.yuki, grant, start=login)
    assert (str(form.url), typed(form)) == (f"{desk.url}/file/{RENEW}", "有効期間が終わるため")
    assert ward_town.portal.filed == []


def test_a_login_that_was_begun_again_in_another_tab_leads_on(ward_town: Ward) -> None:
    hanako = ward_town.town.hanako
    for query in ("", "?code=x&state=y", "?error=login_required&state=y", "?error=access_denied"):
        page = ward_town.go(hanako, f"/callback{query}")
        assert page.status_code == 403
        assert "ログイン中：田中" in ward_town.log_in(hanako, start=way_on(page, "もう一度ログインする")).text
    assert ward_town.go(hanako, "/callback?error=temporarily_unavailable&state=y").status_code == 503


# Requests that people do not make.


def test_what_no_page_of_ours_sends_is_refused_and_never_a_fault_of_ours(ward_town: Ward) -> None:
    hanako = ward_town.town.hanako
    desk = str(ward_town.log_in(hanako).url)
    context = desk.rpartition("/")[2]
    form = {"for": context, "text": "x"}
    ours = {"origin": PORTAL}
    posts: list[tuple[int, Callable[[], Any]]] = [
        (403, lambda: hanako.http.post(f"{desk}/file/{RENEW}", data=form)),
        (403, lambda: hanako.http.post(f"{desk}/file/{RENEW}", data=form, headers={"origin": "null"})),
        (403, lambda: hanako.http.post(f"{PORTAL}/logout")),
        (400, lambda: hanako.http.post(f"{desk}/file/{RENEW}", data={"text": "x"}, headers=ours)),
        (400, lambda: hanako.http.post(f"{desk}/file/{RENEW}", data={"text": ["a", "b"]}, headers=ours)),
        (413, lambda: hanako.http.post(f"{desk}/file/{RENEW}", data={"text": "x" * 70_000}, headers=ours)),
        (404, lambda: hanako.http.post(f"{desk}/file/inkan.register", data=form, headers=ours)),
        (404, lambda: hanako.http.get(f"{desk}/file/inkan.register")),
        (404, lambda: hanako.http.get(f"{PORTAL}/nowhere")),
        (405, lambda: hanako.http.post(f"{PORTAL}/bye")),
        (403, lambda: hanako.http.get(f"{PORTAL}/as/{'0' * 32}")),
        (403, lambda: hanako.http.get(f"{PORTAL}/as/{'0' * 32}/filed")),
        (303, lambda: hanako.http.get(f"{desk}/filed")),
    ]
    for status, send in posts:
        answer = send()
        assert answer.status_code == status, answer.text
        assert status == 303 or "介護保険 申請ポータル" in answer.text
    assert ward_town.portal.filed == []

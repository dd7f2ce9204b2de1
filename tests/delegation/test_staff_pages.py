"""Staff pages: who finds them, what each look leaves behind, and what a hold on a person stops."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from sqlmodel import col, select, update

from assurance.evidence import EmailCode, Passkey
from assurance.tables import ProtectionRow, RoleRow
from delegation.staffing.tables import LookRow
from delegation.tables import HoldRow
from tests.delegation.conftest import Resident
from tests.delegation.staff_town import Ward, sign, ward_office
from tests.delegation.test_acting import act, by_passkey, decider, question
from tests.delegation.test_records import records
from tests.idp.conftest import WardSystem

__all__ = ["decider", "ward_office"]

BORN = {"田中\u3000花子": "1978-05-03", "田中\u3000由紀": "1988-05-03"}
LOOKED = "区の職員が、あなたについて見ました。"


def paths(ward: Ward) -> list[tuple[str, str]]:
    """Every page of staff, as `ward` sees it."""
    person, other = ward.town.hanako.person, ward.town.yuki.person
    return [
        ("GET", "/staff"),
        ("GET", "/staff/people"),
        ("POST", "/staff/people"),
        ("GET", f"/staff/people/{person}"),
        ("GET", f"/staff/people/{person}/hold"),
        ("POST", f"/staff/people/{person}/hold"),
        ("GET", f"/staff/people/{other}/role"),
        ("POST", f"/staff/people/{other}/role"),
        ("POST", f"/staff/people/{other}/end-role"),
        ("GET", f"/staff/grants/{'0' * 32}"),
        ("POST", f"/staff/holds/{'0' * 32}/lift"),
        ("GET", "/staff/changes"),
        ("GET", f"/staff/changes/{'0' * 32}"),
        ("POST", f"/staff/changes/{'0' * 32}/sign"),
        ("GET", "/staff/roles"),
        ("GET", "/staff/looks"),
        ("GET", "/staff/reviews"),
        ("GET", f"/staff/reviews/{'0' * 32}"),
        ("POST", f"/staff/reviews/{'0' * 32}/hold"),
        ("POST", f"/staff/reviews/{'0' * 32}/go-on"),
    ]


def seen(who: Resident, method: str, path: str) -> tuple[int, str]:
    """What a browser sees, but for the language links that repeat the address."""
    answer = who.http.request(method, path, headers={"origin": who.services.ward.origin})
    return answer.status_code, answer.text


def looks(ward: Ward) -> list[tuple[str, str, str]]:
    with ward.town.services.database.reading() as session:
        rows = session.exec(select(LookRow)).all()
    return sorted((row.by, row.person, str(row.what)) for row in rows)


def search(who: Resident, name: str, birth: str) -> Any:
    return who.post("/staff/people", name=name, birth=birth)


def test_whoever_has_no_role_finds_no_such_pages(ward_office: Ward) -> None:
    yuki = ward_office.town.yuki
    for method, path in paths(ward_office):
        nowhere = seen(yuki, method, "/nothing/here")
        assert nowhere[0] == 404
        assert seen(yuki, method, path) == nowhere, path
    by_passkey(ward_office.town)
    yuki.log_in(EmailCode(ward_office.town.services.clock.now(), "x"))
    weak = seen(yuki, "GET", "/staff")[0]
    ward_office.jiro.log_in(EmailCode(ward_office.town.services.clock.now(), "y"))
    assert weak == seen(ward_office.jiro, "GET", "/staff")[0] == 303
    assert looks(ward_office) == []


@pytest.mark.parametrize(
    ("role", "found"),
    [("staff", {"/staff", "/staff/reviews"}), ("auditor", {"/staff", "/staff/roles", "/staff/looks"})],
)
def test_each_role_finds_its_own_pages(ward_office: Ward, role: str, found: set[str]) -> None:
    yuki = ward_office.town.yuki
    ward_office.give(yuki, role)
    for method, path in paths(ward_office):
        status, text = seen(yuki, method, path)
        assert status == (200 if path in found and method == "GET" else 404), path
        reviews = "/staff/reviews" in found and path.startswith("/staff/reviews/")
        if status == 404 and not reviews:  # one that is none is unknown to whoever may decide it
            assert text == seen(yuki, method, "/nothing/here")[1]


def test_a_role_that_ended_opens_nothing(ward_office: Ward) -> None:
    now, ward = ward_office.town.services.clock.now(), ward_office.town.services.ward.code
    assert ward_office.jiro.get("/staff").status_code == 200
    assert "職員のページへ" in ward_office.jiro.get("/account").text
    with ward_office.town.services.database.writing(ward) as unit:
        ended = update(RoleRow).where(col(RoleRow.person) == ward_office.jiro.person)
        unit.session.exec(ended.values(until=now))
    for method, path in paths(ward_office):
        assert seen(ward_office.jiro, method, path)[0] == 404
    assert "職員のページへ" not in ward_office.jiro.get("/account").text


def test_staff_are_proven_with_two_factors_each_time(ward_office: Ward) -> None:
    now = ward_office.town.services.clock.now()
    for weak in (
        EmailCode(
            now, ward_office.town.services.vault.mac(ward_office.town.services.ward.code, "email", "x")
        ),
        Passkey(now, user_verified=False, synced=True),
    ):
        ward_office.ichiro.log_in(weak)
        for method, path in paths(ward_office):
            answer = ward_office.ichiro.http.request(
                method, path, headers={"origin": ward_office.town.services.ward.origin}
            )
            assert answer.status_code == (303 if method == "GET" else 403), path
    ward_office.ichiro.http.cookies.clear()
    for method, path in paths(ward_office):
        assert seen(ward_office.ichiro, method, path)[0] == (303 if method == "GET" else 403)
    assert looks(ward_office) == []
    ward_office.ichiro.log_in(Passkey(now, user_verified=True, synced=True))
    assert ward_office.ichiro.get("/staff").status_code == 200


def test_people_are_found_by_exact_name_and_birth_date_and_told(ward_office: Ward) -> None:
    ichiro, hanako = ward_office.ichiro, ward_office.town.hanako
    for name, birth in (("田中花", BORN["田中\u3000花子"]), ("田中花子", "1978-05-04"), ("%", "1978-05-03")):
        page = search(ichiro, name, birth)
        assert (page.status_code, "登録されていません" in page.text) == (200, True)
    assert looks(ward_office) == []
    page = search(ichiro, "田中 花子", BORN["田中\u3000花子"])
    assert f"/staff/people/{hanako.person}" in page.text
    assert looks(ward_office) == [(ichiro.person, hanako.person, "found")]
    assert records(hanako)[0] == LOOKED
    assert LOOKED not in records(ward_office.town.yuki)
    assert "職員として、人について見ました。" in records(ichiro)
    for name, birth in (("", "1978-05-03"), ("田中花子", ""), ("田中花子", "5月3日")):
        assert search(ichiro, name, birth).status_code == 400


def test_each_page_about_someone_is_a_look_that_they_are_told_of(ward_office: Ward) -> None:
    town, ichiro = ward_office.town, ward_office.ichiro
    grant = town.active()
    for path in ("", "/hold", "/role"):
        assert ichiro.get(f"/staff/people/{town.hanako.person}{path}").status_code == 200
    assert looks(ward_office) == [(ichiro.person, town.hanako.person, "person")] * 3
    assert ichiro.get(f"/staff/grants/{grant}").status_code == 200
    assert looks(ward_office)[0][2] == "grant"
    assert {person for _, person, what in looks(ward_office) if what == "grant"} == {
        town.hanako.person,
        town.yuki.person,
    }
    assert records(town.yuki)[0] == records(town.hanako)[0] == LOOKED
    assert f'/grants/{grant}">' in town.yuki.get("/records").text


def test_an_auditor_sees_who_looked_at_whom(ward_office: Ward) -> None:
    town = ward_office.town
    ward_office.ichiro.get(f"/staff/people/{town.hanako.person}")
    ward_office.jiro.get(f"/staff/people/{town.yuki.person}")
    ward_office.give(town.yuki, "auditor")
    page = town.yuki.get("/staff/looks").text
    entries = re.findall(r"<li>(.*さんが.*さんを見ました)", page)
    assert "職員\u3000一郎さんが田中\u3000花子さんを見ました" in entries
    assert "職員\u3000二郎さんが田中\u3000由紀さんを見ました" in entries
    only = town.yuki.get(f"/staff/looks?by={ward_office.jiro.person}").text
    assert "職員\u3000二郎さんが田中\u3000由紀さんを見ました" in only
    assert "職員\u3000一郎さんが" not in only
    for nonsense in ("x", "%00"):
        assert "記録はありません" in town.yuki.get(f"/staff/looks?by={nonsense}").text


def test_nobody_looks_at_or_holds_themselves(ward_office: Ward) -> None:
    ichiro = ward_office.ichiro
    for path in ("", "/hold", "/role"):
        page = ichiro.get(f"/staff/people/{ichiro.person}{path}")
        assert (page.status_code, "自分自身のこと" in page.text) == (403, True)
    assert search(ichiro, "職員一郎", "1948-05-03").status_code == 403
    assert ichiro.post(f"/staff/people/{ichiro.person}/hold", reason="x").status_code == 403
    assert (looks(ward_office), ward_office.holds()) == ([], [])
    for unknown in ("0" * 32, "%00"):
        assert ichiro.get(f"/staff/people/{unknown}").status_code == 404
        assert ichiro.get(f"/staff/grants/{unknown}").status_code == 404


def test_nobody_looks_at_a_grant_of_their_own(ward_office: Ward) -> None:
    town = ward_office.town
    grant = town.active()
    ward_office.give(town.hanako, "admin")
    ward_office.give(town.yuki, "admin")
    for who, other in ((town.hanako, town.yuki), (town.yuki, town.hanako)):
        refused = who.get(f"/staff/grants/{grant}")
        assert (refused.status_code, "自分が関わる委任" in refused.text) == (403, True)
        page = who.get(f"/staff/people/{other.person}").text
        assert grant not in page
        assert "あなたが関わる委任は、ここには出ません" in page
    assert grant in ward_office.ichiro.get(f"/staff/people/{town.hanako.person}").text


def test_the_trail_of_a_grant(ward_office: Ward, portal: WardSystem, decider: Callable[..., Any]) -> None:
    town = ward_office.town
    grant = town.active()
    by_passkey(town)
    token = act(town, portal, grant)["access_token"]
    assert decider(question(token)).json()["decision"] is True
    town.yuki.post(f"/grants/{grant}/pause")
    waiting, _ = town.proposed()
    ward_office.hold(town.hanako)
    page = ward_office.ichiro.get(f"/staff/grants/{grant}").text
    steps = re.findall(r"<li>(\S+、\S+)\n", page)
    assert steps[:3] == ["お願いした、お願いした人", "引き受けた、引き受けた人", "始まった、お願いした人"]
    assert steps[3:5] == [
        "引き受けた人による一時停止、この委任、停止した人：引き受けた人",
        "管理者による停止、お願いした人のすべて、停止した人：区の職員",
    ]
    assert steps[5] == "要介護・要支援認定の更新申請、申請する"
    assert "本人のカードで署名されました" in page
    assert "今は使えません" in page
    assert "死亡の届出" not in page
    assert "まだ決まっていない人" in ward_office.ichiro.get(f"/staff/grants/{waiting}").text


def introspected(portal: WardSystem, token: str) -> bool:
    answer = portal.post("/introspect", {"token": token})
    assert answer.status_code == 200, answer.text
    return bool(answer.json()["active"])


@pytest.mark.parametrize("who", ["hanako", "yuki"])
def test_a_hold_on_one_person_stops_live_tokens_and_grants_and_two_lift_it(
    ward_office: Ward, portal: WardSystem, decider: Callable[..., Any], who: str
) -> None:
    town = ward_office.town
    grant = town.active()
    by_passkey(town)
    token = act(town, portal, grant)["access_token"]
    before = town.row(grant).model_dump()

    def works() -> tuple[bool, bool]:
        return decider(question(token)).json()["decision"], introspected(portal, token)

    assert works() == (True, True)
    hold = ward_office.hold(getattr(town, who))
    assert works() == (False, False)
    assert "今は使えません" in ward_office.ichiro.get(f"/staff/grants/{grant}").text
    assert "区が、あなたの委任をすべて停止しました。" in records(getattr(town, who))
    change = ward_office.lifting(hold)
    sign(ward_office.ichiro, change)
    assert works() == (False, False)
    sign(ward_office.jiro, change)
    assert works() == (True, True)
    assert town.row(grant).model_dump() == before
    assert "区が、停止を解除しました。" in records(getattr(town, who))


def test_one_causes_end_lifts_no_other(ward_office: Ward, portal: WardSystem) -> None:
    town = ward_office.town
    grant = town.active()
    by_passkey(town)
    token = act(town, portal, grant)["access_token"]
    town.hanako.post(f"/grants/{grant}/pause")
    hold = ward_office.hold(town.hanako)
    assert town.hanako.post(f"/grants/{grant}/resume").status_code == 303
    assert not introspected(portal, token)
    town.hanako.post(f"/grants/{grant}/pause")
    change = ward_office.lifting(hold)
    sign(ward_office.ichiro, change)
    sign(ward_office.jiro, change)
    assert not introspected(portal, token)
    town.hanako.post(f"/grants/{grant}/resume")
    assert introspected(portal, token)


def test_a_hold_on_someone_else_stops_nothing(ward_office: Ward, portal: WardSystem) -> None:
    town = ward_office.town
    grant = town.active()
    by_passkey(town)
    token = act(town, portal, grant)["access_token"]
    ward_office.hold(ward_office.saburo)
    assert introspected(portal, token)


def test_the_reason_is_sealed_and_read_by_admins_alone(ward_office: Ward) -> None:
    hanako = ward_office.town.hanako
    ward_office.hold(hanako)
    (row,) = ward_office.holds()
    assert row.reason is not None
    assert "死亡".encode() not in row.reason
    assert (row.cause, row.placed_by) == ("admin", ward_office.ichiro.person)
    page = ward_office.jiro.get(f"/staff/people/{hanako.person}").text
    assert "死亡の届出" in page
    assert "職員\u3000一郎さんが停止" in page
    assert "死亡" not in hanako.get("/records").text


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        ("", "理由がないか"),
        ("  ", "理由がないか"),
        ("あ" * 501, "理由がないか"),
        ("番号 123456789018", "マイナンバー"),
    ],
)
def test_a_hold_has_a_reason_without_a_my_number(ward_office: Ward, reason: str, sentence: str) -> None:
    path = f"/staff/people/{ward_office.town.hanako.person}/hold"
    refused = ward_office.ichiro.post(path, reason=reason)
    assert (refused.status_code, sentence in refused.text) == (400, True)
    assert f'value="{reason}"' in refused.text
    assert ward_office.holds() == []
    assert ward_office.ichiro.post(path, reason="あ" * 500).status_code == 303


def test_the_wards_hold_is_placed_once(ward_office: Ward) -> None:
    hanako = ward_office.town.hanako
    hold = ward_office.hold(hanako)
    again = ward_office.jiro.post(f"/staff/people/{hanako.person}/hold", reason="x")
    assert (again.status_code, "すでに管理者が停止" in again.text) == (400, True)
    change = ward_office.lifting(hold)
    sign(ward_office.ichiro, change)
    sign(ward_office.jiro, change)
    assert ward_office.hold(hanako) != hold


def test_who_is_held_acts_as_nothing_for_the_ward(ward_office: Ward) -> None:
    ward_office.hold(ward_office.jiro)
    for method, path in paths(ward_office):
        assert seen(ward_office.jiro, method, path)[0] == 404
    refused = ward_office.ichiro.post(f"/staff/people/{ward_office.saburo.person}/hold", reason="x")
    assert (refused.status_code, "2人より少なくなります" in refused.text) == (400, True)
    assert len(ward_office.holds()) == 1
    ward_office.give(ward_office.town.hanako, "admin", (ward_office.ichiro, ward_office.saburo))
    assert len([ward_office.hold(ward_office.saburo)]) == 1


def test_a_hold_by_staff_review_takes_two_as_well(ward_office: Ward) -> None:
    town, now = ward_office.town, ward_office.town.services.clock.now()
    with town.services.database.writing(town.services.ward.code) as unit:
        for id_, cause in (("1" * 32, "staff_review"), ("2" * 32, "card_lost")):
            unit.session.add(
                HoldRow(
                    ward=unit.ward,
                    id=id_,
                    kind="person",
                    target=town.hanako.person,
                    cause=cause,
                    placed_by="x",
                    placed_at=now,
                )
            )
    change = ward_office.lifting("1" * 32)
    assert "職員による確認のための停止" in ward_office.ichiro.get(f"/staff/changes/{change}").text
    sign(ward_office.ichiro, change)
    sign(ward_office.jiro, change)
    assert {row.id: row.lifted_at for row in ward_office.holds()} == {"1" * 32: now, "2" * 32: None}


def test_a_pause_is_not_staffs_to_lift(ward_office: Ward) -> None:
    town = ward_office.town
    grant = town.active()
    town.hanako.post(f"/grants/{grant}/pause")
    (pause,) = ward_office.holds()
    assert ward_office.ichiro.post(f"/staff/holds/{pause.id}/lift").status_code == 400
    assert ward_office.changes() == []


def test_roles_are_listed_with_their_ends(ward_office: Ward) -> None:
    ward_office.give(ward_office.town.hanako, "auditor")
    page = ward_office.ichiro.get("/staff/roles").text
    assert page.count("期限なし") == 6
    assert "田中\u3000花子</a>、監査担当" in page
    assert "2027年（令和9年）5月24日まで" in page
    assert f'/staff/people/{ward_office.ichiro.person}"' not in page
    assert '<li><a href="/staff/people/' not in ward_office.town.hanako.get("/staff/roles").text
    assert "区の役割（監査担当）を受けました。" in records(ward_office.town.hanako)


def test_a_protected_person_is_seen_like_anyone(ward_office: Ward) -> None:
    """But for the address, which no page of staff needs of a person who is looked at here."""
    hanako, ward = ward_office.town.hanako, ward_office.town.services.ward.code

    def pages() -> list[str]:
        found = search(ward_office.ichiro, "田中花子", BORN["田中\u3000花子"]).text
        return [found, ward_office.ichiro.get(f"/staff/people/{hanako.person}").text]

    before = pages()
    with ward_office.town.services.database.writing(ward) as unit:
        since = ward_office.town.services.clock.now()
        unit.session.add(ProtectionRow(ward=ward, person=hanako.person, since=since))
    assert pages() == before
    assert "渋谷区１" not in "".join(before)

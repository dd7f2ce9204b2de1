"""Who works for an office: invited, proven by the typed name, checked by staff, attested, and leaving."""

from datetime import timedelta

from sqlmodel import col, update

from assurance.evidence import EmailCode
from assurance.tables import RoleRow
from delegation.offices.tables import MembershipRow, OfficeRow
from tests.delegation.offices.conftest import NUMBER, Office


def test_only_an_admin_of_the_ward_registers_an_office_and_its_number_is_its_own(office: Office) -> None:
    form = {
        "number": NUMBER,
        "name": "もう一つ",
        "until": "",
        "administrator": "佐藤桜",
        "address": "a@example.jp",
    }
    refused = office.ward.post("/staff/offices", **form)
    assert (refused.status_code, "登録されています" in refused.text) == (400, True)
    assert 'value="もう一つ"' in refused.text
    wrong = office.ward.post("/staff/offices", **(form | {"number": "1370100017"}))
    assert "事業所番号が正しくありません" in wrong.text
    assert office.sato.post("/staff/offices", **(form | {"number": "1371500016"})).status_code == 404
    assert office.sato.get("/staff/offices").status_code == 404
    with office.town.services.database.writing(office.town.services.ward.code) as unit:
        unit.session.exec(update(RoleRow).values(until=office.town.services.clock.now()))
    assert office.ward.get("/staff/offices").status_code == 404
    assert office.ward.post("/staff/offices", **(form | {"number": "1371500016"})).status_code == 404


def test_a_name_that_hides_characters_is_no_offices(office: Office) -> None:
    form = {
        "number": "1371500016",
        "name": "さくら\u200b",
        "until": "",
        "administrator": "佐藤桜",
        "address": "a@example.jp",
    }
    assert office.ward.post("/staff/offices", **form).status_code == 400
    assert office.ward.post("/staff/offices", **(form | {"name": "さくら"})).status_code == 303


def test_an_invitation_is_for_the_typed_name_works_once_and_opening_it_consumes_nothing(
    office: Office,
) -> None:
    yuki = office.town.yuki
    assert office.invite(yuki, "13000003").status_code == 303
    link = office.link()
    for _ in range(2):
        assert yuki.get(link).status_code == 200
    refused = office.town.hanako.post(link)
    assert (refused.status_code, "氏名が違います" in refused.text) == (403, True)
    assert yuki.post(link).status_code == 303
    assert yuki.post(link).status_code == 404
    assert yuki.get(link).status_code == 404


def test_an_invitation_needs_a_proven_login(office: Office) -> None:
    assert office.invite(office.town.yuki, "13000003").status_code == 303
    yuki, now = office.town.yuki, office.town.services.clock.now()
    yuki.log_in(EmailCode(now, "mac"))
    assert yuki.get(office.link()).status_code == 303
    assert yuki.post(office.link()).status_code == 403


def test_a_care_manager_counts_only_after_staff_checked_the_number(office: Office) -> None:
    yuki = office.town.yuki
    assert office.invite(yuki, "13000003").status_code == 303
    assert yuki.post(office.link()).status_code == 303
    assert yuki.get(f"/offices/{office.id}").status_code == 404
    assert office.ask(office.town.hanako, by=yuki).status_code == 404
    path = f"/staff/offices/{office.id}/members/{office.member(yuki).id}/check"
    assert office.admin.post(path).status_code == 404
    assert office.ward.post(path).status_code == 303
    assert yuki.get(f"/offices/{office.id}").status_code == 200


def test_numbers_and_days_of_a_member_are_judged_and_nothing_typed_is_lost(office: Office) -> None:
    yuki = office.town.yuki
    wrong = office.invite(yuki, "1300000")
    assert (wrong.status_code, "介護支援専門員番号が正しくありません" in wrong.text) == (400, True)
    assert f'value="{yuki.address}"' in wrong.text
    assert "有効期間が過ぎています" in office.invite(yuki, "13000003", number_until="2020-01-01").text
    assert office.invite(yuki, "13000003", number_until="soon").status_code == 400
    assert office.invite(yuki, "13000003", address="nowhere").status_code == 400


def test_only_an_administrator_invites_attests_and_ends(office: Office) -> None:
    mori = office.member(office.mori).id
    form = {"name": "田中由紀", "address": "y@example.jp", "number": "13000009", "number_until": "2040-01-01"}
    assert office.sato.post(f"/offices/{office.id}/members", **form).status_code == 404
    for step in ("attest", "end"):
        assert office.sato.post(f"/offices/{office.id}/members/{mori}/{step}").status_code == 404
        assert office.town.yuki.post(f"/offices/{office.id}/members/{mori}/{step}").status_code == 404
    assert office.admin.post(f"/offices/{office.id}/members/{mori}/attest").status_code == 303


def test_a_member_stops_counting_ninety_days_after_the_last_attestation_until_the_next(
    office: Office,
) -> None:
    services = office.town.services
    late = services.clock.now() - timedelta(seconds=1)
    with services.database.writing(services.ward.code) as unit:
        unit.session.exec(
            update(MembershipRow)
            .where(col(MembershipRow.person) == office.sato.person)
            .values(attested_until=late)
        )
    assert office.sato.get(f"/offices/{office.id}").status_code == 404
    assert "確認を待っています" in office.sato.get("/offices").text
    sato = office.member(office.sato).id
    assert office.admin.post(f"/offices/{office.id}/members/{sato}/attest").status_code == 303
    assert office.sato.get(f"/offices/{office.id}").status_code == 200


def test_who_leaves_is_out_at_once_and_an_office_that_is_over_has_no_members(office: Office) -> None:
    mori = office.member(office.mori).id
    assert office.mori.post(f"/offices/{office.id}/members/{mori}/end").status_code == 303
    assert office.mori.get(f"/offices/{office.id}").status_code == 404
    assert office.mori.post(f"/offices/{office.id}/members/{mori}/end").status_code == 404
    services = office.town.services
    with services.database.writing(services.ward.code) as unit:
        unit.session.exec(update(OfficeRow).values(until="2020-01-01"))
    assert office.admin.get(f"/offices/{office.id}").status_code == 404

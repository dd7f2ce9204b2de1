"""A visit at the counter: the card finds its person, and stands there for a login of her own."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlmodel import col, select, update

from assurance.evidence import EmailCode
from assurance.tables import IdentifierRow, RoleRow
from card.virtual.card import VirtualCard
from delegation import usability
from delegation.counter.tables import VisitRow
from delegation.tables import MandateRow
from tests.conftest import FixedClock
from tests.delegation.conftest import Town
from tests.delegation.counter.conftest import Clerk
from tests.delegation.test_records import number, records


def test_a_card_that_was_read_opens_the_visit_of_its_person(town: Town, clerks: list[Clerk]) -> None:
    page = clerks[0].visit(town.hanako.card)
    shown = clerks[0].get(page).text
    assert "田中\u3000花子" in shown
    assert "渋谷区１－１" not in shown
    number(town)
    assert records(town.hanako)[0] == (
        "窓口でカードを読み、職員があなたの名前と生年月日、委任の一覧を見ました。"
    )
    assert "あなたの名前と生年月日" not in clerks[0].get("/records").text


@pytest.mark.parametrize(
    ("language", "says"), [("ja", "の窓口に来ています"), ("en", "I am at the counter of")]
)
def test_the_resident_reads_in_her_language_what_staff_will_see(
    clerks: list[Clerk], language: str, says: str
) -> None:
    asked = clerks[0].shown_to(clerks[0].post("/counter/read", language=language))
    assert says in asked.text[language]
    assert str(asked.to_be_signed.claims()["text"]) == asked.text[language]


def test_presence_logs_nobody_in(town: Town, clerks: list[Clerk]) -> None:
    before = town.hanako.get("/grants").status_code
    clerks[0].visit(town.hanako.card)
    assert before == 200
    assert "職員\u3000一郎" in clerks[0].get("/account").text


def test_for_anybody_but_staff_there_is_no_counter(
    town: Town, clerks: list[Clerk], clock: FixedClock
) -> None:
    unknown = town.yuki.get("/nothing/here")
    page = clerks[0].visit(town.hanako.card)
    for path in ("/counter", page):
        for someone in (town.hanako, town.yuki):
            refused = someone.get(path)
            assert (refused.status_code, refused.text) == (404, unknown.text.replace("/nothing/here", path))
    for path in ("/counter/read", f"{page}/leave"):
        assert town.hanako.post(path).status_code == 404
    mac = town.services.vault.mac(town.services.ward.code, "email", clerks[1].address)
    clerks[1].log_in(EmailCode(clock.now(), mac))
    assert clerks[1].get("/counter").status_code == 303
    assert clerks[1].get(page).status_code == 403
    clerks[1].log_in()
    assert clerks[1].get("/counter").status_code == 200
    with town.services.database.writing(town.services.ward.code) as unit:
        mine = col(RoleRow.person) == clerks[1].person
        unit.session.exec(update(RoleRow).where(mine).values(until=clock.now()))
    assert clerks[1].get("/counter").status_code == 404


def test_a_visit_is_bound_to_one_login_and_to_half_an_hour(
    town: Town, clerks: list[Clerk], clock: FixedClock
) -> None:
    page = clerks[0].visit(town.hanako.card)
    assert clerks[1].get(page).status_code == 404
    clock.advance(timedelta(minutes=29))
    assert clerks[0].get(page).status_code == 200
    clock.advance(timedelta(minutes=2))
    assert clerks[0].get(page).status_code == 404
    page = clerks[0].visit(town.hanako.card)
    clerks[0].log_in()
    assert clerks[0].get(page).status_code == 404


def test_who_comes_next_ends_the_visit_before(town: Town, clerks: list[Clerk]) -> None:
    first = clerks[0].visit(town.hanako.card)
    second = clerks[0].visit(town.yuki.card)
    assert (clerks[0].get(first).status_code, clerks[0].get(second).status_code) == (404, 200)
    assert clerks[0].post(f"{second}/leave").headers["location"] == "/counter"
    assert clerks[0].get(second).status_code == 404


def test_a_card_finds_nobody_unless_it_is_a_live_identifier_that_counts(
    town: Town, clerks: list[Clerk], clock: FixedClock
) -> None:
    mine = col(IdentifierRow.person) == town.hanako.person
    with town.services.database.writing(town.services.ward.code) as unit:
        later = clock.now() + timedelta(hours=72)
        unit.session.exec(update(IdentifierRow).where(mine).values(counts_from=later))
    refused = clerks[0].read(town.hanako.card)
    assert (refused.status_code, "このカードで登録された人はいません" in refused.text) == (404, True)
    with town.services.database.writing(town.services.ward.code) as unit:
        for row in unit.session.exec(select(IdentifierRow).where(mine)).all():
            unit.session.delete(row)
    assert clerks[0].read(town.hanako.card).status_code == 404
    assert clerks[0].read(town.yuki.card).status_code == 303


def test_nobody_serves_themselves(clerks: list[Clerk]) -> None:
    assert clerks[0].read(clerks[0].card).status_code == 403
    assert clerks[0].read(clerks[1].card).status_code == 303


def test_ichiro_signs_his_mandate_at_the_counter(town: Town, clerks: list[Clerk]) -> None:
    grant = town.compared()
    page = clerks[0].visit(town.hanako.card)
    assert f"{page}/grants/{grant}/sign" in clerks[0].get(page).text
    assert "田中\u3000由紀" in clerks[0].get(f"{page}/grants/{grant}/sign").text
    answer = clerks[0].sign_for(page, grant, town.hanako.card)
    assert (answer.status_code, answer.headers["location"]) == (303, page)
    assert town.row(grant).state == "active"
    with town.services.database.reading() as session:
        assert session.exec(select(MandateRow).where(MandateRow.grant == grant)).one()
    number(town)
    assert "窓口で、委任状への署名の準備をしました。" in records(town.hanako)


def test_at_the_counter_too_the_card_is_the_principals_own(
    town: Town, clerks: list[Clerk], cards: dict[str, VirtualCard]
) -> None:
    grant = town.compared()
    page = clerks[0].visit(town.hanako.card)
    assert clerks[0].sign_for(page, grant, town.yuki.card).status_code == 403
    assert clerks[0].sign_for(page, grant, clerks[0].card).status_code == 403
    assert town.row(grant).state == "accepted"
    assert clerks[0].sign_for(page, grant, cards["田中花子"]).status_code == 303


def test_without_her_visit_staff_bring_nothing_in(town: Town, clerks: list[Clerk]) -> None:
    grant = town.compared()
    page = clerks[0].visit(town.hanako.card)
    jws = clerks[0].request_of(clerks[0].post(f"{page}/grants/{grant}/sign"))
    clerks[0].post(f"{page}/leave")
    assert clerks[0].answer(jws, town.hanako.card).status_code == 404
    assert town.row(grant).state == "accepted"
    page = clerks[0].visit(town.hanako.card)
    jws = clerks[0].request_of(clerks[0].post(f"{page}/grants/{grant}/sign"))
    clerks[0].visit(town.yuki.card)
    assert clerks[0].answer(jws, town.hanako.card).status_code == 400
    assert town.row(grant).state == "accepted"


def test_a_staff_member_brings_no_mandate_in_for_a_grant_of_their_own(
    town: Town, clerks: list[Clerk], swapped: Callable[[str, str], None]
) -> None:
    grant = town.compared()
    page = clerks[0].visit(town.hanako.card)
    jws = clerks[0].request_of(clerks[0].post(f"{page}/grants/{grant}/sign"))
    swapped(grant, clerks[0].person)
    refused = clerks[0].answer(jws, town.hanako.card)
    assert (refused.status_code, "相手は、窓口のあなた自身です" in refused.text) == (403, True)
    assert town.row(grant).state == "accepted"


def test_the_delegate_at_the_counter_does_not_sign_for_the_principal(town: Town, clerks: list[Clerk]) -> None:
    grant = town.compared()
    page = clerks[0].visit(town.yuki.card)
    assert f"{page}/grants/{grant}/sign" not in clerks[0].get(page).text
    assert clerks[0].post(f"{page}/grants/{grant}/sign").status_code == 400


def test_a_grant_of_others_is_unknown_in_a_visit(town: Town, clerks: list[Clerk]) -> None:
    grant = town.active()
    page = clerks[0].visit(clerks[1].card)
    for step in ("sign", "end", "pause", "resume"):
        assert clerks[0].post(f"{page}/grants/{grant}/{step}").status_code == 404
    assert town.row(grant).state == "active"


def test_what_staff_are_a_party_of_they_do_not_touch(
    town: Town, clerks: list[Clerk], swapped: Callable[[str, str], None]
) -> None:
    grant = town.active()
    swapped(grant, clerks[0].person)
    page, other = clerks[0].visit(town.hanako.card), clerks[1].visit(town.hanako.card)
    for step in ("sign", "end", "pause", "resume"):
        assert clerks[0].post(f"{page}/grants/{grant}/{step}").status_code == 403
    assert clerks[1].post(f"{other}/grants/{grant}/pause").status_code == 303


def test_pausing_resuming_and_ending_at_the_counter(town: Town, clerks: list[Clerk]) -> None:
    grant = town.active()
    page = clerks[0].visit(town.hanako.card)

    def state() -> bool:
        with town.services.database.reading() as session:
            ward, now = town.services.ward.code, town.services.clock.now()
            return bool(usability.usable(session, ward, town.yuki.person, now))

    assert state()
    assert clerks[0].post(f"{page}/grants/{grant}/pause").status_code == 303
    assert not state()
    assert clerks[0].post(f"{page}/grants/{grant}/resume").status_code == 303
    assert state()
    assert clerks[0].get(f"{page}/grants/{grant}/end").status_code == 200
    assert clerks[0].post(f"{page}/grants/{grant}/end").status_code == 303
    assert (town.row(grant).state, town.row(grant).ended_reason) == ("ended", "revoked")
    number(town)
    assert "窓口で、あなたの求めにより委任を変更しました。" in records(town.hanako)


def test_a_delegate_renounces_at_the_counter(town: Town, clerks: list[Clerk]) -> None:
    grant = town.active()
    page = clerks[0].visit(town.yuki.card)
    assert clerks[0].post(f"{page}/grants/{grant}/end").status_code == 303
    assert town.row(grant).ended_reason == "renounced"


def test_an_answer_opens_one_visit_alone(town: Town, clerks: list[Clerk]) -> None:
    clerks[0].visit(town.hanako.card)
    with town.services.database.writing(town.services.ward.code) as unit:
        rows = unit.session.exec(select(VisitRow)).all()
        assert [row.person for row in rows] == [town.hanako.person]
    assert clerks[0].get("/counter/visits/" + "0" * 32).status_code == 404
    assert clerks[0].get("/counter/visits/%00").status_code == 404

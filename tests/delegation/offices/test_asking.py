"""An office asks; the asked person reads who, for which office, for what and until when, and signs or not."""

import json
import re
from datetime import timedelta
from typing import Any

from sqlmodel import select, update

from assurance.tables import ProofRow, ProtectionRow
from card.virtual.card import VirtualCard
from delegation.offices.tables import AskRow, MembershipRow
from delegation.tables import GrantRow, TransitionRow
from tests.delegation.offices.conftest import NUMBER, Office


def test_she_sees_who_asks_for_which_office_for_what_and_until_when_and_signs(office: Office) -> None:
    hanako = office.town.hanako
    assert office.ask(hanako).status_code == 303
    listed = hanako.get("/grants").text
    assert "居宅介護支援事業所さくらの佐藤\u3000健さんからのお願い" in listed
    page = hanako.get(f"/requests/{office.request()}").text
    for told in (NUMBER, "佐藤\u3000健", "居宅サービス計画作成依頼届出", "要介護・要支援認定の更新申請"):
        assert told in page
    answer = hanako.post(f"/requests/{office.request()}/agree")
    grant = answer.headers["location"].split("/")[-2]
    mandate = hanako.get(f"/grants/{grant}/sign").text
    for told in (
        f"居宅介護支援事業所さくら（事業所番号 {NUMBER}）",
        "担当者：佐藤\u3000健",
        "断ることができます",
    ):
        assert told in mandate
    assert hanako.sign(grant).status_code == 303
    assert office.town.row(grant).state == "active"
    shown = hanako.get(f"/grants/{grant}").text
    assert NUMBER in shown
    assert "佐藤\u3000健" in shown
    receipt = hanako.get(f"/grants/{grant}/receipt")
    assert receipt.status_code == 200


def test_the_office_learns_nothing_of_who_exists_or_is_protected_or_silent(office: Office) -> None:
    hanako, services = office.town.hanako, office.town.services

    def asked(**changes: Any) -> tuple[int, str]:
        answer = office.ask(hanako, **changes)
        return answer.status_code, answer.headers["location"]

    known = asked()
    with services.database.writing(services.ward.code) as unit:
        since = services.clock.now() - timedelta(days=1)
        unit.session.add(ProtectionRow(ward=services.ward.code, person=hanako.person, since=since))
    assert known == asked() == asked(name="いない\u3000人") == asked(birth="1900-01-01")
    page = office.sato.get(f"/offices/{office.id}").text
    assert len(re.findall("に送りました", page)) == 4
    assert "お願い</a>" not in hanako.get("/grants").text
    with services.database.reading() as session:
        requests = session.exec(select(AskRow)).all()
    assert hanako.post(f"/requests/{requests[0].id}/agree").status_code == 404


def test_a_request_is_answered_once_by_the_one_it_is_for(office: Office) -> None:
    assert office.ask(office.town.hanako).status_code == 303
    request = office.request()
    for other in (office.town.yuki, office.sato, office.mori):
        assert other.get(f"/requests/{request}").status_code == 404
        assert other.post(f"/requests/{request}/agree").status_code == 404
        assert other.post(f"/requests/{request}/decline").status_code == 404
    assert office.town.hanako.post(f"/requests/{request}/decline").status_code == 303
    assert office.town.hanako.post(f"/requests/{request}/agree").status_code == 404
    with office.town.services.database.reading() as session:
        assert session.exec(select(GrantRow)).all() == []


def test_two_people_of_one_name_and_birth_date_find_nothing_but_at_the_counter(office: Office) -> None:
    hanako, services = office.town.hanako, office.town.services
    with services.database.writing(services.ward.code) as unit:
        of_hanako = unit.session.exec(select(ProofRow).where(ProofRow.person == hanako.person)).first()
        assert of_hanako is not None
        unit.session.exec(
            update(ProofRow)
            .where(ProofRow.person == office.town.yuki.person)  # type: ignore[arg-type]
            .values(name_mac=of_hanako.name_mac)
        )
    assert office.ask(hanako).status_code == 303
    assert hanako.get(f"/requests/{office.request()}").status_code == 404


def test_asking_is_the_acceptance_and_each_step_is_kept(office: Office) -> None:
    grant = office.agreed(office.town.hanako)
    with office.town.services.database.reading() as session:
        (step,) = session.exec(select(TransitionRow).where(TransitionRow.grant == grant)).all()
    assert (step.state, step.by) == ("accepted", office.sato.person)
    assert office.town.row(grant).office == office.id
    assert office.town.row(grant).delegate is None


def test_nobody_but_she_signs_and_another_persons_card_signs_nothing(
    office: Office, cards: dict[str, VirtualCard]
) -> None:
    grant = office.agreed(office.town.hanako)
    assert office.sato.sign(grant).status_code == 400
    assert office.town.hanako.sign(grant, cards["佐藤健"]).status_code == 403
    assert office.town.row(grant).state == "accepted"


def test_a_request_dies_with_the_asker_s_work_and_so_does_what_waits_for_a_signature(office: Office) -> None:
    hanako = office.town.hanako
    grant = office.agreed(hanako)
    assert office.ask(hanako).status_code == 303
    sato = office.member(office.sato).id
    assert office.admin.post(f"/offices/{office.id}/members/{sato}/end").status_code == 303
    assert hanako.get(f"/requests/{office.request()}").status_code == 404
    assert hanako.sign(grant).status_code == 400
    assert office.town.row(grant).state == "accepted"


def test_a_request_is_asked_by_a_care_manager_for_what_an_office_may_hold(office: Office) -> None:
    hanako = office.town.hanako
    assert office.ask(hanako, by=office.admin).status_code == 403
    assert office.ask(hanako, by=office.town.yuki).status_code == 404
    assert office.ask(hanako, procedure=["tax.cert"]).status_code == 400
    assert office.ask(hanako, procedure=["kaigo.card.reissue"]).status_code == 400
    carried = {"mode": "messenger", "procedure": ["kaigo.card.reissue"], "action": ["file"]}
    soon = (office.town.services.clock.now() + timedelta(days=30)).date().isoformat()
    assert office.ask(hanako, **carried, last=soon).status_code == 303
    assert office.ask(hanako, last="2040-01-01").status_code == 400
    assert office.ask(hanako, name="").status_code == 400
    assert office.ask(hanako, birth="3 May").status_code == 400


def test_what_she_signs_names_the_office_and_another_text_is_not_taken_in(office: Office) -> None:
    grant = office.active(office.town.hanako)
    with office.town.services.database.reading() as session:
        (member,) = session.exec(
            select(MembershipRow).where(MembershipRow.person == office.sato.person)
        ).all()
    document = office.town.row(grant)
    assert json.loads(document.procedures) == ["kaigo.nintei.renew", "kaigo.plan.notify"]
    assert member.office == document.office

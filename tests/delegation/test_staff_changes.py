"""What takes two: who may sign, with which card, over what, how often, and when it is too late."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlmodel import col, delete, select, update

from assurance import counter, roles
from assurance.linking import LinkedCard
from assurance.roles import Role
from assurance.tables import IdentifierRow, ProofRow, RoleRow
from card.faults import Fault
from card.revocation import NoRevocation
from card.virtual.card import VirtualCard
from delegation.audit.tables import LeafRow
from delegation.staffing import change_text
from delegation.staffing.tables import ApprovalRow, ChangeRow
from delegation.tables import HoldRow
from idp.services import Services
from tests.conftest import FixedClock
from tests.delegation.conftest import Resident
from tests.delegation.staff_town import Ward, request_of, sign, ward_office

__all__ = ["ward_office"]


def role_of(ward: Ward, who: Resident, role: Role) -> bool:
    now = ward.town.services.clock.now()
    with ward.town.services.database.reading() as session:
        return roles.has_role(session, ward.town.services.ward.code, who.person, role, now)


def advance(ward: Ward, by: timedelta) -> None:
    """Let time pass; logins do not last that long."""
    clock = ward.town.services.clock
    assert isinstance(clock, FixedClock)
    clock.advance(by)
    for who in (ward.ichiro, ward.jiro, ward.saburo, ward.town.hanako, ward.town.yuki):
        who.log_in()


def test_two_lift_what_one_placed(ward_office: Ward) -> None:
    hold = ward_office.hold(ward_office.town.hanako)
    change = ward_office.lifting(hold)
    first = sign(ward_office.ichiro, change)
    assert (first.status_code, first.headers["location"]) == (303, f"/staff/changes/{change}")
    assert [row.lifted_at for row in ward_office.holds()] == [None]
    assert "もう1人の管理者の署名を待っています" in ward_office.ichiro.get(f"/staff/changes/{change}").text
    page = ward_office.jiro.get(f"/staff/changes/{change}").text
    assert "停止されている人：田中\u3000花子、1978年" in page
    assert change in ward_office.jiro.get("/staff/changes").text
    assert sign(ward_office.jiro, change).status_code == 303
    (row,) = ward_office.holds()
    assert row.lifted_at == ward_office.town.services.clock.now()
    assert "この変更は行われました" in ward_office.jiro.get(f"/staff/changes/{change}").text
    assert change not in ward_office.jiro.get("/staff/changes").text


def test_both_signatures_are_kept_sealed_and_the_log_holds_their_hashes(ward_office: Ward) -> None:
    change = ward_office.lifting(ward_office.hold(ward_office.town.hanako))
    sign(ward_office.ichiro, change)
    sign(ward_office.jiro, change)
    with ward_office.town.services.database.reading() as session:
        kept = session.exec(select(ApprovalRow).order_by(col(ApprovalRow.number))).all()
        leaves = [json.loads(leaf.content) for leaf in session.exec(select(LeafRow)).all()]
    (row,) = ward_office.changes()
    assert [approval.by for approval in kept] == [ward_office.ichiro.person, ward_office.jiro.person]
    approved = [leaf["clear"] for leaf in leaves if leaf["event"] == "staff:change:approved"]
    assert {clear["container"] for clear in approved} == {approval.hash for approval in kept}
    assert {clear["change"] for clear in approved} == {row.hash}
    vault, ward = ward_office.town.services.vault, ward_office.town.services.ward.code
    for approval in kept:
        assert b"payload" not in approval.container
        place = f"{change}/{approval.number}"
        cipher = vault.open_data_key(ward, f"staff_approval/{place}", approval.wrapped_key)
        container = cipher.open(approval.container, table="staff_approval", column="container", row=place)
        assert "payload" in json.loads(container)


def test_the_proposer_is_no_second_person(ward_office: Ward) -> None:
    change = ward_office.lifting(ward_office.hold(ward_office.town.hanako))
    assert sign(ward_office.ichiro, change).status_code == 303
    again = sign(ward_office.ichiro, change)
    assert (again.status_code, "もう署名しています" in again.text) == (400, True)
    assert ward_office.holds()[0].lifted_at is None


def test_what_its_proposer_has_not_signed_is_nobody_elses(ward_office: Ward) -> None:
    change = ward_office.lifting(ward_office.hold(ward_office.town.hanako))
    assert change not in ward_office.jiro.get("/staff/changes").text
    assert ward_office.jiro.get(f"/staff/changes/{change}").status_code == 404
    assert sign(ward_office.jiro, change).status_code == 404
    assert change in ward_office.ichiro.get("/staff/changes").text


def test_each_signs_with_their_own_card_alone(ward_office: Ward, cards: dict[str, VirtualCard]) -> None:
    change = ward_office.lifting(ward_office.hold(ward_office.town.hanako))
    refused = sign(ward_office.ichiro, change, cards["職員二郎"])
    assert (refused.status_code, "本人のカードによるものではありません" in refused.text) == (403, True)
    assert sign(ward_office.ichiro, change).status_code == 303
    assert sign(ward_office.jiro, change, cards["職員一郎"]).status_code == 403
    with ward_office.town.services.database.writing(ward_office.town.services.ward.code) as unit:
        unit.session.exec(
            delete(IdentifierRow).where(
                col(IdentifierRow.person) == ward_office.jiro.person, col(IdentifierRow.kind) == "card_sign"
            )
        )
    assert sign(ward_office.jiro, change).status_code == 403
    assert ward_office.holds()[0].lifted_at is None


def test_a_card_that_counts_only_later_signs_nothing_now(ward_office: Ward) -> None:
    change, now = ward_office.giving(ward_office.town.hanako), ward_office.town.services.clock.now()
    with ward_office.town.services.database.writing(ward_office.town.services.ward.code) as unit:
        unit.session.exec(
            update(IdentifierRow)
            .where(
                col(IdentifierRow.person) == ward_office.ichiro.person, col(IdentifierRow.kind) == "card_sign"
            )
            .values(counts_from=now + timedelta(hours=72))
        )
    assert sign(ward_office.ichiro, change).status_code == 403
    assert ward_office.changes()[0].signatures == 0


def test_a_card_whose_revocation_was_not_checked_signs_nothing(ward_office: Ward) -> None:
    change, services = ward_office.giving(ward_office.town.hanako), ward_office.town.services
    object.__setattr__(services, "trust", replace(services.trust, revocation=NoRevocation()))
    refused = sign(ward_office.ichiro, change)
    assert (refused.status_code, "今は確かめられません" in refused.text) == (503, True)
    assert ward_office.changes()[0].signatures == 0


def test_nobody_decides_about_themselves(ward_office: Ward) -> None:
    hold = ward_office.hold(ward_office.saburo)
    change = ward_office.lifting(hold)
    sign(ward_office.ichiro, change)
    for answer in (ward_office.saburo.get(f"/staff/changes/{change}"), sign(ward_office.saburo, change)):
        assert answer.status_code == 404  # who is held acts as nothing
    sign(ward_office.jiro, change)
    assert ward_office.holds()[0].lifted_at is not None
    ending = ward_office.ichiro.post(f"/staff/people/{ward_office.saburo.person}/end-role", role="admin")
    change = ending.headers["location"].rpartition("/")[2]
    sign(ward_office.ichiro, change)
    assert ward_office.saburo.get(f"/staff/changes/{change}").status_code == 403
    assert sign(ward_office.saburo, change).status_code == 403
    assert change not in ward_office.saburo.get("/staff/changes").text
    own = ward_office.ichiro.post(f"/staff/people/{ward_office.ichiro.person}/role", role="auditor", last="")
    assert own.status_code == 403


def test_both_are_admins_when_it_is_done(ward_office: Ward) -> None:
    ward, now = ward_office.town.services.ward.code, ward_office.town.services.clock.now()
    change = ward_office.lifting(ward_office.hold(ward_office.town.hanako))
    sign(ward_office.ichiro, change)
    jws = request_of(ward_office.jiro.post(f"/staff/changes/{change}/sign"))
    for who, status in ((ward_office.jiro, 404), (ward_office.ichiro, 400)):
        row = (RoleRow.ward == ward, RoleRow.person == who.person, RoleRow.role == Role.ADMIN)
        with ward_office.town.services.database.writing(ward) as unit:
            unit.session.exec(update(RoleRow).where(*row).values(until=now))  # type: ignore[arg-type] # SQLModel
        assert ward_office.jiro.answer(jws).status_code == status
        with ward_office.town.services.database.writing(ward) as unit:
            unit.session.exec(update(RoleRow).where(*row).values(until=None))  # type: ignore[arg-type] # SQLModel
        jws = request_of(ward_office.jiro.post(f"/staff/changes/{change}/sign"))
    assert ward_office.holds()[0].lifted_at is None
    assert ward_office.jiro.answer(jws).status_code == 303
    assert ward_office.holds()[0].lifted_at is not None


@pytest.mark.parametrize("who", ["ichiro", "jiro"])
@pytest.mark.parametrize("how", ["lapsed", "at home"])
def test_both_were_seen_with_their_card_at_the_counter(ward_office: Ward, who: str, how: str) -> None:
    """Someone proven in another way has a live login and a live card, and still does not sign."""
    ward, now = ward_office.town.services.ward.code, ward_office.town.services.clock.now()
    change = ward_office.lifting(ward_office.hold(ward_office.town.hanako))
    sign(ward_office.ichiro, change)
    person = getattr(ward_office, who).person
    values: dict[str, Any] = {"method": "card_signature"} if how == "at home" else {"ends_at": now}
    with ward_office.town.services.database.writing(ward) as unit:
        unit.session.exec(update(ProofRow).where(col(ProofRow.person) == person).values(**values))
    refused = sign(ward_office.jiro, change)
    assert refused.status_code == (400 if who == "ichiro" else 403), refused.text
    assert ward_office.holds()[0].lifted_at is None


def test_whoever_was_raised_by_the_other_within_thirty_days_is_no_second_person(ward_office: Ward) -> None:
    hanako = ward_office.town.hanako
    ward_office.give(hanako, "admin")
    hold = ward_office.hold(ward_office.town.yuki)
    for proposer in (ward_office.ichiro, ward_office.jiro):
        change = ward_office.lifting(hold, proposer)
        sign(proposer, change)
        refused = sign(hanako, change)
        assert (refused.status_code, "30日" in refused.text) == (403, True)
        assert "30日" in hanako.get(f"/staff/changes/{change}").text
    reverse = ward_office.lifting(hold, hanako)
    sign(hanako, reverse)
    assert sign(ward_office.jiro, reverse).status_code == 403
    assert ward_office.holds()[0].lifted_at is None
    assert sign(ward_office.saburo, reverse).status_code == 303
    assert ward_office.holds()[0].lifted_at is not None


def test_after_thirty_days_they_are_two_people(ward_office: Ward) -> None:
    hanako, now = ward_office.town.hanako, ward_office.town.services.clock.now()
    ward_office.give(hanako, "admin")
    change = ward_office.lifting(ward_office.hold(ward_office.town.yuki))
    sign(ward_office.ichiro, change)
    for age, status in ((timedelta(days=30, seconds=-1), 403), (timedelta(days=30), 303)):
        with ward_office.town.services.database.writing(ward_office.town.services.ward.code) as unit:
            given = update(ChangeRow).where(col(ChangeRow.kind) == "give_role")
            unit.session.exec(given.values(done_at=now - age))
        assert sign(hanako, change).status_code == status
    assert ward_office.holds()[0].lifted_at is not None


def test_who_gave_a_role_is_not_forgotten_when_others_give_it_anew(ward_office: Ward) -> None:
    hanako = ward_office.town.hanako
    ward_office.give(hanako, "admin")
    ward_office.give(hanako, "admin", (ward_office.jiro, ward_office.saburo))
    change = ward_office.lifting(ward_office.hold(ward_office.town.yuki))
    sign(ward_office.ichiro, change)
    assert sign(hanako, change).status_code == 403


def test_a_change_is_open_for_seven_days(ward_office: Ward) -> None:
    change = ward_office.lifting(ward_office.hold(ward_office.town.hanako))
    sign(ward_office.ichiro, change)
    advance(ward_office, timedelta(days=7))
    refused = sign(ward_office.jiro, change)
    assert (refused.status_code, "期限（7日）" in refused.text) == (400, True)
    assert change not in ward_office.jiro.get("/staff/changes").text
    assert ward_office.holds()[0].lifted_at is None


def test_a_change_that_was_overtaken_is_stale(ward_office: Ward) -> None:
    hold = ward_office.hold(ward_office.town.hanako)
    one, other = ward_office.lifting(hold), ward_office.lifting(hold, ward_office.saburo)
    sign(ward_office.ichiro, one)
    sign(ward_office.saburo, other)
    assert sign(ward_office.jiro, one).status_code == 303
    refused = sign(ward_office.jiro, other)
    assert (refused.status_code, "今の状態に合いません" in refused.text) == (400, True)
    assert [row.done_at is None for row in ward_office.changes() if row.id == other] == [True]
    assert ward_office.ichiro.post(f"/staff/holds/{hold}/lift").status_code == 400
    for nonsense in ("0" * 32, "%00"):
        assert ward_office.ichiro.post(f"/staff/holds/{nonsense}/lift").status_code == 400


def test_a_third_signature_and_one_that_is_played_again_change_nothing(ward_office: Ward) -> None:
    change = ward_office.lifting(ward_office.hold(ward_office.town.hanako))
    sign(ward_office.ichiro, change)
    late = request_of(ward_office.saburo.post(f"/staff/changes/{change}/sign"))
    jws = request_of(ward_office.jiro.post(f"/staff/changes/{change}/sign"))
    assert ward_office.jiro.answer(jws).status_code == 303
    lifted = ward_office.holds()[0].lifted_at
    assert ward_office.saburo.answer(late).status_code == 400
    assert sign(ward_office.saburo, change).status_code == 400
    state = {"origin": "null"}
    played = ward_office.jiro.http.post("/card/answer", data={"state": "x", "container": "{}"}, headers=state)
    assert played.status_code == 400
    with ward_office.town.services.database.reading() as session:
        assert len(session.exec(select(ApprovalRow)).all()) == 2
    assert ward_office.holds()[0].lifted_at == lifted


def test_one_changes_signature_is_not_anothers(ward_office: Ward) -> None:
    """A signature comes back for the change that it was asked for, and its bytes name that one's hash."""
    first = ward_office.giving(ward_office.town.hanako)
    with ward_office.town.services.database.writing(ward_office.town.services.ward.code) as unit:
        unit.session.exec(update(ChangeRow).where(col(ChangeRow.id) == first).values(hash="0" * 64))
    jws = request_of(ward_office.ichiro.post(f"/staff/changes/{first}/sign"))
    with ward_office.town.services.database.writing(ward_office.town.services.ward.code) as unit:
        unit.session.exec(update(ChangeRow).where(col(ChangeRow.id) == first).values(hash="1" * 64))
    refused = ward_office.ichiro.answer(jws)
    assert (refused.status_code, "変更の内容と違います" in refused.text) == (400, True)
    assert ward_office.changes()[0].signatures == 0


@pytest.mark.parametrize("same", [True, False], ids=["one change", "two changes"])
def test_of_two_who_lift_at_once_one_does(ward_office: Ward, same: bool) -> None:
    hold = ward_office.hold(ward_office.town.hanako)
    one = ward_office.lifting(hold)
    other = one if same else ward_office.lifting(hold)
    for change in {one, other}:
        sign(ward_office.ichiro, change)
    asked = [
        (ward_office.jiro, request_of(ward_office.jiro.post(f"/staff/changes/{one}/sign"))),
        (ward_office.saburo, request_of(ward_office.saburo.post(f"/staff/changes/{other}/sign"))),
    ]
    together = threading.Barrier(len(asked))

    def answer(who: Resident, jws: str) -> int:
        together.wait()
        return int(who.answer(jws).status_code)

    with ThreadPoolExecutor(len(asked)) as pool:
        answers = [future.result() for future in [pool.submit(partial(answer, *one)) for one in asked]]
    assert sorted(answers) == [303, 400]
    assert sum(row.done_at is not None for row in ward_office.changes()) == 1
    with ward_office.town.services.database.reading() as session:
        leaves = session.exec(select(LeafRow)).all()
    lifted = [leaf for leaf in leaves if json.loads(leaf.content)["event"] == "staff:hold:lifted"]
    assert len(lifted) == 1


def test_a_role_is_given_and_ended_by_two_and_ends_by_itself(ward_office: Ward) -> None:
    hanako = ward_office.town.hanako
    change = ward_office.giving(hanako, "auditor")
    assert "役割：監査担当" in ward_office.ichiro.get(f"/staff/changes/{change}").text
    sign(ward_office.ichiro, change)
    assert not role_of(ward_office, hanako, Role.AUDITOR)
    assert sign(ward_office.jiro, change).status_code == 303
    assert role_of(ward_office, hanako, Role.AUDITOR)
    assert hanako.get("/staff/looks").status_code == 200
    ending = ward_office.ichiro.post(f"/staff/people/{hanako.person}/end-role", role="auditor")
    change = ending.headers["location"].rpartition("/")[2]
    sign(ward_office.ichiro, change)
    assert role_of(ward_office, hanako, Role.AUDITOR)
    assert sign(ward_office.jiro, change).status_code == 303
    assert not role_of(ward_office, hanako, Role.AUDITOR)
    assert hanako.get("/staff/looks").status_code == 404
    gone = ward_office.ichiro.post(f"/staff/people/{hanako.person}/end-role", role="auditor")
    assert gone.status_code == 400


def test_a_role_ends_with_its_last_day_in_tokyo(ward_office: Ward) -> None:
    hanako, today = ward_office.town.hanako, "2026-11-24"
    form = {"role": "auditor", "last": today}
    made = ward_office.ichiro.post(f"/staff/people/{hanako.person}/role", **form)
    change = made.headers["location"].rpartition("/")[2]
    sign(ward_office.ichiro, change)
    sign(ward_office.jiro, change)
    clock = ward_office.town.services.clock
    assert isinstance(clock, FixedClock)
    clock.advance(timedelta(hours=13, minutes=59))  # 23:59 in Tokyo
    assert role_of(ward_office, hanako, Role.AUDITOR)
    clock.advance(timedelta(minutes=1))
    assert not role_of(ward_office, hanako, Role.AUDITOR)


@pytest.mark.parametrize(
    ("role", "last", "status"),
    [
        ("auditor", "2027-11-24", 303),
        ("auditor", "2027-11-25", 400),
        ("auditor", "2026-11-23", 400),
        ("auditor", "soon", 400),
        ("mayor", "2027-01-01", 400),
        ("", "2027-01-01", 400),
    ],
)
def test_a_role_is_a_known_one_and_ends_within_a_year(
    ward_office: Ward, role: str, last: str, status: int
) -> None:
    path = f"/staff/people/{ward_office.town.hanako.person}/role"
    answer = ward_office.ichiro.post(path, role=role, last=last)
    assert answer.status_code == status
    assert len(ward_office.changes()) == (1 if status == 303 else 0)


def test_staff_were_seen_with_their_card_at_the_counter(ward_office: Ward) -> None:
    hanako, ward = ward_office.town.hanako, ward_office.town.services.ward.code
    change = ward_office.giving(hanako)
    sign(ward_office.ichiro, change)
    with ward_office.town.services.database.writing(ward) as unit:
        lapsed = update(ProofRow).where(col(ProofRow.person) == hanako.person)
        unit.session.exec(lapsed.values(method="card_signature"))
    assert sign(ward_office.jiro, change).status_code == 400
    assert not role_of(ward_office, hanako, Role.STAFF)
    form = {"role": "staff", "last": ward_office.last()}
    refused = ward_office.ichiro.post(f"/staff/people/{hanako.person}/role", **form)
    assert (refused.status_code, "カードによる本人確認をしていないか" in refused.text) == (400, True)


def test_the_text_says_what_the_structure_says() -> None:
    content = {
        "ward": "渋谷区",
        "kind": "give_role",
        "person": {"name": "田中\u3000花子", "birth_date": "1948-05-03"},
        "role": "admin",
        "last": "2027-01-31",
        "hash": "ab" * 32,
    }
    for locale in ("ja", "en"):
        template = change_text.template_of(locale)
        text = change_text.render(content, template)
        assert "ab" * 8 in text
        change_text.check_signed({"content": content, "template": template, "text": text}, content)
        for claims in (
            {"content": content, "template": template, "text": text + " "},
            {"content": content | {"role": "staff"}, "template": template, "text": text},
            {"content": content, "template": "dairi.change.v2.ja", "text": text},
            {"content": "x", "template": template, "text": text},
        ):
            with pytest.raises(Fault, match=r"change\.text"):
                change_text.check_signed(claims, content)


def test_of_two_who_begin_a_ward_at_once_one_does(
    services: Services, linked: Callable[[str], LinkedCard]
) -> None:
    together = threading.Barrier(2)
    sets = [("職員一郎", "職員二郎", "職員三郎"), ("田中花子", "田中由紀", "職員一郎")]

    def begin(names: tuple[str, str, str]) -> str:
        three = (linked(names[0]), linked(names[1]), linked(names[2]))
        together.wait()
        try:
            with services.database.writing(services.ward.code) as unit:
                counter.begin_staff(unit, services.vault, services.thresholds, three, services.clock.now())
        except Fault as refusal:
            return str(refusal)
        return ""

    with ThreadPoolExecutor(2) as pool:
        answers = sorted(pool.map(begin, sets))
    assert answers == ["", "counter.staff"]
    with services.database.reading() as session:
        assert len(session.exec(select(RoleRow)).all()) == 6


def test_admins_who_hold_each_other_at_once_are_not_both_gone(ward_office: Ward) -> None:
    pairs = [
        (ward_office.ichiro, ward_office.jiro),
        (ward_office.jiro, ward_office.saburo),
        (ward_office.saburo, ward_office.ichiro),
    ]
    together = threading.Barrier(len(pairs))

    def hold(by: Resident, on: Resident) -> int:
        together.wait()
        return int(by.post(f"/staff/people/{on.person}/hold", reason="x").status_code)

    with ThreadPoolExecutor(len(pairs)) as pool:
        answers = [future.result() for future in [pool.submit(partial(hold, *pair)) for pair in pairs]]
    assert sorted(answers)[0] == 303
    assert answers.count(303) == 1
    with ward_office.town.services.database.reading() as session:
        assert len(session.exec(select(HoldRow)).all()) == 1

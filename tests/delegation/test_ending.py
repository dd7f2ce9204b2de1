"""Ending, renouncing, declining, pausing, resuming: what each needs, and who is told what."""

import re
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import col, select, update

from assurance.evidence import EmailCode, Evidence, Passkey
from assurance.mail import Mail
from assurance.tables import ProofRow, ProtectionRow
from delegation.tables import HoldRow
from tests.conftest import FixedClock
from tests.delegation.conftest import Resident, Town

LOGINS = ("email", "one factor", "two factors", "proven")


def log_in(town: Town, who: Resident, how: str) -> None:
    """Log in so strongly and no stronger; `two factors` is of someone whose proof lapsed."""
    now = town.services.clock.now()
    mac = town.services.vault.mac(town.services.ward.code, "email", who.address)
    shown: dict[str, Evidence] = {
        "email": EmailCode(now, mac),
        "one factor": Passkey(now, user_verified=False, synced=True),
        "two factors": Passkey(now, user_verified=True, synced=True),
        "proven": Passkey(now, user_verified=True, synced=True),
    }
    if how == "two factors":
        with town.services.database.writing(town.services.ward.code) as unit:
            unit.session.exec(update(ProofRow).where(col(ProofRow.person) == who.person).values(ends_at=now))
    who.log_in(shown[how])


def holds(town: Town, grant: str) -> list[str]:
    with town.services.database.reading() as session:
        rows = session.exec(
            select(HoldRow).where(HoldRow.target == grant, col(HoldRow.lifted_at).is_(None))
        ).all()
    return [row.cause for row in rows]


def told_of(town: Town) -> list[tuple[str, str]]:
    """Whom the mails since the last call went to, and their first subject."""
    told = [(mail.to.partition("@")[0], mail.subject.partition(" / ")[0][5:]) for mail in town.mail.sent]
    town.mail.sent.clear()
    return told


@pytest.mark.parametrize("who", ["hanako", "yuki"])
@pytest.mark.parametrize("how", LOGINS)
def test_ending_and_resuming_need_two_factors_and_pausing_what_one_gave_a_login(
    town: Town, who: str, how: str
) -> None:
    grant, resident = town.active(), getattr(town, who)
    log_in(town, resident, how)
    strong = how in {"two factors", "proven"}
    paused = resident.post(f"/grants/{grant}/pause")
    assert paused.status_code == (303 if strong else 200 if who == "hanako" else 403)
    assert len(holds(town, grant)) == (1 if strong or who == "hanako" else 0)
    for path in ("resume", "end"):
        assert resident.post(f"/grants/{grant}/{path}").status_code == (303 if strong else 403)
    assert town.row(grant).state == ("ended" if strong else "active")
    if strong:
        assert resident.get(f"/grants/{grant}").status_code == 200
        assert resident.get("/grants").status_code == 200


def test_whoever_lost_everything_but_the_mailbox_pauses_everything_and_is_shown_nobody(town: Town) -> None:
    grants = [town.active(), town.active()]
    log_in(town, town.hanako, "email")
    told_of(town)
    page = town.hanako.post("/grants/pause-all")
    assert page.status_code == 200
    assert not re.search("田中|花子|由紀", page.text)
    assert [holds(town, grant) for grant in grants] == [["paused_by_principal"]] * 2
    assert told_of(town) == [("hanako", "委任が止まりました"), ("yuki", "代わりの手続きが今はできません")]
    again = town.hanako.post("/grants/pause-all")
    assert (again.text, told_of(town)) == (page.text, [])
    town.hanako.log_in()
    assert town.hanako.post("/grants/pause-all").headers["location"] == "/grants"
    log_in(town, town.yuki, "email")
    assert town.yuki.post("/grants/pause-all").text == page.text
    town.yuki.http.cookies.clear()
    assert town.yuki.post("/grants/pause-all").status_code == 403


def test_a_protected_persons_mailbox_pauses_nothing_and_is_not_told_so(town: Town) -> None:
    grant, ward, now = town.active(), town.services.ward.code, town.services.clock.now()
    log_in(town, town.yuki, "email")
    nothing = town.yuki.post("/grants/pause-all").text
    with town.services.database.writing(ward) as unit:
        unit.session.add(ProtectionRow(ward=ward, person=town.hanako.person, since=now))
    log_in(town, town.hanako, "email")
    told_of(town)
    assert town.hanako.post("/grants/pause-all").text == nothing
    answers = [town.hanako.post(f"/grants/{id_}/pause") for id_ in (grant, "0" * 32)]
    assert [answer.status_code for answer in answers] == [403, 403]
    assert (holds(town, grant), told_of(town)) == ([], [])
    town.hanako.log_in()
    assert town.hanako.post(f"/grants/{grant}/pause").status_code == 303
    assert holds(town, grant) == ["paused_by_principal"]


def test_pausing_is_each_sides_own(town: Town) -> None:
    grant = town.active()
    town.yuki.post(f"/grants/{grant}/pause")
    town.hanako.post(f"/grants/{grant}/pause")
    town.hanako.post(f"/grants/{grant}/resume")
    assert "使えません" in town.hanako.get(f"/grants/{grant}").text
    town.yuki.post(f"/grants/{grant}/resume")
    assert "代わりに次の手続きができます" in town.hanako.get(f"/grants/{grant}").text


def test_a_paused_grant_is_not_shown_as_usable_beside_another_of_the_same_two(town: Town) -> None:
    paused, other = town.active(), town.active()
    town.yuki.post(f"/grants/{paused}/pause")
    for resident in (town.hanako, town.yuki):
        assert "この委任は今、使えません" in resident.get(f"/grants/{paused}").text
        assert "次の手続きができます" in resident.get(f"/grants/{other}").text


def test_what_never_began_is_neither_paused_nor_resumed(town: Town) -> None:
    grant = town.accepted()
    for path in ("pause", "resume"):
        assert town.hanako.post(f"/grants/{grant}/{path}").status_code == 400
    assert holds(town, grant) == []


def test_a_hold_of_a_misspelt_kind_or_cause_is_never_written(town: Town) -> None:
    ward, now = town.services.ward.code, town.services.clock.now()
    for wrong in ({"kind": "persons"}, {"cause": "Admin"}):
        values: dict[str, Any] = {"kind": "person", "cause": "admin", "target": "x", "placed_by": "x"}
        with pytest.raises(sa.exc.StatementError), town.services.database.writing(ward) as unit:
            unit.session.add(HoldRow(ward=ward, id="x", placed_at=now, **(values | wrong)))
            unit.session.flush()


def end_by(town: Town, how: str) -> str:
    """End a grant in one of the ways there are; returns its id."""
    match how:
        case "revoked" | "renounced":
            grant = town.active()
            told_of(town)
            (town.hanako if how == "revoked" else town.yuki).post(f"/grants/{grant}/end")
        case "declined":
            grant, invitation = town.proposed()
            town.yuki.log_in(read_back=True)
            told_of(town)
            town.yuki.post(f"{invitation}/decline")
        case _:
            grant = town.accepted()
            wrong = "000000" if town.digits(grant) != "000000" else "111111"
            told_of(town)
            for _ in range(3):
                town.hanako.post(f"/grants/{grant}/digits", digits=wrong)
    return grant


@pytest.mark.parametrize("reason", ["revoked", "renounced", "declined", "lapsed"])
def test_every_ending_tells_both_and_its_reason_to_the_principal_alone(town: Town, reason: str) -> None:
    grant = end_by(town, reason)
    bodies = {mail.to: re.sub(r"/grants\S*", "/grants", mail.body) for mail in town.mail.sent}
    assert told_of(town) == [
        ("hanako", "お願いが終わりました"),
        ("yuki", "代わりの手続きのお願いが終わりました"),
    ]
    told = town.services.pages.text(
        "ja", "delegation.mail.ended_held.body", ward="渋谷区", link="https://shibuya.id.example/grants"
    )
    assert bodies[town.yuki.address].startswith(told)
    why = town.services.pages.text("ja", f"delegation.ended.{reason}")
    assert town.row(grant).ended_reason == reason
    assert why in town.hanako.get(f"/grants/{grant}").text
    if town.row(grant).delegate is not None:
        assert why not in town.yuki.get(f"/grants/{grant}").text


def test_pausing_and_resuming_tell_both(town: Town) -> None:
    grant = town.active()
    for who in (town.yuki, town.hanako):
        told_of(town)
        who.post(f"/grants/{grant}/pause")
        who.post(f"/grants/{grant}/pause")
        assert [to for to, _ in told_of(town)] == ["hanako", "yuki"]
    town.yuki.post(f"/grants/{grant}/resume")
    town.yuki.post(f"/grants/{grant}/resume")
    assert [to for to, _ in told_of(town)] == ["hanako", "yuki"]


def test_whoever_is_invited_and_not_proven_declines_without_being_shown_what(town: Town) -> None:
    grant, invitation = town.proposed()
    log_in(town, town.yuki, "two factors")
    assert "同じアドレスに6けたの数字を送ります" in town.yuki.get(invitation).text
    assert town.yuki.post(f"{invitation}/decline").status_code == 403
    now = town.services.clock.now()
    mac = town.services.vault.mac(town.services.ward.code, "email", town.yuki.address)
    town.yuki.log_in(Passkey(now, user_verified=True, synced=True), EmailCode(now, mac))
    page = town.yuki.get(invitation).text
    assert ("花子" in page, f"{invitation}/decline" in page) == (False, True)
    assert town.yuki.post(f"{invitation}/accept", proposal="x").status_code == 403
    assert town.yuki.post(f"{invitation}/decline").status_code == 200
    assert town.row(grant).ended_reason == "declined"


class Order:
    """Notes when an answer is complete and when a mail goes out."""

    def __init__(self, app: Any, notes: list[str]) -> None:
        self._app, self._notes = app, notes

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def noting(message: Any) -> None:
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                self._notes.append("answered")

        await self._app(scope, receive, noting)

    def send(self, mail: Mail) -> None:
        self._notes.append(mail.to)


def test_another_name_is_told_after_the_answer_and_once_a_day(
    town: Town, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, invitation = town.proposed(name="田中\u3000由美")
    town.yuki.log_in(read_back=True)
    notes = list[str]()
    order = Order(town.yuki.http.app, notes)
    monkeypatch.setattr(town.yuki.http._transport, "app", order)
    monkeypatch.setattr(town.mail, "send", order.send)
    for _ in range(3):
        assert town.yuki.post(f"{invitation}/accept", proposal="x").status_code == 403
    assert notes == ["answered", town.hanako.address, "answered", "answered"]
    clock.advance(timedelta(days=1))
    town.yuki.log_in(read_back=True)
    town.yuki.post(f"{invitation}/accept", proposal="x")
    assert notes[4:] == ["answered", town.hanako.address]


def test_ending_makes_no_room_to_ask_again(town: Town, clock: FixedClock) -> None:
    for _ in range(10):
        grant, _ = town.proposed()
        town.hanako.post(f"/grants/{grant}/end")
    refused = town.hanako.propose(town.yuki)
    assert (refused.status_code, "今日は、これ以上お願いを送れません" in refused.text) == (400, True)
    clock.advance(timedelta(days=1))
    town.hanako.log_in()
    town.proposed()


def test_an_address_gets_ten_invitations_a_day_from_all_together_and_the_page_does_not_tell(
    town: Town, clock: FixedClock
) -> None:
    told_of(town)
    for number in range(10):
        (town.hanako if number % 2 else town.yuki).propose(
            town.yuki, name="山田太郎", address="taro@example.jp"
        )
    assert len(told_of(town)) == 10
    for spelling in (
        "taro@example.jp",
        "Taro@Example.jp",
    ):  # RFC 5321 §2.4: one mailbox
        answer = town.hanako.propose(town.yuki, name="山田太郎", address=spelling)
        assert (answer.status_code, told_of(town)) == (303, [])
    town.hanako.propose(town.yuki)
    assert [to for to, _ in told_of(town)] == ["yuki"]
    clock.advance(timedelta(days=1))
    town.hanako.log_in()
    town.hanako.propose(town.yuki, name="山田太郎", address="taro@example.jp")
    assert [to for to, _ in told_of(town)] == ["taro"]

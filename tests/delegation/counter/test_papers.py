"""A paper mandate: two staff enter it unseen by each other, and it becomes a grant or nothing does."""

import json
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date, timedelta
from typing import Any

import pytest
from sqlmodel import col, delete, select, update

from assurance import people
from assurance.database import connection_of
from assurance.people import NewProof
from assurance.person import Profile, new_id
from assurance.tables import IdentifierRow, ProofRow, ProtectionRow, RoleRow
from delegation import usability
from delegation.audit.tables import LeafRow
from delegation.counter import dual_entry
from delegation.counter.tables import AttestationRow, PaperEntryRow
from delegation.grant import GrantId
from delegation.tables import GrantRow, HoldRow
from delegation.usability import Usable
from tests.conftest import FixedClock
from tests.delegation.conftest import Town
from tests.delegation.counter.conftest import Clerk
from tests.delegation.test_acting import act, by_passkey, decider, question
from tests.delegation.test_records import number, records
from tests.idp.conftest import WardSystem

__all__ = ["decider"]

HANAKO, YUKI = ("田中花子", "1978-05-03"), ("田中由紀", "1988-05-03")


def paper(**changes: Any) -> dict[str, Any]:
    form: dict[str, Any] = {
        "number": "A-0001",
        "basis": "voluntary",
        "principal_name": HANAKO[0],
        "principal_birth": HANAKO[1],
        "delegate_name": YUKI[0],
        "delegate_birth": YUKI[1],
        "procedure": ["kaigo.nintei.renew", "kaigo.card.reissue"],
        "action": ["view", "draft", "file", "receive"],
        "last": "2027-01-31",
        "proof": "identity_document",
    }
    return form | changes


def enter(clerk: Clerk, **changes: Any) -> Any:
    return clerk.post("/counter/papers/new", **paper(**changes))


def made(town: Town) -> list[GrantRow]:
    with town.services.database.reading() as session:
        return list(session.exec(select(GrantRow)).all())


def refusals(town: Town) -> list[str]:
    with town.services.database.reading() as session:
        leaves = [json.loads(leaf.content) for leaf in session.exec(select(LeafRow)).all()]
    return [str(leaf["clear"]["code"]) for leaf in leaves if leaf["event"] == "counter:paper:refused"]


def usable(town: Town, grant: str) -> Usable | None:
    with town.services.database.reading() as session:
        ward, now = town.services.ward.code, town.services.clock.now()
        return usability.usable_of(connection_of(session), ward, [GrantId(grant)], now).get(GrantId(grant))


def without_channel(town: Town) -> None:
    with town.services.database.writing(town.services.ward.code) as unit:
        mine = (col(IdentifierRow.person) == town.hanako.person) & (col(IdentifierRow.kind) == "email")
        unit.session.exec(delete(IdentifierRow).where(mine))


def registered(town: Town, clerks: list[Clerk], **changes: Any) -> str:
    for clerk in clerks[:2]:
        assert enter(clerk, **changes).headers["location"] == "/counter/received"
    (grant,) = made(town)
    return grant.id


def test_what_two_staff_enter_alike_is_a_grant_with_their_attestation(
    town: Town, clerks: list[Clerk]
) -> None:
    assert enter(clerks[0]).status_code == 303
    assert made(town) == []
    spelt = {"number": "Ａ０００１", "principal_name": "田中\u3000花子"}
    assert enter(clerks[1], **spelt).status_code == 303
    (grant,) = made(town)
    assert (grant.state, grant.principal, grant.delegate) == ("active", town.hanako.person, town.yuki.person)
    assert usable(town, grant.id) is not None
    with town.services.database.reading() as session:
        attested = session.exec(select(AttestationRow)).one()
    assert (attested.by_one, attested.by_two) == (clerks[0].person, clerks[1].person)
    assert (attested.grant, attested.proof, attested.custody) == (grant.id, "identity_document", False)
    assert sorted(mail.to for mail in town.mail.sent[-2:]) == ["hanako@example.jp", "yuki@example.jp"]
    assert town.hanako.get(f"/grants/{grant.id}").status_code == 200
    number(town)
    assert "窓口に出された紙の委任状を、二人の職員が登録しました。" in records(town.hanako)
    assert "窓口に出された紙の委任状を、二人の職員が登録しました。" not in records(clerks[0])


def test_one_staff_member_alone_makes_no_grant(town: Town, clerks: list[Clerk]) -> None:
    for _ in range(3):
        assert enter(clerks[0]).status_code == 303
    assert made(town) == []
    enter(clerks[1])
    assert len(made(town)) == 1


DIFFERENT = {
    "basis": {"basis": "parent", "proof": "family_register"},
    "principal": {"principal_birth": "1978-05-04"},
    "delegate": {"delegate_name": "田中由美"},
    "procedures": {"procedure": ["kaigo.nintei.renew"]},
    "actions": {"action": ["view"]},
    "end": {"last": "2027-02-01"},
    "proof": {"proof": "seal_certificate"},
}


@pytest.mark.parametrize("what", DIFFERENT)
def test_unequal_entries_are_nothing_and_use_the_number_up(
    town: Town, clerks: list[Clerk], what: str
) -> None:
    first, second = enter(clerks[0]), enter(clerks[1], **DIFFERENT[what])
    assert (first.status_code, first.headers["location"]) == (second.status_code, second.headers["location"])
    for clerk in (clerks[2], clerks[0]):
        enter(clerk)
    assert (made(town), refusals(town)) == ([], ["paper.differs"])
    enter(clerks[0], number="A-2")
    enter(clerks[1], number="A-2")
    assert len(made(town)) == 1


def test_a_paper_works_once(town: Town, clerks: list[Clerk]) -> None:
    registered(town, clerks)
    for clerk in clerks:
        assert enter(clerk, number="a 0001").headers["location"] == "/counter/received"
    assert len(made(town)) == 1


def test_the_first_entry_is_sealed_and_lapses_after_a_week(
    town: Town, clerks: list[Clerk], clock: FixedClock
) -> None:
    enter(clerks[0])
    with town.services.database.reading() as session:
        (kept,) = session.exec(select(PaperEntryRow)).all()
    assert "花子".encode() not in (kept.entry or b"")
    assert "0001" not in kept.number.partition(":")[2][:4]
    clock.advance(timedelta(days=7))
    for clerk in clerks:
        clerk.log_in()
    enter(clerks[1])
    assert made(town) == []
    enter(clerks[0])
    assert len(made(town)) == 1


def test_a_mistake_is_mended_by_who_made_it_before_the_other_enters(town: Town, clerks: list[Clerk]) -> None:
    enter(clerks[0], last="2027-01-30")
    enter(clerks[0])
    enter(clerks[1])
    assert [grant.last for grant in made(town)] == ["2027-01-31"]


def impede(town: Town, who: str, how: str) -> None:
    person, ward, now = getattr(town, who).person, town.services.ward.code, town.services.clock.now()
    with town.services.database.writing(ward) as unit:
        match how:
            case "proof":
                unit.session.exec(update(ProofRow).where(col(ProofRow.person) == person).values(ends_at=now))
            case "protection":
                unit.session.add(ProtectionRow(ward=ward, person=person, since=now))
            case "hold":
                unit.session.add(
                    HoldRow(
                        ward=ward, id=new_id(), kind="person", target=person, cause="admin", placed_by="x",
                        placed_at=now,
                    )
                )  # fmt: skip
            case "namesake":
                profile = people.profile(unit.session, town.services.vault, ward, person)
                assert profile is not None
                other = people.create_person(unit, town.services.vault, now)
                proof = NewProof("counter_card", profile)
                people.record_proof(unit, town.services.vault, town.services.thresholds, other, proof, now)


@pytest.mark.parametrize("who", ["hanako", "yuki"])
@pytest.mark.parametrize("how", ["proof", "protection", "hold", "namesake"])
def test_the_desk_says_received_whatever_keeps_the_grant_from_being_made(
    town: Town, clerks: list[Clerk], who: str, how: str
) -> None:
    registered(town, clerks, number="before")
    impede(town, who, how)
    answers = [enter(clerk) for clerk in clerks[:2]]
    assert [answer.headers["location"] for answer in answers] == ["/counter/received"] * 2
    page = clerks[1].get("/counter/received")
    assert (page.status_code, page.text) == (200, clerks[2].get("/counter/received").text)
    assert len(made(town)) == 1
    assert refusals(town) == ["grant.unknown" if how == "namesake" else "grant.not_now"]


REFUSED = {
    "an unknown principal": ({"principal_name": "山田太郎"}, "grant.unknown"),
    "an unknown delegate": ({"delegate_name": "山田太郎"}, "grant.unknown"),
    "to oneself": ({"delegate_name": HANAKO[0], "delegate_birth": HANAKO[1]}, "grant.self"),
    "a past day": ({"last": "2026-11-23"}, "grant.past"),
    "too long": ({"last": "2027-02-24"}, "grant.too_long"),
    "never delegable": ({"procedure": ["inkan.register"]}, "grant.never"),
    "a parent of an adult": ({"basis": "parent", "proof": "family_register", "custody": "yes",
                              "procedure": ["juki.cert"]}, "grant.never"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_every_guard_of_a_grant_holds_for_paper_too(town: Town, clerks: list[Clerk], what: str) -> None:
    changes, code = REFUSED[what]
    for clerk in clerks[:2]:
        assert enter(clerk, **changes).headers["location"] == "/counter/received"
    assert (made(town), refusals(town)) == ([], [code])
    registered(town, clerks, number="A2")


@pytest.mark.parametrize("side", ["principal", "delegate"])
@pytest.mark.parametrize("which", [0, 1])
def test_neither_of_the_two_staff_is_a_party(town: Town, clerks: list[Clerk], side: str, which: int) -> None:
    births = ("1948-05-03", "1958-05-03", "1968-05-03")
    names = ("職員一郎", "職員二郎", "職員三郎")
    party = {f"{side}_name": names[which], f"{side}_birth": births[which]}
    for clerk in clerks[:2]:
        enter(clerk, **party)
    assert (made(town), refusals(town)) == ([], ["counter.party"])
    outsider = {f"{side}_name": names[2], f"{side}_birth": births[2]}
    registered(town, clerks, number="A2", **outsider)


def test_whose_role_ended_meanwhile_attested_nothing(town: Town, clerks: list[Clerk]) -> None:
    enter(clerks[0])
    with town.services.database.writing(town.services.ward.code) as unit:
        mine, now = col(RoleRow.person) == clerks[0].person, town.services.clock.now()
        unit.session.exec(update(RoleRow).where(mine).values(until=now))
    enter(clerks[1])
    assert (made(town), refusals(town)) == ([], ["counter.staff"])
    assert enter(clerks[0]).status_code == 404


UNREADABLE = {
    "no number": {"number": " "},
    "a number that is none": {"number": "第一号"},
    "no name": {"principal_name": ""},
    "no birth date": {"delegate_birth": "昭和"},
    "no end": {"last": ""},
    "nothing chosen": {"procedure": []},
    "no action": {"action": []},
    "a basis of no paper": {"basis": "guardian"},
    "no proof": {"proof": ""},
    "a proof that proves something else": {"proof": "family_register"},
    "custody without the register": {"basis": "parent", "proof": "residence_record", "custody": "yes"},
    "個人番号": {"principal_name": "123456789018"},
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_what_the_form_lacks_is_said_and_nothing_typed_is_lost(
    town: Town, clerks: list[Clerk], what: str
) -> None:
    answer = enter(clerks[0], **UNREADABLE[what])
    assert answer.status_code == 400
    assert 'value="田中由紀"' in answer.text
    with town.services.database.reading() as session:
        assert session.exec(select(PaperEntryRow)).all() == []
    assert enter(clerks[0]).status_code == 303


def test_what_was_typed_outlives_the_login_and_the_second_never_sees_what_the_first_entered(
    town: Town, clerks: list[Clerk], clock: FixedClock
) -> None:
    writer = re.search(r'name="writer" value="([^"]+)"', clerks[0].get("/counter/papers/new").text)
    assert writer is not None
    clock.advance(timedelta(hours=9))
    asked = enter(clerks[0], writer=writer[1])
    assert (asked.status_code, asked.headers["location"].startswith("/login?i=")) == (303, True)
    on_the_way = {name: cookie for name, cookie in clerks[0].http.cookies.items() if "-i-" in name}
    back = f"/counter/papers/new?kept={asked.headers['location'].rpartition('=')[2]}"
    for clerk, sees in ((clerks[1], False), (clerks[0], True)):
        clerk.log_in()
        for name, cookie in on_the_way.items():
            clerk.http.cookies.set(name, cookie, domain=town.services.ward.rp_id)
        page = clerk.get(back)
        assert (page.status_code, 'value="田中由紀"' in page.text) == (200, sees)
        assert (page.text.count(" checked") == 8) is sees  # basis, two procedures, four actions, proof
    assert enter(clerks[0]).status_code == 303


@pytest.mark.parametrize("path", ["", "/papers/new", "/children/new", "/letters"])
def test_whoever_is_not_logged_in_is_led_to_a_login(town: Town, clerks: list[Clerk], path: str) -> None:
    clerks[0].http.cookies.clear()
    asked = clerks[0].get(f"/counter{path}")
    assert (asked.status_code, "/login" in asked.headers["location"]) == (303, True)


def test_paper_is_for_staff_alone(town: Town, clerks: list[Clerk]) -> None:
    for path in ("/counter/papers/new", "/counter/received", "/counter/letters", "/counter/letters/x"):
        assert town.hanako.get(path).status_code == 404
    assert clerks[0].get("/counter/papers/new").status_code == 200
    assert town.hanako.post("/counter/papers/new", **paper()).status_code == 404
    assert town.hanako.post("/counter/papers/new").status_code == 404


def test_both_staff_enter_at_once(town: Town, clerks: list[Clerk], monkeypatch: pytest.MonkeyPatch) -> None:
    both, before = threading.Barrier(2), dual_entry._read
    waited = set[int]()

    def together(*arguments: Any) -> Any:
        read = before(*arguments)
        if threading.get_ident() not in waited:
            waited.add(threading.get_ident())
            with suppress(threading.BrokenBarrierError):  # on SQLite the second waits for the first's commit
                both.wait(timeout=1)
        return read

    monkeypatch.setattr(dual_entry, "_read", together)
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(enter, clerks[:2]))
    assert [answer.headers["location"] for answer in answers] == ["/counter/received"] * 2
    assert len(made(town)) == 1


def test_three_staff_at_once_make_one_grant(
    town: Town, clerks: list[Clerk], monkeypatch: pytest.MonkeyPatch
) -> None:
    enter(clerks[0])
    both, before = threading.Barrier(2), dual_entry._claim

    def together(*arguments: Any) -> Any:
        with suppress(threading.BrokenBarrierError):
            both.wait(timeout=1)
        return before(*arguments)

    monkeypatch.setattr(dual_entry, "_claim", together)
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(enter, clerks[1:]))
    assert [answer.headers["location"] for answer in answers] == ["/counter/received"] * 2
    assert len(made(town)) == 1


def test_without_a_channel_receiving_waits_for_the_letter_and_seven_days(
    town: Town, clerks: list[Clerk], clock: FixedClock, portal: WardSystem, decider: Callable[..., Any]
) -> None:
    without_channel(town)
    grant = registered(town, clerks)

    def decided(action: str) -> str:
        by_passkey(town)
        token = act(town, portal, grant)["access_token"]
        form = {"grant_type": "client_credentials", "scope": "decide"}
        fresh = {"authorization": f"Bearer {portal.post('/token', form).json()['access_token']}"}
        answer = decider(question(token, action=action), **fresh).json()
        return str(answer["context"]["reason"])

    by_passkey(town)
    offered = act(town, portal, grant)["authorization_details"][0]["actions"]
    assert offered == ["view", "draft", "file"]
    assert (decided("file"), decided("receive")) == ("allowed", "not_yet")
    letter = clerks[0].get(f"/counter/letters/{grant}").text
    assert "東京都渋谷区１－１" in letter
    assert "田中\u3000由紀さん" in letter
    assert f"/counter/letters/{grant}" in clerks[0].get("/counter/letters").text
    assert clerks[0].post(f"/counter/letters/{grant}/printed").status_code == 303
    assert f"/counter/letters/{grant}" not in clerks[0].get("/counter/letters").text
    assert clerks[0].post(f"/counter/letters/{grant}/printed").status_code == 404
    clock.advance(timedelta(days=7) - timedelta(seconds=1))
    assert decided("receive") == "not_yet"
    clock.advance(timedelta(seconds=1))
    assert decided("receive") == "allowed"
    town.hanako.log_in()
    number(town)
    assert "委任についてのお知らせの手紙を、あなたに送りました。" in records(town.hanako)


def test_with_a_channel_nothing_waits(
    town: Town, clerks: list[Clerk], portal: WardSystem, decider: Callable[..., Any]
) -> None:
    grant = registered(town, clerks)
    by_passkey(town)
    token = act(town, portal, grant)["access_token"]
    assert decider(question(token, action="receive")).json()["context"]["reason"] == "allowed"
    assert clerks[0].get(f"/counter/letters/{grant}").status_code == 404


def test_the_delegate_does_not_print_the_letter_herself(
    town: Town, clerks: list[Clerk], swapped: Callable[[str, str], None]
) -> None:
    without_channel(town)
    grant = registered(town, clerks)
    swapped(grant, clerks[2].person)
    assert clerks[2].get(f"/counter/letters/{grant}").status_code == 403
    assert clerks[2].post(f"/counter/letters/{grant}/printed").status_code == 403
    assert clerks[0].post(f"/counter/letters/{grant}/printed").status_code == 303


def test_a_lapsed_attestation_makes_the_grant_unusable(town: Town, clerks: list[Clerk]) -> None:
    grant, now = registered(town, clerks), town.services.clock.now()
    assert usable(town, grant) is not None
    for until, works in ((now + timedelta(seconds=1), True), (now, False)):
        with town.services.database.writing(town.services.ward.code) as unit:
            unit.session.exec(update(AttestationRow).values(attested_until=until))
        assert (usable(town, grant) is not None) == works


def test_a_changed_name_is_not_who_the_paper_means(town: Town, clerks: list[Clerk]) -> None:
    now = town.services.clock.now()
    with town.services.database.writing(town.services.ward.code) as unit:
        profile = Profile("佐藤\u3000花子", date(1978, 5, 3), "2", "東京都渋谷区１－１")
        people.record_proof(
            unit, town.services.vault, town.services.thresholds, town.hanako.person,
            NewProof("counter_card", profile), now + timedelta(seconds=1),
        )  # fmt: skip
    for clerk in clerks[:2]:
        enter(clerk)
    assert (made(town), refusals(town)) == ([], ["grant.unknown"])
    registered(town, clerks, number="A2", principal_name="佐藤花子")

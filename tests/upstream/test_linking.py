"""Adding the national app to one's account: logged in strongly, with one's own card, and no other way."""

import re
from datetime import date, timedelta
from typing import Any

import pytest
from sqlmodel import select
from starlette.testclient import TestClient

from assurance import people
from assurance.events import EventName
from assurance.evidence import EmailCode, Passkey
from assurance.identifiers import IdentifierKind, bind
from assurance.people import NewProof
from assurance.person import PersonId, Profile
from assurance.tables import IdentifierRow, ProofRow
from tests.conftest import FixedClock
from tests.delegation.conftest import Resident, Town
from tests.shipped import THRESHOLDS
from tests.upstream.conftest import (
    IN_FULL,
    National,
    brought_back,
    leaves,
    level_of,
    link,
    log_in,
    on_the_phone,
    path_of,
    query_of,
)


def added(town: Town) -> list[IdentifierRow]:
    with town.services.database.reading(town.services.ward.code) as session:
        chosen = select(IdentifierRow).where(IdentifierRow.kind == IdentifierKind.APP)
        return list(session.exec(chosen).all())


def person(town: Town, profile: Profile | None, addresses: tuple[str, ...] = ()) -> Resident:
    """Someone else, at a browser of their own, logged in by a passkey."""
    services = town.services
    with services.database.writing(services.ward.code) as unit:
        made = people.create_person(unit, services.vault, services.clock.now())
        if profile is not None:
            proof = NewProof("counter_card", profile)
            people.record_proof(unit, services.vault, services.thresholds, made, proof, services.clock.now())
        for address in addresses:
            bind(unit, services.vault, made, IdentifierKind.EMAIL, address, services.clock.now())
    http = TestClient(town.hanako.http.app, base_url=services.ward.origin, follow_redirects=False)
    who = Resident(PersonId(made), "", town.hanako.card, http, services)
    who.log_in(Passkey(services.clock.now(), user_verified=True, synced=True))
    return who


HANAKO = Profile("田中花子", date(1978, 5, 3), "2", "")


def test_a_resident_adds_her_app_and_every_address_of_hers_is_told(town: Town, clock: FixedClock) -> None:
    who = person(town, HANAKO, ("one@example.jp", "two@example.jp"))
    assert "まだ登録がありません" in who.get("/account").text
    assert link(who, "hanako").headers["location"] == "/account"
    page = who.get("/account").text
    assert "スマートフォンのアプリでログインできます。" in page
    assert 'action="/account/app/remove"' in page
    (row,) = added(town)
    assert (row.person, row.counts_from) == (who.person, clock.now() + THRESHOLDS.linked_at_home_waits)
    told = [(mail.to, mail.subject) for mail in town.mail.sent[-2:]]
    assert [to for to, _ in told] == ["one@example.jp", "two@example.jp"]
    assert all("デジタル認証アプリが登録されました" in subject for _, subject in told)
    assert leaves(town.services, EventName.APP_LINKED) == [{}]


def test_it_asks_for_what_must_be_equal_and_for_no_address(town: Town) -> None:
    out = town.hanako.post("/account/app").headers["location"]
    assert query_of(out)["scope"] == "openid name birthdate gender"


@pytest.mark.parametrize("phone", ["yuki", "namesake", "brother"])
def test_a_card_of_another_name_birth_date_or_sex_is_never_hers(town: Town, phone: str) -> None:
    told = link(town.hanako, phone)
    assert (told.status_code, "あなたのものと確かめられませんでした" in told.text) == (400, True)
    assert "区の窓口にご相談ください" in told.text
    assert 'href="/account/app"' in told.text
    assert (added(town), leaves(town.services, EventName.APP_LINKED)) == ([], [])
    assert leaves(town.services, EventName.UPSTREAM_REFUSED) == [{"code": "app.differs"}]


def test_who_is_proven_by_nothing_adds_nothing(town: Town, clock: FixedClock) -> None:
    assert "確かめられませんでした" in link(person(town, None), "hanako").text
    town.hanako.log_in()
    with town.services.database.writing(town.services.ward.code) as unit:
        for proof in unit.session.exec(select(ProofRow).where(ProofRow.person == town.hanako.person)):
            proof.ends_at = clock.now()
    assert "確かめられませんでした" in link(town.hanako, "hanako").text
    assert added(town) == []


def test_an_app_that_is_someone_elses_is_answered_like_one_of_another_name(town: Town) -> None:
    """Two people of one name and birth date, of whom the first added it."""
    assert link(town.hanako, "hanako").status_code == 303
    other = person(town, HANAKO)
    told = link(other, "hanako")
    assert (told.status_code, "あなたのものと確かめられませんでした" in told.text) == (400, True)
    assert [row.person for row in added(town)] == [town.hanako.person]


def test_adding_the_same_again_changes_nothing_and_frightens_nobody(town: Town, clock: FixedClock) -> None:
    link(town.hanako, "hanako")
    (before,), mails = added(town), len(town.mail.sent)
    clock.advance(timedelta(hours=1))
    town.hanako.log_in()
    assert link(town.hanako, "hanako").status_code == 303
    (after,) = added(town)
    assert (after.bound_at, after.counts_from) == (before.bound_at, before.counts_from)
    assert len(town.mail.sent) == mails


def test_a_second_one_needs_the_counter(town: Town, national: National) -> None:
    link(town.hanako, "hanako")
    national.sub = lambda client_id, phone: f"another-{client_id}"  # type: ignore[method-assign]
    told = link(town.hanako, "hanako")
    assert (told.status_code, "すでに別のデジタル認証アプリが登録" in told.text) == (400, True)
    assert len(added(town)) == 1


# Who may.


def test_nist_sp_800_63b_4_1_2_1_a_login_that_is_weak_or_old_adds_and_removes_nothing(
    town: Town, clock: FixedClock
) -> None:
    link(town.hanako, "hanako")
    who = town.hanako
    for weaken in (
        lambda: who.log_in(EmailCode(clock.now(), "m")),
        lambda: who.log_in(Passkey(clock.now(), user_verified=False, synced=True)),
        lambda: clock.advance(timedelta(minutes=21)),
        who.http.cookies.clear,
    ):
        who.log_in()
        weaken()
        for asked in (who.get("/account/app"), who.post("/account/app"), who.post("/account/app/remove")):
            assert asked.headers["location"].startswith("/login?i=")
    assert len(added(town)) == 1


def waiting(who: Resident, phone: str) -> str:
    """The page that would add it."""
    out = who.post("/account/app").headers["location"]
    return brought_back(who, on_the_phone(out, phone))


def test_a_login_that_grew_old_or_ended_on_the_way_adds_nothing(town: Town, clock: FixedClock) -> None:
    who = town.hanako
    for end in (
        lambda: clock.advance(timedelta(minutes=1, seconds=59)),
        lambda: who.http.cookies.delete(f"__Host-dairi-{town.services.ward.code}-login"),
    ):
        who.log_in()
        clock.advance(timedelta(minutes=19))
        done = waiting(who, "hanako")
        end()
        told = who.get(done)
        assert (told.status_code, 'href="/account/app"' in told.text) == (403, True)
        assert who.get(done).status_code == 400, "the answer was spent"
    assert added(town) == []


def test_whoever_logged_in_meanwhile_in_the_same_browser_gets_nothing(town: Town) -> None:
    """A shared PC: Hanako began, and another of her name and birth date is logged in when it comes back."""
    done = waiting(town.hanako, "hanako")
    other = person(town, HANAKO)
    name = f"__Host-dairi-{town.services.ward.code}-login"
    town.hanako.http.cookies.set(name, other.http.cookies[name], domain=town.services.ward.rp_id)
    assert town.hanako.get(done).status_code == 403
    assert added(town) == []


def test_an_answer_that_someone_was_lured_into_joins_nothing(town: Town) -> None:
    """Another of Hanako's name begins, and has Hanako confirm on her phone."""
    other = person(town, HANAKO)
    callback = path_of(on_the_phone(other.post("/account/app").headers["location"], "hanako"))
    done = town.hanako.get(callback).headers["location"]
    assert other.get(done).status_code == 400
    assert town.hanako.get(done).status_code == 400
    assert added(town) == []
    assert len(leaves(town.services, EventName.UPSTREAM_ANSWER_FOREIGN)) == 1


def test_a_foreign_page_begins_and_removes_nothing(town: Town) -> None:
    link(town.hanako, "hanako")
    for path in ("/account/app", "/account/app/remove", "/login/app"):
        refused = town.hanako.http.post(
            path, data={"i": "0" * 32}, headers={"origin": "https://evil.example"}
        )
        assert refused.status_code == 403, path
    assert len(added(town)) == 1


def test_who_says_no_on_the_phone_is_led_back_and_nothing_is_added(town: Town) -> None:
    told = link(town.hanako, "hanako", "no")
    assert (told.status_code, "とりやめになりました" in told.text) == (400, True)
    assert 'href="/account/app"' in told.text
    assert added(town) == []


@pytest.mark.parametrize(
    "told", [{"birthdate": "1978-05-03"}, {"gender": "female"}, {"name": None}, {"sub": "someone-else"}]
)
def test_attributes_that_cannot_be_read_add_nothing(
    town: Town, national: National, told: dict[str, Any]
) -> None:
    national.told = lambda said: said | told
    answer = link(town.hanako, "hanako")
    assert (answer.status_code, "確かめられませんでした" in answer.text, added(town)) == (400, True, [])


# And away again.


def test_removing_it_is_told_and_the_next_one_waits_anew(town: Town, clock: FixedClock) -> None:
    link(town.hanako, "hanako")
    clock.advance(THRESHOLDS.linked_at_home_waits)
    town.hanako.log_in()
    assert town.hanako.post("/account/app/remove").status_code == 303
    assert "登録が削除されました" in town.mail.sent[-1].subject
    assert added(town) == []
    assert town.hanako.post("/account/app/remove").status_code == 400
    link(town.hanako, "hanako")
    assert added(town)[0].counts_from == clock.now() + THRESHOLDS.linked_at_home_waits


def test_the_last_strong_way_in_stays(town: Town, clock: FixedClock) -> None:
    who = person(town, HANAKO)
    link(who, "hanako")
    clock.advance(THRESHOLDS.linked_at_home_waits)
    log_in(who, "hanako")
    assert level_of(who) == IN_FULL
    who.log_in(Passkey(clock.now(), user_verified=True, synced=True))
    for form in re.findall(r'name="id" value="(\w{32})"', who.get("/account").text):
        assert who.post("/account/passkeys/remove", id=form).status_code == 303
    log_in(who, "hanako")
    told = who.post("/account/app/remove")
    assert (told.status_code, "最後のログイン方法は削除できません" in told.text) == (400, True)
    assert len(added(town)) == 1


def test_one_reads_of_it_in_ones_own_records(town: Town, clock: FixedClock) -> None:
    link(town.hanako, "hanako")
    log_in(town.hanako, "hanako")
    page = town.hanako.get("/records").text
    assert "デジタル認証アプリを登録しました。" in page
    assert "デジタル認証アプリ" in page

"""Two staff register a resident by her card, or her renewed one; and every way in which it must not go."""

import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from sqlmodel import col, select, update
from starlette.testclient import TestClient

from assurance import counter, identifiers, people, roles
from assurance.events import EventName
from assurance.identifiers import IdentifierKind
from assurance.person import PersonId, Profile
from assurance.roles import Role
from assurance.tables import IdentifierRow
from card.certificates import read_certificate
from card.container import SigningPurpose
from card.dates import end_of, ward_day
from card.test_authority import TestAuthority
from card.virtual.card import VirtualCard
from delegation.counter.tables import CounterCardRow
from delegation.grant import HoldCause, HoldKind
from delegation.tables import HoldRow
from tests.conftest import FixedClock
from tests.delegation.conftest import Town
from tests.delegation.counter.conftest import Clerk
from tests.delegation.test_records import number, records
from tests.idp.linking import Municipality, by_passkey, municipality
from tests.idp.steps import bring, link_answer
from tests.idp.test_answers import leaves, without_lists

__all__ = ["municipality"]

BORN = date(1948, 5, 3)


def asked_for(clerk: Clerk, language: str = "ja") -> str:
    return clerk.request_of(clerk.post("/counter/cards/new", language=language))


def brought(clerk: Clerk, jws: str, card: VirtualCard) -> Any:
    """What the bridge brings into the staff member's browser."""
    return clerk.get(bring(clerk, link_answer(clerk, jws, card)).headers["location"])


def read(clerk: Clerk, card: VirtualCard) -> str:
    """The page of a card that was read."""
    answer = brought(clerk, asked_for(clerk), card)
    assert answer.status_code == 303, answer.text
    page: str = answer.headers["location"]
    assert re.fullmatch(r"/counter/cards/[0-9a-f]{32}", page)
    return page


def choose(clerk: Clerk, page: str, choice: str, **form: Any) -> Any:
    return clerk.post(f"{page}/choose", choice=choice, **form)


def entered(clerk: Clerk, card: VirtualCard, choice: str = "new", **form: Any) -> str:
    """The page of a card that waits for its second staff member."""
    page = read(clerk, card)
    assert choose(clerk, page, choice, **form).headers["location"] == page
    return page


def owner(town: Town, card: VirtualCard) -> PersonId | None:
    """Whose card it is now, by both of its certificates."""
    services, contents = town.services, card.contents
    assert contents.signature_certificate is not None
    kinds = (
        (IdentifierKind.CARD_AUTHENTICATION, contents.authentication_certificate),
        (IdentifierKind.CARD_SIGNATURE, contents.signature_certificate),
    )
    with services.database.reading() as session:
        ward, vault = services.ward.code, services.vault
        (found,) = {
            identifiers.find_person(session, vault, ward, kind, read_certificate(der).identity)
            for kind, der in kinds
        }
    return found


def known(town: Town, name: str, born: date = BORN) -> list[PersonId]:
    services = town.services
    with services.database.reading() as session:
        return list(people.named(session, services.vault, services.ward.code, name, born))


def rows(town: Town) -> list[CounterCardRow]:
    with town.services.database.reading() as session:
        return list(session.exec(select(CounterCardRow)).all())


def other_browser(clerk: Clerk) -> Clerk:
    http = TestClient(clerk.http.app, base_url=clerk.services.ward.origin, follow_redirects=False)
    made = replace(clerk, http=http)
    made.log_in()
    return made


@pytest.fixture
def newcomer(cards: dict[str, VirtualCard]) -> VirtualCard:
    """The card of somebody whom the ward does not know."""
    return cards["佐藤桜"]


@pytest.fixture
def renewed(town: Town, municipality: Municipality) -> VirtualCard:
    return municipality.renew(town.hanako.card)


def test_two_staff_register_a_resident_who_then_is_known_by_her_card(
    town: Town, clerks: list[Clerk], newcomer: VirtualCard
) -> None:
    first, second = clerks[:2]
    page = read(first, newcomer)
    shown = first.get(page).text
    for says in ("佐藤\u3000桜", "東京都渋谷区１－１", "女", "初めて登録する人"):
        assert says in shown
    assert choose(first, page, "new").headers["location"] == page
    assert owner(town, newcomer) is None
    assert f'href="{page}"' in second.get("/counter").text
    assert "佐藤\u3000桜" in second.get(page).text
    sent = len(town.mail.sent)
    assert second.post(f"{page}/confirm").headers["location"] == "/counter/cards/done"
    assert second.get("/counter/cards/done").status_code == 200
    person = owner(town, newcomer)
    assert person is not None
    services = town.services
    with services.database.reading() as session:
        (proof,) = people.proofs_of(session, services.ward.code, person)
        profile = people.profile(session, services.vault, services.ward.code, person)
    assert (proof.method, profile) == (
        "counter_card", Profile("佐藤\u3000桜", date(1948, 5, 3), "2", "東京都渋谷区１－１")
    )  # fmt: skip
    assert (rows(town), len(town.mail.sent)) == ([], sent)
    (leaf,) = leaves(services, EventName.COUNTER_CARD_CONFIRMED)
    assert leaf["clear"] == {"new": True, "by_eye": False}


def test_a_renewed_card_takes_the_place_of_the_one_before_and_she_hears_of_it(
    town: Town, clerks: list[Clerk], renewed: VirtualCard
) -> None:
    hanako, sent = town.hanako, len(town.mail.sent)
    page = entered(clerks[0], renewed, hanako.person)
    assert "前に登録したカードは、使えなくなります" in clerks[1].get(page).text
    assert clerks[1].post(f"{page}/confirm").status_code == 303
    assert (owner(town, renewed), owner(town, hanako.card)) == (hanako.person, None)
    (mail,) = town.mail.sent[sent:]
    assert (mail.to, "窓口でマイナンバーカードが登録されました" in mail.subject) == (hanako.address, True)
    number(town)
    by_passkey(hanako)
    told = records(hanako)
    assert "窓口で、職員二人があなたのカードを確認して登録しました。" in told
    assert any("職員があなたの名前、生年月日、性別、住所を見ました" in said for said in told)


@pytest.mark.parametrize(("language", "says"), [("ja", "わたしのものとして登録"), ("en", "as mine")])
def test_the_resident_signs_in_her_language_what_she_asks_for(
    clerks: list[Clerk], language: str, says: str
) -> None:
    asked = clerks[0].shown_to(clerks[0].post("/counter/cards/new", language=language))
    assert says in asked.text[language]
    assert str(asked.to_be_signed.claims()["purpose"]) == SigningPurpose.LINK


def test_for_anybody_but_staff_there_are_no_such_pages(
    town: Town, clerks: list[Clerk], newcomer: VirtualCard
) -> None:
    page = entered(clerks[0], newcomer)
    for path in ("/counter/cards/new", "/counter/cards/done", page):
        assert town.hanako.get(path).status_code == 404
    for path in ("/counter/cards/new", f"{page}/choose", f"{page}/confirm", f"{page}/drop"):
        assert town.hanako.post(path).status_code == 404
    assert (owner(town, newcomer), len(rows(town))) == (None, 1)


def test_one_staff_member_alone_registers_nobody(
    town: Town, clerks: list[Clerk], newcomer: VirtualCard
) -> None:
    page = entered(clerks[0], newcomer)
    shown = clerks[0].get(page)
    assert (shown.status_code, "/confirm" in shown.text) == (200, False)
    assert clerks[0].post(f"{page}/confirm").status_code == 403
    assert other_browser(clerks[0]).post(f"{page}/confirm").status_code == 403
    assert owner(town, newcomer) is None


def test_what_the_first_has_not_chosen_is_nothing_to_the_second(
    town: Town, clerks: list[Clerk], newcomer: VirtualCard
) -> None:
    page = read(clerks[0], newcomer)
    assert page not in clerks[1].get("/counter").text
    assert clerks[1].get(page).status_code == 404
    for step in ("choose", "confirm", "drop"):
        assert clerks[1].post(f"{page}/{step}", choice="new").status_code == 404
    assert clerks[0].post(f"{page}/confirm").status_code == 404
    assert owner(town, newcomer) is None


@pytest.mark.parametrize("renews", [False, True])
def test_nobody_has_their_own_card_read(
    town: Town, clerks: list[Clerk], municipality: Municipality, renews: bool
) -> None:
    """Their renewed one neither, which only name and birth date tell."""
    card = municipality.renew(clerks[0].card) if renews else clerks[0].card
    assert brought(clerks[0], asked_for(clerks[0]), card).status_code == 403
    refused = leaves(town.services, EventName.CARD_LINKING_REFUSED)
    assert [leaf["clear"] for leaf in refused] == [{"code": "counter.self"}]
    assert [row.card for row in rows(town)] == [None]


@pytest.mark.parametrize("choice", ["known", "new"])
def test_nobody_confirms_their_own_card_nor_that_they_are_not_its_holder(
    town: Town, clerks: list[Clerk], municipality: Municipality, choice: str
) -> None:
    first, second, third = clerks
    card = municipality.renew(second.card)
    chosen = {"choice": "new", "not_this": [second.person]} if choice == "new" else {"choice": second.person}
    page = entered(first, card, **chosen)
    assert second.get(page).status_code == 403
    assert second.post(f"{page}/confirm").status_code == 403
    assert second.post(f"{page}/drop").status_code == 403
    assert owner(town, card) is None
    assert third.post(f"{page}/confirm").status_code == 303
    assert (owner(town, card) == second.person) is (choice == "known")


def test_a_staff_member_takes_no_card_in_their_earlier_name(
    town: Town, clerks: list[Clerk], municipality: Municipality
) -> None:
    card = municipality.renew(clerks[0].card, name="結婚\u3000一郎")
    page = read(clerks[0], card)
    own = {"before_name": "職員一郎", "before_birth": BORN.isoformat()}
    assert choose(clerks[0], page, "renamed", **own).status_code == 403
    assert [row.choice for row in rows(town)] == [None]


def end_role(town: Town, person: PersonId) -> None:
    services = town.services
    with services.database.writing(services.ward.code) as unit:
        assert roles.end(unit, person, Role.STAFF, services.clock.now())


def hold(town: Town, person: PersonId) -> None:
    services = town.services
    with services.database.writing(services.ward.code) as unit:
        row = HoldRow(
            ward=unit.ward,
            id="0" * 32,
            kind=HoldKind.PERSON,
            target=person,
            cause=HoldCause.ADMIN,
            placed_by=person,
            placed_at=services.clock.now(),
        )
        unit.session.add(row)


@pytest.mark.parametrize("stop", [end_role, hold])
@pytest.mark.parametrize(("who", "status"), [(0, 403), (1, 404)])
def test_who_is_staff_no_more_or_held_registers_nobody(
    town: Town, clerks: list[Clerk], newcomer: VirtualCard, stop: Callable[..., None], who: int, status: int
) -> None:
    page = entered(clerks[0], newcomer)
    stop(town, clerks[who].person)
    assert clerks[1].post(f"{page}/confirm").status_code == status
    assert (owner(town, newcomer), len(rows(town))) == (None, 1)


def test_the_second_is_asked_for_a_fresh_login(
    town: Town, clerks: list[Clerk], newcomer: VirtualCard, clock: FixedClock
) -> None:
    page = entered(clerks[0], newcomer)
    clock.advance(timedelta(minutes=21))
    asked = clerks[1].post(f"{page}/confirm")
    assert (asked.status_code, "/login?i=" in asked.headers["location"]) == (303, True)
    assert owner(town, newcomer) is None
    clerks[1].log_in()
    assert clerks[1].post(f"{page}/confirm").headers["location"] == "/counter/cards/done"


TAMPERED = {
    "nothing": {},
    "a made-up choice": {"choice": "0" * 32},
    "another word": {"choice": "known"},
    "somebody else": {"choice": "yuki"},
    "a namesake left out": {"choice": "new"},
    "a namesake too many": {"choice": "new", "not_this": ["hanako", "yuki"]},
    "an earlier name of nobody": {
        "choice": "renamed", "before_name": "田中桃子", "before_birth": BORN.isoformat()
    },
    "another birth date": {"choice": "renamed", "before_name": "田中由紀", "before_birth": "1988-05-03"},
    "no birth date": {"choice": "renamed", "before_name": "田中由紀", "before_birth": "x"},
    "two choices": {"choice": ["new", "hanako"]},
}  # fmt: skip


@pytest.mark.parametrize("what", TAMPERED)
def test_a_form_that_says_what_cannot_be_is_refused(
    town: Town, clerks: list[Clerk], renewed: VirtualCard, what: str
) -> None:
    ids = {"hanako": town.hanako.person, "yuki": town.yuki.person}

    def named(value: Any) -> Any:
        return [ids.get(one, one) for one in value] if isinstance(value, list) else ids.get(value, value)

    page = read(clerks[0], renewed)
    form = {name: named(value) for name, value in TAMPERED[what].items()}
    assert clerks[0].post(f"{page}/choose", **form).status_code == 400
    assert [row.choice for row in rows(town)] == [None]
    assert clerks[1].post(f"{page}/confirm").status_code == 404


def test_another_browser_that_brings_the_answer_gets_nothing(
    town: Town, clerks: list[Clerk], newcomer: VirtualCard
) -> None:
    for other in (clerks[1], other_browser(clerks[0])):
        jws = asked_for(clerks[0])
        where = bring(other, link_answer(clerks[0], jws, newcomer)).headers["location"]
        assert other.get(where).status_code == 400
        assert clerks[0].get(where).status_code == 400
    assert [row.card for row in rows(town)] == [None, None]


def test_an_answer_in_a_colleagues_login_is_refused(
    town: Town, clerks: list[Clerk], newcomer: VirtualCard
) -> None:
    """The browser is the one that asked; who is logged in there is not."""
    shared = clerks[0]
    jws = asked_for(shared)
    where = bring(shared, link_answer(shared, jws, newcomer)).headers["location"]
    kept = [cookie for cookie in shared.http.cookies.jar if not cookie.name.endswith("-login")]
    colleague = replace(shared, person=clerks[1].person)
    colleague.log_in()
    for cookie in kept:
        shared.http.cookies.jar.set_cookie(cookie)
    assert colleague.get(where).status_code == 404
    assert [row.card for row in rows(town)] == [None]


def test_a_replayed_answer_and_a_replayed_confirmation_do_nothing(
    town: Town, clerks: list[Clerk], newcomer: VirtualCard
) -> None:
    jws = asked_for(clerks[0])
    form = link_answer(clerks[0], jws, newcomer)
    where = bring(clerks[0], form).headers["location"]
    page = clerks[0].get(where).headers["location"]
    assert clerks[0].get(where).status_code == 400
    assert bring(clerks[0], form).status_code == 400
    assert choose(clerks[0], page, "new").status_code == 303
    assert choose(clerks[0], page, "new").status_code == 404
    assert clerks[1].post(f"{page}/confirm").status_code == 303
    for step in ("confirm", "drop"):
        assert clerks[1].post(f"{page}/{step}").status_code == 404
    assert len(known(town, "佐藤桜", date(1948, 5, 3))) == 1


def test_a_card_that_is_somebodys_is_nobody_elses(
    town: Town, clerks: list[Clerk], municipality: Municipality
) -> None:
    """Neither a namesake's, nor anybody's whose earlier name it would be, nor somebody's who is new."""
    page = read(clerks[0], town.hanako.card)
    shown = clerks[0].get(page).text
    assert 'value="new"' not in shown
    assert 'value="renamed"' not in shown
    for form in (
        {"choice": "new"},
        {"choice": "new", "not_this": [town.hanako.person]},
        {"choice": "renamed", "before_name": "職員三郎", "before_birth": "1968-05-03"},
    ):
        assert clerks[0].post(f"{page}/choose", **form).status_code == 400
    assert choose(clerks[0], page, town.hanako.person).status_code == 303
    assert clerks[1].post(f"{page}/confirm").status_code == 303
    assert owner(town, town.hanako.card) == town.hanako.person


def test_a_card_that_ended_is_nobody_elses(town: Town, clerks: list[Clerk], renewed: VirtualCard) -> None:
    old = town.hanako.card
    assert clerks[1].post(f"{entered(clerks[0], renewed, town.hanako.person)}/confirm").status_code == 303
    page = read(clerks[0], old)
    refused = choose(clerks[0], page, "new", not_this=[town.hanako.person])
    assert (refused.status_code, owner(town, old)) == (400, None)


def test_a_card_that_became_somebodys_meanwhile_is_refused(
    town: Town, clerks: list[Clerk], renewed: VirtualCard
) -> None:
    """Two entries say that it is two people's; the second one is judged by what is so then."""
    new = entered(clerks[0], renewed, "new", not_this=[town.hanako.person])
    hers = entered(clerks[0], renewed, town.hanako.person)
    assert clerks[1].post(f"{hers}/confirm").status_code == 303
    assert clerks[1].post(f"{new}/confirm").status_code == 400
    assert known(town, "田中花子", date(1978, 5, 3)) == [town.hanako.person]
    assert owner(town, renewed) == town.hanako.person


def test_a_namesake_who_came_meanwhile_is_looked_at_first(
    town: Town, clerks: list[Clerk], renewed: VirtualCard, municipality: Municipality
) -> None:
    first = entered(clerks[0], renewed, "new", not_this=[town.hanako.person])
    other = entered(clerks[0], municipality.renew(town.hanako.card), "new", not_this=[town.hanako.person])
    assert clerks[1].post(f"{other}/confirm").status_code == 303
    assert clerks[1].post(f"{first}/confirm").status_code == 400
    assert len(known(town, "田中花子", date(1978, 5, 3))) == 2
    assert owner(town, renewed) is None


def test_a_namesake_is_a_new_person_where_both_say_so(
    town: Town, clerks: list[Clerk], renewed: VirtualCard
) -> None:
    page = entered(clerks[0], renewed, "new", not_this=[town.hanako.person])
    assert "同じ名前と生年月日の別の人" in clerks[1].get(page).text
    assert clerks[1].post(f"{page}/confirm").status_code == 303
    assert owner(town, renewed) not in {None, town.hanako.person}
    assert owner(town, town.hanako.card) == town.hanako.person


def test_another_name_is_linked_by_eye_alone_and_both_are_told(
    town: Town, clerks: list[Clerk], municipality: Municipality
) -> None:
    card = municipality.renew(town.hanako.card, name="佐藤\u3000花子")
    page = read(clerks[0], card)
    assert choose(clerks[0], page, town.hanako.person).status_code == 400
    before = {"before_name": "田中花子", "before_birth": "1978-05-03"}
    assert choose(clerks[0], page, "renamed", **before).status_code == 303
    for clerk in clerks[:2]:
        assert "カードの名前は、登録の名前と違います" in clerk.get(page).text
    assert clerks[1].post(f"{page}/confirm").status_code == 303
    assert owner(town, card) == town.hanako.person
    (leaf,) = leaves(town.services, EventName.COUNTER_CARD_CONFIRMED)
    assert leaf["clear"] == {"new": False, "by_eye": True}


def test_a_person_who_cannot_be_told_from_another_is_not_found_by_an_earlier_name(
    town: Town, clerks: list[Clerk], renewed: VirtualCard, municipality: Municipality
) -> None:
    page = entered(clerks[0], renewed, "new", not_this=[town.hanako.person])
    assert clerks[1].post(f"{page}/confirm").status_code == 303
    page = read(clerks[0], municipality.renew(town.hanako.card, name="佐藤\u3000花子"))
    before = {"before_name": "田中花子", "before_birth": "1978-05-03"}
    assert choose(clerks[0], page, "renamed", **before).status_code == 400


def test_it_waits_for_the_rest_of_the_ward_day(
    town: Town, clerks: list[Clerk], newcomer: VirtualCard, clock: FixedClock
) -> None:
    page = entered(clerks[0], newcomer)
    clock.advance(end_of(ward_day(clock.now())) - clock.now() - timedelta(seconds=1))
    for clerk in clerks:
        clerk.log_in()
    assert clerks[1].get(page).status_code == 200
    clock.advance(timedelta(seconds=1))
    assert page not in clerks[1].get("/counter").text
    assert clerks[1].get(page).status_code == 404
    for step in ("confirm", "drop"):
        assert clerks[1].post(f"{page}/{step}").status_code == 404
    assert owner(town, newcomer) is None


@pytest.mark.parametrize("who", [0, 1])
def test_either_may_drop_it(town: Town, clerks: list[Clerk], newcomer: VirtualCard, who: int) -> None:
    page = entered(clerks[0], newcomer)
    assert clerks[who].post(f"{page}/drop").headers["location"] == "/counter"
    assert clerks[1].post(f"{page}/confirm").status_code == 404
    assert (rows(town), owner(town, newcomer)) == ([], None)
    assert len(leaves(town.services, EventName.COUNTER_CARD_DROPPED)) == 1


def test_a_revoked_card_is_refused_and_one_of_unknown_status_waits(
    town: Town,
    clerks: list[Clerk],
    renewed: VirtualCard,
    municipality: Municipality,
    authority: TestAuthority,
) -> None:
    where = bring(clerks[0], link_answer(clerks[0], asked_for(clerks[0]), renewed)).headers["location"]
    with without_lists(authority):
        assert clerks[0].get(where).status_code == 503
    assert clerks[0].get(where).status_code == 303
    municipality.take_in(renewed)
    authority.publish_crls(town.services.clock.now())
    refused = brought(clerks[0], asked_for(clerks[0]), renewed)
    assert (refused.status_code, "失効" in refused.text) == (400, True)


def test_what_waits_is_sealed(town: Town, clerks: list[Clerk], newcomer: VirtualCard) -> None:
    entered(clerks[0], newcomer)
    (row,) = rows(town)
    assert row.card is not None
    assert row.choice is not None
    kept = row.card + row.choice
    contents = newcomer.contents
    for told in ("佐藤".encode(), contents.authentication_certificate[:64], b"signed", b"person"):
        assert told not in kept


def test_what_waits_stays_where_it_was_put(
    town: Town, clerks: list[Clerk], newcomer: VirtualCard, renewed: VirtualCard
) -> None:
    """Whoever writes to the database moves no card under another's choice."""
    entered(clerks[0], newcomer)
    page = entered(clerks[0], renewed, town.hanako.person)
    one, two = sorted(rows(town), key=lambda row: row.id == page.rpartition("/")[2])
    assert one.card is not None
    with town.services.database.writing(town.services.ward.code) as unit:
        mine = update(CounterCardRow).where(col(CounterCardRow.id) == two.id)
        unit.session.exec(mine.values(card=one.card))
    quiet = TestClient(
        clerks[1].http.app,
        base_url=town.services.ward.origin,
        follow_redirects=False,
        raise_server_exceptions=False,
    )
    second = replace(clerks[1], http=quiet)
    second.log_in()
    assert second.post(f"{page}/confirm").status_code == 500
    assert owner(town, newcomer) is None


def test_of_two_confirmations_at_once_one_counts(
    town: Town, clerks: list[Clerk], newcomer: VirtualCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, both, before = entered(clerks[0], newcomer), threading.Barrier(2), counter.register

    def together(*arguments: Any, **named: Any) -> PersonId:
        with suppress(threading.BrokenBarrierError):  # whoever comes second waits for the first's commit
            both.wait(timeout=1)
        return before(*arguments, **named)

    monkeypatch.setattr(counter, "register", together)
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda clerk: clerk.post(f"{page}/confirm"), clerks[1:]))
    assert sorted(answer.status_code for answer in answers) == [303, 404]
    assert len(known(town, "佐藤桜", date(1948, 5, 3))) == 1
    with town.services.database.reading() as session:
        held = session.exec(select(IdentifierRow).where(IdentifierRow.person == owner(town, newcomer))).all()
    assert len(held) == 2

"""Taking an account over with a genuine card: a namesake's, a daughter's, a thief's; and with old answers."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import col, select, update

from assurance.evidence import EmailCode, Passkey
from assurance.tables import IdentifierRow
from card.certificates import Purpose
from card.linking import link_on
from card.virtual.card import VirtualCard
from card.virtual.holder import lay_down, sign_as_holder
from tests.conftest import FixedClock
from tests.delegation.conftest import Town
from tests.idp.linking import Municipality, by_passkey, municipality
from tests.idp.steps import asked_of_card, asked_to_link, at_bridge, begun, bring, link, link_answer
from tests.idp.test_answers import cookies_named

__all__ = ["municipality"]


def linked_cards(town: Town) -> list[tuple[str, str]]:
    """Every card that leads to somebody, and to whom."""
    live = col(IdentifierRow.kind).like("card%"), col(IdentifierRow.ended_at).is_(None)
    with town.services.database.reading() as session:
        return sorted((row.mac, row.person) for row in session.exec(select(IdentifierRow).where(*live)).all())


@pytest.fixture
def renewed(town: Town, municipality: Municipality) -> VirtualCard:
    """Hanako's new card; the one before was handed in, and she is logged in by passkey."""
    municipality.take_in(town.hanako.card)
    by_passkey(town.hanako)
    return municipality.renew(town.hanako.card)


def test_a_daughters_card_in_her_mothers_open_session_is_not_linked(
    town: Town, renewed: VirtualCard, municipality: Municipality
) -> None:
    del renewed
    before = linked_cards(town)
    for card in (municipality.renew(town.yuki.card), town.yuki.card):
        refused = link(town.hanako, card)
        assert (refused.status_code, "登録されている内容と違います" in refused.text) == (403, True)
    assert linked_cards(town) == before


def test_a_card_that_is_somebodys_is_not_linked_to_their_namesake_nor_told_whose_it_is(
    town: Town, renewed: VirtualCard
) -> None:
    link(town.hanako, renewed)
    hers = col(IdentifierRow.person) == town.hanako.person, col(IdentifierRow.kind).like("card%")
    with town.services.database.writing(town.services.ward.code) as unit:
        unit.session.exec(update(IdentifierRow).where(*hers).values(person=town.yuki.person))
    by_passkey(town.hanako)
    before = linked_cards(town)
    refused = link(town.hanako, renewed)
    assert (refused.status_code, "このカードは、ここでは登録できません" in refused.text) == (403, True)
    assert "由紀" not in refused.text
    assert linked_cards(town) == before


def test_a_namesakes_card_in_a_session_that_was_left_open_waits_and_is_told_of(
    town: Town, renewed: VirtualCard, clock: FixedClock
) -> None:
    """What name and birth date cannot tell apart she can, for 72 hours, and every channel hears of it."""
    before = len(town.mail.sent)
    assert link(town.hanako, renewed).status_code == 303
    assert [mail.to for mail in town.mail.sent[before:]] == [town.hanako.address]
    clock.advance(timedelta(hours=71))
    by_passkey(town.hanako)
    assert town.hanako.post("/account/card/withdraw").status_code == 303
    assert not [row for row in linked_cards(town) if row[1] == town.hanako.person]


@pytest.mark.parametrize("by", ["a passkey", "the first card"])
def test_a_second_live_card_is_not_linked_at_home_by_whatever_login(
    town: Town, municipality: Municipality, by: str
) -> None:
    if by == "a passkey":
        by_passkey(town.hanako)
    before = linked_cards(town)
    assert link(town.hanako, municipality.renew(town.hanako.card)).status_code == 403
    assert linked_cards(town) == before


def test_a_stolen_mailbox_links_nothing(town: Town, renewed: VirtualCard, clock: FixedClock) -> None:
    del renewed
    mac = town.services.vault.mac(town.services.ward.code, "email", town.hanako.address)
    town.hanako.log_in(EmailCode(clock.now(), mac))
    assert begun(town.hanako.post("/account/card"))
    assert begun(town.hanako.get("/account/card"))


def test_a_recovered_passkey_links_nothing_within_72_hours(
    town: Town, renewed: VirtualCard, clock: FixedClock
) -> None:
    del renewed
    later = clock.now() + timedelta(hours=72)
    town.hanako.log_in(Passkey(clock.now(), user_verified=True, synced=True, counts_from=later))
    for path in ("/account/card", "/account/card/withdraw"):
        assert begun(town.hanako.post(path))


def _general(*containers: str) -> str:
    each = [json.loads(container) for container in containers]
    payload, *_ = [one.pop("payload") for one in each]
    return json.dumps({"payload": payload, "signatures": each})


def _pair(card: VirtualCard, asked: Any) -> list[str]:
    contents = card.contents
    secrets = bytearray(contents.pin.value), bytearray(contents.password.value)
    return [one.to_json() for one in link_on(lay_down(card), asked.to_be_signed, *secrets)]


def _swapped(pair: list[str]) -> str:
    """Each signature beside the other's certificate."""
    first, second = (json.loads(one) for one in pair)
    first["header"], second["header"] = second["header"], first["header"]
    return _general(json.dumps(first), json.dumps(second))


def _unnamed(card: VirtualCard, asked: Any) -> list[str]:
    """Over the provider's bytes as they are."""
    return [sign_as_holder(card, asked.to_be_signed, purpose).to_json() for purpose in reversed(Purpose)]


ANSWERS: dict[str, Callable[[VirtualCard, VirtualCard, Any], str]] = {
    "the first twice": lambda hers, _, asked: _general(*[_pair(hers, asked)[0]] * 2),
    "the second twice": lambda hers, _, asked: _general(*[_pair(hers, asked)[1]] * 2),
    "the first alone": lambda hers, _, asked: _pair(hers, asked)[0],
    "in the other order": lambda hers, _, asked: _general(*reversed(_pair(hers, asked))),
    "two cards": lambda hers, other, asked: _general(_pair(hers, asked)[0], _pair(other, asked)[1]),
    "two cards, the other way": lambda hers, other, asked: _general(
        _pair(other, asked)[0], _pair(hers, asked)[1]
    ),
    "certificates swapped": lambda hers, _, asked: _swapped(_pair(hers, asked)),
    "certificates not named": lambda hers, _, asked: _general(*_unnamed(hers, asked)),
}


@pytest.mark.parametrize("answered", ANSWERS)
def test_no_answer_links_but_that_of_one_card_with_both_keys(
    town: Town, renewed: VirtualCard, municipality: Municipality, answered: str
) -> None:
    jws, before = asked_to_link(town.hanako), linked_cards(town)
    asked, other = at_bridge(town.services, jws), municipality.renew(renewed)
    brought = bring(
        town.hanako, {"state": asked.state, "container": ANSWERS[answered](renewed, other, asked)}
    )
    answer = town.hanako.get(brought.headers["location"]) if brought.status_code == 303 else brought
    assert answer.status_code == 400, answer.text
    good = bring(town.hanako, link_answer(town.hanako, jws, renewed))
    assert (good.status_code, linked_cards(town)) == (400, before)  # the request was burnt
    assert link(town.hanako, renewed).status_code == 303


def test_an_old_answer_links_nothing_again(town: Town, renewed: VirtualCard) -> None:
    form = link_answer(town.hanako, asked_to_link(town.hanako), renewed)
    done = bring(town.hanako, form).headers["location"]
    assert town.hanako.get(done).status_code == 303
    assert town.hanako.post("/account/card/withdraw").status_code == 303
    before = linked_cards(town)
    assert town.hanako.get(done).status_code == 400
    assert bring(town.hanako, form).status_code == 400
    again = at_bridge(town.services, asked_to_link(town.hanako))
    brought = bring(town.hanako, form | {"state": again.state})
    assert town.hanako.get(brought.headers["location"]).status_code == 400
    assert linked_cards(town) == before


def test_what_was_signed_to_link_a_card_logs_nobody_in(town: Town, renewed: VirtualCard) -> None:
    """Neither the whole answer, nor the half of it that the authentication key signed."""
    halves = _pair(renewed, at_bridge(town.services, asked_to_link(town.hanako)))
    assert link(town.hanako, renewed).status_code == 303
    town.hanako.http.cookies.clear()
    for container in (_general(*halves), *halves):
        i = begun(town.hanako.get("/account"))
        state = at_bridge(town.services, asked_of_card(town.hanako, i)).state
        brought = bring(town.hanako, {"state": state, "container": container})
        answer = town.hanako.get(brought.headers["location"]) if brought.status_code == 303 else brought
        assert answer.status_code == 400
        assert town.hanako.get("/account").status_code == 303


def test_what_was_signed_to_log_in_links_no_card(town: Town, renewed: VirtualCard) -> None:
    state = at_bridge(town.services, asked_to_link(town.hanako)).state
    before, i = linked_cards(town), begun(town.hanako.get("/account/raise"))
    login = at_bridge(town.services, asked_of_card(town.hanako, i))
    container = sign_as_holder(renewed, login.to_be_signed, Purpose.AUTHENTICATION).to_json()
    assert bring(town.hanako, {"state": state, "container": container}).status_code == 400
    assert linked_cards(town) == before


def test_an_answer_is_taken_in_the_browser_and_by_the_person_that_asked_for_it(
    town: Town, renewed: VirtualCard
) -> None:
    """An attacker sends the genuine link on to her bridge; or she leaves, and Yuki logs in meanwhile."""
    before = linked_cards(town)
    form = link_answer(town.hanako, asked_to_link(town.hanako), renewed)
    assert town.yuki.get(bring(town.yuki, form).headers["location"]).status_code == 400
    form = link_answer(town.hanako, asked_to_link(town.hanako), renewed)
    brought = bring(town.hanako, form).headers["location"]
    by_passkey(town.yuki)
    (name,) = cookies_named(town.yuki.http, "-login")
    yukis = town.yuki.http.cookies[name]
    town.hanako.http.cookies.delete(name)
    town.hanako.http.cookies.set(name, yukis, domain=town.services.ward.rp_id)
    refused = town.hanako.get(brought)
    assert (refused.status_code, linked_cards(town)) == (403, before)


def test_neither_an_unknown_card_nor_linking_makes_anybody(town: Town, renewed: VirtualCard) -> None:
    def everybody() -> set[str]:
        with town.services.database.reading() as session:
            return set(session.exec(select(IdentifierRow.person)).all())

    before = everybody()
    town.hanako.http.cookies.clear()
    i = begun(town.hanako.get("/account"))
    assert town.hanako.answer(asked_of_card(town.hanako, i), renewed).status_code == 400
    by_passkey(town.hanako)
    assert link(town.hanako, renewed).status_code == 303
    assert everybody() == before

"""A renewed card is linked at home, from the account page over the bridge and back; what people are told."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from assurance.events import EventName
from assurance.evidence import EmailCode
from card.test_authority import TestAuthority
from card.virtual.card import VirtualCard
from tests.conftest import FixedClock
from tests.delegation.conftest import (
    Resident,
    Town,
    at_a_browser,
    authority,
    cards,
    linked,
    staff,
    thresholds,
    town,
)
from tests.idp.conftest import WardSystem, authorize
from tests.idp.linking import Municipality, by_passkey, municipality
from tests.idp.steps import (
    asked_of_card,
    asked_to_link,
    at_bridge,
    begun,
    bring,
    follow,
    identity,
    link,
    link_answer,
)
from tests.idp.test_answers import leaves, without_lists

__all__ = ["authority", "cards", "linked", "municipality", "staff", "thresholds", "town"]

LATER = "2026年11月27日 10時00分"


@pytest.fixture
def renewed(town: Town, municipality: Municipality) -> VirtualCard:
    """Hanako's new card; the one before was handed in. She is logged in by passkey."""
    municipality.take_in(town.hanako.card)
    by_passkey(town.hanako)
    return municipality.renew(town.hanako.card)


def acr_by(resident: Resident, portal: WardSystem, card: VirtualCard) -> Any:
    """The level that a ward system is told of a login by this card."""
    resident.http.cookies.clear()
    i = begun(authorize(resident.http, portal))
    answer = resident.answer(asked_of_card(resident, i), card)
    assert answer.status_code == 303, answer.text
    return identity(portal, follow(resident.http, answer))["acr"]


def test_a_renewed_card_is_linked_and_everybody_hears_of_it(town: Town, renewed: VirtualCard) -> None:
    before = len(town.mail.sent)
    done = link(town.hanako, renewed)
    assert (done.status_code, done.headers["location"]) == (303, "/account")
    told = town.mail.sent[before:]
    assert [mail.to for mail in told] == ["hanako@example.jp"]
    assert "マイナンバーカードが登録されました" in told[0].subject
    assert LATER in told[0].body
    page = town.hanako.get("/account")
    assert f"このカードは、{LATER}から、すべての手続きに使えます" in page.text
    (leaf,) = [leaf for leaf in leaves(town.services, EventName.CARD_LINKED) if leaf["clear"]["at"] == "home"]
    assert leaf["clear"] == {"at": "home"}
    assert len(leaves(town.services, EventName.CARD_REPLACED)) == 1


def test_it_reaches_two_factors_for_72_hours_and_then_all_it_can(
    town: Town, renewed: VirtualCard, portal: WardSystem, clock: FixedClock, authority: TestAuthority
) -> None:
    link(town.hanako, renewed)
    levels = []
    for wait in (timedelta(0), timedelta(hours=71, minutes=59), timedelta(minutes=1)):
        clock.advance(wait)
        authority.publish_crls(clock.now())
        levels.append(acr_by(town.hanako, portal, renewed)[-4:])
    assert levels == ["aal2", "aal2", "aal3"]


def test_logins_by_the_card_before_end_with_it(
    town: Town, renewed: VirtualCard, new_browser: Callable[[], Resident]
) -> None:
    other = new_browser()
    other.log_in()
    assert other.get("/account").status_code == 200
    link(town.hanako, renewed)
    assert other.get("/account").status_code == 303
    assert town.hanako.get("/account").status_code == 200


@pytest.fixture
def new_browser(town: Town, app: Any) -> Callable[[], Resident]:
    """Another browser of Hanako's."""
    hanako = town.hanako
    return lambda: at_a_browser(town.services, app, hanako.person, hanako.card, hanako.address)


def test_what_is_signed_says_what_happens_in_the_language_that_was_read(
    town: Town, renewed: VirtualCard
) -> None:
    del renewed
    asked = at_bridge(town.services, asked_to_link(town.hanako))
    assert asked.text == {"ja": asked.to_be_signed.claims()["text"]}
    assert "渋谷区の私のアカウントに登録します" in str(asked.text)
    town.hanako.http.headers["accept-language"] = "en"
    assert "Shibuya" in str(at_bridge(town.services, asked_to_link(town.hanako)).text)


def test_while_the_card_before_lives_the_page_says_so_and_the_card_is_refused(
    town: Town, municipality: Municipality
) -> None:
    by_passkey(town.hanako)
    assert "前に登録したカードが、まだ有効です" in town.hanako.get("/account/card").text
    refused = link(town.hanako, municipality.renew(town.hanako.card))
    assert (refused.status_code, "まだ有効です" in refused.text) == (403, True)
    assert 'href="/account/card"' in refused.text
    refusals = leaves(town.services, EventName.CARD_LINKING_REFUSED)
    assert [leaf["clear"] for leaf in refusals] == [{"code": "linking.another"}]
    municipality.take_in(town.hanako.card)
    assert "まだ有効です" not in town.hanako.get("/account/card").text


@pytest.mark.parametrize("path", ["/account/card", "/account/card/withdraw"])
def test_a_weak_or_old_login_is_asked_for_two_factors_first(
    town: Town, renewed: VirtualCard, clock: FixedClock, path: str
) -> None:
    mac = town.services.vault.mac(town.services.ward.code, "email", town.hanako.address)
    link(town.hanako, renewed)
    clock.advance(timedelta(minutes=21))
    for prepare in (lambda: None, lambda: town.hanako.log_in(EmailCode(clock.now(), mac)), lambda: None):
        prepare()
        assert begun(town.hanako.post(path))
    town.hanako.http.cookies.clear()
    assert begun(town.hanako.post(path))
    assert begun(town.hanako.get("/account/card"))


def test_a_login_that_grew_old_meanwhile_costs_no_second_use_of_the_card(
    town: Town, renewed: VirtualCard, clock: FixedClock
) -> None:
    clock.advance(timedelta(minutes=18))
    jws = asked_to_link(town.hanako)
    clock.advance(timedelta(minutes=3))
    brought = bring(town.hanako, link_answer(town.hanako, jws, renewed)).headers["location"]
    assert begun(town.hanako.get(brought))
    kept = [cookie for cookie in town.hanako.http.cookies.jar if not cookie.name.endswith("-login")]
    by_passkey(town.hanako)
    for cookie in kept:
        town.hanako.http.cookies.jar.set_cookie(cookie)
    assert town.hanako.get(brought).headers["location"] == "/account"


def test_without_a_revocation_list_the_answer_waits(
    town: Town, renewed: VirtualCard, authority: TestAuthority
) -> None:
    jws = asked_to_link(town.hanako)
    brought = bring(town.hanako, link_answer(town.hanako, jws, renewed)).headers["location"]
    with without_lists(authority):
        assert town.hanako.get(brought).status_code == 503
        assert town.hanako.get("/account/card").status_code == 503
    assert town.hanako.get(brought).headers["location"] == "/account"


def test_whoever_it_was_not_withdraws_the_card_in_time(
    town: Town, renewed: VirtualCard, clock: FixedClock, authority: TestAuthority
) -> None:
    link(town.hanako, renewed)
    assert town.hanako.post("/account/card/withdraw").headers["location"] == "/account"
    assert "登録が取り消されました" in town.mail.sent[-1].subject
    assert "登録したカードはありません" in town.hanako.get("/account").text
    assert town.hanako.post("/account/card/withdraw").status_code == 400
    town.hanako.http.cookies.clear()
    i = begun(town.hanako.get("/account"))
    assert town.hanako.answer(asked_of_card(town.hanako, i), renewed).status_code == 400
    clock.advance(timedelta(hours=73))
    authority.publish_crls(clock.now())
    i = begun(town.hanako.get("/account"))
    assert town.hanako.answer(asked_of_card(town.hanako, i), renewed).status_code == 400


def test_an_unknown_card_leads_to_another_login_and_to_linking(town: Town, renewed: VirtualCard) -> None:
    town.hanako.http.cookies.clear()
    i = begun(town.hanako.get("/account"))
    page = town.hanako.answer(asked_of_card(town.hanako, i), renewed)
    assert page.status_code == 400
    for part in (f'href="/login?i={i}">ほかの方法で', 'href="/account/card">ログインして', "区の窓口で"):
        assert part in page.text
    assert begun(town.hanako.get("/account/card"))

"""People with cards of the next generation, which have P-384 keys, answer the requests of today."""

from datetime import date

import pytest

from card.test_authority import Holder, TestAuthority, new_p384_card_key
from card.virtual.card import VirtualCard
from tests.assurance.conftest import NAMES
from tests.conftest import NOW
from tests.delegation.conftest import Town, authority, linked, staff, thresholds, town
from tests.idp.steps import asked_of_card, begun

__all__ = ["authority", "linked", "staff", "thresholds", "town"]


@pytest.fixture(scope="session")
def cards(authority: TestAuthority) -> dict[str, VirtualCard]:
    holders = [Holder(name, date(1948, 5, 3), "2", "東京都渋谷区１－１") for name in NAMES]
    issued = [authority.issue_card(holder, NOW, new_key=new_p384_card_key) for holder in holders]
    return {card.label: card for card in issued}


def test_rfc7518_3_4_a_card_of_the_next_generation_logs_in(town: Town) -> None:
    hanako = town.hanako
    hanako.http.cookies.clear()
    answer = hanako.answer(asked_of_card(hanako, begun(hanako.get("/account"))))
    assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    assert hanako.get("/account").status_code == 200


def test_rfc7518_3_4_a_card_of_the_next_generation_signs_a_mandate(town: Town) -> None:
    grant = town.active()
    assert town.row(grant).state == "active"

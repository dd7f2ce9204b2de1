"""A mandate that a card signs which does not count in full yet: in force only when the card counts."""

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select

from assurance import counter
from assurance.events import EventName
from assurance.linking import LinkedCard
from assurance.person import PersonId
from assurance.tables import IdentifierRow
from card.container import SigningPurpose
from card.linking import link_on, verify_link
from card.test_authority import TestAuthority
from card.virtual.card import VirtualCard
from card.virtual.holder import lay_down
from delegation import usability
from delegation.grant import GrantId
from delegation.tables import MandateRow
from tests.assurance.conftest import prepared
from tests.conftest import NOW, FixedClock
from tests.delegation.conftest import Town
from tests.idp.linking import Municipality, by_passkey, municipality
from tests.idp.steps import link
from tests.idp.test_answers import leaves

__all__ = ["municipality"]

WAIT = timedelta(hours=72)


@pytest.fixture
def renewed(town: Town, municipality: Municipality) -> VirtualCard:
    """Hanako linked her renewed card at home just now; her browser is logged in by passkey."""
    municipality.take_in(town.hanako.card)
    by_passkey(town.hanako)
    card = municipality.renew(town.hanako.card)
    assert link(town.hanako, card).status_code == 303
    return card


def is_usable(town: Town, grant: str) -> bool:
    ward, now = town.services.ward.code, town.services.clock.now()
    with town.services.database.reading() as session:
        known = bool(usability.usable_of(session.connection(), ward, [GrantId(grant)], now))
        listed = [row.id for row in usability.usable(session, ward, town.yuki.person, now)]
    assert (grant in listed) == known
    return known


def test_it_is_in_force_from_then_on(town: Town, renewed: VirtualCard, clock: FixedClock) -> None:
    grant = town.compared()
    before = len(town.mail.sent)
    assert town.hanako.sign(grant, renewed).status_code == 303
    assert town.row(grant).state == "active"
    assert not is_usable(town, grant)
    told = town.mail.sent[before:]
    assert sorted(mail.to for mail in told) == ["hanako@example.jp", "yuki@example.jp"]
    assert all("署名がされました" in mail.subject for mail in told)
    assert not any("始まりました" in mail.body for mail in told)
    for reader in (town.hanako, town.yuki):
        page = reader.get(f"/grants/{grant}").text
        assert "この委任は今、使えません" in page
        assert "この委任は、2026年11月27日 10時00分から使えます" in page
    (signed,) = leaves(town.services, EventName.MANDATE_SIGNED)
    assert signed["clear"]["counts_from"] == int((NOW + WAIT).timestamp())
    assert not leaves(town.services, EventName.GRANT_ACTIVATED)
    clock.advance(WAIT - timedelta(seconds=1))
    assert not is_usable(town, grant)
    clock.advance(timedelta(seconds=1))
    assert is_usable(town, grant)
    by_passkey(town.hanako)
    assert "から使えます" not in town.hanako.get(f"/grants/{grant}").text


def test_what_a_card_signed_that_was_withdrawn_is_never_in_force(
    town: Town, renewed: VirtualCard, clock: FixedClock
) -> None:
    grant = town.compared()
    assert town.hanako.sign(grant, renewed).status_code == 303
    assert town.hanako.post("/account/card/withdraw").status_code == 303
    by_passkey(town.hanako)
    assert "から使えます" not in town.hanako.get(f"/grants/{grant}").text
    for wait in (timedelta(0), WAIT, timedelta(days=1)):
        clock.advance(wait)
        assert not is_usable(town, grant)


def test_a_counter_check_lets_it_be_in_force_at_once(
    town: Town,
    renewed: VirtualCard,
    staff: tuple[PersonId, ...],
    authority: TestAuthority,
    thresholds: Any,
    clock: FixedClock,
) -> None:
    grant = town.compared()
    assert town.hanako.sign(grant, renewed).status_code == 303
    clock.advance(timedelta(hours=1))
    made = prepared(SigningPurpose.LINK)
    pair = link_on(lay_down(renewed), made, bytearray(b"1234"), bytearray(b"ABC123"))
    card = LinkedCard(*verify_link(pair, prepared=made, trust=authority.trust(), now=NOW))
    with town.services.database.writing(town.services.ward.code) as unit:
        counter.relink(
            unit,
            town.services.vault,
            thresholds,
            card,
            town.hanako.person,
            staff=(staff[0], staff[1]),
            now=clock.now(),
        )
    assert is_usable(town, grant)


def test_what_the_card_before_signed_goes_on(
    town: Town, municipality: Municipality, clock: FixedClock
) -> None:
    grant = town.active()
    assert leaves(town.services, EventName.GRANT_ACTIVATED)
    municipality.take_in(town.hanako.card)
    by_passkey(town.hanako)
    assert link(town.hanako, municipality.renew(town.hanako.card)).status_code == 303
    for _ in range(2):
        assert is_usable(town, grant)
        clock.advance(timedelta(hours=80))


def test_a_mandate_has_the_mac_of_its_signers_identifier(town: Town, renewed: VirtualCard) -> None:
    """The very one: under another key, after a rotation, the two would not be found together."""
    grant = town.compared()
    town.hanako.sign(grant, renewed)
    with town.services.database.reading() as session:
        mandate = session.exec(select(MandateRow).where(MandateRow.grant == grant)).one()
        hers = select(IdentifierRow).where(IdentifierRow.mac == mandate.certificate)
        identifier = session.exec(hers).one()
    assert (identifier.kind, identifier.counts_from) == ("card_sign", NOW + WAIT)

"""Registration at the counter: two staff, the card in the reader, both certificates over one nonce."""

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import select

from assurance import identifiers, linking, people, roles
from assurance.database import Unit
from assurance.events import Event, EventName
from assurance.identifiers import IdentifierKind
from assurance.linking import LinkedCard
from assurance.people import NewProof
from assurance.person import PersonId, Profile
from assurance.roles import Role, has_role
from assurance.sealed import Vault
from assurance.tables import RoleRow
from assurance.thresholds import Thresholds
from card.faults import Fault


def _check_staff(unit: Unit, staff: tuple[PersonId, PersonId], now: datetime) -> None:
    if len(set(staff)) != 2 or not all(
        has_role(unit.session, unit.ward, member, Role.STAFF, now) for member in staff
    ):
        raise Fault("counter.staff")


def _holder(
    unit: Unit, vault: Vault, card: LinkedCard, profile: Profile, not_these: Collection[PersonId]
) -> PersonId | None:
    """Whose card it is already; None for whoever is new here.

    :raises Fault: `counter.known` where names say what the certificates do not: staff decide who it is.
    """
    named = set(people.named(unit.session, vault, unit.ward, profile.name, profile.birth_date))
    holders = {
        identifiers.find_person(unit.session, vault, unit.ward, kind, signed.certificate.identity)
        for kind, signed in (
            (IdentifierKind.CARD_AUTHENTICATION, card.authentication),
            (IdentifierKind.CARD_SIGNATURE, card.signature),
        )
    } - {None}
    is_one_of_them = not holders.isdisjoint(not_these)  # who linked this card at home in the meantime
    if len(holders) > 1 or not holders <= named or is_one_of_them:
        raise Fault("counter.known")
    if not holders and named - set(not_these):
        raise Fault("counter.known")
    return holders.pop() if holders else None


def _prove(
    unit: Unit,
    vault: Vault,
    thresholds: Thresholds,
    card: LinkedCard,
    now: datetime,
    not_these: Collection[PersonId] = (),
) -> PersonId:
    profile = card.profile
    if profile is None:
        raise Fault("counter.cards_differ")
    person = _holder(unit, vault, card, profile, not_these) or people.create_person(unit, vault, now)
    _take(unit, vault, thresholds, card, person, profile, now)
    return person


def _take(
    unit: Unit,
    vault: Vault,
    thresholds: Thresholds,
    card: LinkedCard,
    person: PersonId,
    profile: Profile,
    now: datetime,
) -> None:
    linking.put_in_place(unit, vault, person, card, now)
    people.record_proof(unit, vault, thresholds, person, NewProof("counter_card", profile), now)
    unit.record(Event(EventName.CARD_LINKED, unit.ward, now, {person: {}}, {"at": "counter"}))


def register(
    unit: Unit,
    vault: Vault,
    thresholds: Thresholds,
    card: LinkedCard,
    *,
    staff: tuple[PersonId, PersonId],
    address_read_back: str | None,
    now: datetime,
    not_these: Collection[PersonId] = (),
) -> PersonId:
    """Register a resident who stands at the counter: someone new, or again by a card of hers that is known.

    :param staff: two different people with the role; neither is the resident.
    :param address_read_back: a mail address whose code the resident read back at the desk.
    :param not_these: people of her name and birth date whom both staff say she is not.
    :raises Fault: `counter.staff`, `counter.cards_differ`, `counter.taken`; `counter.known` where someone of
        her name and birth date is known: she is one of them, with a renewed card (`relink`), or a namesake.
    """
    _check_staff(unit, staff, now)
    person = _prove(unit, vault, thresholds, card, now, not_these)
    if person in staff:
        raise Fault("counter.staff")
    if address_read_back is not None:
        address = identifiers.normalise_address(address_read_back)
        identifiers.bind(unit, vault, person, IdentifierKind.EMAIL, address, now)
        unit.record(Event(EventName.EMAIL_CONFIRMED, unit.ward, now, {person: {}}))
    return person


def relink(
    unit: Unit,
    vault: Vault,
    thresholds: Thresholds,
    card: LinkedCard,
    person: PersonId,
    *,
    staff: tuple[PersonId, PersonId],
    compared_by_eye: bool = False,
    now: datetime,
) -> None:
    """Link a renewed card of a person whom two staff know her to be; whatever card she had ends.

    It counts from now on, also where she linked it at home and it waits. The caller mails
    `notices.notices_of`.

    :param person: whom both staff say she is, found by name and birth date and never by us.
    :param compared_by_eye: both saw from her papers that she is that person, though the card says another
        name than is proven, as after a marriage, or one with a character that stands for another.
    :raises Fault: `counter.staff`; `counter.cards_differ` for another name or birth date; `counter.taken`.
    """
    _check_staff(unit, staff, now)
    if person in staff:
        raise Fault("counter.staff")
    known, shown = people.profile(unit.session, vault, unit.ward, person), card.profile
    if known is None:
        raise Fault("counter.cards_differ")
    names = {None if one is None else people.name_key(one.name, one.birth_date) for one in (known, shown)}
    if len(names) != 1 and not compared_by_eye:
        raise Fault("counter.cards_differ")
    _take(unit, vault, thresholds, card, person, shown or known, now)


def register_child(
    unit: Unit, vault: Vault, thresholds: Thresholds, child: Profile, now: datetime
) -> PersonId:
    """Make a person of a child whose papers two staff entered alike; the caller has checked all of it.

    Without a card of their own that counts, nothing logs them in and nothing is signed by them.
    """
    person = people.create_person(unit, vault, now)
    people.record_proof(unit, vault, thresholds, person, NewProof("counter_documents", child), now)
    return person


def begin_staff(
    unit: Unit,
    vault: Vault,
    thresholds: Thresholds,
    cards: tuple[LinkedCard, LinkedCard, LinkedCard],
    now: datetime,
) -> tuple[PersonId, ...]:
    """Name the first three staff by their own cards; possible only while the ward never had a role.

    They are admins too, and without an end: whatever comes after takes two of them.

    :raises Fault: `counter.staff`.
    """
    if unit.session.connection().dialect.name == "postgresql":  # of two first times one waits for the other
        unit.session.connection().execute(sa.text("LOCK TABLE role_assignment IN EXCLUSIVE MODE"))
    if unit.session.exec(select(RoleRow).where(RoleRow.ward == unit.ward)).first() is not None:
        raise Fault("counter.staff")
    members = tuple(_prove(unit, vault, thresholds, card, now) for card in cards)
    if len(set(members)) != len(cards):
        raise Fault("counter.staff")
    for member in members:
        for role in (Role.STAFF, Role.ADMIN):
            roles.give(unit, member, role, now, None)
    return members

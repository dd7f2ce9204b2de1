"""Registration at the counter: two staff, the card in the reader, both certificates over one nonce."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import select

from assurance import identifiers, people, roles
from assurance.database import Unit
from assurance.events import Event, EventName
from assurance.identifiers import IdentifierKind
from assurance.people import NewProof
from assurance.person import PersonId, Profile
from assurance.roles import Role, has_role
from assurance.sealed import Vault
from assurance.tables import RoleRow
from assurance.thresholds import Thresholds
from card.container import CardEvidence, SigningPurpose, named_certificates
from card.faults import Fault
from card.revocation import RevocationState


@dataclass(frozen=True, slots=True)
class LinkedCard:
    """Both certificates of one card, each having signed the same linking request, which names the two.

    :raises Fault: `counter.cards_differ` when they did not, or revocation of either was not checked.
    """

    authentication: CardEvidence
    signature: CardEvidence

    def __post_init__(self) -> None:
        pair = (self.authentication, self.signature)
        certificates = [signed.certificate for signed in pair]
        together = all(signed.purpose is SigningPurpose.LINK for signed in pair) and (
            self.authentication.container.payload == self.signature.container.payload
        )
        kinds = tuple(certificate.purpose for certificate in certificates) == SigningPurpose.LINK.certificates
        named = self.authentication.container.claims().get("certificates") == named_certificates(certificates)
        checked = all(signed.revocation.state is RevocationState.GOOD for signed in pair)
        if not (together and kinds and named and checked):
            raise Fault("counter.cards_differ")

    @property
    def profile(self) -> Profile:
        """What the signature certificate says.

        :raises Fault: `counter.cards_differ` where a character is a substitute or the birth date unknown:
            staff compare with the register by eye.
        """
        attributes = self.signature.certificate.attributes
        if attributes is None or attributes.birth_date is None or not attributes.name_is_exact:
            raise Fault("counter.cards_differ")
        return Profile(attributes.name, attributes.birth_date, attributes.sex, attributes.address)


def _prove(unit: Unit, vault: Vault, thresholds: Thresholds, card: LinkedCard, now: datetime) -> PersonId:
    known = identifiers.find_person(
        unit.session, vault, unit.ward, IdentifierKind.CARD_SIGNATURE, card.signature.certificate.identity
    )
    person = known or people.create_person(unit, vault, now)
    for kind, signed in (
        (IdentifierKind.CARD_AUTHENTICATION, card.authentication),
        (IdentifierKind.CARD_SIGNATURE, card.signature),
    ):
        identifiers.bind(unit, vault, person, kind, signed.certificate.identity, now)
    people.record_proof(unit, vault, thresholds, person, NewProof("counter_card", card.profile), now)
    unit.record(Event(EventName.CARD_LINKED, unit.ward, now, {person: {}}))
    return person


def register(
    unit: Unit,
    vault: Vault,
    thresholds: Thresholds,
    card: LinkedCard,
    *,
    staff: tuple[PersonId, PersonId],
    address_read_back: str | None,
    now: datetime,
) -> PersonId:
    """Register a resident who stands at the counter.

    :param staff: two different people with the role; neither is the resident.
    :param address_read_back: a mail address whose code the resident read back at the desk.
    :raises Fault: `counter.staff`, `counter.cards_differ`, `counter.taken`.
    """
    if len(set(staff)) != 2 or not all(
        has_role(unit.session, unit.ward, member, Role.STAFF, now) for member in staff
    ):
        raise Fault("counter.staff")
    person = _prove(unit, vault, thresholds, card, now)
    if person in staff:
        raise Fault("counter.staff")
    if address_read_back is not None:
        address = identifiers.normalise_address(address_read_back)
        identifiers.bind(unit, vault, person, IdentifierKind.EMAIL, address, now)
        unit.record(Event(EventName.EMAIL_CONFIRMED, unit.ward, now, {person: {}}))
    return person


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

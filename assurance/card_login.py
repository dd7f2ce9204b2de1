"""Logging in and signing with a card.

A certificate acts for exactly the person it is a live identifier of.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from assurance import identifiers
from assurance.evidence import CardAuthentication
from assurance.identifiers import IdentifierKind
from assurance.person import PersonId
from assurance.sealed import Vault
from assurance.wards import WardCode
from card.certificates import Purpose
from card.container import CardEvidence, SigningPurpose
from card.faults import Fault
from card.revocation import RevocationState


@dataclass(frozen=True, slots=True)
class CardLogin:
    """Whose card it is, and the evidence of it."""

    person: PersonId
    evidence: CardAuthentication


def log_in(session: Session, vault: Vault, ward: WardCode, signed: CardEvidence) -> CardLogin:
    """Find the person of a card that signed a login.

    :raises Fault: `card.unknown` for a card that nobody linked: the certificate has no name to match by.
    """
    if signed.purpose is not SigningPurpose.LOGIN or signed.certificate.purpose is not Purpose.AUTHENTICATION:
        raise Fault("card.purpose")
    kind = IdentifierKind.CARD_AUTHENTICATION
    row = identifiers.find(session, vault, ward, kind, signed.certificate.identity)
    if row is None:
        raise Fault("card.unknown")
    checked = signed.revocation.state is RevocationState.GOOD
    evidence = CardAuthentication(
        signed.signed_at, checked, signed.countersigned_by, counts_from=row.counts_from, credential=row.mac
    )
    return CardLogin(PersonId(row.person), evidence)


def signer_of(
    session: Session, vault: Vault, ward: WardCode, signed: CardEvidence
) -> tuple[PersonId, datetime | None]:
    """Whose signature certificate this is, and from when it counts. Names and birth dates attribute nothing.

    :raises Fault: `card.unknown`.
    """
    if signed.certificate.purpose is not Purpose.SIGNATURE:
        raise Fault("card.purpose")
    row = identifiers.find(session, vault, ward, IdentifierKind.CARD_SIGNATURE, signed.certificate.identity)
    if row is None:
        raise Fault("card.unknown")
    return PersonId(row.person), row.counts_from

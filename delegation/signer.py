"""Whose signature counts: that of a live card of exactly the person who is logged in."""

from assurance import identifiers
from assurance.database import Unit
from assurance.identifiers import Identifier, IdentifierKind
from assurance.person import PersonId
from card.container import CardEvidence, SigningPurpose
from card.faults import Fault
from card.revocation import RevocationState
from delegation.parts import Parts


def check_signer(
    unit: Unit, parts: Parts, person: PersonId, signed: CardEvidence, purpose: SigningPurpose
) -> Identifier:
    """A signature acts for a person only by a live identifier of exactly that person.

    An approval acts at once, so a card that does not count in full yet signs none; what it signs of a mandate
    waits (`usability`).

    :returns: the identifier.
    :raises Fault: `mandate.signer`, `mandate.unchecked`; of an approval `change.signer`, `change.unchecked`.
    """
    words = "mandate" if purpose is SigningPurpose.MANDATE else "change"
    identifier = identifiers.find(
        unit.session,
        parts.vault,
        unit.ward,
        IdentifierKind.CARD_SIGNATURE,
        signed.certificate.identity,
    )
    if signed.purpose is not purpose or identifier is None:
        raise Fault(f"{words}.signer")
    counts = identifier.counts_from is None or identifier.counts_from <= parts.clock.now()
    if identifier.person != person or not (counts or purpose is SigningPurpose.MANDATE):
        raise Fault(f"{words}.signer")
    if signed.revocation.state is not RevocationState.GOOD:
        raise Fault(f"{words}.unchecked")
    return identifier

"""A linked card between two people's steps: what it signed, and what revocation said when it was verified.

Both signatures are kept, and no summary of them: who takes the next step rests on what the card said itself.
"""

import json
from datetime import datetime

from assurance.linking import LinkedCard
from card import linking
from card.certificates import read_certificate
from card.container import CardEvidence, SigningPurpose
from card.jose import Flattened
from card.revocation import RevocationState, RevocationStatus


def to_text(card: LinkedCard) -> str:
    """The card as JSON, to be sealed: it holds name, birth date, sex and address."""
    pair = (card.authentication, card.signature)
    return json.dumps(
        {
            "signed": linking.to_json((pair[0].container, pair[1].container)),
            "verified_at": pair[0].signed_at.isoformat(),
            "sources": [signed.revocation.source for signed in pair],
        }
    )


def _evidence(container: Flattened, source: str, verified_at: datetime) -> CardEvidence:
    good = RevocationStatus(RevocationState.GOOD, source)  # a LinkedCard of another status there is none
    certificate = read_certificate(container.leaf_der)
    return CardEvidence(certificate, SigningPurpose.LINK, good, verified_at, container)


def from_text(text: str) -> LinkedCard:
    """Read what `to_text` wrote, from under its seal: the signatures are not verified again."""
    kept = json.loads(text)
    verified_at = datetime.fromisoformat(kept["verified_at"])
    first, second = (
        _evidence(container, source, verified_at)
        for container, source in zip(linking.parse(kept["signed"]), kept["sources"], strict=True)
    )
    return LinkedCard(first, second)

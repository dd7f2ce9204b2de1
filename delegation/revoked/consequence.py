"""What follows from the reason for which a certificate was revoked. Pure.

Without a register no list tells a lost card from a new address: the municipality revokes for both, and most
reasons of RFC 5280 §5.3.1 fit either.
"""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Final

REVIEW_TAKES: Final = timedelta(days=14)
"""design/card.md: "hold after N days"; two weeks, in which a letter to the principal can be answered."""


class Consequence(StrEnum):
    """What happens to the mandates that were signed with it."""

    NOTICE = "notice"
    REVIEW = "review"
    HOLD = "hold"


_KNOWN: Final[Mapping[str, Consequence]] = {
    "superseded": Consequence.NOTICE,
    "certificateHold": Consequence.HOLD,
    # Whoever has the key signs as its holder: waiting for staff would be the dearer mistake.
    "keyCompromise": Consequence.HOLD,
}


def follows(reason: str) -> Consequence:
    """What follows from a reason, as the list says it (RFC 5280 §5.3.1).

    A reason that says neither "renewed" nor "stopped" is for staff; so is `removeFromCRL`, which has no place
    in a whole list.
    """
    return _KNOWN.get(reason, Consequence.REVIEW)

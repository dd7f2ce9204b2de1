"""Whether a certificate was revoked, by whatever source the ward has (RFC 5280 §6.3, RFC 6960).

A source that is configured but stale or down refuses: silence is never "good". No source at all is said, so
that what rests on it counts less. The one that calls out, `card.revocation.responder`, is imported by itself:
who only judges paths needs no HTTP.
"""

from card.revocation.crl import CrlFiles
from card.revocation.listed import Listed, RevocationList
from card.revocation.source import (
    InTurn,
    NoRevocation,
    RevocationSource,
    RevocationState,
    RevocationStatus,
    StatusUnavailable,
)

__all__ = [
    "CrlFiles",
    "InTurn",
    "Listed",
    "NoRevocation",
    "RevocationList",
    "RevocationSource",
    "RevocationState",
    "RevocationStatus",
    "StatusUnavailable",
]

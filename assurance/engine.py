"""From evidence to assurance: pure, explained, monotone in evidence, independent of its order.

**Each authentication reaches a level of its own**, with the proofs of its person, and a requirement is met
when one of them meets all of it. Coordinates are never taken from two: a code by mail (3/0) and a card whose
revocation nobody checked (2/2) are not 3/2, although the best of each coordinate would say so. So what was
met stays met whatever is added, and no level is claimed that no single authentication gives. The one level
that `acr` can name is that of the strongest authentication: highest AAL, then highest IAL.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from assurance.evidence import (
    AppAuthentication,
    Authentication,
    CardAuthentication,
    EmailCode,
    Evidence,
    Passkey,
    Proof,
)
from assurance.levels import AAL, IAL, Level, Requirement
from assurance.thresholds import Thresholds


class Method(StrEnum):
    """How a person authenticated."""

    EMAIL_CODE = "email_code"
    PASSKEY = "passkey"
    PASSKEY_SYNCED = "passkey_synced"
    PASSKEY_BOUND = "passkey_bound"
    CARD = "card"
    CARD_UNCHECKED = "card_unchecked"
    APP = "app"


_AMR: Final[Mapping[Method, tuple[str, ...]]] = {
    Method.EMAIL_CODE: ("otp",),
    Method.PASSKEY: ("user",),
    Method.PASSKEY_SYNCED: ("mfa", "swk"),
    Method.PASSKEY_BOUND: ("mfa", "hwk"),
    Method.CARD: ("hwk", "mfa", "pin", "sc"),
    Method.CARD_UNCHECKED: ("hwk", "mfa", "pin", "sc"),
    Method.APP: ("mfa",),
}


@dataclass(frozen=True, slots=True)
class Reached:
    """What one authentication reaches, and why it is not more.

    :param level: the IAL is the best proof's, as far as this authentication lets it count.
    :param at: freshness is its own, never a weaker one's.
    :param full_from: from when on its credential counts in full; later than now, waiting raises it.
    """

    method: Method
    level: Level
    at: datetime
    full_from: datetime
    phishing_resistant: bool = False

    def meets(self, requirement: Requirement, now: datetime) -> bool:
        """Whether level and conditions hold."""
        return (
            self.level.reaches(requirement.level)
            and (self.phishing_resistant or not requirement.phishing_resistant)
            and (requirement.fresh_within is None or now - self.at <= requirement.fresh_within)
        )


@dataclass(frozen=True, slots=True)
class Assurance:
    """How sure we are of a login, now.

    :param level: of the strongest authentication.
    :param amr: authentication methods (RFC 8176), sorted.
    :param auth_time: when the person last authenticated at this level.
    :param proven_until: when the last proof of this IAL ends; None where nothing is proven.
    :param reached: what each authentication gave, the strongest and newest first.
    """

    level: Level
    amr: tuple[str, ...]
    auth_time: datetime
    proven_until: datetime | None
    reached: tuple[Reached, ...]

    @property
    def acr(self) -> str:
        """Its `acr`."""
        return self.level.acr

    def meets(self, requirement: Requirement, now: datetime) -> bool:
        """Whether one authentication meets all of a requirement."""
        return any(one.meets(requirement, now) for one in self.reached)


def _reached(evidence: Authentication, proven: IAL, now: datetime, thresholds: Thresholds) -> Reached:
    aals = thresholds.authentication
    if isinstance(evidence, EmailCode):
        return Reached(Method.EMAIL_CODE, Level(proven, aals.email_code), evidence.at, evidence.at)
    match evidence:
        case Passkey(user_verified=False):
            method, aal, early = Method.PASSKEY, aals.passkey, aals.passkey_before_it_counts
        case Passkey(synced=synced):
            method = Method.PASSKEY_SYNCED if synced else Method.PASSKEY_BOUND
            aal, early = aals.passkey_user_verified, aals.passkey_before_it_counts
        case AppAuthentication():
            method, aal, early = Method.APP, aals.app, aals.app_before_it_counts
            proven = min(proven, thresholds.app_ial)
        case CardAuthentication(revocation_checked=True):
            method, aal, early = Method.CARD, aals.card, aals.card_before_it_counts
        case _:
            method, aal, early = Method.CARD_UNCHECKED, aals.card_unchecked, aals.card_before_it_counts
            proven = min(proven, thresholds.unchecked_card_ial)
    resists = _resists_phishing(evidence)
    full_from = evidence.counts_from or evidence.at
    in_full = evidence.counts_from is None or evidence.counts_from <= now
    return Reached(
        method, Level(proven, aal if in_full else min(aal, early)), evidence.at, full_from, resists
    )


def _resists_phishing(evidence: Passkey | CardAuthentication | AppAuthentication) -> bool:
    match evidence:
        case Passkey():
            return evidence.user_verified
        case CardAuthentication():
            return evidence.countersigned_by is not None
        case _:
            return False


def _strongest_first(one: Reached) -> tuple[AAL, IAL, datetime, datetime, bool, Method]:
    """A key without ties between different values, so that the order of evidence leaves no trace."""
    return one.level.aal, one.level.ial, one.at, one.full_from, one.phishing_resistant, one.method


def assess(evidence: Collection[Evidence], now: datetime, thresholds: Thresholds) -> Assurance:
    """Judge the evidence of one login and of its person.

    :raises ValueError: when nothing in it is an authentication: there is no login without one.
    """
    proofs = [
        piece for piece in evidence if isinstance(piece, Proof) and piece.proven_at <= now < piece.ends_at
    ]
    proven = max((proof.ial for proof in proofs), default=IAL.NONE)
    found = {_reached(piece, proven, now, thresholds) for piece in evidence if not isinstance(piece, Proof)}
    if not found:
        raise ValueError("no authentication, no assurance")
    reached = tuple(sorted(found, key=_strongest_first, reverse=True))
    level = reached[0].level
    return Assurance(
        level=level,
        amr=tuple(sorted({name for one in reached for name in _AMR[one.method]})),
        auth_time=reached[0].at,
        proven_until=max(
            (proof.ends_at for proof in proofs if proof.ial >= level.ial > IAL.NONE), default=None
        ),
        reached=reached,
    )

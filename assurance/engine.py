"""From evidence to assurance: pure, explained, monotone in evidence, independent of its order."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from assurance.evidence import CardAuthentication, Demo, EmailCode, Evidence, Passkey, Proof
from assurance.levels import AAL, IAL, Level, Requirement
from assurance.thresholds import Thresholds

_AMR: Final = {
    "email": ("otp",),
    "passkey": ("user",),
    "passkey_synced": ("mfa", "swk"),
    "passkey_bound": ("mfa", "hwk"),
    "card": ("hwk", "mfa", "pin", "sc"),
}


@dataclass(frozen=True, slots=True)
class Reason:
    """What one piece of evidence gave: a catalogue key `assurance.<what>`."""

    what: str
    ial: IAL | None
    aal: AAL | None


@dataclass(frozen=True, slots=True)
class Reached:
    """What one authentication reached, and when: freshness is its own, never a weaker one's."""

    aal: AAL
    at: datetime
    phishing_resistant: bool


@dataclass(frozen=True, slots=True)
class Assurance:
    """How sure we are of a login, now.

    :param amr: authentication methods (RFC 8176), sorted.
    :param auth_time: when the person last authenticated at the level that this reaches.
    """

    level: Level
    amr: tuple[str, ...]
    auth_time: datetime
    phishing_resistant: bool
    reasons: tuple[Reason, ...]
    reached: tuple[Reached, ...]

    @property
    def acr(self) -> str:
        """Its `acr`."""
        return self.level.acr

    def meets(self, requirement: Requirement, now: datetime) -> bool:
        """Whether level and conditions hold."""
        return self.level.reaches(requirement.level) and any(
            one.aal >= requirement.level.aal
            and (one.phishing_resistant or not requirement.phishing_resistant)
            and (requirement.fresh_within is None or now - one.at <= requirement.fresh_within)
            for one in self.reached
        )


@dataclass(frozen=True, slots=True)
class _Gives:
    reason: Reason
    cap: IAL = IAL.HIGH
    amr: tuple[str, ...] = ()
    at: datetime | None = None
    resists: bool = False


def _counts(counts_from: datetime | None, now: datetime) -> bool:
    return counts_from is None or counts_from <= now


def _weigh(evidence: Evidence, now: datetime, thresholds: Thresholds) -> _Gives:
    aal = thresholds.authentication
    match evidence:
        case EmailCode(at=at):
            return _Gives(Reason("email", None, aal.email_code), amr=_AMR["email"], at=at)
        case Passkey(at=at, user_verified=False):
            return _Gives(Reason("passkey", None, aal.passkey), amr=_AMR["passkey"], at=at)
        case Passkey(at=at, synced=synced, counts_from=counts_from):
            reached = aal.passkey_user_verified
            if not _counts(counts_from, now):
                reached = min(reached, aal.passkey_before_it_counts)
            amr = _AMR["passkey_synced" if synced else "passkey_bound"]
            return _Gives(Reason("passkey_verified", None, reached), amr=amr, at=at, resists=True)
        case CardAuthentication(at=at, revocation_checked=checked, counts_from=counts_from):
            reached = aal.card if checked else aal.card_unchecked
            if not _counts(counts_from, now):
                reached = min(reached, aal.card_before_it_counts)
            cap = IAL.HIGH if checked else thresholds.unchecked_card_ial
            reason = Reason("card" if checked else "card_unchecked", None, reached)
            return _Gives(reason, cap, _AMR["card"], at, evidence.countersigned)
        case Demo(at=at):
            return _Gives(Reason("demo", evidence.ial, evidence.aal), amr=("user",), at=at)
        case Proof():
            return _Gives(Reason("proof", evidence.ial, None))


def _is_live(evidence: Evidence, now: datetime) -> bool:
    return not isinstance(evidence, Proof) or evidence.proven_at <= now < evidence.ends_at


def assess(evidence: Collection[Evidence], now: datetime, thresholds: Thresholds) -> Assurance:
    """Combine evidence of one login and of its person.

    The IAL is the best unexpired proof's, as far as some authentication lets it count; the AAL is the best
    authentication's.

    :raises ValueError: when nothing in it is an authentication: there is no login without one.
    """
    weighed = [_weigh(piece, now, thresholds) for piece in evidence if _is_live(piece, now)]
    authentications = [gives for gives in weighed if gives.at is not None]
    if not authentications:
        raise ValueError("no authentication, no assurance")
    cap = max(gives.cap for gives in authentications)
    proven = max((gives.reason.ial for gives in weighed if gives.reason.ial is not None), default=IAL.NONE)
    aal = max(gives.reason.aal or AAL.CONTACT for gives in authentications)
    reached = {
        Reached(gives.reason.aal or AAL.CONTACT, gives.at, gives.resists)
        for gives in authentications
        if gives.at is not None
    }
    return Assurance(
        level=Level(min(cap, proven), aal),
        amr=tuple(sorted({method for gives in authentications for method in gives.amr})),
        auth_time=max(one.at for one in reached if one.aal == aal),
        phishing_resistant=any(gives.resists for gives in authentications),
        reasons=tuple(
            sorted({gives.reason for gives in weighed}, key=lambda reason: (reason.what, reason.ial or 0))
        ),
        reached=tuple(sorted(reached, key=lambda one: (one.aal, one.at))),
    )

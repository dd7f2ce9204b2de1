"""Email codes: six digits, few tries, kept as a MAC; the answer is the same for known and unknown addresses.

Email is contact control, not an authenticator (NIST SP 800-63B-4 §3.1.3.1): it logs in at the lowest level.

**Guessing.** An address has a budget: five codes in a quarter of an hour, and fifteen wrong tries in an hour.
Past either, a code is *withheld*: no mail goes out, and the challenge holds nothing that a guess could match,
while the page goes on as ever. A code that did go out keeps its first try whatever others do; so there are
some twenty guesses an hour, one chance in two thousand after a day (ASVS 6.6.3).

**Flooding.** Whoever knows an address can use its budget up, and so keep its holder from this way in. What is
withheld counts for nothing, so the wait ends an hour after the last wrong try and a quarter of an hour after
the last mail, however many more were asked for. And a browser in which a code of the address was read back
once has a budget apart from everybody else's (OWASP, device cookies): what it keeps is no login and names
nobody, and a flood does not reach it. Only a browser that is new to the address waits.
"""

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlmodel import col, select, update

from assurance import challenges, identifiers, people
from assurance.database import Unit
from assurance.events import Event, EventName
from assurance.evidence import EmailCode
from assurance.handles import hashed
from assurance.identifiers import IdentifierKind
from assurance.person import PersonId
from assurance.sealed import Vault
from assurance.tables import ChallengeRow
from assurance.wards import WardCode
from card.faults import Fault
from card.full_width import narrowed

LIFETIME: Final = timedelta(minutes=10)
TRIES: Final = 5
SENT_AT_MOST: Final = 5
SENT_WITHIN: Final = timedelta(minutes=15)
WRONG_AT_MOST: Final = 15
WRONG_WITHIN: Final = timedelta(hours=1)
"""Whatever sweeps challenges leaves them this long: the budget is counted from them."""
_PURPOSE: Final = "email"
_KNOWN_BROWSER: Final = "email-known-browser"
_WITHHELD: Final = ""


@dataclass(frozen=True, slots=True)
class EmailChallenge:
    """A code that was made.

    :param code: what to mail after the response; None when it is withheld, which the page does not tell.
    """

    id: str
    address: str
    code: str | None


@dataclass(frozen=True, slots=True)
class EmailLogin:
    """Who logged in by mail, and the evidence of it."""

    person: PersonId
    evidence: EmailCode


@dataclass(frozen=True, slots=True)
class _Spent:
    """What was used of a budget lately."""

    sent: int
    wrong: int

    @property
    def is_all(self) -> bool:
        return self.sent >= SENT_AT_MOST or self.wrong >= WRONG_AT_MOST


def known_browser(vault: Vault, ward: WardCode, address: str) -> str:
    """What a browser keeps in which a code of this address was read back."""
    return vault.mac(ward, _KNOWN_BROWSER, address.casefold())


def _budget(vault: Vault, ward: WardCode, address: str, kept: str) -> str:
    for known in vault.macs(ward, _KNOWN_BROWSER, address.casefold()):
        if hmac.compare_digest(hashed(known), hashed(kept)):
            return hashed(known)
    return identifiers.mac_of(vault, ward, IdentifierKind.EMAIL, address)


def _spent(unit: Unit, budget: str, now: datetime) -> _Spent:
    """Count, and lock what was counted: tries side by side would each find the budget unspent."""
    rows = unit.session.exec(
        select(ChallengeRow.created_at, ChallengeRow.tries_left, ChallengeRow.used_at)
        .where(
            ChallengeRow.ward == unit.ward,
            ChallengeRow.purpose == _PURPOSE,
            ChallengeRow.bound == budget,
            ChallengeRow.created_at > now - WRONG_WITHIN,
        )
        .order_by(col(ChallengeRow.id))
        .with_for_update()
    ).all()
    return _Spent(
        sent=sum(created_at > now - SENT_WITHIN for created_at, _, _ in rows),
        wrong=sum(TRIES - left - (used_at is not None) for _, left, used_at in rows),
    )


def begin(
    unit: Unit, vault: Vault, typed: str, *, browser: str, now: datetime, kept: str = ""
) -> EmailChallenge:
    """Make a code for an address, known or not.

    :param kept: what this browser keeps as a `known_browser`, if anything.
    :raises Fault: `email.shape`.
    """
    address = identifiers.normalise_address(typed)
    budget = _budget(vault, unit.ward, address, kept)
    code = None if _spent(unit, budget, now).is_all else f"{secrets.randbelow(10**6):06d}"
    expected = _WITHHELD if code is None else vault.mac(unit.ward, "email-code", code)
    challenge = challenges.issue(
        unit,
        vault,
        _PURPOSE,
        browser=browser,
        now=now,
        expires_at=now + LIFETIME,
        data={"address": address, "code": expected},
        bound=_WITHHELD if code is None else budget,
        tries=TRIES,
    )
    unit.record(Event(EventName.EMAIL_CODE_SENT, unit.ward, now, clear={"sent": code is not None}))
    return EmailChallenge(challenge.id, address, code)


def normalise_code(typed: str) -> str:
    """Help a typed code: full-width digits, spaces and hyphens are forgiven."""
    return "".join(character for character in narrowed(typed) if character in "0123456789")


def _count_try(unit: Unit, row: ChallengeRow, now: datetime) -> None:
    if row.bound != _WITHHELD:
        spent = _spent(unit, row.bound, now)
        unit.session.refresh(row)
        if spent.wrong >= WRONG_AT_MOST and row.tries_left < TRIES:
            raise Fault("email.too_many")
    counted = unit.session.exec(
        update(ChallengeRow)
        .where(
            col(ChallengeRow.ward) == unit.ward,
            col(ChallengeRow.id) == row.id,
            col(ChallengeRow.tries_left) > 0,
            col(ChallengeRow.used_at).is_(None),
        )
        .values(tries_left=ChallengeRow.tries_left - 1)
    )
    if counted.rowcount != 1:
        raise Fault("email.too_many")
    unit.session.refresh(row)


def redeem(unit: Unit, vault: Vault, id_: str, typed: str, *, browser: str, now: datetime) -> str:
    """Take a code that was typed; a right one is used up.

    :returns: the address that it was sent to.
    :raises Fault: `email.wrong_code` with `tries_left`, `email.too_many`, `email.expired`; what counted a try
        commits.
    """
    row = challenges.find(unit, id_, _PURPOSE)
    if row is None or not secrets.compare_digest(row.browser, browser):
        raise Fault("email.expired")
    if now >= row.expires_at or row.used_at is not None:
        raise Fault("email.too_many" if row.tries_left == 0 else "email.expired")
    _count_try(unit, row, now)
    data = challenges.read(vault, row).data
    expected = str(data["code"])
    given = vault.macs(unit.ward, "email-code", normalise_code(typed))
    if not any(hmac.compare_digest(expected, mac) for mac in given):
        unit.record(Event(EventName.EMAIL_CODE_WRONG, unit.ward, now, clear={"tries_left": row.tries_left}))
        if row.tries_left == 0:
            raise unit.costly(Fault("email.too_many"))
        raise unit.costly(Fault("email.wrong_code", tries_left=row.tries_left))
    row.used_at = now
    return str(data["address"])


def log_in(unit: Unit, vault: Vault, address: str, now: datetime) -> EmailLogin:
    """The person of an address that was just read back; an unknown one makes a person without proof.

    A protected person has no email login: the holder of the address becomes someone of whom nothing is known,
    always the same one, since that is what an unknown address gets.
    """
    kind = IdentifierKind.EMAIL
    person = identifiers.find_person(unit.session, vault, unit.ward, kind, address)
    if person is not None and people.is_protected(unit.session, unit.ward, person, now):
        kind = IdentifierKind.EMAIL_OF_PROTECTED
        person = identifiers.find_person(unit.session, vault, unit.ward, kind, address)
    if person is None:
        person = people.create_person(unit, vault, now)
        identifiers.bind(unit, vault, person, kind, address, now)
    evidence = EmailCode(now, identifiers.mac_of(vault, unit.ward, IdentifierKind.EMAIL, address))
    return EmailLogin(person, evidence)

"""Email codes: six digits, few tries, kept as a MAC; the answer is the same for known and unknown addresses.

Email is contact control, not an authenticator (NIST SP 800-63B-4 §3.1.3.1): it logs in at the lowest level.
"""

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlmodel import col, func, select, update

from assurance import challenges, identifiers, people
from assurance.database import Unit
from assurance.events import Event, EventName
from assurance.evidence import EmailCode
from assurance.identifiers import IdentifierKind
from assurance.person import PersonId
from assurance.sealed import Vault
from assurance.tables import ChallengeRow
from card.faults import Fault

LIFETIME: Final = timedelta(minutes=10)
TRIES: Final = 5
_SENT_AT_MOST: Final = 5
_WITHIN: Final = timedelta(minutes=15)
_PURPOSE: Final = "email"
_FULL_WIDTH_DIGITS: Final = {0xFF10 + digit: 0x30 + digit for digit in range(10)}


@dataclass(frozen=True, slots=True)
class EmailChallenge:
    """A code that was made.

    :param code: what to mail after the response; None when this address got too many, which the page does
        not tell.
    """

    id: str
    address: str
    code: str | None


@dataclass(frozen=True, slots=True)
class EmailLogin:
    """Who logged in by mail, and the evidence of it."""

    person: PersonId
    evidence: EmailCode


def begin(unit: Unit, vault: Vault, typed: str, *, browser: str, now: datetime) -> EmailChallenge:
    """Make a code for an address, known or not.

    :raises Fault: `email.shape`.
    """
    address = identifiers.normalise_address(typed)
    mac = vault.mac(unit.ward, IdentifierKind.EMAIL, address)
    sent = unit.session.exec(
        select(func.count()).where(
            ChallengeRow.ward == unit.ward,
            ChallengeRow.purpose == _PURPOSE,
            ChallengeRow.bound == mac,
            ChallengeRow.created_at > now - _WITHIN,
        )
    ).one()
    code = f"{secrets.randbelow(10**6):06d}"
    challenge = challenges.issue(
        unit,
        vault,
        _PURPOSE,
        browser=browser,
        now=now,
        expires_at=now + LIFETIME,
        data={"address": address, "code": vault.mac(unit.ward, "email-code", code)},
        bound=mac,
        tries=TRIES,
    )
    may_send = sent < _SENT_AT_MOST
    unit.record(Event(EventName.EMAIL_CODE_SENT, unit.ward, now, clear={"sent": may_send}))
    return EmailChallenge(challenge.id, address, code if may_send else None)


def normalise_code(typed: str) -> str:
    """Help a typed code: full-width digits, spaces and hyphens are forgiven."""
    return "".join(
        character for character in typed.translate(_FULL_WIDTH_DIGITS) if character in "0123456789"
    )


def check(unit: Unit, vault: Vault, id_: str, typed: str, *, browser: str, now: datetime) -> str:
    """Check a code that was typed, and return the address that it was sent to.

    :raises Fault: `email.wrong_code` with `tries_left`, `email.too_many`, `email.expired`; all of them
        commit.
    """
    row = unit.session.get(ChallengeRow, (unit.ward, id_))
    if row is None or row.purpose != _PURPOSE or not secrets.compare_digest(row.browser, browser):
        raise Fault("email.expired")
    if now >= row.expires_at or row.used_at is not None:
        raise Fault("email.too_many" if row.tries_left == 0 else "email.expired")
    counted = unit.session.exec(
        update(ChallengeRow)
        .where(
            col(ChallengeRow.ward) == unit.ward,
            col(ChallengeRow.id) == id_,
            col(ChallengeRow.tries_left) > 0,
            col(ChallengeRow.used_at).is_(None),
        )
        .values(tries_left=ChallengeRow.tries_left - 1)
    )
    if counted.rowcount != 1:
        raise Fault("email.too_many")
    unit.session.refresh(row)
    data = challenges.read(vault, row).data
    expected = data["code"]
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

    A protected person has no email login: the holder of the address becomes someone of whom nothing is known.
    """
    person = identifiers.find_person(unit.session, vault, unit.ward, IdentifierKind.EMAIL, address)
    if person is None:
        person = people.create_person(unit, vault, now)
        identifiers.bind(unit, vault, person, IdentifierKind.EMAIL, address, now)
    elif people.is_protected(unit.session, unit.ward, person, now):
        person = people.create_person(unit, vault, now)
    return EmailLogin(person, EmailCode(now, vault.mac(unit.ward, IdentifierKind.EMAIL, address)))

"""Comparing: six digits that the delegate tells the principal join the two, whoever reads the mails.

They are sealed and not kept as a MAC, unlike a mailed code: the delegate reads them out over the telephone,
perhaps a day after accepting, so her page shows them until they were compared. A MAC of six digits would hide
them from nobody who holds the key anyway.
"""

import hmac
import secrets
from typing import Final

from sqlmodel import col, update

from assurance.database import Unit
from assurance.email_codes import normalise_code
from assurance.events import Event, EventName
from assurance.login import Login
from assurance.mail import Mail
from card.faults import Fault
from delegation import ending, registry
from delegation.assured import PROVEN, required
from delegation.faults import FaultWithMails
from delegation.grant import EndReason, GrantState
from delegation.parts import Parts
from delegation.tables import GrantRow

_BOX: Final = "grant-digits"


def new_digits(parts: Parts, row: GrantRow) -> bytes:
    """The digits of an acceptance, sealed."""
    return parts.vault.seal_for(_BOX, f"{secrets.randbelow(10**6):06d}", f"{row.ward}/{row.id}")


def digits_of(parts: Parts, row: GrantRow) -> str | None:
    """The digits that the delegate sees, until they were compared."""
    if row.digits is None or row.state != GrantState.ACCEPTED:
        return None
    return parts.vault.open_for(_BOX, row.digits, f"{row.ward}/{row.id}")


def _count_try(unit: Unit, row: GrantRow) -> None:
    counted = unit.session.exec(
        update(GrantRow)
        .where(
            col(GrantRow.ward) == unit.ward,
            col(GrantRow.id) == row.id,
            col(GrantRow.version) == row.version,
            col(GrantRow.tries_left) > 0,
            col(GrantRow.digits).is_not(None),  # gone for the loser of two at once
        )
        .values(tries_left=GrantRow.tries_left - 1)
    )
    if counted.rowcount != 1:
        raise Fault("grant.not_now")
    unit.session.refresh(row)


def compare(unit: Unit, parts: Parts, login: Login | None, id_: str, typed: str) -> None:
    """The principal types the digits that she heard from her delegate; three tries.

    :raises Fault: `login.needed`, `grant.unknown`, `grant.not_now`, `grant.ended`; `grant.digits_wrong` with
        `tries_left` and `grant.digits_over` with the mails to both, both of which commit.
    """
    login, now = required(parts, login, PROVEN), parts.clock.now()
    row = registry.find_as_principal(unit.session, unit.ward, id_, login.person, parts.clock.now())
    digits = digits_of(parts, row)
    if digits is None:
        raise Fault("grant.ended" if row.state == GrantState.ENDED else "grant.not_now")
    _count_try(unit, row)
    told = {login.person: {"grant": row.id}}
    if hmac.compare_digest(normalise_code(typed), digits):
        row.compared_at, row.digits = now, None
        unit.record(Event(EventName.GRANT_COMPARED, unit.ward, now, told))
        return
    unit.record(Event(EventName.GRANT_DIGITS_WRONG, unit.ward, now, told))
    if row.tries_left == 0:
        mails: list[Mail] = ending.end(unit, parts, row, login.person, EndReason.LAPSED)
        raise unit.costly(FaultWithMails("grant.digits_over", mails))
    raise unit.costly(Fault("grant.digits_wrong", tries_left=row.tries_left))

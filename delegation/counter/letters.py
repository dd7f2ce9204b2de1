"""Letters: a principal without a channel learns by post what was registered in her name.

Until a week after the letter the delegate receives nothing, moves no money and sees no address in her name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from sqlmodel import Session, col, select, update

from assurance import people
from assurance.database import Unit
from assurance.events import EventName
from assurance.login import Login
from assurance.person import PersonId, Profile
from card.dates import ward_day
from card.faults import Fault
from delegation import registry
from delegation.counter import visiting
from delegation.counter.tables import AttestationRow
from delegation.grant import GrantState
from delegation.parts import Parts
from delegation.tables import GrantRow

_POST_TAKES: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Letter:
    """What is printed.

    :param procedures: by locale, their names.
    """

    grant: str
    principal: Profile
    delegate: str
    procedures: Sequence[Mapping[str, str]]
    last: date


def waiting(session: Session, parts: Parts, login: Login | None) -> Sequence[tuple[str, date]]:
    """The grants whose letter is to be printed, the oldest first, with the day that they were registered.

    :raises Fault: `request.unknown_page` for anybody but staff.
    """
    visiting.staff_login(session, parts, login)
    rows = session.exec(
        select(AttestationRow)
        .join(
            GrantRow,
            (col(GrantRow.ward) == col(AttestationRow.ward))
            & (col(GrantRow.id) == col(AttestationRow.grant)),
        )
        .where(
            AttestationRow.ward == parts.ward.code,
            col(AttestationRow.opens_at).is_(None),
            GrantRow.state == GrantState.ACTIVE,
        )
        .order_by(col(AttestationRow.attested_at))
    ).all()
    return [(row.grant, ward_day(row.attested_at)) for row in rows]


def _unprinted(unit: Unit, parts: Parts, login: Login | None, id_: str) -> tuple[PersonId, GrantRow]:
    staff = visiting.staff_login(unit.session, parts, login)
    known = "\x00" not in id_
    attested = unit.session.get(AttestationRow, (unit.ward, id_)) if known else None
    row = unit.session.get(GrantRow, (unit.ward, id_)) if known else None
    if attested is None or row is None or attested.opens_at is not None or row.state != GrantState.ACTIVE:
        raise Fault("grant.unknown")
    if staff.person in {row.principal, row.delegate}:
        raise Fault("counter.party")
    return staff.person, row


def read(unit: Unit, parts: Parts, login: Login | None, id_: str) -> Letter:
    """A letter to print; that staff saw an address is in the log.

    :raises Fault: `request.unknown_page`, `grant.unknown`, `counter.party`.
    """
    staff, row = _unprinted(unit, parts, login, id_)
    principal = people.profile(unit.session, parts.vault, unit.ward, PersonId(row.principal))
    if principal is None:
        raise Fault("grant.unknown")
    terms, known = registry.terms_of(row), parts.procedures.by_id
    visiting.record(unit, parts, EventName.LETTER_READ, PersonId(row.principal), staff, row.id)
    return Letter(
        row.id,
        principal,
        registry.typed_of(unit.session, parts.vault, row).name,
        [known[procedure].name for procedure in terms.procedures if procedure in known],
        terms.last,
    )


def mark_printed(unit: Unit, parts: Parts, login: Login | None, id_: str) -> None:
    """The letter goes to the post: what waits for it opens a week later.

    :raises Fault: `request.unknown_page`, `grant.unknown` also for one that was printed, `counter.party`.
    """
    (staff, row), now = _unprinted(unit, parts, login, id_), parts.clock.now()
    marked = unit.session.exec(
        update(AttestationRow)
        .where(
            col(AttestationRow.ward) == unit.ward,
            col(AttestationRow.grant) == id_,
            col(AttestationRow.opens_at).is_(None),
        )
        .values(letter_printed_at=now, opens_at=now + _POST_TAKES)
    )
    if marked.rowcount != 1:
        raise Fault("grant.unknown")
    visiting.record(unit, parts, EventName.LETTER_PRINTED, PersonId(row.principal), staff, row.id)

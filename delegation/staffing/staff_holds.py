"""A hold of the ward on a person: one admin places it, with a reason that is kept sealed; two lift it.

It is one row, and the condition of every query that finds something to use; no grant is rewritten.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlmodel import Session, col, select

from assurance import sealed
from assurance.database import Unit
from assurance.events import Event, EventName
from assurance.login import Login
from assurance.person import PersonId, new_id
from assurance.roles import Role
from assurance.tables import RoleRow
from assurance.wards import WardCode
from card.faults import Fault
from delegation.grant import HoldCause, HoldKind
from delegation.parts import Parts
from delegation.staffing import staff
from delegation.tables import HoldRow

LONGEST_REASON: Final = 500
FEWEST_ADMINS: Final = 2
"""What lifting a hold takes: one admin alone must not be able to hold all others."""


def holds_on(session: Session, ward: WardCode, kind: HoldKind, target: str) -> Sequence[HoldRow]:
    """Every hold that there ever was on something, the oldest first."""
    rows = select(HoldRow).where(HoldRow.ward == ward, HoldRow.kind == kind, HoldRow.target == target)
    return session.exec(rows.order_by(col(HoldRow.placed_at), col(HoldRow.id))).all()


@dataclass(frozen=True, slots=True)
class HoldView:
    """A hold on a person.

    :param reason: as it was written; empty for a hold without one.
    """

    id: str
    cause: HoldCause
    reason: str
    placed_by: PersonId
    placed_at: datetime
    lifted_at: datetime | None


def views(session: Session, parts: Parts, person: PersonId) -> Sequence[HoldView]:
    """The holds on a person, with their reasons."""
    cipher, ward = parts.vault.cipher_for(session, parts.ward.code, person), parts.ward.code

    def reason(row: HoldRow) -> str:
        return (
            "" if row.reason is None else cipher.open(row.reason, table="hold", column="reason", row=row.id)
        )

    return [
        HoldView(
            row.id, HoldCause(row.cause), reason(row), PersonId(row.placed_by), row.placed_at, row.lifted_at
        )
        for row in holds_on(session, ward, HoldKind.PERSON, person)
    ]


def _leave_two_admins(unit: Unit, parts: Parts, person: PersonId) -> None:
    now = parts.clock.now()
    admins = unit.session.exec(
        select(RoleRow.person).where(RoleRow.ward == unit.ward, RoleRow.role == Role.ADMIN)
    ).all()
    able = [
        admin
        for admin in map(PersonId, admins)
        if Role.ADMIN in staff.roles_now(unit.session, unit.ward, admin, now)
    ]
    if person in able and len(able) - 1 < FEWEST_ADMINS:
        raise Fault("staff.too_few")


def place(unit: Unit, parts: Parts, login: Login | None, target: str, reason: str) -> None:
    """Stop everything that a person has.

    :raises Fault: `login.needed`, `request.unknown_page`, `staff.unknown_person`, `staff.own`,
        `staff.reason`, `staff.my_number`, `staff.held` where the ward's hold is there already,
        `staff.too_few` for an admin without whom no two would be left.
    """
    staff.one_at_a_time(unit)
    login, now = staff.required_as(unit.session, parts, login, staff.ADMIN), parts.clock.now()
    person = staff.required_person(unit.session, unit.ward, target, login.person)
    text = reason.strip()
    if not text or len(text) > LONGEST_REASON:
        raise Fault("staff.reason")
    if sealed.holds_my_number(text):
        raise Fault("staff.my_number")
    rows = holds_on(unit.session, unit.ward, HoldKind.PERSON, person)
    if any(row.cause == HoldCause.ADMIN and row.lifted_at is None for row in rows):
        raise Fault("staff.held")
    _leave_two_admins(unit, parts, person)
    id_, cipher = new_id(), parts.vault.cipher_for(unit.session, unit.ward, person)
    unit.session.add(
        HoldRow(
            ward=unit.ward,
            id=id_,
            kind=HoldKind.PERSON,
            target=person,
            cause=HoldCause.ADMIN,
            placed_by=login.person,
            reason=cipher.seal(text, table="hold", column="reason", row=id_),
            placed_at=now,
        )
    )
    concerning = {person: {}, login.person: {"person": person, "as": "staff"}}
    unit.record(Event(EventName.STAFF_HELD, unit.ward, now, concerning))

"""Roles: who works for the ward as what, and for how long."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from sqlmodel import Session, col, select

from assurance.database import Unit
from assurance.events import Event, EventName
from assurance.person import PersonId
from assurance.tables import Person, RoleRow
from assurance.wards import WardCode


class Role(StrEnum):
    """What someone may do for the ward, besides what every resident may."""

    STAFF = "staff"
    ADMIN = "admin"
    AUDITOR = "auditor"


def _counts(row: RoleRow, now: datetime) -> bool:
    return row.since <= now and (row.until is None or now < row.until)


def has_role(session: Session, ward: WardCode, person: PersonId, role: Role, now: datetime) -> bool:
    """Whether a person has a role now."""
    row = session.get(RoleRow, (ward, person, role))
    return row is not None and _counts(row, now)


def roles_of(session: Session, ward: WardCode, person: PersonId, now: datetime) -> frozenset[Role]:
    """The roles that a person has now."""
    rows = session.exec(select(RoleRow).where(RoleRow.ward == ward, RoleRow.person == person)).all()
    return frozenset(Role(row.role) for row in rows if _counts(row, now))


def roles_in(session: Session, ward: WardCode) -> Sequence[RoleRow]:
    """Every role that was ever given in a ward, the oldest first: also those that ended."""
    rows = select(RoleRow).where(RoleRow.ward == ward)
    return session.exec(rows.order_by(col(RoleRow.since), col(RoleRow.person), col(RoleRow.role))).all()


def _role_row(unit: Unit, person: PersonId, role: Role) -> RoleRow | None:
    """The row as it is after whoever else writes one of this person's: the key may not be there yet."""
    unit.session.exec(
        select(Person.id).where(Person.ward == unit.ward, Person.id == person).with_for_update()
    ).first()
    return unit.session.get(RoleRow, (unit.ward, person, role), populate_existing=True)


def give(unit: Unit, person: PersonId, role: Role, now: datetime, until: datetime | None) -> None:
    """Give a role, or let one that runs end at another time.

    Whether someone may is the layer above's question: it takes two.
    """
    row = _role_row(unit, person, role)
    if row is None:
        row = RoleRow(ward=unit.ward, person=person, role=role, since=now)
    elif not _counts(row, now):
        row.since = now
    row.until = until
    unit.session.add(row)
    unit.session.flush()
    unit.record(Event(EventName.ROLE_GIVEN, unit.ward, now, {person: {"role": role}}, {"role": role}))


def end(unit: Unit, person: PersonId, role: Role, now: datetime) -> bool:
    """End a role; False for one that nobody has any more."""
    row = _role_row(unit, person, role)
    if row is None or not _counts(row, now):
        return False
    row.until = now
    unit.session.add(row)
    unit.session.flush()
    unit.record(Event(EventName.ROLE_ENDED, unit.ward, now, {person: {"role": role}}, {"role": role}))
    return True

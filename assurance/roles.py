"""Roles: who works for the ward as what, and for how long."""

from datetime import datetime
from enum import StrEnum

from sqlmodel import Session

from assurance.person import PersonId
from assurance.tables import RoleRow
from assurance.wards import WardCode


class Role(StrEnum):
    """What someone may do for the ward, besides what every resident may."""

    STAFF = "staff"
    ADMIN = "admin"
    AUDITOR = "auditor"


def has_role(session: Session, ward: WardCode, person: PersonId, role: Role, now: datetime) -> bool:
    """Whether a person has a role now."""
    row = session.get(RoleRow, (ward, person, role))
    return row is not None and row.since <= now and (row.until is None or now < row.until)

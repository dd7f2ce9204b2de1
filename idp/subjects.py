"""Subjects: who a person is in a sector, by a random name that nothing joins with another sector's."""

from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, select

from assurance.database import Unit
from assurance.person import PersonId, new_id
from assurance.wards import WardCode
from idp.tables import SubjectRow


def sub_for(unit: Unit, sector: str, person: PersonId) -> str:
    """The person's `sub` in a sector, made at the first use; of two first uses at once one makes it."""
    key = (unit.ward, sector, person)
    row = unit.session.get(SubjectRow, key)
    if row is not None:
        return row.sub
    dialect = unit.session.connection().dialect.name
    insert = (postgresql if dialect == "postgresql" else sqlite).insert(SubjectRow)
    made = {"ward": unit.ward, "sector": sector, "person": person, "sub": new_id()}
    unit.session.exec(insert.values(**made).on_conflict_do_nothing())
    return unit.session.get_one(SubjectRow, key).sub


def person_of(session: Session, ward: WardCode, sector: str, sub: str) -> PersonId | None:
    """Whose `sub` this is in a sector."""
    row = session.exec(
        select(SubjectRow).where(SubjectRow.ward == ward, SubjectRow.sector == sector, SubjectRow.sub == sub)
    ).first()
    return None if row is None else PersonId(row.person)

"""Subjects: who a person is in a sector, by a random name that nothing joins with another sector's."""

from sqlmodel import Session, select

from assurance.database import Unit
from assurance.person import PersonId, new_id
from assurance.wards import WardCode
from idp.tables import SubjectRow


def sub_for(unit: Unit, sector: str, person: PersonId) -> str:
    """The person's `sub` in a sector, made at the first use."""
    row = unit.session.get(SubjectRow, (unit.ward, sector, person))
    if row is None:
        row = SubjectRow(ward=unit.ward, sector=sector, person=person, sub=new_id())
        unit.session.add(row)
        unit.session.flush()
    return row.sub


def person_of(session: Session, ward: WardCode, sector: str, sub: str) -> PersonId | None:
    """Whose `sub` this is in a sector."""
    row = session.exec(
        select(SubjectRow).where(SubjectRow.ward == ward, SubjectRow.sector == sector, SubjectRow.sub == sub)
    ).first()
    return None if row is None else PersonId(row.person)

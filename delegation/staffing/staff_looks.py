"""Looking at people: found by exact name and birth date alone, and never unseen.

Each look is told to the person in their own records, and kept for whoever audits the staff.
"""

from collections.abc import Sequence
from datetime import date
from typing import Final

from sqlmodel import Session, col, select

from assurance.database import Unit
from assurance.events import Event, EventName
from assurance.login import Login
from assurance.people import name_key
from assurance.person import PersonId, new_id
from assurance.tables import ProofRow
from assurance.wards import WardCode
from card.faults import Fault
from delegation import registry
from delegation.parts import Parts
from delegation.staffing import staff
from delegation.staffing.tables import Looked, LookRow
from delegation.tables import GrantRow

MOST: Final = 100
"""How many looks a page shows."""


def _note(unit: Unit, parts: Parts, by: PersonId, person: PersonId, what: Looked, about: str | None) -> None:
    now = parts.clock.now()
    unit.session.add(
        LookRow(ward=unit.ward, id=new_id(), at=now, by=by, person=person, what=what, about=about)
    )
    told = {"what": str(what)} | ({} if about is None else {"grant": about})
    concerning = {person: told, by: {"what": str(what), "person": person, "as": "staff"}}
    unit.record(Event(EventName.STAFF_LOOKED, unit.ward, now, concerning, {"what": str(what)}))


def find(unit: Unit, parts: Parts, login: Login | None, name: str, birth: str) -> Sequence[PersonId]:
    """The people of exactly this name and birth date; each is told that someone looked.

    :raises Fault: `login.needed`, `request.unknown_page`, `staff.search`; `staff.own` for oneself.
    """
    login = staff.required_as(unit.session, parts, login, staff.ADMIN)
    try:
        key = name_key(name, date.fromisoformat(birth))
    except ValueError as error:
        raise Fault("staff.search") from error
    if not name.strip():
        raise Fault("staff.search")
    rows = select(ProofRow.person).where(
        ProofRow.ward == unit.ward, col(ProofRow.name_mac).in_(parts.vault.macs(unit.ward, "name", key))
    )
    found = [PersonId(person) for person in sorted(set(unit.session.exec(rows).all()))]
    others = [person for person in found if person != login.person]
    if found and not others:
        raise Fault("staff.own")
    for person in others:
        _note(unit, parts, login.person, person, Looked.FOUND, None)
    return others


def look_at_person(unit: Unit, parts: Parts, login: Login | None, person: str) -> tuple[Login, PersonId]:
    """Look at one person.

    :raises Fault: `login.needed`, `request.unknown_page`, `staff.unknown_person`, `staff.own`.
    """
    login = staff.required_as(unit.session, parts, login, staff.ADMIN)
    found = staff.required_person(unit.session, unit.ward, person, login.person)
    _note(unit, parts, login.person, found, Looked.PERSON, None)
    return login, found


def look_at_grant(unit: Unit, parts: Parts, login: Login | None, id_: str) -> GrantRow:
    """Look at a grant, which is a look at both its parties.

    :raises Fault: `login.needed`, `request.unknown_page`, `grant.unknown`, `staff.own_grant`.
    """
    login = staff.required_as(unit.session, parts, login, staff.ADMIN)
    row = staff.required_grant(unit.session, unit.ward, id_, login.person, parts.clock.now())
    for party in registry.parties_of(unit.session, row, parts.clock.now()):
        if party is not None:
            _note(unit, parts, login.person, party, Looked.GRANT, row.id)
    return row


def note_review(unit: Unit, parts: Parts, by: PersonId, row: GrantRow) -> None:
    """A look at a mandate's review, which shows its principal alone."""
    _note(unit, parts, by, PersonId(row.principal), Looked.REVIEW, row.id)


def looks(session: Session, ward: WardCode, by: str = "") -> Sequence[LookRow]:
    """Who looked at whom, the newest first; of one staff member alone where one is named."""
    if "\x00" in by:  # PostgreSQL takes no such text, and nobody has such an id
        return ()
    rows = select(LookRow).where(LookRow.ward == ward)
    if by:
        rows = rows.where(LookRow.by == by)
    return session.exec(rows.order_by(col(LookRow.at).desc(), col(LookRow.id)).limit(MOST)).all()


def lookers(session: Session, ward: WardCode) -> Sequence[PersonId]:
    """Everyone who ever looked."""
    rows = session.exec(select(LookRow.by).where(LookRow.ward == ward).distinct()).all()
    return [PersonId(by) for by in sorted(rows)]

"""Changes that take two: lifting a hold, giving a role, ending one. How they are proposed and found again."""

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Final

from sqlmodel import Session, col, or_, select

from assurance import roles
from assurance.database import Unit
from assurance.login import Login
from assurance.person import PersonId, new_id
from assurance.roles import Role
from assurance.wards import WardCode
from card.dates import add_months, ward_day
from card.faults import Fault
from delegation.grant import LIFTED_BY_TWO, HoldKind
from delegation.parts import Parts
from delegation.staffing import change_text, staff
from delegation.staffing.tables import ChangeKind, ChangeRow
from delegation.tables import HoldRow, MandateRow

STAYS_OPEN: Final = timedelta(days=7)
LONGEST_ROLE_MONTHS: Final = 12


def _propose(unit: Unit, parts: Parts, by: PersonId, kind: ChangeKind, content: Mapping[str, str]) -> str:
    id_, now = new_id(), parts.clock.now()
    until = now + STAYS_OPEN
    proposal = {
        "ward": unit.ward,
        "id": id_,
        "kind": str(kind),
        "content": dict(content),
        "proposed_by": by,
        "proposed_at": now.isoformat(),
        "expires_at": until.isoformat(),
    }
    unit.session.add(
        ChangeRow(
            ward=unit.ward,
            id=id_,
            kind=kind,
            person=content["person"],
            content=json.dumps(content),
            hash=change_text.hash_of(proposal),
            proposed_by=by,
            proposed_at=now,
            expires_at=until,
        )
    )
    return id_


def propose_lifting(unit: Unit, parts: Parts, login: Login | None, hold: str) -> str:
    """Propose to lift a hold on a person, or one of the ward's on a grant.

    :returns: the change's id.
    :raises Fault: `login.needed`, `request.unknown_page`, `change.stale`, `staff.own`, `staff.own_grant`.
    """
    login = staff.required_as(unit.session, parts, login, staff.ADMIN)
    row = unit.session.get(HoldRow, (unit.ward, hold)) if "\x00" not in hold else None
    if row is None or row.lifted_at is not None or row.cause not in LIFTED_BY_TWO:
        raise Fault("change.stale")
    content = {"hold": row.id, "cause": row.cause, "placed": ward_day(row.placed_at).isoformat()}
    match HoldKind(row.kind):
        case HoldKind.PERSON:
            person = staff.required_person(unit.session, unit.ward, row.target, login.person)
            return _propose(unit, parts, login.person, ChangeKind.LIFT_HOLD, {"person": person, **content})
        case HoldKind.GRANT:
            concerning = _of_grant(unit, parts, row.target, login.person)
            return _propose(unit, parts, login.person, ChangeKind.LIFT_GRANT_HOLD, {**concerning, **content})
    raise Fault("change.stale")


def _of_grant(unit: Unit, parts: Parts, id_: str, by: PersonId) -> dict[str, str]:
    """Whose grant it is, which, and what tells it from her others in a text: when its mandate was signed."""
    grant = staff.required_grant(unit.session, unit.ward, id_, by, parts.clock.now())
    mandate = unit.session.get(MandateRow, (unit.ward, id_))
    signed = grant.created_at if mandate is None else mandate.signed_at
    return {"person": grant.principal, "grant": id_, "signed": ward_day(signed).isoformat()}


def _known_role(text: str) -> Role:
    if text not in frozenset(Role):
        raise Fault("staff.role")
    return Role(text)


def _check_last(last: str, today: date) -> str:
    """The last day of a role, as it is stored."""
    try:
        day = date.fromisoformat(last)
    except ValueError as error:
        raise Fault("grant.date") from error
    latest = add_months(today, LONGEST_ROLE_MONTHS)
    if not today <= day <= latest:
        raise Fault("staff.role_last", latest=latest)
    return day.isoformat()


def propose_role(unit: Unit, parts: Parts, login: Login | None, target: str, role: str, last: str) -> str:
    """Propose to give a role until a day, or to let one that runs end on another.

    :raises Fault: `login.needed`, `request.unknown_page`, `staff.unknown_person`, `staff.own`, `staff.role`,
        `staff.role_last`, `grant.date`; `staff.not_proofed` for someone whose card the counter never saw.
    """
    login, now = staff.required_as(unit.session, parts, login, staff.ADMIN), parts.clock.now()
    person = staff.required_person(unit.session, unit.ward, target, login.person)
    content = {
        "person": person,
        "role": str(_known_role(role)),
        "last": _check_last(last, ward_day(now)),
    }
    if not staff.is_card_proofed(unit.session, unit.ward, person, now):
        raise Fault("staff.not_proofed")
    return _propose(unit, parts, login.person, ChangeKind.GIVE_ROLE, content)


def propose_ending(unit: Unit, parts: Parts, login: Login | None, target: str, role: str) -> str:
    """Propose to end a role now.

    :raises Fault: `login.needed`, `request.unknown_page`, `staff.unknown_person`, `staff.own`, `staff.role`,
        `change.stale` for one that the person does not have.
    """
    login, now = staff.required_as(unit.session, parts, login, staff.ADMIN), parts.clock.now()
    person = staff.required_person(unit.session, unit.ward, target, login.person)
    known = _known_role(role)
    if not roles.has_role(unit.session, unit.ward, person, known, now):
        raise Fault("change.stale")
    return _propose(unit, parts, login.person, ChangeKind.END_ROLE, {"person": person, "role": str(known)})


def find(session: Session, ward: WardCode, id_: str, reader: PersonId) -> ChangeRow:
    """A change; one that its proposer has not signed is nobody else's.

    :raises Fault: `change.unknown`; `change.own` to whom it concerns.
    """
    row = session.get(ChangeRow, (ward, id_)) if "\x00" not in id_ else None
    if row is None or (row.signatures == 0 and row.proposed_by != reader):
        raise Fault("change.unknown")
    if row.person == reader:
        raise Fault("change.own")
    return row


def open_changes(session: Session, ward: WardCode, reader: PersonId, now: datetime) -> Sequence[ChangeRow]:
    """What waits for a signature, the oldest first."""
    rows = select(ChangeRow).where(
        ChangeRow.ward == ward,
        col(ChangeRow.done_at).is_(None),
        ChangeRow.expires_at > now,
        ChangeRow.person != reader,
        or_(col(ChangeRow.signatures) > 0, ChangeRow.proposed_by == reader),
    )
    return session.exec(rows.order_by(col(ChangeRow.proposed_at), col(ChangeRow.id))).all()

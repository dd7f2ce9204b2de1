"""Handing a principal over to a colleague: with notice, without a new signature, with a right to refuse.

The mandate names the office and says that it may name another of its members. A hand-over works a day after
its notice, so that a stolen administrator's login cannot take a client over before anyone reads the mail;
the principal, or a second person of the office, may confirm it at once.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session, col, func, select, update

from assurance.database import Unit
from assurance.events import Event, EventName
from assurance.login import Login
from assurance.mail import Mail
from assurance.person import PersonId, new_id
from assurance.wards import WardCode
from card.faults import Fault
from delegation import ending, notices, registry
from delegation.assured import PROVEN, TWO_FACTORS, required
from delegation.grant import EndReason, GrantState
from delegation.notices import NoticeKind
from delegation.offices import members
from delegation.offices.tables import DesignationRow, MembershipRow
from delegation.parts import Parts
from delegation.tables import GrantRow

_NOTICE: Final = timedelta(hours=24)
_MOST_A_DAY: Final = 10


def clients_of(session: Session, ward: WardCode, office: str) -> Sequence[GrantRow]:
    """The grants that an office holds, the newest first."""
    return session.exec(
        select(GrantRow)
        .where(
            GrantRow.ward == ward,
            GrantRow.office == office,
            col(GrantRow.state).in_([GrantState.ACCEPTED, GrantState.ACTIVE]),
        )
        .order_by(col(GrantRow.created_at).desc())
    ).all()


def _newest(session: Session, row: GrantRow) -> DesignationRow | None:
    """The last naming of a grant that did or will work: in force, over, or still to come."""
    return session.exec(
        select(DesignationRow)
        .where(
            DesignationRow.ward == row.ward,
            DesignationRow.grant == row.id,
            col(DesignationRow.refused_at).is_(None),
            col(DesignationRow.until).is_(None)
            | (col(DesignationRow.until) > col(DesignationRow.works_from)),
        )
        .order_by(col(DesignationRow.works_from).desc(), col(DesignationRow.named_at).desc())
    ).first()


def to_come(session: Session, row: GrantRow, now: datetime) -> DesignationRow | None:
    """The hand-over of a grant that does not work yet."""
    works = row.office is not None and row.state != GrantState.ENDED
    newest = _newest(session, row) if works else None
    return newest if newest is not None and newest.works_from > now else None


def _grant(unit: Unit, office: str, grant: str) -> GrantRow:
    row = unit.session.get(GrantRow, (unit.ward, grant)) if "\x00" not in grant else None
    if row is None or row.office != office:
        raise Fault("grant.unknown")
    return row


def _told(row: GrantRow, *people: str) -> dict[PersonId, dict[str, str]]:
    return {PersonId(person): {"grant": row.id} for person in (row.principal, *people)}


def _set_until(unit: Unit, row: GrantRow, until: datetime | None, which: sa.ColumnElement[bool]) -> None:
    unit.session.exec(
        update(DesignationRow)
        .where(
            col(DesignationRow.ward) == unit.ward,
            col(DesignationRow.grant) == row.id,
            which,
        )
        .values(until=until)
    )


def hand_over(
    unit: Unit, parts: Parts, login: Login | None, office: str, grant: str, membership: str
) -> list[Mail]:
    """An administrator names a colleague; the one in force goes on until the new naming works.

    :returns: the notice to the principal.
    :raises Fault: `login.needed`, `office.*`, `grant.unknown`, `grant.not_now`.
    """
    login, _ = members.as_administrator(unit, parts, login, office)
    row, now = _grant(unit, office, grant), parts.clock.now()
    member = unit.session.get(MembershipRow, (unit.ward, membership)) if "\x00" not in membership else None
    if member is None or member.office != office or not members.counts(unit.session, member, now):
        raise Fault("office.member_unknown")
    if not members.typed_of(parts, member)["number"]:
        raise Fault("office.no_care_manager")
    if row.state != GrantState.ACTIVE or to_come(unit.session, row, now) is not None:
        raise Fault("grant.not_now")
    if member.person in {row.principal, registry.delegate_of(unit.session, row, now)}:
        raise Fault("grant.not_now")
    if not members.typed_of(parts, member)["number"]:
        raise Fault("office.no_care_manager")
    since = now - timedelta(days=1)
    named = select(func.count()).where(
        DesignationRow.ward == unit.ward,
        DesignationRow.office == office,
        DesignationRow.named_at > since,
        DesignationRow.works_from > DesignationRow.named_at,  # none of the first, whom the mandate names
    )
    if unit.session.exec(named).one() >= _MOST_A_DAY:
        raise Fault("office.too_many_hand_overs")
    works_from, person = now + _NOTICE, str(member.person)
    _set_until(unit, row, works_from, col(DesignationRow.until).is_(None))
    unit.session.add(
        DesignationRow(
            ward=unit.ward,
            id=new_id(),
            grant=row.id,
            office=office,
            membership=member.id,
            person=person,
            named_by=login.person,
            named_at=now,
            works_from=works_from,
        )
    )
    unit.record(Event(EventName.DESIGNATED, unit.ward, now, _told(row, person)))
    principal = PersonId(row.principal)
    return notices.notices_to(unit.session, parts, principal, NoticeKind.HAND_OVER, f"/grants/{row.id}")


def _claim(unit: Unit, coming: DesignationRow, now: datetime, **values: object) -> None:
    claimed = unit.session.exec(
        update(DesignationRow)
        .where(
            col(DesignationRow.ward) == unit.ward,
            col(DesignationRow.id) == coming.id,
            col(DesignationRow.works_from) > now,
            col(DesignationRow.refused_at).is_(None),
        )
        .values(**values)
    )
    if claimed.rowcount != 1:
        raise Fault("grant.not_now")


def confirm(unit: Unit, parts: Parts, login: Login | None, grant: str, office: str | None = None) -> None:
    """The principal, or a second person of the office, lets a hand-over work at once.

    :param office: on whose page it was confirmed; None on the grant's own.
    :raises Fault: `login.needed`, `grant.unknown`, `grant.not_now`; `office.second_person` for who named it.
    """
    login, now = required(parts, login, PROVEN), parts.clock.now()
    row = unit.session.get(GrantRow, (unit.ward, grant)) if "\x00" not in grant else None
    if row is None or row.office is None or office not in {None, row.office}:
        raise Fault("grant.unknown")
    if login.person != row.principal:
        try:
            members.working_member(unit.session, parts, login, row.office)
        except Fault as fault:
            raise Fault("grant.unknown") from fault
    coming = to_come(unit.session, row, now)
    if coming is None:
        raise Fault("grant.not_now")
    if login.person in {coming.named_by, coming.person}:
        raise Fault("office.second_person")
    replaced = coming.works_from
    _claim(unit, coming, now, works_from=now, confirmed_by=login.person)
    _set_until(unit, row, now, col(DesignationRow.until) == replaced)
    unit.record(Event(EventName.DESIGNATION_CONFIRMED, unit.ward, now, _told(row, coming.person)))


def refuse(unit: Unit, parts: Parts, login: Login | None, grant: str) -> None:
    """The principal's no to a colleague, before the naming works; who acted before goes on.

    :raises Fault: `login.needed`, `grant.unknown`, `grant.not_now`.
    """
    login, now = required(parts, login, TWO_FACTORS), parts.clock.now()
    row = registry.find_as_principal(unit.session, unit.ward, grant, login.person, now)
    coming = to_come(unit.session, row, now)
    if coming is None:
        raise Fault("grant.not_now")
    _claim(unit, coming, now, refused_at=now, until=coming.works_from)
    members.resume_before(unit, coming)
    unit.record(Event(EventName.DESIGNATION_REFUSED, unit.ward, now, _told(row, coming.person)))


def end_for_office(unit: Unit, parts: Parts, login: Login | None, office: str, grant: str) -> list[Mail]:
    """An administrator ends what the office holds: the contract is over.

    :raises Fault: `login.needed`, `office.unknown`, `grant.unknown`, `grant.ended`.
    """
    login, _ = members.as_administrator(unit, parts, login, office)
    return ending.end(unit, parts, _grant(unit, office, grant), login.person, EndReason.CONTRACT_ENDED)

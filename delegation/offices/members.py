"""Offices and who works for them: registered by the ward, joined by people, attested by the office.

A care manager counts only after staff compared her number with the register, and only while her office
attests every ninety days that she works there. Leaving ends membership and designations, never a grant: the
mandate names the office.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from sqlmodel import Session, col, select, update

from assurance import people
from assurance.database import Unit
from assurance.events import Event, EventName
from assurance.handles import hashed, new_handle
from assurance.identifiers import normalise_address
from assurance.levels import ACTING, Requirement
from assurance.login import Login
from assurance.mail import Mail
from assurance.person import PersonId, new_id
from assurance.roles import Role
from assurance.wards import WardCode
from card.container import refuse_controls
from card.dates import ward_day
from card.faults import Fault
from delegation import notices, usability
from delegation.assured import PROVEN, required
from delegation.grant import same_name
from delegation.notices import NoticeKind
from delegation.offices.numbers import care_manager_number, office_number
from delegation.offices.tables import DesignationRow, MembershipRow, OfficeRow
from delegation.parts import Parts
from delegation.staffing import staff

FRESH: Final = Requirement(ACTING, fresh_within=timedelta(minutes=20))
"""What an administrator's changes need."""
ATTESTED_FOR: Final = timedelta(days=90)
_OPEN_FOR: Final = timedelta(days=30)
_MOST_MEMBERS: Final = 200
_LONGEST_NAME: Final = 100
_BOX: Final = "membership"


@dataclass(frozen=True, slots=True)
class Invited:
    """Whom an office invites.

    :param number: 介護支援専門員番号; empty for an administrator who acts for nobody.
    :param number_until: last day of the certificate.
    """

    name: str
    address: str
    number: str = ""
    number_until: date | None = None


def typed_of(parts: Parts, row: MembershipRow) -> Mapping[str, str]:
    """What was typed of a member: `name`, `address`, `number`."""
    opened: dict[str, str] = json.loads(parts.vault.open_for(_BOX, row.sealed, f"{row.ward}/{row.id}"))
    return opened


def _invite(
    unit: Unit, parts: Parts, office: str, invited: Invited, by: PersonId, *, administrator: bool
) -> list[Mail]:
    name, address, now = invited.name.strip(), normalise_address(invited.address), parts.clock.now()
    if not name or len(name) > _LONGEST_NAME:
        raise Fault("office.member_name")
    number = "" if administrator and not invited.number else care_manager_number(invited.number)
    if number and (invited.number_until is None or invited.number_until < ward_day(now)):
        raise Fault("office.member_number_over")
    id_, handle = new_id(), new_handle()
    typed = json.dumps({"name": name, "address": address, "number": number}, ensure_ascii=False)
    unit.session.add(
        MembershipRow(
            ward=unit.ward,
            id=id_,
            office=office,
            administrator=administrator,
            sealed=parts.vault.seal_for(_BOX, typed, f"{unit.ward}/{id_}"),
            number_until=None if not number or invited.number_until is None else str(invited.number_until),
            invitation=hashed(handle),
            invitation_until=now + _OPEN_FOR,
            invited_by=by,
        )
    )
    unit.record(Event(EventName.MEMBER_INVITED, unit.ward, now, {by: {"office": office}}))
    return [notices.notice(parts, address, NoticeKind.MEMBER, f"/memberships/{handle}")]


def register_office(
    unit: Unit,
    parts: Parts,
    login: Login | None,
    *,
    number: str,
    name: str,
    until: date | None,
    administrator: Invited,
) -> tuple[str, list[Mail]]:
    """An admin of the ward registers an office and invites its administrator.

    :returns: the office's id, and the invitation to send.
    :raises Fault: `login.needed`, `request.unknown_page`, `office.*`, `email.shape`.
    """
    login = required(parts, staff.required_as(unit.session, parts, login, staff.ADMIN), FRESH)
    now, name = parts.clock.now(), name.strip()
    if not name or len(name) > _LONGEST_NAME:
        raise Fault("office.name")
    refuse_controls(name)
    number = office_number(number)
    taken = select(OfficeRow).where(OfficeRow.ward == unit.ward, OfficeRow.number == number)
    if unit.session.exec(taken).first() is not None:
        raise Fault("office.taken")
    id_ = new_id()
    unit.session.add(
        OfficeRow(
            ward=unit.ward,
            id=id_,
            number=number,
            name=name,
            until=None if until is None else until.isoformat(),
            registered_by=login.person,
            registered_at=now,
        )
    )
    unit.record(
        Event(
            EventName.OFFICE_REGISTERED, unit.ward, now, {login.person: {"office": id_}}, {"number": number}
        )
    )
    return id_, _invite(unit, parts, id_, administrator, login.person, administrator=True)


def find_office(session: Session, ward: WardCode, id_: str) -> OfficeRow:
    """An office that was not ended.

    :raises Fault: `office.unknown`.
    """
    row = session.get(OfficeRow, (ward, id_)) if "\x00" not in id_ else None
    if row is None or row.ended_at is not None:
        raise Fault("office.unknown")
    return row


def members_of(session: Session, ward: WardCode, office: str) -> Sequence[MembershipRow]:
    """Who was invited or works for an office, but for who left."""
    return session.exec(
        select(MembershipRow)
        .where(
            MembershipRow.ward == ward, MembershipRow.office == office, col(MembershipRow.ended_at).is_(None)
        )
        .order_by(col(MembershipRow.administrator).desc(), col(MembershipRow.id))
    ).all()


def memberships_of(session: Session, ward: WardCode, person: PersonId) -> Sequence[MembershipRow]:
    """For which offices a person works."""
    return session.exec(
        select(MembershipRow).where(
            MembershipRow.ward == ward,
            MembershipRow.person == person,
            col(MembershipRow.ended_at).is_(None),
        )
    ).all()


def counts(session: Session, row: MembershipRow, now: datetime) -> bool:
    """Whether a member may work for the office now: the same conditions under which a grant is usable."""
    return usability.may_work(session, WardCode(row.ward), row.id, now)


def working_member(
    session: Session, parts: Parts, login: Login, office: str, *, administrator: bool = False
) -> MembershipRow:
    """The membership of a login's own person, if it counts now.

    :raises Fault: `office.unknown` for everyone else, so that nothing tells who works where.
    """
    for row in memberships_of(session, parts.ward.code, login.person):
        fits = row.office == office and (row.administrator or not administrator)
        if fits and counts(session, row, parts.clock.now()):
            return row
    raise Fault("office.unknown")


def as_administrator(unit: Unit, parts: Parts, login: Login | None, office: str) -> tuple[Login, OfficeRow]:
    """A fresh login of an administrator of an office.

    :raises Fault: `login.needed`, `office.unknown`.
    """
    login = required(parts, login, FRESH)
    working_member(unit.session, parts, login, office, administrator=True)
    return login, find_office(unit.session, unit.ward, office)


def invite(unit: Unit, parts: Parts, login: Login | None, office: str, invited: Invited) -> list[Mail]:
    """An administrator invites a care manager.

    :raises Fault: `login.needed`, `office.*`, `email.shape`.
    """
    login, _ = as_administrator(unit, parts, login, office)
    if len(members_of(unit.session, unit.ward, office)) >= _MOST_MEMBERS:
        raise Fault("office.too_many")
    return _invite(unit, parts, office, invited, login.person, administrator=False)


def invitation(session: Session, parts: Parts, handle: str) -> tuple[MembershipRow, OfficeRow]:
    """The membership that a mailed link leads to, as long as it may be accepted.

    :raises Fault: `invitation.gone`.
    """
    ward, now = parts.ward.code, parts.clock.now()
    row = session.exec(
        select(MembershipRow).where(MembershipRow.ward == ward, MembershipRow.invitation == hashed(handle))
    ).first()
    open_ = row is not None and row.person is None and row.ended_at is None and now < row.invitation_until
    if row is None or not open_:
        raise Fault("invitation.gone")
    return row, find_office(session, ward, row.office)


def join(unit: Unit, parts: Parts, login: Login | None, handle: str) -> str:
    """The invited person's yes: proven, by the name that the office typed.

    An administrator counts at once, since the ward itself named them; a care manager after staff's check.

    :returns: the office's id.
    :raises Fault: `login.needed`, `invitation.*`, `office.member_already`.
    """
    row, office = invitation(unit.session, parts, handle)
    login, now = required(parts, login, PROVEN), parts.clock.now()
    profile = people.profile(unit.session, parts.vault, unit.ward, login.person)
    if profile is None or not same_name(typed_of(parts, row)["name"], profile.name):
        raise Fault("office.other_name")
    if any(mine.office == office.id for mine in memberships_of(unit.session, unit.ward, login.person)):
        raise Fault("office.member_already")
    named = {"checked_by": row.invited_by, "checked_at": now, "attested_until": now + ATTESTED_FOR}
    claimed = unit.session.exec(
        update(MembershipRow)
        .where(
            col(MembershipRow.ward) == unit.ward,
            col(MembershipRow.id) == row.id,
            col(MembershipRow.person).is_(None),
            col(MembershipRow.ended_at).is_(None),
        )
        .values(person=login.person, accepted_at=now, **(named if row.administrator else {}))
    )
    if claimed.rowcount != 1:
        raise Fault("invitation.gone")
    unit.record(Event(EventName.MEMBER_JOINED, unit.ward, now, {login.person: {"office": office.name}}))
    return office.id


def _change(unit: Unit, row: MembershipRow, name: EventName, now: datetime, **values: object) -> None:
    """Change a membership that stands; of two at once the second changes what the first left."""
    changed = unit.session.exec(
        update(MembershipRow)
        .where(
            col(MembershipRow.ward) == unit.ward,
            col(MembershipRow.id) == row.id,
            col(MembershipRow.person).is_(None)
            if row.person is None
            else col(MembershipRow.person) == row.person,
            col(MembershipRow.ended_at).is_(None),
        )
        .values(**values)
    )
    if changed.rowcount != 1:
        raise Fault("office.member_unknown")
    told = {} if row.person is None else {PersonId(row.person): {"membership": row.id}}
    unit.record(Event(name, unit.ward, now, told))


def _member(unit: Unit, office: str, membership: str) -> MembershipRow:
    row = unit.session.get(MembershipRow, (unit.ward, membership)) if "\x00" not in membership else None
    if row is None or row.office != office or row.ended_at is not None:
        raise Fault("office.member_unknown")
    return row


def check(unit: Unit, parts: Parts, login: Login | None, office: str, membership: str) -> None:
    """Staff of the ward found the number in the register; from now on this member counts.

    :raises Fault: `login.needed`, `request.unknown_page`, `office.member_unknown`,
        `office.member_not_joined`, `office.own_number`.
    """
    login = required(parts, staff.required_as(unit.session, parts, login, {Role.STAFF}), FRESH)
    now = parts.clock.now()
    row = _member(unit, office, membership)
    if row.person is None:
        raise Fault("office.member_not_joined")
    if row.person == login.person:
        raise Fault("office.own_number")
    values = {"checked_by": login.person, "checked_at": now, "attested_until": now + ATTESTED_FOR}
    _change(unit, row, EventName.MEMBER_CHECKED, now, **values)


def attest(unit: Unit, parts: Parts, login: Login | None, office: str, membership: str) -> None:
    """An administrator says again that a member works there.

    :raises Fault: `login.needed`, `office.*`.
    """
    as_administrator(unit, parts, login, office)
    row, now = _member(unit, office, membership), parts.clock.now()
    if row.checked_at is None:
        raise Fault("office.member_not_joined")
    _change(unit, row, EventName.MEMBER_ATTESTED, now, attested_until=now + ATTESTED_FOR)


def resume_before(unit: Unit, naming: DesignationRow) -> None:
    """Let who acted until a naming that comes to nothing go on."""
    unit.session.exec(
        update(DesignationRow)
        .where(
            col(DesignationRow.ward) == unit.ward,
            col(DesignationRow.grant) == naming.grant,
            col(DesignationRow.until) == naming.works_from,
            col(DesignationRow.works_from) < naming.works_from,
            col(DesignationRow.refused_at).is_(None),
        )
        .values(until=None)
    )


def leave(unit: Unit, parts: Parts, login: Login | None, office: str, membership: str) -> None:
    """An administrator ends a membership, or a member their own; no grant ends with it.

    Whom they were to take over from goes on.

    :raises Fault: `login.needed`, `office.*`.
    """
    login, now = required(parts, login, PROVEN), parts.clock.now()
    row = _member(unit, office, membership)
    if row.person != login.person:
        as_administrator(unit, parts, login, office)
    _change(unit, row, EventName.MEMBER_LEFT, now, ended_at=now)
    coming = select(DesignationRow).where(
        DesignationRow.ward == unit.ward,
        DesignationRow.membership == row.id,
        DesignationRow.works_from > now,
        col(DesignationRow.until).is_(None),
    )
    for naming in unit.session.exec(coming).all():
        resume_before(unit, naming)
    unit.session.exec(
        update(DesignationRow)
        .where(
            col(DesignationRow.ward) == unit.ward,
            col(DesignationRow.membership) == row.id,
            col(DesignationRow.until).is_(None) | (col(DesignationRow.until) > now),
        )
        .values(until=now)
    )

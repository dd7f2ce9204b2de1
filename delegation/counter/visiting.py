"""Visits: a resident's card says that she is at the counter, which stands there for a login of her own.

The visit is bound to the login of the staff member who asked for the card, and to nobody else's; one login
has one visit. While it is open, that browser acts for the resident alone: never for the staff member.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlmodel import Session, col, select, update

from assurance import identifiers
from assurance.database import Unit
from assurance.events import Event, EventName
from assurance.identifiers import IdentifierKind
from assurance.login import Login
from assurance.mail import Mail
from assurance.person import PersonId, new_id
from assurance.roles import Role
from assurance.wards import ward_name
from card.container import CardEvidence, SigningPurpose
from card.faults import Fault
from card.revocation import RevocationState
from delegation.counter.tables import VisitRow
from delegation.parts import Errand, Parts
from delegation.staffing.staff import required_as, roles_now

_LASTS: Final = timedelta(minutes=30)
STAFF_PART: Final[Mapping[str, str]] = {"as": "staff"}
"""What a leaf tells the staff member who did it: that is no news to them, but an auditor finds it by them."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A resident who is at the counter now.

    :param locale: her language.
    """

    id: str
    staff: PersonId
    person: PersonId
    locale: str


def staff_login(session: Session, parts: Parts, login: Login | None) -> Login:
    """A login of someone who works at the counter.

    :raises Fault: `login.needed`; `request.unknown_page` for anybody else: for them there is no such page.
    """
    return required_as(session, parts, login, {Role.STAFF})


def record(
    unit: Unit, parts: Parts, name: EventName, person: PersonId, staff: PersonId, grant: str | None = None
) -> None:
    """Note what a staff member did for, or saw of, a person: she reads it in her records."""
    told = {"staff": str(staff)} | ({} if grant is None else {"grant": grant})
    unit.record(Event(name, unit.ward, parts.clock.now(), {person: told, staff: STAFF_PART}))


def ask_for_card(unit: Unit, parts: Parts, login: Login | None, locale: str) -> Errand:
    """Ask the resident's card to say that she is here.

    :param locale: her language: what she signs is what she reads.
    :raises Fault: `request.unknown_page`.
    """
    staff, now = staff_login(unit.session, parts, login), parts.clock.now()
    row = VisitRow(
        ward=unit.ward,
        id=new_id(),
        staff=staff.person,
        locale=locale,
        began_at=now,
        expires_at=now + SigningPurpose.ATTENDANCE.lifetime,
    )
    unit.session.add(row)
    return parts.signing.ask(
        unit,
        SigningPurpose.ATTENDANCE,
        row.id,
        locale=locale,
        text=parts.pages.text(locale, "delegation.counter.attendance", ward=ward_name(unit.ward, locale)),
        pages=(parts.address(f"/counter/visits/{row.id}"), parts.address("/counter")),
    )


def _holder(unit: Unit, parts: Parts, signed: CardEvidence) -> PersonId:
    """Whose card it is: of a live identifier that counts, and was not revoked."""
    row = identifiers.find(
        unit.session,
        parts.vault,
        unit.ward,
        IdentifierKind.CARD_AUTHENTICATION,
        signed.certificate.identity,
    )
    if signed.purpose is not SigningPurpose.ATTENDANCE or row is None:
        raise Fault("counter.unknown_card")
    if row.counts_from is not None and row.counts_from > parts.clock.now():
        raise Fault("counter.unknown_card")
    if signed.revocation.state is not RevocationState.GOOD:
        raise Fault("counter.unchecked")
    return PersonId(row.person)


def _end_others(unit: Unit, parts: Parts, login: Login) -> None:
    """Who comes next ends the visit of who was there before."""
    now = parts.clock.now()
    unit.session.exec(
        update(VisitRow)
        .where(
            col(VisitRow.ward) == unit.ward,
            col(VisitRow.login) == login.id,
            col(VisitRow.ended_at).is_(None),
        )
        .values(ended_at=now)
    )


def open_visit(unit: Unit, parts: Parts, login: Login | None, id_: str, signed: CardEvidence) -> list[Mail]:
    """Take in what the resident's card signed: her visit is open.

    :raises Fault: `request.unknown_page`; `counter.visit_over`, `counter.unknown_card`, `counter.unchecked`;
        `counter.self` for a staff member's own card: nobody serves themselves.
    """
    staff, now = staff_login(unit.session, parts, login), parts.clock.now()
    person = _holder(unit, parts, signed)
    if person == staff.person:
        raise Fault("counter.self")
    _end_others(unit, parts, staff)
    opened = unit.session.exec(
        update(VisitRow)
        .where(
            col(VisitRow.ward) == unit.ward,
            col(VisitRow.id) == id_,
            col(VisitRow.staff) == staff.person,
            col(VisitRow.person).is_(None),
        )
        .values(person=person, login=staff.id, began_at=now, expires_at=now + _LASTS)
    )
    if opened.rowcount != 1:
        raise Fault("counter.visit_over")
    record(unit, parts, EventName.COUNTER_VISIT_OPENED, person, staff.person)
    return []


def current(session: Session, parts: Parts, login: Login) -> Visit | None:
    """The visit that is open in this login, if any."""
    now, ward = parts.clock.now(), parts.ward.code
    row = session.exec(
        select(VisitRow)
        .where(
            VisitRow.ward == ward,
            VisitRow.login == login.id,
            VisitRow.staff == login.person,
            VisitRow.expires_at > now,
            col(VisitRow.ended_at).is_(None),
        )
        .order_by(col(VisitRow.began_at).desc(), col(VisitRow.id))  # of two answers at once one has the desk
    ).first()
    if row is None or row.person is None or Role.STAFF not in roles_now(session, ward, login.person, now):
        return None
    return Visit(row.id, login.person, PersonId(row.person), row.locale)


def required_visit(session: Session, parts: Parts, login: Login | None, id_: str) -> Visit:
    """The visit of a page.

    :raises Fault: `request.unknown_page`; `counter.visit_over` also for another's visit.
    """
    visit = current(session, parts, staff_login(session, parts, login))
    if visit is None or visit.id != id_:
        raise Fault("counter.visit_over")
    return visit


def end_visit(unit: Unit, parts: Parts, login: Login | None, id_: str) -> None:
    """The resident goes.

    :raises Fault: `request.unknown_page`, `counter.visit_over`.
    """
    visit, staff = required_visit(unit.session, parts, login, id_), staff_login(unit.session, parts, login)
    _end_others(unit, parts, staff)
    record(unit, parts, EventName.COUNTER_VISIT_ENDED, visit.person, visit.staff)

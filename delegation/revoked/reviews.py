"""What staff review: a mandate whose certificate was revoked without a reason that tells what to do.

One staff member decides, who is no party of the grant: hold it now, or let it go on. Nobody decides: it is
held on its day.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlmodel import Session, col, select

from assurance import people
from assurance.database import Unit
from assurance.events import Event, EventName
from assurance.login import Login
from assurance.mail import Mail
from assurance.person import PersonId, Profile
from card.dates import ward_day
from card.faults import Fault
from delegation import notices, registry
from delegation.grant import GrantState
from delegation.notices import NoticeKind
from delegation.parts import Parts
from delegation.revoked import holding
from delegation.revoked.tables import RevokedMandateRow
from delegation.staffing import staff, staff_looks
from delegation.tables import GrantRow, MandateRow


@dataclass(frozen=True, slots=True)
class Waiting:
    """A review that nobody settled.

    :param hold_on: the ward day on which the grant is held.
    """

    grant: str
    seen_on: date
    hold_on: date


@dataclass(frozen=True, slots=True)
class Review:
    """One of them, as staff look at it: the principal's side alone.

    :param reason: of the list.
    """

    grant: str
    reason: str
    seen_on: date
    hold_on: date
    signed_at: datetime
    principal: Profile


def waiting(session: Session, parts: Parts, login: Login | None) -> Sequence[Waiting]:
    """What waits for a decision, but for the reader's own grants; the one that is held first comes first.

    :raises Fault: `login.needed`, `request.unknown_page`.
    """
    reader, now = staff.required_as(session, parts, login, staff.REVIEWERS).person, parts.clock.now()
    rows = session.exec(
        select(RevokedMandateRow, GrantRow)
        .join(
            GrantRow,
            (col(GrantRow.ward) == col(RevokedMandateRow.ward))
            & (col(GrantRow.id) == col(RevokedMandateRow.grant)),
        )
        .where(
            RevokedMandateRow.ward == parts.ward.code,
            col(RevokedMandateRow.settled_at).is_(None),
            GrantRow.state == GrantState.ACTIVE,
            GrantRow.last >= ward_day(now).isoformat(),
        )
        .order_by(col(RevokedMandateRow.hold_at), col(RevokedMandateRow.grant))
    ).all()
    return [
        Waiting(review.grant, ward_day(review.seen_at), ward_day(review.hold_at))
        for review, grant in rows
        if review.hold_at is not None and reader not in registry.parties_of(session, grant, now)
    ]


def _open_review(unit: Unit, grant: GrantRow) -> RevokedMandateRow:
    row = unit.session.get(RevokedMandateRow, (unit.ward, grant.id), populate_existing=True)
    if row is None:
        raise Fault("grant.unknown")
    if row.settled_at is not None or grant.state != GrantState.ACTIVE:
        raise Fault("review.settled")
    return row


def look(unit: Unit, parts: Parts, login: Login | None, id_: str) -> Review:
    """Look at a review, of which the principal is told.

    :raises Fault: `login.needed`, `request.unknown_page`, `grant.unknown`, `staff.own_grant`,
        `review.settled`.
    """
    reader = staff.required_as(unit.session, parts, login, staff.REVIEWERS).person
    grant = staff.required_grant(unit.session, unit.ward, id_, reader, parts.clock.now())
    row, mandate = _open_review(unit, grant), unit.session.get(MandateRow, (unit.ward, id_))
    principal = people.profile(unit.session, parts.vault, unit.ward, PersonId(grant.principal))
    if mandate is None or principal is None or row.hold_at is None:
        raise Fault("grant.unknown")
    staff_looks.note_review(unit, parts, reader, grant)
    return Review(id_, row.reason, ward_day(row.seen_at), ward_day(row.hold_at), mandate.signed_at, principal)


def _settle(unit: Unit, parts: Parts, login: Login | None, id_: str) -> tuple[PersonId, GrantRow]:
    """Decide it, once, whoever else decides at the same moment."""
    by, now = staff.required_as(unit.session, parts, login, staff.REVIEWERS).person, parts.clock.now()
    grant = staff.required_grant(unit.session, unit.ward, id_, by, now)
    if not holding.active_grants(unit, [grant.id]):
        raise Fault("review.settled")
    row = _open_review(unit, grant)
    row.settled_at, row.settled_by = now, by
    return by, grant


def hold_now(unit: Unit, parts: Parts, login: Login | None, id_: str) -> list[Mail]:
    """Hold it without waiting for its day.

    :returns: mails to the principal.
    :raises Fault: as `look`.
    """
    by, grant = _settle(unit, parts, login, id_)
    if not holding.place(unit, parts, grant, by):
        return []
    principal, path = PersonId(grant.principal), f"/grants/{grant.id}"
    return notices.notices_to(unit.session, parts, principal, NoticeKind.CERTIFICATE_STOPPED, path)


def go_on(unit: Unit, parts: Parts, login: Login | None, id_: str) -> None:
    """Let the mandate go on: the certificate was revoked for nothing that touches it.

    :raises Fault: as `look`.
    """
    by, grant = _settle(unit, parts, login, id_)
    principal = PersonId(grant.principal)
    told = {principal: {"grant": grant.id}, by: {"grant": grant.id, "person": principal, "as": "staff"}}
    unit.record(Event(EventName.REVIEW_SETTLED, unit.ward, parts.clock.now(), told))

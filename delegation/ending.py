"""Ending and pausing: what takes power away needs less than what gives it, and counts at once.

Both sides are told of each of it. Ending, renouncing and resuming need two factors, without proof; pausing
what one gave needs a login alone, unless its person is protected: their mailbox may be in the wrong hands.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session, col, select, update

from assurance import people
from assurance.database import Unit
from assurance.events import Event, EventName
from assurance.login import Login
from assurance.mail import Mail
from assurance.person import PersonId, new_id
from card.dates import ward_day
from card.faults import Fault
from delegation import notices, registry
from delegation.assured import ANY_LOGIN, TWO_FACTORS, required
from delegation.grant import EndReason, GrantId, GrantState, HoldCause, HoldKind
from delegation.parts import Parts
from delegation.tables import GrantRow, HoldRow


def _parties(unit: Unit, row: GrantRow, now: datetime) -> dict[PersonId, dict[str, str]]:
    both = (PersonId(row.principal), registry.delegate_of(unit.session, row, now))
    return {person: {"grant": row.id} for person in both if person is not None}


def end(unit: Unit, parts: Parts, row: GrantRow, by: PersonId, reason: EndReason) -> list[Mail]:
    """End a grant; every look-up that starts after the commit refuses.

    :returns: mails to both, which say nothing of the reason.
    :raises Fault: `grant.ended`.
    """
    now = parts.clock.now()
    registry.move(
        unit,
        row,
        GrantState.ENDED,
        by,
        now,
        ended_at=now,
        ended_reason=reason,
        digits=None,
        opening=None,
    )
    parts.grant_ended(unit, GrantId(row.id))
    unit.record(Event(EventName.GRANT_ENDED, unit.ward, now, _parties(unit, row, now)))
    return notices.to_both_sides(unit.session, parts, [row], notices.ENDED)


def end_as_party(unit: Unit, parts: Parts, login: Login | None, id_: str) -> list[Mail]:
    """Its principal revokes a grant, its delegate renounces it; an office's is ended by its administrator.

    :raises Fault: `login.needed`, `grant.unknown`, `grant.ended`, `office.not_yours_to_end`.
    """
    return end_for(unit, parts, required(parts, login, TWO_FACTORS).person, id_)


def end_for(unit: Unit, parts: Parts, person: PersonId, id_: str) -> list[Mail]:
    """The same for a person who is here: by their login, or at the counter.

    :raises Fault: `grant.unknown`, `grant.ended`, `office.not_yours_to_end`.
    """
    row = registry.find(unit.session, unit.ward, id_, person, parts.clock.now())
    if person != row.principal and row.office is not None:
        raise Fault("office.not_yours_to_end")
    reason = EndReason.REVOKED if person == row.principal else EndReason.RENOUNCED
    return end(unit, parts, row, person, reason)


def _cause(row: GrantRow, by: PersonId) -> HoldCause:
    return HoldCause.PAUSED_BY_PRINCIPAL if by == row.principal else HoldCause.PAUSED_BY_DELEGATE


def is_paused(session: Session, row: GrantRow, by: PersonId) -> bool:
    """Whether this side paused the grant."""
    hold = session.exec(
        select(HoldRow).where(
            HoldRow.ward == row.ward,
            HoldRow.kind == HoldKind.GRANT,
            HoldRow.target == row.id,
            HoldRow.cause == _cause(row, by),
            col(HoldRow.lifted_at).is_(None),
        )
    ).first()
    return hold is not None


def _check_active(row: GrantRow) -> None:
    if row.state != GrantState.ACTIVE:
        raise Fault("grant.ended" if row.state == GrantState.ENDED else "grant.not_now")


def _locked(unit: Unit, rows: Sequence[GrantRow]) -> Sequence[GrantRow]:
    """The same grants as they stand once nobody else changes them.

    A hold is placed where none is found: of two pauses at once the second must find the first's.
    """
    mine = (GrantRow.ward == unit.ward, col(GrantRow.id).in_([row.id for row in rows]))
    locking = select(GrantRow).where(*mine).order_by(GrantRow.id).with_for_update()
    return unit.session.exec(locking, execution_options={"populate_existing": True}).all()


def _place(unit: Unit, row: GrantRow, by: PersonId, now: datetime) -> bool:
    """One side's hold; False where it is there already."""
    if is_paused(unit.session, row, by):
        return False
    unit.session.add(
        HoldRow(
            ward=unit.ward,
            id=new_id(),
            kind=HoldKind.GRANT,
            target=row.id,
            cause=_cause(row, by),
            placed_by=by,
            placed_at=now,
        )
    )
    unit.record(Event(EventName.GRANT_PAUSED, unit.ward, now, _parties(unit, row, now)))
    return True


def _given(unit: Unit, parts: Parts, login: Login) -> Sequence[GrantRow]:
    """What this login may pause of what its person gave: nothing, if it is a protected person's weak one."""
    now = parts.clock.now()
    weak = not login.assurance.meets(TWO_FACTORS, now)
    if weak and people.is_protected(unit.session, unit.ward, login.person, now):
        return ()
    return registry.given_by(unit.session, unit.ward, login.person)


def _pause(unit: Unit, parts: Parts, rows: Sequence[GrantRow], by: PersonId) -> list[Mail]:
    now = parts.clock.now()
    placed = [row for row in rows if _place(unit, row, by, now)]
    return notices.to_both_sides(unit.session, parts, placed, notices.PAUSED)


def pause(unit: Unit, parts: Parts, login: Login | None, id_: str) -> list[Mail]:
    """One side's hold on an active grant; a second one of the same side changes nothing and tells nobody.

    :raises Fault: `grant.not_now`, `grant.ended`, `grant.unknown`; `login.needed` to a weak login for any
        grant that it may not pause, whether there is one or not.
    """
    login = required(parts, login, ANY_LOGIN)
    weak = not login.assurance.meets(TWO_FACTORS, parts.clock.now())
    if weak and not any(given.id == id_ for given in _given(unit, parts, login)):
        raise Fault("login.needed")
    return pause_for(unit, parts, login.person, id_)


def pause_for(unit: Unit, parts: Parts, person: PersonId, id_: str) -> list[Mail]:
    """The same for a person who is here: by their login, or at the counter.

    :raises Fault: `grant.not_now`, `grant.ended`, `grant.unknown`.
    """
    row = registry.find(unit.session, unit.ward, id_, person, parts.clock.now())
    (row,) = _locked(unit, [row])
    _check_active(row)
    return _pause(unit, parts, [row], person)


def pause_all(unit: Unit, parts: Parts, login: Login | None) -> list[Mail]:
    """Hold everything that a person gave; where there is nothing to hold, nothing tells.

    :raises Fault: `login.needed` without a login.
    """
    login, today = required(parts, login, ANY_LOGIN), ward_day(parts.clock.now()).isoformat()
    given = _locked(unit, _given(unit, parts, login))
    rows = [row for row in given if row.state == GrantState.ACTIVE and row.last >= today]
    return _pause(unit, parts, rows, login.person)


def resume(unit: Unit, parts: Parts, login: Login | None, id_: str) -> list[Mail]:
    """Lift the hold of this side; the other side's, or staff's, stay.

    :raises Fault: `login.needed`, `grant.unknown`, `grant.not_now`, `grant.ended`.
    """
    return resume_for(unit, parts, required(parts, login, TWO_FACTORS).person, id_)


def resume_for(unit: Unit, parts: Parts, person: PersonId, id_: str) -> list[Mail]:
    """The same for a person who is here: by their login, or at the counter.

    :raises Fault: `grant.unknown`, `grant.not_now`, `grant.ended`.
    """
    now = parts.clock.now()
    row = registry.find(unit.session, unit.ward, id_, person, now)
    _check_active(row)
    lifted = unit.session.exec(
        update(HoldRow)
        .where(
            col(HoldRow.ward) == unit.ward,
            col(HoldRow.kind) == HoldKind.GRANT,
            col(HoldRow.target) == row.id,
            col(HoldRow.cause) == _cause(row, person),
            col(HoldRow.lifted_at).is_(None),
        )
        .values(lifted_at=now)
    )
    if not lifted.rowcount:
        return []
    unit.record(Event(EventName.GRANT_RESUMED, unit.ward, now, _parties(unit, row, now)))
    return notices.to_both_sides(unit.session, parts, [row], notices.RESUMED)

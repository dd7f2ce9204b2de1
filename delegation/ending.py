"""Ending and pausing: what takes power away needs less than what gives it, and counts at once."""

from datetime import datetime
from typing import Final

from sqlmodel import Session, col, select, update

from assurance.database import Unit
from assurance.events import Event, EventName
from assurance.person import PersonId, new_id
from delegation.grant import EndReason, GrantId, GrantState
from delegation.parts import Parts
from delegation.registry import move
from delegation.tables import GrantRow, HoldRow

_GRANT: Final = "grant"


def _parties(row: GrantRow) -> dict[PersonId, dict[str, str]]:
    return {
        PersonId(person): {"grant": row.id} for person in (row.principal, row.delegate) if person is not None
    }


def end(unit: Unit, parts: Parts, row: GrantRow, by: PersonId, reason: EndReason) -> None:
    """End a grant; every look-up that starts after the commit refuses.

    :raises Fault: `grant.ended`.
    """
    now = parts.clock.now()
    move(
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
    unit.record(Event(EventName.GRANT_ENDED, unit.ward, now, _parties(row)))


def reason_for(row: GrantRow, by: PersonId) -> EndReason:
    """Who ends decides what it is called."""
    return EndReason.REVOKED if by == row.principal else EndReason.RENOUNCED


def _cause(row: GrantRow, by: PersonId) -> str:
    return "paused_by_principal" if by == row.principal else "paused_by_delegate"


def is_paused(session: Session, row: GrantRow, by: PersonId) -> bool:
    """Whether this side paused the grant."""
    hold = session.exec(
        select(HoldRow).where(
            HoldRow.ward == row.ward,
            HoldRow.kind == _GRANT,
            HoldRow.target == row.id,
            HoldRow.cause == _cause(row, by),
            col(HoldRow.lifted_at).is_(None),
        )
    ).first()
    return hold is not None


def pause(unit: Unit, row: GrantRow, by: PersonId, now: datetime) -> None:
    """One side's hold on an active grant; a second pause of the same side changes nothing."""
    if row.state != GrantState.ACTIVE or is_paused(unit.session, row, by):
        return
    unit.session.add(
        HoldRow(
            ward=unit.ward,
            id=new_id(),
            kind=_GRANT,
            target=row.id,
            cause=_cause(row, by),
            placed_by=by,
            placed_at=now,
        )
    )
    unit.record(Event(EventName.GRANT_PAUSED, unit.ward, now, _parties(row)))


def resume(unit: Unit, row: GrantRow, by: PersonId, now: datetime) -> None:
    """Lift the hold of this side; the other side's, or staff's, stay."""
    lifted = unit.session.exec(
        update(HoldRow)
        .where(
            col(HoldRow.ward) == unit.ward,
            col(HoldRow.kind) == _GRANT,
            col(HoldRow.target) == row.id,
            col(HoldRow.cause) == _cause(row, by),
            col(HoldRow.lifted_at).is_(None),
        )
        .values(lifted_at=now)
    )
    if lifted.rowcount:
        unit.record(Event(EventName.GRANT_RESUMED, unit.ward, now, _parties(row)))

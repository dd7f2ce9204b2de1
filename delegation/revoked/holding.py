"""The hold on a grant whose mandate's card counts no more: one row, told to the principal alone."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from sqlmodel import Session, col, select

from assurance.database import Unit
from assurance.events import Event, EventName
from assurance.person import PersonId, new_id
from assurance.wards import WardCode
from delegation.grant import GrantState, HoldCause, HoldKind
from delegation.parts import Parts
from delegation.tables import GrantRow, HoldRow

BY_WARD: Final = "ward"
"""Who placed a hold that nobody placed by hand."""


def active_grants(unit: Unit, ids: Collection[str]) -> Sequence[GrantRow]:
    """Of these grants the active ones, as they stand once nobody else changes them."""
    rows = select(GrantRow).where(
        GrantRow.ward == unit.ward, col(GrantRow.id).in_(ids), GrantRow.state == GrantState.ACTIVE
    )
    locking = rows.order_by(col(GrantRow.id)).with_for_update()
    return unit.session.exec(locking, execution_options={"populate_existing": True}).all()


def is_held(session: Session, ward: WardCode, grant: str) -> bool:
    """Whether such a hold is open."""
    found = select(HoldRow.id).where(
        HoldRow.ward == ward,
        HoldRow.kind == HoldKind.GRANT,
        HoldRow.target == grant,
        HoldRow.cause == HoldCause.CARD_LOST,
        col(HoldRow.lifted_at).is_(None),
    )
    return session.exec(found).first() is not None


def place(unit: Unit, parts: Parts, row: GrantRow, by: PersonId | None = None) -> bool:
    """Hold a grant that is locked; every look-up that starts after the commit refuses.

    :param by: the staff member who decided it.
    :returns: False where it is held for its card already.
    """
    if is_held(unit.session, unit.ward, row.id):
        return False
    now, principal = parts.clock.now(), PersonId(row.principal)
    unit.session.add(
        HoldRow(
            ward=unit.ward,
            id=new_id(),
            kind=HoldKind.GRANT,
            target=row.id,
            cause=HoldCause.CARD_LOST,
            placed_by=by or BY_WARD,
            placed_at=now,
        )
    )
    told: dict[PersonId, Mapping[str, str]] = {principal: {"grant": row.id}}
    if by is not None:
        told[by] = {"grant": row.id, "person": principal, "as": "staff"}
    unit.record(Event(EventName.MANDATE_HELD, unit.ward, now, told))
    return True

"""The registry: finding grants, and moving them from state to state."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session, col, select, update

from assurance.database import Unit, UtcDateTime, connection_of, table_of
from assurance.person import PersonId
from assurance.procedures import Action
from assurance.sealed import Vault
from assurance.wards import WardCode
from card.faults import Fault
from delegation.grant import (
    Basis,
    GrantState,
    Terms,
    check_move,
)
from delegation.offices.tables import DesignationRow
from delegation.tables import GrantRow, TransitionRow

_GRANT: Final = table_of(GrantRow)
_DESIGNATION: Final = table_of(DesignationRow)


def terms_of(row: "GrantRow | sa.Row[Any]") -> Terms:
    """What a grant gives, from its row."""
    return _terms(
        row.basis, row.mode, row.procedures, row.procedures_version, row.actions, row.first, row.last
    )


@lru_cache(maxsize=4096)
def _terms(
    basis: str, mode: str, procedures: str, procedures_version: str, actions: str, first: str, last: str
) -> Terms:
    """What columns mean, read once: many grants are alike, and each is asked about often."""
    return Terms(
        basis=Basis(basis),
        mode=mode,
        procedures=tuple(json.loads(procedures)),
        procedures_version=procedures_version,
        actions=tuple(Action(action) for action in json.loads(actions)),
        first=date.fromisoformat(first),
        last=date.fromisoformat(last),
    )


@dataclass(frozen=True, slots=True)
class Typed:
    """What the principal typed about her delegate."""

    name: str
    address: str


def seal_typed(unit: Unit, vault: Vault, principal: PersonId, id_: str, typed: Typed) -> tuple[bytes, bytes]:
    """Seal name and address with the principal's key."""
    cipher = vault.cipher_for(unit.session, unit.ward, principal)
    return (
        cipher.seal(typed.name, table="delegation_grant", column="delegate_name", row=id_),
        cipher.seal(typed.address, table="delegation_grant", column="invited", row=id_),
    )


def typed_of(session: Session, vault: Vault, row: GrantRow) -> Typed:
    """What she typed."""
    cipher = vault.cipher_for(session, WardCode(row.ward), PersonId(row.principal))
    name, address = (
        cipher.open(getattr(row, column), table="delegation_grant", column=column, row=row.id)
        for column in ("delegate_name", "invited")
    )
    return Typed(name, address)


def find(session: Session, ward: WardCode, id_: str, person: PersonId, now: datetime) -> GrantRow:
    """A grant that a person is a party of, or that an office designates them for.

    :raises Fault: `grant.unknown`, also for a grant of others.
    """
    row = session.get(GrantRow, (ward, id_)) if "\x00" not in id_ else None
    if row is None or (person != row.principal and person != delegate_of(session, row, now)):
        raise Fault("grant.unknown")
    return row


def find_as_principal(
    session: Session, ward: WardCode, id_: str, person: PersonId, now: datetime
) -> GrantRow:
    """A grant that a person gave, for the steps that are theirs alone.

    :raises Fault: `grant.unknown`; `grant.not_now` for the delegate, who knows of it.
    """
    row = find(session, ward, id_, person, now)
    if row.principal != person:
        raise Fault("grant.not_now")
    return row


def given_by(session: Session, ward: WardCode, person: PersonId) -> Sequence[GrantRow]:
    """What a person gave, the newest first."""
    return session.exec(
        select(GrantRow)
        .where(GrantRow.ward == ward, GrantRow.principal == person)
        .order_by(col(GrantRow.created_at).desc())
    ).all()


_Text = sa.ColumnElement[str] | str
NOW: Final = sa.bindparam("now", type_=UtcDateTime())


def in_force() -> sa.ColumnElement[bool]:
    """Whether a designation is in force at `:now`; of one grant's at most one is."""
    over = _DESIGNATION.c.until
    return sa.and_(_DESIGNATION.c.works_from <= NOW, sa.or_(over.is_(None), over > NOW))


_DESIGNEE: Final = sa.select(_DESIGNATION.c.person).where(
    _DESIGNATION.c.ward == sa.bindparam("ward"), _DESIGNATION.c.grant == sa.bindparam("grant"), in_force()
)
DESIGNATED_FOR: Final = sa.select(_DESIGNATION.c.grant).where(
    _DESIGNATION.c.ward == sa.bindparam("ward"), _DESIGNATION.c.person == sa.bindparam("person"), in_force()
)


def delegate_of(session: Session, row: GrantRow, now: datetime) -> PersonId | None:
    """Who acts under a grant: its delegate, or whom its office designates now."""
    if row.office is None:
        return None if row.delegate is None else PersonId(row.delegate)
    named = (
        connection_of(session).execute(_DESIGNEE, {"ward": row.ward, "grant": row.id, "now": now}).scalar()
    )
    return None if named is None else PersonId(named)


def parties_of(session: Session, row: GrantRow, now: datetime) -> tuple[PersonId, PersonId | None]:
    """The principal, and who acts now."""
    return PersonId(row.principal), delegate_of(session, row, now)


def held_by(session: Session, ward: WardCode, person: PersonId, now: datetime) -> Sequence[GrantRow]:
    """What a person accepted or is designated for, the newest first."""
    held = sa.or_(_GRANT.c.delegate == person, _GRANT.c.id.in_(DESIGNATED_FOR))
    query = select(GrantRow).where(_GRANT.c.ward == ward, held).order_by(_GRANT.c.created_at.desc())
    return session.exec(query, params={"ward": ward, "person": person, "now": now}).all()


def move(unit: Unit, row: GrantRow, to: GrantState, by: PersonId, now: datetime, **values: Any) -> None:
    """Take a grant to its next state; the claim repeats the version that the decision rested on.

    It comes before whatever is written with it: the loser of two at once is told so, and never meets a key
    that the winner took.

    :raises Fault: `grant.ended` or `grant.not_now`, also for the loser of two at once.
    """
    check_move(GrantState(row.state), to)
    unit.session.flush()
    version = row.version + 1
    claimed = unit.session.exec(
        update(GrantRow)
        .where(
            col(GrantRow.ward) == unit.ward,
            col(GrantRow.id) == row.id,
            col(GrantRow.version) == row.version,
        )
        .values(state=to, version=version, **values)
    )
    if claimed.rowcount != 1:
        raise Fault("grant.not_now")
    unit.session.add(TransitionRow(ward=unit.ward, grant=row.id, version=version, state=to, by=by, at=now))
    unit.session.refresh(row)

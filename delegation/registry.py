"""The registry: finding grants, and moving them from state to state."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlmodel import Session, col, exists, or_, select, update

from assurance.database import Unit
from assurance.levels import IAL
from assurance.person import PersonId
from assurance.procedures import Action
from assurance.sealed import Vault
from assurance.tables import ProofRow, ProtectionRow
from assurance.wards import WardCode
from card.dates import ward_day
from card.faults import Fault
from delegation.grant import Basis, GrantId, GrantState, Terms, check_move
from delegation.tables import GrantRow, HoldRow, TransitionRow


def terms_of(row: GrantRow) -> Terms:
    """What a grant gives."""
    return Terms(
        basis=Basis(row.basis),
        mode=row.mode,
        procedures=tuple(json.loads(row.procedures)),
        procedures_version=row.procedures_version,
        actions=tuple(Action(action) for action in json.loads(row.actions)),
        first=date.fromisoformat(row.first),
        last=date.fromisoformat(row.last),
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


def find(session: Session, ward: WardCode, id_: str, person: PersonId) -> GrantRow:
    """A grant that a person is a party of.

    :raises Fault: `grant.unknown`, also for a grant of others.
    """
    row = session.get(GrantRow, (ward, id_)) if "\x00" not in id_ else None
    if row is None or person not in {row.principal, row.delegate}:
        raise Fault("grant.unknown")
    return row


def given_by(session: Session, ward: WardCode, person: PersonId) -> Sequence[GrantRow]:
    """What a person gave, the newest first."""
    return session.exec(
        select(GrantRow)
        .where(GrantRow.ward == ward, GrantRow.principal == person)
        .order_by(col(GrantRow.created_at).desc())
    ).all()


def held_by(session: Session, ward: WardCode, person: PersonId) -> Sequence[GrantRow]:
    """What a person accepted, the newest first."""
    return session.exec(
        select(GrantRow)
        .where(GrantRow.ward == ward, GrantRow.delegate == person)
        .order_by(col(GrantRow.created_at).desc())
    ).all()


def usable(
    session: Session,
    ward: WardCode,
    delegate: PersonId,
    now: datetime,
    *,
    principal: PersonId | None = None,
    id_: GrantId | None = None,
) -> Sequence[GrantRow]:
    """The grants that a delegate may use now: active, in their period, without an open hold.

    Holds, protection and the principal's lapsed proof are conditions of the one query, so that a grant that
    cannot be used answers exactly as none.
    """
    today = ward_day(now).isoformat()
    held = exists().where(
        col(HoldRow.ward) == GrantRow.ward,
        col(HoldRow.lifted_at).is_(None),
        or_(
            (col(HoldRow.kind) == "grant") & (col(HoldRow.target) == GrantRow.id),
            (col(HoldRow.kind) == "person")
            & col(HoldRow.target).in_([col(GrantRow.principal), col(GrantRow.delegate)]),
        ),
    )
    protected = exists().where(
        col(ProtectionRow.ward) == GrantRow.ward,
        col(ProtectionRow.person).in_([col(GrantRow.principal), col(GrantRow.delegate)]),
        col(ProtectionRow.since) <= now,
        or_(col(ProtectionRow.until).is_(None), col(ProtectionRow.until) > now),
    )
    proven = exists().where(
        col(ProofRow.ward) == GrantRow.ward,
        col(ProofRow.person) == GrantRow.principal,
        col(ProofRow.ial) >= int(IAL.SUBSTANTIAL),
        col(ProofRow.ends_at) > now,
    )
    query = select(GrantRow).where(
        GrantRow.ward == ward,
        GrantRow.delegate == delegate,
        GrantRow.state == GrantState.ACTIVE,
        GrantRow.first <= today,
        GrantRow.last >= today,
        ~held,
        ~protected,
        proven,
    )
    if principal is not None:
        query = query.where(GrantRow.principal == principal)
    if id_ is not None:
        query = query.where(GrantRow.id == id_)
    return session.exec(query.order_by(col(GrantRow.id))).all()


def move(unit: Unit, row: GrantRow, to: GrantState, by: PersonId, now: datetime, **values: Any) -> None:
    """Take a grant to its next state; the claim repeats the version that the decision rested on.

    :raises Fault: `grant.ended` or `grant.not_now`, also for the loser of two at once.
    """
    check_move(GrantState(row.state), to)
    unit.session.flush()
    claimed = unit.session.exec(
        update(GrantRow)
        .where(
            col(GrantRow.ward) == unit.ward,
            col(GrantRow.id) == row.id,
            col(GrantRow.version) == row.version,
        )
        .values(state=to, version=row.version + 1, **values)
    )
    if claimed.rowcount != 1:
        raise Fault("grant.not_now")
    unit.session.add(
        TransitionRow(ward=unit.ward, grant=row.id, version=row.version + 1, state=to, by=by, at=now)
    )
    unit.session.refresh(row)

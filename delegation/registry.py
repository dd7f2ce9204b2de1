"""The registry: finding grants, and moving them from state to state."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlmodel import Session, col, select, update

from assurance.database import Unit, UtcDateTime, table_of
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

_GRANT: Final = table_of(GrantRow)
_HOLD: Final = table_of(HoldRow)
_PROTECTION: Final = table_of(ProtectionRow)
_PROOF: Final = table_of(ProofRow)


def terms_of(row: "GrantRow | sa.Row[Any]") -> Terms:
    """What a grant gives, from its row."""
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


def _is_usable() -> sa.ColumnElement[bool]:
    """Whether a grant may be used: active, in its period, without an open hold.

    Holds, protection and the principal's lapsed proof are conditions of the one query, so that a grant that
    cannot be used answers exactly as none. Its parameters are `now` and `today`.
    """
    now, parties = sa.bindparam("now", type_=UtcDateTime()), [_GRANT.c.principal, _GRANT.c.delegate]
    held = sa.exists().where(
        _HOLD.c.ward == _GRANT.c.ward,
        _HOLD.c.lifted_at.is_(None),
        sa.or_(
            (_HOLD.c.kind == "grant") & (_HOLD.c.target == _GRANT.c.id),
            (_HOLD.c.kind == "person") & _HOLD.c.target.in_(parties),
        ),
    )
    protected = sa.exists().where(
        _PROTECTION.c.ward == _GRANT.c.ward,
        _PROTECTION.c.person.in_(parties),
        _PROTECTION.c.since <= now,
        sa.or_(_PROTECTION.c.until.is_(None), _PROTECTION.c.until > now),
    )
    proven = sa.exists().where(
        _PROOF.c.ward == _GRANT.c.ward,
        _PROOF.c.person == _GRANT.c.principal,
        _PROOF.c.ial >= int(IAL.SUBSTANTIAL),
        _PROOF.c.ends_at > now,
    )
    return sa.and_(
        _GRANT.c.state == GrantState.ACTIVE,
        _GRANT.c.first <= sa.bindparam("today"),
        _GRANT.c.last >= sa.bindparam("today"),
        ~held,
        ~protected,
        proven,
    )


_USABLE_BY: Final = (
    select(GrantRow)
    .where(_GRANT.c.ward == sa.bindparam("ward"), _GRANT.c.delegate == sa.bindparam("delegate"), _is_usable())
    .order_by(_GRANT.c.id)
)
_USABLE_OF: Final = sa.select(_GRANT).where(
    _GRANT.c.ward == sa.bindparam("ward"),
    _GRANT.c.id.in_(sa.bindparam("ids", expanding=True)),
    _is_usable(),
)


def _moment(ward: WardCode, now: datetime) -> dict[str, Any]:
    return {"ward": ward, "now": now, "today": ward_day(now).isoformat()}


def usable(session: Session, ward: WardCode, delegate: PersonId, now: datetime) -> Sequence[GrantRow]:
    """The grants that a delegate may use now, in the order of their ids."""
    return session.exec(_USABLE_BY, params=_moment(ward, now) | {"delegate": delegate}).all()


@dataclass(frozen=True, slots=True)
class Usable:
    """A grant that may be used now."""

    id: GrantId
    principal: PersonId
    delegate: PersonId
    terms: Terms


def usable_of(
    connection: Connection, ward: WardCode, ids: Collection[GrantId], now: datetime
) -> Mapping[GrantId, Usable]:
    """Of these grants, those that may be used now."""
    rows = connection.execute(_USABLE_OF, _moment(ward, now) | {"ids": list(ids)}) if ids else ()
    return {
        GrantId(row.id): Usable(
            GrantId(row.id), PersonId(row.principal), PersonId(row.delegate), terms_of(row)
        )
        for row in rows
    }


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

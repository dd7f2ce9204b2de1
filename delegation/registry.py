"""The registry: finding grants, and moving them from state to state."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlmodel import Session, col, select, update

from assurance.database import Unit, UtcDateTime, connection_of, table_of
from assurance.levels import IAL
from assurance.person import PersonId
from assurance.procedures import Action
from assurance.sealed import Vault
from assurance.tables import ProofRow, ProtectionRow
from assurance.wards import WardCode
from card.dates import ward_day
from card.faults import Fault
from delegation.counter_tables import AttestationRow
from delegation.grant import (
    Basis,
    CurrentState,
    GrantId,
    GrantState,
    HoldKind,
    Terms,
    check_move,
    current_state,
)
from delegation.tables import GrantRow, HoldRow, TransitionRow

_GRANT: Final = table_of(GrantRow)
_HOLD: Final = table_of(HoldRow)
_PROTECTION: Final = table_of(ProtectionRow)
_PROOF: Final = table_of(ProofRow)
_ATTESTATION: Final = table_of(AttestationRow)


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


def find_as_principal(session: Session, ward: WardCode, id_: str, person: PersonId) -> GrantRow:
    """A grant that a person gave, for the steps that are theirs alone.

    :raises Fault: `grant.unknown`; `grant.not_now` for the delegate, who knows of it.
    """
    row = find(session, ward, id_, person)
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


def held_by(session: Session, ward: WardCode, person: PersonId) -> Sequence[GrantRow]:
    """What a person accepted, the newest first."""
    return session.exec(
        select(GrantRow)
        .where(GrantRow.ward == ward, GrantRow.delegate == person)
        .order_by(col(GrantRow.created_at).desc())
    ).all()


_Text = sa.ColumnElement[str] | str
_NOW: Final = sa.bindparam("now", type_=UtcDateTime())


def _held(ward: _Text, grant: _Text, people: Sequence[_Text]) -> sa.ColumnElement[bool]:
    return sa.exists().where(
        _HOLD.c.ward == ward,
        _HOLD.c.lifted_at.is_(None),
        sa.or_(
            (_HOLD.c.kind == HoldKind.GRANT) & (_HOLD.c.target == grant),
            (_HOLD.c.kind == HoldKind.PERSON) & _HOLD.c.target.in_(people),
        ),
    )


def _protected(ward: _Text, people: Sequence[_Text]) -> sa.ColumnElement[bool]:
    return sa.exists().where(
        _PROTECTION.c.ward == ward,
        _PROTECTION.c.person.in_(people),
        _PROTECTION.c.since <= _NOW,
        sa.or_(_PROTECTION.c.until.is_(None), _PROTECTION.c.until > _NOW),
    )


def _proven(ward: _Text, person: _Text) -> sa.ColumnElement[bool]:
    return sa.exists().where(
        _PROOF.c.ward == ward,
        _PROOF.c.person == person,
        _PROOF.c.ial >= int(IAL.SUBSTANTIAL),
        _PROOF.c.ends_at > _NOW,
    )


def _lapsed(ward: _Text, grant: _Text) -> sa.ColumnElement[bool]:
    """Whether an attestation is too old; a grant that a card signed has none."""
    return sa.exists().where(
        _ATTESTATION.c.ward == ward,
        _ATTESTATION.c.grant == grant,
        _ATTESTATION.c.attested_until <= _NOW,
    )


def _waits(ward: _Text, grant: _Text) -> sa.ColumnElement[bool]:
    """Whether the principal waits for the letter about it, or got it less than a week ago."""
    return sa.exists().where(
        _ATTESTATION.c.ward == ward,
        _ATTESTATION.c.grant == grant,
        sa.or_(_ATTESTATION.c.opens_at.is_(None), _ATTESTATION.c.opens_at > _NOW),
    )


def are_free(session: Session, ward: WardCode, grant: str, people: Sequence[PersonId], now: datetime) -> bool:
    """Whether people may take a step towards a grant: each is proven; nothing holds or protects them or it.

    One answer for all of it, so that a refusal does not tell whether someone is protected.
    """
    unimpeded = (~_held(ward, grant, people), ~_protected(ward, people))
    question = sa.select(sa.and_(*unimpeded, *(_proven(ward, person) for person in people)))
    return bool(connection_of(session).execute(question, {"now": now}).scalar_one())


def _is_usable() -> sa.ColumnElement[bool]:
    """Whether a grant may be used: active, in its period, without an open hold.

    Holds, protection, the principal's lapsed proof and a lapsed attestation are conditions of the one query,
    so that a grant that cannot be used answers exactly as none. Its parameters are `now` and `today`.
    """
    ward, parties = _GRANT.c.ward, [_GRANT.c.principal, _GRANT.c.delegate]
    return sa.and_(
        _GRANT.c.state == GrantState.ACTIVE,
        _GRANT.c.first <= sa.bindparam("today"),
        _GRANT.c.last >= sa.bindparam("today"),
        ~_held(ward, _GRANT.c.id, parties),
        ~_protected(ward, parties),
        _proven(ward, _GRANT.c.principal),
        ~_lapsed(ward, _GRANT.c.id),
    )


_USABLE_BY: Final = (
    select(GrantRow)
    .where(_GRANT.c.ward == sa.bindparam("ward"), _GRANT.c.delegate == sa.bindparam("delegate"), _is_usable())
    .order_by(_GRANT.c.id)
)
_USABLE_OF: Final = sa.select(_GRANT, _waits(_GRANT.c.ward, _GRANT.c.id).label("waits")).where(
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
    """A grant that may be used now.

    :param waits: for the letter to its principal; see `grant.waits_for_letter`.
    """

    id: GrantId
    principal: PersonId
    delegate: PersonId
    terms: Terms
    waits: bool = False


def usable_of(
    connection: Connection, ward: WardCode, ids: Collection[GrantId], now: datetime
) -> Mapping[GrantId, Usable]:
    """Of these grants, those that may be used now."""
    rows = connection.execute(_USABLE_OF, _moment(ward, now) | {"ids": list(ids)}) if ids else ()
    return {
        GrantId(row.id): Usable(
            GrantId(row.id), PersonId(row.principal), PersonId(row.delegate), terms_of(row), bool(row.waits)
        )
        for row in rows
    }


def state_now(session: Session, row: GrantRow, now: datetime) -> CurrentState:
    """What a grant is now."""
    ward = WardCode(row.ward)
    return current_state(
        GrantState(row.state),
        date.fromisoformat(row.last),
        ward_day(now),
        invited=now < row.invitation_until,
        compared=row.compared_at is not None,
        usable=bool(usable_of(connection_of(session), ward, [GrantId(row.id)], now)),
    )


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

"""The registry: finding grants, and moving them from state to state."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlmodel import Session, col, select, update

from assurance.among import among
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
from delegation.offices.tables import DesignationRow, MembershipRow, OfficeRow
from delegation.tables import GrantRow, HoldRow, TransitionRow

_GRANT: Final = table_of(GrantRow)
_HOLD: Final = table_of(HoldRow)
_PROTECTION: Final = table_of(ProtectionRow)
_PROOF: Final = table_of(ProofRow)
_OFFICE: Final = table_of(OfficeRow)
_MEMBERSHIP: Final = table_of(MembershipRow)
_DESIGNATION: Final = table_of(DesignationRow)
_ATTESTATION: Final = table_of(AttestationRow)


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
_NOW: Final = sa.bindparam("now", type_=UtcDateTime())
_TODAY: Final = sa.bindparam("today", type_=sa.String())


def _in_force() -> sa.ColumnElement[bool]:
    """Whether a designation is in force; of one grant's at most one is."""
    over = _DESIGNATION.c.until
    return sa.and_(_DESIGNATION.c.works_from <= _NOW, sa.or_(over.is_(None), over > _NOW))


_DESIGNEE: Final = sa.select(_DESIGNATION.c.person).where(
    _DESIGNATION.c.ward == sa.bindparam("ward"), _DESIGNATION.c.grant == sa.bindparam("grant"), _in_force()
)
_DESIGNATED_FOR: Final = sa.select(_DESIGNATION.c.grant).where(
    _DESIGNATION.c.ward == sa.bindparam("ward"), _DESIGNATION.c.person == sa.bindparam("person"), _in_force()
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
    held = sa.or_(_GRANT.c.delegate == person, _GRANT.c.id.in_(_DESIGNATED_FOR))
    query = select(GrantRow).where(_GRANT.c.ward == ward, held).order_by(_GRANT.c.created_at.desc())
    return session.exec(query, params={"ward": ward, "person": person, "now": now}).all()


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


_ACTING: Final = sa.func.coalesce(_GRANT.c.delegate, _DESIGNATION.c.person)
"""Who acts: the delegate, or whom the office designates."""
_GRANTS: Final = (
    _GRANT.outerjoin(
        _DESIGNATION,
        (_DESIGNATION.c.ward == _GRANT.c.ward) & (_DESIGNATION.c.grant == _GRANT.c.id) & _in_force(),
    )
    .outerjoin(
        _MEMBERSHIP,
        (_MEMBERSHIP.c.ward == _GRANT.c.ward) & (_MEMBERSHIP.c.id == _DESIGNATION.c.membership),
    )
    .outerjoin(_OFFICE, (_OFFICE.c.ward == _GRANT.c.ward) & (_OFFICE.c.id == _GRANT.c.office))
)


def office_stands() -> sa.ColumnElement[bool]:
    """Whether an office is in good standing, but for holds on it."""
    over = _OFFICE.c.until
    return sa.and_(_OFFICE.c.ended_at.is_(None), sa.or_(over.is_(None), over >= _TODAY))


def member_counts() -> sa.ColumnElement[bool]:
    """Whether a membership counts, but for holds on it: joined, checked by staff, attested, not over."""
    number = _MEMBERSHIP.c.number_until
    return sa.and_(
        _MEMBERSHIP.c.person.is_not(None),
        _MEMBERSHIP.c.ended_at.is_(None),
        _MEMBERSHIP.c.checked_at.is_not(None),
        _MEMBERSHIP.c.attested_until > _NOW,
        sa.or_(number.is_(None), number >= _TODAY),
    )


def work_held(ward: _Text) -> sa.ColumnElement[bool]:
    """Whether a hold is on the office or the membership that a row names."""
    return sa.exists().where(
        _HOLD.c.ward == ward,
        _HOLD.c.lifted_at.is_(None),
        sa.or_(
            (_HOLD.c.kind == HoldKind.OFFICE) & (_HOLD.c.target == _OFFICE.c.id),
            (_HOLD.c.kind == HoldKind.MEMBERSHIP) & (_HOLD.c.target == _MEMBERSHIP.c.id),
        ),
    )


def _is_usable() -> sa.ColumnElement[bool]:
    """Whether a grant may be used: active, in its period, without an open hold.

    Holds, protection, the principal's lapsed proof, a lapsed attestation, and what an office must be for its
    member to act are conditions of the one query, so that a grant that cannot be used answers as none.
    That a member is protected ends nothing of the office's. Its parameters are `now` and `today`.
    """
    ward = _GRANT.c.ward
    of_office = sa.and_(office_stands(), member_counts(), ~work_held(ward))
    return sa.and_(
        _GRANT.c.state == GrantState.ACTIVE,
        _GRANT.c.first <= _TODAY,
        _GRANT.c.last >= _TODAY,
        ~_held(ward, _GRANT.c.id, [_GRANT.c.principal, _ACTING]),
        ~_protected(ward, [_GRANT.c.principal, _GRANT.c.delegate]),
        _proven(ward, _GRANT.c.principal),
        ~_lapsed(ward, _GRANT.c.id),
        sa.or_(_GRANT.c.office.is_(None), of_office),
    )


_USABLE_BY: Final = (
    select(GrantRow)
    .select_from(_GRANTS)
    .where(
        _GRANT.c.ward == sa.bindparam("ward"),
        sa.or_(_GRANT.c.delegate == sa.bindparam("person"), _GRANT.c.id.in_(_DESIGNATED_FOR)),
        _is_usable(),
    )
    .order_by(_GRANT.c.id)
)
_USABLE_OF: Final = (
    sa.select(
        _GRANT,
        _ACTING.label("acting"),
        _OFFICE.c.number.label("office_number"),
        _waits(_GRANT.c.ward, _GRANT.c.id).label("waits"),
    )
    .select_from(_GRANTS)
    .where(
        among(_GRANT.c.id, "ids"),
        _is_usable(),
    )
)


_WORKING: Final = (
    sa.select(
        sa.and_(
            office_stands(),
            member_counts(),
            ~work_held(_MEMBERSHIP.c.ward),
            ~_held(_MEMBERSHIP.c.ward, "", [_MEMBERSHIP.c.person]),
        )
    )
    .select_from(
        _MEMBERSHIP.join(
            _OFFICE, (_MEMBERSHIP.c.ward == _OFFICE.c.ward) & (_MEMBERSHIP.c.office == _OFFICE.c.id)
        )
    )
    .where(_MEMBERSHIP.c.ward == sa.bindparam("ward"), _MEMBERSHIP.c.id == sa.bindparam("membership"))
)


def may_work(session: Session, ward: WardCode, membership: str, now: datetime) -> bool:
    """Whether a member may work for their office now."""
    values = _moment(ward, now) | {"membership": membership}
    return bool(connection_of(session).execute(_WORKING, values).scalar())


def office_may_act(session: Session, row: GrantRow, now: datetime) -> bool:
    """Whether what stands behind an office's grant does: the office, and whom it designates."""
    if row.office is None:
        return True
    named = sa.select(_DESIGNATION.c.membership).where(
        _DESIGNATION.c.ward == row.ward, _DESIGNATION.c.grant == row.id, _in_force()
    )
    membership = connection_of(session).execute(named, {"now": now}).scalar()
    return membership is not None and may_work(session, WardCode(row.ward), membership, now)


def _moment(ward: WardCode, now: datetime) -> dict[str, Any]:
    return {"ward": ward, "now": now, "today": ward_day(now).isoformat()}


def usable(session: Session, ward: WardCode, delegate: PersonId, now: datetime) -> Sequence[GrantRow]:
    """The grants that a delegate may use now, in the order of their ids."""
    return session.exec(_USABLE_BY, params=_moment(ward, now) | {"person": delegate}).all()


@dataclass(frozen=True, slots=True)
class Usable:
    """A grant that may be used now.

    :param delegate: who acts, for the office where there is one.
    :param office: its 事業所番号.
    :param waits: for the letter to its principal; see `grant.waits_for_letter`.
    """

    id: GrantId
    principal: PersonId
    delegate: PersonId
    terms: Terms
    office: str | None = None
    waits: bool = False


def usable_of(
    connection: Connection, ward: WardCode, ids: Collection[GrantId], now: datetime
) -> Mapping[GrantId, Usable]:
    """Of these grants, those that may be used now."""
    rows = connection.execute(_USABLE_OF, _moment(ward, now) | {"ids": list(ids)}) if ids else ()
    return {
        GrantId(row.id): Usable(
            GrantId(row.id),
            PersonId(row.principal),
            PersonId(row.acting),
            terms_of(row),
            row.office_number,
            bool(row.waits),
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

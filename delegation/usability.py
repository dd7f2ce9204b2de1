"""Whether a grant may be used now, and who may take a step towards one: each is one query.

Holds, protection, proofs, attestations and an office's standing are its conditions, so that what cannot be
used answers exactly as what does not exist.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlmodel import Session, select

from assurance.among import among
from assurance.database import connection_of, table_of
from assurance.identifiers import IdentifierKind
from assurance.levels import IAL
from assurance.person import PersonId
from assurance.tables import IdentifierRow, ProofRow, ProtectionRow
from assurance.wards import WardCode
from card.dates import ward_day
from delegation.counter.tables import AttestationRow
from delegation.grant import CurrentState, GrantId, GrantState, HoldKind, Terms, current_state
from delegation.offices.tables import DesignationRow, MembershipRow, OfficeRow
from delegation.registry import DESIGNATED_FOR, NOW, in_force, terms_of
from delegation.tables import GrantRow, HoldRow, MandateRow

_GRANT: Final = table_of(GrantRow)
_HOLD: Final = table_of(HoldRow)
_PROTECTION: Final = table_of(ProtectionRow)
_PROOF: Final = table_of(ProofRow)
_OFFICE: Final = table_of(OfficeRow)
_MEMBERSHIP: Final = table_of(MembershipRow)
_DESIGNATION: Final = table_of(DesignationRow)
_ATTESTATION: Final = table_of(AttestationRow)
_MANDATE: Final = table_of(MandateRow)
_IDENTIFIER: Final = table_of(IdentifierRow)
_TODAY: Final = sa.bindparam("today", type_=sa.String())
_Text = sa.ColumnElement[str] | str


def _on(ward: _Text, kind: HoldKind, targets: Sequence[_Text]) -> sa.ColumnElement[bool]:
    """Whether an open hold of a kind is on one of these; each kind is a look-up in the index of its own."""
    return sa.exists().where(
        _HOLD.c.ward == ward, _HOLD.c.kind == kind, _HOLD.c.target.in_(targets), _HOLD.c.lifted_at.is_(None)
    )


def _held(ward: _Text, grant: _Text, people: Sequence[_Text]) -> sa.ColumnElement[bool]:
    return sa.or_(_on(ward, HoldKind.GRANT, [grant]), _on(ward, HoldKind.PERSON, people))


def _protected(ward: _Text, people: Sequence[_Text]) -> sa.ColumnElement[bool]:
    return sa.exists().where(
        _PROTECTION.c.ward == ward,
        _PROTECTION.c.person.in_(people),
        _PROTECTION.c.since <= NOW,
        sa.or_(_PROTECTION.c.until.is_(None), _PROTECTION.c.until > NOW),
    )


def _proven(ward: _Text, person: _Text) -> sa.ColumnElement[bool]:
    return sa.exists().where(
        _PROOF.c.ward == ward,
        _PROOF.c.person == person,
        _PROOF.c.ial >= int(IAL.SUBSTANTIAL),
        _PROOF.c.ends_at > NOW,
    )


def _lapsed(ward: _Text, grant: _Text) -> sa.ColumnElement[bool]:
    """Whether an attestation is too old; a grant that a card signed has none."""
    return sa.exists().where(
        _ATTESTATION.c.ward == ward,
        _ATTESTATION.c.grant == grant,
        _ATTESTATION.c.attested_until <= NOW,
    )


_SIGNED_WITH: Final = _MANDATE.join(
    _IDENTIFIER,
    (_IDENTIFIER.c.ward == _MANDATE.c.ward)
    & (_IDENTIFIER.c.kind == IdentifierKind.CARD_SIGNATURE)
    & (_IDENTIFIER.c.mac == _MANDATE.c.certificate),
)


def _card_counts_later(ward: _Text, grant: _Text) -> sa.ColumnElement[bool]:
    """Whether the card that signed, linked at home, does not count in full yet, or ended before it did."""
    from_then = _IDENTIFIER.c.counts_from
    return (
        sa.exists()
        .select_from(_SIGNED_WITH)
        .where(
            _MANDATE.c.ward == ward,
            _MANDATE.c.grant == grant,
            sa.or_(from_then > NOW, _IDENTIFIER.c.ended_at < from_then),
        )
    )


def _waits(ward: _Text, grant: _Text) -> sa.ColumnElement[bool]:
    """Whether the principal waits for the letter about it, or got it less than a week ago."""
    return sa.exists().where(
        _ATTESTATION.c.ward == ward,
        _ATTESTATION.c.grant == grant,
        sa.or_(_ATTESTATION.c.opens_at.is_(None), _ATTESTATION.c.opens_at > NOW),
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
        (_DESIGNATION.c.ward == _GRANT.c.ward) & (_DESIGNATION.c.grant == _GRANT.c.id) & in_force(),
    )
    .outerjoin(
        _MEMBERSHIP,
        (_MEMBERSHIP.c.ward == _GRANT.c.ward) & (_MEMBERSHIP.c.id == _DESIGNATION.c.membership),
    )
    .outerjoin(_OFFICE, (_OFFICE.c.ward == _GRANT.c.ward) & (_OFFICE.c.id == _GRANT.c.office))
)


def _office_stands() -> sa.ColumnElement[bool]:
    """Whether an office is in good standing, but for holds on it."""
    over = _OFFICE.c.until
    return sa.and_(_OFFICE.c.ended_at.is_(None), sa.or_(over.is_(None), over >= _TODAY))


def _member_counts() -> sa.ColumnElement[bool]:
    """Whether a membership counts, but for holds on it: joined, checked by staff, attested, not over."""
    number = _MEMBERSHIP.c.number_until
    return sa.and_(
        _MEMBERSHIP.c.person.is_not(None),
        _MEMBERSHIP.c.ended_at.is_(None),
        _MEMBERSHIP.c.checked_at.is_not(None),
        _MEMBERSHIP.c.attested_until > NOW,
        sa.or_(number.is_(None), number >= _TODAY),
    )


def _work_held(ward: _Text) -> sa.ColumnElement[bool]:
    """Whether a hold is on the office or the membership that a row names."""
    on_office = _on(ward, HoldKind.OFFICE, [_OFFICE.c.id])
    return sa.or_(on_office, _on(ward, HoldKind.MEMBERSHIP, [_MEMBERSHIP.c.id]))


def _is_usable() -> sa.ColumnElement[bool]:
    """Whether a grant may be used: active, in its period, without an open hold.

    Holds, protection, the principal's lapsed proof, a lapsed attestation, and what an office must be for its
    member to act are conditions of the one query, so that a grant that cannot be used answers as none.
    That a member is protected ends nothing of the office's. Its parameters are `now` and `today`.
    """
    ward = _GRANT.c.ward
    of_office = sa.and_(_office_stands(), _member_counts(), ~_work_held(ward))
    return sa.and_(
        _GRANT.c.state == GrantState.ACTIVE,
        _GRANT.c.first <= _TODAY,
        _GRANT.c.last >= _TODAY,
        ~_held(ward, _GRANT.c.id, [_GRANT.c.principal, _ACTING]),
        ~_protected(ward, [_GRANT.c.principal, _GRANT.c.delegate]),
        _proven(ward, _GRANT.c.principal),
        ~_lapsed(ward, _GRANT.c.id),
        ~_card_counts_later(ward, _GRANT.c.id),
        sa.or_(_GRANT.c.office.is_(None), of_office),
    )


_USABLE_BY: Final = (
    select(GrantRow)
    .select_from(_GRANTS)
    .where(
        _GRANT.c.ward == sa.bindparam("ward"),
        sa.or_(_GRANT.c.delegate == sa.bindparam("person"), _GRANT.c.id.in_(DESIGNATED_FOR)),
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
            _office_stands(),
            _member_counts(),
            ~_work_held(_MEMBERSHIP.c.ward),
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
        _DESIGNATION.c.ward == row.ward, _DESIGNATION.c.grant == row.id, in_force()
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


_COUNTS_FROM: Final = (
    sa.select(_IDENTIFIER.c.counts_from)
    .select_from(_SIGNED_WITH)
    .where(
        _MANDATE.c.ward == sa.bindparam("ward"),
        _MANDATE.c.grant == sa.bindparam("grant"),
        _IDENTIFIER.c.counts_from > NOW,
        _IDENTIFIER.c.ended_at.is_(None),
    )
)


def counts_from(session: Session, row: GrantRow, now: datetime) -> datetime | None:
    """When the card that signed a grant counts in full, and so does the grant; None where none waits."""
    values = {"ward": row.ward, "grant": row.id, "now": now}
    found: datetime | None = connection_of(session).execute(_COUNTS_FROM, values).scalar()
    return found


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

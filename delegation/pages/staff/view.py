"""What staff are shown: who somebody is, the trail of a grant, a change."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlmodel import Session, col, select
from starlette.requests import Request
from starlette.responses import Response

from assurance import people
from assurance.database import connection_of
from assurance.login import Login
from assurance.person import PersonId
from assurance.roles import Role
from card.faults import Fault
from delegation import registry, usability
from delegation.assured import PROVEN
from delegation.grant import LIFTED_BY_TWO, CurrentState, GrantState, HoldKind
from delegation.offices.tables import DesignationRow
from delegation.parts import Parts
from delegation.staffing import staff, staff_holds
from delegation.tables import DecisionRow, GrantRow, MandateRow, TransitionRow

_MOST_DECISIONS: Final = 50


def staff_login(parts: Parts, request: Request, wanted: Collection[Role]) -> Login | None:
    """The login of someone with one of these roles; None where a stronger one must come first.

    Read in a snapshot of its own, as every login for which the way to a stronger one may be taken.

    :raises Fault: `request.unknown_page`.
    """
    with parts.database.reading(parts.ward.code) as session:
        login = parts.logins.current(session, request)
        try:
            return staff.required_as(session, parts, login, wanted)
        except Fault as fault:
            if fault.code != "login.needed":
                raise
            return None


def ask_for(parts: Parts, path: str, keep: Mapping[str, Any] | None = None) -> Response:
    """The way to a login that is strong enough for a page of staff.

    :param keep: what was typed; `{i}` in the path becomes what it is found by.
    """
    return parts.step_up.ask(parts.address(path), PROVEN, keep)


def names_of(session: Session, parts: Parts, persons: Collection[str]) -> Mapping[str, str]:
    """Proven names by id; whoever has none is not in it."""
    ids = {PersonId(person) for person in persons}
    found = people.profiles(connection_of(session), parts.vault, parts.ward.code, ids)
    return {person: profile.name for person, profile in found.items()}


@dataclass(frozen=True, slots=True)
class ListedGrant:
    """A grant in the list of one of its parties.

    :param other: the other party's proven name; empty before someone accepted.
    """

    id: str
    state: CurrentState
    other: str
    last: date


def listed(
    session: Session, parts: Parts, rows: Sequence[GrantRow], of: PersonId, reader: PersonId
) -> Sequence[ListedGrant]:
    """A person's grants, without those of the reader."""
    now = parts.clock.now()
    parties = {row.id: registry.parties_of(session, row, now) for row in rows}
    shown = [row for row in rows if reader not in parties[row.id]]
    others = {row.id: parties[row.id][row.principal == of] for row in shown}
    names = names_of(session, parts, [other for other in others.values() if other is not None])
    return [
        ListedGrant(
            row.id,
            usability.state_now(session, row, now),
            names.get(others[row.id] or "", ""),
            date.fromisoformat(row.last),
        )
        for row in shown
    ]


@dataclass(frozen=True, slots=True)
class Step:
    """A transition, and in which part someone took it.

    :param by: `principal`, `delegate` or `ward`.
    """

    at: datetime
    state: str
    by: str


@dataclass(frozen=True, slots=True)
class TrailHold:
    """A hold on the grant or on one of its parties.

    :param on: `grant`, `principal` or `delegate`.
    :param lifts: its id, where staff may lift it from here.
    """

    lifts: str | None
    on: str
    cause: str
    by: str
    placed_at: datetime
    lifted_at: datetime | None


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision that this grant carried."""

    at: datetime
    system: Mapping[str, str]
    procedure: Mapping[str, str]
    action: str


@dataclass(frozen=True, slots=True)
class Trail:
    """A grant from its proposal to its end."""

    id: str
    state: CurrentState
    principal: str
    delegate: str
    procedures: Sequence[Mapping[str, str]]
    actions: Sequence[str]
    first: date
    last: date
    steps: Sequence[Step]
    holds: Sequence[TrailHold]
    signed_at: datetime | None
    record: str | None
    decisions: Sequence[Decided]


def _delegates(session: Session, row: GrantRow) -> frozenset[str]:
    """Who ever stood on the delegate's side: for an office, everyone whom it designated."""
    named = select(DesignationRow.person).where(
        DesignationRow.ward == row.ward, DesignationRow.grant == row.id
    )
    return frozenset(session.exec(named)) if row.office is not None else frozenset({row.delegate or ""})


def _part(row: GrantRow, delegates: Collection[str], person: str) -> str:
    return "principal" if person == row.principal else "delegate" if person in delegates else "ward"


def _holds(session: Session, parts: Parts, row: GrantRow, delegates: Collection[str]) -> Sequence[TrailHold]:
    targets = [
        ("grant", HoldKind.GRANT, row.id),
        ("principal", HoldKind.PERSON, row.principal),
        *(("delegate", HoldKind.PERSON, delegate) for delegate in delegates),
    ]
    found = [
        TrailHold(
            hold.id if on == "grant" and hold.cause in LIFTED_BY_TWO and hold.lifted_at is None else None,
            on,
            hold.cause,
            _part(row, delegates, hold.placed_by),
            hold.placed_at,
            hold.lifted_at,
        )
        for on, kind, target in targets
        for hold in staff_holds.holds_on(session, parts.ward.code, kind, target)
    ]
    return sorted(found, key=lambda hold: hold.placed_at)


def _decisions(session: Session, parts: Parts, row: GrantRow) -> Sequence[Decided]:
    rows = select(DecisionRow).where(DecisionRow.ward == row.ward, DecisionRow.grant == row.id)
    newest = session.exec(rows.order_by(col(DecisionRow.at).desc()).limit(_MOST_DECISIONS)).all()
    known = parts.procedures.by_id

    def named(id_: str) -> Mapping[str, str]:
        return known[id_].name if id_ in known else {"ja": id_, "en": id_}

    return [
        Decided(found.at, parts.callers.name(session, found.caller), named(found.procedure), found.action)
        for found in newest
    ]


def trail(session: Session, parts: Parts, row: GrantRow) -> Trail:
    """Everything that happened to a grant, with each person in the part they took in it."""
    terms, known = registry.terms_of(row), parts.procedures.by_id
    now, delegates = parts.clock.now(), _delegates(session, row)
    acting = registry.delegate_of(session, row, now) or ""
    names = names_of(session, parts, [row.principal, acting])
    moves = session.exec(
        select(TransitionRow)
        .where(TransitionRow.ward == row.ward, TransitionRow.grant == row.id)
        .order_by(col(TransitionRow.version))
    ).all()
    asked = Step(row.created_at, GrantState.PROPOSED, "principal")  # the one step that is no transition
    mandate = session.get(MandateRow, (row.ward, row.id))
    return Trail(
        id=row.id,
        state=usability.state_now(session, row, now),
        principal=names.get(row.principal, ""),
        delegate=names.get(acting, ""),
        procedures=[known[id_].name for id_ in terms.procedures if id_ in known],
        actions=[str(action) for action in terms.actions],
        first=terms.first,
        last=terms.last,
        steps=[asked, *(Step(move.at, move.state, _part(row, delegates, move.by)) for move in moves)],
        holds=_holds(session, parts, row, delegates),
        signed_at=None if mandate is None else mandate.signed_at,
        record=None if mandate is None else hashlib.sha256(mandate.record.encode("ascii")).hexdigest(),
        decisions=_decisions(session, parts, row),
    )

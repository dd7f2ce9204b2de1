"""Grants as their parties see them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Final

from fastapi import Depends
from sqlmodel import Session, col, select
from starlette.requests import Request

from assurance import people
from assurance.database import connection_of
from assurance.login import Login
from assurance.person import PersonId
from assurance.procedures import Procedure
from card.dates import ward_day
from card.pages.forms import Posted, read_posted
from delegation import ending, proposing, registry
from delegation.grant import GrantId, GrantState
from delegation.parts import Parts
from delegation.tables import DecisionRow, GrantRow, MandateRow

Form = Annotated[Posted, Depends(read_posted)]
_MOST_SHOWN: Final = 50


@dataclass(frozen=True, slots=True)
class GrantView:
    """A grant.

    :param state: `waiting`, `accepted`, `compared`, `active`, `paused`, `expired`, `lapsed` or `ended`.
    :param mine: the reader is its principal.
    :param digits: for the delegate alone, until they were compared.
    """

    id: str
    state: str
    mine: bool
    other: str
    procedures: tuple[Procedure, ...]
    actions: tuple[str, ...]
    first: date
    last: date
    digits: str | None
    paused_by_me: bool
    signed: bool


def _state(row: GrantRow, now: datetime, *, usable: bool) -> str:
    today = ward_day(now).isoformat()
    match GrantState(row.state):
        case GrantState.PROPOSED:
            return "waiting" if now < row.invitation_until else "lapsed"
        case GrantState.ACCEPTED:
            return "accepted" if row.compared_at is None else "compared"
        case GrantState.ENDED:
            return "ended"
    if row.last < today:
        return "expired"
    return "active" if usable else "paused"


def _name(session: Session, parts: Parts, row: GrantRow, *, mine: bool) -> str:
    if mine:
        return registry.typed_of(session, parts.vault, row).name
    profile = people.profile(session, parts.vault, parts.ward.code, PersonId(row.principal))
    return "" if profile is None else profile.name


def view(session: Session, parts: Parts, row: GrantRow, reader: PersonId) -> GrantView:
    """What one of the parties sees."""
    terms, now, mine = registry.terms_of(row), parts.clock.now(), reader == row.principal
    usable = registry.usable_of(connection_of(session), parts.ward.code, [GrantId(row.id)], now)
    known = parts.procedures.by_id
    return GrantView(
        id=row.id,
        state=_state(row, now, usable=bool(usable)),
        mine=mine,
        other=_name(session, parts, row, mine=mine),
        procedures=tuple(known[id_] for id_ in terms.procedures if id_ in known),
        actions=tuple(str(action) for action in terms.actions),
        first=terms.first,
        last=terms.last,
        digits=None if mine else proposing.digits_of(parts, row),
        signed=session.get(MandateRow, (row.ward, row.id)) is not None,
        paused_by_me=ending.is_paused(session, row, reader),
    )


@dataclass(frozen=True, slots=True)
class Activity:
    """One thing that was done, or refused."""

    at: datetime
    system: Mapping[str, str]
    procedure: Mapping[str, str]
    action: str
    allowed: bool


def activity(session: Session, parts: Parts, row: GrantRow) -> Sequence[Activity]:
    """What the delegate did for the principal, the newest first."""
    rows = session.exec(
        select(DecisionRow)
        .where(
            DecisionRow.ward == row.ward,
            DecisionRow.principal == row.principal,
            DecisionRow.subject == row.delegate,
        )
        .order_by(col(DecisionRow.at).desc())
        .limit(_MOST_SHOWN)
    ).all()
    known = parts.procedures.by_id
    return [
        Activity(
            found.at,
            parts.callers.name(session, found.caller),
            known[found.procedure].name,
            found.action,
            found.allowed,
        )
        for found in rows
        if found.procedure in known
    ]


def strong_login(session: Session, parts: Parts, request: Request) -> Login | None:
    """The login of a browser, if it is strong enough to see grants."""
    login = parts.logins.current(session, request)
    if login is None or not login.assurance.meets(proposing.STRONG, parts.clock.now()):
        return None
    return login

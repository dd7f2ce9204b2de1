"""Grants as their parties see them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Final

from fastapi import Depends
from sqlmodel import Session, col, or_, select
from starlette.requests import Request
from starlette.responses import Response

from assurance import people
from assurance.levels import Requirement
from assurance.login import Login
from assurance.person import PersonId
from assurance.procedures import Action, Procedure
from card.dates import ward_day
from card.pages.forms import Posted, read_posted
from delegation import comparing, ending, notices, registry, usability
from delegation.faults import FAULTS, FaultWithMails
from delegation.grant import CurrentState
from delegation.mandate import NamedOffice
from delegation.offices import designating
from delegation.parts import Parts
from delegation.signing import named_office
from delegation.tables import DecisionRow, GrantRow, MandateRow

Form = Annotated[Posted, Depends(read_posted)]
_MOST_SHOWN: Final = 50


@dataclass(frozen=True, slots=True)
class GrantView:
    """A grant.

    :param mine: the reader is its principal.
    :param digits: for the delegate alone, until they were compared.
    :param reason: why it ended, for the principal alone.
    :param office: name and 事業所番号 of the office whose grant it is.
    :param counts_from: when it is in force, while it waits for the card that signed it.
    :param acting: who acts for that office now, and `next` from `next_from` on.
    """

    id: str
    state: CurrentState
    mine: bool
    other: str
    procedures: tuple[Procedure, ...]
    actions: tuple[str, ...]
    first: date
    last: date
    digits: str | None
    paused_by_me: bool
    signed: bool
    reason: str | None
    counts_from: datetime | None
    office: NamedOffice | None = None
    acting: str = ""
    next: str = ""
    next_from: datetime | None = None


def _name(session: Session, parts: Parts, row: GrantRow, *, mine: bool) -> str:
    if mine and row.office is not None:
        office = named_office(session, row)
        return "" if office is None else office.name
    if mine:
        return registry.typed_of(session, parts.vault, row).name
    return _proven_name(session, parts, row.principal)


def _proven_name(session: Session, parts: Parts, person: str | None) -> str:
    profile = people.profile(session, parts.vault, parts.ward.code, PersonId(person or ""))
    return "" if profile is None else profile.name


def view(session: Session, parts: Parts, row: GrantRow, reader: PersonId) -> GrantView:
    """What one of the parties sees."""
    terms, mine = registry.terms_of(row), reader == row.principal
    known, now = parts.procedures.by_id, parts.clock.now()
    coming = designating.to_come(session, row, now)
    return GrantView(
        id=row.id,
        state=usability.state_now(session, row, now),
        mine=mine,
        other=_name(session, parts, row, mine=mine),
        procedures=tuple(known[id_] for id_ in terms.procedures if id_ in known),
        actions=tuple(str(action) for action in terms.actions),
        first=terms.first,
        last=terms.last,
        digits=None if mine else comparing.digits_of(parts, row),
        signed=session.get(MandateRow, (row.ward, row.id)) is not None,
        paused_by_me=ending.is_paused(session, row, reader),
        reason=row.ended_reason if mine else None,
        counts_from=usability.counts_from(session, row, now),
        office=named_office(session, row),
        acting=""
        if row.office is None
        else _proven_name(session, parts, registry.delegate_of(session, row, now)),
        next="" if coming is None else _proven_name(session, parts, coming.person),
        next_from=None if coming is None else coming.works_from,
    )


@dataclass(frozen=True, slots=True)
class Activity:
    """One thing that was done, or refused."""

    at: datetime
    system: Mapping[str, str]
    procedure: Mapping[str, str]
    action: str
    allowed: bool

    def repeats(self, other: "Activity") -> bool:
        """Whether it is the same within a day."""
        said = (self.system, self.procedure, self.action, self.allowed)
        same = said == (other.system, other.procedure, other.action, other.allowed)
        return same and ward_day(self.at) == ward_day(other.at)


def activity(session: Session, parts: Parts, row: GrantRow) -> Sequence[Activity]:
    """What the delegate did for the principal, the newest first; what was only looked at, once a day."""
    rows = session.exec(
        select(DecisionRow)
        .where(
            DecisionRow.ward == row.ward,
            DecisionRow.principal == row.principal,
            DecisionRow.subject == row.delegate if row.office is None else DecisionRow.grant == row.id,
            # A system that lists things asks about each; that it showed nothing would only frighten her.
            or_(col(DecisionRow.allowed), col(DecisionRow.action) != str(Action.VIEW)),
        )
        .order_by(col(DecisionRow.at).desc())
        .limit(_MOST_SHOWN)
    ).all()
    known, seen = parts.procedures.by_id, list[Activity]()
    for found in rows:
        if found.procedure in known:
            named, procedure = parts.callers.name(session, found.caller), known[found.procedure].name
            done = Activity(found.at, named, procedure, found.action, found.allowed)
            if not (found.action == Action.VIEW and any(done.repeats(before) for before in seen)):
                seen.append(done)
    return seen


def login_for(parts: Parts, request: Request, requirement: Requirement) -> Login | None:
    """The login of a browser, if it is enough.

    Read in a snapshot of its own: the way to a stronger one writes, and whoever waits for a second connection
    while holding one can wait for ever.
    """
    with parts.database.reading(parts.ward.code) as session:
        login = parts.logins.current(session, request)
    return login if login is not None and login.assurance.meets(requirement, parts.clock.now()) else None


def refusal(parts: Parts, request: Request, fault: FaultWithMails, back: str) -> Response:
    """A refusal of which people are told, after it was answered."""
    response = parts.pages.fault(request, fault, status=FAULTS[fault.code].status, back=parts.address(back))
    response.background = notices.sending(parts, fault.mails)
    return response

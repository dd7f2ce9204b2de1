"""What a resident does at the counter: by her visit, where at home it would be by her login."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from sqlmodel import Session

from assurance.database import Unit
from assurance.events import EventName
from assurance.login import Login
from assurance.mail import Mail
from assurance.person import PersonId
from card.dates import ward_day
from card.faults import Fault
from delegation import ending, registry, signing
from delegation.counter import visiting
from delegation.counter.visiting import Visit
from delegation.grant import GrantState
from delegation.offices import asking, members
from delegation.offices.asking import Asked
from delegation.parts import Errand, Parts
from delegation.tables import GrantRow

_Step = Callable[[Unit, Parts, PersonId, str], list[Mail]]
STEPS: Final[Mapping[str, _Step]] = {
    "end": ending.end_for,
    "pause": ending.pause_for,
    "resume": ending.resume_for,
}


@dataclass(frozen=True, slots=True)
class ToBeSigned:
    """One thing that waits for a person's signature.

    :param path: the page that reads it back, below the visit's.
    :param name: of whom it is about; for an office, who asks in its name.
    :param office: that asks.
    """

    path: str
    name: str
    last: date
    office: str = ""


def to_be_signed(session: Session, parts: Parts, person: PersonId) -> Sequence[ToBeSigned]:
    """What a person may sign now: each kind of it is one line here."""
    return (*_requests(session, parts, person), *_mandates(session, parts, person))


def _requests(session: Session, parts: Parts, person: PersonId) -> Sequence[ToBeSigned]:
    return [
        ToBeSigned(f"requests/{asked.row.id}", asked.member.name, asked.terms.last, asked.office.name)
        for asked in asking.asked_of(session, parts, person)
    ]


def _mandates(session: Session, parts: Parts, person: PersonId) -> Sequence[ToBeSigned]:
    today = ward_day(parts.clock.now()).isoformat()
    return [
        ToBeSigned(
            f"grants/{row.id}/sign",
            registry.typed_of(session, parts.vault, row).name,
            date.fromisoformat(row.last),
        )
        for row in registry.given_by(session, parts.ward.code, person)
        if row.state == GrantState.ACCEPTED and row.compared_at is not None and row.last >= today
    ]


def grant_of(session: Session, parts: Parts, visit: Visit, id_: str) -> GrantRow:
    """A grant of the resident who is here.

    :raises Fault: `grant.unknown`; `counter.party` where the staff member is its other party.
    """
    now = parts.clock.now()
    row = registry.find(session, parts.ward.code, id_, visit.person, now)
    if visit.staff in registry.parties_of(session, row, now):
        raise Fault("counter.party")
    return row


def request_of(session: Session, parts: Parts, visit: Visit, id_: str) -> Asked:
    """What an office asks of the resident who is here.

    :raises Fault: `grant.unknown`; `counter.party` where the staff member works for that office.
    """
    asked = asking.find_asked(session, parts, visit.person, id_)
    works = members.memberships_of(session, parts.ward.code, visit.staff)
    if any(membership.office == asked.office.id for membership in works):
        raise Fault("counter.party")
    return asked


def ask_for_signature(unit: Unit, parts: Parts, login: Login | None, visit_id: str, grant: str) -> Errand:
    """Send the mandate to the resident's card.

    :raises Fault: `request.unknown_page`, `counter.visit_over`, `counter.party`, `grant.*`.
    """
    visit = visiting.required_visit(unit.session, parts, login, visit_id)
    row = grant_of(unit.session, parts, visit, grant)
    page = parts.address(f"/counter/visits/{visit.id}")
    errand = signing.to_card(unit, parts, row, visit.person, visit.locale, (page, page))
    visiting.record(unit, parts, EventName.COUNTER_MANDATE_ASKED, visit.person, visit.staff, grant)
    return errand


def take_step(
    unit: Unit, parts: Parts, login: Login | None, visit_id: str, grant: str, step: str
) -> list[Mail]:
    """End, pause or resume one of her grants.

    :returns: mails to both sides.
    :raises Fault: `request.unknown_page`, `counter.visit_over`, `counter.party`, `grant.*`.
    """
    visit = visiting.required_visit(unit.session, parts, login, visit_id)
    grant_of(unit.session, parts, visit, grant)
    mails = STEPS[step](unit, parts, visit.person, grant)
    visiting.record(unit, parts, EventName.COUNTER_GRANT_CHANGED, visit.person, visit.staff, grant)
    return mails

"""Offices and members as pages show them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlmodel import Session
from starlette.requests import Request

from assurance import people
from assurance.person import PersonId
from card.faults import Fault
from card.pages.forms import Posted
from delegation.offices import members
from delegation.offices.tables import MembershipRow
from delegation.parts import Parts


@dataclass(frozen=True, slots=True)
class MemberView:
    """A member.

    :param state: `invited`, `unchecked`, `works`, or `lapsed` where no attestation or certificate is valid.
    """

    id: str
    person: str | None
    name: str
    number: str
    administrator: bool
    state: str
    attested_until: datetime | None


def name_of(session: Session, parts: Parts, person: str | None) -> str:
    """A person's proven name; empty without one."""
    profile = people.profile(session, parts.vault, parts.ward.code, PersonId(person or ""))
    return "" if profile is None else profile.name


def member_view(session: Session, parts: Parts, row: MembershipRow) -> MemberView:
    """One member."""
    typed = members.typed_of(parts, row)
    if row.person is None:
        state = "invited"
    elif row.checked_at is None:
        state = "unchecked"
    else:
        state = "works" if members.counts(session, row, parts.clock.now()) else "lapsed"
    return MemberView(
        row.id, row.person, typed["name"], typed["number"], row.administrator, state, row.attested_until
    )


def member_views(session: Session, parts: Parts, office: str) -> Sequence[MemberView]:
    """Everyone of an office."""
    return [member_view(session, parts, row) for row in members.members_of(session, parts.ward.code, office)]


def day_of(form: Posted, name: str) -> date:
    """A day of a form.

    :raises Fault: `grant.date`.
    """
    try:
        return date.fromisoformat(form.one(name).strip())
    except ValueError as error:
        raise Fault("grant.date") from error


def said(parts: Parts, request: Request, error: Fault | None) -> tuple[str, str] | None:
    """What was wrong, for the top of a form."""
    return None if error is None else parts.pages.fault_texts(parts.pages.locale(request), error)

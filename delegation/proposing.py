"""Proposing: the principal asks someone to act, and that person reads what is asked."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlmodel import Session, col, func, select

from assurance import identifiers, people
from assurance.database import Unit
from assurance.events import Event, EventName
from assurance.evidence import EmailCode
from assurance.handles import hashed, new_handle
from assurance.identifiers import IdentifierKind
from assurance.login import Login
from assurance.mail import Mail
from assurance.person import PersonId, Profile, new_id
from assurance.sealed import holds_my_number
from card.dates import ward_day
from card.faults import Fault
from delegation import notices, registry, usability
from delegation.assured import PROVEN, required
from delegation.grant import GrantId, GrantState, Terms, check_terms
from delegation.parts import Parts
from delegation.registry import Typed
from delegation.tables import GrantRow

_OPEN_FOR: Final = timedelta(days=30)
_MOST_OPEN: Final = 20
_MOST_A_DAY: Final = 10
"""Not above what one address gets in a day, so that nobody's own asking makes "sent" untrue."""
_LONGEST_NAME: Final = 100


def _check_typed(unit: Unit, parts: Parts, login: Login, typed: Typed) -> Typed:
    name = typed.name.strip()
    if not name or len(name) > _LONGEST_NAME:
        raise Fault("grant.name")
    if holds_my_number(typed.name) or holds_my_number(typed.address):
        raise Fault("grant.my_number")
    address = identifiers.normalise_address(typed.address)
    kind = IdentifierKind.EMAIL
    if identifiers.find_person(unit.session, parts.vault, unit.ward, kind, address) == login.person:
        raise Fault("grant.self")
    return Typed(name, address)


def _check_caps(unit: Unit, principal: PersonId, now: datetime) -> None:
    """What is open is capped, and what was made within a day, ended or not: ending makes no room to ask."""
    mine = select(func.count()).where(GrantRow.ward == unit.ward, GrantRow.principal == principal)
    still_open = unit.session.exec(
        mine.where(
            col(GrantRow.state).in_([GrantState.PROPOSED, GrantState.ACCEPTED]),
            GrantRow.invitation_until > now,
        )
    ).one()
    if still_open >= _MOST_OPEN:
        raise Fault("grant.too_many")
    if unit.session.exec(mine.where(GrantRow.created_at > now - timedelta(days=1))).one() >= _MOST_A_DAY:
        raise Fault("grant.too_many_today")


def propose(
    unit: Unit, parts: Parts, login: Login | None, typed: Typed, terms: Terms
) -> tuple[GrantId, list[Mail]]:
    """Ask someone to act; whether that person exists is told by nothing.

    :returns: the grant, and the invitation to send.
    :raises Fault: `login.needed`, `grant.*` or `email.shape`.
    """
    login, now = required(parts, login, PROVEN), parts.clock.now()
    typed = _check_typed(unit, parts, login, typed)
    check_terms(terms, parts.procedures, ward_day(now))
    id_, handle = GrantId(new_id()), new_handle()
    if not usability.are_free(unit.session, unit.ward, id_, [login.person], now):
        raise Fault("grant.not_now")
    _check_caps(unit, login.person, now)
    name, invited = registry.seal_typed(unit, parts.vault, login.person, id_, typed)
    unit.session.add(
        GrantRow(
            ward=unit.ward,
            id=id_,
            version=1,
            state=GrantState.PROPOSED,
            principal=login.person,
            basis=terms.basis,
            mode=terms.mode,
            procedures=json.dumps(terms.procedures),
            procedures_version=terms.procedures_version,
            actions=json.dumps(terms.actions),
            first=terms.first.isoformat(),
            last=terms.last.isoformat(),
            invitation=hashed(handle),
            invitation_until=now + _OPEN_FOR,
            created_at=now,
            delegate_name=name,
            invited=invited,
        )
    )
    unit.record(Event(EventName.GRANT_PROPOSED, unit.ward, now, {login.person: {"grant": id_}}))
    return id_, notices.invitation(unit, parts, id_, typed.address, handle)


@dataclass(frozen=True, slots=True)
class Invitation:
    """A proposal as the invited person reads it.

    :param hash: of the whole of it; the acceptance names it.
    """

    row: GrantRow
    terms: Terms
    typed: Typed
    principal: Profile
    hash: str


def proposal_hash(session: Session, parts: Parts, row: GrantRow) -> str:
    """The hash of a grant's proposal as it stands."""
    typed = registry.typed_of(session, parts.vault, row)
    return registry.terms_of(row).hash(row.principal, typed.name, row.office)


def invitation(session: Session, parts: Parts, handle: str) -> Invitation:
    """The proposal that an invitation leads to.

    It is gone, too, while its principal may not give: who is protected answers like who asked nothing.

    :raises Fault: `invitation.gone`.
    """
    now, ward = parts.clock.now(), parts.ward.code
    row = session.exec(
        select(GrantRow).where(GrantRow.ward == ward, GrantRow.invitation == hashed(handle))
    ).first()
    if row is None or row.state != GrantState.PROPOSED or now >= row.invitation_until:
        raise Fault("invitation.gone")
    principal = people.profile(session, parts.vault, ward, PersonId(row.principal))
    if principal is None or not usability.are_free(session, ward, row.id, [PersonId(row.principal)], now):
        raise Fault("invitation.gone")
    terms, typed = registry.terms_of(row), registry.typed_of(session, parts.vault, row)
    return Invitation(row, terms, typed, principal, terms.hash(row.principal, typed.name))


def has_read_back(parts: Parts, login: Login, address: str) -> bool:
    """Whether this login read a code back from an address."""
    macs = identifiers.macs_of(parts.vault, parts.ward.code, IdentifierKind.EMAIL, address)
    return any(isinstance(piece, EmailCode) and piece.address in macs for piece in login.evidence)

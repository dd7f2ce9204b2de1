"""Who may do what as staff: judged anew at every step, from roles, holds and the login."""

from collections.abc import Collection
from datetime import datetime
from typing import Final

from sqlmodel import Session, col, select

from assurance import people, roles
from assurance.database import Unit
from assurance.levels import IAL
from assurance.login import Login
from assurance.person import PersonId
from assurance.roles import Role
from assurance.tables import RoleRow
from assurance.wards import WardCode
from card.faults import Fault
from delegation import registry
from delegation.assured import PROVEN, required
from delegation.grant import HoldKind
from delegation.parts import Parts
from delegation.tables import GrantRow, HoldRow

ANY: Final = frozenset(Role)
ADMIN: Final = frozenset({Role.ADMIN})
LOOKS: Final = frozenset({Role.ADMIN, Role.AUDITOR})
"""Who sees who looked at whom."""
REVIEWERS: Final = frozenset({Role.ADMIN, Role.STAFF})
"""Who decides what becomes of a mandate whose certificate was revoked."""


def is_held(session: Session, ward: WardCode, person: PersonId) -> bool:
    """Whether a hold on a person is open."""
    found = select(HoldRow.id).where(
        HoldRow.ward == ward,
        HoldRow.kind == HoldKind.PERSON,
        HoldRow.target == person,
        col(HoldRow.lifted_at).is_(None),
    )
    return session.exec(found).first() is not None


def roles_now(session: Session, ward: WardCode, person: PersonId, now: datetime) -> frozenset[Role]:
    """What a person may act as: nothing while a hold is on them, which stops all that they have."""
    held = roles.roles_of(session, ward, person, now)
    return frozenset() if held and is_held(session, ward, person) else held


def is_card_proofed(session: Session, ward: WardCode, person: PersonId, now: datetime) -> bool:
    """Whether two staff saw this person's own card at the counter, and that still counts."""
    return any(
        proof.method == "counter_card" and proof.ial >= IAL.HIGH and now < proof.ends_at
        for proof in people.proofs_of(session, ward, person)
    )


def one_at_a_time(unit: Unit) -> None:
    """Let whatever changes admins wait for each other: two who suspend each other at once would both be gone.

    On SQLite a unit that writes is alone anyway.
    """
    unit.session.exec(
        select(RoleRow.person)
        .where(RoleRow.ward == unit.ward, RoleRow.role == Role.ADMIN)
        .order_by(col(RoleRow.person))
        .with_for_update()
    ).all()


def required_as(session: Session, parts: Parts, login: Login | None, wanted: Collection[Role]) -> Login:
    """The login of someone who has one of these roles.

    :raises Fault: `login.needed` to every weak login, so that a stolen mailbox does not tell who is staff;
        `request.unknown_page` to whoever is proven and lacks the role.
    """
    login = required(parts, login, PROVEN)
    if roles_now(session, parts.ward.code, login.person, parts.clock.now()).isdisjoint(wanted):
        raise Fault("request.unknown_page")
    return login


def required_person(session: Session, ward: WardCode, person: str, by: PersonId) -> PersonId:
    """Another person of the ward, to look at or to change; whoever was never proven has no name to look at.

    :raises Fault: `staff.unknown_person`; `staff.own` for oneself.
    """
    if "\x00" in person or not people.proofs_of(session, ward, PersonId(person)):
        raise Fault("staff.unknown_person")
    if person == by:
        raise Fault("staff.own")
    return PersonId(person)


def required_grant(session: Session, ward: WardCode, id_: str, by: PersonId, now: datetime) -> GrantRow:
    """A grant of others, to look at.

    :raises Fault: `grant.unknown`; `staff.own_grant` for one that the staff member is a party of.
    """
    row = session.get(GrantRow, (ward, id_)) if "\x00" not in id_ else None
    if row is None:
        raise Fault("grant.unknown")
    if by in registry.parties_of(session, row, now):
        raise Fault("staff.own_grant")
    return row

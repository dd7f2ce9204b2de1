"""An office asks someone for a grant, and the asked person's answer.

Asking is the delegate's acceptance, so the answer leads straight to the mandate. Nothing looks the asked
person up: a request waits under the MAC of name and birth date, and whoever is proven to be that person finds
it. So nothing tells an office whether someone exists, is protected, or only does not answer.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from sqlmodel import Session, col, func, select, update

from assurance import people
from assurance.database import Unit
from assurance.events import Event, EventName
from assurance.handles import hashed, new_handle
from assurance.login import Login
from assurance.person import PersonId, Profile, new_id
from assurance.procedures import Action
from assurance.sealed import holds_my_number
from assurance.tables import ProofRow
from card.dates import ward_day
from card.faults import Fault
from delegation import accepting, registry, usability
from delegation.assured import PROVEN, required
from delegation.grant import Basis, GrantId, GrantState, Terms, check_terms
from delegation.offices import members
from delegation.offices.tables import AskRow, DesignationRow, MembershipRow, OfficeRow
from delegation.parts import Parts
from delegation.registry import Typed
from delegation.tables import GrantRow

OPEN_FOR: Final = timedelta(days=30)
_MOST_A_DAY: Final = 20
_BOX: Final = "grant-request"
_NAME: Final = "name"
"""The purpose of the MAC under which proofs keep name and birth date (`assurance.people`)."""


def ask(
    unit: Unit, parts: Parts, login: Login | None, office: str, asked: tuple[str, date], terms: Terms
) -> str:
    """A member asks someone by name and birth date; the answer is the same whoever that is.

    :returns: the request's id.
    :raises Fault: `login.needed`, `office.*`, `grant.*`.
    """
    login, now, (name, birth_date) = required(parts, login, PROVEN), parts.clock.now(), asked
    member = members.working_member(unit.session, parts, login, office)
    if not typed_number(parts, member):
        raise Fault("office.no_care_manager")
    name = name.strip()
    if not name or len(name) > 100:
        raise Fault("grant.name")
    if holds_my_number(name):
        raise Fault("grant.my_number")
    check_terms(terms, parts.procedures, ward_day(now))
    today = select(func.count()).where(
        AskRow.ward == unit.ward, AskRow.membership == member.id, AskRow.asked_at > now - timedelta(days=1)
    )
    if unit.session.exec(today).one() >= _MOST_A_DAY:
        raise Fault("grant.too_many_today")
    id_ = new_id()
    typed = json.dumps({"name": name, "birth": birth_date.isoformat()}, ensure_ascii=False)
    unit.session.add(
        AskRow(
            ward=unit.ward,
            id=id_,
            office=office,
            membership=member.id,
            asked_by=login.person,
            target=parts.vault.mac(unit.ward, _NAME, people.name_key(name, birth_date)),
            sealed=parts.vault.seal_for(_BOX, typed, f"{unit.ward}/{id_}"),
            mode=terms.mode,
            procedures=json.dumps(terms.procedures),
            procedures_version=terms.procedures_version,
            actions=json.dumps(terms.actions),
            first=terms.first.isoformat(),
            last=terms.last.isoformat(),
            asked_at=now,
            open_until=now + OPEN_FOR,
        )
    )
    unit.record(Event(EventName.GRANT_ASKED, unit.ward, now, {login.person: {"request": id_}}))
    return id_


def typed_number(parts: Parts, member: MembershipRow) -> str:
    """A member's 介護支援専門員番号; empty for an administrator alone."""
    return members.typed_of(parts, member)["number"]


def whom(parts: Parts, row: AskRow) -> tuple[str, date]:
    """Whom the office asked, as it typed it: for the office alone."""
    typed = json.loads(parts.vault.open_for(_BOX, row.sealed, f"{row.ward}/{row.id}"))
    return typed["name"], date.fromisoformat(typed["birth"])


def terms_of(row: AskRow) -> Terms:
    """What the office asks for."""
    return Terms(
        basis=Basis.CARE_OFFICE,
        mode=row.mode,
        procedures=tuple(json.loads(row.procedures)),
        procedures_version=row.procedures_version,
        actions=tuple(Action(action) for action in json.loads(row.actions)),
        first=date.fromisoformat(row.first),
        last=date.fromisoformat(row.last),
    )


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as the asked person reads it: who asks, for which office, for what and until when."""

    row: AskRow
    office: OfficeRow
    member: Profile
    terms: Terms


def asks_of_office(session: Session, parts: Parts, office: str) -> Sequence[AskRow]:
    """What an office asked and has no yes to: declined, unread or for nobody, nothing tells."""
    return session.exec(
        select(AskRow)
        .where(
            AskRow.ward == parts.ward.code,
            AskRow.office == office,
            AskRow.open_until > parts.clock.now(),
            col(AskRow.grant).is_(None),
        )
        .order_by(col(AskRow.asked_at).desc())
    ).all()


def _targets(session: Session, parts: Parts, person: PersonId) -> Sequence[str]:
    """The MACs under which requests to a person wait; none while someone else has her name and birth date."""
    profile, ward = people.profile(session, parts.vault, parts.ward.code, person), parts.ward.code
    if profile is None:
        return ()
    macs = parts.vault.macs(ward, _NAME, people.name_key(profile.name, profile.birth_date))
    namesakes = select(ProofRow.person).where(ProofRow.ward == ward, col(ProofRow.name_mac).in_(macs))
    return macs if set(session.exec(namesakes)) == {person} else ()


def asked_of(session: Session, parts: Parts, person: PersonId) -> list[Asked]:
    """What offices ask of a person, as far as it may still be answered; nothing while she may not give."""
    now, ward = parts.clock.now(), parts.ward.code
    if not usability.are_free(session, ward, "", [person], now):
        return []
    rows = session.exec(
        select(AskRow)
        .where(
            AskRow.ward == ward,
            col(AskRow.target).in_(_targets(session, parts, person)),
            col(AskRow.answered_at).is_(None),
            AskRow.open_until > now,
            AskRow.last >= ward_day(now).isoformat(),
        )
        .order_by(col(AskRow.asked_at).desc())
    ).all()
    found = (_read(session, parts, row) for row in rows if row.asked_by != person)
    return [asked for asked in found if asked is not None]


def _read(session: Session, parts: Parts, row: AskRow) -> Asked | None:
    """A request whose asker still works for the office."""
    ward, now = parts.ward.code, parts.clock.now()
    office, member = (
        session.get(OfficeRow, (ward, row.office)),
        session.get(MembershipRow, (ward, row.membership)),
    )
    profile = people.profile(session, parts.vault, ward, PersonId(row.asked_by))
    if office is None or member is None or profile is None or not members.counts(session, member, now):
        return None
    return Asked(row, office, profile, terms_of(row))


def find_asked(session: Session, parts: Parts, person: PersonId, id_: str) -> Asked:
    """One request to a person.

    :raises Fault: `grant.unknown`, also for a request to somebody else.
    """
    found = next((asked for asked in asked_of(session, parts, person) if asked.row.id == id_), None)
    if found is None:
        raise Fault("grant.unknown")
    return found


def _answer(unit: Unit, parts: Parts, row: AskRow, grant: GrantId | None) -> None:
    claimed = unit.session.exec(
        update(AskRow)
        .where(col(AskRow.ward) == unit.ward, col(AskRow.id) == row.id, col(AskRow.answered_at).is_(None))
        .values(answered_at=parts.clock.now(), grant=grant)
    )
    if claimed.rowcount != 1:
        raise Fault("grant.not_now")


def decline(unit: Unit, parts: Parts, login: Login | None, id_: str) -> None:
    """The asked person's no; the office is told nothing.

    :raises Fault: `login.needed`, `grant.unknown`, `grant.not_now`.
    """
    decline_as(unit, parts, required(parts, login, PROVEN).person, id_)


def decline_as(unit: Unit, parts: Parts, principal: PersonId, id_: str) -> None:
    """The same for a principal who stands at the counter.

    :raises Fault: `grant.unknown`, `grant.not_now`.
    """
    asked = find_asked(unit.session, parts, principal, id_)
    _answer(unit, parts, asked.row, None)
    told = {principal: {"request": id_}}
    unit.record(Event(EventName.GRANT_ASK_DECLINED, unit.ward, parts.clock.now(), told))


def agree(unit: Unit, parts: Parts, login: Login | None, id_: str) -> GrantId:
    """The asked person's yes: a grant that waits for her signature.

    :raises Fault: `login.needed`, `grant.*`.
    """
    login = required(parts, login, PROVEN)
    return agree_as(unit, parts, login.person, id_)


def agree_as(unit: Unit, parts: Parts, principal: PersonId, id_: str) -> GrantId:
    """The same for a principal who stands at the counter.

    :raises Fault: `grant.*`.
    """
    asked, now = find_asked(unit.session, parts, principal, id_), parts.clock.now()
    check_terms(asked.terms, parts.procedures, ward_day(now))
    grant = GrantId(new_id())
    _answer(unit, parts, asked.row, grant)
    row = _proposed(unit, parts, principal, asked, grant)
    proposal = asked.terms.hash(principal, asked.member.name, asked.office.id)
    unit.session.flush()
    told = {person: {"grant": grant} for person in (principal, PersonId(asked.row.asked_by))}
    unit.record(Event(EventName.GRANT_PROPOSED, unit.ward, now, told))
    accepting.accept_by_asking(unit, parts, row, PersonId(asked.row.asked_by), asked.member, proposal)
    unit.record(Event(EventName.GRANT_ACCEPTED, unit.ward, now, told))
    _designate(unit, asked, grant, parts)
    return grant


def _proposed(unit: Unit, parts: Parts, principal: PersonId, asked: Asked, grant: GrantId) -> GrantRow:
    now, terms = parts.clock.now(), asked.terms
    name, invited = registry.seal_typed(unit, parts.vault, principal, grant, Typed(asked.member.name, ""))
    row = GrantRow(
        ward=unit.ward,
        id=grant,
        version=1,
        state=GrantState.PROPOSED,
        principal=principal,
        office=asked.office.id,
        basis=terms.basis,
        mode=terms.mode,
        procedures=asked.row.procedures,
        procedures_version=terms.procedures_version,
        actions=asked.row.actions,
        first=asked.row.first,
        last=asked.row.last,
        invitation=hashed(new_handle()),  # nobody holds it: the office asked already
        invitation_until=asked.row.open_until,
        created_at=now,
        delegate_name=name,
        invited=invited,
    )
    unit.session.add(row)
    return row


def _designate(unit: Unit, asked: Asked, grant: GrantId, parts: Parts) -> None:
    """The one who asked is the first whom the office designates; the mandate names them."""
    now = parts.clock.now()
    unit.session.add(
        DesignationRow(
            ward=unit.ward,
            id=new_id(),
            grant=grant,
            office=asked.office.id,
            membership=asked.row.membership,
            person=asked.row.asked_by,
            named_by=asked.row.asked_by,
            named_at=now,
            works_from=now,
        )
    )

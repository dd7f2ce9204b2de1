"""Attestations: what two staff entered alike from a paper becomes a grant, or nothing does.

The desk is told the same either way. Whatever keeps a grant from being made (nobody of that name, two of it,
a protection, a hold, a party among the staff) is noted in the log, and what is unequal is nobody's.
"""

import json
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from sqlmodel import Session

from assurance import identifiers, people
from assurance.database import Unit
from assurance.events import Event, EventName
from assurance.handles import hashed, new_handle
from assurance.login import Login
from assurance.mail import Mail
from assurance.person import PersonId, Profile, new_id
from assurance.procedures import Action, Procedures
from assurance.roles import Role
from card.dates import add_months, end_of, ward_day
from card.faults import Fault
from delegation import notices, registry, usability
from delegation.counter.ages import ADULT_FROM, SIGNS_FROM, is_below, last_day_below
from delegation.counter.dual_entry import Pair, enter
from delegation.counter.papers import Named, Paper
from delegation.counter.tables import AttestationRow
from delegation.counter.visiting import STAFF_PART, staff_login
from delegation.grant import Basis, GrantId, GrantState, Terms, check_terms
from delegation.parts import Parts
from delegation.registry import Typed
from delegation.staffing.staff import roles_now
from delegation.tables import GrantRow, TransitionRow

_CUSTODY_MONTHS: Final = 12


@dataclass(frozen=True, slots=True)
class _Parties:
    principal: PersonId
    delegate: PersonId
    child: Profile
    delegate_name: str


def register(unit: Unit, parts: Parts, login: Login | None, number: str, paper: Paper) -> list[Mail]:
    """Take one staff member's entry of a paper; the second of two equal ones makes its grant active.

    :param number: as `dual_entry.read_number` gave it.
    :returns: mails to both sides of a grant that was made; whether one was is told by nothing else.
    :raises Fault: `request.unknown_page` for anybody but staff.
    """
    staff = staff_login(unit.session, parts, login)
    pair = enter(unit, parts, staff.person, number, paper.document())
    if pair is None:
        return []
    if not pair.same:
        refuse(unit, parts, pair, "paper.differs")
        return []
    principal: PersonId | None = None
    try:
        principal = _found(unit.session, parts, paper.principal)[0]
        parties = _parties(unit.session, parts, pair, paper)
        terms = terms_of(paper, parties.child.birth_date, parts.procedures, ward_day(parts.clock.now()))
    except Fault as refused:
        refuse(unit, parts, pair, refused.code, principal)
        return []
    return _activate(unit, parts, pair, paper, parties, terms)


def refuse(unit: Unit, parts: Parts, pair: Pair, code: str, principal: PersonId | None = None) -> None:
    """Note that nothing came of what two staff entered; the person whom it surely meant reads so."""
    told = dict.fromkeys(pair.by, STAFF_PART) | ({} if principal is None else {principal: {}})
    unit.record(Event(EventName.PAPER_REFUSED, unit.ward, parts.clock.now(), told, {"code": code}))


def _found(session: Session, parts: Parts, named: Named) -> tuple[PersonId, Profile]:
    """The one person whom a paper can mean; of namesakes born on one day it means nobody."""
    ward = parts.ward.code
    found = people.named(session, parts.vault, ward, named.name, named.birth_date)
    profile = people.profile(session, parts.vault, ward, found[0]) if len(found) == 1 else None
    if profile is None or people.name_key(profile.name, profile.birth_date) != named.key:
        raise Fault("grant.unknown")
    return found[0], profile


def _parties(session: Session, parts: Parts, pair: Pair, paper: Paper) -> _Parties:
    ward, now = parts.ward.code, parts.clock.now()
    principal, child = _found(session, parts, paper.principal)
    delegate, profile = _found(session, parts, paper.delegate)
    if not all(Role.STAFF in roles_now(session, ward, member, now) for member in pair.by):
        raise Fault("counter.staff")
    if {principal, delegate} & set(pair.by):
        raise Fault("counter.party")
    if principal == delegate:
        raise Fault("grant.self")
    if not usability.are_free(session, ward, "", [principal, delegate], now):
        raise Fault("grant.not_now")
    return _Parties(principal, delegate, child, profile.name)


def terms_of(paper: Paper, birth_date: date, procedures: Procedures, today: date) -> Terms:
    """What a paper gives, within the principal's age and the procedures' maximum.

    A child's grant ends with childhood, whatever the paper says. From fifteen on a parent sees nothing
    without the young person's own yes, so one that lets a parent see ends before.

    :raises Fault: `grant.*`.
    """
    last = paper.last
    if paper.basis is Basis.PARENT:
        last = min(last, _last_for_parent(paper, birth_date, procedures, today))
    elif is_below(birth_date, SIGNS_FROM, today):
        raise Fault("grant.never")
    modes = {
        procedures.by_id[id_].delegates.get(paper.basis)
        for id_ in paper.procedures
        if id_ in procedures.by_id
    }
    mode = modes.pop() if len(modes) == 1 else None
    if mode is None:
        raise Fault("grant.never")
    terms = Terms(
        basis=paper.basis,
        mode=mode,
        procedures=paper.procedures,
        procedures_version=procedures.version,
        actions=paper.actions,
        first=today,
        last=last,
    )
    check_terms(terms, procedures, today)
    return terms


def _last_for_parent(paper: Paper, birth_date: date, procedures: Procedures, today: date) -> date:
    if not is_below(birth_date, ADULT_FROM, today):
        raise Fault("grant.never")
    shown = (procedures.by_id[id_].address for id_ in paper.procedures if id_ in procedures.by_id)
    if any(shown) and not paper.custody:
        raise Fault("grant.never")
    if Action.VIEW not in paper.actions:
        return last_day_below(birth_date, ADULT_FROM)
    if not is_below(birth_date, SIGNS_FROM, today):
        raise Fault("grant.never")
    return last_day_below(birth_date, SIGNS_FROM)


def _attested_until(basis: Basis, now: datetime) -> datetime | None:
    if basis is not Basis.PARENT:
        return None
    return end_of(add_months(ward_day(now), _CUSTODY_MONTHS) - timedelta(days=1))


def _activate(
    unit: Unit, parts: Parts, pair: Pair, paper: Paper, parties: _Parties, terms: Terms
) -> list[Mail]:
    id_, now = GrantId(new_id()), parts.clock.now()
    typed = Typed(parties.delegate_name, "")
    name, invited = registry.seal_typed(unit, parts.vault, parties.principal, id_, typed)
    row = GrantRow(
        ward=unit.ward,
        id=id_,
        version=1,
        state=GrantState.ACTIVE,
        principal=parties.principal,
        delegate=parties.delegate,
        basis=terms.basis,
        mode=terms.mode,
        procedures=json.dumps(terms.procedures),
        procedures_version=terms.procedures_version,
        actions=json.dumps(terms.actions),
        first=terms.first.isoformat(),
        last=terms.last.isoformat(),
        invitation=hashed(new_handle()),  # of nobody: the paper itself is the acceptance
        invitation_until=now,
        created_at=now,
        delegate_name=name,
        invited=invited,
    )
    reached = bool(identifiers.addresses_of(unit.session, parts.vault, unit.ward, parties.principal))
    unit.session.add(row)
    unit.session.add(
        TransitionRow(ward=unit.ward, grant=id_, version=1, state=GrantState.ACTIVE, by=pair.by[1], at=now)
    )
    unit.session.add(
        AttestationRow(
            ward=unit.ward,
            grant=id_,
            by_one=pair.by[0],
            by_two=pair.by[1],
            paper=pair.number,
            proof=paper.proof,
            custody=paper.custody,
            attested_at=now,
            attested_until=_attested_until(terms.basis, now),
            opens_at=now if reached else None,
        )
    )
    told = {person: {"grant": str(id_)} for person in (parties.principal, parties.delegate)}
    staff = dict.fromkeys(pair.by, STAFF_PART)
    unit.record(Event(EventName.PAPER_REGISTERED, unit.ward, now, told | staff, {"proof": paper.proof}))
    unit.record(Event(EventName.GRANT_ACTIVATED, unit.ward, now, told))
    return notices.to_both_sides(unit.session, parts, [row], notices.ACTIVATED)

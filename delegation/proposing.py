"""From a proposal to its acceptance: the principal asks, the invited person says yes, digits join the two."""

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlmodel import Session, col, func, select, update

from assurance import identifiers, people
from assurance.database import Unit
from assurance.email_codes import normalise_code
from assurance.events import Event, EventName
from assurance.evidence import EmailCode
from assurance.handles import hashed, new_handle
from assurance.identifiers import IdentifierKind
from assurance.levels import ACTING, Requirement
from assurance.login import Login
from assurance.mail import Mail
from assurance.person import PersonId, Profile, new_id
from assurance.sealed import holds_my_number
from card.dates import ward_day
from card.faults import Fault
from card.jose import b64url_encode
from card.jose.compact import encode_json
from delegation import ending, notices, registry
from delegation.grant import EndReason, GrantId, GrantState, Terms, check_terms, same_name
from delegation.parts import Parts
from delegation.registry import Typed
from delegation.tables import GrantRow

STRONG: Final = Requirement(ACTING)
_OPEN_FOR: Final = timedelta(days=30)
_MOST_OPEN: Final = 20
_LONGEST_NAME: Final = 100


def require_strong(parts: Parts, login: Login | None) -> Login:
    """Whoever gives or takes a grant is proven, and present with two factors.

    :raises Fault: `login.needed`.
    """
    if login is None or not login.assurance.meets(STRONG, parts.clock.now()):
        raise Fault("login.needed")
    return login


def _check_typed(unit: Unit, parts: Parts, login: Login, typed: Typed) -> Typed:
    name = typed.name.strip()
    if not name or len(name) > _LONGEST_NAME:
        raise Fault("grant.name")
    if holds_my_number(typed.name) or holds_my_number(typed.address):
        raise Fault("grant.my_number")
    address = identifiers.normalise_address(typed.address)
    if address in identifiers.addresses_of(unit.session, parts.vault, unit.ward, login.person):
        raise Fault("grant.self")
    return Typed(name, address)


def propose(unit: Unit, parts: Parts, login: Login, typed: Typed, terms: Terms) -> tuple[GrantId, Mail]:
    """Ask someone to act; whether that person exists is told by nothing.

    :returns: the grant, and the invitation to send.
    :raises Fault: `login.needed`, `grant.*` or `email.shape`.
    """
    require_strong(parts, login)
    typed, now = _check_typed(unit, parts, login, typed), parts.clock.now()
    check_terms(terms, parts.procedures, ward_day(now))
    still_open = unit.session.exec(
        select(func.count()).where(
            GrantRow.ward == unit.ward,
            GrantRow.principal == login.person,
            col(GrantRow.state).in_([GrantState.PROPOSED, GrantState.ACCEPTED]),
            GrantRow.invitation_until > now,
        )
    ).one()
    if still_open >= _MOST_OPEN:
        raise Fault("grant.too_many")
    id_, handle = GrantId(new_id()), new_handle()
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
    return id_, notices.notice(parts, typed.address, "invitation", f"/invitations/{handle}")


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


def invitation(session: Session, parts: Parts, handle: str) -> Invitation:
    """The proposal that an invitation leads to.

    :raises Fault: `invitation.gone`.
    """
    row = session.exec(
        select(GrantRow).where(GrantRow.ward == parts.ward.code, GrantRow.invitation == hashed(handle))
    ).first()
    if row is None or row.state != GrantState.PROPOSED or parts.clock.now() >= row.invitation_until:
        raise Fault("invitation.gone")
    principal = people.profile(session, parts.vault, parts.ward.code, PersonId(row.principal))
    if principal is None:
        raise Fault("invitation.gone")
    terms, typed = registry.terms_of(row), registry.typed_of(session, parts.vault, row)
    return Invitation(row, terms, typed, principal, terms.hash(row.principal, typed.name))


def has_read_back(parts: Parts, login: Login, address: str) -> bool:
    """Whether this login read a code back from an address."""
    macs = parts.vault.macs(parts.ward.code, IdentifierKind.EMAIL, address)
    return any(isinstance(piece, EmailCode) and piece.address in macs for piece in login.evidence)


def _commit_to(profile: Profile) -> tuple[str, str]:
    """A commitment to proven attributes: the mandate shows it, its opening stays sealed.

    :returns: commitment and opening.
    """
    blinding = secrets.token_bytes(32)
    attributes = {"name": profile.name, "birthdate": profile.birth_date.isoformat(), "sex": profile.sex}
    opening = json.dumps({"blinding": b64url_encode(blinding), "attributes": attributes}, ensure_ascii=False)
    return b64url_encode(hashlib.sha256(blinding + encode_json(attributes)).digest()), opening


def accept(unit: Unit, parts: Parts, login: Login | None, handle: str, proposal: str) -> list[Mail]:
    """The invited person's yes: proven, at the invited address, and by the name that the principal typed.

    :param proposal: hash of what was read.
    :returns: mails to send.
    :raises Fault: `login.needed`, `invitation.*`, `grant.*`; another name leaves the invitation open.
    """
    invited, now = invitation(unit.session, parts, handle), parts.clock.now()
    login, row = require_strong(parts, login), invited.row
    if not has_read_back(parts, login, invited.typed.address):
        raise Fault("invitation.code_needed")
    if login.person == row.principal:
        raise Fault("grant.self")
    profile = people.profile(unit.session, parts.vault, unit.ward, login.person)
    if profile is None or not same_name(invited.typed.name, profile.name):
        unit.record(
            Event(EventName.INVITATION_REFUSED, unit.ward, now, {PersonId(row.principal): {"grant": row.id}})
        )
        raise unit.costly(Fault("invitation.other_name"))
    if not secrets.compare_digest(proposal, invited.hash):
        raise Fault("grant.changed")
    check_terms(invited.terms, parts.procedures, ward_day(now))
    commitment, opening = _commit_to(profile)
    digits = f"{secrets.randbelow(10**6):06d}"
    place = f"{unit.ward}/{row.id}"
    registry.move(
        unit,
        row,
        GrantState.ACCEPTED,
        login.person,
        now,
        delegate=login.person,
        digits=parts.vault.seal_for("grant-digits", digits, place),
        commitment=commitment,
        opening=parts.vault.seal_for("grant-opening", opening, place),
    )
    told = {login.person: {"grant": row.id}, PersonId(row.principal): {"grant": row.id}}
    unit.record(Event(EventName.GRANT_ACCEPTED, unit.ward, now, told))
    return notices.notices_to(unit.session, parts, PersonId(row.principal), "accepted", f"/grants/{row.id}")


def refused_name(session: Session, parts: Parts, handle: str) -> list[Mail]:
    """What the principal is told when someone of another name tried to accept."""
    row = invitation(session, parts, handle).row
    return notices.notices_to(session, parts, PersonId(row.principal), "other_name", f"/grants/{row.id}")


def decline(unit: Unit, parts: Parts, login: Login | None, handle: str) -> None:
    """The invited person's no.

    :raises Fault: as `accept`.
    """
    invited, login = invitation(unit.session, parts, handle), require_strong(parts, login)
    if not has_read_back(parts, login, invited.typed.address):
        raise Fault("invitation.code_needed")
    ending.end(unit, parts, invited.row, login.person, EndReason.DECLINED)


def digits_of(parts: Parts, row: GrantRow) -> str | None:
    """The digits that the delegate sees, until they were compared."""
    if row.digits is None or row.state != GrantState.ACCEPTED:
        return None
    return parts.vault.open_for("grant-digits", row.digits, f"{row.ward}/{row.id}")


def compare(unit: Unit, parts: Parts, login: Login | None, id_: str, typed: str) -> None:
    """The principal types the digits that she heard from her delegate; three tries.

    :raises Fault: `login.needed`, `grant.unknown`, `grant.not_now`; `grant.digits_wrong` with `tries_left`
        and `grant.digits_over`, both of which commit.
    """
    login, now = require_strong(parts, login), parts.clock.now()
    row = registry.find(unit.session, unit.ward, id_, login.person)
    digits = digits_of(parts, row)
    if row.principal != login.person or digits is None:
        raise Fault("grant.not_now")
    counted = unit.session.exec(
        update(GrantRow)
        .where(
            col(GrantRow.ward) == unit.ward,
            col(GrantRow.id) == id_,
            col(GrantRow.version) == row.version,
            col(GrantRow.tries_left) > 0,
        )
        .values(tries_left=GrantRow.tries_left - 1)
    )
    if counted.rowcount != 1:
        raise Fault("grant.not_now")
    unit.session.refresh(row)
    told = {login.person: {"grant": row.id}}
    if hmac.compare_digest(normalise_code(typed), digits):
        row.compared_at, row.digits = now, None
        unit.record(Event(EventName.GRANT_COMPARED, unit.ward, now, told))
        return
    unit.record(Event(EventName.GRANT_DIGITS_WRONG, unit.ward, now, told))
    if row.tries_left == 0:
        ending.end(unit, parts, row, login.person, EndReason.LAPSED)
        raise unit.costly(Fault("grant.digits_over"))
    raise unit.costly(Fault("grant.digits_wrong", tries_left=row.tries_left))

"""Accepting: the invited person's yes or no, and whether a yes still stands.

An acceptance names the hash of the whole proposal. The opening of its commitment is sealed *to* that hash, so
that whatever changed a proposal afterwards leaves an acceptance that does not open: no column has to be
believed.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping

from sqlmodel import Session

from assurance import people
from assurance.database import Unit
from assurance.events import Event, EventName
from assurance.login import Login
from assurance.mail import Mail
from assurance.person import PersonId, Profile
from assurance.sealed import Unopenable
from card.dates import ward_day
from card.faults import Fault
from card.jose import b64url_decode, b64url_encode
from card.jose.compact import encode_json
from delegation import comparing, ending, notices, registry, usability
from delegation.assured import PROVEN, TWO_FACTORS, required
from delegation.faults import FaultWithMails
from delegation.grant import EndReason, GrantId, GrantState, check_terms, same_name
from delegation.notices import NoticeKind
from delegation.parts import Parts
from delegation.proposing import Invitation, has_read_back, invitation, proposal_hash
from delegation.tables import GrantRow

_BOX = "grant-opening"


def _attributes(profile: Profile) -> Mapping[str, str]:
    return {"name": profile.name, "birthdate": profile.birth_date.isoformat(), "sex": profile.sex}


def _commitment(blinding: bytes, attributes: Mapping[str, str]) -> str:
    return b64url_encode(hashlib.sha256(blinding + encode_json(attributes)).digest())


def commit_to(profile: Profile) -> tuple[str, str]:
    """A commitment to proven attributes: the mandate shows it, its opening stays sealed.

    :returns: commitment and opening.
    """
    blinding, attributes = secrets.token_bytes(32), _attributes(profile)
    opening = json.dumps({"blinding": b64url_encode(blinding), "attributes": attributes}, ensure_ascii=False)
    return _commitment(blinding, attributes), opening


def _place(row: GrantRow, proposal: str) -> str:
    return f"{row.ward}/{row.id}/{proposal}"


def opening_of(session: Session, parts: Parts, row: GrantRow, delegate: Profile) -> str:
    """The opening of an acceptance that stands: of this very proposal, by someone who is proven as then.

    :raises Fault: `grant.not_accepted`.
    """
    if row.opening is None:
        raise Fault("grant.not_accepted")
    try:
        opening = parts.vault.open_for(_BOX, row.opening, _place(row, proposal_hash(session, parts, row)))
    except Unopenable as error:
        raise Fault("grant.not_accepted") from error
    opened, attributes = json.loads(opening), _attributes(delegate)
    committed = _commitment(b64url_decode(opened["blinding"]), opened["attributes"])
    if opened["attributes"] != attributes or committed != row.commitment:
        raise Fault("grant.not_accepted")
    return opening


def _proven_as_typed(unit: Unit, parts: Parts, login: Login, invited: Invitation) -> Profile:
    """What the invited person is proven to be; another name leaves the invitation open."""
    profile = people.profile(unit.session, parts.vault, unit.ward, login.person)
    if profile is not None and same_name(invited.typed.name, profile.name):
        return profile
    told = {PersonId(invited.row.principal): {"grant": invited.row.id}}
    unit.record(Event(EventName.INVITATION_REFUSED, unit.ward, parts.clock.now(), told))
    mails = notices.other_name(unit, parts, invited.row)
    raise unit.costly(FaultWithMails("invitation.other_name", mails))


def _claim(
    unit: Unit, parts: Parts, row: GrantRow, delegate: PersonId, profile: Profile, proposal: str
) -> None:
    commitment, opening = commit_to(profile)
    try:
        registry.move(
            unit,
            row,
            GrantState.ACCEPTED,
            delegate,
            parts.clock.now(),
            delegate=delegate,
            digits=comparing.new_digits(parts, row),
            commitment=commitment,
            opening=parts.vault.seal_for(_BOX, opening, _place(row, proposal)),
        )
    except Fault as lost:  # of two at once; it is told as to whoever comes a moment later
        raise Fault("invitation.gone") from lost


def accept_by_asking(
    unit: Unit, parts: Parts, row: GrantRow, delegate: PersonId, profile: Profile, proposal: str
) -> None:
    """The acceptance of an office that asked: by the member who did, of exactly this proposal.

    There are no digits to compare: the principal reads the office's registered name and number instead.
    """
    commitment, opening = commit_to(profile)
    now = parts.clock.now()
    registry.move(
        unit,
        row,
        GrantState.ACCEPTED,
        delegate,
        now,
        compared_at=now,
        commitment=commitment,
        opening=parts.vault.seal_for(_BOX, opening, _place(row, proposal)),
    )


def accept(
    unit: Unit, parts: Parts, login: Login | None, handle: str, proposal: str
) -> tuple[GrantId, list[Mail]]:
    """The invited person's yes: proven, at the invited address, and by the name that the principal typed.

    :param proposal: hash of what was read.
    :returns: the grant, and mails to send.
    :raises Fault: `login.needed`, `invitation.*`, `grant.*`; another name leaves the invitation open.
    """
    invited, now = invitation(unit.session, parts, handle), parts.clock.now()
    login, row = required(parts, login, PROVEN), invited.row
    if not has_read_back(parts, login, invited.typed.address):
        raise Fault("invitation.code_needed")
    principal = PersonId(row.principal)
    if login.person == principal:
        raise Fault("grant.self")
    profile = _proven_as_typed(unit, parts, login, invited)
    if proposal != invited.hash:
        raise Fault("grant.changed")
    check_terms(invited.terms, parts.procedures, ward_day(now))
    if not usability.are_free(unit.session, unit.ward, row.id, [principal, login.person], now):
        raise Fault("grant.not_now")
    _claim(unit, parts, row, login.person, profile, proposal)
    told = {person: {"grant": row.id} for person in (login.person, principal)}
    unit.record(Event(EventName.GRANT_ACCEPTED, unit.ward, now, told))
    mails = notices.notices_to(unit.session, parts, principal, NoticeKind.ACCEPTED, f"/grants/{row.id}")
    return GrantId(row.id), mails


def decline(unit: Unit, parts: Parts, login: Login | None, handle: str) -> list[Mail]:
    """The invited person's no, which needs no proof: it gives nothing.

    :returns: mails to both.
    :raises Fault: `login.needed`, `invitation.*`.
    """
    invited, login = invitation(unit.session, parts, handle), required(parts, login, TWO_FACTORS)
    if not has_read_back(parts, login, invited.typed.address):
        raise Fault("invitation.code_needed")
    mails = ending.end(unit, parts, invited.row, login.person, EndReason.DECLINED)
    return mails + notices.notices_to(unit.session, parts, login.person, notices.ENDED.delegate, "/grants")

"""Signing: a mandate is prepared for the principal's card, taken in, and kept with a verification record."""

import hashlib
from dataclasses import dataclass
from typing import Any, Final

from sqlmodel import Session

from assurance import people
from assurance.database import Unit
from assurance.events import Event, EventName
from assurance.identifiers import Identifier
from assurance.login import Login
from assurance.mail import Mail
from assurance.person import PersonId, Profile
from assurance.wards import WardCode, ward_name
from card.container import CardEvidence, SigningPurpose
from card.dates import ward_day
from card.faults import Fault
from card.jose import sign_compact
from card.pages import LOCALES
from delegation import accepting, mandate, notices, registry, usability
from delegation.assured import PROVEN, required
from delegation.counter import visiting
from delegation.grant import GrantState, check_terms
from delegation.mandate import NamedOffice
from delegation.offices.tables import OfficeRow
from delegation.parts import Errand, Parts
from delegation.signer import check_signer
from delegation.tables import GrantRow, MandateRow

RECORD_TYPE: Final = "dairi-mandate-record+jwt"


@dataclass(frozen=True, slots=True)
class ToSign:
    """What the principal reads back and signs.

    :param opening: of the commitment in it; it is kept with the mandate and shown nowhere.
    """

    text: str
    template: str
    content: dict[str, Any]
    opening: str


def _guarded(session: Session, parts: Parts, row: GrantRow) -> tuple[Profile, Profile, str]:
    """Every guard again: terms and days, both people, and the acceptance of exactly this.

    :returns: principal, delegate, and the opening of the acceptance's commitment.
    """
    if row.state != GrantState.ACCEPTED or row.compared_at is None:
        raise Fault("grant.ended" if row.state == GrantState.ENDED else "grant.not_now")
    now, ward = parts.clock.now(), parts.ward.code
    check_terms(registry.terms_of(row), parts.procedures, ward_day(now))
    both = [PersonId(row.principal), registry.delegate_of(session, row, now) or PersonId("")]
    principal, delegate = (people.profile(session, parts.vault, ward, person) for person in both)
    free = usability.are_free(session, ward, row.id, both, now) and usability.office_may_act(
        session, row, now
    )
    if principal is None or delegate is None or not free:
        raise Fault("grant.not_now")
    return principal, delegate, accepting.opening_of(session, parts, row, delegate)


def named_office(session: Session, row: GrantRow) -> NamedOffice | None:
    """The office whose grant it is."""
    office = None if row.office is None else session.get(OfficeRow, (row.ward, row.office))
    return None if office is None else NamedOffice(office.name, office.number)


def to_sign(session: Session, parts: Parts, row: GrantRow, locale: str) -> ToSign:
    """The mandate of a grant as it stands; every guard runs again.

    :raises Fault: `grant.not_now` before acceptance and comparing; `grant.*` of the guards.
    """
    principal, delegate, opening = _guarded(session, parts, row)
    content = mandate.content_of(
        registry.terms_of(row),
        parts.procedures,
        ward=ward_name(parts.ward.code, locale),
        locale=locale,
        grant=(row.id, row.version),
        principal=principal.name,
        delegate=delegate.name,
        commitment=row.commitment or "",
        office=named_office(session, row),
    )
    template = mandate.template_of(locale, office=row.office is not None)
    return ToSign(mandate.render(content, template), template, content, opening)


def ask_for_signature(unit: Unit, parts: Parts, login: Login | None, id_: str, locale: str) -> Errand:
    """Send the principal to her card.

    :raises Fault: `login.needed`, `grant.*`.
    """
    login = required(parts, login, PROVEN)
    row = registry.find_as_principal(unit.session, unit.ward, id_, login.person, parts.clock.now())
    pages = (parts.address(f"/grants/{id_}"), parts.address(f"/grants/{id_}/sign"))
    return to_card(unit, parts, row, login.person, locale, pages)


def to_card(
    unit: Unit, parts: Parts, row: GrantRow, principal: PersonId, locale: str, pages: tuple[str, str]
) -> Errand:
    """What a browser carries to the card of a principal who is here: by her login, or at the counter.

    :raises Fault: `grant.*`.
    """
    if row.principal != principal:
        raise Fault("grant.not_now")
    asked = to_sign(unit.session, parts, row, locale)
    return parts.signing.ask(
        unit,
        SigningPurpose.MANDATE,
        row.id,
        locale=locale,
        text=asked.text,
        template=asked.template,
        content=asked.content,
        pages=pages,
    )


def _record(parts: Parts, signed: CardEvidence) -> str:
    """What the ward saw when it took a mandate in, signed by the archive key."""
    status = signed.revocation
    claims: dict[str, object] = {
        "iss": parts.ward.issuer,
        "iat": int(signed.signed_at.timestamp()),
        "container": hashlib.sha256(signed.container.to_json().encode("ascii")).hexdigest(),
        "certificate": hashlib.sha256(signed.container.leaf_der).hexdigest(),
        "revocation": {
            "state": str(status.state),
            "source": status.source,
            "this_update": None if status.this_update is None else int(status.this_update.timestamp()),
        },
    }
    return sign_compact(claims, parts.archive, typ=RECORD_TYPE)


def _kept(
    parts: Parts, row: GrantRow, signed: CardEvidence, signer: Identifier, opening: str, record: str
) -> MandateRow:
    """A mandate as it is kept: sealed with a key of its own, which ends with its retention."""
    ward, place = WardCode(row.ward), f"mandate/{row.id}"
    cipher, wrapped = parts.vault.new_data_key(ward, place)
    return MandateRow(
        ward=ward,
        grant=row.id,
        wrapped_key=wrapped,
        container=cipher.seal(signed.container.to_json(), table="mandate", column="container", row=row.id),
        opening=cipher.seal(opening, table="mandate", column="opening", row=row.id),
        record=record,
        certificate=signer.mac,
        signed_at=parts.clock.now(),
    )


def _brought_for(unit: Unit, parts: Parts, login: Login, id_: str) -> GrantRow:
    """The grant of the principal whose browser this is: by her login, or while she is at the counter.

    A staff member's browser in which a visit is open is the resident's alone, and none for a grant of which
    the staff member is a party.
    """
    visit, now = visiting.current(unit.session, parts, login), parts.clock.now()
    if visit is None:
        return registry.find_as_principal(unit.session, unit.ward, id_, login.person, now)
    row = registry.find_as_principal(unit.session, unit.ward, id_, visit.person, now)
    if visit.staff in registry.parties_of(unit.session, row, now):
        raise Fault("counter.party")
    return row


def take_in(unit: Unit, parts: Parts, login: Login | None, id_: str, signed: CardEvidence) -> list[Mail]:
    """Take a signed mandate in: the grant is active, as soon as the card that signed counts in full.

    Both the card and the login are the principal's own: a delegate at the browser in which her mother asked
    for the signature brings nothing in. At the counter her visit stands for the login.

    :returns: mails to both.
    :raises Fault: `login.needed`, `mandate.*`, `grant.*`.
    """
    login, now = required(parts, login, PROVEN), parts.clock.now()
    row = _brought_for(unit, parts, login, id_)
    signer = check_signer(unit, parts, PersonId(row.principal), signed, SigningPurpose.MANDATE)
    claims = signed.container.claims()
    locale = str(claims.get("template")).rpartition(".")[2]
    if locale not in LOCALES:
        raise Fault("mandate.text")
    asked = to_sign(unit.session, parts, row, locale)
    mandate.check_signed(claims, asked.content)
    record = _record(parts, signed)
    registry.move(unit, row, GrantState.ACTIVE, PersonId(row.principal), now, opening=None)
    unit.session.add(_kept(parts, row, signed, signer, asked.opening, record))
    both = (PersonId(row.principal), registry.delegate_of(unit.session, row, now))
    told = {person: {"grant": row.id} for person in both if person is not None}
    proven: dict[str, str | int | bool] = {"record": hashlib.sha256(record.encode("ascii")).hexdigest()}
    if signer.counts_from is not None and signer.counts_from > now:
        later = {"counts_from": int(signer.counts_from.timestamp())}
        unit.record(Event(EventName.MANDATE_SIGNED, unit.ward, now, told, proven | later))
        return notices.to_both_sides(unit.session, parts, [row], notices.SIGNED)
    unit.record(Event(EventName.MANDATE_SIGNED, unit.ward, now, told, proven))
    unit.record(Event(EventName.GRANT_ACTIVATED, unit.ward, now, told))
    return notices.to_both_sides(unit.session, parts, [row], notices.ACTIVATED)

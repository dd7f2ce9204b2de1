"""Signing: a mandate is prepared for the principal's card, taken in, and kept with a verification record."""

import hashlib
from dataclasses import dataclass
from typing import Any, Final

from sqlmodel import Session

from assurance import identifiers, people
from assurance.database import Unit
from assurance.events import Event, EventName
from assurance.identifiers import IdentifierKind
from assurance.login import Login
from assurance.mail import Mail
from assurance.person import PersonId
from assurance.wards import ward_name
from card.container import CardEvidence, SigningPurpose
from card.dates import ward_day
from card.faults import Fault
from card.jose import sign_compact
from card.revocation import RevocationState
from delegation import mandate, notices, registry
from delegation.grant import GrantId, GrantState, check_terms
from delegation.parts import Errand, Parts
from delegation.proposing import require_strong
from delegation.tables import GrantRow, MandateRow

RECORD_TYPE: Final = "dairi-mandate-record+jwt"
RECEIPT_TYPE: Final = "dairi-receipt+jwt"


@dataclass(frozen=True, slots=True)
class ToSign:
    """What the principal reads back and signs."""

    text: str
    template: str
    content: dict[str, Any]


def to_sign(session: Session, parts: Parts, row: GrantRow, locale: str) -> ToSign:
    """The mandate of a grant as it stands; every guard runs again.

    :raises Fault: `grant.not_now` before acceptance and comparing; `grant.*` of the guards.
    """
    if row.state != GrantState.ACCEPTED or row.compared_at is None:
        raise Fault("grant.ended" if row.state == GrantState.ENDED else "grant.not_now")
    terms = registry.terms_of(row)
    check_terms(terms, parts.procedures, ward_day(parts.clock.now()))
    names = [
        people.profile(session, parts.vault, parts.ward.code, PersonId(person or ""))
        for person in (row.principal, row.delegate)
    ]
    principal, delegate = names
    if principal is None or delegate is None or row.commitment is None:
        raise Fault("grant.not_now")
    content = mandate.content_of(
        terms,
        parts.procedures,
        ward=ward_name(parts.ward.code, locale),
        locale=locale,
        grant=(row.id, row.version),
        principal=principal.name,
        delegate=delegate.name,
        commitment=row.commitment,
    )
    template = mandate.template_of(locale)
    return ToSign(mandate.render(content, template), template, content)


def ask_for_signature(unit: Unit, parts: Parts, login: Login | None, id_: str, locale: str) -> Errand:
    """Send the principal to her card.

    :raises Fault: `login.needed`, `grant.*`.
    """
    login = require_strong(parts, login)
    row = registry.find(unit.session, unit.ward, id_, login.person)
    if row.principal != login.person:
        raise Fault("grant.not_now")
    asked = to_sign(unit.session, parts, row, locale)
    return parts.signing.ask(
        unit,
        GrantId(row.id),
        locale=locale,
        text=asked.text,
        template=asked.template,
        content=asked.content,
        pages=(parts.address(f"/grants/{id_}"), parts.address(f"/grants/{id_}/sign")),
    )


def _check_signer(unit: Unit, parts: Parts, row: GrantRow, signed: CardEvidence) -> None:
    """A signature acts for a person only by a live identifier of exactly that person."""
    identifier = identifiers.find(
        unit.session,
        parts.vault,
        unit.ward,
        IdentifierKind.CARD_SIGNATURE,
        signed.certificate.identity,
    )
    if signed.purpose is not SigningPurpose.MANDATE or identifier is None:
        raise Fault("mandate.signer")
    counts = identifier.counts_from is None or identifier.counts_from <= parts.clock.now()
    if identifier.person != row.principal or not counts:
        raise Fault("mandate.signer")
    if signed.revocation.state is not RevocationState.GOOD:
        raise Fault("mandate.unchecked")


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


def take_in(unit: Unit, parts: Parts, login: Login | None, id_: GrantId, signed: CardEvidence) -> list[Mail]:
    """Take a signed mandate in: the grant is active.

    :returns: mails to both.
    :raises Fault: `login.needed`, `mandate.*`, `grant.*`.
    """
    login, now = require_strong(parts, login), parts.clock.now()
    row = registry.find(unit.session, unit.ward, id_, login.person)
    _check_signer(unit, parts, row, signed)
    claims = signed.container.claims()
    locale = str(claims.get("template")).rpartition(".")[2]
    if locale not in {"ja", "en"}:
        raise Fault("mandate.text")
    mandate.check_signed(claims, to_sign(unit.session, parts, row, locale).content)
    if row.opening is None or row.delegate is None:
        raise Fault("grant.not_now")
    place = f"mandate/{row.id}"
    cipher, wrapped = parts.vault.new_data_key(unit.ward, place)
    opening = parts.vault.open_for("grant-opening", row.opening, f"{unit.ward}/{row.id}")
    record = _record(parts, signed)
    unit.session.add(
        MandateRow(
            ward=unit.ward,
            grant=row.id,
            wrapped_key=wrapped,
            container=cipher.seal(
                signed.container.to_json(), table="mandate", column="container", row=row.id
            ),
            opening=cipher.seal(opening, table="mandate", column="opening", row=row.id),
            record=record,
            certificate=parts.vault.mac(
                unit.ward, IdentifierKind.CARD_SIGNATURE, signed.certificate.identity
            ),
            signed_at=now,
        )
    )
    registry.move(unit, row, GrantState.ACTIVE, login.person, now, opening=None)
    told = {PersonId(person): {"grant": row.id} for person in (row.principal, row.delegate)}
    unit.record(
        Event(
            EventName.MANDATE_SIGNED,
            unit.ward,
            now,
            told,
            {"record": hashlib.sha256(record.encode("ascii")).hexdigest()},
        )
    )
    unit.record(Event(EventName.GRANT_ACTIVATED, unit.ward, now, told))
    return [
        mail
        for person in told
        for mail in notices.notices_to(unit.session, parts, person, "active", f"/grants/{row.id}")
    ]


def receipt(session: Session, parts: Parts, row: GrantRow, reader: PersonId) -> str:
    """What is in force at its date, for one of the two parties, without certificate or address.

    :returns: a compact JWS by the archive key.
    :raises Fault: `grant.not_now` before the mandate.
    """
    kept = session.get(MandateRow, (row.ward, row.id))
    if kept is None:
        raise Fault("grant.not_now")
    names = [
        people.profile(session, parts.vault, parts.ward.code, PersonId(person or ""))
        for person in (row.principal, row.delegate)
    ]
    terms, now = registry.terms_of(row), parts.clock.now()
    claims: dict[str, object] = {
        "iss": parts.ward.issuer,
        "aud": "principal" if reader == row.principal else "delegate",
        "iat": int(now.timestamp()),
        "state": row.state,
        "principal": None if names[0] is None else names[0].name,
        "delegate": None if names[1] is None else names[1].name,
        "basis": str(terms.basis),
        "mode": terms.mode,
        "procedures": list(terms.procedures),
        "actions": [str(action) for action in terms.actions],
        "first": terms.first.isoformat(),
        "last": terms.last.isoformat(),
        "signed_at": int(kept.signed_at.timestamp()),
        "record": hashlib.sha256(kept.record.encode("ascii")).hexdigest(),
    }
    return sign_compact(claims, parts.archive, typ=RECEIPT_TYPE)

"""Receipts: what the ward says, signed, about a grant at a date, to one of its parties."""

import hashlib
from typing import Final

from sqlmodel import Session

from assurance import people
from assurance.person import PersonId
from card.faults import Fault
from card.jose import sign_compact
from delegation import registry, usability
from delegation.handles import reader_of
from delegation.offices.tables import OfficeRow
from delegation.parts import Parts
from delegation.tables import GrantRow, MandateRow

RECEIPT_TYPE: Final = "dairi-receipt+jwt"


def _name(session: Session, parts: Parts, person: str | None) -> str | None:
    profile = people.profile(session, parts.vault, parts.ward.code, PersonId(person or ""))
    return None if profile is None else profile.name


def _office_number(session: Session, row: GrantRow) -> str | None:
    office = None if row.office is None else session.get(OfficeRow, (row.ward, row.office))
    return None if office is None else office.number


def receipt(session: Session, parts: Parts, row: GrantRow, reader: PersonId) -> str:
    """What is in force at its date, for one of the two parties, without certificate or address.

    Its state is the computed one, `active`, `unusable`, `expired` or `ended`: what was stored last may no
    longer be true. It says no more of why than the page does. Its `aud` is the party that it was made for
    (`handles.reader_of`), and `role` says which of the two that is.

    :returns: a compact JWS by the archive key.
    :raises Fault: `grant.not_now` before the mandate.
    """
    kept = session.get(MandateRow, (row.ward, row.id))
    if kept is None:
        raise Fault("grant.not_now")
    terms, now = registry.terms_of(row), parts.clock.now()
    claims: dict[str, object] = {
        "iss": parts.ward.issuer,
        "aud": reader_of(parts.vault, parts.ward.code, reader),
        "iat": int(now.timestamp()),
        "role": "principal" if reader == row.principal else "delegate",
        "state": str(usability.state_now(session, row, now)),
        "principal": _name(session, parts, row.principal),
        "delegate": _name(session, parts, registry.delegate_of(session, row, now)),
        "office": _office_number(session, row),
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

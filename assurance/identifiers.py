"""Identifiers: what leads from a card or an address to one person, by MAC."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlmodel import Session, col, select

from assurance.among import among
from assurance.database import Unit, connection_of, table_of
from assurance.person import PersonId
from assurance.sealed import Vault
from assurance.tables import IdentifierRow
from assurance.wards import WardCode
from card.faults import Fault
from card.full_width import narrowed

_ADDRESS: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+\Z")


class IdentifierKind(StrEnum):
    """Where an identifier comes from."""

    CARD_AUTHENTICATION = "card_auth"
    CARD_SIGNATURE = "card_sign"
    APP = "app"
    """The `sub` by which デジタル認証アプリ names someone to us, with its issuer (OIDC Core §8.1)."""
    GBIZID = "gbizid"
    """The `sub` of a GビズID; it logs nobody in."""
    EMAIL = "email"
    EMAIL_OF_PROTECTED = "email_shadow"
    """Where the address of a protected person leads when someone logs in by it: to nobody in particular."""


_ADDRESSES: Final = (IdentifierKind.EMAIL, IdentifierKind.EMAIL_OF_PROTECTED)


def normalise_address(text: str) -> str:
    """Help a typed address: full-width characters and spaces around it are forgiven (RFC 5321 §4.1.2).

    An encoded word (RFC 2047 §2) in it would be decoded on the way: any number of spellings of one mailbox,
    each with a budget of its own.

    :raises Fault: `email.shape` when it still is none.
    """
    address = narrowed(text).strip()
    if len(address) > 254 or _ADDRESS.match(address) is None or "=?" in address:
        raise Fault("email.shape")
    local, _, domain = address.rpartition("@")
    return f"{local}@{domain.lower()}"


def macs_of(vault: Vault, ward: WardCode, kind: IdentifierKind, raw: str | bytes) -> tuple[str, ...]:
    """What finds an identifier, under every live key, the current one first.

    A local part may tell cases apart (RFC 5321 §2.4), but none in use does: whoever types `Hanako@` and
    `hanako@` is one person with one limit. The spelling that mail is sent to stays as it was typed.
    """
    folded = raw.casefold() if isinstance(raw, str) and kind in _ADDRESSES else raw
    return vault.macs(ward, kind, folded)


def mac_of(vault: Vault, ward: WardCode, kind: IdentifierKind, raw: str | bytes) -> str:
    """What finds an identifier, under the current key."""
    return macs_of(vault, ward, kind, raw)[0]


def bind(
    unit: Unit,
    vault: Vault,
    person: PersonId,
    kind: IdentifierKind,
    raw: str | bytes,
    now: datetime,
    *,
    counts_from: datetime | None = None,
    certificate: bytes | None = None,
) -> None:
    """Say that this identifier is this person's.

    :param certificate: of a card's authentication key, DER, to be kept.
    :raises Fault: `counter.taken` when it is someone else's already, or ever was.
    """
    known = ever(unit.session, vault, unit.ward, kind, raw)
    if known is not None and known.person == person and known.ended_at is None:
        return
    if known is not None:
        raise Fault("counter.taken")
    mac = mac_of(vault, unit.ward, kind, raw)
    text = raw if isinstance(raw, str) else raw.hex()
    cipher = vault.cipher_for(unit.session, unit.ward, person)
    kept = None
    if certificate is not None:
        kept = cipher.seal(certificate.hex(), table="identifier", column="certificate", row=mac)
    row = IdentifierRow(
        ward=unit.ward,
        kind=kind,
        mac=mac,
        person=person,
        sealed=cipher.seal(text, table="identifier", column="sealed", row=mac),
        certificate=kept,
        bound_at=now,
        counts_from=counts_from,
    )
    try:
        with unit.session.begin_nested():
            unit.session.add(row)
    except sa.exc.IntegrityError as error:  # bound by another unit in the meantime
        raise Fault("counter.taken") from error


@dataclass(frozen=True, slots=True)
class Identifier:
    """An identifier that did not end.

    :param mac: what it is found by; evidence names it as its credential.
    :param counts_from: before this it counts for less.
    """

    person: PersonId
    mac: str
    counts_from: datetime | None


_IDENTIFIERS: Final = table_of(IdentifierRow)
_FIND: Final = sa.select(_IDENTIFIERS.c.person, _IDENTIFIERS.c.mac, _IDENTIFIERS.c.counts_from).where(
    among(_IDENTIFIERS.c.mac, "macs"),
    _IDENTIFIERS.c.kind == sa.bindparam("of_kind"),
    _IDENTIFIERS.c.ended_at.is_(None),
)


def find(
    session: Session, vault: Vault, ward: WardCode, kind: IdentifierKind, raw: str | bytes
) -> Identifier | None:
    """An identifier that did not end, under any live key."""
    named = {"ward": ward, "of_kind": kind, "macs": macs_of(vault, ward, kind, raw)}
    row = connection_of(session).execute(_FIND, named).first()
    return None if row is None else Identifier(PersonId(row.person), row.mac, row.counts_from)


def ever(
    session: Session, vault: Vault, ward: WardCode, kind: IdentifierKind, raw: str | bytes
) -> IdentifierRow | None:
    """The row of an identifier, also of one that ended."""
    return session.exec(
        select(IdentifierRow).where(
            IdentifierRow.ward == ward,
            IdentifierRow.kind == kind,
            col(IdentifierRow.mac).in_(macs_of(vault, ward, kind, raw)),
        )
    ).first()


def find_person(
    session: Session, vault: Vault, ward: WardCode, kind: IdentifierKind, raw: str | bytes
) -> PersonId | None:
    """Whose identifier this is."""
    row = find(session, vault, ward, kind, raw)
    return None if row is None else row.person


_ADDRESSES_OF: Final = (
    sa.select(_IDENTIFIERS)
    .where(
        among(_IDENTIFIERS.c.person, "people"),
        _IDENTIFIERS.c.kind.in_(_ADDRESSES),
        _IDENTIFIERS.c.ended_at.is_(None),
    )
    .order_by(_IDENTIFIERS.c.bound_at)
)


def addresses(
    connection: Connection, vault: Vault, ward: WardCode, people: Collection[PersonId]
) -> Mapping[PersonId, Sequence[str]]:
    """The confirmed mail addresses of each person, the oldest first."""
    rows = connection.execute(_ADDRESSES_OF, {"ward": ward, "people": list(people)}).all()
    ciphers = vault.ciphers(connection, ward, {PersonId(row.person) for row in rows})
    found: dict[PersonId, list[str]] = {person: [] for person in people}
    for row in rows:
        if row.person in ciphers:
            opened = ciphers[row.person].open(row.sealed, table="identifier", column="sealed", row=row.mac)
            found[PersonId(row.person)].append(opened)
    return found


def addresses_of(session: Session, vault: Vault, ward: WardCode, person: PersonId) -> Sequence[str]:
    """The confirmed mail addresses of a person, the oldest first."""
    return addresses(connection_of(session), vault, ward, [person])[person]

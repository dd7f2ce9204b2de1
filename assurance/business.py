"""What GビズID said of a person's business: for staff who check an office, and for nobody's login.

An administrator of a care office shows it once. It says that whoever was logged in here used an account of
this corporation, which staff compare with the office's designation on record; nothing is approved by it. Its
`sub` is an identifier of that one person, so that no account speaks for two.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlmodel import col, delete

from assurance import identifiers
from assurance.among import among
from assurance.database import Unit, table_of
from assurance.events import Event, EventName
from assurance.identifiers import IdentifierKind
from assurance.person import PersonId
from assurance.sealed import Vault
from assurance.tables import BusinessRow, IdentifierRow, Person
from assurance.wards import WardCode
from card.faults import Fault


class Account(StrEnum):
    """Whose the account is: the representative's, checked with a seal or a card, or an employee's."""

    PRIME = "prime"
    MEMBER = "member"


@dataclass(frozen=True, slots=True)
class Business:
    """A business.

    :param number: 法人番号, or the number of a sole proprietor.
    """

    account: Account
    number: str
    name: str


@dataclass(frozen=True, slots=True)
class Shown:
    """What was said, and when."""

    business: Business
    at: datetime


_BUSINESSES: Final = table_of(BusinessRow)
_OF: Final = sa.select(_BUSINESSES).where(among(_BUSINESSES.c.person, "people"))


def of_all(
    connection: Connection, vault: Vault, ward: WardCode, people: Collection[PersonId]
) -> Mapping[PersonId, Shown]:
    """What each person showed; nobody who showed nothing is in it."""
    rows = connection.execute(_OF, {"ward": ward, "people": list(people)}).all()
    ciphers = vault.ciphers(connection, ward, {PersonId(row.person) for row in rows})
    found = dict[PersonId, Shown]()
    for row in rows:
        if row.person in ciphers:
            said = json.loads(
                ciphers[row.person].open(row.sealed, table="business", column="sealed", row=row.person)
            )
            business = Business(Account(said["account"]), said["number"], said["name"])
            found[PersonId(row.person)] = Shown(business, row.shown_at)
    return found


def _forget(unit: Unit, person: PersonId) -> None:
    unit.session.exec(
        delete(IdentifierRow).where(
            col(IdentifierRow.ward) == unit.ward,
            col(IdentifierRow.kind) == IdentifierKind.GBIZID,
            col(IdentifierRow.person) == person,
        )
    )
    unit.session.exec(
        delete(BusinessRow).where(col(BusinessRow.ward) == unit.ward, col(BusinessRow.person) == person)
    )


def show(
    unit: Unit, vault: Vault, person: PersonId, identifier: str, business: Business, now: datetime
) -> None:
    """Keep what was said of a person, in the place of what was said before.

    :raises Fault: `business.taken` for an account that someone else showed.
    """
    unit.session.get(Person, (unit.ward, person), with_for_update=True)
    kind = IdentifierKind.GBIZID
    if identifiers.find_person(unit.session, vault, unit.ward, kind, identifier) not in {None, person}:
        raise Fault("business.taken")
    _forget(unit, person)
    identifiers.bind(unit, vault, person, kind, identifier, now)
    said = {"account": business.account, "number": business.number, "name": business.name}
    cipher = vault.cipher_for(unit.session, unit.ward, person)
    text = json.dumps(said, ensure_ascii=False)
    sealed = cipher.seal(text, table="business", column="sealed", row=person)
    unit.session.add(BusinessRow(ward=unit.ward, person=person, sealed=sealed, shown_at=now))
    unit.session.flush()
    unit.record(Event(EventName.BUSINESS_SHOWN, unit.ward, now, {person: {}}))


def remove(unit: Unit, person: PersonId, now: datetime) -> None:
    """Take it away again."""
    _forget(unit, person)
    unit.record(Event(EventName.BUSINESS_REMOVED, unit.ward, now, {person: {}}))

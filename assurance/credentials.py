"""Credentials that are live: the passkeys, cards and apps by which a person may log in now.

What a login reaches is computed anew from these whenever it is used, here for many people in one query.
"""

from collections.abc import Collection, Mapping
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlmodel import Session

from assurance.among import among
from assurance.database import connection_of, table_of
from assurance.identifiers import IdentifierKind
from assurance.person import PersonId
from assurance.tables import IdentifierRow, PasskeyRow
from assurance.wards import WardCode

_PASSKEY: Final = table_of(PasskeyRow)
_IDENTIFIER: Final = table_of(IdentifierRow)
_LIVE: Final = sa.union_all(
    sa.select(_PASSKEY.c.person, _PASSKEY.c.id.label("credential")).where(
        among(_PASSKEY.c.person, "people"),
    ),
    sa.select(_IDENTIFIER.c.person, _IDENTIFIER.c.mac).where(
        among(_IDENTIFIER.c.person, "people"),
        _IDENTIFIER.c.kind.in_((IdentifierKind.CARD_AUTHENTICATION, IdentifierKind.APP)),
        _IDENTIFIER.c.ended_at.is_(None),
    ),
)


def live_of_all(
    connection: Connection, ward: WardCode, people: Collection[PersonId]
) -> Mapping[PersonId, Collection[str]]:
    """Each person's live credentials, as evidence names them."""
    found: dict[PersonId, set[str]] = {person: set() for person in people}
    for row in connection.execute(_LIVE, {"ward": ward, "people": list(people)}):
        found[PersonId(row.person)].add(row.credential)
    return found


def live_of(session: Session, ward: WardCode, person: PersonId) -> Collection[str]:
    """A person's live credentials, as evidence names them."""
    return live_of_all(connection_of(session), ward, [person])[person]

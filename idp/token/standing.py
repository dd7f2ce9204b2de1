"""What tokens hang from: authorization, login, credentials, proofs and grant, for many in one snapshot."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assurance import credentials, people
from assurance.among import among
from assurance.database import table_of
from assurance.engine import assess
from assurance.evidence import Authentication, Proof, from_text, still_live
from assurance.login import Login, LoginId
from assurance.person import PersonId
from assurance.thresholds import Thresholds
from assurance.wards import WardCode
from delegation import usability
from delegation.grant import GrantId
from delegation.usability import Usable
from idp import bridges
from idp.tables import AuthorizationRow, LoginSessionRow, OAuthClientRow

AUTHORIZATION: Final = table_of(AuthorizationRow)
_LOGIN: Final = table_of(LoginSessionRow)
_CLIENT: Final = table_of(OAuthClientRow)
_STANDING: Final = (
    sa.select(
        AUTHORIZATION,
        _LOGIN.c.evidence,
        _LOGIN.c.started_at,
        _LOGIN.c.expires_at,
        _LOGIN.c.ended_at.label("login_ended_at"),
    )
    .join(_LOGIN, (_LOGIN.c.ward == AUTHORIZATION.c.ward) & (_LOGIN.c.id == AUTHORIZATION.c.login))
    .join(
        _CLIENT,
        (_CLIENT.c.ward == AUTHORIZATION.c.ward) & (_CLIENT.c.client_id == AUTHORIZATION.c.client_id),
    )
    .where(
        _CLIENT.c.disabled_at.is_(None),
        among(AUTHORIZATION.c.id, "ids"),
    )
)


@dataclass(frozen=True, slots=True)
class Standing:
    """An authorization, and whether what it rests on still stands.

    :param evidence: what was proven in its login, without what rests on a credential that is gone.
    :param grant: the one that it acts under, None for oneself; `usable` is that grant if it may be used now.
    :param ended: it or its login was ended.
    """

    ward: WardCode
    id: str
    client_id: str
    person: PersonId
    scope: str
    nonce: str | None
    login: LoginId
    evidence: Collection[Authentication]
    started_at: datetime
    expires_at: datetime
    ended: bool
    proofs: Sequence[Proof]
    grant: GrantId | None
    principal: PersonId | None
    usable: Usable | None

    def live_login(self, now: datetime, thresholds: Thresholds) -> Login | None:
        """The login, if it goes on and anything is left of it; what it reaches is computed anew."""
        if self.ended or now >= self.expires_at or not self.evidence:
            return None
        assurance = assess([*self.evidence, *self.proofs], now, thresholds)
        return Login(self.login, self.ward, self.person, assurance, self.started_at, self.evidence)


def _usable(found: Usable | None, row: "sa.Row[tuple[object, ...]]") -> Usable | None:
    """The grant of an authorization, if it is still between the same two people."""
    fits = found is not None and (found.delegate, found.principal) == (row.person, row.principal)
    return found if fits else None


def load_standings(
    connection: Connection, ward: WardCode, ids: Collection[str], now: datetime
) -> Mapping[str, Standing]:
    """Read authorizations by their ids; nothing stands that a client has which was disabled."""
    rows = connection.execute(_STANDING, {"ward": ward, "ids": list(ids)}).all()
    persons = {PersonId(row.person) for row in rows}
    proofs = people.proofs_of_all(connection, ward, persons)
    live = credentials.live_of_all(connection, ward, persons)
    evidence = {row.id: from_text(row.evidence) for row in rows}
    enrolled = bridges.live_of(connection, ward, [piece for pieces in evidence.values() for piece in pieces])
    named = {GrantId(row.grant) for row in rows if row.grant is not None}
    usable = usability.usable_of(connection, ward, named, now)
    return {
        row.id: Standing(
            ward=ward,
            id=row.id,
            client_id=row.client_id,
            person=PersonId(row.person),
            scope=row.scope,
            nonce=row.nonce,
            login=LoginId(row.login),
            evidence=still_live(evidence[row.id], live[PersonId(row.person)], enrolled),
            started_at=row.started_at,
            expires_at=row.expires_at,
            ended=row.ended_at is not None or row.login_ended_at is not None,
            proofs=proofs[PersonId(row.person)],
            grant=None if row.grant is None else GrantId(row.grant),
            principal=None if row.principal is None else PersonId(row.principal),
            usable=_usable(usable.get(GrantId(row.grant)), row) if row.grant is not None else None,
        )
        for row in rows
    }

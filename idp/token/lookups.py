"""What the hot endpoints look up: each kind of question is one query for all requests in flight."""

from asyncio import Future
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assurance import identifiers, people
from assurance.among import among
from assurance.batch import Batch, Outcome, Writing
from assurance.database import table_of
from assurance.handles import hashed
from assurance.person import PersonId, Profile
from assurance.sealed import Vault
from assurance.wards import WardCode
from card.clock import Clock
from idp import clients
from idp.clients import Client
from idp.tables import CodeRow, RefreshTokenRow, SubjectRow, UsedJtiRow
from idp.token.standing import Standing, load_standings

CODE: Final = table_of(CodeRow)
REFRESH_TOKEN: Final = table_of(RefreshTokenRow)
USED_JTI: Final = table_of(UsedJtiRow)
_SUBJECT: Final = table_of(SubjectRow)
_LONGEST_ID: Final = 256


_CODES: Final = sa.select(CODE).where(among(CODE.c.code, "keys"))
_REFRESH_TOKENS: Final = sa.select(REFRESH_TOKEN).where(among(REFRESH_TOKEN.c.token, "keys"))
_JTIS: Final = sa.select(USED_JTI.c.client_id, USED_JTI.c.jti).where(
    USED_JTI.c.ward == sa.bindparam("ward"),
    USED_JTI.c.client_id.in_(sa.bindparam("clients", expanding=True)),
    USED_JTI.c.jti.in_(sa.bindparam("jtis", expanding=True)),
)
_SUBJECTS: Final = sa.select(_SUBJECT).where(among(_SUBJECT.c.person, "people"))


class Kind(StrEnum):
    """What can be redeemed once at the token endpoint."""

    CODE = "authorization_code"
    REFRESH = "refresh_token"


@dataclass(frozen=True, slots=True)
class Redeemable:
    """A code or refresh token, with what it hangs from.

    :param key: its hash, which it is claimed by.
    :param used: somebody redeemed it already.
    :param redirect_uri: of a code alone, as `code_challenge`.
    :param printed: what a code hands over of a card, sealed.
    :param subs: by sector and person.
    """

    kind: Kind
    key: str
    client_id: str
    expires_at: datetime
    used: bool
    redirect_uri: str
    code_challenge: str
    printed: bytes | None
    standing: Standing
    subs: Mapping[tuple[str, PersonId], str]


@dataclass(frozen=True, slots=True)
class Known:
    """What may be told of a person."""

    profile: Profile | None
    addresses: Sequence[str]


def _plain(client_id: str) -> str:
    """What cannot be a client's id is nobody's, and never reaches the database."""
    plain = client_id.isascii() and client_id.isprintable() and len(client_id) <= _LONGEST_ID
    return client_id if plain else ""


class _Clients:
    def __init__(self, ward: WardCode) -> None:
        self._ward = ward

    def run(self, connection: Connection, keys: Sequence[str]) -> Mapping[str, Client]:
        return clients.load_all(connection, self._ward, keys)


class _Jtis:
    def __init__(self, ward: WardCode) -> None:
        self._ward = ward

    def run(self, connection: Connection, keys: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], bool]:
        named = {"clients": sorted({client for client, _ in keys}), "jtis": [jti for _, jti in keys]}
        rows = connection.execute(_JTIS, {"ward": self._ward} | named)
        return {(client, jti): True for client, jti in rows}


class _Standings:
    def __init__(self, ward: WardCode, clock: Clock) -> None:
        self._ward, self._clock = ward, clock

    def run(self, connection: Connection, keys: Sequence[str]) -> Mapping[str, Standing]:
        return load_standings(connection, self._ward, keys, self._clock.now())


class _Redeemables:
    def __init__(self, ward: WardCode, clock: Clock) -> None:
        self._ward, self._clock = ward, clock

    def _rows(
        self, connection: Connection, kind: Kind, keys: Sequence[tuple[Kind, str]]
    ) -> "Sequence[sa.Row[tuple[object, ...]]]":
        wanted = [key for of, key in keys if of is kind]
        query = _CODES if kind is Kind.CODE else _REFRESH_TOKENS
        return connection.execute(query, {"ward": self._ward, "keys": wanted}).all() if wanted else ()

    def run(
        self, connection: Connection, keys: Sequence[tuple[Kind, str]]
    ) -> Mapping[tuple[Kind, str], Redeemable]:
        rows = [(kind, row) for kind in Kind for row in self._rows(connection, kind, keys)]
        named = {str(row.authorization) for _, row in rows}
        standings = load_standings(connection, self._ward, named, self._clock.now()) if named else {}
        concerned = {person for one in standings.values() for person in (one.person, one.principal) if person}
        subs = {
            (row.sector, PersonId(row.person)): row.sub
            for row in connection.execute(_SUBJECTS, {"ward": self._ward, "people": list(concerned)})
        }
        found: dict[tuple[Kind, str], Redeemable] = {}
        for kind, row in rows:
            standing, is_code = standings.get(row.authorization), kind is Kind.CODE
            if standing is not None:
                key = row.code if is_code else row.token
                found[kind, key] = Redeemable(
                    kind=kind,
                    key=key,
                    client_id=row.client_id,
                    expires_at=row.expires_at,
                    used=row.used_by is not None,
                    redirect_uri=row.redirect_uri if is_code else "",
                    code_challenge=row.code_challenge if is_code else "",
                    printed=row.printed if is_code else None,
                    standing=standing,
                    subs=subs,
                )
        return found


class _KnownPeople:
    def __init__(self, ward: WardCode, vault: Vault) -> None:
        self._ward, self._vault = ward, vault

    def run(self, connection: Connection, keys: Sequence[PersonId]) -> Mapping[PersonId, Known]:
        profiles = people.profiles(connection, self._vault, self._ward, keys)
        addresses = identifiers.addresses(connection, self._vault, self._ward, keys)
        return {person: Known(profiles.get(person), addresses[person]) for person in keys}


class Lookups:
    """The questions of one ward's hot endpoints, through the batch door."""

    def __init__(self, ward: WardCode, batch: Batch, clock: Clock, vault: Vault) -> None:
        self._batch = batch
        self._clients = _Clients(ward)
        self._jtis = _Jtis(ward)
        self._standings = _Standings(ward, clock)
        self._redeemables = _Redeemables(ward, clock)
        self._known = _KnownPeople(ward, vault)

    def client(self, client_id: str) -> "Future[Client | None]":
        """A ward system by its id."""
        return self._batch.reader.look_up(self._clients, _plain(client_id))

    def used_jti(self, client_id: str, jti: str) -> "Future[bool | None]":
        """Whether a client's assertion was used."""
        return self._batch.reader.look_up(self._jtis, (_plain(client_id), hashed(jti)))

    def standing(self, authorization: str) -> "Future[Standing | None]":
        """What a token hangs from."""
        return self._batch.reader.look_up(self._standings, authorization)

    def redeemable(self, kind: Kind, secret: str) -> "Future[Redeemable | None]":
        """A code or refresh token by what its holder shows."""
        return self._batch.reader.look_up(self._redeemables, (kind, hashed(secret)))

    def known(self, person: PersonId) -> "Future[Known | None]":
        """What may be told of a person."""
        return self._batch.reader.look_up(self._known, person)

    async def commit(self, writing: Writing) -> Outcome:
        """Make a request's unit durable."""
        return await self._batch.writer.commit(writing)

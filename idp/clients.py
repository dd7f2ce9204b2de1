"""Ward systems as OAuth clients. One that was disabled is found by no process, from the commit on."""

import json
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Any, Final

import sqlalchemy as sa
from authlib.oauth2.rfc6749 import ClientMixin
from sqlalchemy.engine import Connection
from sqlmodel import Session

from assurance.among import among
from assurance.database import connection_of, table_of
from assurance.handles import hashed
from assurance.wards import WardCode
from card.jose import KeySet
from idp.tables import OAuthClientRow

DECIDE: Final = "decide"
"""The scope of a caller of the decision API."""
ASSERTION_ALGS: Final = ("ES256", "RS256", "PS256", "EdDSA")
"""What a client may sign its assertions with."""


@dataclass(frozen=True)
class Client(ClientMixin):  # type: ignore[misc] # Authlib ships no types
    """A registered ward system.

    :param sector: the one in which it knows people, as client, audience and caller.
    :param audience: `aud` of access tokens made for it.
    :param procedures: what it may ask about, and what tokens for it may name.
    :param reads_cards: its staff may hand it what is printed on a card at the counter.
    :param secret_hash: as `hashed` makes it.
    :param previous_until: until then also what the last rotation replaced is its own.
    """

    client_id: str
    name: Mapping[str, str]
    redirect_uris: tuple[str, ...]
    post_logout_redirect_uris: tuple[str, ...]
    auth_method: str
    sector: str
    audience: str
    scopes: frozenset[str]
    procedures: frozenset[str]
    delegation_aware: bool
    reads_cards: bool = False
    jwks: Mapping[str, Any] | None = None
    secret_hash: str | None = None
    previous_jwks: Mapping[str, Any] | None = None
    previous_secret_hash: str | None = None
    previous_until: datetime | None = None

    def offers(self, procedures: Collection[str]) -> bool:
        """Whether someone may act here for another, in one of these procedures."""
        return self.delegation_aware and not self.procedures.isdisjoint(procedures)

    @cached_property
    def _keys(self) -> KeySet:
        return KeySet.from_jwks(self.jwks or {}, ASSERTION_ALGS)

    @cached_property
    def _previous_keys(self) -> KeySet:
        return KeySet.from_jwks(self.previous_jwks or {}, ASSERTION_ALGS)

    def _overlaps(self, now: datetime) -> bool:
        return self.previous_until is not None and now < self.previous_until

    def keys(self, now: datetime) -> Sequence[KeySet]:
        """The public keys that its assertions verify with.

        Old and new apart, since an assertion may leave out which key of a set of one it is signed with.
        """
        return (self._keys, self._previous_keys) if self._overlaps(now) else (self._keys,)

    def has_secret(self, secret: str, now: datetime) -> bool:
        """Whether the secret is its own."""
        given, own = hashed(secret), [self.secret_hash]
        if self._overlaps(now):
            own.append(self.previous_secret_hash)
        return any(hash_ is not None and secrets.compare_digest(hash_, given) for hash_ in own)

    # What Authlib asks of a client (RFC 6749 §2).

    def get_client_id(self) -> str:
        """Its id."""
        return self.client_id

    def get_default_redirect_uri(self) -> None:
        """None: a redirect URI is always stated (RFC 9700 §4.1)."""

    def get_allowed_scope(self, scope: str) -> str:
        """What of a scope it may have."""
        return " ".join(part for part in scope.split() if part in self.scopes)

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Exact comparison (RFC 9700 §2.1)."""
        return redirect_uri in self.redirect_uris

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        """It has one method at every endpoint."""
        del endpoint
        return method == self.auth_method

    def check_response_type(self, response_type: str) -> bool:
        """The code alone."""
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        """Codes and refresh where it can be redirected to; its own token always."""
        if grant_type == "client_credentials":
            return True
        return bool(self.redirect_uris) and grant_type in {"authorization_code", "refresh_token"}


_CLIENT: Final = table_of(OAuthClientRow)
_CLIENTS: Final = sa.select(_CLIENT).where(among(_CLIENT.c.client_id, "ids"), _CLIENT.c.disabled_at.is_(None))


def _jwks(text: str | None) -> Mapping[str, Any] | None:
    read: Mapping[str, Any] | None = None if text is None else json.loads(text)
    return read


@lru_cache(maxsize=4096)
def _read(row: "sa.Row[Any]") -> Client:
    """A client from its row; one that did not change is not read, nor its keys constructed, again."""
    return Client(
        client_id=row.client_id,
        name={"ja": row.name_ja, "en": row.name_en},
        redirect_uris=tuple(json.loads(row.redirect_uris)),
        post_logout_redirect_uris=tuple(json.loads(row.post_logout_redirect_uris)),
        auth_method=row.auth_method,
        sector=row.sector,
        audience=row.audience,
        scopes=frozenset(json.loads(row.scopes)),
        procedures=frozenset(json.loads(row.procedures)),
        delegation_aware=row.delegation_aware,
        reads_cards=row.reads_cards,
        jwks=_jwks(row.jwks),
        secret_hash=row.secret_hash,
        previous_jwks=_jwks(row.previous_jwks),
        previous_secret_hash=row.previous_secret_hash,
        previous_until=row.previous_until,
    )


def load_all(connection: Connection, ward: WardCode, ids: Collection[str]) -> Mapping[str, Client]:
    """The clients of this ward with these ids."""
    rows = connection.execute(_CLIENTS, {"ward": ward, "ids": list(ids)})
    return {row.client_id: _read(row) for row in rows}


def load_client(session: Session, ward: WardCode, client_id: str) -> Client | None:
    """The client of this ward with this id."""
    if "\x00" in client_id:
        return None
    return load_all(connection_of(session), ward, [client_id]).get(client_id)


def name_of(session: Session, ward: WardCode, client_id: str) -> Mapping[str, str]:
    """What people know a system by: also one that was disabled did what they see that it did."""
    row = session.get(OAuthClientRow, (ward, client_id))
    return {"ja": client_id, "en": client_id} if row is None else {"ja": row.name_ja, "en": row.name_en}

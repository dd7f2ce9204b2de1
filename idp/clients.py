"""Ward systems as OAuth clients."""

import hashlib
import json
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Any, Final

import sqlalchemy as sa
from authlib.oauth2.rfc6749 import ClientMixin
from sqlalchemy.engine import Connection
from sqlmodel import Session

from assurance.among import among
from assurance.database import Unit, connection_of, table_of
from assurance.wards import WardCode
from card.jose import KeySet
from delegation.client import DELEGATED_PREFIX
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
    jwks: Mapping[str, Any] | None = None
    secret_hash: str | None = None

    def offers(self, procedures: Collection[str]) -> bool:
        """Whether someone may act here for another, in one of these procedures."""
        return self.delegation_aware and not self.procedures.isdisjoint(procedures)

    @cached_property
    def keys(self) -> KeySet:
        """The public keys that its assertions verify with."""
        return KeySet.from_jwks(self.jwks or {}, ASSERTION_ALGS)

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

    def check_client_secret(self, client_secret: str) -> bool:
        """Whether the secret is its own."""
        given = hashlib.sha256(client_secret.encode("utf-8")).hexdigest()
        return self.secret_hash is not None and secrets.compare_digest(self.secret_hash, given)

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


def register_client(unit: Unit, client: Client, now: datetime) -> None:
    """Write a client's row, or the changes of one that is there.

    :raises ValueError: for a scope that the mint alone writes.
    """
    if any(scope.startswith(DELEGATED_PREFIX) for scope in client.scopes):
        raise ValueError("delegated: scopes are not registered")
    unit.session.merge(
        OAuthClientRow(
            ward=unit.ward,
            client_id=client.client_id,
            name_ja=client.name["ja"],
            name_en=client.name["en"],
            redirect_uris=json.dumps(client.redirect_uris),
            post_logout_redirect_uris=json.dumps(client.post_logout_redirect_uris),
            auth_method=client.auth_method,
            secret_hash=client.secret_hash,
            jwks=None if client.jwks is None else json.dumps(client.jwks),
            sector=client.sector,
            audience=client.audience,
            scopes=json.dumps(sorted(client.scopes)),
            procedures=json.dumps(sorted(client.procedures)),
            delegation_aware=client.delegation_aware,
            created_at=now,
        )
    )


_CLIENT: Final = table_of(OAuthClientRow)
_CLIENTS: Final = sa.select(_CLIENT).where(among(_CLIENT.c.client_id, "ids"))


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
        jwks=None if row.jwks is None else json.loads(row.jwks),
        secret_hash=row.secret_hash,
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

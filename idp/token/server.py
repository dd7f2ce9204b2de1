"""Authlib's rules over the rows of one unit (RFC 6749 §4.1.3, §4.4, §6; RFC 7636; RFC 7523)."""

import json
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import AuthorizationServer, InvalidScopeError, OAuth2Request, grants
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc7636 import CodeChallenge
from sqlmodel import SQLModel, col, update

from assurance import people
from assurance.database import Unit
from assurance.events import Event, EventName
from assurance.handles import hashed
from assurance.login import Login
from assurance.person import PersonId, new_id
from card.jose import KeySet, TokenRejected, unverified_claims, verify_compact
from delegation.tables import GrantRow
from idp.clients import Client, load_client
from idp.services import Services
from idp.subjects import sub_for
from idp.tables import AuthorizationRow, CodeRow, RefreshTokenRow, UsedJtiRow
from idp.token import mint
from idp.token.presented import live_login, still_allowed, usable_grant

METHODS: Final = ["client_secret_basic", "private_key_jwt"]
_ASSERTION: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ASSERTION_ALGS: Final = ("ES256", "RS256", "PS256", "EdDSA")
_LONGEST_ASSERTION: Final = timedelta(hours=1)
_REFRESH_LIFETIME: Final = timedelta(hours=8)


class TokenRequest(OAuth2Request):  # type: ignore[misc] # Authlib ships no types
    """A form that was parsed already, without repeated names."""

    def __init__(self, form: Mapping[str, str], headers: Mapping[str, str]) -> None:
        super().__init__("POST", "https://token", headers=dict(headers))
        self._form = dict(form)
        self.payload = BasicOAuth2Payload(self._form)

    @property
    def form(self) -> dict[str, str]:
        """The form."""
        return self._form


class _Redeemed:
    """A code or refresh token that this request claimed, as Authlib looks at it."""

    code_challenge_method = "S256"

    def __init__(self, row: CodeRow | RefreshTokenRow, authorization: AuthorizationRow, login: Login) -> None:
        self.row, self.authorization, self.login = row, authorization, login
        self.code_challenge = row.code_challenge if isinstance(row, CodeRow) else None

    def get_redirect_uri(self) -> str:
        return self.row.redirect_uri if isinstance(self.row, CodeRow) else ""

    def get_scope(self) -> str:
        return self.authorization.scope

    def check_client(self, client: Client) -> bool:
        return self.row.client_id == client.client_id


class _S256Only(CodeChallenge):  # type: ignore[misc] # Authlib ships no types
    DEFAULT_CODE_CHALLENGE_METHOD = "S256"
    SUPPORTED_CODE_CHALLENGE_METHOD: Final = ["S256"]


class _CodeGrant(grants.AuthorizationCodeGrant):  # type: ignore[misc] # Authlib ships no types
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    def query_authorization_code(self, code: str, client: Client) -> _Redeemed | None:
        found: _Redeemed | None = self.server.redeem(
            CodeRow, hashed(code), client, EventName.CODE_REUSED, EventName.CODE_FOREIGN
        )
        return found

    def delete_authorization_code(self, authorization_code: _Redeemed) -> None:
        """It was burnt when it was claimed."""

    def authenticate_user(self, authorization_code: _Redeemed) -> _Redeemed:
        return authorization_code


class _RefreshGrant(grants.RefreshTokenGrant):  # type: ignore[misc] # Authlib ships no types
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> _Redeemed | None:
        found: _Redeemed | None = self.server.redeem(
            RefreshTokenRow,
            hashed(refresh_token),
            self.request.client,
            EventName.REFRESH_REUSED,
            EventName.CLIENT_REFUSED,
        )
        return found

    def authenticate_user(self, refresh_token: _Redeemed) -> _Redeemed:
        return refresh_token

    def revoke_old_credential(self, refresh_token: _Redeemed) -> None:
        """It was burnt when it was claimed."""


class _ClientGrant(grants.ClientCredentialsGrant):  # type: ignore[misc] # Authlib ships no types
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    def validate_requested_scope(self) -> None:
        asked = set((self.request.payload.scope or "").split())
        if not asked or not asked <= (self.client.scopes - {"openid", "profile", "email"}):
            raise InvalidScopeError


class TokenServer(AuthorizationServer):  # type: ignore[misc] # Authlib ships no types
    """Authlib's server for one request in one unit."""

    def __init__(self, services: Services, unit: Unit) -> None:
        super().__init__()
        self._services, self._unit = services, unit
        self.register_client_auth_method("private_key_jwt", self._by_assertion)
        self.register_grant(_CodeGrant, [_S256Only(required=True)])
        self.register_grant(_RefreshGrant)
        self.register_grant(_ClientGrant)
        self.register_token_generator("default", self._generate)

    # What Authlib asks of an integration.

    def query_client(self, client_id: str) -> Client | None:
        """The client's row."""
        return load_client(self._unit.session, self._unit.ward, client_id)

    def save_token(self, token: object, request: object) -> None:
        """Rows are written where the token is made."""

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Nobody listens."""

    def create_oauth2_request(self, request: TokenRequest) -> TokenRequest:
        """It is one already."""
        return request

    def handle_response(
        self, status: int, body: object, headers: object
    ) -> tuple[int, object, list[tuple[str, str]]]:
        """As it is; the route makes a response of it."""
        return status, body, list(headers)  # type: ignore[call-overload] # pairs, says Authlib

    # Client authentication by JWT (RFC 7523 §3, OIDC Core §9).

    def _by_assertion(self, query: Callable[[str], Client | None], request: TokenRequest) -> Client | None:
        assertion = request.form.get("client_assertion", "")
        if request.form.get("client_assertion_type") != _ASSERTION:
            return None
        services, now = self._services, self._services.clock.now()
        try:
            unverified = unverified_claims(assertion)
            client_id = unverified.get("sub")
            client = query(client_id) if isinstance(client_id, str) else None
            if client is None or client.jwks is None or request.form.get("client_id", client_id) != client_id:
                return None
            mine = {services.ward.issuer, f"{services.ward.issuer}/token"}
            audience = unverified.get("aud")
            claims = verify_compact(
                assertion,
                KeySet.from_jwks(client.jwks, _ASSERTION_ALGS),
                typ=("JWT", "client-authentication+jwt"),
                issuer=client.client_id,
                audience=audience if isinstance(audience, str) and audience in mine else services.ward.issuer,
                required=("sub", "jti"),
                now=now,
                leeway_s=10,
            )
        except TokenRejected:
            return None
        expires = datetime.fromtimestamp(float(str(claims["exp"])), UTC)
        jti = str(claims["jti"])
        used = self._unit.session.get(UsedJtiRow, (self._unit.ward, client.client_id, hashed(jti)))
        if used is not None or expires > now + _LONGEST_ASSERTION:
            return None
        row = UsedJtiRow(
            ward=self._unit.ward, client_id=client.client_id, jti=hashed(jti), expires_at=expires
        )
        self._unit.session.add(row)
        return client

    # Codes and refresh tokens.

    def redeem(
        self,
        table: type[CodeRow] | type[RefreshTokenRow],
        key: str,
        client: Client,
        reused: EventName,
        foreign: EventName,
    ) -> _Redeemed | None:
        """Claim a code or refresh token; a second use ends everything it gave (RFC 9700 §4.14.2).

        Another client's attempt burns nothing; its own client's does, whatever else is wrong with it.
        """
        session, now = self._unit.session, self._services.clock.now()
        row: Any = session.get(table, (self._unit.ward, key))
        if row is None:
            return None
        if row.client_id != client.client_id:
            self._unit.record(Event(foreign, self._unit.ward, now))
            return None
        authorization = session.get(AuthorizationRow, (self._unit.ward, row.authorization))
        if authorization is None:
            return None
        if isinstance(row, RefreshTokenRow) and not still_allowed(session, self._services, authorization):
            return None  # a hold refuses without ending the family
        if not self._claim(table, key):
            end_authorization(self._unit, authorization, now, reused)
            return None
        login = live_login(session, self._services, authorization)
        if login is None or now >= row.expires_at:
            return None
        if not still_allowed(session, self._services, authorization):
            return None
        return _Redeemed(row, authorization, login)

    def _claim(self, table: type[SQLModel], key: str) -> bool:
        columns = table.__table__.c  # type: ignore[attr-defined] # SQLModel's mapped table
        name = "code" if table is CodeRow else "token"
        claimed = self._unit.session.exec(
            update(table)
            .where(columns.ward == self._unit.ward, columns[name] == key, col(columns.used_by).is_(None))
            .values(used_by=new_id())
        )
        return claimed.rowcount == 1

    # Tokens.

    def _generate(
        self,
        grant_type: str,
        client: Client,
        user: _Redeemed | None = None,
        scope: str | None = None,
        expires_in: int | None = None,
        include_refresh_token: bool = True,
    ) -> dict[str, Any]:
        del expires_in
        services, unit, now = self._services, self._unit, self._services.clock.now()
        token: dict[str, Any] = {
            "token_type": "Bearer",
            "expires_in": int(mint.LIFETIME.total_seconds()),
            "scope": scope or "",
        }
        if user is None:
            unit.record(
                Event(EventName.CLIENT_TOKEN_ISSUED, unit.ward, now, {}, {"client": client.client_id})
            )
            return {"access_token": mint.client_token(services, client, scope or "")} | token
        authorization, login = user.authorization, user.login
        grant = usable_grant(unit.session, services, authorization)
        if grant is None:
            token["access_token"] = mint.access_token(
                unit, services, client, authorization, login, scope or authorization.scope
            )
        else:
            token["access_token"] = mint.delegated_token(unit, services, client, authorization, login, grant)
            token["scope"] = mint.delegated_scope(authorization.scope)
            token["authorization_details"] = [self._shown(client, grant)]
        if grant_type == "authorization_code":
            token["id_token"] = mint.id_token(unit, services, client, authorization, login)
        if include_refresh_token:
            token["refresh_token"] = self._new_refresh_token(client, authorization, now)
        name = EventName.CODE_REDEEMED if grant_type == "authorization_code" else EventName.TOKEN_REFRESHED
        unit.record(Event(name, unit.ward, now, {PersonId(authorization.person): {}}))
        return token

    def _shown(self, client: Client, grant: GrantRow) -> dict[str, object]:
        """What the client may show of whom the person acts for (RFC 9396 §7); the JWT holds no names."""
        unit, principal = self._unit, PersonId(grant.principal)
        profile = people.profile(unit.session, self._services.vault, unit.ward, principal)
        shown = {
            "sub": sub_for(unit, client.sector, principal),
            "name": None if profile is None else profile.name,
        }
        return mint.details(unit, self._services, client, grant) | {"principal": shown}

    def _new_refresh_token(self, client: Client, authorization: AuthorizationRow, now: datetime) -> str:
        made = secrets.token_urlsafe(32)
        self._unit.session.add(
            RefreshTokenRow(
                ward=self._unit.ward,
                token=hashed(made),
                client_id=client.client_id,
                authorization=authorization.id,
                expires_at=now + _REFRESH_LIFETIME,
            )
        )
        return made


def end_authorization(unit: Unit, authorization: AuthorizationRow, now: datetime, why: EventName) -> None:
    """End everything that hangs from an authorization, at once."""
    authorization.ended_at = authorization.ended_at or now
    unit.session.add(authorization)
    unit.record(Event(why, unit.ward, now, {PersonId(authorization.person): {}}))


def respond(server: TokenServer, form: Mapping[str, str], headers: Mapping[str, str]) -> tuple[int, str]:
    """Answer a token request.

    :returns: status and JSON body.
    """
    status, body, _ = server.create_token_response(TokenRequest(form, headers))
    return status, body if isinstance(body, str) else json.dumps(body)


def authenticate(server: TokenServer, form: Mapping[str, str], headers: Mapping[str, str]) -> Client:
    """The client of a request to another endpoint.

    :raises OAuth2Error: `invalid_client`.
    """
    client: Client = server.authenticate_client(TokenRequest(form, headers), METHODS, "token")
    return client


__all__ = ["METHODS", "OAuth2Error", "TokenServer", "authenticate", "end_authorization", "respond"]

"""Authlib's rules over rows that were loaded (RFC 6749 §4.1.3, §4.4, §6; RFC 7636).

Authlib decides, and nothing is written while it does: what it wants is planned, and made durable in one unit
before the answer goes out.
"""

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import AuthorizationServer, InvalidScopeError, OAuth2Request, grants
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc7636 import CodeChallenge

from assurance.batch import Insert
from assurance.events import EventName
from assurance.handles import hashed
from assurance.login import Login
from delegation.usability import Usable
from idp.clients import Client
from idp.services import Services
from idp.token import mint
from idp.token.client_authentication import METHODS, verify_assertion
from idp.token.lookups import REFRESH_TOKEN, Kind, Redeemable
from idp.token.plan import Loaded, Plan
from idp.token.presented import may_act
from idp.token.printed import open_printed

_REFRESH_LIFETIME: Final = timedelta(hours=8)


class TokenRequest(OAuth2Request):  # type: ignore[misc] # Authlib ships no types
    """A form that was parsed already, without repeated names."""

    def __init__(self, form: Mapping[str, str]) -> None:
        super().__init__("POST", "https://token")
        self._form = dict(form)
        self.payload = BasicOAuth2Payload(self._form)

    @property
    def form(self) -> dict[str, str]:
        """The form."""
        return self._form


@dataclass(frozen=True, slots=True)
class _Redeemed:
    """A code or refresh token that this request claims, as Authlib looks at it."""

    found: Redeemable
    login: Login
    code_challenge_method: str = "S256"

    @property
    def code_challenge(self) -> str:
        return self.found.code_challenge

    def get_redirect_uri(self) -> str:
        return self.found.redirect_uri

    def get_scope(self) -> str:
        return self.found.standing.scope

    def check_client(self, client: Client) -> bool:
        return self.found.client_id == client.client_id


class _S256Only(CodeChallenge):  # type: ignore[misc] # Authlib ships no types
    DEFAULT_CODE_CHALLENGE_METHOD = "S256"
    SUPPORTED_CODE_CHALLENGE_METHOD: Final = ["S256"]


class _CodeGrant(grants.AuthorizationCodeGrant):  # type: ignore[misc] # Authlib ships no types
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    def query_authorization_code(self, code: str, client: Client) -> _Redeemed | None:
        del code  # it was looked up before
        found: _Redeemed | None = self.server.redeem(client, EventName.CODE_REUSED, EventName.CODE_FOREIGN)
        return found

    def delete_authorization_code(self, authorization_code: _Redeemed) -> None:
        """It is burnt by its claim."""

    def authenticate_user(self, authorization_code: _Redeemed) -> _Redeemed:
        return authorization_code


class _RefreshGrant(grants.RefreshTokenGrant):  # type: ignore[misc] # Authlib ships no types
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> _Redeemed | None:
        del refresh_token  # it was looked up before
        found: _Redeemed | None = self.server.redeem(
            self.request.client, EventName.REFRESH_REUSED, EventName.REFRESH_FOREIGN
        )
        return found

    def authenticate_user(self, refresh_token: _Redeemed) -> _Redeemed:
        return refresh_token

    def revoke_old_credential(self, refresh_token: _Redeemed) -> None:
        self.server.plan.claim(refresh_token.found, EventName.REFRESH_REUSED)


class _ClientGrant(grants.ClientCredentialsGrant):  # type: ignore[misc] # Authlib ships no types
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    def validate_requested_scope(self) -> None:
        asked = set((self.request.payload.scope or "").split())
        if not asked or not asked <= self.client.scopes - mint.PERSONAL:
            raise InvalidScopeError


class TokenServer(AuthorizationServer):  # type: ignore[misc] # Authlib ships no types
    """Authlib's server for one request.

    :param loaded: all that it may look at.
    """

    def __init__(self, services: Services, loaded: Loaded) -> None:
        super().__init__()
        self.plan = Plan(services.ward.code, services.clock.now())
        self._services, self._loaded = services, loaded
        self.register_client_auth_method("client_secret_basic", self._by_secret)
        self.register_client_auth_method("private_key_jwt", self._by_assertion)
        self.register_grant(_CodeGrant, [_S256Only(required=True)])
        self.register_grant(_RefreshGrant)
        self.register_grant(_ClientGrant)
        self.register_token_generator("default", self._generate)

    # What Authlib asks of an integration.

    def query_client(self, client_id: str) -> Client | None:
        """The client that was loaded, if it is meant."""
        client = self._loaded.client
        return client if client is not None and client.client_id == client_id else None

    def save_token(self, token: object, request: object) -> None:
        """Rows are planned where the token is made."""

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

    def _by_secret(self, query: Callable[[str], Client | None], request: TokenRequest) -> Client | None:
        del query, request
        client, secret, now = self._loaded.client, self._loaded.secret, self._services.clock.now()
        return client if client is not None and secret and client.has_secret(secret, now) else None

    def _by_assertion(self, query: Callable[[str], Client | None], request: TokenRequest) -> Client | None:
        del query
        client = self._loaded.client
        if client is None or "client_assertion" not in request.form:
            return None
        row = verify_assertion(self._services, client, request.form, used=self._loaded.used)
        if row is None:
            return None
        self.plan.use_assertion(row)
        return client

    # Codes and refresh tokens.

    def redeem(self, client: Client, reused: EventName, foreign: EventName) -> _Redeemed | None:
        """Judge a code or refresh token; a second use ends everything it gave (RFC 9700 §4.14.2).

        Another client's attempt burns nothing. A code is burnt by its own client's, whatever else is wrong
        with it; a refresh token by its success alone, so that a hold or a scope too wide ends no family.
        """
        found, now = self._loaded.redeemable, self._services.clock.now()
        if found is None:
            return None
        if found.client_id != client.client_id:
            self.plan.record(foreign, client=client.client_id)
            return None
        standing = found.standing
        if found.used:
            self.plan.end(standing, reused)
            return None
        if found.kind is Kind.CODE:
            self.plan.claim(found, reused)
        login = standing.live_login(now, self._services.thresholds)
        if login is None or now >= found.expires_at or not may_act(standing, login, now):
            return None
        offered = standing.usable is None or client.offers(standing.usable.terms.procedures)
        return _Redeemed(found, login) if offered else None

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
        token: dict[str, Any] = {
            "token_type": "Bearer",
            "expires_in": int(mint.LIFETIME.total_seconds()),
            "scope": scope or "",
        }
        if user is None:
            self.plan.record(EventName.CLIENT_TOKEN_ISSUED, client=client.client_id)
            return {"access_token": mint.client_token(self._services, client, scope or "")} | token
        token |= self._about(client, user, scope or user.get_scope())
        redeemed, services = user.found, self._services
        if redeemed.printed is not None:
            token["authorization_details"] = [open_printed(services, redeemed.printed, redeemed.key)]
            self.plan.forget_printed(redeemed)
        if grant_type == "authorization_code":
            token["id_token"] = mint.id_token(services, client, redeemed, user.login, self._loaded.known)
        if include_refresh_token:
            token["refresh_token"] = self._new_refresh_token(redeemed)
        is_code = redeemed.kind is Kind.CODE
        name = EventName.CODE_REDEEMED if is_code else EventName.TOKEN_REFRESHED
        self.plan.record(name, redeemed.standing.person)
        return token

    def _about(self, client: Client, user: _Redeemed, scope: str) -> dict[str, Any]:
        """The access token, own or delegated, and what comes along with it."""
        services, redeemed, grant = self._services, user.found, user.found.standing.usable
        if grant is None:
            return {"access_token": mint.access_token(services, client, redeemed, user.login, scope)}
        marked = mint.delegated_scope(scope)
        if not marked:
            raise InvalidScopeError
        return {
            "access_token": mint.delegated_token(services, client, redeemed, user.login, grant, marked),
            "scope": marked,
            "authorization_details": [self._shown(client, redeemed, grant)],
        }

    def _shown(self, client: Client, redeemed: Redeemable, grant: Usable) -> dict[str, object]:
        """What the client may show of whom the person acts for (RFC 9396 §7); the JWT holds no names."""
        known = self._loaded.known.get(grant.principal)
        profile = None if known is None else known.profile
        shown = {
            "sub": redeemed.subs[client.sector, grant.principal],
            "name": None if profile is None else profile.name,
        }
        return mint.details(self._services, client, grant) | {"principal": shown}

    def _new_refresh_token(self, redeemed: Redeemable) -> str:
        made, services = secrets.token_urlsafe(32), self._services
        values = {
            "ward": services.ward.code,
            "token": hashed(made),
            "client_id": redeemed.client_id,
            "authorization": redeemed.standing.id,
            "expires_at": services.clock.now() + _REFRESH_LIFETIME,
        }
        self.plan.add(Insert(REFRESH_TOKEN, values))
        return made


def respond(server: TokenServer, form: Mapping[str, str]) -> tuple[int, str]:
    """Answer a token request.

    :returns: status and JSON body.
    """
    status, body, _ = server.create_token_response(TokenRequest(form))
    return status, body if isinstance(body, str) else json.dumps(body)


def authenticate(server: TokenServer, form: Mapping[str, str]) -> Client | None:
    """The client of a request to another endpoint; None for one that is not authenticated."""
    try:
        client: Client = server.authenticate_client(TokenRequest(form), METHODS, "token")
    except OAuth2Error:
        return None
    return client

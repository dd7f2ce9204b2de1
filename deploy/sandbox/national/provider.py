"""The national app's rules: who asked for whom, and what they get for it (OIDC Core §3.1)."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from authlib.oauth2.rfc7636 import create_s256_code_challenge

from card.clock import Clock
from card.jose import KeySet, SoftwareSigner, TokenRejected, b64url_encode, sign_compact, verify_compact

BASE: Final = "/api/realms/main"
_UNDER: Final = "/protocol/openid-connect"
_ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_LIFETIME: Final = timedelta(minutes=5)
_CLAIMS: Final = frozenset({"name", "address", "birthdate", "gender"})
_ASKED: Final = ("client_id", "redirect_uri", "scope", "state", "nonce", "code_challenge", "acr_values")


class Refused(Exception):  # noqa: N818 - an OAuth error
    """An OAuth error (RFC 6749 §5.2)."""


@dataclass(frozen=True, slots=True)
class Client:
    """A service that applied.

    :param jwk: its public key.
    """

    client_id: str
    redirect_uri: str
    jwk: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Phone:
    """A phone with the app, and what the card of its holder says.

    :param birth_date: `YYYYMMDD`.
    """

    name: str
    birth_date: str
    sex: str
    address: str

    @property
    def claims(self) -> Mapping[str, str]:
        """What scopes of the same names release."""
        return {
            "name": self.name,
            "birthdate": self.birth_date,
            "gender": self.sex,
            "address": self.address,
        }


@dataclass(slots=True)
class Grant:
    """What someone consented to.

    :param asked: the authorization request.
    :param slow: the token endpoint keeps its first caller waiting.
    """

    asked: Mapping[str, str]
    phone: Phone
    at: datetime
    slow: bool


class NationalApp:
    """The provider, with its state in memory.

    :param secret: what pairwise subjects are made of (OIDC Core §8.1).
    """

    def __init__(
        self,
        origin: str,
        signer: SoftwareSigner,
        clients: Mapping[str, Client],
        phones: Mapping[str, Phone],
        secret: bytes,
        clock: Clock,
    ) -> None:
        self.issuer = f"{origin}{BASE}"
        self.signer, self.clients, self.phones, self.clock = signer, clients, phones, clock
        self._secret = secret
        self._requests: dict[str, Mapping[str, str]] = {}
        self._codes: dict[str, Grant] = {}
        self._tokens: dict[str, Grant] = {}

    def endpoint(self, name: str) -> str:
        """`auth`, `token`, `userinfo` or `certs`."""
        return f"{self.issuer}{_UNDER}/{name}"

    def metadata(self) -> dict[str, object]:
        """OIDC Discovery §3."""
        return {
            "issuer": self.issuer,
            "authorization_endpoint": self.endpoint("auth"),
            "token_endpoint": self.endpoint("token"),
            "userinfo_endpoint": self.endpoint("userinfo"),
            "jwks_uri": self.endpoint("certs"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            "code_challenge_methods_supported": ["S256"],
            "scopes_supported": ["openid", *sorted(_CLAIMS)],
        }

    def begin(self, parameters: Mapping[str, str]) -> str:
        """Take an authorization request.

        :returns: what the page carries.
        :raises Refused: for one that nobody should be sent back from.
        """
        client = self.clients.get(parameters.get("client_id", ""))
        if client is None or parameters.get("redirect_uri") != client.redirect_uri:
            raise Refused("invalid_client")
        if parameters.get("response_type") != "code" or parameters.get("code_challenge_method") != "S256":
            raise Refused("invalid_request")
        if any(not parameters.get(name) for name in _ASKED):
            raise Refused("invalid_request")
        if "openid" not in parameters["scope"].split():
            raise Refused("invalid_scope")
        id_ = secrets.token_urlsafe(16)
        self._requests[id_] = {name: parameters[name] for name in _ASKED}
        return id_

    def answered(self, id_: str, phone: str, *, slow: bool = False) -> tuple[str, Mapping[str, str]]:
        """The phone says yes.

        :returns: where the browser goes, and with what.
        """
        asked = self._asked(id_)
        code = secrets.token_urlsafe(24)
        self._codes[code] = Grant(asked, self.phones[phone], self.clock.now(), slow)
        told = {"code": code, "state": asked["state"], "session_state": secrets.token_hex(16)}
        return asked["redirect_uri"], told

    def declined(self, id_: str) -> tuple[str, Mapping[str, str]]:
        """The phone says no."""
        asked = self._asked(id_)
        told = {"error": "access_denied", "error_description": "User denied", "state": asked["state"]}
        return asked["redirect_uri"], told

    def _asked(self, id_: str) -> Mapping[str, str]:
        asked = self._requests.pop(id_, None)
        if asked is None:
            raise Refused("invalid_request")
        return asked

    def keeps_waiting(self, form: Mapping[str, str]) -> bool:
        """Whether this caller is the one that a slow phone keeps waiting."""
        grant = self._codes.get(form.get("code", ""))
        slow = grant is not None and grant.slow
        if grant is not None:
            grant.slow = False
        return slow

    def token(self, form: Mapping[str, str]) -> Mapping[str, object]:
        """Token endpoint (OIDC Core §3.1.3).

        :raises Refused: with the OAuth error.
        """
        client = self._authenticated(form)
        if form.get("grant_type") != "authorization_code":
            raise Refused("unsupported_grant_type")
        grant, now = self._codes.pop(form.get("code", ""), None), self.clock.now()
        if grant is None or now - grant.at > _LIFETIME or grant.asked["client_id"] != client.client_id:
            raise Refused("invalid_grant")
        if form.get("redirect_uri") != grant.asked["redirect_uri"]:
            raise Refused("invalid_grant")
        if create_s256_code_challenge(form.get("code_verifier", "")) != grant.asked["code_challenge"]:
            raise Refused("invalid_grant")
        access_token = secrets.token_urlsafe(32)
        self._tokens[access_token] = grant
        return {
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": int(_LIFETIME.total_seconds()),
            "scope": grant.asked["scope"],
            "id_token": self.sign(self.id_claims(grant, access_token)),
        }

    def _authenticated(self, form: Mapping[str, str]) -> Client:
        """`private_key_jwt` (OIDC Core §9)."""
        client = self.clients.get(form.get("client_id", ""))
        if client is None or form.get("client_assertion_type") != _ASSERTION_TYPE:
            raise Refused("invalid_client")
        try:
            claims = verify_compact(
                form.get("client_assertion", ""),
                KeySet.from_jwks({"keys": [client.jwk]}, {"ES256"}),
                typ="JWT",
                issuer=client.client_id,
                audience=self.endpoint("token"),
                now=self.clock.now(),
                required=("jti", "sub"),
            )
        except TokenRejected as rejected:
            raise Refused("invalid_client") from rejected
        if claims["sub"] != client.client_id:
            raise Refused("invalid_client")
        return client

    def sub(self, client_id: str, phone: Phone) -> str:
        """The same for one person at one client, whatever card or phone; another at every other client."""
        whom = f"{client_id}/{phone.name}/{phone.birth_date}"
        return hmac.digest(self._secret, whom.encode("utf-8"), "sha256").hex()

    def id_claims(self, grant: Grant, access_token: str) -> dict[str, object]:
        """What the ID token says."""
        asked, at = grant.asked, int(grant.at.timestamp())
        return {
            "iss": self.issuer,
            "sub": self.sub(asked["client_id"], grant.phone),
            "aud": asked["client_id"],
            "azp": asked["client_id"],
            "iat": int(self.clock.now().timestamp()),
            "exp": at + int(_LIFETIME.total_seconds()),
            "auth_time": at,
            "nonce": asked["nonce"],
            "acr": asked["acr_values"],
            "at_hash": b64url_encode(hashlib.sha256(access_token.encode()).digest()[:16]),
        }

    def sign(self, claims: Mapping[str, object]) -> str:
        """An ID token."""
        return sign_compact(claims, self.signer, typ="JWT")

    def userinfo(self, access_token: str) -> Mapping[str, object]:
        """Userinfo (OIDC Core §5.3): what the scopes released.

        :raises Refused: for a token that is none.
        """
        grant = self._tokens.get(access_token)
        if grant is None or self.clock.now() - grant.at > _LIFETIME:
            raise Refused("invalid_token")
        released = _CLAIMS & set(grant.asked["scope"].split())
        told = {name: value for name, value in grant.phone.claims.items() if name in released}
        return {"sub": self.sub(grant.asked["client_id"], grant.phone), **told}

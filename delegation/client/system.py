"""A ward system's side of the protocol: keys, its own token, decisions, refresh."""

import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import httpx2

from card.jose import KeySet, Signer, TokenRejected, sign_compact, verify_compact
from delegation.client.access import Access, TokenRefused, read_access

_ASSERTION: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_KEYS_FOR_S: Final = 300.0
_AGAIN_AFTER_S: Final = 10.0
_TIMEOUT_S: Final = 5.0
_EARLY_S: Final = 30


class DecisionUnavailable(Exception):  # noqa: N818 - a state of the world
    """No decision could be had; nothing is filed."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to one question.

    :param reason: a code; `texts` says it to people, by language.
    :param acr: what a step-up would have to reach, if that would help.
    """

    allowed: bool
    reason: str
    texts: Mapping[str, str]
    acr: str | None


class WardSystem:
    """One registered system. Thread-safe; keep one for the life of the process.

    :param issuer: the ward's issuer.
    :param audience: the registered one, `aud` of the access tokens made for this system.
    :param signer: the registered key, for `private_key_jwt` (RFC 7523).
    """

    def __init__(self, issuer: str, client_id: str, audience: str, signer: Signer) -> None:
        self._issuer, self._client_id, self._audience, self._signer = issuer, client_id, audience, signer
        self._http = httpx2.Client(timeout=_TIMEOUT_S, follow_redirects=False)
        self._lock = threading.Lock()
        self._metadata: Mapping[str, Any] | None = None
        self._keys: KeySet | None = None
        self._keys_at = float("-inf")
        self._own: tuple[str, float] = ("", 0.0)

    def close(self) -> None:
        """Let go of connections."""
        self._http.close()

    # What the provider publishes.

    def _json(self, response: httpx2.Response) -> Mapping[str, Any]:
        document = response.raise_for_status().json()
        if not isinstance(document, dict):
            raise httpx2.DecodingError("no object", request=response.request)
        return document

    def _discovered(self, name: str) -> str:
        if self._metadata is None:
            found = self._json(self._http.get(f"{self._issuer}/.well-known/openid-configuration"))
            if found.get("issuer") != self._issuer:  # OIDC Discovery §4.3
                raise TokenRefused("the metadata names another issuer")
            self._metadata = found
        return str(self._metadata[name])

    def _key_set(self, *, newer: bool) -> KeySet:
        with self._lock:
            age = time.monotonic() - self._keys_at
            if self._keys is None or age > (_AGAIN_AFTER_S if newer else _KEYS_FOR_S):
                document = self._json(self._http.get(self._discovered("jwks_uri")))
                self._keys, self._keys_at = KeySet.from_jwks(document, ["ES256"]), time.monotonic()
            return self._keys

    # Tokens.

    def verify(self, token: str) -> Access:
        """Verify an access token locally: signature, issuer, audience, time, and its shape.

        :raises TokenRefused: for a token that does not count here.
        :raises DecisionUnavailable: when the provider's keys cannot be had.
        """
        try:
            try:
                claims = self._claims(token, newer=False)
            except TokenRejected:
                claims = self._claims(token, newer=True)
        except TokenRejected as error:
            raise TokenRefused(error.code) from error
        except httpx2.HTTPError as error:
            raise DecisionUnavailable from error
        return read_access(token, claims)

    def _claims(self, token: str, *, newer: bool) -> Mapping[str, object]:
        return verify_compact(
            token,
            self._key_set(newer=newer),
            typ="at+jwt",
            issuer=self._issuer,
            audience=self._audience,
            required=("sub", "client_id", "scope", "jti"),
            now=datetime.now(UTC),
        )

    def _assertion(self) -> dict[str, str]:
        now = int(time.time())
        claims = {
            "iss": self._client_id,
            "sub": self._client_id,
            "aud": self._issuer,
            "jti": secrets.token_hex(16),
            "iat": now,
            "exp": now + 60,
        }
        return {
            "client_assertion_type": _ASSERTION,
            "client_assertion": sign_compact(claims, self._signer, typ="client-authentication+jwt"),
        }

    def _ask_for_token(self, form: Mapping[str, str]) -> Mapping[str, Any]:
        return self._json(
            self._http.post(self._discovered("token_endpoint"), data=dict(form) | self._assertion())
        )

    def refresh(self, refresh_token: str) -> Mapping[str, Any]:
        """New tokens for a refresh token (RFC 6749 §6).

        :returns: the token response.
        :raises TokenRefused: when what it hangs from has ended or is on hold.
        :raises DecisionUnavailable: when the provider cannot be reached.
        """
        try:
            return self._ask_for_token({"grant_type": "refresh_token", "refresh_token": refresh_token})
        except httpx2.HTTPStatusError as error:
            if error.response.status_code < 500:
                raise TokenRefused("the refresh token was refused") from error
            raise DecisionUnavailable from error
        except httpx2.HTTPError as error:
            raise DecisionUnavailable from error

    def _own_token(self) -> str:
        with self._lock:
            token, until = self._own
        if time.monotonic() < until:
            return token
        made = self._ask_for_token({"grant_type": "client_credentials", "scope": "decide"})
        token = str(made["access_token"])
        with self._lock:
            self._own = (token, time.monotonic() + int(made["expires_in"]) - _EARLY_S)
        return token

    # Decisions.

    def decide(self, access: Access, procedure: str, action: str) -> Decision:
        """Ask whether this access may do it, now (AuthZEN §6).

        :raises DecisionUnavailable: when there is no answer; the caller fails closed.
        """
        question = {
            "subject": {"type": "person", "id": access.subject},
            "action": {"name": action},
            "resource": {
                "type": "procedure",
                "id": procedure,
                "properties": {"principal": access.principal},
            },
            "context": {"token": access.token},
        }
        try:
            answer = self._json(
                self._http.post(
                    f"{self._issuer}/access/v1/evaluation",
                    json=question,
                    headers={"Authorization": f"Bearer {self._own_token()}"},
                )
            )
        except httpx2.HTTPError as error:
            raise DecisionUnavailable from error
        context = answer.get("context", {})
        acr = context.get("acr_values")
        return Decision(
            allowed=answer.get("decision") is True,
            reason=str(context.get("reason", "")),
            texts={str(locale): str(text) for locale, text in context.get("reason_user", {}).items()},
            acr=acr if isinstance(acr, str) else None,
        )

"""A ward system's side of the protocol: tokens verified locally, its own token, refresh, decisions."""

import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import httpx2

from card.clock import Clock, SystemClock
from card.jose import KeySet, Signer, TokenRejected, sign_compact, verify_compact
from delegation.client.access import Access, TokenRefused, read_access
from delegation.client.keys import PublishedKeys
from delegation.client.provider import Answer, DecisionUnavailable, Provider

_ASSERTION: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ASSERTION_LIFE: Final = timedelta(seconds=60)
_EARLY_S: Final = 30
_PATIENCE_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to one question.

    :param reason: a code; `texts` says it to people, by language.
    :param acr: the level that is needed, as `acr_values` asks for it.
    :param asked: the request as it was sent (AuthZEN §6.1), and `answered` the response (§6.2): for a
        developer's eyes, since what they say is in the other members.
    """

    allowed: bool
    reason: str
    texts: Mapping[str, str]
    acr: str | None
    asked: Mapping[str, object] = field(repr=False)
    answered: Mapping[str, object] = field(repr=False)

    @property
    def step_up(self) -> str | None:
        """What a stronger login would have to reach, where that is all that is missing (RFC 9470 §4)."""
        return self.acr if self.reason == "step_up" else None

    @property
    def over(self) -> bool:
        """Whether the token counts no longer, whatever is asked with it: its bearer logs in again."""
        return self.reason == "token_required"


@dataclass(frozen=True, slots=True)
class Renewed:
    """A new pair. The old refresh token is spent: keep this one before anything else is done."""

    access_token: str
    refresh_token: str


class WardSystem:
    """One registered system. Thread-safe; keep one for the life of the process.

    :param issuer: the ward's issuer.
    :param audience: the registered one, `aud` of the access tokens made for this system.
    :param signer: the registered key, for `private_key_jwt` (RFC 7523).
    :param http: how the provider is reached, such as through a proxy or with an internal CA.
    :param patience_s: seconds that one answer may take.
    """

    def __init__(
        self,
        issuer: str,
        client_id: str,
        audience: str,
        signer: Signer,
        *,
        http: httpx2.Client | None = None,
        clock: Clock | None = None,
        patience_s: float = _PATIENCE_S,
    ) -> None:
        self._client_id, self._audience, self._signer = client_id, audience, signer
        self._http, self._clock = http or httpx2.Client(), clock or SystemClock()
        self._provider = Provider(issuer, self._http, patience_s)
        self._keys = PublishedKeys(self._fetch_keys)
        self._lock = threading.Lock()
        self._own: tuple[str, float] = ("", 0.0)

    def close(self) -> None:
        """Let go of connections."""
        self._http.close()

    # Tokens of people.

    def verify(self, token: str) -> Access:
        """Verify an access token locally: signature, issuer, audience, time, and its shape.

        :raises TokenRefused: for a token that does not count here.
        :raises DecisionUnavailable: when the provider's keys cannot be had.
        """
        try:
            return read_access(token, self._claims(token, self._keys.get()))
        except TokenRejected as error:
            if error.code != "key":
                raise TokenRefused(error.code) from error
        try:
            return read_access(token, self._claims(token, self._keys.get(newer=True)))
        except TokenRejected as error:
            raise TokenRefused(error.code) from error

    def _claims(self, token: str, keys: KeySet) -> Mapping[str, object]:
        return verify_compact(
            token,
            keys,
            typ="at+jwt",
            issuer=self._provider.issuer,
            audience=self._audience,
            required=("sub", "client_id", "scope", "jti"),
            now=self._clock.now(),
        )

    def _fetch_keys(self) -> KeySet:
        published = self._provider.get(self._provider.endpoint("jwks_uri")).ok()
        if not published.get("keys"):
            raise DecisionUnavailable("the provider publishes no keys")
        return KeySet.from_jwks(published, ["ES256"])

    def refresh(self, refresh_token: str) -> Renewed:
        """New tokens for a refresh token (RFC 6749 §6). One at a time: a second use ends the login.

        :raises TokenRefused: when what it hangs from has ended or is on hold.
        :raises DecisionUnavailable: when nobody can tell; the same token may be tried again.
        """
        answer = self._ask_for_token({"grant_type": "refresh_token", "refresh_token": refresh_token})
        if answer.status == 400 and answer.document.get("error") == "invalid_grant":
            raise TokenRefused("invalid_grant")
        return Renewed(answer.member("access_token"), answer.member("refresh_token"))

    def introspect(self, token: str) -> Mapping[str, object]:
        """What the provider says of a token now (RFC 7662 §2.2), for who does not verify for themselves.

        :returns: `active`, and for a live token of this system what it says.
        :raises DecisionUnavailable: when nobody can tell.
        """
        said = self._ask_as_client("introspection_endpoint", {"token": token}).ok()
        if not isinstance(said.get("active"), bool):
            raise DecisionUnavailable("the answer does not say whether the token is active")
        return said

    # The system's own token.

    def _ask_for_token(self, form: Mapping[str, str]) -> Answer:
        return self._ask_as_client("token_endpoint", form)

    def _ask_as_client(self, endpoint: str, form: Mapping[str, str]) -> Answer:
        now = self._clock.now()
        claims = {
            "iss": self._client_id,
            "sub": self._client_id,
            "aud": self._provider.issuer,
            "jti": secrets.token_hex(16),
            "iat": int(now.timestamp()),
            "exp": int((now + _ASSERTION_LIFE).timestamp()),
        }
        assertion = sign_compact(claims, self._signer, typ="client-authentication+jwt")
        proof = {"client_assertion_type": _ASSERTION, "client_assertion": assertion}
        return self._provider.post_form(self._provider.endpoint(endpoint), {**form, **proof})

    def _own_token(self) -> str:
        with self._lock:
            token, until = self._own
        if time.monotonic() < until:
            return token
        asked = time.monotonic()
        answer = self._ask_for_token({"grant_type": "client_credentials", "scope": "decide"})
        token, lasts_s = answer.member("access_token"), answer.ok().get("expires_in")
        with self._lock:
            self._own = (token, asked + (lasts_s if isinstance(lasts_s, int) else 0) - _EARLY_S)
        return token

    def _drop_own(self, token: str) -> None:
        with self._lock:
            if self._own[0] == token:
                self._own = ("", 0.0)

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
        answer = self._evaluated(question)
        if answer.status == 401:  # our own token was ended before its time: with a new one, once
            answer = self._evaluated(question)
        return _decision(question, answer.ok())

    def _evaluated(self, question: Mapping[str, object]) -> Answer:
        own = self._own_token()
        answer = self._provider.post_json(f"{self._provider.issuer}/access/v1/evaluation", question, own)
        if answer.status == 401:
            self._drop_own(own)
        return answer


def _decision(question: Mapping[str, object], answer: Mapping[str, object]) -> Decision:
    """Read a response (AuthZEN §6.2); `decision` alone is required."""
    allowed, context = answer.get("decision"), answer.get("context", {})
    if not isinstance(allowed, bool) or not isinstance(context, Mapping):
        raise DecisionUnavailable("the answer holds no decision")
    texts, acr = context.get("reason_user"), context.get("acr_values")
    return Decision(
        allowed=allowed,
        reason=str(context.get("reason", "")),
        texts={str(k): str(v) for k, v in texts.items()} if isinstance(texts, Mapping) else {},
        acr=acr if isinstance(acr, str) else None,
        asked=question,
        answered=answer,
    )

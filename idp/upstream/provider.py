"""One upstream OpenID provider, of which the ward is a client: code flow with PKCE.

Authlib builds the authorization request and the code challenge. It makes and reads no JWT here, and sends
nothing: what leaves is capped in time and size, and follows no redirect.
"""

import secrets
import threading
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final
from urllib.parse import quote_plus, urlsplit

import httpx2
import structlog
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from card.clock import Clock, SystemClock
from card.faults import Fault
from card.jose import KeySet, Signer, TokenRejected, sign_compact
from delegation.client import DecisionUnavailable
from delegation.client.keys import PublishedKeys
from delegation.client.provider import Answer, Provider
from idp.upstream.identity import Expected, Identity, NotBelieved, check_userinfo, verify_id_token

_ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ASSERTION_S: Final = 60
_PATIENCE_S: Final = 5.0
_AT_ONCE: Final = 8
"""People who wait for one upstream at a time: the others' pages need threads too."""
_NO_GRANT: Final = "invalid_grant"
_WEAK: Final = frozenset({"acr", "account_type"})
"""What is true, and not enough."""
_log: Final = structlog.get_logger("upstream")


@dataclass(frozen=True, slots=True)
class PrivateKeyJwt:
    """The ward signs (RFC 7523 §2.2)."""

    signer: Signer


@dataclass(frozen=True, slots=True)
class ClientSecretBasic:
    """The ward knows a secret (RFC 6749 §2.3.1)."""

    secret: str


@dataclass(frozen=True, slots=True)
class Registration:
    """What the ward and the upstream agreed on.

    :param issuer: as the upstream writes it; every call goes to its origin.
    :param authentication: how the ward proves itself to the token endpoint.
    :param alg: the one algorithm of its ID tokens.
    :param acr_values: what is asked for (OIDC Core §3.1.2.1); empty where nothing is.
    :param acr: the words that an ID token's `acr` must hold.
    """

    issuer: str
    client_id: str
    authentication: PrivateKeyJwt | ClientSecretBasic
    alg: str
    acr_values: str
    acr: frozenset[str]


@dataclass(frozen=True, slots=True)
class Outing:
    """What was agreed on when a browser was sent out.

    :param redirect_uri: the callback, of this upstream alone.
    :param verifier: PKCE's (RFC 7636 §4.1).
    """

    redirect_uri: str
    nonce: str
    verifier: str


def _origin(address: str) -> tuple[str, str]:
    parts = urlsplit(address)
    return parts.scheme, parts.netloc


@contextmanager
def believing(name: str) -> Iterator[None]:
    """Turn what an upstream said and we do not believe into a refusal; the log says why."""
    try:
        yield
    except NotBelieved as error:
        _log.warning("refused", upstream=name, why=error.why)
        raise Fault("upstream.weak" if error.why in _WEAK else "upstream.refused") from error


class UpstreamProvider:
    """One of them.

    :param name: what it is called in addresses and logs.
    :param patience_s: seconds that one call may take.
    """

    def __init__(
        self,
        name: str,
        registration: Registration,
        clock: Clock | None = None,
        patience_s: float = _PATIENCE_S,
    ) -> None:
        self.name, self.registration = name, registration
        self._clock = clock or SystemClock()
        forgetful = CookieJar(DefaultCookiePolicy(allowed_domains=[]))  # its cookies would be everybody's
        self._http = httpx2.Client(cookies=forgetful)
        self._provider = Provider(registration.issuer, self._http, patience_s)
        self._keys = PublishedKeys(self._fetch_keys)
        self._waiting = threading.BoundedSemaphore(_AT_ONCE)

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def _endpoint(self, name: str) -> str:
        """An address of the metadata: at the issuer's own origin, or nobody is asked there."""
        address = self._provider.endpoint(name)
        if _origin(address) != _origin(self.registration.issuer):
            raise DecisionUnavailable(f"{name} is of another origin")
        return address

    def _fetch_keys(self) -> KeySet:
        document = self._provider.get(self._endpoint("jwks_uri")).ok()
        return KeySet.from_jwks(document, {self.registration.alg})

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Turn whatever keeps an answer away into one thing, and what does not count into another."""
        if not self._waiting.acquire(blocking=False):
            raise Fault("upstream.unavailable")
        try:
            with believing(self.name):
                yield
        except DecisionUnavailable as error:
            raise Fault("upstream.unavailable") from error
        finally:
            self._waiting.release()

    def authorization_endpoint(self) -> str:
        """Where browsers are sent.

        :raises Fault: `upstream.unavailable`.
        """
        with self._asking():
            return self._endpoint("authorization_endpoint")

    def authorization_request(self, endpoint: str, outing: Outing, *, scope: str, state: str) -> str:
        """The address to send a browser to (OIDC Core §3.1.2.1, RFC 7636 §4.3); nothing is asked here."""
        made: str = prepare_grant_uri(
            endpoint,
            self.registration.client_id,
            "code",
            redirect_uri=outing.redirect_uri,
            scope=scope,
            state=state,
            nonce=outing.nonce,
            code_challenge=create_s256_code_challenge(outing.verifier),
            code_challenge_method="S256",
            acr_values=self.registration.acr_values or None,
        )
        return made

    def identify(self, outing: Outing, code: str, iss: str | None, *, userinfo: bool) -> Identity:
        """Redeem a code, and verify what comes for it.

        :param iss: the answer's own, None where it had none (RFC 9207 §2.4).
        :param userinfo: ask for claims too.
        :raises Fault: `upstream.unavailable`, or when it does not count `upstream.refused`, `upstream.weak`.
        """
        with self._asking():
            self._check_issuer(iss)
            tokens = self._redeem(outing, code)
            access_token = tokens.member("access_token")
            sub, authenticated_at = self._verified(tokens.member("id_token"), outing.nonce, access_token)
            told: Mapping[str, object] = {}
            if userinfo:
                told = self._provider.get(self._endpoint("userinfo_endpoint"), access_token).ok()
                check_userinfo(told, sub)
            return Identity(f"{self.registration.issuer} {sub}", authenticated_at, told)

    def _check_issuer(self, iss: str | None) -> None:
        """RFC 9207 §2.4: an `iss` is there if it was announced, and it is the right one if it is there."""
        announced = self._provider.metadata().ok().get("authorization_response_iss_parameter_supported")
        if iss != self.registration.issuer and not (iss is None and announced is not True):
            raise NotBelieved("iss")

    def _redeem(self, outing: Outing, code: str) -> Answer:
        """RFC 6749 §4.1.3, RFC 7636 §4.5."""
        endpoint = self._endpoint("token_endpoint")
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": outing.redirect_uri,
            "code_verifier": outing.verifier,
        }
        match self.registration.authentication:
            case PrivateKeyJwt(signer):
                answer = self._provider.post_form(endpoint, form | self._assertion(endpoint, signer))
            case ClientSecretBasic(secret):
                answer = self._provider.post_form(endpoint, form, self._basic(secret))
        if (
            answer.document.get("error") == _NO_GRANT
        ):  # anything else that it refuses is not the person's fault
            raise NotBelieved(_NO_GRANT)
        if answer.member("token_type").lower() != "bearer":
            raise NotBelieved("token_type")
        return answer

    def _assertion(self, endpoint: str, signer: Signer) -> dict[str, str]:
        """`private_key_jwt`; its `aud` is the token endpoint (OIDC Core §9)."""
        client, now = self.registration.client_id, int(self._clock.now().timestamp())
        proof = {
            "iss": client,
            "sub": client,
            "aud": endpoint,
            "jti": secrets.token_hex(16),
            "iat": now,
            "exp": now + _ASSERTION_S,
        }
        return {
            "client_id": client,
            "client_assertion_type": _ASSERTION_TYPE,
            "client_assertion": sign_compact(proof, signer, typ="JWT"),
        }

    def _basic(self, secret: str) -> Mapping[str, str]:
        """`client_secret_basic`: each part is encoded as in a form (RFC 6749 §2.3.1)."""
        pair = f"{quote_plus(self.registration.client_id)}:{quote_plus(secret)}"
        return {"Authorization": f"Basic {b64encode(pair.encode()).decode('ascii')}"}

    def _verified(self, token: str, nonce: str, access_token: str) -> tuple[str, datetime]:
        mine = self.registration
        expected = Expected(mine.issuer, mine.client_id, nonce, mine.acr)
        now = self._clock.now()
        try:
            return verify_id_token(token, self._keys.get(), expected, access_token, now)
        except TokenRejected:  # a key that was published a moment ago
            pass
        try:
            return verify_id_token(token, self._keys.get(newer=True), expected, access_token, now)
        except TokenRejected as rejected:
            raise NotBelieved(rejected.code) from rejected

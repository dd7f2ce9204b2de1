"""An access token that someone shows: verified, and whether what it hangs from still lives."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from assurance.levels import ACTING, Requirement
from assurance.login import Login
from assurance.thresholds import Thresholds
from card.clock import Clock
from card.jose import KeySet, TokenRejected, unverified_claims, verify_compact
from idp.token.standing import Standing

ACCESS_TYPE: Final = "at+jwt"
_MOST_REMEMBERED: Final = 10_000


class AccessTokens:
    """Verifies our own access tokens, and remembers which signatures it verified.

    What a token allows is never remembered: expiry is judged every time here, and everything else by whoever
    looks up what the token hangs from.
    """

    def __init__(self, issuer: str, keys: KeySet, clock: Clock) -> None:
        self._issuer, self._keys, self._clock = issuer, keys, clock
        self._verified: dict[bytes, Mapping[str, object]] = {}

    def read(self, token: str) -> Mapping[str, object] | None:
        """The claims of a token of ours in its time, whatever its audience; None for anything else."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        claims = self._verified.get(digest)
        if claims is None:
            claims = self._verify(token)
            if claims is not None:
                self._remember(digest, claims)
        elif self._clock.now().timestamp() >= float(str(claims["exp"])):
            del self._verified[digest]
            return None
        return claims

    def _verify(self, token: str) -> Mapping[str, object] | None:
        try:
            audience = unverified_claims(token).get("aud")
            return verify_compact(
                token,
                self._keys,
                typ=ACCESS_TYPE,
                issuer=self._issuer,
                audience=audience if isinstance(audience, str) else "",
                required=("sub", "client_id", "scope", "jti"),
                now=self._clock.now(),
            )
        except TokenRejected:
            return None

    def _remember(self, digest: bytes, claims: Mapping[str, object]) -> None:
        if len(self._verified) >= _MOST_REMEMBERED:
            self._verified.pop(next(iter(self._verified)), None)
        self._verified[digest] = claims


def authorization_of(claims: Mapping[str, object]) -> str:
    """The authorization that a person's token hangs from; empty for a client's own token."""
    id_, dot, _ = str(claims["jti"]).partition(".")
    return id_ if dot else ""


@dataclass(frozen=True, slots=True)
class Presented:
    """A live access token of a person."""

    claims: Mapping[str, object]
    standing: Standing
    login: Login

    @property
    def scopes(self) -> frozenset[str]:
        """Its scopes."""
        return frozenset(str(self.claims["scope"]).split())


def may_act(standing: Standing, login: Login, now: datetime) -> bool:
    """Whether a login may use what an authorization acts under: always so for oneself.

    Both the grant and the level that acting needs are judged anew, whenever a token is made or shown.
    """
    if standing.grant is None:
        return True
    return standing.usable is not None and login.assurance.meets(Requirement(ACTING), now)


def presented(
    claims: Mapping[str, object] | None, standing: Standing | None, now: datetime, thresholds: Thresholds
) -> Presented | None:
    """A token that was verified, if what it hangs from lives."""
    login = None if standing is None else standing.live_login(now, thresholds)
    if claims is None or standing is None or login is None or not may_act(standing, login, now):
        return None
    return Presented(claims, standing, login)

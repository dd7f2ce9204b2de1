"""How a request key names its successor, and how a bridge follows it there.

A bridge knows a provider by the key that was pinned when it was enrolled. When the provider rotates that key,
the old one signs a statement about the new one, and every request carries the newest few of these, so that a
bridge needs no network to learn of them. A statement counts only if the newest key that the bridge knows
signed it; from then on the keys before it sign requests for an hour more and name nobody any more.

Whoever steals a request key can do what its owner could: ask for signatures in the provider's name over bytes
of the provider's own kind, whose answers go to the pinned address alone; and name a successor to bridges that
have not heard of the true one, which then refuse the provider. No statement takes that back. The provider
rotates at once, and whoever looks after such a bridge enrols it anew: what is pinned goes before what was
followed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Self

from card.jose import (
    KeySet,
    Signer,
    TokenRejected,
    VerificationKey,
    p256_members,
    sign_compact,
    thumbprint,
    unverified_header,
    verify_statement,
)

TYP: Final = "dairi-request-key-successor+jwt"
MOST: Final = 2
"""Statements in one request: as many rotations as a bridge may sleep through.

A login's request rides in a redirect, each statement adds 650 bytes, and a reverse proxy may let no more than
4 KiB of header pass.
"""
GRACE: Final = timedelta(hours=1)
"""A request lives half an hour, and the processes of one provider start anew one after the other."""
_MAX_BYTES: Final = 1024
_CLOCK_SKEW: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class RequestKey:
    """A key that an issuer signs requests with.

    :param jwk: its public members, and no other: its name is its thumbprint (RFC 7638), whatever it says.
    :param until: when its requests end to count; None while it has no successor.
    """

    jwk: Mapping[str, str]
    until: datetime | None = None

    @classmethod
    def from_jwk(cls, jwk: Mapping[str, object], until: datetime | None = None) -> Self:
        """Take a public key.

        :raises ValueError: when it is none for ES256.
        """
        return cls(p256_members(jwk), until)

    @property
    def kid(self) -> str:
        """Its thumbprint."""
        return thumbprint(self.jwk)

    def verification_key(self) -> VerificationKey:
        """What verifies its signatures."""
        return VerificationKey.from_jwk(self.jwk, "ES256")


def certify(issuer: str, successor: Mapping[str, str], signer: Signer, now: datetime) -> str:
    """Say, with the key that signs requests now, which one will.

    :param successor: the public JWK.
    """
    claims = {"iss": issuer, "successor": p256_members(successor), "iat": int(now.timestamp())}
    return sign_compact(claims, signer, typ=TYP)


def follow(
    line: Sequence[RequestKey], statements: object, issuer: str, now: datetime
) -> Sequence[RequestKey]:
    """Follow an issuer from the newest key that is known to the newest that is named.

    :param line: its keys, the oldest first.
    :param statements: what a request carries, the oldest first. Those about keys that were passed already,
        or that came before the pinned one, lead nowhere.
    :returns: the line, longer where someone was named.
    :raises TokenRejected: for what is no list of at most `MOST` statements, and for one that is forged, of
        another issuer, of the future, out of its order, or about a key that had its time.
    """
    start = len(line)
    for statement in _read(statements):
        newest = line[-1]
        if unverified_header(statement, max_bytes=_MAX_BYTES).get("kid") != newest.kid:
            if len(line) > start:
                raise TokenRejected("key", "out of order")
            continue
        named = _named(statement, newest, issuer, now)
        if named.kid in {key.kid for key in line}:
            raise TokenRejected("claims", "names a key that had its time")
        line = [*line[:-1], replace(newest, until=now + GRACE), named]
    return line


def _read(statements: object) -> Sequence[str]:
    found = statements if isinstance(statements, list) else []
    texts = [statement for statement in found if isinstance(statement, str)]
    if texts != statements or len(texts) > MOST:
        raise TokenRejected("claims", f"not at most {MOST} statements")
    return texts


def _named(statement: str, by: RequestKey, issuer: str, now: datetime) -> RequestKey:
    keys = KeySet([by.verification_key()])
    claims = verify_statement(statement, keys, typ=TYP, max_bytes=_MAX_BYTES)
    if claims.get("iss") != issuer:
        raise TokenRejected("issuer")
    issued, successor = claims.get("iat"), claims.get("successor")
    if not isinstance(issued, int) or issued > (now + _CLOCK_SKEW).timestamp():
        raise TokenRejected("not_yet")
    try:
        return RequestKey.from_jwk(successor if isinstance(successor, Mapping) else {})
    except ValueError as error:
        raise TokenRejected("claims", "names no key") from error


def key_set(line: Sequence[RequestKey], now: datetime) -> KeySet:
    """What a request may be signed with now."""
    return KeySet([key.verification_key() for key in line if key.until is None or now < key.until])

"""Client authentication (RFC 6749 §2.3, RFC 7523 §3, OIDC Core §9): judged here, chosen by Authlib."""

from base64 import b64decode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import unquote_plus

from assurance.batch import Insert
from assurance.handles import hashed
from card.jose import TokenRejected, unverified_claims, verify_compact
from idp.clients import Client
from idp.services import Services
from idp.token.lookups import USED_JTI

METHODS: Final = ["client_secret_basic", "private_key_jwt"]
ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_LONGEST_ASSERTION: Final = timedelta(hours=1, seconds=60)
"""An hour, as client libraries make them, on a clock that is a minute ahead."""


def _unverified(assertion: str) -> Mapping[str, object]:
    try:
        return unverified_claims(assertion)
    except TokenRejected:
        return {}


def _text(claims: Mapping[str, object], name: str) -> str:
    value = claims.get(name)
    return value if isinstance(value, str) else ""


@dataclass(frozen=True, slots=True)
class Claimed:
    """Whom a request says that it comes from; nothing is believed yet.

    :param secret: of `client_secret_basic`, None without one.
    :param jti: of an assertion, empty without one.
    """

    client_id: str = ""
    secret: str | None = None
    jti: str = ""


def _basic(header: str) -> Claimed:
    """RFC 6749 §2.3.1: both halves are form-encoded before they are joined."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return Claimed()
    try:
        id_, colon, secret = b64decode(encoded.strip(), validate=True).decode("utf-8").partition(":")
    except ValueError:
        return Claimed()
    return Claimed(unquote_plus(id_), unquote_plus(secret)) if colon else Claimed()


def shows_two(form: Mapping[str, str], header: str | None) -> bool:
    """Whether a request authenticates in more than one way, which makes it malformed (RFC 6749 §5.2).

    :param header: its `Authorization`.
    """
    return (header is not None) + ("client_assertion" in form) + ("client_secret" in form) > 1


def read_claimed(form: Mapping[str, str], header: str | None) -> Claimed:
    """Read whom a request says that it comes from; who names another in the form is nobody (RFC 6749 §2.3).

    :param header: its `Authorization`.
    """
    assertion = form.get("client_assertion")
    claimed = _basic(header or "")
    if assertion is not None:
        claims = _unverified(assertion)
        claimed = Claimed(_text(claims, "sub"), jti=_text(claims, "jti"))
    return claimed if form.get("client_id", claimed.client_id) == claimed.client_id else Claimed()


def _verified(client: Client, assertion: str, audience: str, now: datetime) -> Mapping[str, Any] | None:
    for keys in client.keys(now):
        with suppress(TokenRejected):
            return verify_compact(
                assertion,
                keys,
                typ=("", "JWT", "client-authentication+jwt"),
                issuer=client.client_id,
                audience=audience,
                required=("sub", "jti"),
                now=now,
                leeway_s=10,
            )
    return None


def verify_assertion(
    services: Services, client: Client, form: Mapping[str, str], *, used: bool
) -> Insert | None:
    """Judge a client's assertion.

    :param used: whether it was used before, as far as is known now.
    :returns: the row by which it is used; None for one that does not count.
    """
    now, issuer = services.clock.now(), services.ward.issuer
    if form.get("client_assertion_type") != ASSERTION_TYPE or used:
        return None
    assertion, ours = form.get("client_assertion", ""), {issuer, f"{issuer}/token"}
    audience = _unverified(assertion).get("aud")
    claims = _verified(
        client, assertion, audience if isinstance(audience, str) and audience in ours else issuer, now
    )
    if claims is None:
        return None
    expires = datetime.fromtimestamp(float(claims["exp"]), UTC)
    if claims["sub"] != client.client_id or expires > now + _LONGEST_ASSERTION:
        return None
    if not isinstance(claims["jti"], str) or not claims["jti"]:
        return None
    values = {
        "ward": services.ward.code,
        "client_id": client.client_id,
        "jti": hashed(claims["jti"]),
        "expires_at": expires,
    }
    return Insert(USED_JTI, values)

"""Client authentication (RFC 6749 §2.3, RFC 7523 §3, OIDC Core §9)."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from authlib.oauth2.rfc6749.util import extract_basic_authorization

from assurance.batch import Insert
from assurance.handles import hashed
from card.jose import TokenRejected, unverified_claims, verify_compact
from idp.clients import Client
from idp.services import Services
from idp.token.lookups import USED_JTI

METHODS: Final = ["client_secret_basic", "private_key_jwt"]
ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_LONGEST_ASSERTION: Final = timedelta(hours=1)


def _unverified(assertion: str) -> Mapping[str, object]:
    try:
        return unverified_claims(assertion)
    except TokenRejected:
        return {}


def _text(claims: Mapping[str, object], name: str) -> str:
    value = claims.get(name)
    return value if isinstance(value, str) else ""


def named_client(form: Mapping[str, str], headers: Mapping[str, str]) -> tuple[str, str]:
    """Whom a request says that it comes from, and the id of its assertion; nothing is believed yet.

    Someone who shows two credentials at once is nobody (RFC 6749 §2.3).
    """
    basic, _ = extract_basic_authorization(headers)
    assertion = form.get("client_assertion")
    if assertion is None:
        return basic or "", ""
    claims = _unverified(assertion)
    return "" if basic else _text(claims, "sub"), _text(claims, "jti")


def verify_assertion(
    services: Services, client: Client, form: Mapping[str, str], *, used: bool
) -> Insert | None:
    """Judge a client's assertion.

    :param used: whether it was used before, as far as is known now.
    :returns: the row by which it is used; None for one that does not count.
    """
    said, now, issuer = form.get("client_id", client.client_id), services.clock.now(), services.ward.issuer
    if form.get("client_assertion_type") != ASSERTION_TYPE or said != client.client_id or used:
        return None
    assertion, ours = form.get("client_assertion", ""), {issuer, f"{issuer}/token"}
    audience = _unverified(assertion).get("aud")
    try:
        claims: Mapping[str, Any] = verify_compact(
            assertion,
            client.keys,
            typ=("JWT", "client-authentication+jwt"),
            issuer=client.client_id,
            audience=audience if isinstance(audience, str) and audience in ours else issuer,
            required=("sub", "jti"),
            now=now,
            leeway_s=10,
        )
    except TokenRejected:
        return None
    expires = datetime.fromtimestamp(float(claims["exp"]), UTC)
    if claims["sub"] != client.client_id or expires > now + _LONGEST_ASSERTION:
        return None
    if not isinstance(claims["jti"], str):
        return None
    values = {
        "ward": services.ward.code,
        "client_id": client.client_id,
        "jti": hashed(claims["jti"]),
        "expires_at": expires,
    }
    return Insert(USED_JTI, values)

"""What a bridge on a ward's PC adds to a container: a JWS by its own key, which staff enrolled.

It proves that the container passed a program that holds that PC's key, on its way to this one address, for
this one request. Our bridge signs so only after it showed who asks and took the PIN on its own page, for a
provider that it knows; a program that makes the card sign behind the person's back has no such key. It does
not prove who sat there, or that the PC is clean: what runs as the bridge's user can read the key file, and
countersign whatever it likes. Hence only PCs are enrolled that the ward looks after, and revoked when lost.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from card.faults import CardRejected
from card.jose import (
    KeySet,
    Signer,
    TokenRejected,
    VerificationKey,
    b64url_encode,
    sign_compact,
    thumbprint,
    unverified_claims,
    verify_compact,
)
from card.request import CardRequest

TYP: Final = "dairi-countersignature+jwt"
_MAX_BYTES: Final = 2048


def _digest(container: str) -> str:
    return b64url_encode(hashlib.sha256(container.encode("utf-8")).digest())


def countersign(request: CardRequest, container: str, signer: Signer, now: datetime) -> str:
    """Countersign what is posted.

    :param container: the text as it is posted.
    :param signer: the bridge's key, named by its thumbprint (RFC 7638).
    """
    claims = {
        "iss": signer.kid,
        "aud": request.response_uri,
        "state": request.state,
        "container": _digest(container),
        "iat": int(now.timestamp()),
        "exp": int(request.expires_at.timestamp()),
    }
    return sign_compact(claims, signer, typ=TYP)


def claimed_bridge(countersignature: str) -> str:
    """Which bridge it says to be of, to load its key; nothing is believed yet.

    :raises CardRejected: `card.countersignature`.
    """
    try:
        claimed = unverified_claims(countersignature, max_bytes=_MAX_BYTES).get("iss")
    except TokenRejected as refusal:
        raise CardRejected("card.countersignature") from refusal
    if not isinstance(claimed, str):
        raise CardRejected("card.countersignature")
    return claimed


def check_countersignature(
    countersignature: str,
    jwk: Mapping[str, object],
    *,
    response_uri: str,
    state: str,
    container: str,
    now: datetime,
) -> None:
    """Verify what a bridge signed beside a container.

    :param jwk: the enrolled public key of the bridge that it says to be of.
    :param container: the text as it was posted.
    :raises CardRejected: `card.countersignature`: it is forged, or over another answer, or late.
    """
    try:
        claims = verify_compact(
            countersignature,
            KeySet([VerificationKey.from_jwk(jwk, "ES256")]),
            typ=TYP,
            issuer=thumbprint(jwk),
            audience=response_uri,
            now=now,
            required=("iat", "state", "container"),
            max_bytes=_MAX_BYTES,
        )
    except TokenRejected as refusal:
        raise CardRejected("card.countersignature") from refusal
    if (claims["state"], claims["container"]) != (state, _digest(container)):
        raise CardRejected("card.countersignature")

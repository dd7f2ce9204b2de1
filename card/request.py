"""What a provider asks of a bridge: a JWS signed by the issuer's request key (after RFC 9101).

The request key is of its own, so that rotating token keys breaks no bridge. The bridge answers by a form
POST to `response_uri` with `state` and one `container` per item, in order; or with `state` and `error`.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from card.certificates import Purpose
from card.container import SigningPurpose, ToBeSigned
from card.faults import Fault
from card.jose import (
    KeySet,
    Signer,
    TokenRejected,
    b64url_encode,
    sign_compact,
    unverified_claims,
    verify_compact,
)

TYP: Final = "dairi-card-request+jwt"
AUDIENCE: Final = "dairi-bridge"
MAX_BYTES: Final = 65536
_REQUIRED: Final = (
    "iss", "issuer_name", "response_uri", "cancel_uri", "purpose", "state", "items", "challenge", "iat", "jti"
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RequestItem:
    """One signature that is asked for, and which of the card's keys makes it."""

    certificate: Purpose
    to_be_signed: ToBeSigned


@dataclass(frozen=True, slots=True)
class CardRequest:
    """A request as the provider made it or the bridge verified it.

    :param issuer_name: who asks, per locale; shown above everything else.
    :param response_uri: where the answer is posted, equal to the `aud` of what is signed.
    :param cancel_uri: where the person goes who changes her mind.
    :param text: what is signed, per locale, where a person decides something.
    """

    issuer: str
    issuer_name: Mapping[str, str]
    response_uri: str
    cancel_uri: str
    purpose: SigningPurpose
    state: str
    items: tuple[RequestItem, ...]
    issued_at: datetime
    expires_at: datetime
    request_id: str
    text: Mapping[str, str] | None = None

    @property
    def challenge(self) -> str:
        """SHA-256 over everything to be signed, base64url."""
        joined = b"\n".join(item.to_be_signed.signing_input for item in self.items)
        return b64url_encode(hashlib.sha256(joined).digest())


@dataclass(frozen=True, slots=True)
class EnrolledIssuer:
    """A provider that this bridge works for, pinned at enrolment."""

    issuer: str
    response_uri: str
    request_keys: KeySet


def sign_request(request: CardRequest, signer: Signer) -> str:
    """Make the compact JWS that the browser carries to the bridge."""
    claims: dict[str, object] = {
        "iss": request.issuer,
        "aud": AUDIENCE,
        "issuer_name": dict(request.issuer_name),
        "response_uri": request.response_uri,
        "cancel_uri": request.cancel_uri,
        "purpose": str(request.purpose),
        "state": request.state,
        "items": [
            {
                "certificate": str(item.certificate),
                "protected": item.to_be_signed.protected,
                "payload": item.to_be_signed.payload,
            }
            for item in request.items
        ],
        "challenge": request.challenge,
        "iat": int(request.issued_at.timestamp()),
        "exp": int(request.expires_at.timestamp()),
        "jti": request.request_id,
    }
    if request.text is not None:
        claims["text"] = dict(request.text)
    return sign_compact(claims, signer, typ=TYP)


def _texts(value: object) -> Mapping[str, str]:
    if not isinstance(value, Mapping) or not all(isinstance(text, str) for text in value.values()):
        raise Fault("bridge.request_invalid")
    return {str(locale): str(text) for locale, text in value.items()}


def _text(claims: Mapping[str, object], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        raise Fault("bridge.request_invalid")
    return value


def _items(value: object) -> tuple[RequestItem, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str) or not 1 <= len(value) <= 2:
        raise Fault("bridge.request_invalid")
    items: list[RequestItem] = []
    for entry in value:
        if not isinstance(entry, Mapping) or entry.keys() != {"certificate", "protected", "payload"}:
            raise Fault("bridge.request_invalid")
        try:
            purpose = Purpose(_text(entry, "certificate"))
        except ValueError as error:
            raise Fault("bridge.request_invalid") from error
        items.append(RequestItem(purpose, ToBeSigned(_text(entry, "protected"), _text(entry, "payload"))))
    return tuple(items)


def read_request(jws: str, enrolled: Mapping[str, EnrolledIssuer], now: datetime) -> CardRequest:
    """Verify a request at the bridge.

    :raises Fault: `bridge.unknown_issuer`, `bridge.request_invalid`, `bridge.expired` or
        `bridge.response_uri`.
    """
    try:
        claimed = unverified_claims(jws, max_bytes=MAX_BYTES).get("iss")
        issuer = enrolled.get(claimed) if isinstance(claimed, str) else None
        if issuer is None:
            raise Fault("bridge.unknown_issuer")
        claims = verify_compact(
            jws,
            issuer.request_keys,
            typ=TYP,
            issuer=issuer.issuer,
            audience=AUDIENCE,
            now=now,
            required=_REQUIRED,
            max_bytes=MAX_BYTES,
        )
    except TokenRejected as refusal:
        raise Fault("bridge.expired" if refusal.code == "expired" else "bridge.request_invalid") from refusal
    if claims["response_uri"] != issuer.response_uri:
        raise Fault("bridge.response_uri")
    request = _read(claims, now)
    if request.challenge != claims["challenge"]:
        raise Fault("bridge.request_invalid")
    return request


def _read(claims: Mapping[str, object], now: datetime) -> CardRequest:
    issued, expires = claims["iat"], claims["exp"]
    if not isinstance(issued, int) or not isinstance(expires, int):
        raise Fault("bridge.request_invalid")
    try:
        purpose = SigningPurpose(_text(claims, "purpose"))
    except ValueError as error:
        raise Fault("bridge.request_invalid") from error
    return CardRequest(
        issuer=_text(claims, "iss"),
        issuer_name=_texts(claims["issuer_name"]),
        response_uri=_text(claims, "response_uri"),
        cancel_uri=_text(claims, "cancel_uri"),
        purpose=purpose,
        state=_text(claims, "state"),
        items=_items(claims["items"]),
        issued_at=datetime.fromtimestamp(issued, now.tzinfo),
        expires_at=datetime.fromtimestamp(expires, now.tzinfo),
        request_id=_text(claims, "jti"),
        text=_texts(claims["text"]) if "text" in claims else None,
    )

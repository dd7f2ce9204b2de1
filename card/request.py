"""What a provider asks of a bridge: a JWS signed by the issuer's request key (after RFC 9101).

The request key is of its own, so that rotating token keys breaks no bridge. The bridge answers by a form
POST of `state` and `container` to `response_uri`. It signs nothing that it has not read: the bytes belong to
the request's own issuer, address and purpose, and the text it shows is the one that they hold. Or it reads
what is printed on the card, for a ward system to fill a form in with; then nothing is signed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from card.certificates import Purpose
from card.container import SigningPurpose, ToBeSigned, protected_header, refuse_controls
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
READING: Final = "reading"
"""The purpose of a request that has nothing signed."""
_REQUIRED: Final = (
    "iss", "issuer_name", "response_uri", "cancel_uri", "purpose", "state", "iat", "jti"
)  # fmt: skip


class RequestRefused(Fault):
    """The bridge does not obey a request.

    :param cancel_uri: the way back, where the request is truly its issuer's.
    """

    def __init__(self, code: str, cancel_uri: str | None = None) -> None:
        super().__init__(code)
        self.cancel_uri = cancel_uri


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeRequest:
    """What every request says.

    :param issuer_name: who asks, per locale; shown above everything else.
    :param response_uri: where the answer is posted.
    :param cancel_uri: where the person goes who changes her mind; a page of the same origin.
    """

    issuer: str
    issuer_name: Mapping[str, str]
    response_uri: str
    cancel_uri: str
    state: str
    issued_at: datetime
    expires_at: datetime
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CardRequest(BridgeRequest):
    """A request for a signature, as the provider made it or the bridge verified it.

    :param to_be_signed: the bytes that the provider made; their `aud` is `response_uri`. Those of a linking
        request lack the certificates.
    :param text: where a person decides something, the payload's `text`, under the locale it is written in.
    """

    purpose: SigningPurpose
    to_be_signed: ToBeSigned
    text: Mapping[str, str] | None = None

    @property
    def certificate(self) -> Purpose:
        """Which of the card's keys signs; of a linking request, which takes both, the first."""
        return self.purpose.certificates[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingRequest(BridgeRequest):
    """A request for what is printed on the card.

    :param reader_name: the ward system that gets it, per locale; the holder consents to that.
    """

    reader_name: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class EnrolledIssuer:
    """A provider that this bridge works for, pinned at enrolment."""

    issuer: str
    response_uri: str
    request_keys: KeySet


def sign_request(
    request: CardRequest | ReadingRequest, signer: Signer, successors: Sequence[str] = ()
) -> str:
    """Make the compact JWS that the browser carries to the bridge.

    Of `text` the locale alone travels: the words are those in the payload.

    :param successors: how the signer's key came after the ones before it (`card.successors`).
    """
    claims: dict[str, object] = {
        "iss": request.issuer,
        "aud": AUDIENCE,
        "issuer_name": dict(request.issuer_name),
        "response_uri": request.response_uri,
        "cancel_uri": request.cancel_uri,
        "state": request.state,
        "iat": int(request.issued_at.timestamp()),
        "exp": int(request.expires_at.timestamp()),
        "jti": request.request_id,
    }
    if successors:
        claims["successors"] = list(successors)
    if isinstance(request, ReadingRequest):
        claims |= {"purpose": READING, "reader_name": dict(request.reader_name)}
        return sign_compact(claims, signer, typ=TYP)
    made = request.to_be_signed
    claims |= {
        "purpose": str(request.purpose),
        "protected": made.protected,
        "payload": made.payload,
        "challenge": b64url_encode(made.digest),
    }
    if request.text is not None:
        claims["locale"] = next(iter(request.text))
    return sign_compact(claims, signer, typ=TYP)


def read_request(
    jws: str, enrolled: Mapping[str, EnrolledIssuer], now: datetime
) -> CardRequest | ReadingRequest:
    """Verify a request at the bridge.

    :raises RequestRefused: `bridge.unknown_issuer`, `bridge.unknown_key`, `bridge.request_invalid`,
        `bridge.expired`, `bridge.response_uri`, or `card.text_controls` for a text that hides characters.
    """
    try:
        claimed = unverified_claims(jws, max_bytes=MAX_BYTES).get("iss")
    except TokenRejected as refusal:
        raise RequestRefused("bridge.request_invalid") from refusal
    issuer = enrolled.get(claimed) if isinstance(claimed, str) else None
    if issuer is None:
        raise RequestRefused("bridge.unknown_issuer")
    claims = _verified(jws, issuer, now)
    way_back = _way_back(claims, issuer)
    if way_back is None:
        raise RequestRefused("bridge.request_invalid")
    try:
        return _read(claims, issuer, now)
    except Fault as refusal:
        raise RequestRefused(refusal.code, way_back) from refusal


def _verified(jws: str, issuer: EnrolledIssuer, now: datetime) -> Mapping[str, object]:
    try:
        return verify_compact(
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
        if refusal.code == "key":
            raise RequestRefused("bridge.unknown_key") from refusal
        if refusal.code != "expired":
            raise RequestRefused("bridge.request_invalid") from refusal
        # Its times are judged last: the request is late, and otherwise truly the issuer's.
        claims = unverified_claims(jws, max_bytes=MAX_BYTES)
        raise RequestRefused("bridge.expired", _way_back(claims, issuer)) from refusal


def _way_back(claims: Mapping[str, object], issuer: EnrolledIssuer) -> str | None:
    """The issuer's own page that the person came from; an address elsewhere is none (RFC 9700 §4.11)."""
    uri = claims["cancel_uri"]
    if not isinstance(uri, str):
        return None
    try:
        asked, pinned = urlsplit(uri), urlsplit(issuer.response_uri)
    except ValueError:
        return None
    return uri if (asked.scheme, asked.netloc) == (pinned.scheme, pinned.netloc) else None


def _read(
    claims: Mapping[str, object], issuer: EnrolledIssuer, now: datetime
) -> CardRequest | ReadingRequest:
    if claims["response_uri"] != issuer.response_uri:
        raise Fault("bridge.response_uri")
    if claims["purpose"] == READING:
        return ReadingRequest(reader_name=_names(claims.get("reader_name")), **_said(claims, issuer, now))
    purpose, made = _purpose(claims), ToBeSigned(_text(claims, "protected"), _text(claims, "payload"))
    shown = _check_bytes(made, purpose, issuer)
    if claims.get("challenge") != b64url_encode(made.digest):
        raise Fault("bridge.request_invalid")
    text = None if shown is None else {_text(claims, "locale"): shown}
    return CardRequest(purpose=purpose, to_be_signed=made, text=text, **_said(claims, issuer, now))


def _said(claims: Mapping[str, object], issuer: EnrolledIssuer, now: datetime) -> dict[str, Any]:
    """What every request says, by the names of `BridgeRequest`."""
    return {
        "issuer": issuer.issuer,
        "issuer_name": _names(claims["issuer_name"]),
        "response_uri": issuer.response_uri,
        "cancel_uri": _text(claims, "cancel_uri"),
        "state": _text(claims, "state"),
        "issued_at": _moment(claims["iat"], now),
        "expires_at": _moment(claims["exp"], now),
        "request_id": _text(claims, "jti"),
    }


def _purpose(claims: Mapping[str, object]) -> SigningPurpose:
    try:
        return SigningPurpose(_text(claims, "purpose"))
    except ValueError as error:
        raise Fault("bridge.request_invalid") from error


def _check_bytes(made: ToBeSigned, purpose: SigningPurpose, issuer: EnrolledIssuer) -> str | None:
    """Read what the card is about to sign; else an issuer could have anything signed, as any other.

    :returns: the text that it holds.
    """
    try:
        header, claims = made.header(), made.claims()
    except ValueError as error:
        raise Fault("bridge.request_invalid") from error
    own = {"iss": issuer.issuer, "aud": issuer.response_uri, "purpose": str(purpose)}
    if header != protected_header(purpose) or own != {name: claims.get(name) for name in own}:
        raise Fault("bridge.request_invalid")
    if "certificates" in claims:  # which card it is, says the card
        raise Fault("bridge.request_invalid")
    if purpose is SigningPurpose.LOGIN and "text" not in claims:
        return None
    text = _text(claims, "text")
    refuse_controls(text)
    return text


def _names(value: object) -> Mapping[str, str]:
    names = value if isinstance(value, Mapping) else {}
    if not names or not all(isinstance(name, str) for name in names.values()):
        raise Fault("bridge.request_invalid")
    return {str(locale): str(name) for locale, name in names.items()}


def _text(claims: Mapping[str, object], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        raise Fault("bridge.request_invalid")
    return value


def _moment(value: object, now: datetime) -> datetime:
    if not isinstance(value, int):
        raise Fault("bridge.request_invalid")
    try:
        return datetime.fromtimestamp(value, now.tzinfo)
    except (ValueError, OverflowError, OSError) as error:
        raise Fault("bridge.request_invalid") from error

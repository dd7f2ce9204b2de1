"""One container for everything a card signs: a flattened JWS over bytes that the provider made.

Purposes never share a `typ`, so no signature can be replayed as another; an answer over any other bytes
than those that were prepared is refused. They are prepared for the RSA keys of today's cards; a card with
another key signs them under the one header that fits it (`ToBeSigned.under`).
"""

import hashlib
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Self

from cryptography import x509

from card.certificates import JpkiCertificate, Purpose, read_certificate
from card.faults import CardRejected, Fault
from card.jose import Flattened, VerificationKey, b64url_decode, b64url_encode, strict_json
from card.jose.compact import encode_json
from card.revocation import RevocationStatus
from card.trust import Trust, check_path, check_status

_CLOCK_SKEW: Final = timedelta(seconds=60)
_TODAYS_ALG: Final = "RS256"


class SigningPurpose(StrEnum):
    """What a signature is for.

    With `approval` one of two staff approves a change; with `attendance` a resident shows at the counter that
    she is there, which logs nobody in.
    """

    LOGIN = "login"
    MANDATE = "mandate"
    LINK = "link"
    APPROVAL = "approval"
    ATTENDANCE = "attendance"

    @property
    def typ(self) -> str:
        """The protected `typ` of this purpose alone."""
        return f"dairi-{self}+jws"

    @property
    def lifetime(self) -> timedelta:
        """How long the request may be answered; a person reads a mandate at her own pace."""
        return timedelta(minutes=30 if self is SigningPurpose.MANDATE else 5)

    @property
    def certificates(self) -> tuple[Purpose, ...]:
        """Which certificates sign for it; linking takes both, over the same bytes."""
        match self:
            case SigningPurpose.LOGIN | SigningPurpose.ATTENDANCE:
                return (Purpose.AUTHENTICATION,)
            case SigningPurpose.MANDATE | SigningPurpose.APPROVAL:
                return (Purpose.SIGNATURE,)
            case SigningPurpose.LINK:
                return (Purpose.AUTHENTICATION, Purpose.SIGNATURE)


@dataclass(frozen=True, slots=True)
class ToBeSigned:
    """The bytes that the provider made, base64url both, for the RSA keys of today's cards."""

    protected: str
    payload: str

    def under(self, alg: str) -> Self:
        """The bytes for a card whose key signs with `alg`: the same payload, under the header of that key.

        The provider sees no certificate before it makes them. Nothing is left open for that: purpose and key
        determine the header, so there is one form of the bytes for each card, here and at verification.

        :param alg: of `card.certificates.signing_key`.
        """
        if alg == _TODAYS_ALG:
            return self
        return replace(self, protected=b64url_encode(encode_json({**self.header(), "alg": alg})))

    @property
    def signing_input(self) -> bytes:
        """What the card signs (RFC 7515 §5.1 step 5)."""
        return f"{self.protected}.{self.payload}".encode("ascii")

    @property
    def digest(self) -> bytes:
        """SHA-256 of the signing input: what a challenge is bound to."""
        return hashlib.sha256(self.signing_input).digest()

    def header(self) -> Mapping[str, object]:
        """The protected header, read strictly.

        :raises ValueError: when it is none.
        """
        return strict_json(b64url_decode(self.protected))

    def claims(self) -> Mapping[str, object]:
        """The payload, read strictly.

        :raises ValueError: when it is none.
        """
        return strict_json(b64url_decode(self.payload))


@dataclass(frozen=True, slots=True)
class CardEvidence:
    """Who signed what, and what revocation said.

    :param signed_at: when the provider verified it, UTC.
    :param countersigned_by: the enrolled bridge that it came through, where one said so.
    """

    certificate: JpkiCertificate
    purpose: SigningPurpose
    revocation: RevocationStatus
    signed_at: datetime
    container: Flattened
    countersigned_by: str | None = None


def refuse_controls(text: str) -> None:
    """Refuse characters that make a text look like another: bidirectional, zero-width and control ones.

    :raises Fault: `card.text_controls`.
    Source: Unicode UTS #39 §5; CVE-2021-42574.
    """
    if any(
        unicodedata.category(character) in {"Cf", "Cc", "Co", "Cs"} and character != "\n"
        for character in text
    ):
        raise Fault("card.text_controls")


def protected_header(purpose: SigningPurpose, alg: str = _TODAYS_ALG) -> Mapping[str, str]:
    """What stands in the protected header, exactly (RFC 7515 §4.1)."""
    return {"alg": alg, "typ": purpose.typ}


def named_certificates(certificates: Iterable[JpkiCertificate]) -> Mapping[str, str]:
    """How a linking request names the certificates that it joins.

    Without it two people's cards that sign one request, one with each key, would look like one card.
    """
    return {str(certificate.purpose): certificate.thumbprint for certificate in certificates}


def prepare(
    purpose: SigningPurpose,
    *,
    issuer: str,
    audience: str,
    nonce: bytes,
    issued_at: datetime,
    text: str | None = None,
    template: str | None = None,
    content: Mapping[str, object] | None = None,
) -> ToBeSigned:
    """Make the bytes for a card to sign.

    :param audience: the exact address that the answer is posted to.
    :param nonce: at least 16 random bytes of this attempt alone.
    :param template: id and version of the template that renders `content` to `text`; a mandate has all three.
    """
    if len(nonce) < 16:
        raise ValueError("a nonce has at least 128 bits")
    if text is not None:
        refuse_controls(text)
    claims: dict[str, object] = {
        "iss": issuer,
        "aud": audience,
        "purpose": str(purpose),
        "nonce": b64url_encode(nonce),
        "iat": int(issued_at.timestamp()),
    }
    optional = {"template": template, "content": content, "text": text}
    claims |= {name: value for name, value in optional.items() if value is not None}
    header = encode_json(protected_header(purpose))
    return ToBeSigned(b64url_encode(header), b64url_encode(encode_json(claims)))


def _check_signature(container: Flattened, certificate: JpkiCertificate, expecting: SigningPurpose) -> str:
    """Whether the certificate's key signed, by the one algorithm that it signs with.

    :returns: that algorithm.
    """
    try:
        header = container.protected_header()
    except ValueError as error:
        raise CardRejected("card.malformed") from error
    if header.get("typ") != expecting.typ:
        raise CardRejected("card.purpose")
    public_key, alg = certificate.key
    if header != protected_header(expecting, alg):
        raise CardRejected("card.malformed")
    key = VerificationKey.from_public_key(public_key, alg)
    if not key.verifies(container.signing_input, container.signature):
        raise CardRejected("card.signature")
    return alg


def _check_path(
    certificate: JpkiCertificate, expecting: SigningPurpose, trust: Trust, at: datetime
) -> x509.Certificate:
    if certificate.purpose not in expecting.certificates:
        raise CardRejected("card.purpose")
    return check_path(certificate, certificate.purpose, trust, at)


def verify_signed_by_card(
    container: Flattened, *, expecting: SigningPurpose, prepared: ToBeSigned, trust: Trust, now: datetime
) -> CardEvidence:
    """Verify what a My Number card signed.

    :param expecting: the purpose of the attempt; a signature for another is refused.
    :param prepared: the bytes made for this attempt, which the card signed under its key's own header; the
        caller has consumed its challenge already.
    :param now: aware UTC time at which certificate and request must be valid; ±60 s for `iat`.
    :raises CardRejected: `card.purpose`, `card.bytes`, `card.expired` for a late answer,
        `card.certificate_expired`, `card.signature`, `card.path`, `card.revoked`, `card.status_unavailable`,
        `card.policy` or `card.malformed`.
    Source: 公的個人認証 証明書プロファイル; RFC 7515 §5.2.
    """
    certificate = read_certificate(container.leaf_der)
    expected = prepared.under(_check_signature(container, certificate, expecting))
    if (container.protected, container.payload) != (expected.protected, expected.payload):
        raise CardRejected("card.bytes")
    issued = container.claims().get("iat")
    age = now.timestamp() - issued if isinstance(issued, int) else float("inf")
    if not -_CLOCK_SKEW.total_seconds() <= age <= expecting.lifetime.total_seconds():
        raise CardRejected("card.expired")
    issuer = _check_path(certificate, expecting, trust, now)
    status = check_status(certificate, issuer, trust, now)
    return CardEvidence(certificate, expecting, status, now, container)


def verify_again(
    container: Flattened, *, expecting: SigningPurpose, trust: Trust, at: datetime
) -> tuple[JpkiCertificate, Mapping[str, object]]:
    """Verify a kept container as of the time it was taken in; what revocation said then is in its record.

    :returns: the certificate and the payload's claims.
    :raises CardRejected: as `verify_signed_by_card`, without expiry and revocation of today.
    """
    certificate = read_certificate(container.leaf_der)
    _check_signature(container, certificate, expecting)
    _check_path(certificate, expecting, trust, at)
    try:
        claims = container.claims()
    except ValueError as error:
        raise CardRejected("card.malformed") from error
    if claims.get("purpose") != str(expecting):
        raise CardRejected("card.purpose")
    return certificate, claims

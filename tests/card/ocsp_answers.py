"""Answers of a responder, true ones and bent ones; keys are made at run time."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from asn1crypto import ocsp as asn1
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from card.certificates import Purpose
from card.test_authority import Root, TestAuthority, new_card_key
from tests.card.bending import usage
from tests.card.conftest import NOW

NONCE = b"n" * 32
BY_HASH, BY_NAME = ocsp.OCSPResponderEncoding.HASH, ocsp.OCSPResponderEncoding.NAME
RESPONDER = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "OCSP responder")])
SIGNS_ANSWERS = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING])

Extensions = list[tuple[x509.ExtensionType, bool]]
PROFILE: Extensions = [
    (usage(digital_signature=True), True),
    (SIGNS_ANSWERS, False),
    (x509.OCSPNoCheck(), False),
]
"""Of a responder's certificate."""


@dataclass(frozen=True)
class Signer:
    """Who answers."""

    certificate: x509.Certificate
    key: CertificateIssuerPrivateKeyTypes


def root_of(authority: TestAuthority, purpose: Purpose = Purpose.AUTHENTICATION) -> Signer:
    return as_signer(authority.roots[purpose])


def as_signer(root: Root) -> Signer:
    return Signer(root.certificate, root.key)


def delegated(
    by: Signer,
    *,
    extensions: Extensions | None = None,
    key: Any = None,
    since: datetime = NOW - timedelta(days=1),
    until: datetime = NOW + timedelta(days=1),
    name: x509.Name = RESPONDER,
) -> Signer:
    """A responder whom an authority lets answer for it."""
    own = new_card_key() if key is None else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(by.certificate.subject)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(until)
    )
    for extension, critical in PROFILE if extensions is None else extensions:
        builder = builder.add_extension(extension, critical=critical)
    return Signer(builder.sign(by.key, SHA256()), own)


def reissued(certificate: x509.Certificate, by: Signer) -> x509.Certificate:
    """A certificate of the same serial by another authority."""
    return (
        x509.CertificateBuilder()
        .subject_name(certificate.subject)
        .issuer_name(by.certificate.subject)
        .public_key(certificate.public_key())
        .serial_number(certificate.serial_number)
        .not_valid_before(certificate.not_valid_before_utc)
        .not_valid_after(certificate.not_valid_after_utc)
        .sign(by.key, SHA256())
    )


@dataclass(frozen=True)
class Said:
    """What an answer says, true and current unless a test bends it."""

    signer: Signer
    certificate: x509.Certificate
    issuer: x509.Certificate
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD
    reason: x509.ReasonFlags | None = None
    since: datetime = NOW
    until: datetime | None = NOW + timedelta(minutes=15)
    nonce: bytes | None = NONCE
    id_hash: HashAlgorithm = field(default_factory=SHA1)
    signed_with: HashAlgorithm | None = field(default_factory=SHA256)
    by: ocsp.OCSPResponderEncoding = BY_HASH
    brings: tuple[x509.Certificate, ...] | None = None
    extensions: Extensions = field(default_factory=list)

    def der(self) -> bytes:
        revoked = self.status is ocsp.OCSPCertStatus.REVOKED
        builder = ocsp.OCSPResponseBuilder().add_response(
            self.certificate,
            self.issuer,
            self.id_hash,
            self.status,
            self.since,
            self.until,
            self.since if revoked else None,
            self.reason,
        )
        builder = builder.responder_id(self.by, self.signer.certificate)
        brings = (self.signer.certificate,) if self.brings is None else self.brings
        builder = builder.certificates(brings) if brings else builder
        nonce: Extensions = [] if self.nonce is None else [(x509.OCSPNonce(self.nonce), False)]
        for extension, critical in [*nonce, *self.extensions]:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(self.signer.key, self.signed_with).public_bytes(Encoding.DER)


def bent(
    said: Said,
    bend: Callable[[Any], None] = lambda signed: None,
    *,
    key: rsa.RSAPrivateKey | None = None,
    over: HashAlgorithm | None = None,
) -> bytes:
    """An answer changed in its signed part, and signed anew.

    :param key: another than that of the certificate.
    :param over: another hash than SHA-256.
    """
    whole, hash_ = asn1.OCSPResponse.load(said.der()), over or SHA256()
    basic = whole["response_bytes"]["response"].parsed
    bend(basic["tbs_response_data"])
    basic["signature_algorithm"]["algorithm"] = f"{hash_.name}_rsa"
    signer = key or said.signer.key
    assert isinstance(signer, rsa.RSAPrivateKey)
    basic["signature"] = signer.sign(basic["tbs_response_data"].dump(force=True), PKCS1v15(), hash_)
    whole["response_bytes"]["response"] = basic
    der: bytes = whole.dump(force=True)
    return der

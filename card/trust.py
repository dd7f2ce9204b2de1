"""Which certificates count: pinned roots per purpose, our own path rules (RFC 5280 §6.1, 証明書プロファイル).

The hierarchy has one tier, and all generations of a root share one name, so the issuer is chosen by its
signature.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Final, Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from card.certificates import (
    AUTHENTICATION_POLICY,
    SIGNATURE_POLICY,
    TEST_AUTHENTICATION_POLICY,
    TEST_SIGNATURE_POLICY,
    JpkiCertificate,
    Purpose,
)
from card.faults import CardRejected
from card.revocation import RevocationSource, RevocationState, RevocationStatus

_POLICIES: Final = {Purpose.SIGNATURE: SIGNATURE_POLICY, Purpose.AUTHENTICATION: AUTHENTICATION_POLICY}
_TEST_POLICIES: Final = {
    Purpose.SIGNATURE: TEST_SIGNATURE_POLICY,
    Purpose.AUTHENTICATION: TEST_AUTHENTICATION_POLICY,
}
_KNOWN_CRITICAL: Final = {
    ExtensionOID.KEY_USAGE,
    ExtensionOID.CERTIFICATE_POLICIES,
    ExtensionOID.BASIC_CONSTRAINTS,
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
    ExtensionOID.EXTENDED_KEY_USAGE,
}


_USES: Final = {
    Purpose.AUTHENTICATION: {ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE, ExtendedKeyUsageOID.CLIENT_AUTH},
    Purpose.SIGNATURE: {
        ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
        ExtendedKeyUsageOID.EMAIL_PROTECTION,
        x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36"),  # documentSigning (RFC 9336)
    },
}
"""What a certificate may be for, if it says so (RFC 5280 §4.2.1.12)."""


@dataclass(frozen=True, slots=True)
class Trust:
    """What a deployment trusts.

    :param anchors: pinned roots per purpose, several generations each.
    :param policies: the one certificate policy accepted per purpose; a test card's only in the sandbox.
    :param revocation: where the status comes from.
    """

    anchors: Mapping[Purpose, tuple[x509.Certificate, ...]]
    policies: Mapping[Purpose, x509.ObjectIdentifier]
    revocation: RevocationSource

    @classmethod
    def from_files(cls, folder: Path, revocation: RevocationSource, *, test_cards: bool = False) -> Self:
        """Read the roots in `signature*.der` and `authentication*.der`.

        :param test_cards: accept the policies of test cards instead of the real ones; for the sandbox only.
        :raises ValueError: when a purpose has no root, or one that may issue neither certificates nor lists.
        """
        anchors = {
            purpose: tuple(
                x509.load_der_x509_certificate(path.read_bytes())
                for path in sorted(folder.glob(f"{purpose}*.der"))
            )
            for purpose in Purpose
        }
        if not all(anchors.values()):
            raise ValueError("every purpose needs a pinned root")
        if not all(_issues_as(anchor) for pinned in anchors.values() for anchor in pinned):
            raise ValueError("a pinned root is no authority for certificates and their lists")
        return cls(anchors, _TEST_POLICIES if test_cards else _POLICIES, revocation)


@lru_cache(maxsize=256)
def _issues_as(anchor: x509.Certificate) -> bytes | None:
    """The name, DER, in which an authority signs certificates and their lists; None for one that may not.

    Its key usage must say both (RFC 5280 §6.1.4 k and n, §6.3.3 f). One that limits which names it may give
    (§4.2.1.10), or says what we do not understand, is none: what it says would not be kept.
    """
    try:
        usage = anchor.extensions.get_extension_for_class(x509.KeyUsage).value
        constraints = anchor.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return None
    limits = {extension.oid for extension in anchor.extensions if extension.critical} - _KNOWN_CRITICAL
    named = any(isinstance(extension.value, x509.NameConstraints) for extension in anchor.extensions)
    may = constraints.ca and usage.key_cert_sign and usage.crl_sign and not (limits or named)
    return anchor.subject.public_bytes() if may else None


def _issuer(
    certificate: JpkiCertificate, anchors: Iterable[x509.Certificate], now: datetime
) -> x509.Certificate:
    for anchor in anchors:
        if _issues_as(anchor) != certificate.issuer_der:
            continue
        try:
            certificate.x509.verify_directly_issued_by(anchor)
        except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
            continue
        if anchor.not_valid_before_utc <= now <= anchor.not_valid_after_utc:
            return anchor
        raise CardRejected("card.certificate_expired")
    raise CardRejected("card.path")


def _check_leaf(certificate: JpkiCertificate) -> None:
    leaf = certificate.x509
    critical = {extension.oid for extension in leaf.extensions if extension.critical}
    if not critical <= _KNOWN_CRITICAL or ExtensionOID.KEY_USAGE not in critical:
        raise CardRejected("card.path")
    try:
        if leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            raise CardRejected("card.path")
    except x509.ExtensionNotFound:
        pass
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    if not usage.digital_signature or usage.key_cert_sign or usage.crl_sign:
        raise CardRejected("card.path")
    _check_use(certificate)
    _ = certificate.key  # of the profile, or refused


def _check_use(certificate: JpkiCertificate) -> None:
    try:
        uses = certificate.x509.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return
    if _USES[certificate.purpose].isdisjoint(uses):
        raise CardRejected("card.path")


def _check_validity(certificate: JpkiCertificate, now: datetime) -> None:
    if not certificate.not_before <= now <= certificate.not_after:
        raise CardRejected("card.certificate_expired")


def check_path(
    certificate: JpkiCertificate, purpose: Purpose, trust: Trust, now: datetime
) -> x509.Certificate:
    """Apply every path rule but revocation.

    :returns: the pinned root that issued it.
    :raises CardRejected: `card.purpose`, `card.policy`, `card.path` or `card.certificate_expired`.
    """
    if certificate.purpose is not purpose:
        raise CardRejected("card.purpose")
    policies = certificate.x509.extensions.get_extension_for_class(x509.CertificatePolicies)
    named = {policy.policy_identifier for policy in policies.value}
    if not policies.critical or trust.policies[purpose] not in named:
        raise CardRejected("card.policy")
    _check_leaf(certificate)
    issuer = _issuer(certificate, trust.anchors[purpose], now)
    _check_validity(certificate, now)
    return issuer


def check_status(
    certificate: JpkiCertificate, issuer: x509.Certificate, trust: Trust, now: datetime
) -> RevocationStatus:
    """Ask the revocation source.

    :raises CardRejected: `card.revoked`; `card.status_unavailable` when the source cannot say.
    """
    status = trust.revocation.status(certificate.x509, issuer, now)
    if status.state is RevocationState.REVOKED:
        raise CardRejected("card.revoked", reason=status.reason)
    return status

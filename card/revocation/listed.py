"""What a revocation list names, one certificate after the other (RFC 5280 §5.1.2.6)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509

from card.certificates import identity_of

_LONGEST_SERIAL: Final = 2**160


def reason_of(revoked: x509.RevokedCertificate) -> str:
    """Why a certificate was revoked (RFC 5280 §5.3.1); `unspecified` where its list does not say."""
    try:
        return revoked.extensions.get_extension_for_class(x509.CRLReason).value.reason.value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return "unspecified"


def _key_identifier(root: x509.Certificate) -> bytes:
    """What the certificates of a root name its key by (RFC 5280 §4.2.1.1, §4.2.1.2)."""
    try:
        return root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return x509.SubjectKeyIdentifier.from_public_key(root.public_key()).digest


@dataclass(frozen=True, slots=True)
class Listed:
    """A certificate that a list names.

    :param identity: as `JpkiCertificate.identity` of one that names its issuer's key (RFC 5280 §4.2.1.1 asks
        every authority for that); one that does not is not found.
    """

    identity: bytes
    revoked: x509.RevokedCertificate

    @property
    def reason(self) -> str:
        """As `reason_of`; read when it is asked for: of a million, few are anybody's here."""
        return reason_of(self.revoked)


@dataclass(frozen=True, slots=True)
class RevocationList:
    """A current list, with the root whose key signed it.

    :param mark: SHA-256 of it: who went through it once knows it again.
    :param since: its thisUpdate.
    """

    root: x509.Certificate
    mark: bytes
    since: datetime
    crl: x509.CertificateRevocationList

    def __iter__(self) -> Iterator[Listed]:
        """What it names, without a copy of the whole; serials that no certificate has are passed over."""
        issuer, key = self.root.subject.public_bytes(), _key_identifier(self.root)
        for revoked in self.crl:
            serial = revoked.serial_number
            if 0 < serial < _LONGEST_SERIAL:
                yield Listed(identity_of(issuer, key, serial), revoked)

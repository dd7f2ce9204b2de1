"""What a revocation list names, one certificate after the other (RFC 5280 §5.1.2.6)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509

_LONGEST_SERIAL: Final = 2**160


def reason_of(revoked: x509.RevokedCertificate) -> str:
    """Why a certificate was revoked (RFC 5280 §5.3.1); `unspecified` where its list does not say."""
    try:
        return revoked.extensions.get_extension_for_class(x509.CRLReason).value.reason.value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return "unspecified"


@dataclass(frozen=True, slots=True)
class Listed:
    """A certificate that a list names.

    :param identity: issuer and serial, as `JpkiCertificate.identity`.
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
        issuer = self.root.subject.public_bytes()
        for revoked in self.crl:
            serial = revoked.serial_number
            if 0 < serial < _LONGEST_SERIAL:
                yield Listed(issuer + serial.to_bytes(20, "big"), revoked)

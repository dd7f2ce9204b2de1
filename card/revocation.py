"""Whether a certificate was revoked, by whatever source the ward has (RFC 5280 §6.3).

A source that is configured but stale or down refuses: silence is never "good". No source at all is said, so
that what rests on it counts less.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from cryptography import x509

from card.faults import CardRejected


class RevocationState(StrEnum):
    """What the source said."""

    GOOD = "good"
    REVOKED = "revoked"
    UNCHECKED = "unchecked"


@dataclass(frozen=True, slots=True)
class RevocationStatus:
    """The answer, as it goes into a verification record.

    :param reason: CRL reason of a revoked certificate (RFC 5280 §5.3.1).
    :param source: `crl` or `none`.
    """

    state: RevocationState
    source: str
    reason: str | None = None
    this_update: datetime | None = None
    next_update: datetime | None = None


class StatusUnavailable(CardRejected):
    """The source is configured but cannot say; the sealed answer may wait for it."""

    def __init__(self) -> None:
        super().__init__("card.status_unavailable")


class RevocationSource(Protocol):
    """Says whether a certificate still counts."""

    def status(
        self, certificate: x509.Certificate, issuer: x509.Certificate, now: datetime
    ) -> RevocationStatus:
        """The status at `now`.

        :raises StatusUnavailable: when nothing current is known.
        """


class NoRevocation:
    """No source: a login counts 2/2 at most, and no mandate becomes active."""

    def status(
        self, certificate: x509.Certificate, issuer: x509.Certificate, now: datetime
    ) -> RevocationStatus:
        """Never checked."""
        del certificate, issuer, now
        return RevocationStatus(RevocationState.UNCHECKED, "none")


class CrlFiles:
    """CRLs in a folder, DER, `*.crl`; read anew when a file changes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Path, tuple[int, x509.CertificateRevocationList]] = {}

    def _lists(self) -> list[x509.CertificateRevocationList]:
        try:
            for path in self._folder.glob("*.crl"):
                changed = path.stat().st_mtime_ns
                if self._read.get(path, (None,))[0] != changed:
                    self._read[path] = (changed, x509.load_der_x509_crl(path.read_bytes()))
        except (OSError, ValueError) as error:
            raise StatusUnavailable from error
        return [crl for _, crl in self._read.values()]

    def status(
        self, certificate: x509.Certificate, issuer: x509.Certificate, now: datetime
    ) -> RevocationStatus:
        """Look up the newest current list signed by the issuer's own key (all generations share one name)."""
        key = issuer.public_key()
        current = [
            crl
            for crl in self._lists()
            if crl.issuer == issuer.subject
            and crl.is_signature_valid(key)  # type: ignore[arg-type] # any key of a certificate; others are refused
            and crl.next_update_utc is not None
            and crl.last_update_utc <= now < crl.next_update_utc
        ]
        if not current:
            raise StatusUnavailable
        newest = max(current, key=lambda crl: crl.last_update_utc)
        revoked = newest.get_revoked_certificate_by_serial_number(certificate.serial_number)
        return RevocationStatus(
            RevocationState.GOOD if revoked is None else RevocationState.REVOKED,
            "crl",
            None if revoked is None else _reason(revoked),
            newest.last_update_utc,
            newest.next_update_utc,
        )


def _reason(revoked: x509.RevokedCertificate) -> str:
    try:
        return revoked.extensions.get_extension_for_class(x509.CRLReason).value.reason.value
    except x509.ExtensionNotFound:
        return "unspecified"

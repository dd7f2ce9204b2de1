"""Whether a certificate was revoked, by whatever source the ward has (RFC 5280 §6.3).

A source that is configured but stale or down refuses: silence is never "good". No source at all is said, so
that what rests on it counts less.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

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
        self._read: Mapping[Path, tuple[int, x509.CertificateRevocationList | None]] = {}

    def _lists(self) -> list[x509.CertificateRevocationList]:
        before, found = self._read, dict[Path, tuple[int, x509.CertificateRevocationList | None]]()
        try:
            for path in self._folder.glob("*.crl"):
                changed = path.stat().st_mtime_ns
                known = before.get(path)
                same = known is not None and known[0] == changed
                found[path] = known if known is not None and same else (changed, _load(path.read_bytes()))
        except OSError as error:
            raise StatusUnavailable from error
        self._read = found
        return [crl for _, crl in found.values() if crl is not None]

    def status(
        self, certificate: x509.Certificate, issuer: x509.Certificate, now: datetime
    ) -> RevocationStatus:
        """Look up the newest current list signed by the issuer's own key (all generations share one name).

        Only a list that covers this certificate counts: a newer one of another scope would revive what the
        right one revoked.
        """
        key = issuer.public_key()
        current = [
            crl
            for crl in self._lists()
            if crl.issuer == issuer.subject
            and crl.is_signature_valid(key)  # type: ignore[arg-type] # any key of a certificate; others are refused
            and crl.next_update_utc is not None
            and crl.last_update_utc <= now < crl.next_update_utc
            and _covers(crl, certificate)
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


def _load(der: bytes) -> x509.CertificateRevocationList | None:
    """Read a list whole; a broken one is none, and stops no list of another municipality."""
    try:
        crl = x509.load_der_x509_crl(der)
        _ = crl.extensions, crl.signature_hash_algorithm, crl.next_update_utc
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, UnsupportedAlgorithm):
        return None
    return crl


def _covers(crl: x509.CertificateRevocationList, certificate: x509.Certificate) -> bool:
    """Whether a list would name this certificate if it were revoked (RFC 5280 §5.2, §6.3.3).

    Critical extensions that we do not understand, and delta lists, rule a list out.
    """
    scope: x509.IssuingDistributionPoint | None = None
    for extension in crl.extensions:
        if isinstance(extension.value, x509.IssuingDistributionPoint):
            scope = extension.value
        elif extension.critical or isinstance(extension.value, x509.DeltaCRLIndicator):
            return False
    return scope is None or _is_in_scope(scope, certificate)


def _is_in_scope(scope: x509.IssuingDistributionPoint, certificate: x509.Certificate) -> bool:
    """Judge an issuing distribution point (RFC 5280 §5.2.5, §6.3.3 b 2); relative names are not used here."""
    if (
        scope.only_contains_ca_certs
        or scope.only_contains_attribute_certs
        or scope.only_some_reasons
        or scope.indirect_crl
        or scope.relative_name is not None
    ):
        return False
    return scope.full_name is None or not _distribution_points(certificate).isdisjoint(scope.full_name)


def _distribution_points(certificate: x509.Certificate) -> frozenset[x509.GeneralName]:
    """Where the certificate says that its issuer lists it, for every reason (RFC 5280 §4.2.1.13)."""
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except x509.ExtensionNotFound:
        return frozenset()
    return frozenset(
        name
        for point in points
        if point.reasons is None and point.crl_issuer is None
        for name in point.full_name or ()
    )


def _reason(revoked: x509.RevokedCertificate) -> str:
    try:
        return revoked.extensions.get_extension_for_class(x509.CRLReason).value.reason.value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return "unspecified"

"""Whether a certificate was revoked, by whatever source the ward has (RFC 5280 §6.3).

A source that is configured but stale or down refuses: silence is never "good". No source at all is said, so
that what rests on it counts less.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import SHA256

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
        self._reading = threading.Lock()  # of many who meet a new list, one reads it
        self._read: Mapping[Path, tuple[int, _List | None]] = {}

    def _lists(self) -> "list[_List]":
        found: dict[Path, tuple[int, _List | None]] = {}
        try:
            with self._reading:
                for path in self._folder.glob("*.crl"):
                    changed = path.stat().st_mtime_ns
                    known = self._read.get(path)
                    same = known is not None and known[0] == changed
                    found[path] = known if known is not None and same else (changed, _load(path.read_bytes()))
                self._read = found
        except OSError as error:
            raise StatusUnavailable from error
        return [read for _, read in found.values() if read is not None]

    def status(
        self, certificate: x509.Certificate, issuer: x509.Certificate, now: datetime
    ) -> RevocationStatus:
        """Look up the newest current list signed by the issuer's own key (all generations share one name).

        Only a list that covers this certificate counts: a newer one of another scope would revive what the
        right one revoked.
        """
        current = [
            read
            for read in self._lists()
            if read.since <= now < read.until and read.covers(certificate) and read.is_signed_by(issuer)
        ]
        if not current:
            raise StatusUnavailable
        newest = max(current, key=lambda read: read.since)
        revoked = newest.find(certificate.serial_number)
        return RevocationStatus(
            RevocationState.GOOD if revoked is None else RevocationState.REVOKED,
            "crl",
            None if revoked is None else _reason(revoked),
            newest.since,
            newest.until,
        )


class _List:
    """A list as long as its file stays: what costs a walk over all of it is done once.

    One of 100,000 costs a tenth of a second to verify and a third of that to search: more than all else that
    a login does.

    :ivar since: its thisUpdate.
    :ivar until: its nextUpdate.
    :raises ValueError: for one that never ends.
    """

    def __init__(self, crl: x509.CertificateRevocationList) -> None:
        if crl.next_update_utc is None:
            raise ValueError("a list without nextUpdate would count for ever")
        self._crl, self.since, self.until = crl, crl.last_update_utc, crl.next_update_utc
        self._serials = frozenset(revoked.serial_number for revoked in crl)
        self._scope, self._is_understood = _scope_of(crl)
        self._signed_by: dict[bytes, bool] = {}

    def covers(self, certificate: x509.Certificate) -> bool:
        """Whether it would name this certificate if it were revoked (RFC 5280 §6.3.3)."""
        return self._is_understood and (self._scope is None or _is_in_scope(self._scope, certificate))

    def is_signed_by(self, issuer: x509.Certificate) -> bool:
        """Whether it is in an issuer's name and its key signed it."""
        which = issuer.fingerprint(SHA256())
        found = self._signed_by.get(which)
        if found is None:
            key = issuer.public_key()
            found = self._crl.issuer == issuer.subject and self._crl.is_signature_valid(key)  # type: ignore[arg-type] # any key of a certificate; others are refused
            self._signed_by[which] = found
        return found

    def find(self, serial: int) -> x509.RevokedCertificate | None:
        """What the list says of a certificate; only one that is revoked is worth the walk."""
        if serial not in self._serials:
            return None
        return next(
            revoked for revoked in self._crl if revoked.serial_number == serial
        )  # also a negative one


def _load(der: bytes) -> _List | None:
    """Read a list whole; a broken one is none, and stops no list of another municipality."""
    try:
        crl = x509.load_der_x509_crl(der)
        _ = crl.signature_hash_algorithm
        return _List(crl)
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, UnsupportedAlgorithm):
        return None


def _scope_of(crl: x509.CertificateRevocationList) -> tuple[x509.IssuingDistributionPoint | None, bool]:
    """What a list is about, and whether we understand all that it says of that (RFC 5280 §5.2).

    Critical extensions that we do not understand, and delta lists, rule a list out.
    """
    scope, is_understood = None, True
    for extension in crl.extensions:
        if isinstance(extension.value, x509.IssuingDistributionPoint):
            scope = extension.value
        elif extension.critical or isinstance(extension.value, x509.DeltaCRLIndicator):
            is_understood = False
    return scope, is_understood


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

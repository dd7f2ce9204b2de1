"""Revocation lists as files (RFC 5280 §5, §6.3)."""

import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import SHA256

from card.revocation.listed import RevocationList, reason_of
from card.revocation.source import RevocationState, RevocationStatus, StatusUnavailable

_LOOK_AGAIN_S: Final = 1.0
_TICK_NS: Final = 20_000_000
"""Longer than a tick of any file system's clock: of two changes within one the second leaves no trace."""


_UNREADABLE: Final = (
    ValueError,
    TypeError,  # a name that is a bit string
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    UnsupportedAlgorithm,
)


class CrlFiles:
    """CRLs in a folder, DER, `*.crl`; read anew when a file changes.

    A list that is renamed into its place, or taken away, changes the folder and is seen by the next look-up.
    One that is overwritten where it lies is seen after a second at most: a look at every file each time would
    cost more than all else here, the more so with one for each municipality.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = os.fspath(folder)  # a Path is converted anew at every look-up
        self._reading = threading.Lock()  # of many who meet a new list, one reads it
        self._files: Mapping[str, tuple[_Stamp, _List | None]] = {}
        self._seen = _Seen(-1, 0.0, {})

    def status(
        self, certificate: x509.Certificate, issuer: x509.Certificate, now: datetime
    ) -> RevocationStatus:
        """Look up the newest current list signed by the issuer's own key (all generations share one name).

        Only a list that covers this certificate counts: a newer one of another scope would revive what the
        right one revoked.
        """
        current = [
            read
            for read in self._covering(certificate)
            if read.since <= now < read.until and read.is_signed_by(issuer)
        ]
        if not current:
            raise StatusUnavailable
        newest = max(current, key=lambda read: read.since)
        reason = newest.reason(certificate.serial_number)
        return RevocationStatus(
            RevocationState.GOOD if reason is None else RevocationState.REVOKED,
            "crl",
            reason,
            newest.since,
            newest.until,
        )

    def lists(self, roots: Sequence[x509.Certificate], now: datetime) -> Sequence[RevocationList]:
        """The current lists that these roots signed, the newest last; of one scope the newest alone.

        :raises StatusUnavailable: when the folder cannot be read.
        """
        newest: dict[tuple[x509.Certificate, frozenset[x509.GeneralName | None]], RevocationList] = {}
        of_scopes = self._look().lists.values()
        for read in sorted({read for lists in of_scopes for read in lists}, key=lambda read: read.since):
            if read.since <= now < read.until:
                for root in filter(read.is_signed_by, roots):
                    newest[root, read.names] = read.signed_by(root)
        return sorted(newest.values(), key=lambda found: found.since)

    def _covering(self, certificate: x509.Certificate) -> "Iterator[_List]":
        """The lists that would name this certificate if it were revoked (RFC 5280 §6.3.3 b 2)."""
        lists = self._look().lists
        yield from lists.get(None, ())
        for name in _distribution_points(certificate):
            yield from lists.get(name, ())

    def _look(self) -> "_Seen":
        try:
            seen = self._seen
            if seen.still_holds(os.stat(self._folder).st_mtime_ns):
                return seen
            with self._reading:
                changed = os.stat(self._folder).st_mtime_ns  # before its files: what comes later is seen next
                if not self._seen.still_holds(changed):
                    settled = time.time_ns() - changed > _TICK_NS
                    until = time.monotonic() + _LOOK_AGAIN_S if settled else 0.0
                    self._seen = _Seen(changed, until, self._by_name())
                return self._seen
        except OSError as error:
            raise StatusUnavailable from error

    def _by_name(self) -> "Mapping[x509.GeneralName | None, Sequence[_List]]":
        found: dict[str, tuple[_Stamp, _List | None]] = {}
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.name.endswith(".crl"):
                    stamp, known = _Stamp.of(entry.stat()), self._files.get(entry.path)
                    same = known is not None and known[0] == stamp
                    found[entry.path] = known if known is not None and same else (stamp, _load(entry.path))
        self._files = found
        lists: dict[x509.GeneralName | None, list[_List]] = {}
        for read in (read for _, read in found.values() if read is not None):
            for name in read.names:
                lists.setdefault(name, []).append(read)
        return lists


@dataclass(frozen=True, slots=True)
class _Stamp:
    """What tells that a file is another one."""

    inode: int
    size: int
    changed_ns: int

    @classmethod
    def of(cls, stat: os.stat_result) -> "_Stamp":
        return cls(stat.st_ino, stat.st_size, stat.st_mtime_ns)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a look at the folder found.

    :param until: when it is looked at again whatever the folder says, by the monotonic clock, seconds.
    :param lists: by the distribution point that they are for; under None those that are for all.
    """

    changed_ns: int
    until: float
    lists: "Mapping[x509.GeneralName | None, Sequence[_List]]"

    def still_holds(self, changed_ns: int) -> bool:
        return self.changed_ns == changed_ns and time.monotonic() < self.until


class _List:
    """A list as long as its file stays: what costs a walk over all of it is done once.

    One of 100,000 costs a tenth of a second to verify and a third of that to search: more than all else that
    a login does.

    :ivar since: its thisUpdate.
    :ivar until: its nextUpdate.
    :ivar names: the distribution points that it is for, or None alone for every certificate.
    :raises ValueError: for one that never ends, or of which we do not know what it is about.
    """

    def __init__(self, crl: x509.CertificateRevocationList) -> None:
        if crl.next_update_utc is None:
            raise ValueError("a list without nextUpdate would count for ever")
        self._crl, self.since, self.until = crl, crl.last_update_utc, crl.next_update_utc
        self.names = _names_in_scope(crl)
        self._serials = frozenset(revoked.serial_number for revoked in crl)
        self._reasons: dict[int, str] = {}
        self._signed_by: dict[x509.Certificate, bool] = {}

    def is_signed_by(self, issuer: x509.Certificate) -> bool:
        """Whether it is in an issuer's name and its key signed it."""
        found = self._signed_by.get(issuer)
        if found is None:
            key = issuer.public_key()
            found = self._crl.issuer == issuer.subject and self._crl.is_signature_valid(key)  # type: ignore[arg-type] # any key of a certificate; others are refused
            self._signed_by[issuer] = found
        return found

    def signed_by(self, root: x509.Certificate) -> RevocationList:
        """The list as one of a root, of whose signature the caller is sure."""
        return RevocationList(root, self._mark, self.since, self._crl)

    @cached_property
    def _mark(self) -> bytes:
        return self._crl.fingerprint(SHA256())

    def reason(self, serial: int) -> str | None:
        """Why a certificate is revoked, or None for one that is not; only one that is costs a walk, once."""
        if serial not in self._serials:
            return None
        if serial not in self._reasons:
            named = (revoked for revoked in self._crl if revoked.serial_number == serial)  # also a negative
            self._reasons[serial] = reason_of(next(named))
        return self._reasons[serial]


def _load(path: str) -> _List | None:
    """Read a list whole; a broken one is none, and stops no list of another municipality."""
    try:
        crl = x509.load_der_x509_crl(Path(path).read_bytes())
        _ = crl.signature_hash_algorithm, crl.issuer
        return _List(crl)
    except _UNREADABLE:
        return None


def _names_in_scope(crl: x509.CertificateRevocationList) -> frozenset[x509.GeneralName | None]:
    """What a list is about (RFC 5280 §5.2); relative names are not used here.

    :raises ValueError: for a delta list, one that is not about every reason or not about people's
        certificates, and one with a critical extension that we do not understand.
    """
    names: frozenset[x509.GeneralName | None] = frozenset({None})
    for extension in crl.extensions:
        if isinstance(extension.value, x509.IssuingDistributionPoint):
            scope = extension.value
            if (
                scope.only_contains_ca_certs
                or scope.only_contains_attribute_certs
                or scope.only_some_reasons
                or scope.indirect_crl
                or scope.relative_name is not None
            ):
                raise ValueError("a list of another scope")
            names = names if scope.full_name is None else frozenset(scope.full_name)
        elif extension.critical or isinstance(extension.value, x509.DeltaCRLIndicator):
            raise ValueError("a list that says more than we understand")
    return names


def _distribution_points(certificate: x509.Certificate) -> Iterator[x509.GeneralName]:
    """Where the certificate says that its issuer lists it, for every reason (RFC 5280 §4.2.1.13)."""
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except x509.ExtensionNotFound:
        return
    for point in points:
        if point.reasons is None and point.crl_issuer is None:
            yield from point.full_name or ()

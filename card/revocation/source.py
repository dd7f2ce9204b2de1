"""What a source of revocation says, and what asking several of them means."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from cryptography import x509

from card.faults import CardRejected
from card.revocation.listed import RevocationList


class RevocationState(StrEnum):
    """What the source said."""

    GOOD = "good"
    REVOKED = "revoked"
    UNCHECKED = "unchecked"


@dataclass(frozen=True, slots=True)
class RevocationStatus:
    """The answer, as it goes into a verification record.

    :param source: `ocsp`, `crl` or `none`.
    :param reason: CRL reason of a revoked certificate (RFC 5280 §5.3.1).
    :param next_update: None also for a responder that always has newer information (RFC 6960 §4.2.2.1).
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

    def lists(self, roots: Sequence[x509.Certificate], now: datetime) -> Sequence[RevocationList]:
        """What names revoked certificates before anybody asks: the current lists that these roots signed.

        :returns: the newest last; none from a source that only answers about one certificate.
        :raises StatusUnavailable: when the lists cannot be read.
        """


class NoRevocation:
    """No source: a login counts 2/2 at most, and no mandate becomes active."""

    def status(
        self, certificate: x509.Certificate, issuer: x509.Certificate, now: datetime
    ) -> RevocationStatus:
        """Never checked."""
        del certificate, issuer, now
        return RevocationStatus(RevocationState.UNCHECKED, "none")

    def lists(self, roots: Sequence[x509.Certificate], now: datetime) -> Sequence[RevocationList]:
        """None."""
        del roots, now
        return ()


class InTurn:
    """Several sources: the first that can say is believed, good or bad.

    :param sources: the freshest first; a later one answers only while those before it are silent.
    """

    def __init__(self, sources: Sequence[RevocationSource]) -> None:
        self._sources = sources

    def status(
        self, certificate: x509.Certificate, issuer: x509.Certificate, now: datetime
    ) -> RevocationStatus:
        """Ask one after the other.

        :raises StatusUnavailable: when all are silent.
        """
        for source in self._sources:
            try:
                return source.status(certificate, issuer, now)
            except StatusUnavailable:
                continue
        raise StatusUnavailable

    def lists(self, roots: Sequence[x509.Certificate], now: datetime) -> Sequence[RevocationList]:
        """Those of every source.

        :raises StatusUnavailable: when one that has lists cannot read them.
        """
        return [found for source in self._sources for found in source.lists(roots, now)]

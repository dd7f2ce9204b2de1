"""The town, and lists that its cards' authority signs about them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from sqlmodel import select

from card.certificates import Purpose, read_certificate
from card.revocation import CrlFiles, RevocationList
from card.test_authority import Root, TestAuthority
from card.virtual.card import VirtualCard
from delegation.parts import Parts
from delegation.revoked.matching import Matched, match
from delegation.revoked.tables import RevokedMandateRow
from delegation.tables import HoldRow
from idp.delegating import parts_of
from tests.delegation.conftest import Resident, Town

Reasons = Mapping[int, x509.ReasonFlags | None]


def serial_of(card: VirtualCard) -> int:
    return read_certificate(card.contents.signature_certificate or b"").serial


@dataclass
class Rechecked:
    """A ward whose mandates are matched with lists in a folder of the test.

    :param roots: those that are pinned.
    """

    town: Town
    root: Root
    folder: Path
    roots: list[x509.Certificate] = field(default_factory=list)

    @property
    def parts(self) -> Parts:
        return parts_of(self.town.services)

    def publish(self, reasons: Reasons, root: Root | None = None, name: str = "signature") -> None:
        """Put a list of now in the place of the one before."""
        signer, now = root or self.root, self.town.services.clock.now()
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(signer.certificate.subject)
            .last_update(now)
            .next_update(now + timedelta(hours=25))
        )
        for serial, reason in reasons.items():
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now)
            if reason is not None:
                entry = entry.add_extension(x509.CRLReason(reason), critical=False)
            builder = builder.add_revoked_certificate(entry.build())
        path = self.folder / f"{name}.new"
        path.write_bytes(builder.sign(signer.key, SHA256()).public_bytes(Encoding.DER))
        path.replace(self.folder / f"{name}.crl")

    def lists(self) -> list[RevocationList]:
        return list(CrlFiles(self.folder).lists(self.roots, self.town.services.clock.now()))

    def match(self) -> Matched:
        return match(self.parts, self.lists())

    def revoke(self, who: Resident, reason: x509.ReasonFlags | None) -> Matched:
        """Publish a list that names someone's signature certificate alone, and match it."""
        self.publish({serial_of(who.card): reason})
        return self.match()

    def holds(self) -> list[HoldRow]:
        with self.town.services.database.reading() as session:
            return list(session.exec(select(HoldRow)).all())

    def rows(self) -> list[RevokedMandateRow]:
        with self.town.services.database.reading() as session:
            return list(session.exec(select(RevokedMandateRow)).all())

    def mails(self) -> list[tuple[str, str]]:
        """To whom, and the Japanese subject, of what was sent since the last time."""
        sent = [
            (mail.to, mail.subject.partition("】")[2].partition(" / ")[0]) for mail in self.town.mail.sent
        ]
        self.town.mail.sent.clear()
        return sent


@pytest.fixture
def rechecked(town: Town, authority: TestAuthority, tmp_path: Path) -> Rechecked:
    folder, root = tmp_path / "lists", authority.roots[Purpose.SIGNATURE]
    folder.mkdir()
    return Rechecked(town, root, folder, [root.certificate])


def usable(portal: Any, token: str) -> bool:
    return bool(portal.post("/introspect", {"token": token}).json()["active"])

"""What tests of linking have in common: cards that were renewed, and cards that were handed in."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from cryptography import x509

from assurance.evidence import Passkey
from card.certificates import Purpose, read_certificate
from card.test_authority import Holder, TestAuthority
from card.virtual.card import VirtualCard
from tests.conftest import NOW
from tests.delegation.conftest import Resident


def holder_of(card: VirtualCard) -> Holder:
    """Whose card it is, as its signature certificate says."""
    der = card.contents.signature_certificate
    said = None if der is None else read_certificate(der).attributes
    assert said is not None
    assert said.birth_date is not None
    return Holder(said.name, said.birth_date, said.sex, said.address)


def by_passkey(resident: Resident) -> None:
    """Log in by a passkey of hers, just now."""
    now = resident.services.clock.now()
    resident.log_in(Passkey(now, user_verified=True, synced=True))


class Municipality:
    """Where cards are renewed."""

    def __init__(self, authority: TestAuthority) -> None:
        self._authority = authority

    def renew(self, card: VirtualCard, **changes: object) -> VirtualCard:
        """Another card of the same holder."""
        return self._authority.issue_card(replace(holder_of(card), **changes), NOW)  # type: ignore[arg-type]

    def take_in(self, card: VirtualCard) -> None:
        """Revoke a card that was handed in."""
        for purpose, der in (
            (Purpose.AUTHENTICATION, card.contents.authentication_certificate),
            (Purpose.SIGNATURE, card.contents.signature_certificate),
        ):
            assert der is not None
            serial = read_certificate(der).serial
            self._authority.revoke(purpose, serial, NOW, x509.ReasonFlags.superseded)


@pytest.fixture
def municipality(authority: TestAuthority) -> Iterator[Municipality]:
    """Whatever it revokes is good again after the test: the cards are those of every test."""
    yield Municipality(authority)
    for path in authority.crl_folder.glob("*.crl"):
        path.unlink()
    authority.publish_crls(NOW)

"""People registered at the counter by two staff, through the same functions that staff use."""

from collections.abc import Callable
from datetime import date

import pytest

from assurance import counter
from assurance.counter import LinkedCard
from assurance.database import Database
from assurance.person import PersonId
from assurance.sealed import Vault
from assurance.thresholds import Thresholds, load_thresholds
from assurance.wards import Ward
from card.certificates import Purpose
from card.container import CardEvidence, SigningPurpose, prepare, verify_signed_by_card
from card.jose import Flattened
from card.jpki import JpkiCard
from card.test_authority import Holder, TestAuthority
from card.trust import Trust
from card.virtual.card import VirtualCard
from card.virtual.deck import InProcessReader, LocalDeck
from tests.conftest import NOW

PINS = {Purpose.AUTHENTICATION: b"1234", Purpose.SIGNATURE: b"ABC123"}
NAMES = ("職員\u3000一郎", "職員\u3000二郎", "職員\u3000三郎", "田中\u3000花子", "田中\u3000由紀")


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> TestAuthority:
    return TestAuthority.create(tmp_path_factory.mktemp("authority"), NOW)


@pytest.fixture(scope="session")
def cards(authority: TestAuthority) -> dict[str, VirtualCard]:
    holders = [
        Holder(name, date(1948 + 10 * index, 5, 3), "2", "東京都渋谷区１－１")
        for index, name in enumerate(NAMES)
    ]
    issued = [authority.issue_card(holder, NOW) for holder in holders]
    return {card.label: card for card in issued}


@pytest.fixture(scope="session")
def thresholds() -> Thresholds:
    return load_thresholds()


def sign(
    card: VirtualCard, trust: Trust, certificate: Purpose, purpose: SigningPurpose = SigningPurpose.LINK
) -> CardEvidence:
    prepared = prepare(
        purpose, issuer="https://op.example", audience="https://op.example/a", nonce=b"n" * 16, issued_at=NOW
    )
    deck = LocalDeck({"a": card})
    deck.insert("a")
    with InProcessReader(deck).connect() as transport, JpkiCard(transport) as jpki:
        der, (signature,) = jpki.sign(certificate, bytearray(PINS[certificate]), [prepared.signing_input])
    container = Flattened(prepared.protected, prepared.payload, signature, der)
    return verify_signed_by_card(container, expecting=purpose, prepared=prepared, trust=trust, now=NOW)


@pytest.fixture
def linked(cards: dict[str, VirtualCard], authority: TestAuthority) -> Callable[[str], LinkedCard]:
    trust = authority.trust()

    def link(name: str) -> LinkedCard:
        return LinkedCard(*(sign(cards[name], trust, certificate) for certificate in Purpose))

    return link


@pytest.fixture
def staff(
    database: Database, vault: Vault, ward: Ward, thresholds: Thresholds, linked: Callable[[str], LinkedCard]
) -> tuple[PersonId, ...]:
    with database.writing(ward.code) as unit:
        three = (linked("職員一郎"), linked("職員二郎"), linked("職員三郎"))
        return counter.begin_staff(unit, vault, thresholds, three, NOW)

"""People registered at the counter by two staff, through the same functions that staff use."""

from collections.abc import Callable
from datetime import date
from functools import cache

import pytest

from assurance import counter
from assurance.database import Database
from assurance.linking import LinkedCard
from assurance.person import PersonId
from assurance.sealed import Vault
from assurance.thresholds import Thresholds, load_thresholds
from assurance.wards import Ward
from card.certificates import Purpose, read_certificate
from card.container import (
    CardEvidence,
    SigningPurpose,
    ToBeSigned,
    prepare,
    verify_signed_by_card,
)
from card.linking import naming
from card.test_authority import Holder, TestAuthority
from card.trust import Trust
from card.virtual.card import VirtualCard
from card.virtual.holder import sign_as_holder
from tests.conftest import NOW

NAMES = (
    "職員\u3000一郎",
    "職員\u3000二郎",
    "職員\u3000三郎",
    "田中\u3000花子",
    "田中\u3000由紀",
    "佐藤\u3000桜",
    "佐藤\u3000健",
    "森\u3000緑",
)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> TestAuthority:
    return TestAuthority.create(tmp_path_factory.mktemp("authority"), NOW)


@pytest.fixture(scope="session")
def cards(authority: TestAuthority) -> dict[str, VirtualCard]:
    holders = [
        Holder(name, date(1948 + 10 * (index % 5), 5, 3), "2", "東京都渋谷区１－１")
        for index, name in enumerate(NAMES)
    ]
    issued = [authority.issue_card(holder, NOW) for holder in holders]
    return {card.label: card for card in issued}


@pytest.fixture(scope="session")
def thresholds() -> Thresholds:
    return load_thresholds()


def prepared(purpose: SigningPurpose) -> ToBeSigned:
    return prepare(
        purpose,
        issuer="https://op.example",
        audience="https://op.example/a",
        nonce=b"n" * 16,
        issued_at=NOW,
    )


def sign(card: VirtualCard, trust: Trust, certificate: Purpose, made: ToBeSigned) -> CardEvidence:
    purpose = SigningPurpose(str(made.claims()["purpose"]))
    container = sign_as_holder(card, made, certificate)
    return verify_signed_by_card(container, expecting=purpose, prepared=made, trust=trust, now=NOW)


def linking(card: VirtualCard) -> ToBeSigned:
    """A linking request that names both certificates of a card."""
    first, second = card.contents.authentication_certificate, card.contents.signature_certificate
    assert second is not None
    return naming(prepared(SigningPurpose.LINK), (read_certificate(first), read_certificate(second)))


@pytest.fixture(scope="package")
def linked(cards: dict[str, VirtualCard], authority: TestAuthority) -> Callable[[str], LinkedCard]:
    trust = authority.trust()

    @cache  # two RSA signatures each
    def link(name: str) -> LinkedCard:
        made = linking(cards[name])
        return LinkedCard(*(sign(cards[name], trust, certificate, made) for certificate in Purpose))

    return link


@pytest.fixture
def staff(
    database: Database, vault: Vault, ward: Ward, thresholds: Thresholds, linked: Callable[[str], LinkedCard]
) -> tuple[PersonId, ...]:
    with database.writing(ward.code) as unit:
        three = (linked("職員一郎"), linked("職員二郎"), linked("職員三郎"))
        return counter.begin_staff(unit, vault, thresholds, three, NOW)

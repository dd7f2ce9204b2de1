"""Cards and a certification authority, made once: RSA keys are expensive."""

from copy import deepcopy
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from card.container import SigningPurpose, ToBeSigned, prepare
from card.test_authority import Holder, TestAuthority, new_p384_card_key
from card.trust import Trust
from card.virtual.card import VirtualCard

NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
PREPARED: ToBeSigned = prepare(
    SigningPurpose.LOGIN,
    issuer="https://op.example",
    audience="https://op.example/a",
    nonce=b"n" * 16,
    issued_at=NOW,
)
HANAKO = Holder("田中\u3000花子", date(1948, 5, 3), "2", "東京都渋谷区宇田川町１－１")


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> TestAuthority:
    return TestAuthority.create(tmp_path_factory.mktemp("authority"), NOW)


@pytest.fixture(scope="session")
def printed_card(authority: TestAuthority) -> VirtualCard:
    return authority.issue_card(HANAKO, NOW)


@pytest.fixture(scope="session")
def printed_next_card(authority: TestAuthority) -> VirtualCard:
    return authority.issue_card(HANAKO, NOW, new_key=new_p384_card_key)


def unspent(printed: VirtualCard) -> VirtualCard:
    contents = printed.contents
    pins = {name: deepcopy(getattr(contents, name)) for name in ("pin", "password", "printed")}
    return VirtualCard(replace(contents, **pins))


@pytest.fixture
def card(printed_card: VirtualCard) -> VirtualCard:
    return unspent(printed_card)


@pytest.fixture
def next_card(printed_next_card: VirtualCard) -> VirtualCard:
    """A card of the next generation, with P-384 keys."""
    return unspent(printed_next_card)


@pytest.fixture(scope="session")
def childs_card(authority: TestAuthority) -> VirtualCard:
    """A card as children under fifteen have: without a signature certificate."""
    return authority.issue_card(replace(HANAKO, birth_date=date(2016, 4, 2)), NOW, signature=False)


@pytest.fixture
def trust(authority: TestAuthority) -> Trust:
    authority.publish_crls(NOW)
    return authority.trust()

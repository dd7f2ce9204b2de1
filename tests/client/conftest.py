"""The client package against the real provider, and against one on a socket that misbehaves."""

import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from card.jose import SoftwareSigner
from card.test_authority import Holder, TestAuthority
from card.virtual.card import VirtualCard
from delegation.client import WardSystem
from tests.assurance import conftest as registered_people
from tests.assurance.conftest import NAMES, linked, staff, thresholds
from tests.client.house import Ward, build
from tests.client.local import AUDIENCE, LocalProvider, served
from tests.conftest import FixedClock
from tests.delegation.conftest import Town, town
from tests.idp.conftest import WardSystem as Registered
from tests.idp.conftest import app, mail, new_system, portal, services

__all__ = [
    "app", "linked", "mail", "new_system", "portal", "services", "staff", "thresholds", "town"
]  # fmt: skip


@pytest.fixture(scope="package")
def http() -> Iterator[httpx2.Client]:
    """One for all tests: reading the machine's certificates takes longer than most of them."""
    with httpx2.Client() as client:
        yield client


@pytest.fixture(scope="package")
def running() -> Iterator[LocalProvider]:
    with served() as provider:
        yield provider


@pytest.fixture
def local(running: LocalProvider) -> LocalProvider:
    running.behave()
    return running


@pytest.fixture
def system(local: LocalProvider, http: httpx2.Client) -> WardSystem:
    return WardSystem(local.issuer, "kaigo", AUDIENCE, SoftwareSigner.generate(), http=http)


@pytest.fixture
def impatient(local: LocalProvider, http: httpx2.Client) -> WardSystem:
    signer = SoftwareSigner.generate()
    return WardSystem(local.issuer, "kaigo", AUDIENCE, signer, http=http, patience_s=0.3)


# The real one. Authlib reads the machine's clock, so the town lives today.


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FixedClock:
    now = datetime.now(UTC)
    monkeypatch.setattr(registered_people, "NOW", now)
    return FixedClock(now)


@pytest.fixture(scope="package")
def authority(tmp_path_factory: pytest.TempPathFactory) -> TestAuthority:
    return TestAuthority.create(tmp_path_factory.mktemp("authority"), datetime.now(UTC))


@pytest.fixture(scope="package")
def cards(authority: TestAuthority) -> dict[str, VirtualCard]:
    issued = [
        authority.issue_card(Holder(name, date(1948, 5, 3), "2", "東京都渋谷区１－１"), datetime.now(UTC))
        for name in NAMES
    ]
    return {card.label: card for card in issued}


@pytest.fixture
def database_url(sqlite_tables: Path, tmp_path: Path) -> str:
    """One kind of database is enough to be asked by a client."""
    shutil.copy(sqlite_tables, tmp_path / "dairi.db")
    return f"sqlite:///{tmp_path / 'dairi.db'}"


@pytest.fixture
def ward_town(clock: FixedClock, town: Town, portal: Registered, app: Any) -> Ward:
    del clock
    return build(town, portal, app)

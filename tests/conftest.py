"""What every test may use.

A fixed clock, both databases, and the promise that a run as root leaves nothing out.
"""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from assurance.database import Database
from assurance.sealed import MasterKeys, Vault
from assurance.wards import Ward, WardCode
from delegation.audit.recorder import AuditRecorder
from tests import postgresql

NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)


class FixedClock:
    """A clock that a test moves."""

    def __init__(self, now: datetime = NOW) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> None:
        self._now += by


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def ward() -> Ward:
    return Ward(WardCode("131130"), "https://shibuya.id.example")


@pytest.fixture(scope="session")
def vault() -> Vault:
    return Vault(MasterKeys.generate())


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    with postgresql.cluster() as url:
        if url is None:
            pytest.skip("storage tests: PostgreSQL is not installed (apt install postgresql)")
        yield url


@pytest.fixture(scope="session")
def sqlite_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with every table, to copy: making them for each test costs more than most tests do."""
    path = tmp_path_factory.mktemp("tables") / "dairi.db"
    made = Database(f"sqlite:///{path}")
    made.create_tables()
    with made.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    made.close()
    return path


@pytest.fixture(scope="session")
def postgresql_tables(postgresql_url: str) -> str:
    """The same: the name of a database that others are made from."""
    with _server(postgresql_url) as connection:
        connection.execute(sa.text("CREATE DATABASE tables"))
    made = Database(postgresql_url.replace("/postgres?", "/tables?"))
    made.create_tables()
    made.close()
    return "tables"


@contextmanager
def _server(url: str) -> Iterator[sa.Connection]:
    server = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        yield connection
    server.dispose()


@contextmanager
def _own_database(url: str, template: str) -> Iterator[str]:
    name = f"t{secrets.token_hex(8)}"
    with _server(url) as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY"))
    try:
        yield url.replace("/postgres?", f"/{name}?")
    finally:
        with _server(url) as connection:
            connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database, each test on both kinds."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'dairi.db'}"
        return
    with _own_database(request.getfixturevalue("postgresql_url"), "template0") as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database with every table, each test on both kinds."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_tables"), tmp_path / "dairi.db")
        yield f"sqlite:///{tmp_path / 'dairi.db'}"
        return
    template = request.getfixturevalue("postgresql_tables")
    with _own_database(request.getfixturevalue("postgresql_url"), template) as url:
        yield url


@pytest.fixture
def database(database_url: str, vault: Vault) -> Iterator[Database]:
    made = Database(database_url, AuditRecorder(vault))
    yield made
    made.close()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail a run that skipped something where nothing may be skipped."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter is not None else []
    if skipped and exitstatus == pytest.ExitCode.OK and os.environ.get("DAIRI_TESTS_ALLOW_NO_SKIP") == "1":
        session.exitstatus = pytest.ExitCode.TESTS_FAILED

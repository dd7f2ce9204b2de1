"""What every test may use.

A fixed clock, both databases, and the promise that a run as root leaves nothing out.
"""

import gc
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlmodel import SQLModel
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

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


def pytest_collection_finish() -> None:
    """Leave out of every garbage collection what was imported; they took a fifth of the time, and more later.

    FastAPI remembers the functions of some forty applications, and each test makes one.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


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


def _server_does(url: str, *statements: str) -> None:
    server = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))
    server.dispose()


@contextmanager
def _emptied(url: str, name: str, *statements: str) -> Iterator[str]:
    """One database for every test: making a new one takes longer than most tests do."""
    yield url.replace("/postgres?", f"/{name}?")
    leave = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"  # noqa: S608 # ours
    _server_does(url, leave)
    _server_does(url.replace("/postgres?", f"/{name}?"), *statements)


@pytest.fixture(scope="session")
def postgresql_empty(postgresql_url: str) -> str:
    """The name of an empty database."""
    _server_does(postgresql_url, "CREATE DATABASE empty")
    return "empty"


@pytest.fixture(scope="session")
def postgresql_tables(postgresql_url: str) -> str:
    """The name of a database with every table."""
    _server_does(postgresql_url, "CREATE DATABASE tables")
    made = Database(postgresql_url.replace("/postgres?", "/tables?"))
    made.create_tables()
    made.close()
    return "tables"


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database, each test on both kinds."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'dairi.db'}"
        return
    url, name = request.getfixturevalue("postgresql_url"), request.getfixturevalue("postgresql_empty")
    with _emptied(url, name, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public") as empty:
        yield empty


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database with every table, each test on both kinds."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_tables"), tmp_path / "dairi.db")
        yield f"sqlite:///{tmp_path / 'dairi.db'}"
        return
    url, name = request.getfixturevalue("postgresql_url"), request.getfixturevalue("postgresql_tables")
    rows = [f'DELETE FROM "{table.name}"' for table in reversed(SQLModel.metadata.sorted_tables)]  # noqa: S608 # ours
    with _emptied(url, name, ";".join(rows)) as emptied:
        yield emptied


@pytest.fixture
def database(database_url: str, vault: Vault) -> Iterator[Database]:
    made = Database(database_url, AuditRecorder(vault))
    yield made
    made.close()


class _TakingTurns(LoadFileScheduling):
    """A file is one worker's, and so is all that needs the one pcscd of the machine, or builds the wheel."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        if file == "tests/card/test_pcscd.py" or file.startswith("tests/end_to_end/"):
            return "pcscd"
        return "wheel" if file.startswith("tests/install/") else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling:
    """How `-n` shares the tests out."""
    return _TakingTurns(config, log)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail a run that skipped something where nothing may be skipped."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter is not None else []
    if skipped and exitstatus == pytest.ExitCode.OK and os.environ.get("DAIRI_TESTS_ALLOW_NO_SKIP") == "1":
        session.exitstatus = pytest.ExitCode.TESTS_FAILED

"""The session door: one code path for SQLite and PostgreSQL, straight lines in threads.

A unit that writes holds one lock from its first statement: on SQLite a lock of this process, then `flock`
on a file beside the database, then `BEGIN IMMEDIATE` (without the first two a busy batch Writer starves this
door); on PostgreSQL units claim by conditional updates. A dependency that is down or busy is
`StorageUnavailable`, which the edge answers with 503: nothing that was acknowledged is lost, nothing is
blindly repeated.
"""

import fcntl
import threading
import time
from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final, Protocol

import sqlalchemy as sa
from sqlalchemy import event as sa_event
from sqlalchemy.engine import Connection, Dialect, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field, Session, SQLModel

from assurance.events import Event
from assurance.wards import WardCode
from card.faults import Fault

_BUSY_TIMEOUT_S: Final = 5.0
_LOCK_POLL_S: Final = 0.001
_CONNECTIONS: Final = 40
"""As many as there are threads: a page holds one at a time, and none waits for another's."""
_WRITES: Final = "dairi_writes"


class StorageUnavailable(Exception):  # noqa: N818 - a state of the world, answered with 503
    """The database is locked, gone, or the outcome of a commit is unknown."""


class UtcDateTime(TypeDecorator[datetime]):
    """Aware UTC time; a naive one is a programming error."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Store as UTC; SQLite drops the zone, so all of it is UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Read as aware UTC."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def table_of(model: type[SQLModel]) -> sa.Table:
    """The table of a model, for statements without an ORM session."""
    table: sa.Table = model.__table__  # type: ignore[attr-defined] # SQLModel's mapped table
    return table


def connection_of(session: Session) -> Connection:
    """The connection of a session, which sees what the session has added so far."""
    session.flush()
    return session.connection()


def time_column(*, nullable: bool = False, index: bool = False) -> Any:
    """A column for a time."""
    return Field(sa_type=UtcDateTime, nullable=nullable, index=index)


class Installation(SQLModel, table=True):
    """What this database is, written once at its creation."""

    kind: str = Field(primary_key=True)


class Recorder(Protocol):
    """Writes what happened into the audit log, as the last statements of a transaction."""

    def write(
        self, connection: Connection, events: Sequence[Event], writer: MutableMapping[Any, Any]
    ) -> None:
        """Add one leaf per event. `writer` lives as long as the connection."""

    def committed(self, writer: MutableMapping[Any, Any]) -> None:
        """The commit is known to stand."""

    def doubtful(self, writer: MutableMapping[Any, Any]) -> None:
        """Whether the commit stands is unknown; this writer ends."""


class NoRecorder:
    """For migrations and for tests of the storage alone."""

    def write(
        self, connection: Connection, events: Sequence[Event], writer: MutableMapping[Any, Any]
    ) -> None:
        """Record nothing."""

    def committed(self, writer: MutableMapping[Any, Any]) -> None:
        """Nothing to do."""

    def doubtful(self, writer: MutableMapping[Any, Any]) -> None:
        """Nothing to do."""


class Unit:
    """One unit of work in one ward: everything in it is committed, or nothing.

    :param session: for reading and writing; nothing else commits it.
    """

    def __init__(self, session: Session, ward: WardCode) -> None:
        self.session = session
        self.ward = ward
        self.events: list[Event] = []
        self._costly: Fault | None = None

    def record(self, event: Event) -> None:
        """Note what happened; its leaf is written with the commit."""
        self.events.append(event)

    def costly(self, fault: Fault) -> Fault:
        """Mark a refusal that must cost something, such as a counted try.

        `raise unit.costly(Fault(…))` commits.
        """
        self._costly = fault
        return fault

    def commits(self, fault: Fault) -> bool:
        """Whether this refusal is a commit."""
        return fault is self._costly


class WriteLock:
    """One writer at a time over threads and processes; on PostgreSQL it is no lock at all."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._thread_lock = threading.Lock()
        self._file: IO[bytes] | None = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock.

        :raises StorageUnavailable: when it is not free in time.
        """
        if self._path is None:
            yield
            return
        if not self._thread_lock.acquire(timeout=_BUSY_TIMEOUT_S):
            raise StorageUnavailable
        try:
            file = self._locked(self._path)
            try:
                yield
            finally:
                fcntl.flock(file, fcntl.LOCK_UN)
        finally:
            self._thread_lock.release()

    def _locked(self, path: Path) -> IO[bytes]:
        """The file, locked against other processes; one that is stuck must not hold us for ever."""
        until = time.monotonic() + _BUSY_TIMEOUT_S
        try:
            if self._file is None:
                self._file = path.open("ab")
            while True:
                try:
                    fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    if time.monotonic() >= until:
                        raise
                    time.sleep(_LOCK_POLL_S)
                else:
                    return self._file
        except OSError as error:
            raise StorageUnavailable from error

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()


def _sqlite_path(url: sa.URL) -> Path | None:
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def make_engine(url: str) -> Engine:
    """An engine with the settings that the design rests on."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() != "sqlite":
        milliseconds = int(_BUSY_TIMEOUT_S * 1000)
        return sa.create_engine(
            parsed,
            connect_args={
                "connect_timeout": int(_BUSY_TIMEOUT_S),
                "options": f"-c lock_timeout={milliseconds} -c statement_timeout={milliseconds * 6}",
            },
            pool_pre_ping=True,
            pool_size=_CONNECTIONS // 4,
            max_overflow=_CONNECTIONS - _CONNECTIONS // 4,
            pool_timeout=_BUSY_TIMEOUT_S,
            hide_parameters=True,
        )
    engine = sa.create_engine(
        parsed,
        connect_args={"timeout": _BUSY_TIMEOUT_S, "check_same_thread": False},
        pool_size=_CONNECTIONS // 2,
        max_overflow=_CONNECTIONS // 2,
        pool_timeout=_BUSY_TIMEOUT_S,
        hide_parameters=True,  # an error's text goes to the log, and values are personal
    )

    @sa_event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # the driver would begin by itself, deferred
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")

    @sa_event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        immediate = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine


class Database:
    """The database of a deployment."""

    def __init__(self, url: str, recorder: Recorder | None = None) -> None:
        self.url = url
        self.engine = make_engine(url)
        self.writing_engine = self.engine.execution_options(**{_WRITES: True})
        self.recorder: Recorder = recorder or NoRecorder()
        path = _sqlite_path(self.engine.url)
        self.write_lock = WriteLock(None if path is None else path.with_name(path.name + ".lock"))

    def create_tables(self) -> None:
        """Create every table that is known, for tests; a deployment migrates."""
        SQLModel.metadata.create_all(self.writing_engine)

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()
        self.write_lock.close()

    @contextmanager
    def writing(self, ward: WardCode) -> Iterator[Unit]:
        """One unit that writes; committed at the end, rolled back by a fault unless it is costly.

        :raises StorageUnavailable: when the database is locked or gone.
        """
        with unavailable(), self.write_lock.held(), self.writing_engine.connect() as connection:
            unit = Unit(Session(bind=connection, expire_on_commit=False), ward)
            with unit.session:
                try:
                    yield unit
                except Fault as fault:
                    if unit.commits(fault):
                        self._commit(unit, connection)
                    raise
                self._commit(unit, connection)

    def _commit(self, unit: Unit, connection: Connection) -> None:
        unit.session.flush()
        writer = connection.info
        if unit.events:
            self.recorder.write(unit.session.connection(), unit.events, writer)
        try:
            unit.session.commit()
            if connection.in_transaction():
                connection.commit()
        except DBAPIError:
            self.recorder.doubtful(writer)
            raise
        if unit.events:
            self.recorder.committed(writer)

    @contextmanager
    def reading(self, ward: WardCode | None = None) -> Iterator[Session]:
        """A snapshot to read from. The ward is named for the reader's sake: every query repeats it."""
        del ward
        with unavailable(), Session(self.engine, expire_on_commit=False) as session:
            yield session

    def answers(self) -> bool:
        """Whether the database answers, for readiness."""
        with suppress(StorageUnavailable), unavailable(), self.engine.connect() as connection:
            return connection.execute(sa.select(1)).scalar() == 1
        return False

    def mark(self, kind: str) -> None:
        """Say once and for all what this database is: `sandbox` or `production`.

        :raises ValueError: when it is another kind already.
        """
        with self.writing_engine.begin() as connection:
            if self.engine.dialect.name == "postgresql":  # of two first starts one waits for the other
                connection.execute(sa.text("LOCK TABLE installation IN EXCLUSIVE MODE"))
            found = connection.execute(sa.select(table_of(Installation).c.kind)).scalar()
            if found is None:
                connection.execute(sa.insert(Installation).values(kind=kind))
            elif found != kind:
                raise ValueError(f"this is a {found} database")


@contextmanager
def unavailable() -> Iterator[None]:
    """Turn what the driver says of a database that is locked, full or gone into `StorageUnavailable`."""
    try:
        yield
    except (DBAPIError, PoolTimeoutError) as error:
        gone = isinstance(error, DBAPIError) and error.connection_invalidated
        if gone or isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError | PoolTimeoutError):
            raise StorageUnavailable from error
        raise

"""The session door, on SQLite and PostgreSQL."""

import fcntl
import threading
from datetime import datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlmodel import Field, SQLModel, select

from assurance.database import Database, StorageUnavailable, time_column
from assurance.wards import Ward
from card.faults import Fault
from tests.conftest import NOW


class Counter(SQLModel, table=True):
    __tablename__ = "test_counter"
    ward: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    count: int = 0
    used_by: str | None = None
    at: datetime | None = time_column(nullable=True)


TABLE = SQLModel.metadata.tables["test_counter"]


def add(database: Database, ward: Ward, *names: str) -> None:
    with database.writing(ward.code) as unit:
        for name in names:
            unit.session.add(Counter(ward=ward.code, name=name, at=NOW))


def count(database: Database, ward: Ward, name: str) -> int:
    with database.reading(ward.code) as session:
        row = session.get(Counter, (ward.code, name))
        assert row is not None
        return row.count


def test_a_unit_is_all_or_nothing(database: Database, ward: Ward) -> None:
    with pytest.raises(ZeroDivisionError), database.writing(ward.code) as unit:
        unit.session.add(Counter(ward=ward.code, name="a"))
        unit.session.flush()
        raise ZeroDivisionError
    with database.reading() as session:
        assert session.exec(select(Counter)).all() == []


def test_a_fault_rolls_back_unless_it_must_cost_something(database: Database, ward: Ward) -> None:
    add(database, ward, "a")
    for costly in (False, True):
        with pytest.raises(Fault), database.writing(ward.code) as unit:
            row = unit.session.get(Counter, (ward.code, "a"))
            assert row is not None
            row.count += 1
            fault = Fault("card.wrong_pin", tries_left=1)
            raise unit.costly(fault) if costly else fault
    assert count(database, ward, "a") == 1


def test_times_come_back_as_aware_utc(database: Database, ward: Ward) -> None:
    add(database, ward, "a")
    with database.reading() as session:
        assert session.exec(select(Counter.at)).one() == NOW


def test_a_naive_time_is_a_programming_error(database: Database, ward: Ward) -> None:
    with pytest.raises(sa.exc.StatementError, match="zone"), database.writing(ward.code) as unit:
        unit.session.add(Counter(ward=ward.code, name="a", at=NOW.replace(tzinfo=None)))


def test_no_update_is_lost_between_read_and_write(database: Database, ward: Ward) -> None:
    """Four threads read, then write; without the lock and BEGIN IMMEDIATE most increments are lost."""
    add(database, ward, "a")

    def increment() -> None:
        for _ in range(25):
            with database.writing(ward.code) as unit:
                statement = select(Counter).where(Counter.name == "a").with_for_update()
                row = unit.session.exec(statement).one()
                row.count += 1

    threads = [threading.Thread(target=increment) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count(database, ward, "a") == 100


def test_a_database_knows_what_it_is(database: Database) -> None:
    database.mark("sandbox")
    database.mark("sandbox")
    with pytest.raises(ValueError, match="sandbox"):
        database.mark("production")


def test_a_database_that_is_gone_is_unavailable(ward: Ward) -> None:
    gone = Database("postgresql+psycopg://nobody@/none?host=/nonexistent")
    assert not gone.answers()
    with pytest.raises(StorageUnavailable), gone.writing(ward.code) as unit:
        unit.session.exec(select(Counter)).all()
    gone.close()


def test_a_lock_that_another_process_keeps_is_unavailable_in_time(
    tmp_path: Path, ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assurance.database._BUSY_TIMEOUT_S", 0.1)
    database = Database(f"sqlite:///{tmp_path / 'dairi.db'}")
    with (tmp_path / "dairi.db.lock").open("ab") as foreign:
        fcntl.flock(foreign, fcntl.LOCK_EX)
        with pytest.raises(StorageUnavailable), database.writing(ward.code):
            pass
        fcntl.flock(foreign, fcntl.LOCK_UN)
    with database.writing(ward.code):
        pass
    database.close()


def test_an_error_tells_no_values(database: Database, ward: Ward) -> None:
    add(database, ward, "a")
    with pytest.raises(sa.exc.IntegrityError) as caught, database.writing(ward.code) as unit:
        unit.session.add(Counter(ward=ward.code, name="a"))
        unit.session.flush()
    assert str(ward.code) not in str(caught.value).partition("[SQL")[2]

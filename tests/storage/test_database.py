"""Both doors, on SQLite and PostgreSQL."""

import asyncio
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime

import pytest
import sqlalchemy as sa
from sqlmodel import Field, SQLModel, col, select

from assurance.batch import Claim, Insert, Outcome, Reader, Writer, Writing
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


class ByName:
    """Counters by (ward, name)."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def run(
        self, connection: sa.Connection, keys: Sequence[tuple[str, str]]
    ) -> Mapping[tuple[str, str], int]:
        self.batches.append(len(keys))
        wanted = sa.tuple_(TABLE.c.ward, TABLE.c.name).in_(keys)
        rows = connection.execute(sa.select(TABLE.c.ward, TABLE.c.name, TABLE.c.count).where(wanted))
        return {(ward, name): counted for ward, name, counted in rows}


def test_look_ups_in_flight_share_a_query_and_keep_no_cache(database: Database, ward: Ward) -> None:
    add(database, ward, *"abc")
    query = ByName()

    async def story() -> None:
        reader = Reader(database.engine)
        try:
            keys = [(str(ward.code), name) for name in "abcabcx"]
            found = await asyncio.gather(*(reader.look_up(query, key) for key in keys))
            assert found == [0, 0, 0, 0, 0, 0, None]
            with database.writing(ward.code) as unit:
                unit.session.exec(sa.update(Counter).where(col(Counter.name) == "a").values(count=7))
            assert await reader.look_up(query, keys[0]) == 7
        finally:
            reader.stop()

    asyncio.run(story())
    assert len(query.batches) < 8


def claim(ward: Ward, name: str, request: str) -> Writing:
    row = Insert(TABLE, {"ward": ward.code, "name": f"{name}-{request}", "count": 1})
    lost = sa.update(TABLE).where(TABLE.c.name == name).values(count=-1)
    key = {"ward": ward.code, "name": name}
    return Writing(ward.code, request, claims=(Claim(TABLE, key, "used_by"),), rows=(row,), if_lost=(lost,))


def write(database: Database, *writings: Writing) -> list[Outcome | BaseException]:
    async def story() -> list[Outcome | BaseException]:
        writer = Writer(database)
        try:
            return await asyncio.gather(
                *(writer.commit(writing) for writing in writings), return_exceptions=True
            )
        finally:
            writer.stop()

    return asyncio.run(story())


def names(database: Database) -> set[str]:
    with database.reading() as session:
        return set(session.exec(select(Counter.name)).all())


def test_of_many_claims_on_one_row_exactly_one_wins_and_the_losers_are_heard(
    database: Database, ward: Ward
) -> None:
    add(database, ward, "code", "other")
    outcomes = write(database, *(claim(ward, "code", f"r{n}") for n in range(8)), claim(ward, "other", "r9"))
    assert [outcome is Outcome.WON for outcome in outcomes].count(True) == 2
    assert outcomes[-1] is Outcome.WON
    assert len(names(database)) == 4
    assert count(database, ward, "code") == -1
    assert write(database, claim(ward, "code", "later")) == [Outcome.LOST]


def test_a_lost_claim_gives_back_what_its_request_won_elsewhere(database: Database, ward: Ward) -> None:
    add(database, ward, "one", "two")
    write(database, claim(ward, "two", "first"))
    both = Writing(
        ward.code,
        "second",
        claims=tuple(Claim(TABLE, {"ward": ward.code, "name": name}, "used_by") for name in ("one", "two")),
    )
    assert write(database, both) == [Outcome.LOST]
    assert write(database, claim(ward, "one", "third")) == [Outcome.WON]


def test_one_bad_row_fails_alone(database: Database, ward: Ward) -> None:
    add(database, ward, "a", "b")
    duplicate = Writing(ward.code, "bad", rows=(Insert(TABLE, {"ward": ward.code, "name": "a", "count": 0}),))
    outcomes = write(database, claim(ward, "a", "good"), duplicate, claim(ward, "b", "fine"))
    assert outcomes[0] is outcomes[2] is Outcome.WON
    assert outcomes[1] is Outcome.TAKEN
    assert {"a-good", "b-fine"} <= names(database)

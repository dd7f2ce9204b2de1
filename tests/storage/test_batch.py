"""The batch door, on SQLite and PostgreSQL."""

import asyncio
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import col, select

from assurance.batch import Change, Claim, Insert, Outcome, Reader, Writer, Writing
from assurance.database import Database, StorageUnavailable
from assurance.wards import Ward
from tests.storage.test_database import TABLE, Counter, add, count


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
    lost = Change(sa.update(TABLE).where(TABLE.c.name == sa.bindparam("of")).values(count=-1), {"of": name})
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


class Refusing(ByName):
    """A query that one key breaks."""

    def run(
        self, connection: sa.Connection, keys: Sequence[tuple[str, str]]
    ) -> Mapping[tuple[str, str], int]:
        found = super().run(connection, keys)
        if any(name == "bad" for _, name in keys):
            raise ValueError("bad")
        return found


def test_one_bad_key_fails_alone(database: Database, ward: Ward) -> None:
    add(database, ward, "a", "b")
    query = Refusing()

    async def story() -> list[Any]:
        reader = Reader(database.engine)
        try:
            asked = [reader.look_up(query, (str(ward.code), name)) for name in ("a", "bad", "b")]
            return await asyncio.gather(*asked, return_exceptions=True)
        finally:
            reader.stop()

    first, bad, last = asyncio.run(story())
    assert (first, last) == (0, 0)
    assert isinstance(bad, ValueError)


def test_a_look_up_opens_no_transaction_that_outlives_it(database: Database, ward: Ward) -> None:
    add(database, ward, "a")

    async def story() -> None:
        reader = Reader(database.engine)
        try:
            for expected in range(3):
                assert await reader.look_up(ByName(), (str(ward.code), "a")) == expected
                with database.writing(ward.code) as unit:
                    unit.session.exec(sa.update(Counter).values(count=expected + 1))
        finally:
            reader.stop()

    asyncio.run(story())


def test_a_commit_whose_outcome_is_unknown_is_unavailable_and_never_repeated(
    database: Database, ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(database, ward, "a", "b")
    tried = list[int]()

    def breaks(transaction: sa.RootTransaction) -> None:
        tried.append(1)
        transaction.connection.connection.driver_connection.commit()  # type: ignore[union-attr] # it has one
        transaction.connection.invalidate()  # as SQLAlchemy does with a connection that broke
        raise OSError("the wire was cut")

    monkeypatch.setattr(sa.RootTransaction, "commit", breaks)
    outcomes = write(database, claim(ward, "a", "one"), claim(ward, "b", "two"))
    monkeypatch.undo()
    assert all(isinstance(outcome, StorageUnavailable) for outcome in outcomes)
    assert len(tried) <= 2
    assert write(database, claim(ward, "a", "later")) == [Outcome.LOST]


def test_a_busy_writer_lets_the_session_door_in(database: Database, ward: Ward) -> None:
    add(database, ward, "shared", *(f"c{number}" for number in range(400)))
    done = threading.Event()

    def people() -> None:
        for _ in range(20):
            with database.writing(ward.code) as unit:
                row = unit.session.get(Counter, (ward.code, "shared"), with_for_update=True)
                assert row is not None
                row.count += 1
        done.set()

    thread = threading.Thread(target=people)
    thread.start()
    outcomes = write(database, *(claim(ward, f"c{number}", f"r{number}") for number in range(400)))
    thread.join(30)
    assert done.is_set()
    assert outcomes == [Outcome.WON] * 400
    assert count(database, ward, "shared") == 20

"""One statement for any number of texts, on SQLite and PostgreSQL."""

import re
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa

from assurance.among import among
from assurance.database import Database
from assurance.wards import Ward
from tests.storage.test_database import TABLE, add

NAMED = sa.select(TABLE.c.name).where(among(TABLE.c.name, "names")).order_by(TABLE.c.name)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ([], []),
        (["a"], ["a"]),
        (["c", "a", "a", "x"], ["a", "c"]),
        (['",\\"', "{b}", "神\U000e0101"], ['",\\"', "{b}", "神\U000e0101"]),
    ],
)
def test_the_rows_among_these_are_found(
    database: Database, ward: Ward, asked: Sequence[str], found: Sequence[str]
) -> None:
    add(database, ward, "a", "b", "c", '",\\"', "{b}", "神\U000e0101")
    with database.engine.connect() as connection:
        assert connection.execute(NAMED, {"ward": ward.code, "names": asked}).scalars().all() == sorted(found)


def test_no_row_of_another_ward_is_found(database: Database, ward: Ward) -> None:
    add(database, ward, "a")
    with database.engine.connect() as connection:
        assert connection.execute(NAMED, {"ward": "131121", "names": ["a"]}).all() == []


def test_it_is_the_same_statement_for_any_number(database: Database, ward: Ward) -> None:
    add(database, ward, "a", "b")
    seen = set[str]()

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.add(statement)

    sa.event.listen(database.engine, "before_cursor_execute", note)
    with database.engine.connect() as connection:
        for names in ([], ["a"], ["a", "b", "c"]):
            connection.execute(NAMED, {"ward": ward.code, "names": names})
    assert len({statement for statement in seen if "SELECT" in statement}) == 1


def test_sqlite_without_statistics_searches_both_parts_of_the_key(tmp_path: Path) -> None:
    """Else it would take a ward for ten rows, and walk a million."""
    database, plans = Database(f"sqlite:///{tmp_path / 'few.db'}"), list[str]()
    database.create_tables()

    def explain(
        _connection: object, cursor: sqlite3.Cursor, statement: str, values: object, *_: object
    ) -> None:
        if statement.startswith("SELECT"):
            explained = cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)
            plans.extend(str(line[-1]) for line in explained)

    sa.event.listen(database.engine, "before_cursor_execute", explain)
    with database.engine.connect() as connection:
        connection.execute(NAMED, {"ward": "131130", "names": ["a"]}).all()
    database.close()
    assert any(re.match(r"SEARCH \w+ USING .*\(ward=\? AND name=\?\)", plan) for plan in plans), plans

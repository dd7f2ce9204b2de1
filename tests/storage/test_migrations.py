"""Migrations lead to exactly the tables that the code knows."""

from collections.abc import Iterator

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlmodel import SQLModel

from assurance.database import Database
from idp import schema


@pytest.fixture
def empty(empty_database_url: str) -> Iterator[Database]:
    made = Database(empty_database_url)
    yield made
    made.close()


def test_an_empty_database_is_migrated_to_what_the_code_knows(empty: Database) -> None:
    assert not schema.is_current(empty)
    schema.migrate(empty)
    schema.migrate(empty)
    assert schema.is_current(empty)
    with empty.engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection), SQLModel.metadata)
    differences = [entry for entry in found if "test_" not in str(entry)]
    assert differences == []

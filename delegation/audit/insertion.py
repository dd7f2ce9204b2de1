"""Adding a row that another process may be adding at this moment."""

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection
from sqlmodel import SQLModel

from assurance.database import table_of


def insert_if_absent(connection: Connection, model: type[SQLModel], values: Mapping[str, object]) -> bool:
    """Add a row unless its key is there.

    Where a plain `INSERT` comes second it fails, and the whole unit with it. On PostgreSQL this one waits
    for whoever is adding the same key, and adds it after all when that unit rolls back.

    :returns: whether it was added.
    """
    table = table_of(model)
    statement: sa.Executable
    if connection.dialect.name == "sqlite":
        statement = sqlite.insert(table).values(**values).on_conflict_do_nothing()
    else:
        statement = postgresql.insert(table).values(**values).on_conflict_do_nothing()
    return connection.execute(statement, execution_options={"preserve_rowcount": True}).rowcount == 1

"""How Alembic runs: always over an engine that the caller hands in."""

from typing import Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlmodel import SQLModel

import assurance.sealed
import assurance.tables
import delegation.audit.tables
import delegation.offices.tables
import delegation.revoked.tables
import delegation.staffing.tables
import delegation.tables
import idp.tables
from assurance.database import UtcDateTime

TABLES = (
    assurance.sealed,
    assurance.tables,
    delegation.audit.tables,
    delegation.offices.tables,
    delegation.revoked.tables,
    delegation.tables,
    delegation.staffing.tables,
    idp.tables,
)


def render_item(kind: str, item: object, autogen: AutogenContext) -> str | Literal[False]:
    """Write our column type by its name."""
    if kind == "type" and isinstance(item, UtcDateTime):
        autogen.imports.add("from assurance.database import UtcDateTime")
        return "UtcDateTime()"
    return False


with context.config.attributes["engine"].connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=SQLModel.metadata,
        render_item=render_item,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()
    if connection.in_transaction():
        connection.commit()

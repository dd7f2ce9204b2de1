"""`dairi migrate`: bring the database to this version."""

import typer
from sqlalchemy.exc import SQLAlchemyError

from assurance.database import StorageUnavailable
from idp import schema
from idp.cli.deployment import deployment, fail


def migrate() -> None:
    """Bring the database to this version; the one before it may go on serving meanwhile."""
    with deployment() as (database, _vault, _wards):
        try:
            schema.migrate(database)
        except (SQLAlchemyError, StorageUnavailable) as error:
            raise fail("The database does not answer; see DAIRI_DATABASE_URL.") from error
    typer.echo("The database is current.")

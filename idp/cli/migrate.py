"""`dairi migrate`: bring the database to this version."""

import typer

from idp import schema
from idp.cli.deployment import deployment


def migrate() -> None:
    """Bring the database to this version; the one before it may go on serving meanwhile."""
    with deployment() as (database, _vault, _wards):
        schema.migrate(database)
    typer.echo("The database is current.")

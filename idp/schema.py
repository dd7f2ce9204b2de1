"""The schema's version (Alembic): a process refuses a database of another one."""

from importlib.resources import files

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from assurance.database import Database


def _config(database: Database) -> Config:
    config = Config()
    config.set_main_option("script_location", str(files("deploy").joinpath("migrations")))
    config.attributes["engine"] = database.writing_engine
    return config


def migrate(database: Database) -> None:
    """Bring a database to this version; one that is there already is left alone."""
    with database.write_lock.held():
        command.upgrade(_config(database), "head")


def is_current(database: Database) -> bool:
    """Whether the schema is this version's."""
    head = ScriptDirectory.from_config(_config(database)).get_current_head()
    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision() == head

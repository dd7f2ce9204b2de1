"""What the commands of a deployment share: its settings, its database, its public keys."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import sqlalchemy as sa
import typer
from pydantic import ValidationError

from assurance.database import Database, Installation, StorageUnavailable, connection_of, table_of
from assurance.procedures import Procedures
from assurance.sealed import Vault
from assurance.wards import Ward
from card.clock import SystemClock
from delegation.audit.checkpoint import LogKey, log_key, origin_of
from delegation.audit.closing import close_own
from delegation.audit.recorder import writers_of
from idp.keys import KeyRing, load_keys, read_log_keys
from idp.services import open_database, procedures_of, wards_of
from idp.settings import Settings, describe


def fail(sentence: str) -> typer.Exit:
    """Say what is wrong on standard error; the caller raises what is returned."""
    typer.echo(sentence, err=True)
    return typer.Exit(1)


@contextmanager
def deployment() -> Iterator[tuple[Database, Vault, list[Ward]]]:
    """The deployment that the environment describes; the writers that a command had are closed at its end."""
    try:
        settings = Settings()
        database, vault = open_database(settings)
        wards = wards_of(settings)
    except ValidationError as error:
        raise fail(f"The settings are incomplete: {describe(error)}.") from error
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise fail(f"The deployment cannot be opened: {error}") from error
    try:
        yield database, vault, wards
        with suppress(StorageUnavailable):  # then a sequencer closes them
            for ward in wards:
                close_own(database, ward.code, writers_of(database), SystemClock().now(), stopping=True)
    except StorageUnavailable as error:
        raise fail("The database does not answer; see DAIRI_DATABASE_URL.") from error
    finally:
        database.close()


def is_sandbox(database: Database) -> bool:
    """Whether a database is a sandbox's, which takes test cards, as no other does."""
    with database.reading() as session:
        kind = connection_of(session).execute(sa.select(table_of(Installation).c.kind)).scalar()
    return kind == "sandbox"


def chosen(wards: Sequence[Ward], code: str) -> Ward:
    """The ward that a command is about; where there are several, it is named."""
    found = [ward for ward in wards if code in {"", ward.code}]
    if len(found) == 1:
        return found[0]
    codes = ", ".join(ward.code for ward in wards)
    raise fail(f"{code} is not served here; the wards are {codes}" if code else f"Name the ward: {codes}")


def offered() -> Procedures:
    """The procedures of the same deployment."""
    try:
        return procedures_of(Settings())
    except (OSError, ValueError) as error:
        raise fail(f"The procedures cannot be read: {error}") from error


def ring(database: Database, vault: Vault, ward: Ward) -> KeyRing:
    """The keys of a ward; those that it lacks are made."""
    return load_keys(database, vault, ward.code, SystemClock().now())


def log_key_of(ward: Ward, keys: KeyRing) -> LogKey:
    """The public key of a ward's log."""
    return log_key(origin_of(ward.issuer), keys.log)


def own_log_keys(database: Database, vault: Vault, ward: Ward) -> list[LogKey]:
    """The same, of a deployment that is only looked at: nothing is made."""
    with database.reading(ward.code) as session:
        return [log_key(origin_of(ward.issuer), key) for key in read_log_keys(session, vault, ward.code)]

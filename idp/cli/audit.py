"""`dairi audit`: judge the log, beside a running or a stopped server."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated

import typer

from assurance.database import Database, StorageUnavailable, unavailable
from assurance.sealed import Unopenable, Vault
from assurance.wards import Ward
from delegation.audit.checkpoint import Head, LogKey, origin_of, read_checkpoint
from delegation.audit.verify import Report, verify_log
from idp.cli.deployment import deployment, fail, own_log_keys
from idp.schema import is_current

app = typer.Typer(no_args_is_help=True, help="The audit log.")


@app.callback()
def _group() -> None:
    """Hold the commands together."""


def _pinned(path: Path) -> list[LogKey]:
    try:
        return [LogKey.parse(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise fail(f"{path} holds no log keys: {error}") from error


def _kept(path: Path, keys: Collection[LogKey]) -> Head:
    try:
        return read_checkpoint(path.read_text("utf-8"), keys)
    except (OSError, ValueError) as error:
        raise fail(f"{path} holds no checkpoint of these wards: {error}") from error


def _keys(database: Database, vault: Vault, wards: Sequence[Ward], pinned: Path | None) -> list[LogKey]:
    if pinned is not None:
        return _pinned(pinned)
    return [key for ward in wards for key in own_log_keys(database, vault, ward)]


def _tell(ward: Ward, report: Report) -> None:
    typer.echo(
        f"{ward.code}: {report.size} leaves, {report.checkpoints} checkpoints, "
        f"{report.waiting} waiting to be numbered, {report.writers} writers open"
    )
    if report.abandoned:
        typer.echo(
            f"{ward.code}: {report.abandoned} writers were closed for a process that ended without a word: "
            "each should belong to a crash that you know of"
        )
    for problem in report.problems:
        typer.echo(f"{ward.code}: {problem}", err=True)


@app.command()
def verify(
    keys: Annotated[
        Path | None, typer.Option(help="File of pinned log keys; else the deployment's own are believed.")
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            help="A checkpoint that was kept elsewhere (from /audit/checkpoint): the log must continue it. "
            "Only this shows that a whole log was set back to an older state."
        ),
    ] = None,
) -> None:
    """Verify every leaf, every writer and every checkpoint; exit 1 when something was altered."""
    altered = False
    with deployment() as (database, vault, wards):
        try:
            with unavailable():
                current = is_current(database)
            if not current:
                raise fail("the database is of another version, or not this service's")
            known = _keys(database, vault, wards, keys)
            kept = None if checkpoint is None else _kept(checkpoint, known)
            if kept is not None and kept.origin not in {origin_of(ward.issuer) for ward in wards}:
                raise fail(f"{checkpoint} is of {kept.origin}, which is not served here")
            for ward in wards:
                own = kept if kept is not None and kept.origin == origin_of(ward.issuer) else None
                report = verify_log(database, ward, known, own)
                _tell(ward, report)
                altered = altered or bool(report.problems)
        except StorageUnavailable as error:
            raise fail("the database does not answer") from error
        except Unopenable as error:
            raise fail("the master key does not open the log's key; name it with --keys") from error
    if altered:
        raise fail("The log was altered.")
    typer.echo("Nothing was altered.")

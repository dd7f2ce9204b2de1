"""`dairi audit`: judge the log, beside a running or a stopped server."""

from pathlib import Path
from typing import Annotated

import typer

from delegation.audit.checkpoint import CheckpointRefused, LogKey
from delegation.audit.verify import verify_log
from idp.cli.deployment import deployment, fail, log_key_of, ring

app = typer.Typer(no_args_is_help=True, help="The audit log.")


@app.callback()
def _group() -> None:
    """Hold the commands together."""


def _pinned(path: Path) -> list[LogKey]:
    try:
        return [LogKey.parse(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, CheckpointRefused) as error:
        raise fail(f"{path} holds no log keys: {error}") from error


@app.command()
def verify(
    keys: Annotated[
        Path | None, typer.Option(help="File of pinned log keys; else the deployment's own are believed.")
    ] = None,
) -> None:
    """Verify every leaf, every writer and every checkpoint; exit 1 when something was altered."""
    altered = False
    with deployment() as (database, vault, wards):
        for ward in wards:
            known = _pinned(keys) if keys else [log_key_of(ward, ring(database, vault, ward))]
            with database.reading(ward.code) as session:
                report = verify_log(session, ward, known)
            typer.echo(
                f"{ward.code}: {report.size} leaves, {report.checkpoints} checkpoints, "
                f"{report.waiting} waiting to be numbered"
            )
            for problem in report.problems:
                typer.echo(f"{ward.code}: {problem}", err=True)
            altered = altered or bool(report.problems)
    if altered:
        raise fail("The log was altered.")
    typer.echo("Nothing was altered.")

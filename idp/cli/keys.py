"""`dairi keys`: the keys that a ward signs with."""

import json
from pathlib import Path
from typing import Annotated

import typer

from card.clock import SystemClock
from idp.cli.deployment import chosen, deployment, fail, log_key_of, ring
from idp.keys import KeyPurpose, key_rows
from idp.keys import rotate as rotate_key

app = typer.Typer(no_args_is_help=True, help="The keys that a ward signs with.")


@app.command("list")
def list_keys() -> None:
    """Show every live key of every ward: purpose, id, algorithm, since when."""
    with deployment() as (database, _vault, wards):
        for ward in wards:
            with database.reading(ward.code) as session:
                for row in key_rows(session, ward.code):
                    typer.echo(
                        f"{ward.code}  {row.purpose:8} {row.kid:44} {row.alg:8} {row.created_at:%F %R}"
                    )


@app.command()
def rotate(
    purpose: Annotated[KeyPurpose, typer.Argument(help="What the new key signs.")],
    ward: Annotated[str, typer.Option(help="The ward's code, where there are several.")] = "",
) -> None:
    """Make a new key. It signs after the next start; the old ones go on verifying.

    The request key names its successor to the bridges: each follows at the first request that it gets, and
    takes what the key before signed for one hour more.
    """
    if purpose is KeyPurpose.LOG:
        raise fail("the log's key is what verifiers pin; it is not rotated")
    with deployment() as (database, vault, wards):
        of = chosen(wards, ward)
        with database.writing(of.code) as unit:
            made = rotate_key(unit, vault, of, purpose, SystemClock().now())
    typer.echo(f"{made.kid} signs from the next start on.")
    if purpose is KeyPurpose.REQUEST:
        typer.echo("Start every process anew within one hour: bridges leave the key before it then.")


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Where to write archive.json and log.keys.")],
    ward: Annotated[str, typer.Option(help="The ward's code, where there are several.")] = "",
) -> None:
    """Write the public keys that a verifier of mandates and of the audit log pins."""
    with deployment() as (database, vault, wards):
        of = chosen(wards, ward)
        keys = ring(database, vault, of)
    folder.mkdir(parents=True, exist_ok=True)
    archive = {"keys": keys.public(KeyPurpose.ARCHIVE)}
    (folder / "archive.json").write_text(json.dumps(archive, indent=1) + "\n", "utf-8")
    (folder / "log.keys").write_text(log_key_of(of, keys).text + "\n", "utf-8")
    typer.echo(f"archive.json and log.keys are in {folder}.")

"""`dairi mandate`: judge a mandate from its file, without the service."""

import json
from pathlib import Path
from typing import Annotated

import typer

from card.jose import KeySet
from card.revocation import NoRevocation
from card.trust import Trust
from delegation.audit.checkpoint import LogKey
from delegation.mandate_file import MandateRefused
from delegation.mandate_file import verify as verify_mandate
from idp.cli.deployment import fail

app = typer.Typer(no_args_is_help=True, help="Mandates.")


@app.callback()
def _group() -> None:
    """Hold the commands together."""


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="The mandate's file.")],
    trust: Annotated[Path, typer.Option(help="Folder of JPKI roots, archive.json and log.keys.")],
    test_cards: Annotated[bool, typer.Option(help="Accept test cards, as in the sandbox.")] = False,
) -> None:
    """Say who signed what and when; exit 1 when it does not verify. Being in force is another question."""
    try:
        roots = Trust.from_files(trust, NoRevocation(), test_cards=test_cards)
        archive = KeySet.from_jwks(json.loads((trust / "archive.json").read_text("utf-8")), ["ES256"])
        logs = [LogKey.parse(line) for line in (trust / "log.keys").read_text("utf-8").splitlines()]
        document = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise fail(f"cannot be read: {error}") from error
    try:
        verdict = verify_mandate(document, roots, archive, logs)
    except MandateRefused as error:
        raise fail(f"It does not verify: {error}") from error
    typer.echo(f"signed at {verdict.signed_at:%F %T} UTC by {verdict.name}:\n\n{verdict.text}")
    typer.echo("\nWhether it is in force, only a decision or a live bundle says.")

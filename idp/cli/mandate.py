"""`dairi mandate`: judge a mandate from its file, and check a ward's mandates against revocation lists."""

import json
from pathlib import Path
from typing import Annotated

import typer

from card.certificates import Purpose
from card.jose import KeySet
from card.revocation import CrlFiles, NoRevocation, StatusUnavailable
from card.trust import Trust
from delegation.audit.checkpoint import LogKey
from delegation.mandate_file import MandateRefused
from delegation.mandate_file import verify as verify_mandate
from delegation.revoked.matching import match
from idp.cli.deployment import chosen, deployment, fail, is_sandbox
from idp.delegating import parts_of
from idp.services import Services, compose_on
from idp.settings import Settings

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


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _recheck(services: Services, folder: Path | None) -> None:
    trust = services.trust
    source = trust.revocation if folder is None else CrlFiles(folder)
    try:
        lists = source.lists(trust.anchors[Purpose.SIGNATURE], services.clock.now())
    except StatusUnavailable as error:
        raise fail("the revocation lists cannot be read") from error
    if not lists:
        raise fail("there is no current revocation list that a pinned root signed: nothing was checked")
    done = match(parts_of(services), lists)
    told = [
        f"{_counted(len(lists), 'list')} with {_counted(done.listed, 'certificate')}",
        f"{_counted(done.new, 'mandate')} named anew",
        f"{done.reviews} for staff to review",
        f"{_counted(done.holds, 'hold')} placed",
    ]
    typer.echo(f"{services.ward.code}: {', '.join(told)}")


@app.command()
def recheck(
    ward: Annotated[str, typer.Option(help="Code of the ward, where several are served.")] = "",
    lists: Annotated[Path | None, typer.Option(help="Folder of lists; else those of the settings.")] = None,
) -> None:
    """Match revocation lists with a ward's mandates now, as the service does daily; exit 1 without a list."""
    with deployment() as (database, vault, wards):
        asked = [chosen(wards, ward)]
        try:
            (services,) = compose_on(Settings(), asked, database, vault, sandbox=is_sandbox(database))
        except (OSError, ValueError, LookupError) as error:
            raise fail(f"The deployment cannot be opened: {error}") from error
        try:
            _recheck(services, lists)
        finally:
            services.batch.stop()

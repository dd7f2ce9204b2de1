"""`dairi bridges`: what bridges pin of this service, and those that the ward enrolled on its own PCs."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from assurance.database import Database, Unit, unavailable
from assurance.sealed import Vault
from assurance.wards import Ward
from card.bridge.enrolment import Pin, write_enrolment
from card.bridge.key import check_number
from card.clock import SystemClock
from card.jose import strict_json
from idp.bridges import Unenrollable, bridges_of, enrol, revoke
from idp.card_requests import answer_uri_of
from idp.cli.deployment import chosen, deployment, fail, ring
from idp.keys import KeyPurpose
from idp.schema import is_current

app = typer.Typer(no_args_is_help=True, help="What bridges pin, and the bridges on the ward's own PCs.")

_LARGEST_KEY: Final = 4096
_Name = Annotated[str, typer.Option(help="Where it stands, such as 介護窓口 1; nobody's name.")]
_OfWard = Annotated[str, typer.Option("--ward", help="The ward's code, where there are several.")]


@contextmanager
def _migrated() -> Iterator[tuple[Database, Vault, Sequence[Ward]]]:
    with deployment() as (database, vault, wards):
        with unavailable():
            current = is_current(database)
        if not current:
            raise fail("The database is of another version; run `dairi migrate`.")
        yield database, vault, wards


@contextmanager
def _changing(code: str) -> Iterator[tuple[Unit, Ward]]:
    with _migrated() as (database, _vault, wards):
        ward = chosen(wards, code)
        try:
            with database.writing(ward.code) as unit:
                yield unit, ward
        except Unenrollable as refused:
            raise fail(f"Nothing was changed: {refused}.") from refused


def _read_key(path: Path) -> Mapping[str, Any]:
    try:
        if path.stat().st_size > _LARGEST_KEY:
            raise fail(f"{path} is too large for a public key.")
        return strict_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise fail(f"{path} holds no public key (JWK): {error}") from error


@app.command()
def pin(
    file: Annotated[Path, typer.Argument(help="Where to write what `dairi bridge --enrolment` reads.")],
) -> None:
    """Write the file by which a bridge knows the wards of this service, with their request keys of today."""
    with _migrated() as (database, vault, wards):
        pins = [
            Pin(
                ward.issuer,
                answer_uri_of(ward),
                ring(database, vault, ward).signer(KeyPurpose.REQUEST).public_jwk(),
            )
            for ward in wards
        ]
    try:
        write_enrolment(file, pins)
    except OSError as error:
        raise fail(f"{file} cannot be written: {error}") from error
    typer.echo(f"{file} pins {', '.join(pin.issuer for pin in pins)}.")


@app.command("enrol")
def enrol_bridge(
    name: _Name,
    key: Annotated[
        Path, typer.Option(help="File of its public key (JWK), as `dairi bridge-key` printed it.")
    ],
    code: _OfWard = "",
) -> None:
    """Enrol the bridge of a PC of the ward: card logins there resist phishing."""
    jwk = _read_key(key)
    with _changing(code) as (unit, ward):
        id_ = enrol(unit, name, jwk, SystemClock().now())
    typer.echo(f"{name} is enrolled in {ward.code}. Its check number is {check_number(id_)}.")
    typer.echo("Compare it with the one that the PC showed; if they differ, revoke it.")


@app.command("revoke")
def revoke_bridge(name: _Name, code: _OfWard = "") -> None:
    """Revoke a bridge, at once and for good; logins go on, and no longer resist phishing."""
    with _changing(code) as (unit, ward):
        id_ = revoke(unit, name, SystemClock().now())
    typer.echo(f"{name} ({check_number(id_)}) is revoked in {ward.code}.")


@app.command("list")
def list_bridges(code: _OfWard = "") -> None:
    """Show every bridge: ward, check number, since when, its state, name (UTC)."""
    with _migrated() as (database, _vault, wards):
        for ward in [chosen(wards, code)] if code else wards:
            with database.reading(ward.code) as session:
                for row in bridges_of(session, ward.code):
                    state = "live" if row.revoked_at is None else f"revoked {row.revoked_at:%F %R}"
                    typer.echo(
                        f"{ward.code}  {check_number(row.id)}  {row.enrolled_at:%F %R}  {state:24} {row.name}"
                    )

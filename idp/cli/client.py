"""`dairi client`: the ward systems that log people in and ask for decisions."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from assurance.database import Database, Unit, unavailable
from assurance.handles import hashed, new_handle
from assurance.wards import Ward
from card.clock import SystemClock
from card.jose import strict_json
from idp.cli.deployment import chosen, deployment, fail, offered
from idp.clients import Client
from idp.registration import (
    BY_KEY,
    BY_SECRET,
    Unregistrable,
    disable_client,
    register_client,
    registered_clients,
    rotate_client,
)
from idp.schema import is_current
from idp.tables import OAuthClientRow

app = typer.Typer(no_args_is_help=True, help="The ward systems that log people in and ask for decisions.")

_LARGEST_JWKS: Final = 64 * 1024
_Id = Annotated[str, typer.Argument(help="Its client id.")]
_OfWard = Annotated[str, typer.Option("--ward", help="The ward's code, where there are several.")]
_Jwks = Annotated[Path | None, typer.Option(help="File of its public keys (JWK Set), for private_key_jwt.")]


@contextmanager
def _registries() -> Iterator[tuple[Database, Sequence[Ward]]]:
    with deployment() as (database, _vault, wards):
        with unavailable():
            current = is_current(database)
        if not current:
            raise fail("The database is of another version; run `dairi migrate`.")
        yield database, wards


@contextmanager
def _changing(code: str) -> Iterator[tuple[Unit, Ward]]:
    """A ward whose clients are changed; what cannot be registered is said in a sentence."""
    with _registries() as (database, wards):
        ward = chosen(wards, code)
        try:
            with database.writing(ward.code) as unit:
                yield unit, ward
        except Unregistrable as refused:
            raise fail(f"Nothing was changed: {refused}.") from refused


def _read_jwks(path: Path) -> Mapping[str, Any]:
    try:
        if path.stat().st_size > _LARGEST_JWKS:
            raise fail(f"{path} is too large for a JWK Set.")
        return strict_json(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise fail(f"{path} holds no JWK Set: {error}") from error


def _tell_secret(ward: Ward, client_id: str, secret: str) -> None:
    typer.echo(f"issuer         {ward.issuer}")
    typer.echo(f"client_id      {client_id}")
    typer.echo(f"client_secret  {secret}")
    typer.echo("The secret is shown this once; what is kept of it is a hash.")


@app.command()
def add(
    client_id: _Id,
    name_ja: Annotated[str, typer.Option(help="What people know it by, in Japanese.")],
    name_en: Annotated[str, typer.Option(help="The same in English.")],
    audience: Annotated[str, typer.Option(help="`aud` of access tokens made for it, an https address.")],
    sector: Annotated[str, typer.Option(help="The sector in which it knows people by their `sub`.")],
    scope: Annotated[list[str], typer.Option(help="A scope that it may ask for; again for each.")],
    redirect_uri: Annotated[
        list[str] | None, typer.Option(help="Where logins lead back to, exactly; again for each.")
    ] = None,
    post_logout_redirect_uri: Annotated[
        list[str] | None, typer.Option(help="Where logouts may lead back to; again for each.")
    ] = None,
    procedure: Annotated[
        list[str] | None, typer.Option(help="A procedure that it may ask about; again for each.")
    ] = None,
    jwks: _Jwks = None,
    secret: Annotated[bool, typer.Option("--secret", help="Make a secret, for client_secret_basic.")] = False,
    delegation_aware: Annotated[
        bool, typer.Option("--delegation-aware", help="It tells principal and actor of a token apart.")
    ] = False,
    reads_cards: Annotated[
        bool, typer.Option("--reads-cards", help="Its staff may hand it what is printed on a card.")
    ] = False,
    join_sector: Annotated[
        bool, typer.Option("--join-sector", help="Another system of this sector may know people as one.")
    ] = False,
    code: _OfWard = "",
) -> None:
    """Register a ward system, by its public keys or with a secret that is made and shown once."""
    if (jwks is None) != secret:
        raise fail("A client has either its keys, --jwks FILE, or a secret that is made, --secret.")
    made, document = new_handle() if secret else None, None if jwks is None else _read_jwks(jwks)
    client = Client(
        client_id=client_id,
        name={"ja": name_ja, "en": name_en},
        redirect_uris=tuple(dict.fromkeys(redirect_uri or ())),
        post_logout_redirect_uris=tuple(dict.fromkeys(post_logout_redirect_uri or ())),
        auth_method=BY_SECRET if secret else BY_KEY,
        sector=sector,
        audience=audience,
        scopes=frozenset(scope),
        procedures=frozenset(procedure or ()),
        delegation_aware=delegation_aware,
        reads_cards=reads_cards,
        jwks=document,
        secret_hash=None if made is None else hashed(made),
    )
    with _changing(code) as (unit, ward):
        now = SystemClock().now()
        register_client(unit, client, offered(), now, new=True, joins_sector=join_sector)
    typer.echo(f"{client_id} is registered in {ward.code}.")
    if made is not None:
        _tell_secret(ward, client_id, made)


def _state(row: OAuthClientRow) -> str:
    if row.disabled_at is not None:
        return f"disabled {row.disabled_at:%F %R}"
    if row.previous_until is not None and SystemClock().now() < row.previous_until:
        return f"old credential until {row.previous_until:%F %R}"
    return "live"


@app.command("list")
def list_clients(code: _OfWard = "") -> None:
    """Show every client: ward, id, how it authenticates, sector, audience, since when, its state (UTC)."""
    with _registries() as (database, wards):
        for ward in [chosen(wards, code)] if code else wards:
            with database.reading(ward.code) as session:
                for row in registered_clients(session, ward.code):
                    typer.echo(
                        f"{ward.code}  {row.client_id:20} {row.auth_method:19} {row.sector:12} "
                        f"{row.audience:32} {row.created_at:%F %R}  {_state(row)}"
                    )


@app.command()
def rotate(
    client_id: _Id,
    jwks: _Jwks = None,
    overlap_hours: Annotated[
        int, typer.Option(help="How long old and new both work; 0 after a leak.", min=0, max=720)
    ] = 24,
    code: _OfWard = "",
) -> None:
    """Give a client new keys, or a new secret, which is shown once; what it had works on for a while."""
    document = None if jwks is None else _read_jwks(jwks)
    made, overlap = new_handle() if document is None else None, timedelta(hours=overlap_hours)
    now = SystemClock().now()
    with _changing(code) as (unit, ward):
        hash_ = None if made is None else hashed(made)
        rotate_client(unit, client_id, now, overlap=overlap, secret_hash=hash_, jwks=document)
    until = f"until {now + overlap:%F %R} UTC" if overlap else "no longer"
    typer.echo(f"{client_id} has a new credential; the one before works {until}.")
    if made is not None:
        _tell_secret(ward, client_id, made)


@app.command()
def disable(client_id: _Id, code: _OfWard = "") -> None:
    """Make a client nobody, at once and for good: its live tokens too are refused everywhere."""
    with _changing(code) as (unit, ward):
        disable_client(unit, client_id, SystemClock().now())
    typer.echo(f"{client_id} is disabled in {ward.code}.")

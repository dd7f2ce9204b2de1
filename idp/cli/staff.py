"""`dairi staff`: name a ward's first three staff by their own cards, and list who has which role.

After the beginning there is no way round two people here either: roles are given and ended by two signatures,
on the pages of staff.
"""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final

import typer

from assurance import counter, people, roles
from assurance.database import Database, connection_of
from assurance.linking import LinkedCard
from assurance.person import PersonId
from assurance.sealed import Vault
from assurance.thresholds import load_thresholds
from assurance.wards import Ward, ward_name
from card.clock import SystemClock
from card.container import SigningPurpose, prepare
from card.dates import ward_day
from card.faults import Fault
from card.full_width import narrowed
from card.linking import link_on, verify_link
from card.pages import load_catalogue
from card.transport import Reader
from card.trust import Trust
from idp.cli.deployment import chosen, deployment, fail, is_sandbox
from idp.schema import is_current
from idp.services import revocation_of
from idp.settings import Settings

_FIRST: Final = 3
_LOCALE: Final = "en"

app = typer.Typer(no_args_is_help=True, help="The ward's staff.")


@contextmanager
def _explained() -> Iterator[None]:
    """Say what a card or a rule refused in its own words."""
    try:
        yield
    except Fault as fault:
        texts = load_catalogue(["card", "assurance"])
        told = [texts.text(_LOCALE, f"fault.{fault.code}{part}", **fault.values) for part in ("", ".next")]
        raise fail("\n".join(told)) from fault


def _trust(database: Database) -> Trust:
    """The roots of the deployment; a sandbox's database takes test cards, and no other does."""
    settings = Settings()
    test_cards = is_sandbox(database)
    try:
        return Trust.from_files(settings.trust_folder, revocation_of(settings), test_cards=test_cards)
    except (OSError, ValueError) as error:
        raise fail(f"DAIRI_TRUST_FOLDER cannot be read: {error}") from error


def _readers(deck: Path | None, name: str) -> Iterator[Reader]:
    """A reader for one card after the other: the real one, or virtual ones for the cards of a folder."""
    if deck is None:
        try:
            from card.pcsc import PcscReader  # noqa: PLC0415 - pyscard is optional
        except ImportError:
            raise fail("pyscard is not installed here; install dairi[card].") from None
        for number in range(1, _FIRST + 1):
            typer.prompt(
                f"Lay card {number} of {_FIRST} on the reader and press Enter", "", show_default=False
            )
            yield PcscReader(name)
        return
    from card.virtual.holder import lay_down  # noqa: PLC0415 - for test cards alone
    from card.virtual.store import load_deck  # noqa: PLC0415 - for test cards alone

    cards = list(load_deck(deck).values())[:_FIRST]
    if len(cards) < _FIRST:
        raise fail(f"there are no {_FIRST} cards in {deck}")
    for number, card in enumerate(cards, 1):
        typer.echo(f"Card {number} of {_FIRST}: {card.label}")
        yield lay_down(card)


def _secret(question: str) -> bytearray:
    """What someone types unseen; never an argument, which every process of the machine could read."""
    typed = str(typer.prompt(question, hide_input=True))
    return bytearray(narrowed(typed).replace(" ", "").upper().encode("utf-8"))


def _link(ward: Ward, trust: Trust, reader: Reader) -> LinkedCard:
    prepared = prepare(
        SigningPurpose.LINK,
        issuer=ward.issuer,
        audience=ward.issuer,
        nonce=secrets.token_bytes(32),
        issued_at=SystemClock().now(),
    )
    pin, password = _secret("PIN (4 digits)"), _secret("Signature password (6 to 16 characters)")
    try:
        pair = link_on(reader, prepared, pin, password)
    finally:
        for secret in (pin, password):
            secret[:] = bytes(len(secret))
    return LinkedCard(*verify_link(pair, prepared=prepared, trust=trust, now=SystemClock().now()))


def _refuse_other_version(database: Database) -> None:
    if not is_current(database):
        raise fail("The database is of another version; run `dairi migrate`.")


def _refuse_begun(database: Database, ward: Ward) -> None:
    """Before anyone types a PIN; the unit that writes judges it again."""
    with database.reading(ward.code) as session:
        if roles.roles_in(session, ward.code):
            raise fail("This ward has, or had, staff. Roles are now given by two of its administrators.")


@app.command()
def begin(
    ward: Annotated[str, typer.Option(help="The ward's code, where there are several.")] = "",
    reader: Annotated[str, typer.Option(help="Part of the reader's name, where there are several.")] = "",
    deck: Annotated[
        Path | None, typer.Option(help="Folder of virtual cards, which only a sandbox accepts.")
    ] = None,
) -> None:
    """Name the first three staff, who are administrators too; only while the ward never had any."""
    with deployment() as (database, vault, wards), _explained():
        if not ward and len(wards) > 1:  # the wrong one could never be begun anew
            raise fail("Name the ward with --ward.")
        begun = chosen(wards, ward)
        _refuse_other_version(database)
        _refuse_begun(database, begun)
        trust = _trust(database)
        one, two, three = (_link(begun, trust, each) for each in _readers(deck, reader))
        with database.writing(begun.code) as unit:
            now = SystemClock().now()
            members = counter.begin_staff(unit, vault, load_thresholds(), (one, two, three), now)
        names = _names(database, vault, begun, members)
    typer.echo(f"{', '.join(names[member] for member in members)} are staff and administrators.")


def _names(
    database: Database, vault: Vault, ward: Ward, members: tuple[PersonId, ...]
) -> Mapping[PersonId, str]:
    with database.reading(ward.code) as session:
        found = people.profiles(connection_of(session), vault, ward.code, set(members))
    return {member: found[member].name if member in found else member for member in members}


@app.command("list")
def list_staff(
    ward: Annotated[str, typer.Option(help="The ward's code, where there are several.")] = "",
) -> None:
    """Show who has, or had, which role, since when and until when."""
    now = SystemClock().now()
    with deployment() as (database, vault, wards):
        asked = chosen(wards, ward)
        _refuse_other_version(database)
        with database.reading(asked.code) as session:
            rows = roles.roles_in(session, asked.code)
        names = _names(database, vault, asked, tuple(PersonId(row.person) for row in rows))
    if not rows:
        typer.echo(f"{ward_name(asked.code, _LOCALE)} has no staff yet: `dairi staff begin`.")
    for row in rows:
        last = None if row.until is None else ward_day(row.until - timedelta(microseconds=1))
        until = "no end" if last is None else f"until {last}"
        over = "  (over)" if row.until is not None and row.until <= now else ""
        typer.echo(f"{row.role:8} {names[PersonId(row.person)]}  since {ward_day(row.since)}, {until}{over}")

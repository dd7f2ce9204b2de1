"""`dairi card`: look at a card, or put a virtual one on a reader."""

import signal
import threading
from pathlib import Path
from typing import Annotated, Final

import typer

from card.certificates import Purpose, read_certificate
from card.faults import Fault
from card.jpki import JpkiCard
from card.pages import load_catalogue
from card.virtual.card import VirtualCard
from card.virtual.failing import FailingCard, Failure

_LOCALE: Final = "en"
_OPENED_BY: Final = {Purpose.AUTHENTICATION: "PIN", Purpose.SIGNATURE: "signature password"}

app = typer.Typer(
    no_args_is_help=True, help="My Number cards: look at one, or put a virtual one on a reader."
)


@app.command()
def show(
    reader: Annotated[str, typer.Option(help="Part of the reader's name, where there are several.")] = "",
) -> None:
    """Show the certificate that opens without a PIN, and how many tries each PIN has left."""
    try:
        from card.pcsc import PcscReader  # noqa: PLC0415 - pyscard is optional
    except ImportError:
        typer.echo("pyscard is not installed here; install dairi[card].", err=True)
        raise typer.Exit(1) from None
    try:
        with PcscReader(reader).connect() as transport, JpkiCard(transport) as card:
            certificate = read_certificate(card.certificate(Purpose.AUTHENTICATION))
            typer.echo(f"{'kind of token':<38} {card.token_label()}")
            typer.echo(f"{'user authentication certificate':<38} {certificate.serial:X}")
            typer.echo(f"{'valid until':<38} {certificate.not_after:%Y-%m-%d}")
            for purpose in sorted(card.purposes()):
                typer.echo(f"{f'tries left for the {_OPENED_BY[purpose]}':<38} {card.tries_left(purpose)}")
    except Fault as fault:
        texts = load_catalogue(["card"])
        for key in (f"fault.{fault.code}", f"fault.{fault.code}.next"):
            typer.echo(texts.text(_LOCALE, key, **fault.values), err=True)
        raise typer.Exit(1) from fault


@app.command()
def virtual(
    folder: Annotated[Path, typer.Option(help="Folder of cards, as the sandbox keeps them.")],
    host: Annotated[str, typer.Option(help="Where vpcd listens.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port of vpcd.")] = 35963,
    deck_port: Annotated[int, typer.Option(help="Port for choosing the card; 0 takes a free one.")] = 0,
    insert: Annotated[str, typer.Option(help="Label of the card to lay on the reader at once.")] = "",
    failing: Annotated[Failure | None, typer.Option(help="What each card does wrong, once.")] = None,
    after: Annotated[int, typer.Option(help="How many commands it answers before it fails.")] = 0,
) -> None:
    """Put cards of a folder on a virtual reader, until stopped."""
    from card.virtual.deck import DeckServer, LocalDeck  # noqa: PLC0415 - only this command
    from card.virtual.store import load_deck  # noqa: PLC0415 - only this command
    from card.virtual.vpcd import VpcdError, VpcdSlot  # noqa: PLC0415 - only this command

    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    signal.signal(signal.SIGINT, lambda *_: stopped.set())
    cards: dict[str, VirtualCard] = dict(load_deck(folder))
    if failing is not None:
        cards = {label: FailingCard.of(card, failing, after) for label, card in cards.items()}
    slot = VpcdSlot(host, port)
    deck = LocalDeck(cards, slot.lay, slot.holds)
    if not deck.names():
        typer.echo(f"no cards in {folder}", err=True)
        raise typer.Exit(1)
    try:
        with DeckServer(deck, "127.0.0.1", deck_port) as server:
            deck.insert(insert or deck.names()[0])
            typer.echo(
                f"{deck.inserted()} lies on the virtual reader; choose cards at 127.0.0.1:{server.port}"
            )
            stopped.wait()
            deck.remove()
    except (VpcdError, KeyError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error

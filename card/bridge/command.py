"""`dairi bridge`: let browsers of this user reach the card."""

import os
from pathlib import Path
from typing import Annotated

import typer
import uvicorn
from starlette.applications import Starlette

from card.bridge.app import Bridge, create_bridge
from card.bridge.enrolment import read_enrolment
from card.clock import SystemClock
from card.transport import Reader
from card.virtual.deck import Deck, DeckClient, InProcessReader, LocalDeck
from card.virtual.store import load_deck


def server_of(program: Starlette, port: int) -> uvicorn.Server:
    """Serve on loopback alone; no forwarding header is believed, for it would name another user's peer."""
    return uvicorn.Server(
        uvicorn.Config(
            program,
            host="127.0.0.1",
            port=port,
            log_level="warning",
            access_log=False,
            proxy_headers=False,
        )
    )


def bridge(
    enrolment: Annotated[Path, typer.Option(help="File that pins the providers this bridge works for.")],
    port: Annotated[
        int, typer.Option(help="Loopback port; each user of a machine has one of their own.")
    ] = 8403,
    reader: Annotated[str, typer.Option(help="Part of the reader's name, where there are several.")] = "",
    deck_port: Annotated[
        int, typer.Option(help="Port of a deck of virtual cards behind pcscd (sandbox).")
    ] = 0,
    deck_folder: Annotated[
        Path | None, typer.Option(help="Folder of virtual cards without pcscd (sandbox).")
    ] = None,
    any_local_user: Annotated[
        bool, typer.Option(help="Serve programs of other users too, as for sudo.")
    ] = False,
) -> None:
    """Let this user's browsers reach the My Number card in the reader."""
    chosen: Reader
    deck: Deck | None = None
    if deck_folder is not None:
        local = LocalDeck(load_deck(deck_folder))
        local.insert(local.names()[0])
        chosen, deck = InProcessReader(local), local
    else:
        from card.pcsc import PcscReader  # noqa: PLC0415 - pyscard is optional

        chosen = PcscReader(reader)
        deck = DeckClient("127.0.0.1", deck_port) if deck_port else None
    program = create_bridge(
        Bridge(
            enrolled=read_enrolment(enrolment),
            reader=chosen,
            clock=SystemClock(),
            address=f"http://127.0.0.1:{port}",
            deck=deck,
            own_user_only=not (any_local_user or os.geteuid() == 0),
        )
    )
    server_of(program, port).run()

"""`dairi bridge`: let browsers of this user reach the card."""

from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Annotated, Final

import typer
import uvicorn
from starlette.applications import Starlette

from card.bridge.app import Bridge, create_bridge
from card.bridge.enrolment import Enrolment
from card.bridge.key import read_key
from card.bridge.peers import runs_as_root
from card.clock import SystemClock
from card.transport import Reader
from card.virtual.deck import Deck, DeckClient, InProcessReader, LocalDeck
from card.virtual.store import load_deck

DEFAULT_PORT: Final = 8403


def _nothing_waits() -> None:
    """A card in this process lies there or not."""


class _Server(uvicorn.Server):
    """A server that waits for no card any more when it is told to end."""

    def __init__(self, config: uvicorn.Config, ending: Callable[[], None]) -> None:
        super().__init__(config)
        self._ending = ending

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._ending()
        super().handle_exit(sig, frame)


def server_of(program: Starlette, port: int, ending: Callable[[], None] = _nothing_waits) -> uvicorn.Server:
    """Serve on loopback alone; no forwarding header is believed, for it would name another user's peer.

    :param ending: called when a signal ends it.
    """
    return _Server(
        uvicorn.Config(
            program,
            host="127.0.0.1",
            port=port,
            log_level="warning",
            access_log=False,
            proxy_headers=False,
        ),
        ending,
    )


def _read_enrolment(path: Path) -> Enrolment:
    try:
        return Enrolment.read(path)
    except (OSError, ValueError) as error:
        raise typer.BadParameter(str(error), param_hint="--enrolment") from error


def bridge(
    enrolment: Annotated[Path, typer.Option(help="File that pins the providers this bridge works for.")],
    port: Annotated[
        int, typer.Option(help="Loopback port; each user of a machine has one of their own.")
    ] = DEFAULT_PORT,
    reader: Annotated[str, typer.Option(help="Part of the reader's name, where there are several.")] = "",
    deck_port: Annotated[
        int, typer.Option(help="Port of a deck of virtual cards behind pcscd (sandbox).")
    ] = 0,
    deck_folder: Annotated[
        Path | None, typer.Option(help="Folder of virtual cards without pcscd (sandbox).")
    ] = None,
    key: Annotated[
        Path | None, typer.Option(help="File of the key by which staff enrolled this PC (`bridge-key`).")
    ] = None,
    any_local_user: Annotated[
        bool, typer.Option(help="Serve programs of other users too, as for sudo.")
    ] = False,
) -> None:
    """Let this user's browsers reach the My Number card in the reader."""
    chosen: Reader
    deck: Deck | None = None
    ending: Callable[[], None] = _nothing_waits
    if deck_folder is not None:
        local = LocalDeck(load_deck(deck_folder))
        local.insert(local.names()[0])
        chosen, deck = InProcessReader(local), local
    else:
        from card.pcsc import PcscReader  # noqa: PLC0415 - pyscard is optional

        pcsc = PcscReader(reader)
        chosen, ending = pcsc, pcsc.cancel
        deck = DeckClient("127.0.0.1", deck_port) if deck_port else None
    program = create_bridge(
        Bridge(
            enrolled=_read_enrolment(enrolment),
            reader=chosen,
            clock=SystemClock(),
            address=f"http://127.0.0.1:{port}",
            deck=deck,
            key=None if key is None else read_key(key),
            own_user_only=not (any_local_user or runs_as_root()),
        )
    )
    server_of(program, port, ending).run()

"""A deck of cards of which at most one lies on the reader.

The bridge's sandbox page chooses the card. Where the deck lives in another process (the one that feeds
vpcd), it is reached by one-line JSON messages over loopback.
"""

import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, Protocol

from card.faults import Fault
from card.jose import strict_json
from card.transport import Transport
from card.virtual.card import Pulled, VirtualCard

_NO_CARD: Final = "no such card"
_DECK_ANSWERS_S: Final = 10
"""Laying a card down waits for pcscd to have noticed that the last one is gone."""


class Deck(Protocol):
    """Cards by label. One in another process raises `Fault` with `card.service_down` where it is gone."""

    def names(self) -> list[str]:
        """Labels of all cards."""

    def inserted(self) -> str | None:
        """The card on the reader, if any."""

    def insert(self, name: str) -> None:
        """Lay a card on the reader, in the place of any other.

        :raises KeyError: for a label that the deck lacks.
        :raises OSError: when there is no reader to lay it on.
        """

    def remove(self) -> None:
        """Take the card away."""


class LocalDeck:
    """A deck in this process.

    :param laid: called with the card that now lies on the reader, or None.
    :param still_lies: whether it does; a card may have been pulled out, and a reader away.
    """

    def __init__(
        self,
        cards: Mapping[str, VirtualCard],
        laid: Callable[[VirtualCard | None], None] = lambda _: None,
        still_lies: Callable[[], bool] = lambda: True,
    ) -> None:
        self._cards = dict(cards)
        self._laid = laid
        self._still_lies = still_lies
        self._inserted: str | None = None
        self._lock = threading.RLock()

    def names(self) -> list[str]:
        """Labels of all cards."""
        return list(self._cards)

    def inserted(self) -> str | None:
        """The card on the reader, if any."""
        with self._lock:
            if self._inserted is not None and not self._still_lies():
                self.remove()
            return self._inserted

    def insert(self, name: str) -> None:
        """Lay a card on the reader."""
        with self._lock:
            card = self._cards[name]
            if name == self.inserted():
                return  # a reader needs a while to see a card that was gone for a moment
            self.remove()
            self._laid(card)
            self._inserted = name

    def remove(self) -> None:
        """Take the card away; it forgets its security state."""
        with self._lock:
            card = self.card()
            self._inserted = None
            if card is not None:
                self._laid(None)
                card.power_off()

    def card(self) -> VirtualCard | None:
        """The card itself, for a reader in this process."""
        return None if self._inserted is None else self._cards[self._inserted]


class _InProcessTransport:
    def __init__(self, deck: LocalDeck, card: VirtualCard) -> None:
        self._deck, self._card = deck, card

    def transmit(self, apdu: bytes) -> bytes:
        if self._deck.card() is not self._card:
            raise Fault("card.removed")
        try:
            return self._card.process(apdu)
        except Pulled as error:
            self._deck.remove()
            raise Fault("card.removed") from error


class InProcessReader:
    """A reader without PC/SC, for machines where neither pcscd nor its packages are at hand."""

    def __init__(self, deck: LocalDeck) -> None:
        self._deck = deck
        self._held = threading.Lock()

    @contextmanager
    def connect(self) -> Iterator[Transport]:
        """Hold the card."""
        card = self._deck.card()
        if card is None:
            raise Fault("card.no_card")
        with self._held:
            try:
                yield _InProcessTransport(self._deck, card)
            finally:
                card.power_off()


def _answer(deck: Deck, line: bytes) -> Mapping[str, object]:
    try:
        asked = json.loads(line)
        match asked:
            case {"insert": str(name)}:
                deck.insert(name)
            case {"remove": True}:
                deck.remove()
            case _:
                pass
    except (ValueError, KeyError):
        return {"error": _NO_CARD}
    except OSError as error:  # vpcd is gone; whoever asked is told, and the deck goes on
        return {"error": str(error)}
    return {"names": deck.names(), "inserted": deck.inserted()}


class DeckServer:
    """Serves a deck on a loopback port, one message a connection."""

    def __init__(self, deck: Deck, host: str, port: int) -> None:
        self._deck = deck
        self._socket = socket.create_server((host, port))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, name="deck", daemon=True)

    def __enter__(self) -> "DeckServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb") as stream:
                connection.settimeout(5)
                try:
                    stream.write(json.dumps(_answer(self._deck, stream.readline(4096))).encode() + b"\n")
                    stream.flush()
                except OSError:
                    continue


class DeckClient:
    """A deck in another process."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)

    def _ask(self, message: Mapping[str, object]) -> Mapping[str, object]:
        try:
            with (
                socket.create_connection(self._address, timeout=_DECK_ANSWERS_S) as connection,
                connection.makefile("rwb") as stream,
            ):
                stream.write(json.dumps(message).encode() + b"\n")
                stream.flush()
                answer = strict_json(stream.readline())
        except (OSError, ValueError) as error:
            raise Fault("card.service_down") from error
        if answer.get("error") == _NO_CARD:
            raise KeyError(_NO_CARD)
        if not {"names", "inserted"} <= answer.keys():
            raise Fault("card.service_down")
        return answer

    def names(self) -> list[str]:
        """Labels of all cards."""
        names = self._ask({})["names"]
        return [str(name) for name in names] if isinstance(names, list) else []

    def inserted(self) -> str | None:
        """The card on the reader, if any."""
        name = self._ask({})["inserted"]
        return None if name is None else str(name)

    def insert(self, name: str) -> None:
        """Lay a card on the reader."""
        self._ask({"insert": name})

    def remove(self) -> None:
        """Take the card away."""
        self._ask({"remove": True})

"""A card on a vpcd port: the protocol of vsmartcard's virtual reader driver.

Messages are two octets of length, big-endian, then the content; one octet is a control (0 power off, 1
power on, 2 reset, 4 answer-to-reset wanted), anything longer an APDU. The driver listens; a card that is
laid on connects, one that is taken away hangs up.
"""

import socket
import struct
import threading
import time
from contextlib import suppress
from typing import Final

from card.virtual.card import ATR, VirtualCard

DEFAULT_PORT: Final = 35963
_POWER_OFF, _POWER_ON, _RESET, _ATR = b"\x00", b"\x01", b"\x02", b"\x04"


class VpcdError(OSError):
    """No virtual reader listens at the address."""


_NOTICED_S: Final = 0.6
"""pcscd looks about every 400 ms; a card laid down sooner would be taken for the one before."""


class VpcdSlot:
    """The slot of one virtual reader."""

    def __init__(self, host: str = "127.0.0.1", port: int = DEFAULT_PORT) -> None:
        self._address = (host, port)
        self._connection: socket.socket | None = None
        self._thread: threading.Thread | None = None

    def lay(self, card: VirtualCard | None) -> None:
        """Put a card in, or take it out.

        :raises VpcdError: when the driver does not listen.
        """
        self._hang_up()
        if card is None:
            return
        try:
            connection = socket.create_connection(self._address, timeout=5)
        except OSError as error:
            raise VpcdError(f"no virtual reader at {self._address[0]}:{self._address[1]}") from error
        connection.settimeout(None)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection = connection
        self._thread = threading.Thread(target=_serve, args=(connection, card), name="vpcd", daemon=True)
        self._thread.start()

    def holds(self) -> bool:
        """Whether a card lies there still."""
        return self._thread is not None and self._thread.is_alive()

    def _hang_up(self) -> None:
        if self._connection is None or self._thread is None:
            return
        with suppress(OSError):  # the driver hung up first
            self._connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(timeout=5)
        self._connection.close()
        self._connection = self._thread = None
        time.sleep(_NOTICED_S)


def _serve(connection: socket.socket, card: VirtualCard) -> None:
    stream = connection.makefile("rb")
    with stream:
        while True:
            try:
                head = stream.read(2)
                if len(head) < 2:
                    break
                message = stream.read(struct.unpack("!H", head)[0])
                answer = _answer(card, message)
                if answer is not None:
                    connection.sendall(struct.pack("!H", len(answer)) + answer)
            except OSError:  # the driver hung up, or the card was pulled
                break
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    card.power_off()


def _answer(card: VirtualCard, message: bytes) -> bytes | None:
    if message == _ATR:
        return ATR
    if message in {_POWER_OFF, _POWER_ON, _RESET}:
        card.power_off()
        return None
    return card.process(message)

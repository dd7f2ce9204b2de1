"""A reader through PC/SC. The only importer of pyscard, which builds from source and is optional."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from smartcard.CardConnection import CardConnection
from smartcard.Exceptions import (
    CardConnectionException,
    ListReadersException,
    NoCardException,
    SmartcardException,
)
from smartcard.pcsc.PCSCExceptions import BaseSCardException, EstablishContextException
from smartcard.reader.Reader import Reader as PcscDevice
from smartcard.scard import SCARD_SHARE_EXCLUSIVE, SCARD_UNPOWER_CARD
from smartcard.System import readers

from card.faults import Fault
from card.transport import Transport

_SETTLES_S: Final = 2.0
_LOOKS_EVERY_S: Final = 0.1


class _PcscTransport:
    def __init__(self, connection: CardConnection) -> None:
        self._connection = connection

    def transmit(self, apdu: bytes) -> bytes:
        try:
            content, first, second = self._connection.transmit(list(apdu))
        except (CardConnectionException, BaseSCardException) as error:
            raise Fault("card.removed") from error
        return bytes([*content, first, second])


class PcscReader:
    """The first reader with a card in it.

    :param name_contains: part of the reader's name, where a PC has several.
    """

    def __init__(self, name_contains: str = "") -> None:
        self._name_contains = name_contains

    def _devices(self) -> list[PcscDevice]:
        try:
            found = [device for device in readers() if self._name_contains in str(device)]
        except (EstablishContextException, ListReadersException, BaseSCardException) as error:
            raise Fault("card.service_down") from error
        if not found:
            raise Fault("card.no_reader")
        return found

    def _reach(self) -> CardConnection:
        """Connect to the first card; one that was just laid down is seen after a moment."""
        until = time.monotonic() + _SETTLES_S
        while True:
            for device in self._devices():
                connection = device.createConnection()
                try:
                    connection.connect(mode=SCARD_SHARE_EXCLUSIVE, disposition=SCARD_UNPOWER_CARD)
                except NoCardException:
                    _let_go(connection)
                except SmartcardException as error:
                    _let_go(connection)
                    raise Fault("card.removed") from error
                else:
                    return connection
            if time.monotonic() >= until:
                raise Fault("card.no_card")
            time.sleep(_LOOKS_EVERY_S)

    @contextmanager
    def connect(self) -> Iterator[Transport]:
        """Hold the card exclusively, and cut its power afterwards: that alone clears its security state."""
        connection = self._reach()
        try:
            yield _PcscTransport(connection)
        except SmartcardException as error:
            raise Fault("card.removed") from error
        finally:
            _let_go(connection)


def _let_go(connection: CardConnection) -> None:
    """Free the context also after a failure.

    What is left to the garbage collector speaks to a service that is gone.
    """
    for step in (connection.disconnect, connection.release):
        with suppress(SmartcardException, BaseSCardException):
            step()

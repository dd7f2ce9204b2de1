"""A reader through PC/SC. The only importer of pyscard, which builds from source and is optional."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from smartcard.CardConnection import CardConnection
from smartcard.Exceptions import (
    CardServiceNotFoundException,
    CardServiceStoppedException,
    NoCardException,
    SmartcardException,
)
from smartcard.pcsc.PCSCExceptions import BaseSCardException
from smartcard.reader.Reader import Reader as PcscDevice
from smartcard.scard import (
    SCARD_E_NO_SERVICE,
    SCARD_E_SERVICE_STOPPED,
    SCARD_E_SHARING_VIOLATION,
    SCARD_SHARE_EXCLUSIVE,
    SCARD_UNPOWER_CARD,
)
from smartcard.System import readers

from card.faults import Fault
from card.transport import Transport

_SETTLES_S: Final = 2.0
_LOOKS_EVERY_S: Final = 0.1
_ERRORS: Final = (SmartcardException, BaseSCardException)
_FAULTS: Final = {
    SCARD_E_NO_SERVICE: "card.service_down",
    SCARD_E_SERVICE_STOPPED: "card.service_down",
    SCARD_E_SHARING_VIOLATION: "card.in_use",
}


def _fault(error: SmartcardException | BaseSCardException) -> Fault:
    """What an error means to the person: pyscard tells most of them apart by their number alone."""
    if isinstance(error, CardServiceNotFoundException | CardServiceStoppedException):
        return Fault("card.service_down")
    if isinstance(error, NoCardException):
        return Fault("card.no_card")
    return Fault(_FAULTS.get(error.hresult, "card.removed"))


class _PcscTransport:
    def __init__(self, connection: CardConnection) -> None:
        self._connection = connection

    def transmit(self, apdu: bytes) -> bytes:
        try:
            content, first, second = self._connection.transmit(list(apdu))
        except NoCardException as error:
            raise Fault("card.removed") from error
        except _ERRORS as error:
            raise _fault(error) from error
        return bytes([*content, first, second])


class PcscReader:
    """The first reader with a card in it that nobody else holds.

    :param name_contains: part of the reader's name, where a PC has several.
    """

    def __init__(self, name_contains: str = "") -> None:
        self._name_contains = name_contains

    def _devices(self) -> list[PcscDevice]:
        try:
            found = [device for device in readers() if self._name_contains in str(device)]
        except _ERRORS as error:
            raise Fault("card.service_down") from error
        if not found:
            raise Fault("card.no_reader")
        return found

    def _reach(self) -> CardConnection:
        """Connect to the first card; one that was just laid down is seen after a moment."""
        until = time.monotonic() + _SETTLES_S
        while True:
            refusal = Fault("card.no_card")
            for device in self._devices():
                reached = _connect(device)
                if not isinstance(reached, Fault):
                    return reached
                if reached.code != "card.no_card":
                    refusal = reached
            if time.monotonic() >= until:
                raise refusal
            time.sleep(_LOOKS_EVERY_S)

    @contextmanager
    def connect(self) -> Iterator[Transport]:
        """Hold the card exclusively, and cut its power afterwards: that alone clears its security state."""
        connection = self._reach()
        try:
            yield _PcscTransport(connection)
        finally:
            _let_go(connection)


def _connect(device: PcscDevice) -> CardConnection | Fault:
    """Hold the card of one reader, or say why not: another reader may have one."""
    try:
        connection = device.createConnection()
    except _ERRORS:  # no context could be had of the service
        return Fault("card.service_down")
    try:
        connection.connect(mode=SCARD_SHARE_EXCLUSIVE, disposition=SCARD_UNPOWER_CARD)
    except _ERRORS as error:
        _let_go(connection)
        return _fault(error)
    return connection


def _let_go(connection: CardConnection) -> None:
    """Free the context also after a failure.

    What is left to the garbage collector speaks to a service that is gone.
    """
    for step in (connection.disconnect, connection.release):
        with suppress(SmartcardException, BaseSCardException):
            step()

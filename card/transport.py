"""How APDUs reach a card: through PC/SC, or straight into a virtual one."""

from contextlib import AbstractContextManager
from typing import Protocol


class Transport(Protocol):
    """A card on the reader, held exclusively."""

    def transmit(self, apdu: bytes) -> bytes:
        """Send a command APDU; the answer is data followed by two status bytes (ISO/IEC 7816-4 §5.1).

        :raises Fault: `card.removed` when the card was pulled out.
        """


class Reader(Protocol):
    """Where a card may lie."""

    def connect(self) -> AbstractContextManager[Transport]:
        """Hold the card that lies there.

        :raises Fault: `card.service_down`, `card.no_reader`, `card.no_card`, `card.in_use` or `card.several`.
        """

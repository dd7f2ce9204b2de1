"""What every application of a card has in common: selecting it, its files and its PINs (ISO/IEC 7816-4).

Security state survives a disconnect and even the end of the process, so every use ends by selecting another
application; and selecting an application again logs out, so one use is one straight run of commands.
"""

import re
from contextlib import suppress
from typing import ClassVar, Final, Self

from card.faults import Fault
from card.transport import Transport

_ISSUER_SECURITY_DOMAIN: Final = bytes.fromhex("00A4040C07A0000001510000")
_BLOCKED: Final = frozenset({0x63C0, 0x6983, 0x6984})
_END_OF_FILE: Final = frozenset({0x6282, 0x6B00})
_NO_SUCH_FILE: Final = 0x6A82
_CHUNK: Final = 256
_MOST_PARTS: Final = 16
_LARGEST: Final = 0x8000
"""READ BINARY says where to begin in 15 bits; no file of a My Number card has a tenth of that."""


class Application:
    """A card with one of its applications selected; use as a context manager, once.

    :cvar aid: its application identifier (ISO/IEC 7816-4 §12.2.3).
    :cvar lacking: the fault for a file that this card does not have.
    :raises Fault: `card.not_my_number` when there is no such application.
    """

    aid: ClassVar[bytes]
    lacking: ClassVar[str]

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def __enter__(self) -> Self:
        self._open()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(Fault):  # a card that was pulled out has forgotten its state
            self._leave()

    def _open(self) -> None:
        status, _ = self._send(b"\x00\xa4\x04\x0c" + bytes([len(self.aid)]) + self.aid)
        if status != 0x9000:
            raise Fault("card.not_my_number")

    def _leave(self) -> None:
        self._transport.transmit(_ISSUER_SECURITY_DOMAIN)

    def _send(self, apdu: bytes) -> tuple[int, bytes]:
        answer = self._transport.transmit(apdu)
        for _ in range(_MOST_PARTS):
            if len(answer) < 2 or answer[-2] != 0x61:  # no more data waits (T=0)
                break
            answer = answer[:-2] + self._transport.transmit(bytes([0x00, 0xC0, 0x00, 0x00, answer[-1]]))
        if len(answer) == 2 and answer[0] == 0x6C and _asks_for_answer(apdu):  # the card names the right Le
            answer = self._transport.transmit(apdu[:-1] + answer[1:])
        if len(answer) < 2:
            raise Fault("card.failed", status="")
        return int.from_bytes(answer[-2:], "big"), answer[:-2]

    def _has(self, file: int) -> bool:
        status, _ = self._send(b"\x00\xa4\x02\x0c\x02" + file.to_bytes(2, "big"))
        if status == _NO_SUCH_FILE:
            return False
        expect(status)
        return True

    def _select(self, file: int) -> None:
        if not self._has(file):
            raise Fault(self.lacking)

    def _read(self, offset: int, size: int) -> bytes:
        status, content = self._send(bytes([0x00, 0xB0, offset >> 8, offset & 0xFF, size & 0xFF]))
        if status not in _END_OF_FILE:
            expect(status)
        if len(content) > size:
            raise Fault("card.failed", status="")
        return content

    def _read_whole(self, size: int) -> bytes:
        if size > _LARGEST:
            raise Fault("card.failed", status="")
        read = bytearray()
        while len(read) < size:
            chunk = self._read(len(read), min(_CHUNK, size - len(read)))
            if not chunk:
                raise Fault("card.failed", status="6B00")
            read += chunk
        return bytes(read)

    def _tries_left(self, pin_file: int) -> int:
        status = self._ask_tries(pin_file)
        if status == 0x9000:  # verified by whoever held the card before us, and so it keeps its number back
            self._leave()
            self._open()
            status = self._ask_tries(pin_file)
        if status in _BLOCKED:
            return 0
        if status & 0xFFF0 != 0x63C0:
            raise Fault("card.failed", status=f"{status:04X}")
        return status & 0x000F

    def _ask_tries(self, pin_file: int) -> int:
        self._select(pin_file)
        return self._send(b"\x00\x20\x00\x80")[0]

    def _unlock(
        self, pin_file: int, shape: re.Pattern[bytes], pin: bytearray, *, confirm_last_try: bool
    ) -> None:
        """Verify a PIN once.

        :param pin: ASCII octets. The caller overwrites them afterwards.
        :param confirm_last_try: the person knows that one more wrong PIN blocks the card.
        :raises Fault: `card.pin_shape` before the card sees it, `card.blocked`, `card.last_try`,
            `card.wrong_pin` with `tries_left`, or `card.wrong_pin_last` when one is left.
        """
        if shape.match(pin) is None:
            raise Fault("card.pin_shape")
        tries = self._tries_left(pin_file)
        if tries == 0:
            raise Fault("card.blocked")
        if tries == 1 and not confirm_last_try:
            raise Fault("card.last_try")
        status, _ = self._send(b"\x00\x20\x00\x80" + bytes([len(pin)]) + bytes(pin))
        if status in _BLOCKED:
            raise Fault("card.blocked")
        if status & 0xFFF0 == 0x63C0:
            left = status & 0x000F
            raise Fault("card.wrong_pin" if left > 1 else "card.wrong_pin_last", tries_left=left)
        expect(status)


def _asks_for_answer(apdu: bytes) -> bool:
    """Whether it ends in Le; the last octet of any other command is a digit of a PIN, say."""
    return len(apdu) > 4 and len(apdu) in {5, 6 + apdu[4]}


def expect(status: int) -> None:
    """What the card did is what was asked for.

    :raises Fault: `card.failed`.
    """
    if status != 0x9000:
        raise Fault("card.failed", status=f"{status:04X}")

"""The JPKI application of a My Number card: certificates and signatures.

Sources: 利用者クライアント仕様, ISO/IEC 7816-4, and what open clients found out about real cards.

Security state survives a disconnect and even the end of the process, so every use ends by selecting another
application; and selecting the JPKI application again logs out, so one use is one straight run of commands.
"""

import hashlib
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from card.certificates import Purpose
from card.faults import Fault
from card.transport import Transport

APPLICATION: Final = bytes.fromhex("D392F000260100000001")
_ISSUER_SECURITY_DOMAIN: Final = bytes.fromhex("00A4040C07A0000001510000")
_DIGEST_INFO_SHA256: Final = bytes.fromhex("3031300D060960864801650304020105000420")
_BLOCKED: Final = frozenset({0x63C0, 0x6983, 0x6984})
_END_OF_FILE: Final = frozenset({0x6282, 0x6B00})
_CHUNK: Final = 256


@dataclass(frozen=True, slots=True)
class _Files:
    """Elementary files of one key (reference §1.1)."""

    key: int
    pin: int
    certificate: int


_FILES: Final = {
    Purpose.AUTHENTICATION: _Files(key=0x0017, pin=0x0018, certificate=0x000A),
    Purpose.SIGNATURE: _Files(key=0x001A, pin=0x001B, certificate=0x0001),
}
_PIN_SHAPE: Final = {
    Purpose.AUTHENTICATION: re.compile(rb"[0-9]{4}\Z"),
    Purpose.SIGNATURE: re.compile(rb"[A-Z0-9]{6,16}\Z"),
}


class JpkiCard:
    """A card with its JPKI application selected; use as a context manager, once.

    :raises Fault: `card.not_my_number` when there is no such application.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def __enter__(self) -> "JpkiCard":
        self._open()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(Fault):  # a card that was pulled out has forgotten its state
            self._leave()

    def _open(self) -> None:
        status, _ = self._send(b"\x00\xa4\x04\x0c" + bytes([len(APPLICATION)]) + APPLICATION)
        if status != 0x9000:
            raise Fault("card.not_my_number")

    def _leave(self) -> None:
        self._transport.transmit(_ISSUER_SECURITY_DOMAIN)

    def _send(self, apdu: bytes) -> tuple[int, bytes]:
        answer = self._transport.transmit(apdu)
        while len(answer) >= 2 and answer[-2] == 0x61:  # more data waits (T=0)
            answer = answer[:-2] + self._transport.transmit(bytes([0x00, 0xC0, 0x00, 0x00, answer[-1]]))
        if len(answer) == 2 and answer[0] == 0x6C:  # wrong Le; the card names the right one
            answer = self._transport.transmit(apdu[:-1] + answer[1:])
        if len(answer) < 2:
            raise Fault("card.failed", status="")
        return int.from_bytes(answer[-2:], "big"), answer[:-2]

    def _select(self, file: int) -> None:
        status, _ = self._send(b"\x00\xa4\x02\x0c\x02" + file.to_bytes(2, "big"))
        if status == 0x6A82:
            raise Fault("card.no_certificate")
        _expect(status)

    def tries_left(self, purpose: Purpose) -> int:
        """How many wrong PINs the card still takes; 0 is blocked."""
        status = self._ask_tries(purpose)
        if status == 0x9000:  # verified by whoever held the card before us, and so it keeps its number back
            self._leave()
            self._open()
            status = self._ask_tries(purpose)
        if status in _BLOCKED:
            return 0
        if status & 0xFFF0 != 0x63C0:
            raise Fault("card.failed", status=f"{status:04X}")
        return status & 0x000F

    def _ask_tries(self, purpose: Purpose) -> int:
        self._select(_FILES[purpose].pin)
        return self._send(b"\x00\x20\x00\x80")[0]

    def certificate(self, purpose: Purpose) -> bytes:
        """Read a certificate, DER. The signature certificate opens only after its password."""
        self._select(_FILES[purpose].certificate)
        return self._read_der()

    def _read_der(self) -> bytes:
        content = self._read(0, 4)
        if content[:2] != b"\x30\x82" or len(content) < 4:
            raise Fault("card.no_certificate")
        size = 4 + int.from_bytes(content[2:4], "big")
        read = bytearray()
        while len(read) < size:
            chunk = self._read(len(read), min(_CHUNK, size - len(read)))
            if not chunk:
                raise Fault("card.failed", status="6B00")
            read += chunk
        return bytes(read[:size])

    def _read(self, offset: int, size: int) -> bytes:
        status, content = self._send(bytes([0x00, 0xB0, offset >> 8, offset & 0xFF, size & 0xFF]))
        if status == 0x6982:
            raise Fault("card.failed", status="6982")
        if status not in _END_OF_FILE:
            _expect(status)
        return content

    def unlock(self, purpose: Purpose, pin: bytearray, *, confirm_last_try: bool = False) -> None:
        """Verify the PIN once, for what comes next: signing, or reading the signature certificate.

        :param pin: ASCII octets; four digits, or 6 to 16 of A-Z and 0-9. The caller overwrites them
            afterwards.
        :param confirm_last_try: the person knows that one more wrong PIN blocks the card.
        :raises Fault: `card.pin_shape` before the card sees it, `card.blocked`, `card.last_try`,
            `card.wrong_pin` with `tries_left`, or `card.wrong_pin_last` when one is left.
        """
        if _PIN_SHAPE[purpose].match(pin) is None:
            raise Fault("card.pin_shape")
        tries = self.tries_left(purpose)
        if tries == 0:
            raise Fault("card.blocked")
        if tries == 1 and not confirm_last_try:
            raise Fault("card.last_try")
        self._verify(pin)

    def sign(
        self, purpose: Purpose, pin: bytearray, signing_input: bytes, *, confirm_last_try: bool = False
    ) -> tuple[bytes, bytes]:
        """Verify the PIN once and sign with SHA-256 and PKCS#1 v1.5.

        :param pin: as for `unlock`, with `confirm_last_try`.
        :returns: the certificate (DER) and the signature.
        :raises Fault: as `unlock`.
        """
        self.unlock(purpose, pin, confirm_last_try=confirm_last_try)
        certificate = self.certificate(purpose)
        self._select(_FILES[purpose].key)
        return certificate, self._sign(signing_input)

    def _verify(self, pin: bytearray) -> None:
        status, _ = self._send(b"\x00\x20\x00\x80" + bytes([len(pin)]) + bytes(pin))
        if status in _BLOCKED:
            raise Fault("card.blocked")
        if status & 0xFFF0 == 0x63C0:
            left = status & 0x000F
            raise Fault("card.wrong_pin" if left > 1 else "card.wrong_pin_last", tries_left=left)
        _expect(status)

    def _sign(self, signing_input: bytes) -> bytes:
        info = _DIGEST_INFO_SHA256 + hashlib.sha256(signing_input).digest()
        status, signature = self._send(b"\x80\x2a\x00\x80" + bytes([len(info)]) + info + b"\x00")
        _expect(status)
        return signature


def _expect(status: int) -> None:
    if status != 0x9000:
        raise Fault("card.failed", status=f"{status:04X}")

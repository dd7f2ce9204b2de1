"""The JPKI application of a My Number card: certificates and signatures.

Sources: 利用者クライアント仕様, ISO/IEC 7816-4, and what open clients found out about real cards.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import ClassVar, Final

from card.application import Application, expect
from card.certificates import Purpose
from card.faults import Fault

APPLICATION: Final = bytes.fromhex("D392F000260100000001")
_DIGEST_INFO_SHA256: Final = bytes.fromhex("3031300D060960864801650304020105000420")
_TOKEN_INFO: Final = 0x0006
_LABEL_OCTETS: Final = 32


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
_CA_FILES: Final = {Purpose.AUTHENTICATION: 0x000B, Purpose.SIGNATURE: 0x0002}
_PIN_SHAPE: Final = {
    Purpose.AUTHENTICATION: re.compile(rb"[0-9]{4}\Z"),
    Purpose.SIGNATURE: re.compile(rb"[A-Z0-9]{6,16}\Z"),
}


class JpkiCard(Application):
    """A card with its JPKI application selected; use as a context manager, once.

    :raises Fault: `card.not_my_number` when there is no such application.
    """

    aid: ClassVar[bytes] = APPLICATION
    lacking: ClassVar[str] = "card.no_certificate"

    def token_label(self) -> str:
        """What kind of token it is: `JPKIAPICCTOKEN2` is a card of today, other endings are phones."""
        self._select(_TOKEN_INFO)
        return self._read(0, _LABEL_OCTETS).decode("ascii", "replace").strip(" \0")

    def purposes(self) -> frozenset[Purpose]:
        """Which certificates there are: a child under fifteen has none for signatures."""
        return frozenset(purpose for purpose in Purpose if self._has(_FILES[purpose].certificate))

    def tries_left(self, purpose: Purpose) -> int:
        """How many wrong PINs the card still takes; 0 is blocked."""
        return self._tries_left(_FILES[purpose].pin)

    def certificate(self, purpose: Purpose) -> bytes:
        """Read a certificate, DER. The signature certificate opens only after its password."""
        return self._read_certificate(_FILES[purpose].certificate)

    def ca_certificate(self, purpose: Purpose) -> bytes:
        """Read the certificate of the authority that issued it, DER; no PIN. It is no anchor of trust."""
        return self._read_certificate(_CA_FILES[purpose])

    def _read_certificate(self, file: int) -> bytes:
        self._select(file)
        content = self._read(0, 4)
        if content[:2] != b"\x30\x82" or len(content) < 4:
            raise Fault(self.lacking)
        return self._read_whole(4 + int.from_bytes(content[2:4], "big"))

    def unlock(self, purpose: Purpose, pin: bytearray, *, confirm_last_try: bool = False) -> None:
        """Verify the PIN once, for what comes next: signing, or reading the signature certificate.

        :param pin: ASCII octets; four digits, or 6 to 16 of A-Z and 0-9. The caller overwrites them
            afterwards.
        :param confirm_last_try: the person knows that one more wrong PIN blocks the card.
        :raises Fault: `card.pin_shape` before the card sees it, `card.no_certificate`, `card.blocked`,
            `card.last_try`, `card.wrong_pin` with `tries_left`, or `card.wrong_pin_last` when one is left.
        """
        self._unlock(_FILES[purpose].pin, _PIN_SHAPE[purpose], pin, confirm_last_try=confirm_last_try)

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

    def _sign(self, signing_input: bytes) -> bytes:
        info = _DIGEST_INFO_SHA256 + hashlib.sha256(signing_input).digest()
        status, signature = self._send(b"\x80\x2a\x00\x80" + bytes([len(info)]) + info + b"\x00")
        expect(status)
        return signature

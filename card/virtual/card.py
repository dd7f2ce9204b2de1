"""The card itself: files, PINs with their tries, and two keys behind them (reference §1.1, §1.2)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.asymmetric import rsa

from card.jpki import APPLICATION

ATR: Final = bytes.fromhex("3BE000FF8131FE4514")

_OK: Final = b"\x90\x00"
_SECURITY_NOT_SATISFIED: Final = b"\x69\x82"
_BLOCKED: Final = b"\x69\x84"
_CONDITIONS: Final = b"\x69\x85"
_NO_FILE_SELECTED: Final = b"\x69\x86"
_WRONG_LENGTH: Final = b"\x67\x00"
_NOT_FOUND: Final = b"\x6a\x82"
_WRONG_P1_P2: Final = b"\x6a\x86"
_WRONG_OFFSET: Final = b"\x6b\x00"
_NO_INSTRUCTION: Final = b"\x6d\x00"
_TOKEN_LABEL: Final = b"JPKIAPICCTOKEN2"


def _token_info() -> bytes:
    """CK_TOKEN_INFO, 160 octets, of which the label is what readers look at."""
    return _TOKEN_LABEL.ljust(32) + b"JPKI".ljust(32) + b"".ljust(96)


@dataclass
class Pin:
    """A PIN with its tries."""

    value: bytes
    most_tries: int
    tries_left: int

    def verify(self, value: bytes) -> bytes:
        """Answer a VERIFY; the try that exhausts the PIN answers 63C0, every later one 6984."""
        if self.tries_left == 0:
            return _BLOCKED
        if value == self.value:
            self.tries_left = self.most_tries
            return _OK
        self.tries_left -= 1
        return bytes([0x63, 0xC0 | self.tries_left])


@dataclass(frozen=True)
class CardContents:
    """What an issuer writes onto a card; certificates are DER."""

    label: str
    authentication_key: rsa.RSAPrivateKey
    authentication_certificate: bytes
    authentication_ca: bytes
    signature_key: rsa.RSAPrivateKey
    signature_certificate: bytes
    signature_ca: bytes
    pin: Pin
    password: Pin


@dataclass
class VirtualCard:
    """A card that answers APDUs.

    :param changed: called when tries changed, so that a blocked card stays blocked over a restart.
    """

    contents: CardContents
    changed: Callable[[], None] = lambda: None
    _in_application: bool = field(default=False, init=False)
    _selected: int | None = field(default=None, init=False)
    _verified: set[int] = field(default_factory=set, init=False)

    @property
    def label(self) -> str:
        """Whose card it is, as the deck shows it."""
        return self.contents.label

    def power_off(self) -> None:
        """Forget the security state, as when the card leaves the field."""
        self._in_application, self._selected = False, None
        self._verified.clear()

    def process(self, apdu: bytes) -> bytes:
        """Answer one command APDU (ISO/IEC 7816-4), short lengths only."""
        if len(apdu) < 4:
            return _WRONG_LENGTH
        instruction, p1, p2, body = apdu[:2], apdu[2], apdu[3], apdu[4:]
        match instruction:
            case b"\x00\xa4":
                return self._select(p1, p2, _data(body))
            case b"\x00\x20":
                return self._verify(p1, p2, _data(body))
            case b"\x00\xb0":
                return self._read(p1 << 8 | p2, body)
            case b"\x80\x2a":
                return self._sign(p1, p2, _data(body))
            case _:
                return _NO_INSTRUCTION

    def _select(self, p1: int, p2: int, name: bytes) -> bytes:
        if (p1, p2) == (0x00, 0x00):
            return _OK
        if (p1, p2) == (0x04, 0x0C):
            self.power_off()
            self._in_application = name == APPLICATION
            return _OK if self._in_application or name.startswith(b"\xa0\x00\x00\x01\x51") else _NOT_FOUND
        if (p1, p2) == (0x02, 0x0C):
            file = int.from_bytes(name, "big")
            if not self._in_application or file not in {0x17, 0x18, 0x1A, 0x1B, *self._files()}:
                return _NOT_FOUND
            self._selected = file
            return _OK
        return _WRONG_P1_P2

    def _files(self) -> dict[int, bytes]:
        return {
            0x0001: self.contents.signature_certificate,
            0x0002: self.contents.signature_ca,
            0x0006: _token_info(),
            0x0008: b"\x8f\x8f\x00",
            0x000A: self.contents.authentication_certificate,
            0x000B: self.contents.authentication_ca,
        }

    def _verify(self, p1: int, p2: int, value: bytes) -> bytes:
        if (p1, p2) != (0x00, 0x80):
            return _WRONG_P1_P2
        pins = {0x18: self.contents.pin, 0x1B: self.contents.password}
        if self._selected not in pins:
            return _NO_FILE_SELECTED
        pin = pins[self._selected]
        if not value:
            return bytes([0x63, 0xC0 | pin.tries_left])
        answer = pin.verify(value)
        (self._verified.add if answer == _OK else self._verified.discard)(self._selected)
        self.changed()
        return answer

    def _read(self, offset: int, le: bytes) -> bytes:
        content = self._files().get(self._selected or 0)
        if content is None:
            return _NO_FILE_SELECTED
        if self._selected == 0x0001 and 0x1B not in self._verified:
            return _SECURITY_NOT_SATISFIED
        if len(le) != 1:
            return _WRONG_LENGTH
        if offset >= len(content):
            return _WRONG_OFFSET
        return content[offset : offset + (le[0] or 256)] + _OK

    def _sign(self, p1: int, p2: int, digest_info: bytes) -> bytes:
        if (p1, p2) != (0x00, 0x80):
            return _WRONG_P1_P2
        keys = {
            0x17: (0x18, self.contents.authentication_key),
            0x1A: (0x1B, self.contents.signature_key),
        }
        if self._selected not in keys:
            return _NO_FILE_SELECTED
        pin, key = keys[self._selected]
        if pin not in self._verified:
            return _SECURITY_NOT_SATISFIED
        size = key.key_size // 8
        if not digest_info:
            return _WRONG_LENGTH
        if len(digest_info) > size - 11:
            return _CONDITIONS
        return _sign_pkcs1_v15(key, digest_info) + _OK


def _data(body: bytes) -> bytes:
    """Command data of a case 1, 3 or 4 APDU; a length that does not fit leaves nothing."""
    if not body:
        return b""
    size = body[0]
    return body[1 : 1 + size] if len(body) in {1 + size, 2 + size} else b""


def _sign_pkcs1_v15(key: rsa.RSAPrivateKey, digest_info: bytes) -> bytes:
    """Pad and exponentiate as the card's chip does, for whatever DigestInfo it was given (RFC 8017 §8.2.1).

    The library signs only digests it knows the DigestInfo of; a card signs what it gets.
    """
    size = key.key_size // 8
    padded = b"\x00\x01" + b"\xff" * (size - len(digest_info) - 3) + b"\x00" + digest_info
    numbers = key.private_numbers()
    message = int.from_bytes(padded, "big")
    first = pow(message, numbers.dmp1, numbers.p)
    second = pow(message, numbers.dmq1, numbers.q)
    signature = second + numbers.q * ((first - second) * numbers.iqmp % numbers.p)
    return signature.to_bytes(size, "big")

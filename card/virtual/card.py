"""The card itself: files, PINs with their tries, and two keys behind them (reference §1.1, §1.2)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA384

from card import attributes, jpki

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
_NO_CLASS: Final = b"\x6e\x00"
_CLASSES: Final = frozenset({0x00, 0x80})
_TOKEN_LABEL: Final = b"JPKIAPICCTOKEN2"


def _token_info() -> bytes:
    """CK_TOKEN_INFO, 160 octets, of which the label is what readers look at."""
    return _TOKEN_LABEL.ljust(32) + b"JPKI".ljust(32) + b"".ljust(96)


CardPrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
"""RSA-2048 as on today's cards, P-384 as on those of the next generation."""


class Pulled(OSError):  # noqa: N818 - what happened to the card
    """The card was taken away before it had answered."""


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
class Printed:
    """The 券面事項入力補助 application: what is printed, and what opens it.

    :param attributes: its file, as the issuer wrote it.
    :param number_b: 照合番号B.
    """

    attributes: bytes
    pin: Pin
    number_b: Pin


@dataclass(frozen=True)
class CardContents:
    """What an issuer writes onto a card; certificates are DER.

    :param signature_certificate: None for a child under fifteen, who has none and no password.
    :param printed: None for a card that was kept before cards here had it.
    """

    label: str
    authentication_key: CardPrivateKey
    authentication_certificate: bytes
    authentication_ca: bytes
    signature_key: CardPrivateKey
    signature_certificate: bytes | None
    signature_ca: bytes
    pin: Pin
    password: Pin
    printed: Printed | None = None


@dataclass(frozen=True)
class _File:
    """A file that can be read.

    :param opened_by: PINs of which one must be verified; empty for everyone.
    """

    content: bytes
    opened_by: frozenset[int] = frozenset()


@dataclass(frozen=True)
class _Application:
    """Files, PINs and keys by file identifier; each key with the PIN that opens it."""

    files: Mapping[int, _File]
    pins: Mapping[int, Pin]
    keys: Mapping[int, tuple[int, CardPrivateKey]] = field(default_factory=dict)

    def has(self, file: int) -> bool:
        """Whether it can be selected."""
        return file in self.files or file in self.pins or file in self.keys


_ISSUER_SECURITY_DOMAIN: Final = bytes.fromhex("A000000151")
_NO_APPLICATION: Final = _Application({}, {})
_NO_FILE: Final = 0


def _jpki(contents: CardContents) -> _Application:
    files = {
        0x0002: _File(contents.signature_ca),
        0x0006: _File(_token_info()),
        0x0008: _File(b"\x8f\x8f\x00"),
        0x000A: _File(contents.authentication_certificate),
        0x000B: _File(contents.authentication_ca),
    }
    pins = {0x0018: contents.pin}
    keys = {0x0017: (0x0018, contents.authentication_key)}
    if contents.signature_certificate is not None:
        files[0x0001] = _File(contents.signature_certificate, frozenset({0x001B}))
        pins[0x001B] = contents.password
        keys[0x001A] = (0x001B, contents.signature_key)
    return _Application(files, pins, keys)


def _printed(printed: Printed) -> _Application:
    """The file of the 個人番号 is there, as on every card, and empty; nothing opens it."""
    openers = frozenset({attributes.PIN_FILE, attributes.NUMBER_B_FILE})
    return _Application(
        {
            0x0001: _File(b"", frozenset({0x0014})),
            attributes.ATTRIBUTES_FILE: _File(printed.attributes, openers),
        },
        {attributes.PIN_FILE: printed.pin, attributes.NUMBER_B_FILE: printed.number_b},
    )


@dataclass
class VirtualCard:
    """A card that answers APDUs.

    :param changed: called when tries changed, so that a blocked card stays blocked over a restart.
    """

    contents: CardContents
    changed: Callable[[], None] = lambda: None
    _application: _Application = field(default=_NO_APPLICATION, init=False)
    _selected: int = field(default=_NO_FILE, init=False)
    _verified: set[int] = field(default_factory=set, init=False)

    @property
    def label(self) -> str:
        """Whose card it is, as the deck shows it."""
        return self.contents.label

    @cached_property
    def _applications(self) -> Mapping[bytes, _Application]:
        printed = self.contents.printed
        return {jpki.APPLICATION: _jpki(self.contents)} | (
            {} if printed is None else {attributes.APPLICATION: _printed(printed)}
        )

    def power_off(self) -> None:
        """Forget the security state, as when the card leaves the field."""
        self._application, self._selected = _NO_APPLICATION, _NO_FILE
        self._verified.clear()

    def process(self, apdu: bytes) -> bytes:
        """Answer one command APDU (ISO/IEC 7816-4), short lengths only."""
        if len(apdu) < 4 or len(apdu) not in _lengths(apdu[4:5]):
            return _WRONG_LENGTH
        if apdu[0] not in _CLASSES:
            return _NO_CLASS
        instruction, p1, p2, body = apdu[:2], apdu[2], apdu[3], apdu[4:]
        data = body[1 : 1 + body[0]] if len(body) > 1 else b""
        match instruction:
            case b"\x00\xa4":
                return self._select(p1, p2, data)
            case b"\x00\x20":
                return self._verify(p1, p2, data)
            case b"\x00\xb0":
                return self._read(p1 << 8 | p2, body)
            case b"\x80\x2a":
                return self._sign(p1, p2, data)
            case _:
                return _NO_INSTRUCTION

    def _select(self, p1: int, p2: int, name: bytes) -> bytes:
        if (p1, p2) == (0x00, 0x00):
            return _OK
        if (p1, p2) == (0x04, 0x0C):
            if name not in self._applications and not name.startswith(_ISSUER_SECURITY_DOMAIN):
                return _NOT_FOUND  # and everything stays as it was
            self.power_off()
            self._application = self._applications.get(name, _NO_APPLICATION)
            return _OK
        if (p1, p2) == (0x02, 0x0C):
            file = int.from_bytes(name, "big")
            if not self._application.has(file):
                return _NOT_FOUND
            self._selected = file
            return _OK
        return _WRONG_P1_P2

    def _verify(self, p1: int, p2: int, value: bytes) -> bytes:
        if (p1, p2) != (0x00, 0x80):
            return _WRONG_P1_P2
        if self._selected not in self._application.pins:
            return _NO_FILE_SELECTED
        pin = self._application.pins[self._selected]
        if not value:
            return bytes([0x63, 0xC0 | pin.tries_left])
        answer = pin.verify(value)
        (self._verified.add if answer == _OK else self._verified.discard)(self._selected)
        self.changed()
        return answer

    def _read(self, offset: int, le: bytes) -> bytes:
        file = self._application.files.get(self._selected)
        if file is None:
            return _NO_FILE_SELECTED
        if file.opened_by and self._verified.isdisjoint(file.opened_by):
            return _SECURITY_NOT_SATISFIED
        if len(le) != 1:
            return _WRONG_LENGTH
        if offset >= len(file.content):
            return _WRONG_OFFSET
        return file.content[offset : offset + (le[0] or 256)] + _OK

    def _sign(self, p1: int, p2: int, content: bytes) -> bytes:
        if (p1, p2) != (0x00, 0x80):
            return _WRONG_P1_P2
        if self._selected not in self._application.keys:
            return _NO_FILE_SELECTED
        pin, key = self._application.keys[self._selected]
        if pin not in self._verified:
            return _SECURITY_NOT_SATISFIED
        if not content:
            return _WRONG_LENGTH
        if isinstance(key, rsa.RSAPrivateKey):
            fits = len(content) <= key.key_size // 8 - 11
            return _sign_pkcs1_v15(key, content) + _OK if fits else _CONDITIONS
        if len(content) != SHA384.digest_size:
            return _CONDITIONS
        return key.sign(content, ec.ECDSA(Prehashed(SHA384()))) + _OK


def _lengths(first: bytes) -> frozenset[int]:
    """How long an APDU may be, cases 1 to 4, by its Lc or Le (ISO/IEC 7816-4 §5.2)."""
    return frozenset({5, 5 + first[0], 6 + first[0]}) if first else frozenset({4})


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

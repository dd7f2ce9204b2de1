"""What is printed on a card, as its chip tells it (券面事項入力補助): name, address, birth date, sex.

It is prefill and never proof: the chip does not sign it. Its other file, and the number that opens it, are
the 個人番号, which no code of ours may read (番号法 19条, 20条): they are refused here, before the card.
"""

import re
from dataclasses import dataclass
from datetime import date
from typing import ClassVar, Final

from card.application import Application
from card.certificates import read_birth_date
from card.faults import CardRejected, Fault
from card.transport import Reader

APPLICATION: Final = bytes.fromhex("D3921000310001010408")
ATTRIBUTES_FILE: Final = 0x0002
PIN_FILE: Final = 0x0011
NUMBER_B_FILE: Final = 0x0015
TEMPLATE, NAME, ADDRESS, BIRTH_DATE, SEX = 0xFF20, 0xDF22, 0xDF23, 0xDF24, 0xDF25
"""Tags of the file and of what we read in it (ISO/IEC 7816-4 §5.2)."""

_OURS: Final = frozenset({ATTRIBUTES_FILE, PIN_FILE, NUMBER_B_FILE})
_PIN_DIGITS: Final = 4
_PIN_SHAPE: Final = re.compile(rb"[0-9]{4}\Z")
_NUMBER_B_SHAPE: Final = re.compile(rb"[0-9]{14}\Z")
_LARGEST: Final = 4096
_HEAD: Final = 5


@dataclass(frozen=True, slots=True)
class PrintedAttributes:
    """The four attributes as printed.

    :param name: parts separated by U+3000.
    :param birth_date: None where month or day are unknown.
    :param sex: `1` male, `2` female, `9` unknown or other.
    """

    name: str
    address: str
    birth_date: date | None
    sex: str


class AttributesCard(Application):
    """A card with its 券面事項入力補助 application selected; use as a context manager, once.

    :raises Fault: `card.not_my_number` when there is no such application.
    """

    aid: ClassVar[bytes] = APPLICATION
    lacking: ClassVar[str] = "card.not_my_number"

    def _has(self, file: int) -> bool:
        if file not in _OURS:
            raise ValueError("the 個人番号 and what opens it are not ours to read")
        return super()._has(file)

    def tries_left(self) -> int:
        """How many wrong PINs the card still takes; 0 is blocked."""
        return self._tries_left(PIN_FILE)

    def by_pin(self, pin: bytearray, *, confirm_last_try: bool = False) -> PrintedAttributes:
        """Read them with the holder's PIN of this application.

        :param pin: four ASCII digits. The caller overwrites them afterwards.
        :param confirm_last_try: the person knows that one more wrong PIN blocks the application.
        :raises Fault: `card.pin_shape` before the card sees it, `card.blocked`, `card.last_try`,
            `card.wrong_pin` with `tries_left`, or `card.wrong_pin_last`; `card.failed` for what cannot be
            read.
        """
        self._unlock(PIN_FILE, _PIN_SHAPE, pin, confirm_last_try=confirm_last_try)
        return self._attributes()

    def by_number_b(self, number: bytearray, *, confirm_last_try: bool = False) -> PrintedAttributes:
        """Read them with what is printed on the card itself (照合番号B), for whoever forgot the PIN.

        :param number: 14 ASCII digits: birth date as YYMMDD with the year of its era, the year of the card's
            expiry, the security code. The caller overwrites them afterwards.
        :raises Fault: as `by_pin`.
        """
        self._unlock(NUMBER_B_FILE, _NUMBER_B_SHAPE, number, confirm_last_try=confirm_last_try)
        return self._attributes()

    def _attributes(self) -> PrintedAttributes:
        self._select(ATTRIBUTES_FILE)
        try:
            return _read_attributes(self._read_whole(_whole_size(self._read(0, _HEAD))))
        except (ValueError, KeyError, IndexError, CardRejected) as error:
            raise Fault("card.failed", status="") from error


def read_on(reader: Reader, secret: bytearray, *, confirm_last_try: bool = False) -> PrintedAttributes:
    """Read the card that lies there.

    :param secret: four digits are the PIN, fourteen 照合番号B. The caller overwrites them afterwards.
    :raises Fault: `card.*` of the reader and of `AttributesCard`.
    """
    with reader.connect() as transport, AttributesCard(transport) as card:
        read = card.by_number_b if len(secret) > _PIN_DIGITS else card.by_pin
        return read(secret, confirm_last_try=confirm_last_try)


def _head(content: bytes) -> tuple[int, int, int]:
    """The tag, where its value begins, and how long that is (ISO/IEC 7816-4 §5.2.2)."""
    first = content[2]
    if first < 0x80:
        return int.from_bytes(content[:2], "big"), 3, first
    octets = first & 0x7F
    if octets not in {1, 2} or len(content) < 3 + octets:
        raise ValueError("a length of more than two octets")
    return int.from_bytes(content[:2], "big"), 3 + octets, int.from_bytes(content[3 : 3 + octets], "big")


def _whole_size(head: bytes) -> int:
    tag, start, size = _head(head)
    if tag != TEMPLATE or size > _LARGEST:
        raise ValueError("it is no such file")
    return start + size


def _read_attributes(content: bytes) -> PrintedAttributes:
    found = dict(_values(content[_head(content)[1] :]))
    return PrintedAttributes(
        name=found[NAME].decode("utf-8"),
        address=found[ADDRESS].decode("utf-8"),
        birth_date=read_birth_date(found[BIRTH_DATE].decode("ascii")),
        sex=found[SEX].decode("ascii"),
    )


def _values(content: bytes) -> list[tuple[int, bytes]]:
    found = []
    while content:
        tag, start, size = _head(content)
        value = content[start : start + size]
        if len(value) != size:
            raise ValueError("it ends before its length says")
        found.append((tag, value))
        content = content[start + size :]
    if len({tag for tag, _ in found}) != len(found):
        raise ValueError("a tag comes twice")
    return found

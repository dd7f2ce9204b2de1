"""The wards: the tenants that every key begins with.

A ward is named by its 6-digit municipality code, whose last digit is a check digit (全国地方公共団体コード).
"""

from dataclasses import dataclass
from typing import Final, NewType
from urllib.parse import urlsplit

WardCode = NewType("WardCode", str)

_NAMES: Final = {
    "131016": ("千代田区", "Chiyoda City"),
    "131024": ("中央区", "Chuo City"),
    "131032": ("港区", "Minato City"),
    "131041": ("新宿区", "Shinjuku City"),
    "131059": ("文京区", "Bunkyo City"),
    "131067": ("台東区", "Taito City"),
    "131075": ("墨田区", "Sumida City"),
    "131083": ("江東区", "Koto City"),
    "131091": ("品川区", "Shinagawa City"),
    "131105": ("目黒区", "Meguro City"),
    "131113": ("大田区", "Ota City"),
    "131121": ("世田谷区", "Setagaya City"),
    "131130": ("渋谷区", "Shibuya City"),
    "131148": ("中野区", "Nakano City"),
    "131156": ("杉並区", "Suginami City"),
    "131164": ("豊島区", "Toshima City"),
    "131172": ("北区", "Kita City"),
    "131181": ("荒川区", "Arakawa City"),
    "131199": ("板橋区", "Itabashi City"),
    "131202": ("練馬区", "Nerima City"),
    "131211": ("足立区", "Adachi City"),
    "131229": ("葛飾区", "Katsushika City"),
    "131237": ("江戸川区", "Edogawa City"),
}

SPECIAL_WARDS: Final = tuple(WardCode(code) for code in _NAMES)


def has_check_digit(code: str) -> bool:
    """Whether the last of six digits is the check digit of the first five."""
    if len(code) != 6 or not (code.isascii() and code.isdigit()):
        return False
    weighted = sum(int(digit) * weight for digit, weight in zip(code[:5], (6, 5, 4, 3, 2), strict=True))
    return int(code[5]) == (11 - weighted % 11) % 10


def parse_ward(text: str) -> WardCode:
    """Read the code of one of the 23 special wards.

    :raises ValueError: for anything else.
    """
    if text not in _NAMES:
        raise ValueError("not the code of a special ward")
    return WardCode(text)


def ward_name(ward: WardCode, locale: str) -> str:
    """The ward's own name, in Japanese or as it calls itself in English."""
    japanese, english = _NAMES[ward]
    return japanese if locale == "ja" else english


@dataclass(frozen=True, slots=True)
class Ward:
    """A ward that this deployment serves.

    :param issuer: its issuer, without a trailing slash; the same address is the base of all its pages.
    """

    code: WardCode
    issuer: str

    @property
    def origin(self) -> str:
        """Scheme and authority of the issuer (RFC 6454 §4)."""
        parts = urlsplit(self.issuer)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def rp_id(self) -> str:
        """WebAuthn RP ID: the issuer's host."""
        return urlsplit(self.issuer).hostname or ""

    @property
    def path(self) -> str:
        """Path of the issuer, the prefix of every page."""
        return urlsplit(self.issuer).path

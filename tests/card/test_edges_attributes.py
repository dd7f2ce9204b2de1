"""The names in a signature certificate at the edge of its profile (証明書プロファイル): a flag a character.

Only the root can write them; what it does not write is refused before anybody's name is compared with it.
"""

from collections.abc import Mapping

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from card.certificates import ATTRIBUTE, Purpose, SignedAttributes, read_certificate
from card.faults import CardRejected
from card.test_authority import TestAuthority, new_card_key
from tests.card.bending import replaced, tlv
from tests.card.conftest import HANAKO, NOW


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return new_card_key()


def text(value: str) -> bytes:
    return tlv(0x0C, value.encode("utf-8"))


def named(name: str = HANAKO.name, address: str = HANAKO.address) -> dict[str, bytes]:
    """Six sound attributes by their numbers."""
    values = {"1": name, "2": "0" * len(name), "3": "2", "4": "319480503"}
    values |= {"5": address, "6": "0" * len(address)}
    return {number: text(value) for number, value in values.items()}


def others(values: Mapping[str, bytes]) -> list[x509.OtherName]:
    return [
        x509.OtherName(x509.ObjectIdentifier(ATTRIBUTE + number), value) for number, value in values.items()
    ]


def read(authority: TestAuthority, key: rsa.RSAPrivateKey, names: list[x509.OtherName]) -> SignedAttributes:
    root = authority.roots[Purpose.SIGNATURE]
    builder = root.leaf(HANAKO, key.public_key(), NOW)
    bent = replaced(builder, x509.SubjectAlternativeName(names), critical=False).sign(root.key, SHA256())
    attributes = read_certificate(bent.public_bytes(Encoding.DER)).attributes
    assert attributes is not None
    return attributes


LONGEST = "東京都渋谷区" + "宇田川町１－１" * 27 + "一二三四五"
IVS = "葛\U000e0100飾"
SOUND: Mapping[str, list[x509.OtherName]] = {
    "as it should be": others(named()),
    "the other way round": others(named())[::-1],
    "an address of 200 characters": others(named(address=LONGEST)),
    "a character of more than 16 bits is one": others(named("\U00020bb7野\u3000花子") | {"2": text("10000")}),
    "a variation selector is one too": others(named(IVS) | {"2": text("100")}),
    "substitutes": others(named() | {"2": text("01000"), "6": text("1" * len(HANAKO.address))}),
    "furigana to come, of any type": [*others(named()), *others({"7": tlv(0x30), "10": text("あ")})],
    "a number that begins as ours": others(named() | {"1.1": text("A"), "11": tlv(0x04, b"A")}),
    "a foreign name beside them": [*others(named()), x509.OtherName(x509.ObjectIdentifier("1.2"), tlv(5))],
}  # fmt: skip
MALFORMED: Mapping[str, list[x509.OtherName]] = {
    **{f"no {number}": others({n: v for n, v in named().items() if n != number}) for number in "123456"},
    **{f"{number} twice": [*others(named()), *others({number: named()[number]})] for number in "123456"},
    "another name, once more": [*others(named()), *others({"1": text("別人\u3000次郎")})],
    "a printable name": others(named() | {"1": tlv(0x13, b"HANAKO"), "2": text("000000")}),
    "an ASCII name": others(named() | {"1": tlv(0x16, b"HANAKO"), "2": text("000000")}),
    "octets for a name": others(named() | {"1": tlv(0x04, "田中\u3000花子".encode())}),
    "nothing for a name": others(named() | {"1": tlv(0x05)}),
    "a name in pieces": others(named() | {"1": tlv(0x2C, text("田中"), text("\u3000花子"))}),
    "a name in endless pieces": others(named() | {"1": tlv(0x2C, b"\x2c\x80" * 900)}),
    "a name that is no UTF-8": others(named() | {"1": tlv(0x0C, b"\xff"), "2": text("0")}),
    "half a surrogate pair": others(named() | {"1": tlv(0x0C, b"\xed\xa0\x80"), "2": text("0")}),
    "a pair of halves in UTF-8": others(
        named() | {"1": tlv(0x0C, b"\xed\xa1\x82\xed\xbe\xb7"), "2": text("0")}
    ),
    "an overlong form": others(named() | {"1": tlv(0x0C, b"\xc1\x81"), "2": text("0")}),
    "an empty name": others(named("")),
    "an empty address": others(named(address="")),
    "a flag too few": others(named() | {"2": text("0000")}),
    "a flag too many": others(named() | {"2": text("000000")}),
    "flags by sixteen bits": others(named("\U00020bb7野\u3000花子") | {"2": text("000000")}),
    "flags by octets": others(named() | {"2": text("0" * len(HANAKO.name.encode()))}),
    "a flag 2": others(named() | {"2": text("00002")}),
    "full-width flags": others(named() | {"2": text("０００００")}),
    "no flags": others(named() | {"2": text("")}),
    "an address with a flag too few": others(named() | {"6": text("0" * (len(HANAKO.address) - 1))}),
    "an address with a flag 9": others(named() | {"6": text("9" * len(HANAKO.address))}),
    "another era": others(named() | {"4": text("419480503")}),
    "an era that is none": others(named() | {"4": text("919480503")}),
    "31 June": others(named() | {"4": text("319480631")}),
    "full-width digits": others(named() | {"4": text("３１９４８０５０３")}),
    "a line behind the date": others(named() | {"4": text("319480503\n")}),
}  # fmt: skip


@pytest.mark.parametrize("what", SOUND)
def test_names_of_the_profile_are_read(authority: TestAuthority, key: rsa.RSAPrivateKey, what: str) -> None:
    found = read(authority, key, SOUND[what])
    assert len(found.name) == len(found.name_substitutes)
    assert found.name_is_exact is ("1" not in found.name_substitutes)
    assert found.birth_date == HANAKO.birth_date


def test_an_address_is_read_whole(authority: TestAuthority, key: rsa.RSAPrivateKey) -> None:
    assert len(LONGEST) == 200
    assert read(authority, key, SOUND["an address of 200 characters"]).address == LONGEST


@pytest.mark.parametrize("what", MALFORMED)
def test_names_of_no_profile_are_refused(authority: TestAuthority, key: rsa.RSAPrivateKey, what: str) -> None:
    with pytest.raises(CardRejected, match=r"card\.malformed"):
        read(authority, key, MALFORMED[what])

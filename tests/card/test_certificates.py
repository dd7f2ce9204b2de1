"""card.certificates: what the two certificates say, and that no crafted one gets any further."""

import re
from collections.abc import Callable
from datetime import date

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID, NameOID

from card.certificates import SIGNATURE_POLICY, Purpose, read_birth_date, read_certificate
from card.faults import CardRejected
from card.test_authority import TestAuthority
from card.virtual.card import VirtualCard
from tests.card.bending import policies, replaced
from tests.card.conftest import HANAKO, NOW


def test_the_signature_certificate_says_who_holds_it(card: VirtualCard) -> None:
    attributes = read_certificate(card.contents.signature_certificate).attributes
    assert attributes is not None
    assert (attributes.name, attributes.birth_date, attributes.sex) == (HANAKO.name, HANAKO.birth_date, "2")
    assert attributes.address == HANAKO.address
    assert attributes.name_is_exact


def test_the_authentication_certificate_has_no_name(card: VirtualCard) -> None:
    assert read_certificate(card.contents.authentication_certificate).attributes is None


def test_a_root_is_no_leaf(authority: TestAuthority) -> None:
    with pytest.raises(CardRejected, match=r"card\."):
        read_certificate(authority.roots[Purpose.SIGNATURE].der)


Bend = Callable[[x509.CertificateBuilder], x509.CertificateBuilder]


def issued(authority: TestAuthority, card: VirtualCard, bend: Bend = lambda builder: builder) -> bytes:
    root = authority.roots[Purpose.SIGNATURE]
    builder = root.leaf(HANAKO, card.contents.signature_key.public_key(), NOW)
    return bend(builder).sign(root.key, SHA256()).public_bytes(Encoding.DER)


def test_an_authentication_certificate_with_a_signature_policy_is_of_no_purpose(
    authority: TestAuthority, card: VirtualCard
) -> None:
    root = authority.roots[Purpose.AUTHENTICATION]
    builder = root.leaf(HANAKO, card.contents.signature_key.public_key(), NOW)
    bent = replaced(builder, policies(SIGNATURE_POLICY), critical=True).sign(root.key, SHA256())
    with pytest.raises(CardRejected, match=r"card\.policy"):
        read_certificate(bent.public_bytes(Encoding.DER))


def with_content(oid: x509.ObjectIdentifier, content: bytes) -> Bend:
    return lambda builder: replaced(builder, x509.UnrecognizedExtension(oid, content), critical=True)


def with_serial(number: int) -> Bend:
    def bend(builder: x509.CertificateBuilder) -> x509.CertificateBuilder:
        builder._serial_number = number  # the builder's own check would refuse it
        return builder

    return bend


def with_subject(*names: x509.NameAttribute[str]) -> Bend:
    def bend(builder: x509.CertificateBuilder) -> x509.CertificateBuilder:
        builder._subject_name = x509.Name(names)  # the builder takes one name, once
        return builder

    return bend


CN = x509.NameAttribute(NameOID.COMMON_NAME, "A")
MALFORMED: dict[str, Bend] = {
    "no alternative name": with_content(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, b"abc"),
    "no key usage": with_content(ExtensionOID.KEY_USAGE, b"\x30\x00"),
    "no policies": with_content(ExtensionOID.CERTIFICATE_POLICIES, b"\x04\x00"),
    "no distribution point": with_content(ExtensionOID.CRL_DISTRIBUTION_POINTS, b"\x04\x00"),
    "a serial number of 22 octets": with_serial(1 << 170),
    "two common names": with_subject(CN, CN),
    "no common name": with_subject(x509.NameAttribute(NameOID.COUNTRY_NAME, "JP")),
}


@pytest.mark.parametrize("bend", MALFORMED.values(), ids=MALFORMED)
def test_rfc5280_4_1_a_crafted_certificate_is_refused(
    authority: TestAuthority, card: VirtualCard, bend: Bend
) -> None:
    with pytest.raises(CardRejected, match=r"card\.malformed"):
        read_certificate(issued(authority, card, bend))


def other_tag(der: bytes) -> bytes:
    """The first name of the alternative name becomes an EDI party name."""
    start = der.index(b"\xa0", der.index(bytes.fromhex("0603551d11")))
    return der[:start] + b"\xa5" + der[start + 1 :]


def negative_serial(der: bytes) -> bytes:
    start = der.index(bytes.fromhex("a003020102")) + 7
    return der[:start] + b"\x80" + der[start + 1 :]


def exchanged(old: str | bytes, new: str | bytes) -> Callable[[bytes], bytes]:
    octets = [bytes.fromhex(part) if isinstance(part, str) else part for part in (old, new)]
    return lambda der: der.replace(octets[0], octets[1])


RSA, SHA256_RSA = "2a864886f70d010101", "2a864886f70d01010b"
CRAFTED: dict[str, Callable[[bytes], bytes]] = {
    "version 6": exchanged("a003020102", "a003020105"),
    "a name of a kind that nobody uses": other_tag,
    "an unknown kind of key": exchanged(RSA, "2a864886f70d01017a"),
    "a key that is none": exchanged("3082010a0282010100", "3082010a0382010100"),
    "an unknown signature algorithm": exchanged(SHA256_RSA, "2a864886f70d01017b"),
    "PSS without its parameters": exchanged(SHA256_RSA, "2a864886f70d01010a"),
    "a subject that is no text": exchanged(b"Shibuya-ku", b"\xff\xfeibuya-ku"),
    "an issuer that is no text": exchanged(b"JPKI-TEST", b"\xff\xfeKI-TEST"),
    "the 99th of a month": lambda der: re.sub(rb"\x17\x0d\d{12}Z", b"\x17\x0d269999010000Z", der),
    "a negative serial number": negative_serial,
}


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@pytest.mark.parametrize("craft", CRAFTED.values(), ids=CRAFTED)
def test_rfc5280_4_1_crafted_octets_are_refused(
    authority: TestAuthority, card: VirtualCard, craft: Callable[[bytes], bytes]
) -> None:
    sound = issued(authority, card)
    crafted = craft(sound)
    assert crafted != sound
    with pytest.raises(CardRejected, match=r"card\.malformed"):
        read_certificate(crafted)


@pytest.mark.parametrize("der", [b"", b"\x30\x82\x00\x00", b"abc"])
def test_what_is_no_certificate_is_refused(der: bytes) -> None:
    with pytest.raises(CardRejected, match="malformed"):
        read_certificate(der)


def test_bytes_after_a_certificate_are_refused(card: VirtualCard) -> None:
    with pytest.raises(CardRejected, match="malformed"):
        read_certificate(card.contents.authentication_certificate + b"\x00")


@pytest.mark.parametrize(
    ("text", "birth_date"),
    [
        ("319480503", date(1948, 5, 3)),
        ("19480503", date(1948, 5, 3)),
        ("319890107", date(1989, 1, 7)),
        ("419890108", date(1989, 1, 8)),
        ("319480500", None),
        ("319480003", None),
        ("000000000", None),
        ("019480503", date(1948, 5, 3)),
    ],
)
def test_birth_dates_have_an_era_or_none_and_may_lack_a_part(text: str, birth_date: date | None) -> None:
    assert read_birth_date(text) == birth_date


@pytest.mark.parametrize(
    "text",
    ["519480503", "320200503", "x9480503", "619480503", "319480231", "", "３19480503", "319480503\n"],
)
def test_what_is_no_birth_date_is_refused(text: str) -> None:
    with pytest.raises(CardRejected, match="malformed"):
        read_birth_date(text)

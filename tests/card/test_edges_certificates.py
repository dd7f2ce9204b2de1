"""Certificates at the edge of RFC 5280 and X.690: each sound but for one thing, and signed by its root.

What is judged `GOOD` is allowed, or says nothing of a card's certificate. The real issuer writes little of it
and nothing of what is refused.
"""

import time
from collections.abc import Mapping
from datetime import timedelta

import pytest
from asn1crypto.core import ObjectIdentifier
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from card.certificates import (
    AUTHENTICATION_POLICY,
    TEST_AUTHENTICATION_POLICY,
    TEST_SIGNATURE_POLICY,
    Purpose,
    read_certificate,
)
from card.faults import CardRejected
from card.test_authority import Root, TestAuthority, key_usage, new_card_key
from card.trust import Trust, check_path
from tests.card.bending import (
    ALGORITHM,
    EXTENSIONS,
    ISSUER,
    SERIAL,
    SHA256_RSA,
    SUBJECT,
    VALIDITY,
    VERSION,
    enveloped,
    exchanged,
    inside,
    tlv,
)
from tests.card.conftest import HANAKO, NOW

GOOD, MALFORMED, PATH, POLICY, EXPIRED = (
    "good", "card.malformed", "card.path", "card.policy", "card.certificate_expired",
)  # fmt: skip
PURPOSE = Purpose.AUTHENTICATION

pytestmark = pytest.mark.filterwarnings(
    "ignore::cryptography.utils.CryptographyDeprecationWarning", "ignore::UserWarning"
)


@pytest.fixture(scope="module")
def leaf(authority: TestAuthority) -> x509.Certificate:
    return authority.issue(PURPOSE, HANAKO, new_card_key().public_key(), NOW)


@pytest.fixture(scope="module")
def root(authority: TestAuthority) -> rsa.RSAPrivateKey:
    return authority.roots[PURPOSE].key


def verdict(der: bytes, trust: Trust) -> str:
    try:
        check_path(read_certificate(der), PURPOSE, trust, NOW)
    except CardRejected as refusal:
        return refusal.code
    return GOOD


def oid(dotted: str) -> bytes:
    return bytes(ObjectIdentifier(dotted).dump())


def name(*attributes: tuple[str, int, bytes]) -> bytes:
    return tlv(0x30, *(tlv(0x31, tlv(0x30, oid(type_), tlv(tag, value))) for type_, tag, value in attributes))


def days(first: tuple[int, str], last: tuple[int, str]) -> bytes:
    return tlv(0x30, *(tlv(tag, text.encode("ascii")) for tag, text in (first, last)))


UTC_TIME, GENERALIZED, TEXT, PRINTABLE, BITS = 0x17, 0x18, 0x0C, 0x13, 0x03
CN, COUNTRY, UNIQUE = "2.5.4.3", "2.5.4.6", "2.5.4.45"
PAST, FUTURE = (UTC_TIME, "260101000000Z"), (UTC_TIME, "310101000000Z")
SHA384_RSA = bytes.fromhex("300d06092a864886f70d01010c0500")
WITHOUT_NULL = bytes.fromhex("300b06092a864886f70d01010b")

PARTS: Mapping[str, tuple[int, bytes, str]] = {
    "version 2": (VERSION, bytes.fromhex("a003020101"), MALFORMED),
    "version 1, written out": (VERSION, bytes.fromhex("a003020100"), MALFORMED),
    "version 4": (VERSION, bytes.fromhex("a003020103"), MALFORMED),
    "serial 0": (SERIAL, tlv(2, b"\x00"), MALFORMED),
    "serial -1": (SERIAL, tlv(2, b"\xff"), MALFORMED),
    "serial of 20 octets": (SERIAL, tlv(2, b"\x7f", b"\xff" * 19), GOOD),
    "serial of 21 octets": (SERIAL, tlv(2, b"\x00\x80", bytes(19)), MALFORMED),
    "serial with a needless zero": (SERIAL, tlv(2, b"\x00\x01"), MALFORMED),
    "serial of no octets": (SERIAL, tlv(2), MALFORMED),
    "another algorithm inside": (ALGORITHM, SHA384_RSA, PATH),
    "the algorithm without its NULL inside": (ALGORITHM, WITHOUT_NULL, PATH),
    "the algorithm with other parameters inside": (
        ALGORITHM, bytes.fromhex("300e06092a864886f70d01010b020100"), MALFORMED,
    ),
    "another issuer's name": (ISSUER, name((CN, TEXT, b"A")), PATH),
    "an issuer that is a bit string": (ISSUER, name((CN, BITS, b"\x00A")), MALFORMED),
    "over before it begins": (VALIDITY, days(FUTURE, PAST), EXPIRED),
    "good for this very second": (VALIDITY, days(*[(UTC_TIME, f"{NOW:%y%m%d%H%M%SZ}")] * 2), GOOD),
    "over a second ago": (VALIDITY, days(PAST, (UTC_TIME, "261124005959Z")), EXPIRED),
    "a GeneralizedTime before 2050": (VALIDITY, days((GENERALIZED, "20260101000000Z"), FUTURE), GOOD),
    "without an end (99991231)": (VALIDITY, days(PAST, (GENERALIZED, "99991231235959Z")), GOOD),
    "from 1950 on": (VALIDITY, days((UTC_TIME, "500101000000Z"), FUTURE), GOOD),
    "to 2049": (VALIDITY, days(PAST, (UTC_TIME, "491231235959Z")), GOOD),
    "from the year 0 on": (VALIDITY, days((GENERALIZED, "00000101000000Z"), FUTURE), MALFORMED),
    "without seconds": (VALIDITY, days((UTC_TIME, "2601010000Z"), FUTURE), MALFORMED),
    "with an offset": (VALIDITY, days((UTC_TIME, "260101000000+0900"), FUTURE), MALFORMED),
    "with fractions": (VALIDITY, days(PAST, (GENERALIZED, "20510101000000.5Z")), MALFORMED),
    "without Z": (VALIDITY, days(PAST, (GENERALIZED, "20510101000000")), MALFORMED),
    "with z": (VALIDITY, days((UTC_TIME, "260101000000z"), FUTURE), MALFORMED),
    "29 February 2026": (VALIDITY, days((UTC_TIME, "260229000000Z"), FUTURE), MALFORMED),
    "24 o'clock": (VALIDITY, days((UTC_TIME, "260101240000Z"), FUTURE), MALFORMED),
    "a leap second": (VALIDITY, days((UTC_TIME, "260101235960Z"), FUTURE), MALFORMED),
    "a date that is a text": (VALIDITY, days((TEXT, "260101000000Z"), FUTURE), MALFORMED),
    "no subject": (SUBJECT, tlv(0x30), MALFORMED),
    "an empty part of the subject": (SUBJECT, tlv(0x30, tlv(0x31)), MALFORMED),
    "a name that is a bit string": (SUBJECT, name((CN, BITS, b"\x00A")), MALFORMED),
    "a country that is a bit string": (SUBJECT, name((CN, TEXT, b"A"), (COUNTRY, BITS, b"\x00J")), MALFORMED),
    "a unique identifier beside the name": (SUBJECT, name((CN, TEXT, b"A"), (UNIQUE, BITS, b"\x00A")), GOOD),
    "a name in UTF-16": (SUBJECT, name((CN, 0x1E, "あ".encode("utf-16-be"))), GOOD),
    "half a surrogate pair in UTF-16": (SUBJECT, name((CN, 0x1E, b"\xd8\x00")), MALFORMED),
    "half a surrogate pair in UTF-32": (SUBJECT, name((CN, 0x1C, b"\x00\x00\xd8\x00")), MALFORMED),
    "half a surrogate pair in UTF-8": (SUBJECT, name((CN, TEXT, b"\xed\xa0\x80")), MALFORMED),
    "no UTF-8": (SUBJECT, name((CN, TEXT, b"\xff")), MALFORMED),
    "a Latin-1 name": (SUBJECT, name((CN, 0x14, b"\xe9")), MALFORMED),
    "a printable name that is not": (SUBJECT, name((CN, PRINTABLE, b"A@\x00")), MALFORMED),
    "a name that is a number": (SUBJECT, name((CN, 0x02, b"\x01")), MALFORMED),
    "no extensions": (EXTENSIONS, tlv(0xA3, tlv(0x30)), POLICY),
}  # fmt: skip


@pytest.mark.parametrize("what", PARTS)
def test_rfc5280_4_1_a_certificate_with_one_odd_part(
    leaf: x509.Certificate, root: rsa.RSAPrivateKey, trust: Trust, what: str
) -> None:
    place, octets, expected = PARTS[what]
    assert verdict(exchanged(leaf, root, {}), trust) == GOOD
    assert verdict(exchanged(leaf, root, {place: octets}), trust) == expected


def test_rfc5280_4_1_2_1_extensions_need_the_third_version(
    leaf: x509.Certificate, root: rsa.RSAPrivateKey, trust: Trust
) -> None:
    parts = inside(leaf.tbs_certificate_bytes)
    assert verdict(enveloped(tlv(0x30, *parts[SERIAL:]), root), trust) == MALFORMED
    assert verdict(enveloped(tlv(0x30, *parts[SERIAL:EXTENSIONS]), root), trust) == MALFORMED


def extension(dotted: str, value: bytes, critical: bool | None = None) -> bytes:
    flag = b"" if critical is None else tlv(1, b"\xff" if critical else b"\x00")
    return tlv(0x30, oid(dotted), flag, tlv(4, value))


def uses(*dotted: str) -> bytes:
    return tlv(0x30, *map(oid, dotted))


USES, BASIC, CONSTRAINTS, UNKNOWN = "2.5.29.37", "2.5.29.19", "2.5.29.30", "1.2.3.4"
CLIENT, SERVER, CODE, ANY = "1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.3", "2.5.29.37.0"
NAMES = tlv(0x30, tlv(0xA0, tlv(0x30, tlv(0x82, b"a"))))
MORE: Mapping[str, tuple[bytes, str]] = {
    "an unknown one": (extension(UNKNOWN, tlv(5)), GOOD),
    "an unknown critical one": (extension(UNKNOWN, tlv(5), True), PATH),
    "critical FALSE, written out": (extension(UNKNOWN, tlv(5), False), MALFORMED),
    "key usage a second time": (extension("2.5.29.15", bytes.fromhex("03020780"), True), MALFORMED),
    "for clients": (extension(USES, uses(CLIENT)), GOOD),
    "for clients, critical": (extension(USES, uses(CLIENT), True), GOOD),
    "for servers and clients": (extension(USES, uses(SERVER, CLIENT)), GOOD),
    "for anything": (extension(USES, uses(ANY)), GOOD),
    "for servers": (extension(USES, uses(SERVER)), PATH),
    "for servers, critical": (extension(USES, uses(SERVER), True), PATH),
    "for code": (extension(USES, uses(CODE)), PATH),
    "for nothing": (extension(USES, uses()), MALFORMED),
    "no CA": (extension(BASIC, bytes.fromhex("3000"), True), GOOD),
    "no CA, written out": (extension(BASIC, bytes.fromhex("3003010100"), True), MALFORMED),
    "no CA, with a path length": (extension(BASIC, bytes.fromhex("3003020100"), True), MALFORMED),
    "a CA by 01": (extension(BASIC, bytes.fromhex("3003010101"), True), MALFORMED),
    "a CA, not critical": (extension(BASIC, bytes.fromhex("30030101ff")), PATH),
    "name constraints, which say nothing of a leaf": (extension(CONSTRAINTS, NAMES), GOOD),
    "critical name constraints": (extension(CONSTRAINTS, NAMES, True), PATH),
}  # fmt: skip


def with_extensions(leaf: x509.Certificate, root: rsa.RSAPrivateKey, *extensions: bytes) -> bytes:
    return exchanged(leaf, root, {EXTENSIONS: tlv(0xA3, tlv(0x30, *extensions))})


def extensions_of(leaf: x509.Certificate) -> list[bytes]:
    return inside(inside(inside(leaf.tbs_certificate_bytes)[EXTENSIONS])[0])


@pytest.mark.parametrize("what", MORE)
def test_rfc5280_4_2_one_extension_more(
    leaf: x509.Certificate, root: rsa.RSAPrivateKey, trust: Trust, what: str
) -> None:
    octets, expected = MORE[what]
    assert verdict(with_extensions(leaf, root, *extensions_of(leaf), octets), trust) == expected


def policies(*infos: bytes) -> bytes:
    return extension("2.5.29.32", tlv(0x30, *infos), True)


def policy(dotted: str, *qualifiers: bytes) -> bytes:
    return tlv(0x30, oid(dotted), *([tlv(0x30, *qualifiers)] if qualifiers else []))


MINE = TEST_AUTHENTICATION_POLICY.dotted_string
CPS, NOTICE = oid("1.3.6.1.5.5.7.2.1"), oid("1.3.6.1.5.5.7.2.2")
POLICIES: Mapping[str, tuple[bytes, str]] = {
    "with the address of its statement": (
        policies(policy(MINE, tlv(0x30, CPS, tlv(0x16, b"http://www.jpki.go.jp/cps.html")))), GOOD,
    ),
    "with a long notice": (policies(policy(MINE, tlv(0x30, NOTICE, tlv(0x30, tlv(TEXT, b"A" * 900))))), GOOD),
    "with a notice of half a surrogate pair": (
        policies(policy(MINE, tlv(0x30, NOTICE, tlv(0x30, tlv(0x1E, b"\xd8\x00"))))), MALFORMED,
    ),
    "with a statement that is a number": (policies(policy(MINE, tlv(0x30, CPS, tlv(2, b"\x01")))), MALFORMED),
    "with an unknown qualifier": (policies(policy(MINE, tlv(0x30, oid(UNKNOWN), tlv(5)))), MALFORMED),
    "twice": (policies(policy(MINE), policy(MINE)), GOOD),
    "beside the real one": (policies(policy(AUTHENTICATION_POLICY.dotted_string), policy(MINE)), GOOD),
    "beside the other purpose's, which the key usage rules out": (
        policies(policy(TEST_SIGNATURE_POLICY.dotted_string), policy(MINE)), GOOD,
    ),
    "the other purpose's alone": (policies(policy(TEST_SIGNATURE_POLICY.dotted_string)), POLICY),
    "any": (policies(policy("2.5.29.32.0")), POLICY),
    "none": (policies(), POLICY),
    "one that is longer": (policies(policy(MINE + ".1")), POLICY),
}  # fmt: skip


@pytest.mark.parametrize("what", POLICIES)
def test_rfc5280_4_2_1_4_the_policy(
    leaf: x509.Certificate, root: rsa.RSAPrivateKey, trust: Trust, what: str
) -> None:
    octets, expected = POLICIES[what]
    rest = [found for found in extensions_of(leaf) if oid("2.5.29.32") not in found[:12]]
    assert verdict(with_extensions(leaf, root, *rest, octets), trust) == expected


def test_x690_10_1_only_der_is_a_certificate(
    leaf: x509.Certificate, root: rsa.RSAPrivateKey, trust: Trust
) -> None:
    der = leaf.public_bytes(Encoding.DER)
    signed, algorithm, signature = inside(der)
    parts = inside(signed)
    for odd in (
        b"\x30\x80" + der[4:] + b"\x00\x00",  # a length without an end
        b"\x30\x83\x00" + der[2:],  # a length with a zero too many
        tlv(0x30, signed, algorithm, signature, tlv(5)),
        enveloped(tlv(0x30, *parts, tlv(5)), root),
        tlv(0x30, signed, algorithm, tlv(4, signature[5:])),
        tlv(0x31, signed, algorithm, signature),
        tlv(0x30, der),
    ):
        assert verdict(odd, trust) == MALFORMED


def test_rfc5280_4_1_1_2_the_algorithm_outside_is_the_one_inside(
    leaf: x509.Certificate, root: rsa.RSAPrivateKey, trust: Trust
) -> None:
    signed = leaf.tbs_certificate_bytes
    assert verdict(enveloped(signed, root, SHA256_RSA), trust) == GOOD
    for other in (
        SHA384_RSA,
        WITHOUT_NULL,
        bytes.fromhex("300a06082a8648ce3d040302"),
        bytes.fromhex("300506032b6570"),
    ):
        assert verdict(enveloped(signed, root, other), trust) == PATH


def test_rfc5280_6_1_3_a_signature_that_is_none_is_refused(leaf: x509.Certificate, trust: Trust) -> None:
    signed, algorithm, signature = inside(leaf.public_bytes(Encoding.DER))
    for octets in (b"", b"\x00", bytes(256), b"\x00" + signature[5:], signature[5:-1]):
        assert verdict(tlv(0x30, signed, algorithm, tlv(3, b"\x00", octets)), trust) == PATH


@pytest.mark.parametrize("salt", [0, 20, 32])
def test_rfc4055_3_1_a_root_may_sign_with_pss_whatever_its_salt(
    authority: TestAuthority, trust: Trust, salt: int
) -> None:
    """The pinned root's own signature; JPKI's are PKCS #1 v1.5."""
    chosen = padding.PSS(padding.MGF1(SHA256()), salt)
    builder = authority.roots[PURPOSE].leaf(HANAKO, new_card_key().public_key(), NOW)
    signed = builder.sign(authority.roots[PURPOSE].key, SHA256(), rsa_padding=chosen)
    assert verdict(signed.public_bytes(Encoding.DER), trust) == GOOD


def test_rfc5280_6_1_nobody_but_a_pinned_root_issues(authority: TestAuthority, trust: Trust) -> None:
    """One tier: neither another card, nor an intermediate, nor a leaf for itself."""
    root, key = authority.roots[PURPOSE], new_card_key()
    usage = key_usage(sign=False, issue=True)
    between = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Between")])
    for sound in (True, False):
        until = NOW + timedelta(days=1 if sound else -1)
        authority_between = (
            x509.CertificateBuilder(root.certificate.subject, between, key.public_key())
            .serial_number(7)
            .not_valid_before(NOW - timedelta(days=9))
            .not_valid_after(until)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(root.key, SHA256())
        )
        below = Root(PURPOSE, key, authority_between)
        issued = below.leaf(HANAKO, new_card_key().public_key(), NOW).sign(key, SHA256())
        assert verdict(issued.public_bytes(Encoding.DER), trust) == PATH
    card = Root(PURPOSE, key, authority.issue(PURPOSE, HANAKO, key.public_key(), NOW))
    by_card = card.leaf(HANAKO, new_card_key().public_key(), NOW).sign(key, SHA256())
    assert verdict(by_card.public_bytes(Encoding.DER), trust) == PATH
    by_itself = root.leaf(HANAKO, key.public_key(), NOW).sign(key, SHA256())
    assert verdict(by_itself.public_bytes(Encoding.DER), trust) == PATH


def test_rfc5280_6_1_a_card_with_the_roots_name_is_no_root(
    leaf: x509.Certificate, root: rsa.RSAPrivateKey, trust: Trust
) -> None:
    with_cn = tlv(0x30, *inside(inside(leaf.tbs_certificate_bytes)[ISSUER]), *inside(name((CN, TEXT, b"A"))))
    assert verdict(exchanged(leaf, root, {SUBJECT: with_cn}), trust) == GOOD
    assert verdict(exchanged(leaf, root, {ISSUER: with_cn}), trust) == PATH


def test_a_certificate_of_a_megabyte_is_refused_unread(
    leaf: x509.Certificate, root: rsa.RSAPrivateKey, trust: Trust
) -> None:
    names = extension("2.5.29.17", tlv(0x30, tlv(0x82, b"a.example") * 90000))
    large = with_extensions(leaf, root, *extensions_of(leaf), names)
    assert len(large) > 900_000
    began = time.process_time()
    assert verdict(large, trust) == MALFORMED
    assert time.process_time() - began < 0.02
    filled = with_extensions(leaf, root, *extensions_of(leaf), extension(UNKNOWN, bytes(6000)))
    assert verdict(filled, trust) == GOOD

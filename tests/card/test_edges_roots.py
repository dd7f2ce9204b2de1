"""Keys in certificates at the edge of the profile, and roots that a ward should not pin."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, x25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from card.certificates import Purpose, read_certificate
from card.faults import CardRejected
from card.revocation import NoRevocation
from card.test_authority import Root, TestAuthority, new_card_key
from card.trust import Trust, check_path
from tests.card.bending import KEY, exchanged, replaced, tlv, usage
from tests.card.conftest import HANAKO, NOW
from tests.card.test_vectors import SUITE, encoded

GOOD, MALFORMED, PATH = "good", "card.malformed", "card.path"
PURPOSE = Purpose.AUTHENTICATION


def verdict(der: bytes, trust: Trust) -> str:
    try:
        check_path(read_certificate(der), PURPOSE, trust, NOW)
    except CardRejected as refusal:
        return refusal.code
    return GOOD


RSA, RSA_WITHOUT_NULL, PSS, P384 = (
    bytes.fromhex(octets)
    for octets in (
        "300d06092a864886f70d0101010500",
        "300b06092a864886f70d010101",
        "300b06092a864886f70d01010a",
        "301006072a8648ce3d020106052b81040022",
    )
)
N = new_card_key().public_key().public_numbers().n
POINT = ec.generate_private_key(ec.SECP384R1()).public_key()
WHOLE, COMPRESSED = (
    POINT.public_bytes(Encoding.X962, form)
    for form in (PublicFormat.UncompressedPoint, PublicFormat.CompressedPoint)
)


def number(value: int) -> bytes:
    return tlv(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def modulus(n: bytes, e: bytes | None = None, algorithm: bytes = RSA, behind: bytes = b"") -> bytes:
    return tlv(0x30, algorithm, tlv(0x03, b"\x00", tlv(0x30, n, number(65537) if e is None else e), behind))


def point(octets: bytes) -> bytes:
    return tlv(0x30, P384, tlv(0x03, b"\x00", octets))


def written(key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | ed448.Ed448PublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def spelt_out(name: str) -> bytes:
    (der,) = encoded(SUITE / "asymmetric" / "EC" / f"{name}.pem")
    return der


KEYS: Mapping[str, tuple[bytes, str]] = {
    "RSA": (modulus(number(N)), GOOD),
    "P-384": (point(WHOLE), GOOD),
    "an even modulus": (modulus(number(N - 1)), PATH),
    "2047 bits": (modulus(number(N >> 1 | 1)), PATH),
    "2049 bits": (modulus(number(N << 1 | 1)), PATH),
    "30,000 bits": (modulus(number(1 << 30000 | 1)), PATH),
    "e = 0": (modulus(number(N), number(0)), MALFORMED),
    "e = 1": (modulus(number(N), number(1)), MALFORMED),
    "an even e": (modulus(number(N), number(65538)), MALFORMED),
    "e = 65539": (modulus(number(N), number(65539)), PATH),
    "a negative modulus": (modulus(tlv(0x02, N.to_bytes(256, "big"))), MALFORMED),
    "a modulus with a needless zero": (modulus(tlv(0x02, b"\x00\x00", N.to_bytes(256, "big"))), MALFORMED),
    "a modulus of 0": (modulus(number(0)), MALFORMED),
    "octets behind the key": (modulus(number(N), behind=b"\x00"), MALFORMED),
    "RSA without NULL (RFC 3279 §2.3.1)": (modulus(number(N), algorithm=RSA_WITHOUT_NULL), PATH),
    "for PSS alone (RFC 4055 §1.2)": (modulus(number(N), algorithm=PSS), PATH),
    "a compressed point": (point(COMPRESSED), PATH),
    "a hybrid point": (point(bytes([6 | WHOLE[-1] & 1]) + WHOLE[1:]), PATH),
    "the point at infinity": (point(b"\x00"), MALFORMED),
    "a point off the curve": (point(WHOLE[:-1] + bytes([WHOLE[-1] ^ 1])), MALFORMED),
    "zero, zero": (point(b"\x04" + bytes(96)), MALFORMED),
    "a coordinate out of range": (point(b"\x04" + b"\xff" * 96), MALFORMED),
    "a point that is cut off": (point(WHOLE[:-1]), MALFORMED),
    "a point and an octet": (point(WHOLE + b"\x00"), MALFORMED),
    "no point": (point(b""), MALFORMED),
    "P-384 spelt out (RFC 5480 §2.1.1)": (spelt_out("secp384r1-pub-explicit-seed"), PATH),
    "P-384 spelt out without its seed": (spelt_out("secp384r1-pub-explicit-no-seed"), PATH),
    "P-256 spelt out": (spelt_out("secp256r1-pub-explicit-seed"), PATH),
    "a binary curve": (spelt_out("sect233k1-spki"), MALFORMED),
    "brainpoolP384r1": (written(ec.generate_private_key(ec.BrainpoolP384R1()).public_key()), PATH),
    "secp256k1": (written(ec.generate_private_key(ec.SECP256K1()).public_key()), PATH),
    "Ed25519": (written(ed25519.Ed25519PrivateKey.generate().public_key()), PATH),
    "Ed448": (written(ed448.Ed448PrivateKey.generate().public_key()), PATH),
    "X25519": (written(x25519.X25519PrivateKey.generate().public_key()), PATH),  # type: ignore[arg-type] # no signing key
}


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@pytest.mark.parametrize("what", KEYS)
def test_rfc3279_2_3_a_card_has_a_key_in_the_form_of_its_profile(
    authority: TestAuthority, trust: Trust, what: str
) -> None:
    der, expected = KEYS[what]
    leaf = authority.issue(PURPOSE, HANAKO, POINT, NOW)
    assert verdict(exchanged(leaf, authority.roots[PURPOSE].key, {KEY: der}), trust) == expected


Bend = Callable[[x509.CertificateBuilder], x509.CertificateBuilder]
NAMES = x509.NameConstraints([x509.DNSName("a.example")], None)
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
ROOTS: Mapping[str, tuple[Bend, bool]] = {
    "as it should be": (lambda root: root, True),
    "a path of none below": (
        lambda root: replaced(root, x509.BasicConstraints(ca=True, path_length=0), critical=True), True,
    ),
    "an extension that we do not know": (lambda root: root.add_extension(UNKNOWN, critical=False), True),
    "a critical one that we do not know": (lambda root: root.add_extension(UNKNOWN, critical=True), False),
    "critical name constraints": (lambda root: root.add_extension(NAMES, critical=True), False),
    "name constraints": (lambda root: root.add_extension(NAMES, critical=False), False),
    "no CA": (lambda root: replaced(root, x509.BasicConstraints(False, None), critical=True), False),
    "may sign no certificates": (lambda root: replaced(root, usage(crl_sign=True), critical=True), False),
    "may sign no lists": (lambda root: replaced(root, usage(key_cert_sign=True), critical=True), False),
    "nothing about CA": (lambda root: without(root, x509.BasicConstraints.oid), False),
    "no key usage": (lambda root: without(root, x509.KeyUsage.oid), False),
}  # fmt: skip


def without(root: x509.CertificateBuilder, oid: x509.ObjectIdentifier) -> x509.CertificateBuilder:
    root._extensions = [extension for extension in root._extensions if extension.oid != oid]
    return root


def bent(root: Root, bend: Bend) -> x509.Certificate:
    own = root.certificate
    builder = (
        x509.CertificateBuilder(own.issuer, own.subject, own.public_key(), own.serial_number)
        .not_valid_before(own.not_valid_before_utc)
        .not_valid_after(own.not_valid_after_utc)
    )
    for extension in own.extensions:
        builder = builder.add_extension(extension.value, critical=extension.critical)
    return bend(builder).sign(root.key, SHA256())


@pytest.mark.parametrize("what", ROOTS)
def test_rfc5280_6_1_4_a_pinned_root_is_an_authority_whose_limits_we_keep(
    authority: TestAuthority, tmp_path: Path, what: str
) -> None:
    bend, accepted = ROOTS[what]
    root = bent(authority.roots[PURPOSE], bend)
    for purpose in Purpose:
        (tmp_path / f"{purpose}.der").write_bytes(root.public_bytes(Encoding.DER))
    card = authority.issue(PURPOSE, HANAKO, POINT, NOW).public_bytes(Encoding.DER)
    pinned = Trust({PURPOSE: (root,)}, authority.trust().policies, NoRevocation())
    assert verdict(card, pinned) == (GOOD if accepted else PATH)
    if accepted:
        Trust.from_files(tmp_path, NoRevocation())
    else:
        with pytest.raises(ValueError, match="no authority"):
            Trust.from_files(tmp_path, NoRevocation())


def test_rfc5280_6_1_1_the_generation_that_signed_is_found_among_roots_of_one_name(
    authority: TestAuthority,
) -> None:
    older = [Root.make(PURPOSE, NOW) for _ in range(2)]
    root = authority.roots[PURPOSE].certificate
    card = read_certificate(authority.issue(PURPOSE, HANAKO, POINT, NOW).public_bytes(Encoding.DER))
    policies = authority.trust().policies
    pinned = Trust({PURPOSE: (*(old.certificate for old in older), root)}, policies, NoRevocation())
    assert check_path(card, PURPOSE, pinned, NOW) == root
    with pytest.raises(CardRejected, match="path"):
        check_path(card, PURPOSE, Trust({PURPOSE: (older[0].certificate,)}, policies, NoRevocation()), NOW)

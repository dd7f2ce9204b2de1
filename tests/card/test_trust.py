"""card.trust: each path rule has a certificate that breaks it alone."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import MD5, SHA1, SHA256, SHA384
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from card.certificates import AUTHENTICATION_POLICY, CardPublicKey, Purpose, read_certificate
from card.faults import CardRejected
from card.revocation import CrlFiles, NoRevocation, RevocationState
from card.test_authority import Root, TestAuthority, new_card_key
from card.trust import Trust, check_path, check_status
from card.virtual.card import VirtualCard
from tests.card.bending import policies, replaced, usage, with_hash
from tests.card.conftest import HANAKO, NOW


@pytest.fixture(scope="session")
def key() -> rsa.RSAPrivateKey:
    return new_card_key()


def refusal(der: bytes, trust: Trust, purpose: Purpose, now: datetime = NOW) -> str:
    with pytest.raises(CardRejected) as rejected:
        check_path(read_certificate(der), purpose, trust, now)
    return rejected.value.code


def test_both_certificates_of_a_card_have_a_good_path(card: VirtualCard, trust: Trust) -> None:
    for der, purpose in (
        (card.contents.signature_certificate, Purpose.SIGNATURE),
        (card.contents.authentication_certificate, Purpose.AUTHENTICATION),
    ):
        certificate = read_certificate(der)
        issuer = check_path(certificate, purpose, trust, NOW)
        assert check_status(certificate, issuer, trust, NOW).state is RevocationState.GOOD


def test_a_certificate_of_the_other_purpose_is_refused(card: VirtualCard, trust: Trust) -> None:
    assert refusal(card.contents.signature_certificate, trust, Purpose.AUTHENTICATION) == "card.purpose"
    assert refusal(card.contents.authentication_certificate, trust, Purpose.SIGNATURE) == "card.purpose"


def test_production_refuses_test_cards_by_their_policy(card: VirtualCard, authority: TestAuthority) -> None:
    trust = Trust.from_files(authority.trust_folder, CrlFiles(authority.crl_folder))
    assert refusal(card.contents.signature_certificate, trust, Purpose.SIGNATURE) == "card.policy"


def test_rfc5280_6_1_4_a_card_is_no_root(authority: TestAuthority, card: VirtualCard, tmp_path: Path) -> None:
    """A file in the wrong folder would make everything that this card signs a certificate."""
    for purpose in Purpose:
        (tmp_path / f"{purpose}.der").write_bytes(card.contents.authentication_certificate)
    with pytest.raises(ValueError, match="no authority"):
        Trust.from_files(tmp_path, NoRevocation())


def test_rfc5280_6_1_3_an_expired_or_future_certificate_is_refused(card: VirtualCard, trust: Trust) -> None:
    der = card.contents.authentication_certificate
    for now in (NOW + timedelta(days=5 * 365 + 1), NOW - timedelta(hours=2)):
        assert refusal(der, trust, Purpose.AUTHENTICATION, now) == "card.certificate_expired"


def test_rfc5280_6_1_3_the_same_name_with_another_key_is_a_foreign_authority(
    tmp_path: Path, card: VirtualCard, trust: Trust
) -> None:
    foreign = TestAuthority.create(tmp_path, NOW).issue_card(HANAKO, NOW)
    assert refusal(foreign.contents.authentication_certificate, trust, Purpose.AUTHENTICATION) == "card.path"


def test_rfc5280_6_1_3_a_foreign_authority_with_another_name_is_refused(
    authority: TestAuthority, trust: Trust, key: rsa.RSAPrivateKey
) -> None:
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "JPKI-FOREIGN")])
    builder = authority.roots[Purpose.AUTHENTICATION].leaf(HANAKO, key.public_key(), NOW)
    builder._issuer_name = name
    leaf = builder.sign(new_card_key(), SHA256()).public_bytes(Encoding.DER)
    assert refusal(leaf, trust, Purpose.AUTHENTICATION) == "card.path"


def rsa_key(bits: int, exponent: int = 65537) -> rsa.RSAPublicKey:
    return rsa.generate_private_key(public_exponent=exponent, key_size=bits).public_key()


KEYS: dict[str, tuple[Callable[[], CardPublicKey], bool]] = {
    "RSA-2048": (lambda: rsa_key(2048), True),
    "P-384": (lambda: ec.generate_private_key(ec.SECP384R1()).public_key(), True),
    "RSA-1024": (lambda: rsa_key(1024), False),
    "RSA-3072": (lambda: rsa_key(3072), False),
    "RSA with e = 3": (lambda: rsa_key(2048, 3), False),
    "P-256": (lambda: ec.generate_private_key(ec.SECP256R1()).public_key(), False),
    "P-521": (lambda: ec.generate_private_key(ec.SECP521R1()).public_key(), False),
}


@pytest.mark.parametrize(("make", "accepted"), KEYS.values(), ids=KEYS)
def test_rfc8725_3_5_a_card_has_a_key_of_its_profile(
    authority: TestAuthority, trust: Trust, make: Callable[[], CardPublicKey], accepted: bool
) -> None:
    der = authority.issue(Purpose.AUTHENTICATION, HANAKO, make(), NOW).public_bytes(Encoding.DER)
    if accepted:
        check_path(read_certificate(der), Purpose.AUTHENTICATION, trust, NOW)
    else:
        assert refusal(der, trust, Purpose.AUTHENTICATION) == "card.path"


Bend = Callable[[x509.CertificateBuilder], x509.CertificateBuilder]


@pytest.mark.parametrize(
    ("bend", "code"),
    [
        (
            lambda b: b.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True),
            "card.path",
        ),
        (
            lambda b: replaced(b, usage(digital_signature=True, key_cert_sign=True), critical=True),
            "card.path",
        ),
        (lambda b: replaced(b, usage(digital_signature=True), critical=False), "card.path"),
        (lambda b: replaced(b, usage(key_agreement=True), critical=True), "card.path"),
        (lambda b: replaced(b, policies(AUTHENTICATION_POLICY), critical=True), "card.policy"),
        (
            lambda b: b.add_extension(x509.NameConstraints([x509.DNSName("a")], None), critical=True),
            "card.path",
        ),
    ],
    ids=[
        "a CA",
        "may issue",
        "usage not critical",
        "may not sign",
        "real policy",
        "unknown critical extension",
    ],
)
def test_rfc5280_6_1_a_bent_certificate_is_refused(
    bend: Bend, code: str, authority: TestAuthority, trust: Trust, key: rsa.RSAPrivateKey
) -> None:
    root = authority.roots[Purpose.AUTHENTICATION]
    certificate = bend(root.leaf(HANAKO, key.public_key(), NOW)).sign(root.key, SHA256())
    assert refusal(certificate.public_bytes(Encoding.DER), trust, Purpose.AUTHENTICATION) == code


def test_rfc5280_4_2_1_4_policies_must_be_critical(
    authority: TestAuthority, trust: Trust, key: rsa.RSAPrivateKey, card: VirtualCard
) -> None:
    root = authority.roots[Purpose.AUTHENTICATION]
    own = read_certificate(card.contents.authentication_certificate).x509
    named = own.extensions.get_extension_for_class(x509.CertificatePolicies).value
    certificate = replaced(root.leaf(HANAKO, key.public_key(), NOW), named, critical=False).sign(
        root.key, SHA256()
    )
    assert refusal(certificate.public_bytes(Encoding.DER), trust, Purpose.AUTHENTICATION) == "card.policy"


def test_an_expired_root_ends_what_it_issued(card: VirtualCard, authority: TestAuthority) -> None:
    old = Root.make(Purpose.AUTHENTICATION, NOW - timedelta(days=4000))
    trust = Trust(
        {Purpose.AUTHENTICATION: (old.certificate,), Purpose.SIGNATURE: ()},
        authority.trust().policies,
        NoRevocation(),
    )
    key = new_card_key()
    leaf = old.leaf(HANAKO, key.public_key(), NOW).sign(old.key, SHA256()).public_bytes(Encoding.DER)
    assert refusal(leaf, trust, Purpose.AUTHENTICATION) == "card.certificate_expired"


@pytest.mark.parametrize("hash_", [SHA1(), MD5()], ids=["SHA-1", "MD5"])  # noqa: S303 - refused here
def test_rfc6194_3_a_certificate_signed_over_a_broken_hash_is_refused(
    authority: TestAuthority, trust: Trust, key: rsa.RSAPrivateKey, hash_: SHA1 | MD5
) -> None:
    """The library signs with none of them, so what it signed is bent: same content, other algorithm."""
    root = authority.roots[Purpose.AUTHENTICATION]
    good = root.leaf(HANAKO, key.public_key(), NOW).sign(root.key, SHA256())
    check_path(
        read_certificate(with_hash(good, root.key, SHA384())), Purpose.AUTHENTICATION, trust, NOW
    )  # it is the hash that counts
    der = with_hash(good, root.key, hash_)
    assert refusal(der, trust, Purpose.AUTHENTICATION) == "card.path"


OF_A_BROKEN_CHIP = int(
    "d205cfc11709b43ccbfbc176a537ed075be7d49b6e993acb6bf30a26ad5f11211ad93d47b712797f07e3a6953ee68135"
    "9712d3e0f6070e9d0509a977120e25ee5ccaa2c2efd17a32071454a2124e2a57bb020b8a19474066a874c2530fd7212a"
    "3ce5ae27d20913c2baae8e73c99a1579655ac5b9c6b98c7a4f6a114357c4f7b7cee1938efad26b41d35203b1447e1c93"
    "92ed597ea6b98e359348256f60a5a073c375ed5ed1b34f12083f22f57b0f77b168eaea03ec68acf1572b04e0a5868cf1"
    "abb5bbe433edc5de3d2fc01e35b8f4f18fd61d9c01b0916e249bbd51382b8ac808848fca57aee016ed2185392a63f047"
    "1daae25b6939a4eb8d75081f25fc0c81",
    16,
)
"""A modulus of the kind of CVE-2017-15361: its rest by every small prime is a power of 65537."""


def test_cve_2017_15361_a_key_of_a_broken_chip_is_refused(authority: TestAuthority, trust: Trust) -> None:
    key = rsa.RSAPublicNumbers(65537, OF_A_BROKEN_CHIP).public_key()
    der = authority.issue(Purpose.AUTHENTICATION, HANAKO, key, NOW).public_bytes(Encoding.DER)
    assert refusal(der, trust, Purpose.AUTHENTICATION) == "card.path"

"""card.certificates, card.trust, card.revocation: each path rule has a certificate that breaks it alone."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from card.certificates import (
    AUTHENTICATION_POLICY,
    SIGNATURE_POLICY,
    Purpose,
    read_birth_date,
    read_certificate,
)
from card.faults import CardRejected
from card.revocation import CrlFiles, NoRevocation, RevocationState
from card.test_authority import Root, TestAuthority, new_card_key
from card.trust import Trust, check_path, check_status
from card.virtual.card import VirtualCard
from tests.card.conftest import HANAKO, NOW


@pytest.fixture(scope="session")
def key() -> rsa.RSAPrivateKey:
    return new_card_key()


def refusal(der: bytes, trust: Trust, purpose: Purpose, now: datetime = NOW) -> str:
    with pytest.raises(CardRejected) as rejected:
        check_path(read_certificate(der), purpose, trust, now)
    return rejected.value.code


def test_the_signature_certificate_says_who_holds_it(card: VirtualCard) -> None:
    attributes = read_certificate(card.contents.signature_certificate).attributes
    assert attributes is not None
    assert (attributes.name, attributes.birth_date, attributes.sex) == (HANAKO.name, HANAKO.birth_date, "2")
    assert attributes.address == HANAKO.address
    assert attributes.name_is_exact


def test_the_authentication_certificate_has_no_name(card: VirtualCard) -> None:
    assert read_certificate(card.contents.authentication_certificate).attributes is None


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
    assert not trust.accepts_test_cards
    assert refusal(card.contents.signature_certificate, trust, Purpose.SIGNATURE) == "card.policy"


def test_rfc5280_6_1_3_an_expired_or_future_certificate_is_refused(card: VirtualCard, trust: Trust) -> None:
    der = card.contents.authentication_certificate
    assert refusal(der, trust, Purpose.AUTHENTICATION, NOW + timedelta(days=5 * 365 + 1)) == "card.expired"
    assert refusal(der, trust, Purpose.AUTHENTICATION, NOW - timedelta(hours=2)) == "card.expired"


def test_rfc5280_6_1_3_the_same_name_with_another_key_is_a_foreign_authority(
    tmp_path: Path, card: VirtualCard, trust: Trust
) -> None:
    foreign = TestAuthority.create(tmp_path, NOW).issue_card(HANAKO, NOW)
    assert refusal(foreign.contents.authentication_certificate, trust, Purpose.AUTHENTICATION) == "card.path"


Bend = Callable[[x509.CertificateBuilder], x509.CertificateBuilder]


def replaced(
    builder: x509.CertificateBuilder, extension: x509.ExtensionType, *, critical: bool
) -> x509.CertificateBuilder:
    kept = [entry for entry in builder._extensions if entry.oid != extension.oid]
    builder._extensions = kept
    return builder.add_extension(extension, critical=critical)


def usage(**flags: bool) -> x509.KeyUsage:
    names = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{name: flags.get(name, False) for name in names})


def policies(*oids: x509.ObjectIdentifier) -> x509.CertificatePolicies:
    return x509.CertificatePolicies([x509.PolicyInformation(oid, None) for oid in oids])


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
    certificate = bend(root.leaf(HANAKO, key, NOW)).sign(root.key, SHA256())
    assert refusal(certificate.public_bytes(Encoding.DER), trust, Purpose.AUTHENTICATION) == code


def test_rfc5280_4_2_1_4_policies_must_be_critical(
    authority: TestAuthority, trust: Trust, key: rsa.RSAPrivateKey, card: VirtualCard
) -> None:
    root = authority.roots[Purpose.AUTHENTICATION]
    own = read_certificate(card.contents.authentication_certificate).x509
    named = own.extensions.get_extension_for_class(x509.CertificatePolicies).value
    certificate = replaced(root.leaf(HANAKO, key, NOW), named, critical=False).sign(root.key, SHA256())
    assert refusal(certificate.public_bytes(Encoding.DER), trust, Purpose.AUTHENTICATION) == "card.policy"


def test_a_root_is_no_leaf(authority: TestAuthority) -> None:
    with pytest.raises(CardRejected, match=r"card\."):
        read_certificate(authority.roots[Purpose.SIGNATURE].der)


def test_an_authentication_certificate_with_a_signature_policy_is_of_no_purpose(
    authority: TestAuthority, key: rsa.RSAPrivateKey
) -> None:
    root = authority.roots[Purpose.AUTHENTICATION]
    bent = replaced(root.leaf(HANAKO, key, NOW), policies(SIGNATURE_POLICY), critical=True).sign(
        root.key, SHA256()
    )
    with pytest.raises(CardRejected, match=r"card\.policy"):
        read_certificate(bent.public_bytes(Encoding.DER))


def test_an_expired_root_ends_what_it_issued(card: VirtualCard, authority: TestAuthority) -> None:
    old = Root.make(Purpose.AUTHENTICATION, NOW - timedelta(days=4000))
    trust = Trust(
        {Purpose.AUTHENTICATION: (old.certificate,), Purpose.SIGNATURE: ()},
        authority.trust().policies,
        NoRevocation(),
    )
    key = new_card_key()
    leaf = old.leaf(HANAKO, key, NOW).sign(old.key, SHA256())
    assert refusal(leaf.public_bytes(Encoding.DER), trust, Purpose.AUTHENTICATION) == "card.expired"


class TestRevocation:
    def status(self, card: VirtualCard, trust: Trust, now: datetime = NOW) -> RevocationState:
        certificate = read_certificate(card.contents.authentication_certificate)
        return check_status(
            certificate, check_path(certificate, Purpose.AUTHENTICATION, trust, now), trust, now
        ).state

    def test_rfc5280_6_3_a_revoked_certificate_is_refused_and_stays_so(
        self, tmp_path: Path, card: VirtualCard
    ) -> None:
        authority = TestAuthority.create(tmp_path, NOW)
        lost = authority.issue_card(HANAKO, NOW)
        certificate = read_certificate(lost.contents.authentication_certificate)
        authority.revoke(Purpose.AUTHENTICATION, certificate.serial, NOW)
        authority.publish_crls(NOW)
        with pytest.raises(CardRejected) as rejected:
            self.status(lost, authority.trust())
        assert rejected.value.code == "card.revoked"
        assert rejected.value.values["reason"] == "affiliationChanged"

    def test_rfc5280_6_3_3_a_stale_list_is_no_status(self, card: VirtualCard, trust: Trust) -> None:
        with pytest.raises(CardRejected, match="status_unavailable"):
            self.status(card, trust, NOW + timedelta(hours=26))

    def test_a_list_that_is_gone_or_broken_is_no_status(
        self, card: VirtualCard, trust: Trust, tmp_path: Path
    ) -> None:
        for folder in (tmp_path / "missing", tmp_path):
            (tmp_path / "broken.crl").write_bytes(b"nothing")
            with pytest.raises(CardRejected, match="status_unavailable"):
                self.status(card, Trust(trust.anchors, trust.policies, CrlFiles(folder)))

    def test_a_list_of_another_authority_with_the_same_name_is_no_status(
        self, card: VirtualCard, trust: Trust, tmp_path: Path
    ) -> None:
        foreign = TestAuthority.create(tmp_path, NOW)
        with pytest.raises(CardRejected, match="status_unavailable"):
            self.status(card, Trust(trust.anchors, trust.policies, CrlFiles(foreign.crl_folder)))

    def test_without_a_source_the_status_says_so(self, card: VirtualCard, trust: Trust) -> None:
        unchecked = Trust(trust.anchors, trust.policies, NoRevocation())
        assert self.status(card, unchecked) is RevocationState.UNCHECKED


@pytest.mark.parametrize(
    ("text", "birth_date"),
    [
        ("319480503", date(1948, 5, 3)),
        ("19480503", date(1948, 5, 3)),
        ("319480500", None),
        ("319480003", None),
    ],
)
def test_birth_dates_have_an_era_or_none_and_may_lack_a_day(text: str, birth_date: date | None) -> None:
    assert read_birth_date(text) == birth_date


@pytest.mark.parametrize("text", ["519480503", "x9480503", "319480231", "", "３19480503", "319480503\n"])
def test_what_is_no_birth_date_is_refused(text: str) -> None:
    with pytest.raises(CardRejected, match="malformed"):
        read_birth_date(text)


@pytest.mark.parametrize("der", [b"", b"\x30\x82\x00\x00", b"abc"])
def test_what_is_no_certificate_is_refused(der: bytes) -> None:
    with pytest.raises(CardRejected, match="malformed"):
        read_certificate(der)


def test_bytes_after_a_certificate_are_refused(card: VirtualCard) -> None:
    with pytest.raises(CardRejected, match="malformed"):
        read_certificate(card.contents.authentication_certificate + b"\x00")

"""A certification authority of test cards with the true profile (証明書プロファイル).

For the sandbox and for tests. It is made at first start and never leaves its folder. Its policy for
signatures is that of real test cards, and its names say JPKI-TEST, so production refuses everything it
issues.
"""

import secrets
import string
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final, Self

from asn1crypto.core import UTF8String
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from card import attributes
from card.certificates import (
    ATTRIBUTE,
    TEST_AUTHENTICATION_POLICY,
    TEST_SIGNATURE_POLICY,
    CardPublicKey,
    Purpose,
)
from card.dates import ERAS
from card.private_file import write_private
from card.revocation import CrlFiles
from card.trust import Trust
from card.virtual.card import CardContents, CardPrivateKey, Pin, Printed, VirtualCard

_UNIT: Final = {
    Purpose.SIGNATURE: "JPKI for digital signature",
    Purpose.AUTHENTICATION: "JPKI for user authentication",
}
_POLICY: Final = {
    Purpose.SIGNATURE: TEST_SIGNATURE_POLICY,
    Purpose.AUTHENTICATION: TEST_AUTHENTICATION_POLICY,
}
_CRL_LIFETIME: Final = timedelta(hours=25)
_OFFSETS: Final = 0xDF21
_LASTS: Final = timedelta(days=3652)


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose card it is, as in the register.

    :param name: parts separated by U+3000.
    :param sex: `1` male, `2` female, `3` other.
    """

    name: str
    birth_date: date
    sex: str
    address: str


def new_card_key() -> rsa.RSAPrivateKey:
    """A key as on today's cards, and of their roots."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def new_p384_card_key() -> ec.EllipticCurvePrivateKey:
    """A key as on the cards of the next generation."""
    return ec.generate_private_key(ec.SECP384R1())


def _root_name(purpose: Purpose) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "JP"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "JPKI-TEST"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, _UNIT[purpose]),
            x509.NameAttribute(
                NameOID.ORGANIZATIONAL_UNIT_NAME, "Japan Agency for Local Authority Information Systems"
            ),
        ]
    )


def key_usage(*, sign: bool, commit: bool = False, issue: bool = False) -> x509.KeyUsage:
    """What a key may do: sign, commit to what was signed, issue certificates and their lists."""
    return x509.KeyUsage(
        digital_signature=sign,
        content_commitment=commit,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=issue,
        crl_sign=issue,
        encipher_only=False,
        decipher_only=False,
    )


@dataclass(frozen=True)
class Root:
    """One self-signed root."""

    purpose: Purpose
    key: rsa.RSAPrivateKey
    certificate: x509.Certificate

    @classmethod
    def make(cls, purpose: Purpose, now: datetime) -> Self:
        """Make a root that lasts ten years."""
        key, name = new_card_key(), _root_name(purpose)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=3650))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(key_usage(sign=False, issue=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, SHA256())
        )
        return cls(purpose, key, certificate)

    @property
    def der(self) -> bytes:
        """The root's certificate."""
        return self.certificate.public_bytes(Encoding.DER)

    def leaf(self, holder: Holder, key: CardPublicKey, now: datetime) -> x509.CertificateBuilder:
        """Prepare a certificate with the profile of this purpose; a test bends it before it is signed."""
        sign = self.purpose is Purpose.SIGNATURE
        opaque = "".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(18))
        names = [x509.NameAttribute(NameOID.COUNTRY_NAME, "JP")]
        if sign:
            names.append(x509.NameAttribute(NameOID.LOCALITY_NAME, "Shibuya-ku"))
        names.append(x509.NameAttribute(NameOID.COMMON_NAME, opaque + "13113A"))
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name(names))
            .issuer_name(self.certificate.subject)
            .public_key(key)
            .serial_number(secrets.randbits(40) + 1)
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=5 * 365))
            .add_extension(key_usage(sign=True, commit=sign), critical=True)
            .add_extension(
                x509.CertificatePolicies([x509.PolicyInformation(_POLICY[self.purpose], None)]), critical=True
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
            )
            .add_extension(_listed_at(self.purpose), critical=False)
        )
        return builder.add_extension(_attributes(holder), critical=False) if sign else builder


def distribution_point(purpose: Purpose) -> x509.DirectoryName:
    """A directory name per municipality, as on real cards: no address that anything could fetch.

    Certificates name it, and so does the list that covers them (RFC 5280 §4.2.1.13, §5.2.5).
    """
    return x509.DirectoryName(
        x509.Name(
            [
                x509.NameAttribute(NameOID.COUNTRY_NAME, "JP"),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "JPKI-TEST"),
                x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, _UNIT[purpose]),
                x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "CRL Distribution Points"),
                x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "Tokyo-to"),
                x509.NameAttribute(NameOID.COMMON_NAME, "Shibuya-ku CRLDP"),
            ]
        )
    )


def _listed_at(purpose: Purpose) -> x509.CRLDistributionPoints:
    point = x509.DistributionPoint([distribution_point(purpose)], None, None, None)
    return x509.CRLDistributionPoints([point])


def _scope(purpose: Purpose) -> x509.IssuingDistributionPoint:
    return x509.IssuingDistributionPoint(
        full_name=[distribution_point(purpose)],
        relative_name=None,
        only_contains_user_certs=False,
        only_contains_ca_certs=False,
        only_some_reasons=None,
        indirect_crl=False,
        only_contains_attribute_certs=False,
    )


def era_birth_date(birth_date: date) -> str:
    """生年月日 as `EYYYYMMDD`."""
    era = next(digit for digit, era in ERAS.items() if birth_date >= era.first)
    return f"{era}{birth_date:%Y%m%d}"


def _attributes(holder: Holder) -> x509.SubjectAlternativeName:
    values = {
        "1": holder.name,
        "4": era_birth_date(holder.birth_date),
        "3": holder.sex,
        "5": holder.address,
        "2": "0" * len(holder.name),
        "6": "0" * len(holder.address),
    }
    return x509.SubjectAlternativeName(
        [
            x509.OtherName(x509.ObjectIdentifier(ATTRIBUTE + number), UTF8String(value).dump())
            for number, value in values.items()
        ]
    )


def _value(tag: int, content: bytes) -> bytes:
    size = len(content)
    octets = bytes([size]) if size < 0x80 else bytes([0x82, size >> 8, size & 0xFF])
    return tag.to_bytes(2, "big") + octets + content


def printed_attributes(holder: Holder) -> bytes:
    """The file of the 券面事項入力補助 application; its first value says where the others begin."""
    values = {
        attributes.NAME: holder.name.encode("utf-8"),
        attributes.ADDRESS: holder.address.encode("utf-8"),
        attributes.BIRTH_DATE: f"{holder.birth_date:%Y%m%d}".encode("ascii"),
        attributes.SEX: (holder.sex if holder.sex in {"1", "2"} else "9").encode("ascii"),
    }
    body, offsets = b"", b""
    for tag, content in values.items():
        offsets += len(body).to_bytes(2, "big")
        body += _value(tag, content)
    return _value(attributes.TEMPLATE, _value(_OFFSETS, offsets) + body)


def _number_b(holder: Holder, expires: date) -> bytes:
    """照合番号B: birth date with the year of its era, year of expiry, a code of four digits."""
    era = next(era for era in ERAS.values() if holder.birth_date >= era.first)
    year = holder.birth_date.year - era.first.year + 1
    code = secrets.randbelow(10_000)
    return f"{year:02d}{holder.birth_date:%m%d}{expires:%Y}{code:04d}".encode("ascii")


class TestAuthority:
    """Two roots, the cards they issued, and their revocation lists, in a folder."""

    __test__ = False  # its name is the field's, not a test's

    def __init__(self, folder: Path, roots: dict[Purpose, Root]) -> None:
        self.folder = folder
        self.roots = roots

    @classmethod
    def create(cls, folder: Path, now: datetime | None = None) -> Self:
        """Make both roots and publish empty lists."""
        moment = now or datetime.now(UTC)
        authority = cls(folder, {purpose: Root.make(purpose, moment) for purpose in Purpose})
        for purpose, root in authority.roots.items():
            pem = root.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            write_private(folder / "private" / f"{purpose}.pem", pem)
            write_private(folder / "trust" / f"{purpose}.der", root.der)
        authority.publish_crls(moment)
        return authority

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read an authority that was made before."""
        roots: dict[Purpose, Root] = {}
        for purpose in Purpose:
            key = load_pem_private_key((folder / "private" / f"{purpose}.pem").read_bytes(), password=None)
            if not isinstance(key, rsa.RSAPrivateKey):
                raise ValueError("a root's key is RSA")
            certificate = x509.load_der_x509_certificate((folder / "trust" / f"{purpose}.der").read_bytes())
            roots[purpose] = Root(purpose, key, certificate)
        return cls(folder, roots)

    @property
    def trust_folder(self) -> Path:
        """Roots as `Trust.from_files` reads them."""
        return self.folder / "trust"

    @property
    def crl_folder(self) -> Path:
        """Revocation lists as `CrlFiles` reads them."""
        return self.folder / "crl"

    def trust(self) -> Trust:
        """Trust in this authority's test cards, with its lists checked."""
        return Trust.from_files(self.trust_folder, CrlFiles(self.crl_folder), test_cards=True)

    def issue(self, purpose: Purpose, holder: Holder, key: CardPublicKey, now: datetime) -> x509.Certificate:
        """Issue one certificate."""
        root = self.roots[purpose]
        return root.leaf(holder, key, now).sign(root.key, SHA256())

    def issue_card(
        self,
        holder: Holder,
        now: datetime,
        *,
        pin: str = "1234",
        password: str = "ABC123",  # noqa: S107 - the sandbox's, printed in its tour
        label: str | None = None,
        signature: bool = True,
        new_key: Callable[[], CardPrivateKey] = new_card_key,
    ) -> VirtualCard:
        """Make a card; its certificates, and what is printed on it.

        :param pin: of the user authentication key, and of 券面事項入力補助.
        :param signature: whether it has a signature certificate, which nobody under fifteen has.
        :param new_key: makes the keys of this card.
        """
        keys = {purpose: new_key() for purpose in Purpose}
        leaves = {
            purpose: self.issue(purpose, holder, keys[purpose].public_key(), now).public_bytes(Encoding.DER)
            for purpose in Purpose
        }
        contents = CardContents(
            label=label or holder.name.replace("\u3000", ""),
            authentication_key=keys[Purpose.AUTHENTICATION],
            authentication_certificate=leaves[Purpose.AUTHENTICATION],
            authentication_ca=self.roots[Purpose.AUTHENTICATION].der,
            signature_key=keys[Purpose.SIGNATURE],
            signature_certificate=leaves[Purpose.SIGNATURE] if signature else None,
            signature_ca=self.roots[Purpose.SIGNATURE].der,
            pin=Pin(pin.encode("ascii"), 3, 3),
            password=Pin(password.encode("ascii"), 5, 5),
            printed=Printed(
                printed_attributes(holder),
                Pin(pin.encode("ascii"), 3, 3),
                Pin(_number_b(holder, (now + _LASTS).date()), 10, 10),
            ),
        )
        return VirtualCard(contents)

    def revoke(
        self,
        purpose: Purpose,
        serial: int,
        now: datetime,
        reason: x509.ReasonFlags = x509.ReasonFlags.affiliation_changed,
    ) -> None:
        """Put a certificate onto its list, and publish."""
        self.publish_crls(now, {purpose: (serial, reason)})

    def publish_crls(
        self, now: datetime, add: dict[Purpose, tuple[int, x509.ReasonFlags]] | None = None
    ) -> None:
        """Sign both lists anew, with what they held before; each is good for a little over a day."""
        for purpose, root in self.roots.items():
            path = self.crl_folder / f"{purpose}.crl"
            builder = (
                x509.CertificateRevocationListBuilder()
                .issuer_name(root.certificate.subject)
                .last_update(now)
                .next_update(now + _CRL_LIFETIME)
                .add_extension(_scope(purpose), critical=True)
            )
            if path.exists():
                for entry in x509.load_der_x509_crl(path.read_bytes()):
                    builder = builder.add_revoked_certificate(entry)
            if add is not None and purpose in add:
                serial, reason = add[purpose]
                builder = builder.add_revoked_certificate(
                    x509.RevokedCertificateBuilder()
                    .serial_number(serial)
                    .revocation_date(now)
                    .add_extension(x509.CRLReason(reason), critical=False)
                    .build()
                )
            write_private(path, builder.sign(root.key, SHA256()).public_bytes(Encoding.DER))

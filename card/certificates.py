"""The two certificates of a My Number card, read into typed values (証明書プロファイル, RFC 5280 §4).

The signature certificate (署名用) carries name, birth date, sex and address as they stand in the register;
the user authentication certificate (利用者証明用) carries no name at all. Both are told apart by purpose,
never by guess.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import cached_property
from typing import Final

from asn1crypto.core import UTF8String
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from card.faults import CardRejected

SIGNATURE_POLICY: Final = x509.ObjectIdentifier("1.2.392.200149.8.5.1.1.20")
AUTHENTICATION_POLICY: Final = x509.ObjectIdentifier("1.2.392.200149.8.5.1.3.30")
TEST_SIGNATURE_POLICY: Final = x509.ObjectIdentifier("1.2.392.200149.8.5.1.0.20")
TEST_AUTHENTICATION_POLICY: Final = x509.ObjectIdentifier("1.2.392.200149.8.5.1.0.30")

_ATTRIBUTE: Final = "1.2.392.200149.8.5.5."
_ERA_BIRTH: Final = re.compile(r"([1-5]?)(\d{4})(\d{2})(\d{2})\Z")
_ERA_FIRST_YEAR: Final = {"1": 1868, "2": 1912, "3": 1926, "4": 1989, "5": 2019}


class Purpose(StrEnum):
    """Which of the two certificates."""

    AUTHENTICATION = "authentication"
    SIGNATURE = "signature"


@dataclass(frozen=True, slots=True)
class SignedAttributes:
    """What the signature certificate says about its holder.

    :param name: 氏名 as given, parts separated by U+3000.
    :param name_substitutes: one `0` or `1` per character; `1` means that the glyph differs from the register.
    :param sex: `1` male, `2` female, `3` or `9` other or unknown.
    :param birth_date: in the Gregorian calendar; None where month or day are unknown (00): staff look at it.
    :param address: 住所 as given.
    :param address_substitutes: as for the name.
    """

    name: str
    name_substitutes: str
    sex: str
    birth_date: date | None
    address: str
    address_substitutes: str

    @property
    def name_is_exact(self) -> bool:
        """Whether no character of the name stands for another one."""
        return set(self.name_substitutes) <= {"0"} and len(self.name_substitutes) == len(self.name)


@dataclass(frozen=True)
class JpkiCertificate:
    """A certificate as read; nothing about it is trusted before `card.trust.check_path`."""

    der: bytes
    x509: x509.Certificate
    purpose: Purpose
    attributes: SignedAttributes | None

    @property
    def serial(self) -> int:
        """Serial number, unique within the issuer."""
        return self.x509.serial_number

    @property
    def issuer_der(self) -> bytes:
        """Issuer's distinguished name, DER."""
        return self.x509.issuer.public_bytes()

    @property
    def not_before(self) -> datetime:
        """First moment of validity, UTC."""
        return self.x509.not_valid_before_utc

    @property
    def not_after(self) -> datetime:
        """Last moment of validity, UTC."""
        return self.x509.not_valid_after_utc

    @property
    def subject_cn(self) -> str:
        """The opaque common name."""
        return str(self.x509.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)

    @cached_property
    def identity(self) -> bytes:
        """Issuer and serial.

        What identifies a card in an identifier's MAC. Both change when a card is renewed.
        """
        return self.issuer_der + self.serial.to_bytes(20, "big")


def _purpose(certificate: x509.Certificate) -> Purpose:
    """Tell the purpose by key usage and policy together; either alone would let one pass for the other."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        policies = certificate.extensions.get_extension_for_class(x509.CertificatePolicies).value
    except x509.ExtensionNotFound as error:
        raise CardRejected("card.policy") from error
    named = {policy.policy_identifier for policy in policies}
    if usage.content_commitment and named & {SIGNATURE_POLICY, TEST_SIGNATURE_POLICY}:
        return Purpose.SIGNATURE
    if not usage.content_commitment and named & {AUTHENTICATION_POLICY, TEST_AUTHENTICATION_POLICY}:
        return Purpose.AUTHENTICATION
    raise CardRejected("card.policy")


def read_birth_date(text: str) -> date | None:
    """Read 生年月日 `EYYYYMMDD`, the year being Gregorian already; 8 digits carry no era.

    :returns: None where month or day are unknown.
    :raises CardRejected: `card.malformed` when it is no date, or the era does not hold that year.
    """
    match = _ERA_BIRTH.match(text)
    if match is None:
        raise CardRejected("card.malformed")
    era, year, month, day = match[1], int(match[2]), int(match[3]), int(match[4])
    if era and year < _ERA_FIRST_YEAR[era]:
        raise CardRejected("card.malformed")
    if not (month and day):
        return None
    try:
        return date(year, month, day)
    except ValueError as error:
        raise CardRejected("card.malformed") from error


def _attributes(certificate: x509.Certificate) -> SignedAttributes:
    """Read the subject alternative name by OID.

    Unknown ones (such as the furigana to come) are passed over.
    """
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        found = {
            other.type_id.dotted_string.removeprefix(_ATTRIBUTE): str(
                UTF8String.load(other.value, strict=True).native
            )
            for other in names.get_values_for_type(x509.OtherName)
            if other.type_id.dotted_string.startswith(_ATTRIBUTE)
        }
        attributes = SignedAttributes(
            name=found["1"],
            name_substitutes=found["2"],
            sex=found["3"],
            birth_date=read_birth_date(found["4"]),
            address=found["5"],
            address_substitutes=found["6"],
        )
    except (x509.ExtensionNotFound, KeyError, ValueError, TypeError) as error:
        raise CardRejected("card.malformed") from error
    if len(attributes.name_substitutes) != len(attributes.name):
        raise CardRejected("card.malformed")
    return attributes


def read_certificate(der: bytes) -> JpkiCertificate:
    """Read a certificate of the card.

    :param der: exactly one X.509 certificate.
    :raises CardRejected: `card.malformed` for what is no such certificate, `card.policy` for one of another
        kind.
    """
    try:
        certificate = x509.load_der_x509_certificate(der)
        if certificate.public_bytes(Encoding.DER) != der:
            raise CardRejected("card.malformed")
        _ = certificate.extensions
    except (ValueError, x509.DuplicateExtension) as error:
        raise CardRejected("card.malformed") from error
    if len(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)) != 1:
        raise CardRejected("card.malformed")
    purpose = _purpose(certificate)
    return JpkiCertificate(
        der, certificate, purpose, _attributes(certificate) if purpose is Purpose.SIGNATURE else None
    )

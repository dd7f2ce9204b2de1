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
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from card.dates import ERAS
from card.faults import CardRejected
from card.jose import b64url_encode

SIGNATURE_POLICY: Final = x509.ObjectIdentifier("1.2.392.200149.8.5.1.1.20")
AUTHENTICATION_POLICY: Final = x509.ObjectIdentifier("1.2.392.200149.8.5.1.3.30")
TEST_SIGNATURE_POLICY: Final = x509.ObjectIdentifier("1.2.392.200149.8.5.1.0.20")
TEST_AUTHENTICATION_POLICY: Final = x509.ObjectIdentifier("1.2.392.200149.8.5.1.0.30")

ATTRIBUTE: Final = "1.2.392.200149.8.5.5."
_BIRTH_DATE: Final = re.compile(r"([0-5]?)([0-9]{4})([0-9]{2})([0-9]{2})\Z")
_LARGEST: Final = 8192
"""Octets; a card's own has some two thousand."""
_LONGEST_SERIAL: Final = 2**159
"""Twenty octets, the first bit being the sign (RFC 5280 §4.1.2.2)."""
_ATTRIBUTES: Final = frozenset("123456")
_POWERS: Final = {
    prime: {pow(65537, exponent, prime) for exponent in range(prime)}
    for prime in range(3, 168)
    if all(prime % smaller for smaller in range(2, prime))
}
"""The powers of 65537 by the small primes."""
_UNREADABLE: Final = (
    ValueError,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
    UnsupportedAlgorithm,
    TypeError,  # a name that is a bit string
)


CardPublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey


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


def identity_of(issuer_der: bytes, issuer_key: bytes, serial: int) -> bytes:
    """What tells a certificate from every other.

    :param issuer_key: key identifier that it names (RFC 5280 §4.2.1.1); empty where it names none.
    """
    return issuer_der + len(issuer_key).to_bytes(2, "big") + issuer_key + serial.to_bytes(20, "big")


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

    @cached_property
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
    def thumbprint(self) -> str:
        """SHA-256 of the certificate, base64url (as `x5t#S256`, RFC 7515 §4.1.8)."""
        return b64url_encode(self.x509.fingerprint(SHA256()))

    @cached_property
    def key(self) -> tuple[CardPublicKey, str]:
        """As `signing_key`."""
        return signing_key(self.x509)

    @cached_property
    def identity(self) -> bytes:
        """Issuer, the issuer's key and serial: what identifies a card in an identifier's MAC.

        A serial is unique for one issuer (RFC 5280 §4.1.2.2), and all generations of a root share one name:
        without the key (§4.2.1.1), a serial that a later one used again would be the earlier holder's card.
        """
        return identity_of(self.issuer_der, self._issuer_key, self.serial)

    @property
    def _issuer_key(self) -> bytes:
        try:
            named = self.x509.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
        except x509.ExtensionNotFound:
            return b""
        return named.value.key_identifier or b""


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
    """Read 生年月日 `EYYYYMMDD`, the year being Gregorian already.

    Eight digits carry no era; `0` is an unknown one.

    :returns: None where a part of it is unknown.
    :raises CardRejected: `card.malformed` when it is no date, or the era does not hold that year.
    """
    match = _BIRTH_DATE.match(text)
    if match is None:
        raise CardRejected("card.malformed")
    era, year, month, day = match[1], int(match[2]), int(match[3]), int(match[4])
    if era in ERAS and year not in ERAS[era].years:
        raise CardRejected("card.malformed")
    if not (year and month and day):
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
        numbered = [
            (other.type_id.dotted_string.removeprefix(ATTRIBUTE), other.value)
            for other in names.get_values_for_type(x509.OtherName)
        ]
        ours = [(number, value) for number, value in numbered if number in _ATTRIBUTES]
        found = {number: str(UTF8String.load(value, strict=True).native) for number, value in ours}
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
    if len(found) != len(ours) or not (attributes.name and attributes.address):
        raise CardRejected("card.malformed")
    for text, substitutes in (
        (attributes.name, attributes.name_substitutes),
        (attributes.address, attributes.address_substitutes),
    ):
        if len(substitutes) != len(text) or not set(substitutes) <= {"0", "1"}:
            raise CardRejected("card.malformed")
    return attributes


def _load(der: bytes) -> x509.Certificate:
    """Parse everything at once: the library leaves most of it until it is asked for, far from here."""
    if len(der) > _LARGEST:
        raise CardRejected("card.malformed")
    try:
        certificate = x509.load_der_x509_certificate(der)
        common_names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        whole = certificate.public_bytes(Encoding.DER) == der
        has_profile = (
            certificate.version is x509.Version.v3 and 0 < certificate.serial_number < _LONGEST_SERIAL
        )
        _ = certificate.extensions, certificate.public_key(), certificate.signature_hash_algorithm
        _ = (
            certificate.issuer.public_bytes(),
            certificate.not_valid_before_utc,
            certificate.not_valid_after_utc,
        )
    except _UNREADABLE as error:
        raise CardRejected("card.malformed") from error
    if not (whole and has_profile and len(common_names) == 1):
        raise CardRejected("card.malformed")
    return certificate


def read_certificate(der: bytes) -> JpkiCertificate:
    """Read a certificate of the card.

    :param der: exactly one X.509 certificate, at most 8 KiB.
    :raises CardRejected: `card.malformed` for what is no such certificate, `card.policy` for one of another
        kind.
    """
    certificate = _load(der)
    purpose = _purpose(certificate)
    return JpkiCertificate(
        der, certificate, purpose, _attributes(certificate) if purpose is Purpose.SIGNATURE else None
    )


def _is_of_a_broken_chip(modulus: int) -> bool:
    """Whether its rest by every small prime is a power of 65537 (CVE-2017-15361)."""
    return all(modulus % prime in powers for prime, powers in _POWERS.items())


def _is_written_plainly(certificate: x509.Certificate, key: CardPublicKey) -> bool:
    """Whether the key is in the one form of the profile.

    The library also reads one that is for PSS alone, points that are compressed, and curves that are spelt
    out instead of named (RFC 3279 §2.3.1, RFC 4055 §1.2, RFC 5480 §2.1.1, CVE-2020-0601).
    """
    return (
        key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) in certificate.tbs_certificate_bytes
    )


def signing_key(certificate: x509.Certificate) -> tuple[CardPublicKey, str]:
    """The certificate's key and the one algorithm it signs with (RFC 7518 §3.1).

    RSA-2048 with e = 65537 is on today's cards, P-384 on those of the next generation.

    :raises CardRejected: `card.path` for any other key, and for one that a broken chip made.
    """
    key = certificate.public_key()
    if not (isinstance(key, CardPublicKey) and _is_written_plainly(certificate, key)):
        raise CardRejected("card.path")
    if isinstance(key, ec.EllipticCurvePublicKey):
        if isinstance(key.curve, ec.SECP384R1):
            return key, "ES384"
        raise CardRejected("card.path")
    n, e = key.public_numbers().n, key.public_numbers().e
    if key.key_size != 2048 or e != 65537 or n % 2 == 0 or _is_of_a_broken_chip(n):
        raise CardRejected("card.path")
    return key, "RS256"

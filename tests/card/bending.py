"""Certificates of the true profile, bent in one place before they are signed."""

from collections.abc import Mapping

from asn1crypto import parser
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.serialization import Encoding


def replaced(
    builder: x509.CertificateBuilder, extension: x509.ExtensionType, *, critical: bool
) -> x509.CertificateBuilder:
    builder._extensions = [entry for entry in builder._extensions if entry.oid != extension.oid]
    return builder.add_extension(extension, critical=critical)


def usage(**flags: bool) -> x509.KeyUsage:
    names = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{name: flags.get(name, False) for name in names})


def policies(*oids: x509.ObjectIdentifier) -> x509.CertificatePolicies:
    return x509.CertificatePolicies([x509.PolicyInformation(oid, None) for oid in oids])


def with_hash(certificate: x509.Certificate, key: rsa.RSAPrivateKey, hash_: hashes.HashAlgorithm) -> bytes:
    """The same certificate, signed over another hash: the last octet of the algorithm's OID, twice."""
    sha256, other = (
        bytes.fromhex("06092a864886f70d0101") + bytes([last]) for last in (11, NUMBERS[hash_.name])
    )
    signed = certificate.tbs_certificate_bytes.replace(sha256, other)
    whole = certificate.public_bytes(Encoding.DER).replace(sha256, other)
    return whole.removesuffix(certificate.signature) + key.sign(signed, PKCS1v15(), hash_)


NUMBERS = {"md5": 4, "sha1": 5, "sha384": 12}
"""Below pkcs-1 (RFC 8017 appendix C)."""


def tlv(tag: int, *contents: bytes) -> bytes:
    """A value in DER (X.690 §8.1, §10.1)."""
    content = b"".join(contents)
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content


def inside(der: bytes) -> list[bytes]:
    """The values inside of a value, whole."""
    found, rest = [], parser.parse(der)[4]
    while rest:
        size = parser.peek(rest)
        found.append(rest[:size])
        rest = rest[size:]
    return found


SHA256_RSA = bytes.fromhex("300d06092a864886f70d01010b0500")
VERSION, SERIAL, ALGORITHM, ISSUER, VALIDITY, SUBJECT, KEY, EXTENSIONS = range(8)
"""Where each stands in what an authority signs, when all are there (RFC 5280 §4.1)."""


def exchanged(leaf: x509.Certificate, key: rsa.RSAPrivateKey, parts: Mapping[int, bytes]) -> bytes:
    """The same certificate with other octets in some of its places, signed again."""
    whole = [parts.get(place, part) for place, part in enumerate(inside(leaf.tbs_certificate_bytes))]
    return enveloped(tlv(0x30, *whole), key)


def enveloped(tbs: bytes, key: rsa.RSAPrivateKey, algorithm: bytes = SHA256_RSA) -> bytes:
    signature = key.sign(tbs, PKCS1v15(), hashes.SHA256())
    return tlv(0x30, tbs, algorithm, tlv(0x03, b"\x00", signature))

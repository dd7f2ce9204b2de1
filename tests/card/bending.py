"""Certificates of the true profile, bent in one place before they are signed."""

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

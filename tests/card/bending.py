"""Certificates of the true profile, bent in one place before they are signed."""

from cryptography import x509


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

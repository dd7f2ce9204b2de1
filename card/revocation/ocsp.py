"""What an OCSP responder is asked about one certificate, and when its answer counts (RFC 6960, RFC 9654).

Nothing here calls anybody. The address in a certificate (AIA) is never read: a forger's certificate would
make us call whom he likes.
"""

from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, SHA384, SHA512
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, SignatureAlgorithmOID

from card.revocation.source import RevocationState, RevocationStatus, StatusUnavailable

_CLOCK_SKEW: Final = timedelta(seconds=60)
_OLDEST: Final = timedelta(hours=1)
"""How old a status may be of which the responder does not say when it ends."""
_SMALLEST_RSA_BITS: Final = 2048
_RSA: Final = {
    SignatureAlgorithmOID.RSA_WITH_SHA256: SHA256(),
    SignatureAlgorithmOID.RSA_WITH_SHA384: SHA384(),
    SignatureAlgorithmOID.RSA_WITH_SHA512: SHA512(),
}
_ECDSA: Final = {
    SignatureAlgorithmOID.ECDSA_WITH_SHA256: SHA256(),
    SignatureAlgorithmOID.ECDSA_WITH_SHA384: SHA384(),
    SignatureAlgorithmOID.ECDSA_WITH_SHA512: SHA512(),
}
_KNOWN_CRITICAL: Final = {
    ExtensionOID.BASIC_CONSTRAINTS,
    ExtensionOID.CERTIFICATE_POLICIES,
    ExtensionOID.EXTENDED_KEY_USAGE,
    ExtensionOID.KEY_USAGE,
    ExtensionOID.OCSP_NO_CHECK,
}
_UNREADABLE: Final = (
    InvalidSignature,
    TypeError,
    UnsupportedAlgorithm,
    ValueError,
    x509.DuplicateExtension,
    x509.ExtensionNotFound,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


def ask_about(certificate: x509.Certificate, issuer: x509.Certificate, nonce: bytes) -> ocsp.OCSPRequest:
    """The question for one certificate (RFC 6960 §4.1.1), unsigned.

    SHA-1 is what every responder finds a certificate by (RFC 5019 §2.1.1); nothing rests on it.

    :param nonce: 32 random bytes of this question alone (RFC 9654 §2.1).
    """
    builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, SHA1())  # noqa: S303 - an identifier
    return builder.add_extension(x509.OCSPNonce(nonce), critical=False).build()


def judge(
    der: bytes,
    asked: ocsp.OCSPRequest,
    issuer: x509.Certificate,
    now: datetime,
    *,
    without_nonce: timedelta | None = None,
) -> RevocationStatus:
    """Judge an answer (RFC 6960 §3.2, §4.2.2).

    :param issuer: whose key signed the certificate; it signs the answer, or whom it delegated that to.
    :param without_nonce: how old an answer may be that was made before anybody asked (RFC 5019 §4); None for
        a responder that repeats the nonce.
    :raises StatusUnavailable: for whatever is not a current, signed answer to exactly this question, and for
        `unknown`; its cause says what was wrong.
    """
    try:
        return _judge(der, asked, issuer, now, without_nonce)
    except _UNREADABLE as error:
        raise StatusUnavailable from error


def _judge(
    der: bytes,
    asked: ocsp.OCSPRequest,
    issuer: x509.Certificate,
    now: datetime,
    without_nonce: timedelta | None,
) -> RevocationStatus:
    response = ocsp.load_der_ocsp_response(der)
    if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise ValueError(f"the responder says {response.response_status.name}")
    _check_signature(response, issuer, now)
    (single,) = response.responses  # asked about one certificate, it answers about one
    if _named(single) != _named(asked):
        raise ValueError("an answer about another certificate")
    _check_extensions(response)
    _check_time(single, now, _longest(response, asked, without_nonce))
    match single.certificate_status:
        case ocsp.OCSPCertStatus.GOOD:
            state, reason = RevocationState.GOOD, None
        case ocsp.OCSPCertStatus.REVOKED:
            state, given = RevocationState.REVOKED, single.revocation_reason
            reason = "unspecified" if given is None else given.value
        case ocsp.OCSPCertStatus.UNKNOWN:
            raise ValueError("the responder does not know the certificate")
    return RevocationStatus(state, "ocsp", reason, single.this_update_utc, single.next_update_utc)


def _named(what: ocsp.OCSPRequest | ocsp.OCSPSingleResponse) -> tuple[str, bytes, bytes, int]:
    """Which certificate is meant (RFC 6960 §4.1.1, CertID)."""
    return (what.hash_algorithm.name, what.issuer_name_hash, what.issuer_key_hash, what.serial_number)


def _check_extensions(response: ocsp.OCSPResponse) -> None:
    """Refuse a critical extension that we do not understand (RFC 6960 §4.4); we understand the nonce."""
    for extension in (*response.extensions, *response.single_extensions):
        if extension.critical and not isinstance(extension.value, x509.OCSPNonce):
            raise ValueError("a critical extension that is not understood")


def _nonce(of: ocsp.OCSPRequest | ocsp.OCSPResponse) -> bytes | None:
    try:
        return of.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce
    except x509.ExtensionNotFound:
        return None


def _longest(
    response: ocsp.OCSPResponse, asked: ocsp.OCSPRequest, without_nonce: timedelta | None
) -> timedelta | None:
    """How old the status may be, whatever it says of its end; None where only that counts.

    Without a nonce a good status could be shown again after the certificate was revoked (RFC 6960 §5).
    """
    repeated = _nonce(response)
    if repeated is None:
        if without_nonce is None:
            raise ValueError("an answer without the nonce")
        return without_nonce
    if repeated != _nonce(asked):
        raise ValueError("an answer to another question")
    return None


def _check_time(single: ocsp.OCSPSingleResponse, now: datetime, longest: timedelta | None) -> None:
    """Judge thisUpdate and nextUpdate (RFC 6960 §4.2.2.1); one made in advance has both (RFC 5019 §2.2.4)."""
    since, until = single.this_update_utc, single.next_update_utc
    if since > now + _CLOCK_SKEW:
        raise ValueError("a status of the future")
    if until is not None and until <= now:
        raise ValueError("a status that is over")
    if until is None and longest is not None:
        raise ValueError("an answer made in advance, without an end")
    if (until is None or longest is not None) and now - since > (longest or _OLDEST):
        raise ValueError("a status that is too old")


def _check_signature(response: ocsp.OCSPResponse, issuer: x509.Certificate, now: datetime) -> None:
    """Find who signed: the issuer's own key, or whom it delegated that to (RFC 6960 §4.2.2.2)."""
    for signer in (issuer, *response.certificates):
        if not _is_responder(response, signer):
            continue
        if signer is not issuer and not _is_delegated(signer, issuer, now):
            continue
        _verify(response, signer)
        return
    raise ValueError("an answer of nobody whom the issuer lets answer")


def _is_responder(response: ocsp.OCSPResponse, certificate: x509.Certificate) -> bool:
    """Whether the answer says that it is this one's (RFC 6960 §4.2.1, ResponderID)."""
    if response.responder_name is not None:
        return response.responder_name == certificate.subject
    key_hash = x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest
    return response.responder_key_hash == key_hash


def _is_delegated(certificate: x509.Certificate, issuer: x509.Certificate, now: datetime) -> bool:
    """Whether the issuer itself lets this key answer, now (RFC 6960 §4.2.2.2).

    It must say id-pkix-ocsp-nocheck: whether *it* was revoked could only be asked of somebody else, and so on
    (§4.2.2.2.1).
    """
    extensions = certificate.extensions
    if {extension.oid for extension in extensions if extension.critical} - _KNOWN_CRITICAL:
        return False
    try:
        extensions.get_extension_for_class(x509.OCSPNoCheck)
        purposes = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
        certificate.verify_directly_issued_by(issuer)
    except (x509.ExtensionNotFound, InvalidSignature, ValueError, TypeError):
        return False
    return (
        ExtendedKeyUsageOID.OCSP_SIGNING in purposes
        and usage.digital_signature
        and certificate.signature_algorithm_oid in _RSA | _ECDSA
        and certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc
    )


def _verify(response: ocsp.OCSPResponse, signer: x509.Certificate) -> None:
    """Verify the signature; SHA-1 is none.

    :raises InvalidSignature: for a wrong one.
    """
    signature, signed, how = response.signature, response.tbs_response_bytes, response.signature_algorithm_oid
    match signer.public_key():
        case rsa.RSAPublicKey() as key if key.key_size >= _SMALLEST_RSA_BITS and how in _RSA:
            key.verify(signature, signed, padding.PKCS1v15(), _RSA[how])
        case ec.EllipticCurvePublicKey() as key if how in _ECDSA:
            key.verify(signature, signed, ec.ECDSA(_ECDSA[how]))
        case _:
            raise ValueError("a key or an algorithm that no answer is signed with")

"""JOSE, strictly: the only place that touches python-jose, and joserfc for what python-jose lacks.

python-jose signs and verifies; what it leaves open is closed here before and after it is called: duplicate
header or claim names, `crit`, non-canonical base64url, an algorithm chosen by the token, a missing `exp` or
`aud`.
`jku`, `x5u`, `x5c` and `jwk` of a header are never followed.
"""

from card.jose.compact import (
    sign_compact,
    unverified_claims,
    unverified_header,
    verify_compact,
    verify_statement,
)
from card.jose.encoding import TokenRejected, b64url_decode, b64url_encode, strict_json
from card.jose.flattened import Flattened
from card.jose.keys import KeySet, Signer, SoftwareSigner, VerificationKey, p256_members, thumbprint

__all__ = [
    "Flattened",
    "KeySet",
    "Signer",
    "SoftwareSigner",
    "TokenRejected",
    "VerificationKey",
    "b64url_decode",
    "b64url_encode",
    "p256_members",
    "sign_compact",
    "strict_json",
    "thumbprint",
    "unverified_claims",
    "unverified_header",
    "verify_compact",
    "verify_statement",
]

"""Keys, constructed once: a PEM parsed per call costs sixty times the RS256 verification itself."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, Self

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jose import jwk
from jose.backends.base import Key
from jose.exceptions import JWKError

from card.jose.encoding import TokenRejected, b64url_decode, b64url_encode

_KTY: Final = {"ES256": "EC", "ES384": "EC", "RS256": "RSA", "PS256": "RSA", "EdDSA": "OKP"}
_CURVE: Final = {"ES256": "P-256", "ES384": "P-384", "EdDSA": "Ed25519"}
_PYTHON_JOSE: Final = frozenset({"ES256", "ES384", "RS256"})
_PUBLIC: Final = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n"), "OKP": ("crv", "kty", "x")}
_SMALLEST_RSA_BITS: Final = 2048


class Signer(Protocol):
    """A private key that may live anywhere: in this process, behind PKCS#11, on a card."""

    @property
    def alg(self) -> str:
        """JWS algorithm (RFC 7518 §3.1)."""

    @property
    def kid(self) -> str:
        """Key id that verifiers look up."""

    def sign(self, signing_input: bytes) -> bytes:
        """JWS signature octets; ECDSA as r || s (RFC 7518 §3.4)."""


class SoftwareSigner:
    """A signing key in this process, `ES256` or `RS256`."""

    def __init__(
        self, alg: str, private_key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, kid: str | None = None
    ) -> None:
        self._private = private_key
        self._alg = alg
        self._key = jwk.construct(self.private_pem().decode("ascii"), alg)
        self._kid = kid or thumbprint(self._public_members())

    @classmethod
    def generate(cls, alg: str = "ES256") -> Self:
        """Make a new key for `ES256` or `RS256`."""
        if alg == "ES256":
            return cls(alg, ec.generate_private_key(ec.SECP256R1()))
        if alg == "RS256":
            return cls(alg, rsa.generate_private_key(public_exponent=65537, key_size=_SMALLEST_RSA_BITS))
        raise ValueError(f"no keys are made for {alg}")

    @classmethod
    def from_pem(cls, pem: bytes, *, alg: str = "ES256", kid: str | None = None) -> Self:
        """Read an unencrypted PKCS#8 key.

        :raises TypeError: for a key of another type than `alg` takes.
        """
        key = serialization.load_pem_private_key(pem, password=None)
        kind = ec.EllipticCurvePrivateKey if _KTY.get(alg) == "EC" else rsa.RSAPrivateKey
        if not isinstance(key, kind):
            raise TypeError(f"no key for {alg}")
        return cls(alg, key, kid)

    @property
    def alg(self) -> str:
        """JWS algorithm."""
        return self._alg

    @property
    def kid(self) -> str:
        """RFC 7638 thumbprint unless given."""
        return self._kid

    def sign(self, signing_input: bytes) -> bytes:
        """JWS signature octets."""
        signature = self._key.sign(signing_input)
        if not isinstance(signature, bytes):
            raise TypeError("a signature is octets")
        return signature

    def private_pem(self) -> bytes:
        """PKCS#8, unencrypted: for sealing, never for a file of its own."""
        return self._private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def _public_members(self) -> dict[str, str]:
        return _members(self._key.public_key(), _KTY[self._alg])

    def public_jwk(self) -> dict[str, str]:
        """Public key for a JWKS (RFC 7517 §4), with `kid`, `use` and `alg`."""
        return self._public_members() | {"kid": self._kid, "use": "sig", "alg": self._alg}

    def verification_key(self) -> "VerificationKey":
        """The public half, to verify with."""
        return VerificationKey.from_jwk(self.public_jwk(), self._alg)


def _members(key: Key, kty: str) -> dict[str, str]:
    members = key.to_dict()
    return {name: _text(members[name]) for name in _PUBLIC[kty]}


def _text(value: object) -> str:
    return value.decode("ascii") if isinstance(value, bytes) else str(value)


def thumbprint(public_jwk: Mapping[str, object]) -> str:
    """SHA-256 thumbprint of a public key (RFC 7638 §3)."""
    names = _PUBLIC[str(public_jwk["kty"])]
    canonical = json.dumps({name: public_jwk[name] for name in names}, sort_keys=True, separators=(",", ":"))
    return b64url_encode(hashlib.sha256(canonical.encode("ascii")).digest())


def p256_members(jwk: Mapping[str, object]) -> dict[str, str]:
    """The members of a public key for ES256 in their one reading, so that it has one thumbprint.

    :raises ValueError: when it is none (RFC 7518 §6.2.1).
    """
    VerificationKey.from_jwk(jwk, "ES256")
    return {name: str(jwk[name]) for name in _PUBLIC["EC"]}


class _Verifies(Protocol):
    def verify(self, msg: bytes, sig: bytes) -> bool: ...


class _Joserfc:
    """PS256 and EdDSA of a client's own keys, which python-jose does not know."""

    def __init__(self, alg: str, public_jwk: Mapping[str, object]) -> None:
        from joserfc import jwk as joserfc_jwk  # noqa: PLC0415 - the bare client package has no joserfc
        from joserfc.jws import JWSRegistry  # noqa: PLC0415 - the same

        self._key = joserfc_jwk.import_key({name: str(value) for name, value in public_jwk.items()})
        self._algorithm = JWSRegistry.algorithms[alg]

    def verify(self, msg: bytes, sig: bytes) -> bool:
        return bool(self._algorithm.verify(msg, sig, self._key))


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key with the one algorithm it is used with."""

    alg: str
    kid: str
    key: "_Verifies | Key"

    @classmethod
    def from_jwk(cls, public_jwk: Mapping[str, object], alg: str) -> Self:
        """Take a public JWK for one algorithm.

        :raises ValueError: when it is private, symmetric, weak, for another use, or not of the type of `alg`.
        """
        kty = _KTY.get(alg)
        if kty is None or public_jwk.get("kty") != kty or public_jwk.get("crv") != _CURVE.get(alg):
            raise ValueError(f"no key for {alg}")
        if {"d", "k", "p", "q"} & public_jwk.keys():
            raise ValueError("a private or symmetric key where a public one belongs")
        if public_jwk.get("use", "sig") != "sig" or public_jwk.get("alg", alg) != alg:
            raise ValueError("a key for another use")
        members: dict[str, object] = {name: public_jwk.get(name) for name in _PUBLIC[kty]}
        if not all(isinstance(value, str) for value in members.values()):
            raise ValueError("a member is missing")
        octets = {name: b64url_decode(str(members[name])) for name in members.keys() - {"kty", "crv"}}
        if kty == "RSA":
            _refuse_weak_rsa(octets["n"], octets["e"])
        kid = public_jwk.get("kid")
        try:
            made = jwk.construct(members, alg) if alg in _PYTHON_JOSE else _Joserfc(alg, members)
        except JWKError as error:
            raise ValueError("not a key") from error
        # OpenSSL takes a coordinate modulo p: a key would have many spellings, and as many thumbprints.
        if isinstance(made, Key) and _members(made, kty) != members:
            raise ValueError("not a key as it is written (RFC 7518 §6.2.1.2, §6.3.1.1)")
        return cls(alg, kid if isinstance(kid, str) else thumbprint(members), made)

    @classmethod
    def from_public_key(
        cls, key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey, alg: str, kid: str = ""
    ) -> Self:
        """Take a key of `cryptography`, such as a certificate's."""
        made = jwk.construct(key, alg)  # type: ignore[arg-type] # it takes them as they are; its stubs omit it
        return cls(alg, kid, made)

    def verifies(self, signing_input: bytes, signature: bytes) -> bool:
        """Whether the signature is this key's over these octets."""
        try:
            return bool(self.key.verify(signing_input, signature))
        except (ValueError, TypeError):
            return False


def _refuse_weak_rsa(modulus: bytes, exponent: bytes) -> None:
    n, e = int.from_bytes(modulus, "big"), int.from_bytes(exponent, "big")
    if n.bit_length() < _SMALLEST_RSA_BITS or n % 2 == 0 or e < 65537:
        raise ValueError("an RSA key that is too weak")
    if not (modulus[0] and exponent[0]):
        raise ValueError("an RSA key with leading zeros (RFC 7518 §6.3.1.1)")


class KeySet:
    """The keys that may have signed a token, chosen by us and never by the token."""

    def __init__(self, keys: Sequence[VerificationKey]) -> None:
        self._keys = {(key.kid, key.alg): key for key in keys}
        self._algs = frozenset(key.alg for key in keys)

    @classmethod
    def from_jwks(cls, document: Mapping[str, object], algs: Collection[str]) -> Self:
        """Read a JWK Set (RFC 7517 §5); keys for other uses or algorithms are passed over (§5)."""
        found: list[VerificationKey] = []
        entries = document.get("keys")
        for entry in entries if isinstance(entries, list) else ():
            for alg in algs:
                if isinstance(entry, Mapping):
                    try:
                        found.append(VerificationKey.from_jwk(entry, alg))
                    except ValueError:
                        continue
        return cls(found)

    def for_header(self, kid: object, alg: object) -> VerificationKey:
        """Choose the key for a header.

        :raises TokenRejected: `alg` for an algorithm none of the keys has, `key` when no key matches.
        """
        if not isinstance(alg, str) or alg not in self._algs:
            raise TokenRejected("alg")
        if kid is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        key = self._keys.get((kid, alg)) if isinstance(kid, str) else None
        if key is None:
            raise TokenRejected("key")
        return key

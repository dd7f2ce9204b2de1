"""An authenticator and its browser in software (WebAuthn L3 §6, §7), which can be told to misbehave."""

import hashlib
import json
import secrets
from dataclasses import dataclass, field, replace
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from card.jose import b64url_decode, b64url_encode

UP, UV, BE, BS, AT = 0x01, 0x04, 0x08, 0x10, 0x40
BOUND, SYNCED = UP | UV, UP | UV | BE | BS


@dataclass
class Authenticator:
    """One passkey.

    :param flags: of every ceremony.
    :param client_data: members of the client data that are not what a browser would write.
    :param raw: client data that is something else altogether.
    :param cose: what stands where the public key should.
    :param counts: whether it has a signature counter; most synced ones have none.
    """

    origin: str
    flags: int = SYNCED
    rp_id: str | None = None
    client_data: dict[str, object] = field(default_factory=dict)
    raw: bytes | None = None
    cose: object = None
    counts: bool = False
    sign_count: int = 0
    user_handle: bytes = b""
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def but(self, **changes: Any) -> "Authenticator":
        """The same passkey, misbehaving."""
        return replace(self, **changes)

    def _client_data(self, kind: str, challenge: str) -> bytes:
        if self.raw is not None:
            return self.raw
        told = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return json.dumps(told | self.client_data).encode()

    def _authenticator_data(self, rp_id: str, flags: int) -> bytes:
        self.sign_count += self.counts
        hashed = hashlib.sha256((self.rp_id or rp_id).encode()).digest()
        return hashed + bytes([flags]) + self.sign_count.to_bytes(4, "big")

    def public_key(self) -> dict[int, object]:
        """The key as COSE has it."""
        numbers = self.key.public_key().public_numbers()
        x, y = (number.to_bytes(32, "big") for number in (numbers.x, numbers.y))
        return {1: 2, 3: -7, -1: 1, -2: x, -3: y}

    def _credential(self, response: dict[str, bytes]) -> str:
        id_ = b64url_encode(self.credential_id)
        encoded = {name: b64url_encode(value) for name, value in response.items()}
        return json.dumps({"id": id_, "rawId": id_, "type": "public-key", "response": encoded})

    def create(self, options: str) -> str:
        """`navigator.credentials.create()`, as JSON."""
        asked = json.loads(options)
        self.user_handle = b64url_decode(asked["user"]["id"])
        key = cbor2.dumps(self.cose if self.cose is not None else self.public_key())
        size = len(self.credential_id).to_bytes(2, "big")
        attested = bytes(16) + size + self.credential_id + key
        data = self._authenticator_data(asked["rp"]["id"], self.flags | AT) + attested
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client_data = self._client_data("webauthn.create", asked["challenge"])
        return self._credential({"clientDataJSON": client_data, "attestationObject": attestation})

    def get(self, options: str) -> str:
        """`navigator.credentials.get()`, as JSON."""
        asked = json.loads(options)
        data = self._authenticator_data(asked["rpId"], self.flags)
        client_data = self._client_data("webauthn.get", asked["challenge"])
        signed = data + hashlib.sha256(client_data).digest()
        return self._credential(
            {
                "clientDataJSON": client_data,
                "authenticatorData": data,
                "signature": self.key.sign(signed, ec.ECDSA(SHA256())),
                "userHandle": self.user_handle,
            }
        )

"""The flattened JWS of a card: exactly four members, the certificate unprotected (RFC 7515 §7.2.2).

The national app returns the certificate after the digest was given, so the leaf cannot be protected; it
counts only after our own path rules, and the protected header never says which key signed.
"""

import json
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from card.jose.encoding import b64url_decode, b64url_encode, strict_json

_MAX_BYTES: Final = 16384
_MEMBERS: Final = {"protected", "payload", "signature", "header"}


@dataclass(frozen=True, slots=True)
class Flattened:
    """What a card signed.

    :param protected: base64url of the protected header.
    :param payload: base64url of the payload.
    :param signature: the signature's octets.
    :param leaf_der: the certificate of the key that signed, DER.
    """

    protected: str
    payload: str
    signature: bytes
    leaf_der: bytes

    @classmethod
    def parse(cls, text: str | bytes) -> Self:
        """Read the JSON form, at most 16 KiB.

        :raises ValueError: for anything but the four members in their canonical encodings.
        """
        if len(text) > _MAX_BYTES:
            raise ValueError("too big")
        members = strict_json(text)
        header = members.get("header")
        if members.keys() != _MEMBERS or not isinstance(header, Mapping) or header.keys() != {"x5c"}:
            raise ValueError("not exactly protected, payload, signature and header.x5c")
        chain = header["x5c"]
        if not isinstance(chain, list) or len(chain) != 1 or not isinstance(chain[0], str):
            raise ValueError("x5c is not one certificate")
        strings = [members[name] for name in ("protected", "payload", "signature")]
        protected, payload, signature = (value if isinstance(value, str) else "" for value in strings)
        if not (protected and payload and signature):
            raise ValueError("a member is empty or no string")
        b64url_decode(protected)
        b64url_decode(payload)
        try:
            leaf = b64decode(chain[0], validate=True)
        except Base64Error as error:
            raise ValueError("x5c is not base64") from error
        if b64encode(leaf).decode("ascii") != chain[0]:
            raise ValueError("not canonical base64")
        return cls(protected, payload, b64url_decode(signature), leaf)

    @property
    def signing_input(self) -> bytes:
        """The octets that were signed (RFC 7515 §5.1 step 5)."""
        return f"{self.protected}.{self.payload}".encode("ascii")

    def protected_header(self) -> Mapping[str, object]:
        """The protected header, read strictly."""
        return strict_json(b64url_decode(self.protected))

    def claims(self) -> Mapping[str, object]:
        """The payload, read strictly."""
        return strict_json(b64url_decode(self.payload))

    def to_json(self) -> str:
        """The JSON form, members in their order of the specification."""
        return json.dumps(
            {
                "payload": self.payload,
                "protected": self.protected,
                "header": {"x5c": [b64encode(self.leaf_der).decode("ascii")]},
                "signature": b64url_encode(self.signature),
            },
            separators=(",", ":"),
        )

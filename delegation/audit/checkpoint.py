"""Checkpoints: a signed tree head as text (C2SP tlog-checkpoint, signed-note; Ed25519)."""

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_ED25519: Final = b"\x01"


class CheckpointRefused(ValueError):  # noqa: N818 - what happened to it
    """The text is no checkpoint, or no known key signed it."""


def origin_of(issuer: str) -> str:
    """The name of a ward's log: its issuer without a scheme."""
    return f"{issuer.partition('://')[2]}/audit"


@dataclass(frozen=True, slots=True)
class LogKey:
    """A public key of a log, as a verifier key of signed notes."""

    origin: str
    public: bytes

    @property
    def id(self) -> bytes:
        """Four octets that name it."""
        named = self.origin.encode("utf-8") + b"\n" + _ED25519 + self.public
        return hashlib.sha256(named).digest()[:4]

    @property
    def text(self) -> str:
        """`<origin>+<id>+<key>`."""
        return f"{self.origin}+{self.id.hex()}+{b64encode(_ED25519 + self.public).decode('ascii')}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text form.

        :raises CheckpointRefused: when it is none.
        """
        origin, _, key = text.strip().partition("+")
        id_, _, encoded = key.partition("+")
        try:
            octets = b64decode(encoded, validate=True)
        except ValueError as error:
            raise CheckpointRefused("no verifier key") from error
        made = cls(origin, octets[1:])
        if octets[:1] != _ED25519 or len(made.public) != 32 or made.id.hex() != id_:
            raise CheckpointRefused("no verifier key")
        return made


@dataclass(frozen=True, slots=True)
class Head:
    """A tree head."""

    origin: str
    size: int
    root: bytes

    @property
    def body(self) -> str:
        """The signed text."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode('ascii')}\n"


def log_key(origin: str, key: Ed25519PrivateKey) -> LogKey:
    """The public half."""
    return LogKey(origin, key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))


def sign_checkpoint(head: Head, key: Ed25519PrivateKey) -> str:
    """The checkpoint of a head."""
    signature = log_key(head.origin, key).id + key.sign(head.body.encode("utf-8"))
    return f"{head.body}\n— {head.origin} {b64encode(signature).decode('ascii')}\n"


def read_checkpoint(text: str, keys: Collection[LogKey]) -> Head:
    """Verify a checkpoint.

    :raises CheckpointRefused: when no known key signed it.
    """
    body, found, signatures = text.partition("\n\n")
    lines = body.split("\n")
    if not found or len(lines) != 3 or not (lines[1].isascii() and lines[1].isdigit()):
        raise CheckpointRefused("no checkpoint")
    try:
        head = Head(lines[0], int(lines[1]), b64decode(lines[2], validate=True))
    except ValueError as error:
        raise CheckpointRefused("no checkpoint") from error
    for line in signatures.splitlines():
        name, _, encoded = line.removeprefix("— ").rpartition(" ")
        for key in keys:
            if name == key.origin == head.origin and _signed(key, encoded, head):
                return head
    raise CheckpointRefused("no known key signed it")


def _signed(key: LogKey, encoded: str, head: Head) -> bool:
    try:
        octets = b64decode(encoded, validate=True)
        if octets[:4] != key.id:
            return False
        Ed25519PublicKey.from_public_bytes(key.public).verify(octets[4:], head.body.encode("utf-8"))
    except (ValueError, InvalidSignature):
        return False
    return True

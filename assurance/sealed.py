"""Sealing: personal data encrypted field by field, look-ups by MAC, keys per person.

AES-256-GCM with ward, table, column and row as additional data, so that no sealed field can be moved to
another place; a data key per person, wrapped by the master key, so that destroying one row erases a person.
The master key comes from a file; key ids are stored beside everything it wraps.
"""

import hmac
import json
import re
import secrets
from base64 import b64decode, b64encode
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy.engine import Connection
from sqlmodel import Field, Session, SQLModel

from assurance.among import among
from assurance.database import connection_of, table_of
from assurance.person import PersonId
from assurance.wards import WardCode
from card.private_file import write_private

_NONCE_BYTES: Final = 12
_KEY_BYTES: Final = 32
_TWELVE_DIGITS: Final = re.compile(r"(?<![0-9])[0-9]{12}(?![0-9])")


class Unopenable(Exception):  # noqa: N818 - erased or moved, which the caller must tell apart from a bug
    """A sealed value does not open: its key was destroyed, or it lies in a foreign place."""


class PersonKey(SQLModel, table=True):
    """A person's data key, wrapped. Deleting the row erases everything sealed with it."""

    __tablename__ = "person_key"

    ward: str = Field(primary_key=True)
    person: str = Field(primary_key=True)
    master_key: str
    wrapped: bytes


_KEYS: Final = table_of(PersonKey)
_KEYS_OF: Final = sa.select(_KEYS).where(among(_KEYS.c.person, "people"))


def _seal(key: bytes, content: bytes, place: str) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, content, place.encode("utf-8"))


def _open(key: bytes, sealed: bytes, place: str) -> bytes:
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], place.encode("utf-8"))
    except (InvalidTag, ValueError) as error:
        raise Unopenable from error


@dataclass(frozen=True, slots=True)
class MasterKeys:
    """The keys that wrap all others; the current one and those that still open.

    :param current: id of the key that wraps what is new.
    """

    current: str
    keys: Mapping[str, bytes]

    @classmethod
    def generate(cls) -> Self:
        """Make a first key."""
        key_id = secrets.token_hex(4)
        return cls(key_id, {key_id: secrets.token_bytes(_KEY_BYTES)})

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read keys.

        :raises ValueError: when the file is not what `save` writes.
        """
        document = json.loads(path.read_bytes())
        keys = {str(name): b64decode(value, validate=True) for name, value in document["keys"].items()}
        if document["current"] not in keys or any(len(key) != _KEY_BYTES for key in keys.values()):
            raise ValueError("the master key file names a key it lacks, or one of a wrong size")
        return cls(document["current"], keys)

    def save(self, path: Path) -> None:
        """Write keys, readable by the owner alone."""
        keys = {name: b64encode(key).decode("ascii") for name, key in self.keys.items()}
        write_private(path, json.dumps({"current": self.current, "keys": keys}, indent=1).encode("ascii"))


@dataclass(frozen=True, slots=True)
class Cipher:
    """Seals fields with one data key."""

    ward: str
    key: bytes

    def seal(self, text: str, *, table: str, column: str, row: str) -> bytes:
        """Seal one field of one row."""
        return _seal(self.key, text.encode("utf-8"), f"{self.ward}/{table}/{column}/{row}")

    def open(self, sealed: bytes, *, table: str, column: str, row: str) -> str:
        """Open one field of one row.

        :raises Unopenable: when it was sealed for another place.
        """
        return _open(self.key, sealed, f"{self.ward}/{table}/{column}/{row}").decode("utf-8")


class Vault:
    """Everything that needs the master key."""

    def __init__(self, master: MasterKeys) -> None:
        self._master = master
        self._derived: dict[tuple[str, str], bytes] = {}

    def _derive(self, purpose: str, key_id: str | None = None) -> bytes:
        key_id = key_id or self._master.current
        if (key_id, purpose) not in self._derived:
            derivation = HKDF(SHA256(), _KEY_BYTES, salt=None, info=f"dairi/{purpose}".encode())
            self._derived[key_id, purpose] = derivation.derive(self._master.keys[key_id])
        return self._derived[key_id, purpose]

    def new_cipher(self, session: Session, ward: WardCode, person: PersonId) -> Cipher:
        """Make a person's data key."""
        key, place = secrets.token_bytes(_KEY_BYTES), f"{ward}/person_key/{person}"
        session.add(
            PersonKey(
                ward=ward,
                person=person,
                master_key=self._master.current,
                wrapped=_seal(self._derive("wrap"), key, place),
            )
        )
        return Cipher(ward, key)

    def ciphers(
        self, connection: Connection, ward: WardCode, people: Collection[PersonId]
    ) -> Mapping[PersonId, Cipher]:
        """Each person's data key; who was erased is not in it."""
        rows = connection.execute(_KEYS_OF, {"ward": ward, "people": list(people)}) if people else ()
        return {
            PersonId(row.person): Cipher(
                ward,
                _open(self._derive("wrap", row.master_key), row.wrapped, f"{ward}/person_key/{row.person}"),
            )
            for row in rows
        }

    def cipher_for(self, session: Session, ward: WardCode, person: PersonId) -> Cipher:
        """A person's data key.

        :raises Unopenable: when the person was erased.
        """
        found = self.ciphers(connection_of(session), ward, [person]).get(person)
        if found is None:
            raise Unopenable
        return found

    def new_data_key(self, ward: str, place: str) -> tuple[Cipher, bytes]:
        """A data key for one thing that outlives people, such as a mandate.

        The wrapped key is stored beside it.
        """
        key = secrets.token_bytes(_KEY_BYTES)
        wrapped = (
            self._master.current.encode("ascii") + b":" + _seal(self._derive("wrap"), key, f"{ward}/{place}")
        )
        return Cipher(ward, key), wrapped

    def open_data_key(self, ward: str, place: str, wrapped: bytes) -> Cipher:
        """Unwrap such a key."""
        key_id, _, sealed = wrapped.partition(b":")
        return Cipher(ward, _open(self._derive("wrap", key_id.decode("ascii")), sealed, f"{ward}/{place}"))

    def mac(self, ward: WardCode, purpose: str, value: str | bytes) -> str:
        """The key of an equality look-up: equal values of one ward and purpose have equal MACs.

        :returns: key id and 64 hexadecimal digits, of which nothing else can be learnt.
        """
        return self._mac(self._master.current, ward, purpose, value)

    def macs(self, ward: WardCode, purpose: str, value: str | bytes) -> tuple[str, ...]:
        """The MACs of a value under every live key, the current one first."""
        ids = [self._master.current, *(key for key in self._master.keys if key != self._master.current)]
        return tuple(self._mac(key, ward, purpose, value) for key in ids)

    def _mac(self, key: str, ward: WardCode, purpose: str, value: str | bytes) -> str:
        octets = value.encode("utf-8") if isinstance(value, str) else value
        return f"{key}:{hmac.digest(self._derive(f'mac/{ward}/{purpose}', key), octets, 'sha256').hex()}"

    def seal_for(self, purpose: str, content: str, place: str) -> bytes:
        """Seal something short-lived that belongs to no person yet, such as a running interaction."""
        return (
            self._master.current.encode("ascii")
            + b":"
            + _seal(self._derive(f"box/{purpose}"), content.encode("utf-8"), place)
        )

    def open_for(self, purpose: str, sealed: bytes, place: str) -> str:
        """Open it.

        :raises Unopenable: when it was sealed for another purpose or place.
        """
        key_id, _, content = sealed.partition(b":")
        return _open(self._derive(f"box/{purpose}", key_id.decode("ascii")), content, place).decode("utf-8")

    def derived_key(self, purpose: str) -> bytes:
        """32 octets for one purpose, such as the handles of grants; what is new is made with these."""
        return self._derive(f"key/{purpose}")

    def derived_keys(self, purpose: str) -> tuple[bytes, ...]:
        """The same of every live master key, the current one first: what others keep outlives a rotation."""
        ids = sorted(self._master.keys, key=lambda key: key != self._master.current)
        return tuple(self._derive(f"key/{purpose}", key) for key in ids)


def _is_my_number(digits: str) -> bool:
    """Whether the check digit fits (番号法施行令8条, 総務省令85号5条)."""
    weights = (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)
    remainder = sum(int(digit) * weight for digit, weight in zip(digits[:11], weights, strict=True)) % 11
    return int(digits[11]) == (0 if remainder <= 1 else 11 - remainder)


def holds_my_number(text: str) -> bool:
    """Whether a free text holds what looks like a 個人番号, which is never accepted or stored."""
    folded = text.translate(str.maketrans("０１２３４５６７８９", "0123456789")).translate(
        str.maketrans("", "", " \u3000-－ー‐")
    )
    return any(_is_my_number(match.group()) for match in _TWELVE_DIGITS.finditer(folded))

"""What ward systems call a grant: another name in each sector, so that no two can join their people."""

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from assurance.sealed import Vault
from assurance.wards import WardCode
from card.jose import b64url_decode, b64url_encode
from delegation.grant import GrantId

_PURPOSE: Final = "grant-handle"


def _bound(ward: WardCode, sector: str) -> list[bytes]:
    return [ward.encode("ascii"), sector.encode("utf-8"), _PURPOSE.encode("ascii")]


def handle_of(vault: Vault, ward: WardCode, sector: str, grant: GrantId) -> str:
    """The grant's handle in a sector: always the same, and nothing is learnt of it (AES-SIV, RFC 5297)."""
    sealed = AESSIV(vault.derived_key(_PURPOSE)).encrypt(bytes.fromhex(grant), _bound(ward, sector))
    return b64url_encode(sealed)


def open_handle(vault: Vault, ward: WardCode, sector: str, handle: str) -> GrantId | None:
    """The grant of a handle that we gave to this sector."""
    try:
        opened = AESSIV(vault.derived_key(_PURPOSE)).decrypt(b64url_decode(handle), _bound(ward, sector))
    except (InvalidTag, ValueError):
        return None
    return GrantId(opened.hex())

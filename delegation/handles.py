"""Names under which the registry's things are known outside, so that nobody can join what they see.

A grant has another name in each sector. What was given out goes on opening after the master key was changed;
what is made afterwards is another name for the same thing.
"""

from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from assurance.person import PersonId
from assurance.sealed import Vault
from assurance.wards import WardCode
from card.jose import b64url_decode, b64url_encode
from delegation.grant import GrantId

_GRANT: Final = "grant-handle"
_READER: Final = "receipt-reader"


def _seal(vault: Vault, purpose: str, id_: str, bound: Sequence[str]) -> str:
    """Always the same, and nothing is learnt of the id (AES-SIV, RFC 5297)."""
    places = [place.encode("utf-8") for place in (*bound, purpose)]
    return b64url_encode(AESSIV(vault.derived_key(purpose)).encrypt(bytes.fromhex(id_), places))


def handle_of(vault: Vault, ward: WardCode, sector: str, grant: GrantId) -> str:
    """The grant's handle in a sector: the same as long as the master key is."""
    return _seal(vault, _GRANT, grant, (ward, sector))


def open_handle(vault: Vault, ward: WardCode, sector: str, handle: str) -> GrantId | None:
    """The grant of a handle that we gave to this sector, under whatever master key is still live."""
    places = [place.encode("utf-8") for place in (ward, sector, _GRANT)]
    for key in vault.derived_keys(_GRANT):
        try:
            return GrantId(AESSIV(key).decrypt(b64url_decode(handle), places).hex())
        except (InvalidTag, ValueError):
            continue
    return None


def reader_of(vault: Vault, ward: WardCode, person: PersonId) -> str:
    """Whom a receipt was made for.

    A sub would be of some sector, and a receipt is shown outside all of them; an id of ours would join what
    the person shows in different places with everything else that names it. This one says that two receipts
    are the same person's, and who that is only to the ward.
    """
    return _seal(vault, _READER, person, (ward,))

"""The ward's own keys, one ring a ward, sealed in the database."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum

from sqlmodel import col, select

from assurance.database import Database
from assurance.sealed import Vault
from assurance.wards import WardCode
from card.jose import KeySet, SoftwareSigner
from idp.tables import SigningKeyRow


class KeyPurpose(StrEnum):
    """What a key signs; none signs for two purposes."""

    TOKEN = "token"  # noqa: S105 - a purpose's name
    REQUEST = "request"
    ARCHIVE = "archive"


class KeyRing:
    """The keys of one ward, constructed once; the newest of a purpose signs."""

    def __init__(self, signers: Mapping[KeyPurpose, Sequence[SoftwareSigner]]) -> None:
        self._signers = signers

    def signer(self, purpose: KeyPurpose) -> SoftwareSigner:
        """The key that signs now."""
        return self._signers[purpose][0]

    def public(self, purpose: KeyPurpose) -> list[dict[str, str]]:
        """All live public keys of a purpose, as JWKs (RFC 7517 §4)."""
        return [signer.public_jwk() for signer in self._signers[purpose]]

    def key_set(self, purpose: KeyPurpose) -> KeySet:
        """What verifies them."""
        return KeySet([signer.verification_key() for signer in self._signers[purpose]])


def load_keys(database: Database, vault: Vault, ward: WardCode, now: datetime) -> KeyRing:
    """Read a ward's keys; a purpose that has none gets its first."""
    with database.writing(ward) as unit:
        rows = unit.session.exec(
            select(SigningKeyRow)
            .where(SigningKeyRow.ward == ward, col(SigningKeyRow.retired_at).is_(None))
            .order_by(col(SigningKeyRow.created_at).desc())
        ).all()
        signers: dict[KeyPurpose, list[SoftwareSigner]] = {purpose: [] for purpose in KeyPurpose}
        for row in rows:
            pem = vault.open_for("signing-key", row.sealed, f"{ward}/{row.kid}")
            signers[KeyPurpose(row.purpose)].append(
                SoftwareSigner.from_pem(pem.encode("ascii"), alg=row.alg, kid=row.kid)
            )
        for purpose, found in signers.items():
            if found:
                continue
            made = SoftwareSigner.generate()
            found.append(made)
            sealed = vault.seal_for("signing-key", made.private_pem().decode("ascii"), f"{ward}/{made.kid}")
            unit.session.add(
                SigningKeyRow(
                    ward=ward, kid=made.kid, purpose=purpose, alg=made.alg, sealed=sealed, created_at=now
                )
            )
    return KeyRing(signers)
